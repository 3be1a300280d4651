import type { Field, MessageType } from './catalog.ts';

/**
 * One value: a number for `double`, `int32`, `uint32` and enums, a bigint for `int64` and `uint64`, else what the type says. Whoever
 * makes one sees to it that it is in the range of its type.
 */
export type ProtoValue = string | number | bigint | boolean | Buffer | ProtoMessage;

/** A key of a map, of the types that maps of the tables have. */
export type ProtoKey = string | number;

/** What a field holds, after its form. */
export type Content =
  | { readonly form: 'one'; readonly value: ProtoValue }
  | { readonly form: 'list'; readonly values: readonly ProtoValue[] }
  | { readonly form: 'map'; readonly entries: ReadonlyMap<ProtoKey, ProtoValue> };

/** A field that the tables do not know, or one of another wire type than they say. */
export interface UnknownField {
  readonly number: number;
  readonly wireType: number;
  /** What stands behind tag and length; shared with what it was read from. */
  readonly bytes: Buffer;
}

/** A message between its two forms, JSON and bytes. */
export interface ProtoMessage {
  readonly type: MessageType;
  /** The fields that are set. A default outside a oneof may stand here, and is no different from a field that does not. */
  readonly fields: ReadonlyMap<Field, Content>;
  /** In the order in which they came; they are shown, and not encoded again. */
  readonly unknown?: readonly UnknownField[];
}

/** Whether a value is the default of its type, which says nothing outside of a oneof. A message always says something. */
export function isDefault(value: ProtoValue): boolean {
  if (Buffer.isBuffer(value)) return value.length === 0;
  // Minus zero is written, as Go does.
  return value === '' || value === false || value === 0n || Object.is(value, 0);
}

/** Keys in the order in which they are written: numbers by size, texts by their bytes, as Go orders them. */
export function sortedKeys(keys: Iterable<ProtoKey>): ProtoKey[] {
  return [...keys].sort((a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : Buffer.compare(Buffer.from(`${a}`), Buffer.from(`${b}`)),
  );
}

/** The only value of a field that holds one. */
export function valueAt(message: ProtoMessage, number: number): ProtoValue | undefined {
  const field = message.type.byNumber.get(number);
  const content = field && message.fields.get(field);
  return content?.form === 'one' ? content.value : undefined;
}

/** A message made of values by field number. Numbers that the type does not know are left out. */
export function makeMessage(type: MessageType, values: ReadonlyMap<number, ProtoValue | undefined>): ProtoMessage {
  const fields = new Map<Field, Content>();
  for (const [number, value] of values) {
    const field = type.byNumber.get(number);
    if (field && value !== undefined) fields.set(field, { form: 'one', value });
  }
  return { type, fields };
}
