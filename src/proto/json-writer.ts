import type { Field, MessageType, Scalar, ValueType } from './catalog.ts';
import { scalarJson } from './json-scalars.ts';
import { formatDuration, formatTimestamp, type Seconds } from './json-times.ts';
import {
  type Content,
  isDefault,
  type ProtoMessage,
  type ProtoValue,
  type UnknownField,
  valueAt,
} from './proto-message.ts';
import { decodeMessage } from './wire.ts';

const bare: ReadonlySet<string> = new Set(
  [
    ...['Struct', 'ListValue', 'BoolValue', 'StringValue', 'DoubleValue', 'FloatValue'],
    ...['Int32Value', 'Int64Value', 'UInt32Value', 'UInt64Value'],
  ].map(name => `google.protobuf.${name}`),
);
const special: ReadonlySet<string> = new Set(
  ['Any', 'Duration', 'Empty', 'Timestamp', 'Value'].map(name => `google.protobuf.${name}`),
);

/** Whether JSON shows a message as what its only field holds. */
export function isBare({ name }: MessageType): boolean {
  return bare.has(name);
}

/** Whether JSON shows a message otherwise than by its fields. */
export function isSpecial(type: MessageType): boolean {
  return isBare(type) || special.has(type.name);
}

/** How a message is shown. */
export interface JsonStyle {
  /** As proto3's JSON has them, or as the `.proto` file has them. */
  readonly fieldNames: 'camelCase' | 'snake_case';
  /** Shown under `@unknown_fields`, each with its number, its wire type and its bytes in base64; or left out. */
  readonly hasUnknown: boolean;
  /** In place of what is marked as a key or a password in the tables stands `[redacted]`. */
  readonly isRedacted: boolean;
  /** An `Any` inside of more of them is shown by its bytes: each costs a decoding of all that is in it. */
  readonly anysMax: number;
}

/** As an author writes it: what can be read back. */
export const plainStyle: JsonStyle = { fieldNames: 'camelCase', hasUnknown: false, isRedacted: false, anysMax: 4 };

/** As Envoy's `/config_dump` writes it, and besides with what is not known. */
export const dumpStyle: JsonStyle = { fieldNames: 'snake_case', hasUnknown: true, isRedacted: true, anysMax: 8 };

const redacted = '[redacted]';

/** A message as JSON has it, in new plain objects. */
export function messageJson(message: ProtoMessage, style: JsonStyle = plainStyle): unknown {
  return new JsonWriter(style).message(message, 0);
}

/** An `Any` whose content cannot be said otherwise. */
export function opaqueAny(typeUrl: string, value: Buffer): object {
  return { '@type': typeUrl, value: value.toString('base64') };
}

class JsonWriter {
  readonly #style: JsonStyle;

  constructor(style: JsonStyle) {
    this.#style = style;
  }

  /** @param anys how many `Any` it is inside of */
  message(message: ProtoMessage, anys: number): unknown {
    switch (message.type.name) {
      case 'google.protobuf.Any':
        return this.#any(message, anys);
      case 'google.protobuf.Duration':
        return formatDuration(secondsOf(message));
      case 'google.protobuf.Timestamp': {
        const time = secondsOf(message);
        // One that RFC 3339 cannot say is shown as it is.
        return formatTimestamp(time) ?? { seconds: `${time.seconds}`, nanos: time.nanos };
      }
      case 'google.protobuf.Value':
        return this.#anything(message, anys);
      default:
        return isBare(message.type) ? this.#bare(message, anys) : this.#fields(message, anys);
    }
  }

  #fields({ type, fields, unknown = [] }: ProtoMessage, anys: number): object {
    const { fieldNames, hasUnknown, isRedacted } = this.#style;
    const members: [string, unknown][] = [];
    for (const field of type.fields) {
      const content = fields.get(field);
      if (!content || saysNothing(content, field)) continue;
      const name = fieldNames === 'camelCase' ? field.jsonName : field.name;
      members.push([name, isRedacted && field.isSensitive ? redacted : this.#content(content, field.type, anys)]);
    }
    if (hasUnknown && unknown.length > 0) members.push(['@unknown_fields', unknown.map(unknownJson)]);
    return Object.fromEntries(members);
  }

  #content(content: Content, type: ValueType, anys: number): unknown {
    switch (content.form) {
      case 'one':
        return this.#value(content.value, type, anys);
      case 'list':
        return content.values.map(value => this.#value(value, type, anys));
      case 'map':
        return Object.fromEntries(
          [...content.entries].map(([key, value]) => [`${key}`, this.#value(value, type, anys)]),
        );
    }
  }

  #value(value: ProtoValue, type: ValueType, anys: number): unknown {
    if (type.kind === 'enum' && typeof value === 'number') return type.of.names.get(value) ?? value;
    return typeof value === 'object' && 'fields' in value ? this.message(value, anys) : scalarJson(value);
  }

  /** A list, a map or a scalar, which is there even when it is empty. */
  #bare({ type, fields }: ProtoMessage, anys: number): unknown {
    const [field] = type.fields;
    if (!field) return undefined;
    const content = fields.get(field);
    if (content) return this.#content(content, field.type, anys);
    if (field.form !== 'one') return field.form === 'list' ? [] : {};
    return field.type.kind === 'scalar' ? emptyScalar(field.type.scalar) : undefined;
  }

  #anything({ type, fields }: ProtoMessage, anys: number): unknown {
    // Of a Value only one field is set; without any, and with null_value, it is null.
    for (const field of type.fields) {
      const content = fields.get(field);
      if (content && field.type.kind !== 'enum') return this.#content(content, field.type, anys);
    }
    return null;
  }

  #any(any: ProtoMessage, anys: number): object {
    const [typeUrl, value] = [valueAt(any, 1), valueAt(any, 2)];
    const name = typeof typeUrl === 'string' ? typeUrl : '';
    const bytes = Buffer.isBuffer(value) ? value : Buffer.alloc(0);
    const known = any.type.catalog.find(name.slice(name.lastIndexOf('/') + 1));
    const message = anys < this.#style.anysMax && known ? decodeMessage(known, bytes) : undefined;
    if (!message || 'error' in message) return opaqueAny(name, bytes);
    const json = this.message(message, anys + 1);
    return isSpecial(message.type) ? { '@type': name, value: json } : { '@type': name, ...Object(json) };
  }
}

function saysNothing(content: Content, { oneof }: Field): boolean {
  if (content.form === 'one') return oneof === undefined && isDefault(content.value);
  return content.form === 'list' ? content.values.length === 0 : content.entries.size === 0;
}

function emptyScalar(scalar: Scalar): unknown {
  switch (scalar) {
    case 'bool':
      return false;
    case 'string':
    case 'bytes':
      return '';
    case 'int64':
    case 'uint64':
      return '0';
    default:
      return 0;
  }
}

function secondsOf(message: ProtoMessage): Seconds {
  const [seconds, nanos] = [valueAt(message, 1), valueAt(message, 2)];
  return { seconds: typeof seconds === 'bigint' ? seconds : 0n, nanos: typeof nanos === 'number' ? nanos : 0 };
}

function unknownJson({ number, wireType, bytes }: UnknownField): object {
  return { number, wire_type: wireType, value: bytes.toString('base64') };
}
