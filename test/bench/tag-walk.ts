/**
 * Visits the top-level fields of a protobuf message that lies in `buffer` from `start` to `end`. Length-delimited fields
 * come with the range of their payload; numbers are passed over, which is all that the bench needs.
 *
 * @throws Error when the bytes are no protobuf message
 */
export function eachField(
  buffer: Buffer,
  start: number,
  end: number,
  visit: (number: number, from: number, to: number) => void,
): void {
  let at = start;
  const varint = (): number => {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = buffer[at];
      if (byte === undefined || at >= end) throw new Error(`a message of ${end - start} bytes ends within a number`);
      at += 1;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  };
  while (at < end) {
    const tag = varint();
    const wireType = tag & 7;
    if (wireType === 2) {
      const length = varint();
      if (at + length > end) throw new Error(`a field of ${length} bytes reaches past the end of its message`);
      visit(tag >>> 3, at, at + length);
      at += length;
    } else if (wireType === 0) varint();
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else throw new Error(`there is no wire type ${wireType}`);
  }
}

/**
 * Reads the decimal digits that a range ends with.
 *
 * @param end index after the last digit
 * @param digits how many
 * @throws Error when there is anything but a digit
 */
export function numberAtEnd(buffer: Buffer, end: number, digits: number): number {
  let value = 0;
  for (let at = end - digits; at < end; at += 1) {
    const digit = (buffer[at] ?? 0) - 48;
    if (digit < 0 || digit > 9) throw new Error(`byte ${at} is no digit`);
    value = value * 10 + digit;
  }
  return value;
}
