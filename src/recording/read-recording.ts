import { type RecordedEvent, type RecordingHeader, readLine } from './format.ts';

/** A recording that was read. */
export interface Recording {
  readonly header: RecordingHeader;
  readonly events: readonly RecordedEvent[];
  /** Its last line is incomplete, as after a crash, and left out. */
  readonly isCut: boolean;
}

/**
 * Reads a recording.
 *
 * @param lines without their line ends
 * @returns what is in it, or what is wrong with it
 */
export async function readRecording(lines: AsyncIterable<string>): Promise<Recording | { readonly error: string }> {
  let header: RecordingHeader | undefined;
  const events: RecordedEvent[] = [];
  let number = 0;
  let wrong: string | undefined;
  for await (const line of lines) {
    number++;
    // What is wrong in the middle is no end that was cut off.
    if (wrong !== undefined) return { error: wrong };
    const read = readLine(line, number);
    if ('error' in read) wrong = read.error;
    else if ('weir' in read) header = read;
    else events.push(read);
  }
  if (!header) return { error: wrong ?? 'it is empty' };
  return { header, events, isCut: wrong !== undefined };
}
