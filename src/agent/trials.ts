import type { Entry } from '../cache/entry.ts';
import type { Refusal } from '../cache/stored.ts';

/** Contents that a client rejected, while others may still accept them. */
interface Trial {
  readonly suspects: readonly Entry[];
  readonly refusal: Refusal;
  /** Streams that were sent something of the type and have not answered. */
  readonly waiting: Set<number>;
  readonly untilMs: number;
}

/** What to quarantine now. */
export interface Sentence {
  readonly suspects: readonly Entry[];
  readonly refusal: Refusal;
}

/**
 * Rejections on which other clients may still have a word: a content is quarantined when every client that answered rejected it (R102), and
 * who was sent it a moment ago is given the time to answer.
 */
export class Trials {
  #open: Trial[] = [];

  /** A client rejected these contents. @param untilMs when the others' words are not waited for any more, monotonic */
  open(suspects: readonly Entry[], refusal: Refusal, waiting: Iterable<number>, untilMs: number): void {
    if (suspects.length > 0) this.#open.push({ suspects, refusal, waiting: new Set(waiting), untilMs });
  }

  /** A client answered, or left. */
  heard(streamId: number): void {
    for (const trial of this.#open) trial.waiting.delete(streamId);
  }

  nextDeadlineMs(): number {
    let deadline = Infinity;
    for (const { untilMs } of this.#open) deadline = Math.min(deadline, untilMs);
    return deadline;
  }

  /** Takes what nobody has to be waited for any more. */
  take(nowMs: number): Sentence[] {
    if (this.#open.length === 0) return [];
    const isDue = ({ waiting, untilMs }: Trial): boolean => waiting.size === 0 || untilMs <= nowMs;
    const due = this.#open.filter(isDue);
    this.#open = this.#open.filter(trial => !isDue(trial));
    return due;
  }
}
