/** Protocol timing of a session, in ms. */
export interface AnswerTiming {
  /** Least silence after which the first answer to a Delta wildcard counts as complete (R116). */
  readonly completeQuietMs: number;
  /** Silence after which an unanswered name may be judged missing. */
  readonly absentQuietMs: number;
  /** The resource timer of xDS (R115). */
  readonly absentTimeoutMs: number;
}

/** What silence has told. */
export interface Verdicts {
  /** Upstream answered the same request for other names. */
  readonly inferred: readonly string[];
  /** Upstream was silent, and other knowledge says that there is nothing of the name. */
  readonly presumed: readonly string[];
  readonly timedOut: readonly string[];
  /** The first answer to the wildcard is complete now. */
  readonly isComplete: boolean;
}

interface Batch {
  /** When the request had left; Infinity before. */
  askedAtMs: number;
  /** Whether upstream answered another name of the same request. */
  isAnswered: boolean;
}

/** However slow the path, its silence is taken for an end after this. */
const quietMsMax = 1_000;
/** However long upstream goes on sending, a first answer is complete so long after its first part. */
const firstAnswerMsMax = 5_000;
/** Silence on a name has to last so many times what an answer took. */
const latencyFactor = 2;

const nothing: Verdicts = { inferred: [], presumed: [], timedOut: [], isComplete: false };

/**
 * Watches what upstream was asked on one stream and type and has not answered yet. xDS has no "not found" in SotW, and
 * go-control-plane gives none in Delta either (rulebook 5), so silence has to be read:
 *
 * - a name whose request was answered for other names, or that `isKnownMissing` rules out, is judged missing after a quiet time;
 * - any other after the 15 s timer.
 */
export class AnswerTracker {
  readonly #timing: AnswerTiming;
  readonly #waiting = new Map<string, Batch>();
  /** Batches in the order they were asked. */
  #batches: Batch[] = [];
  #evaluateAtMs = Infinity;
  #isWildcardAwaited = false;
  #wildcardAskedAtMs = 0;
  /** Silence that ends this wildcard's first answer, known once its first part has come. */
  #quietMs: number | undefined;
  #completeAtMs = Infinity;
  #completeByMs = Infinity;
  #firstPartMs = 0;
  /** Longest time that upstream has taken for an answer, in ms. */
  #latencyMs = 0;
  /** Names in the first wildcard answer, while one is awaited or not taken yet. */
  #seen: Set<string> | undefined;
  #isResumed = false;

  constructor(timing: AnswerTiming) {
    this.#timing = timing;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Since when an answer on the name is awaited, monotonic in ms, Infinity while the request has not left; undefined when none is. */
  waitingSinceMs(name: string): number | undefined {
    return this.#waiting.get(name)?.askedAtMs;
  }

  /** A request was written for names that are not held. Silence counts from when it has {@link left}. */
  asked(names: Iterable<string>): void {
    const batch: Batch = { askedAtMs: Infinity, isAnswered: false };
    if (this.#waiting.size === 0) this.#batches = [];
    for (const name of names) this.#waiting.set(name, batch);
    this.#batches.push(batch);
  }

  /** The last request has left: a server that reads nothing is not silent on it. */
  left(nowMs: number): void {
    if (this.#wildcardAskedAtMs === Infinity) this.#wildcardAskedAtMs = nowMs;
    const batch = this.#batches.at(-1);
    if (batch?.askedAtMs !== Infinity) return;
    batch.askedAtMs = nowMs;
    this.#evaluateAtMs = nowMs + this.#quietOnNameMs;
  }

  /** Whether the first answer to the wildcard has not come, or may not be complete. */
  get isFirstAnswerOpen(): boolean {
    return this.#isWildcardAwaited;
  }

  /** The wildcard was asked for. With nothing listed to resume from its first answer is the whole set (R108), else a difference. */
  wildcardAsked(isResumed: boolean): void {
    this.#isWildcardAwaited = true;
    this.#wildcardAskedAtMs = Infinity;
    this.#quietMs = undefined;
    this.#seen = new Set();
    this.#isResumed = isResumed;
  }

  /** A response of the type came. */
  answered(names: Iterable<string>, nowMs: number): void {
    const sizeBefore = this.#seen?.size ?? 0;
    let count = 0;
    for (const name of names) {
      this.#seen?.add(name);
      count++;
      const batch = this.#waiting.get(name);
      if (!batch) continue;
      batch.isAnswered = true;
      this.#tookMs(nowMs - batch.askedAtMs);
      this.#waiting.delete(name);
    }
    if (this.#waiting.size > 0) this.#evaluateAtMs = nowMs + this.#quietOnNameMs;
    if (!this.#isWildcardAwaited) return;
    if (this.#quietMs === undefined) {
      // On a slow path the parts of an answer lie further apart, too.
      const latencyMs = Math.max(0, nowMs - this.#wildcardAskedAtMs);
      this.#tookMs(latencyMs);
      this.#quietMs = Math.max(this.#timing.completeQuietMs, Math.min(latencyMs, quietMsMax));
      this.#completeByMs = nowMs + firstAnswerMsMax;
      this.#firstPartMs = nowMs;
    }
    // No answer holds a name twice: upstream has gone on to changes, and the parts of its answer lie closer together than this.
    if ((this.#seen?.size ?? 0) < sizeBefore + count) {
      this.#completeByMs = Math.min(this.#completeByMs, this.#firstPartMs + this.#quietMs);
    }
    this.#completeAtMs = Math.max(nowMs, Math.min(nowMs + this.#quietMs, this.#completeByMs));
  }

  /** A response spoke of these names, too, without being the resource of the name itself. */
  answeredAside(names: Iterable<string>, nowMs: number): void {
    for (const name of names) {
      const batch = this.#waiting.get(name);
      if (!batch) continue;
      batch.isAnswered = true;
      this.#tookMs(nowMs - batch.askedAtMs);
      this.#waiting.delete(name);
    }
  }

  get #quietOnNameMs(): number {
    return Math.max(this.#timing.absentQuietMs, latencyFactor * this.#latencyMs);
  }

  #tookMs(ms: number): void {
    // An answer may be heard of before the departure of its request is.
    this.#latencyMs = Math.max(this.#latencyMs, Math.min(ms, firstAnswerMsMax));
  }

  /** Nobody waits for the name any more. */
  dropped(name: string): void {
    this.#waiting.delete(name);
  }

  /** Names of the whole first answer, once. */
  takeSeen(): Set<string> | undefined {
    const seen = this.#isResumed ? undefined : this.#seen;
    this.#seen = undefined;
    return seen;
  }

  nextDeadlineMs(): number {
    let deadline = this.#completeAtMs;
    if (this.#waiting.size > 0) {
      deadline = Math.min(deadline, this.#evaluateAtMs);
      const oldest = this.#batches[0];
      if (oldest) deadline = Math.min(deadline, oldest.askedAtMs + this.#timing.absentTimeoutMs);
    }
    return deadline;
  }

  /**
   * Reads the silence up to now.
   *
   * @param isKnownMissing whether other knowledge says that nothing of this name exists
   */
  due(nowMs: number, isKnownMissing: (name: string) => boolean): Verdicts {
    if (this.nextDeadlineMs() > nowMs) return nothing;
    const inferred: string[] = [];
    const presumed: string[] = [];
    const timedOut: string[] = [];
    const isComplete = this.#completeAtMs <= nowMs;
    if (isComplete) {
      this.#completeAtMs = Infinity;
      this.#isWildcardAwaited = false;
    }
    const isQuiet = this.#evaluateAtMs <= nowMs;
    for (const [name, batch] of this.#waiting) {
      if (batch.askedAtMs === Infinity && !batch.isAnswered) continue;
      if (batch.askedAtMs + this.#timing.absentTimeoutMs <= nowMs) timedOut.push(name);
      else if (isQuiet && batch.isAnswered) inferred.push(name);
      else if (isQuiet && isKnownMissing(name)) presumed.push(name);
      else continue;
      this.#waiting.delete(name);
    }
    // What could not be judged waits for the next response or for the timer.
    if (isQuiet) this.#evaluateAtMs = Infinity;
    this.#batches = this.#batches.filter(batch => batch.askedAtMs + this.#timing.absentTimeoutMs > nowMs);
    return { inferred, presumed, timedOut, isComplete };
  }
}
