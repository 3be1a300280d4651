/** Records that end too early or hold what no record holds. {@link RecordReader} throws it, and who decodes catches it. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

/** Writes length-prefixed records, little-endian, into a buffer that grows. */
export class RecordWriter {
  #target = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  /** @param value whole number in [0, 255] */
  byte(value: number): void {
    this.#length = this.#room(1).writeUInt8(value, this.#length);
  }

  /** @param value whole number in [0, 2^32) */
  count(value: number): void {
    this.#length = this.#room(4).writeUInt32LE(value, this.#length);
  }

  number(value: number): void {
    this.#length = this.#room(8).writeDoubleLE(value, this.#length);
  }

  bytes(value: Buffer): void {
    this.count(value.length);
    this.#length += value.copy(this.#room(value.length), this.#length);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.count(length);
    this.#length += this.#room(length).write(value, this.#length);
  }

  /** What was written; it shares memory with the writer, which is done now. */
  finish(): Buffer {
    return this.#target.subarray(0, this.#length);
  }

  #room(size: number): Buffer {
    const needed = this.#length + size;
    if (needed > this.#target.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#target.length * 2));
      this.#target.copy(larger, 0, 0, this.#length);
      this.#target = larger;
    }
    return this.#target;
  }
}

/** Reads what {@link RecordWriter} wrote. It copies nothing and believes no length; each method throws a {@link RecordError}. */
export class RecordReader {
  readonly #source: Buffer;
  #position = 0;

  constructor(source: Buffer) {
    this.#source = source;
  }

  /** Bytes that were not read yet. */
  get left(): number {
    return this.#source.length - this.#position;
  }

  byte(): number {
    return this.take(1).readUInt8();
  }

  /** A byte that is 0 or 1. */
  flag(): boolean {
    const value = this.byte();
    if (value > 1) throw new RecordError(`a flag is ${value}`);
    return value === 1;
  }

  count(): number {
    return this.take(4).readUInt32LE();
  }

  /** A wall time in ms, finite and not negative. */
  wallMs(): number {
    const value = this.take(8).readDoubleLE();
    if (!Number.isFinite(value) || value < 0) throw new RecordError('a time is no time');
    return value;
  }

  /** Shares memory with the source. */
  bytes(): Buffer {
    return this.take(this.count());
  }

  text(): string {
    return this.bytes().toString();
  }

  /** The next `size` bytes; they share memory with the source. */
  take(size: number): Buffer {
    if (size > this.left) throw new RecordError(`${size} bytes are announced where ${this.left} are left`);
    const start = this.#position;
    this.#position += size;
    return this.#source.subarray(start, this.#position);
  }
}
