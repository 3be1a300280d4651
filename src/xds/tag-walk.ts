/** Input that is no valid protobuf encoding. Decoders catch it at their boundary and return it as a value. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/**
 * Walks the fields of one encoded message without copying anything.
 *
 * `bytes` is only read. After {@link next} returned true, `field` and `wireType` describe the field; for a length-delimited one
 * (wire type 2) `start` and `end` bound its content in `bytes`, for a varint (0) `varint` holds the value, exact up to 2^53.
 */
export class TagWalk {
  field = 0;
  wireType = 0;
  start = 0;
  end = 0;
  varint = 0;
  readonly bytes: Buffer;
  #position: number;
  readonly #limit: number;

  constructor(bytes: Buffer, start = 0, limit = bytes.length) {
    this.bytes = bytes;
    this.#position = start;
    this.#limit = limit;
  }

  /**
   * Moves to the next field.
   *
   * @returns false at the end of the message
   * @throws WireError when the bytes are truncated, a length runs over the end, or a wire type is unknown
   */
  next(): boolean {
    if (this.#position >= this.#limit) return false;
    const tag = this.#readVarint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0 || this.field > 0x1fff_ffff) throw new WireError(`field number ${this.field}`);
    this.start = this.#position;
    switch (this.wireType) {
      case 0:
        this.varint = this.#readVarint();
        break;
      case 1:
        this.#position += 8;
        break;
      case 2: {
        const length = this.#readVarint();
        this.start = this.#position;
        this.#position += length;
        break;
      }
      case 5:
        this.#position += 4;
        break;
      default:
        throw new WireError(`wire type ${this.wireType}`);
    }
    if (this.#position > this.#limit) throw new WireError('a field runs over the end of its message');
    this.end = this.#position;
    return true;
  }

  /** Content of a length-delimited field as UTF-8. */
  text(): string {
    return this.bytes.toString('utf8', this.#delimited(), this.end);
  }

  /** Content of a length-delimited field, sharing memory with the input. */
  slice(): Buffer {
    return this.bytes.subarray(this.#delimited(), this.end);
  }

  /** A walk over the content of a length-delimited field. */
  message(): TagWalk {
    return new TagWalk(this.bytes, this.#delimited(), this.end);
  }

  #delimited(): number {
    if (this.wireType !== 2) throw new WireError(`field ${this.field} has wire type ${this.wireType}, not 2`);
    return this.start;
  }

  #readVarint(): number {
    const { bytes } = this;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#position >= this.#limit) throw new WireError('a varint is cut off');
      const byte = bytes[this.#position++] as number; // In bounds: checked in the line before.
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new WireError('a varint has more than 10 bytes');
  }
}

/** Encoded size of a non-negative integer as varint, in bytes. */
export function varintSize(value: number): number {
  let size = 1;
  while (value >= 0x80) {
    value = Math.floor(value / 128);
    size++;
  }
  return size;
}

/** Writes a varint into `target` at `position`; returns the position after it. */
export function writeVarint(target: Buffer, position: number, value: number): number {
  while (value >= 0x80) {
    target[position++] = (value % 128) | 0x80;
    value = Math.floor(value / 128);
  }
  target[position++] = value;
  return position;
}

/** One length-delimited field. @param tag of one byte */
export function bytesField(tag: number, bytes: Buffer): Buffer {
  const head = Buffer.allocUnsafe(1 + varintSize(bytes.length));
  head[0] = tag;
  writeVarint(head, 1, bytes.length);
  return Buffer.concat([head, bytes]);
}

/** One string field. @param tag of one byte */
export function textField(tag: number, text: string): Buffer {
  return bytesField(tag, Buffer.from(text));
}
