import protobuf from 'protobufjs/minimal.js';
import { invariant } from '../xds/assert.ts';
import { TagWalk, WireError } from '../xds/tag-walk.ts';
import type { Field, MessageType, Scalar, ValueType } from './catalog.ts';
import {
  type Content,
  isDefault,
  type ProtoKey,
  type ProtoMessage,
  type ProtoValue,
  sortedKeys,
  type UnknownField,
} from './proto-message.ts';

const { Writer } = protobuf;
type Out = protobuf.Writer;

/** Messages inside of each other, which protobuf's own decoders limit as well. */
const nestingMax = 400;

/** Encodes a message so that equal messages give equal bytes: fields in {@link MessageType.wireOrder}, entries of maps by their keys. */
export function encodeMessage(message: ProtoMessage): Buffer {
  const out = Writer.create();
  writeMessage(out, message);
  return Buffer.from(out.finish());
}

function writeMessage(out: Out, { type, fields }: ProtoMessage): void {
  for (const field of type.wireOrder) {
    const content = fields.get(field);
    if (content) writeContent(out, field, content);
  }
}

function writeContent(out: Out, field: Field, content: Content): void {
  switch (content.form) {
    case 'one':
      if (field.oneof !== undefined || !isDefault(content.value))
        writeValue(out, field.number, field.type, content.value);
      return;
    case 'list':
      writeList(out, field, content.values);
      return;
    case 'map':
      for (const key of sortedKeys(content.entries.keys())) {
        const value = content.entries.get(key);
        invariant(value !== undefined && typeof field.form === 'object', `${field.name} is a map`);
        out.uint32((field.number << 3) | 2).fork();
        writeValue(out, 1, { kind: 'scalar', scalar: field.form.key }, key);
        writeValue(out, 2, field.type, value);
        out.ldelim();
      }
  }
}

function writeList(out: Out, { number, type }: Field, values: readonly ProtoValue[]): void {
  if (values.length === 0) return;
  if (!isPacked(type)) {
    for (const value of values) writeValue(out, number, type, value);
    return;
  }
  out.uint32((number << 3) | 2).fork();
  for (const value of values) writeBare(out, type, value);
  out.ldelim();
}

/** Lists of numbers are one field (proto3). */
const isPacked = (type: ValueType): boolean => wireTypeOf(type) !== 2;

function wireTypeOf(type: ValueType): number {
  if (type.kind === 'enum') return 0;
  if (type.kind === 'message' || type.scalar === 'string' || type.scalar === 'bytes') return 2;
  if (type.scalar === 'double') return 1;
  return type.scalar === 'float' ? 5 : 0;
}

function writeValue(out: Out, number: number, type: ValueType, value: ProtoValue): void {
  out.uint32(((number << 3) | wireTypeOf(type)) >>> 0);
  writeBare(out, type, value);
}

function writeBare(out: Out, type: ValueType, value: ProtoValue): void {
  switch (typeof value) {
    case 'string':
      out.string(value);
      return;
    case 'boolean':
      out.bool(value);
      return;
    case 'bigint':
      // The same bits, whether signed or not.
      out.uint64({
        low: Number(BigInt.asIntN(32, value)),
        high: Number(BigInt.asIntN(32, value >> 32n)),
        unsigned: true,
      });
      return;
    case 'number':
      writeNumber(out, type, value);
      return;
    default:
      if (Buffer.isBuffer(value)) out.bytes(value);
      else {
        out.fork();
        writeMessage(out, value);
        out.ldelim();
      }
  }
}

function writeNumber(out: Out, type: ValueType, value: number): void {
  const scalar = type.kind === 'scalar' ? type.scalar : 'int32';
  if (scalar === 'double') out.double(value);
  else if (scalar === 'float') out.float(value);
  else if (scalar === 'uint32') out.uint32(value);
  else out.int32(value);
}

type Fields = Map<Field, Content>;

/** A message that is still being read. */
interface Growing extends ProtoMessage {
  readonly fields: Fields;
  unknown?: UnknownField[];
}

/**
 * Decodes a message. Fields that are not known are kept apart, and of several values of a field that holds one the last counts; messages
 * are merged, as protobuf demands.
 *
 * @returns what is wrong with the bytes, if so
 */
export function decodeMessage(type: MessageType, bytes: Buffer): ProtoMessage | { readonly error: string } {
  const message: Growing = { type, fields: new Map() };
  try {
    readFields(new TagWalk(bytes), message, 1);
  } catch (error) {
    if (error instanceof WireError) return { error: error.message };
    throw error;
  }
  return message;
}

function readFields(walk: TagWalk, message: Growing, nesting: number): void {
  if (nesting > nestingMax) throw new WireError(`more than ${nestingMax} messages inside of each other`);
  while (walk.next()) {
    const field = message.type.byNumber.get(walk.field);
    if (!field || !readField(walk, field, message, nesting)) {
      const { field: number, wireType, start, end } = walk;
      message.unknown ??= [];
      message.unknown.push({ number, wireType, bytes: walk.bytes.subarray(start, end) });
    }
  }
}

/** @returns false when it is of another wire type, which Go takes for a field that is not known */
function readField(walk: TagWalk, field: Field, message: Growing, nesting: number): boolean {
  const { fields } = message;
  const before = fields.get(field);
  const expected = typeof field.form === 'object' ? 2 : wireTypeOf(field.type);
  if (field.form === 'list') {
    const values = before?.form === 'list' ? (before.values as ProtoValue[]) : []; // Made here, by this very function.
    if (walk.wireType === expected) values.push(readValue(walk, field.type, undefined, nesting));
    else if (walk.wireType === 2) readPacked(walk, field.type, values);
    else return false;
    if (values.length > 0) fields.set(field, { form: 'list', values });
    return true;
  }
  if (walk.wireType !== expected) return false;
  if (field.form === 'one') {
    const value = readValue(walk, field.type, before?.form === 'one' ? before.value : undefined, nesting);
    if (field.oneof !== undefined) {
      for (const other of message.type.fields) if (other.oneof === field.oneof && other !== field) fields.delete(other);
    }
    fields.set(field, { form: 'one', value });
    return true;
  }
  const entries = before?.form === 'map' ? (before.entries as Map<ProtoKey, ProtoValue>) : new Map(); // As above.
  const [key, value] = readEntry(walk.message(), field.form.key, field.type, nesting);
  fields.set(field, { form: 'map', entries: entries.set(key, value) });
  return true;
}

function readEntry(walk: TagWalk, keyScalar: Scalar, type: ValueType, nesting: number): [ProtoKey, ProtoValue] {
  const keyType: ValueType = { kind: 'scalar', scalar: keyScalar };
  let key = defaultOf(keyType);
  let value = defaultOf(type);
  while (walk.next()) {
    if (walk.field === 1 && walk.wireType === wireTypeOf(keyType)) key = readValue(walk, keyType, undefined, nesting);
    else if (walk.field === 2 && walk.wireType === wireTypeOf(type)) value = readValue(walk, type, value, nesting);
  }
  invariant(typeof key === 'string' || typeof key === 'number', 'keys of maps are texts and small numbers');
  return [key, value];
}

function defaultOf(type: ValueType): ProtoValue {
  if (type.kind === 'enum') return 0;
  if (type.kind === 'message') return { type: type.of, fields: new Map() };
  switch (type.scalar) {
    case 'string':
      return '';
    case 'bytes':
      return Buffer.alloc(0);
    case 'bool':
      return false;
    case 'int64':
    case 'uint64':
      return 0n;
    default:
      return 0;
  }
}

/** @param before a message that came earlier in the same field */
function readValue(walk: TagWalk, type: ValueType, before: ProtoValue | undefined, nesting: number): ProtoValue {
  if (type.kind === 'message') {
    const isMessage = typeof before === 'object' && !Buffer.isBuffer(before);
    const message = isMessage ? (before as Growing) : { type: type.of, fields: new Map() }; // As above.
    readFields(walk.message(), message, nesting + 1);
    return message;
  }
  if (type.kind === 'scalar' && type.scalar === 'string') return readText(walk.slice());
  if (type.kind === 'scalar' && type.scalar === 'bytes') return Buffer.from(walk.slice());
  const reader = new NumberReader(walk.bytes, walk.start, walk.end);
  return reader.next(type);
}

function readPacked(walk: TagWalk, type: ValueType, values: ProtoValue[]): void {
  const reader = new NumberReader(walk.bytes, walk.start, walk.end);
  while (!reader.isAtEnd) values.push(reader.next(type));
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new WireError('a text is not UTF-8', { cause: error });
  }
}

/** Digits that tell any two floats apart (IEEE 754, binary32). */
const floatDigitsMax = 9;

/** The shortest number that is the same float, as protobuf writes one in JSON. */
function shortest(float: number): number {
  for (let digits = 1; digits <= floatDigitsMax; digits++) {
    const rounded = Number(float.toPrecision(digits));
    if (Math.fround(rounded) === float) return rounded;
  }
  return float;
}

/** Numbers one after the other, exact to all 64 bits, which {@link TagWalk} is not. */
class NumberReader {
  readonly #bytes: Buffer;
  #position: number;
  readonly #end: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end;
  }

  next(type: ValueType): number | bigint | boolean {
    const scalar = type.kind === 'scalar' ? type.scalar : 'int32';
    if (scalar === 'double') {
      if (this.#end - this.#position < 8) throw new WireError('a double is cut off');
      this.#position += 8;
      return this.#bytes.readDoubleLE(this.#position - 8);
    }
    if (scalar === 'float') {
      if (this.#end - this.#position < 4) throw new WireError('a float is cut off');
      this.#position += 4;
      return shortest(this.#bytes.readFloatLE(this.#position - 4));
    }
    const bits = this.#varint();
    if (scalar === 'bool') return bits !== 0n;
    if (scalar === 'int64') return BigInt.asIntN(64, bits);
    if (scalar === 'uint64') return bits;
    return Number(scalar === 'uint32' ? BigInt.asUintN(32, bits) : BigInt.asIntN(32, bits));
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#position < this.#end ? this.#bytes[this.#position] : undefined;
      if (byte === undefined) throw new WireError('a varint is cut off');
      this.#position += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError('a varint has more than 10 bytes');
  }
}
