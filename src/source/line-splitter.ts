/** A line that was longer than allowed and whose content was not kept. */
export const tooLong = 'too long';

const lineEnd = 0x0a;

/** Cuts a stream of bytes into lines without ever holding more than one of the longest allowed. */
export class LineSplitter {
  readonly #lineBytesMax: number;
  #parts: Buffer[] = [];
  #size = 0;
  #isSkipping = false;

  /** @param lineBytesMax of a line without its end */
  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /**
   * Takes the next bytes.
   *
   * @param chunk kept until its last line has ended; nobody may write into it
   * @returns the lines that ended in it, without their ends and without empty ones, and {@link tooLong} as soon as one is. What has not ended waits for
   *   more, and is never a line by itself
   */
  push(chunk: Buffer): (Buffer | typeof tooLong)[] {
    const lines: (Buffer | typeof tooLong)[] = [];
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(lineEnd, from);
      if (this.#exceeds(chunk.subarray(from, end === -1 ? chunk.length : end))) lines.push(tooLong);
      if (end === -1) break;
      if (this.#size > 0) lines.push(Buffer.concat(this.#parts));
      this.#clear();
      this.#isSkipping = false;
      from = end + 1;
    }
    return lines;
  }

  /** Takes a part of a line. @returns whether it is the one that makes the line too long */
  #exceeds(part: Buffer): boolean {
    if (this.#isSkipping || part.length === 0) return false;
    this.#size += part.length;
    this.#isSkipping = this.#size > this.#lineBytesMax;
    if (this.#isSkipping) this.#clear();
    else this.#parts.push(part);
    return this.#isSkipping;
  }

  #clear(): void {
    this.#parts = [];
    this.#size = 0;
  }
}
