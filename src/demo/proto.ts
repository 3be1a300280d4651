import protobuf from 'protobufjs/minimal.js';

const { Reader, Writer } = protobuf;

/** One field of a message to be written. */
export type Field = (writer: protobuf.Writer) => void;

/** Encodes a message from its fields, in the order given. */
export function message(...fields: readonly Field[]): Buffer {
  const writer = Writer.create();
  for (const field of fields) field(writer);
  return Buffer.from(writer.finish());
}

/** A string field. An empty string is left out, as proto3 does. */
export function text(number: number, value: string): Field {
  return writer => {
    if (value !== '') writer.uint32((number << 3) | 2).string(value);
  };
}

/** A string field of a list: written even if empty. */
export function texts(number: number, values: Iterable<string>): Field {
  return writer => {
    for (const value of values) writer.uint32((number << 3) | 2).string(value);
  };
}

/** An embedded message or bytes field. */
export function bytes(number: number, value: Uint8Array): Field {
  return writer => {
    writer.uint32((number << 3) | 2).bytes(value);
  };
}

/** An embedded message written in place. */
export function nested(number: number, ...fields: readonly Field[]): Field {
  return bytes(number, message(...fields));
}

/** A non-negative integer, enum or bool field; zero is left out. */
export function uint(number: number, value: number): Field {
  return writer => {
    if (value !== 0) writer.uint32(number << 3).uint32(value);
  };
}

/** A `google.protobuf.Duration` field. @param milliseconds not negative */
export function duration(number: number, milliseconds: number): Field {
  return nested(number, uint(1, Math.floor(milliseconds / 1000)), uint(2, (milliseconds % 1000) * 1_000_000));
}

/** A field that was read: `payload` for length-delimited ones (it shares the input's memory), `value` for varints. */
export interface ReadField {
  readonly number: number;
  readonly payload: Buffer | undefined;
  readonly value: number;
}

/**
 * Reads the top-level fields of a message.
 *
 * @throws Error when the bytes are no protobuf message
 */
export function fieldsOf(buffer: Buffer): ReadField[] {
  const reader = Reader.create(buffer);
  const fields: ReadField[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const number = tag >>> 3;
    if ((tag & 7) === 2) {
      const length = reader.uint32();
      const start = reader.pos;
      reader.skip(length);
      fields.push({ number, payload: buffer.subarray(start, start + length), value: 0 });
    } else if ((tag & 7) === 0) {
      fields.push({ number, payload: undefined, value: Number(reader.int64()) });
    } else {
      reader.skipType(tag & 7);
    }
  }
  return fields;
}

/** The last string of field `number`, or '' when there is none. */
export function textOf(fields: readonly ReadField[], number: number): string {
  return fields.findLast(field => field.number === number)?.payload?.toString('utf8') ?? '';
}

/** All strings of field `number`. */
export function textsOf(fields: readonly ReadField[], number: number): string[] {
  return payloadsOf(fields, number).map(payload => payload.toString('utf8'));
}

/** All length-delimited payloads of field `number`. */
export function payloadsOf(fields: readonly ReadField[], number: number): Buffer[] {
  return fields.flatMap(field => (field.number === number && field.payload ? [field.payload] : []));
}

/** Follows a path of field numbers into embedded messages and returns every payload at its end. */
export function payloadsAt(buffer: Buffer, ...path: readonly number[]): Buffer[] {
  let level = [buffer];
  for (const number of path) level = level.flatMap(inner => payloadsOf(fieldsOf(inner), number));
  return level;
}
