import type { Occurrence } from './journal.ts';
import type { LogLine } from './notes.ts';

/** Something that is told: as a log line, as an event, or as both. */
export interface Telling {
  /** Lines of one kind are bounded together; one of a few. */
  readonly kind: string;
  readonly line: LogLine | undefined;
  /** Says the same each time it is told, so that the journal counts it in place of repeating it. */
  readonly occurrence: Occurrence | undefined;
}

/** How long the same is counted before it is told again, in ms. */
export const repeatEveryMs = 60_000;
