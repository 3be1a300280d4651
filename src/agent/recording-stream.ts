import { Readable } from 'node:stream';
import type { Recorder } from '../recording/recorder.ts';

/** Recordings at once: each costs the encoding of every message. */
const recordingsMax = 4;
/** Bytes of a recording that may wait for a reader who is slower than the control plane. */
const waitingBytesMax = 64 * 2 ** 20;

/**
 * Begins a recording, to be read as it grows; it ends when the agent does, or whoever reads it stops.
 *
 * @returns undefined when there are as many recordings as there may be
 */
export function recordingStream(recorder: Recorder, nowMs: number, wallMs: number): Readable | undefined {
  if (recorder.size >= recordingsMax) return undefined;
  let stop = (): void => {};
  const stream = new Readable({
    read() {},
    destroy(error, done) {
      stop();
      done(error);
    },
  });
  const sink = {
    line: (text: string): boolean => {
      stream.push(text);
      const isKept = stream.readableLength <= waitingBytesMax;
      if (!isKept) stream.destroy(new Error('the recording was read too slowly'));
      return isKept;
    },
    end: () => {
      stream.push(null);
    },
  };
  stop = recorder.begin(sink, nowMs, wallMs);
  return stream;
}
