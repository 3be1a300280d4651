/** So many questions in so many ms at the most: servers count pings that nothing else comes with, and close a connection over too many. */
const questionsMax = 2;
const windowMs = 1_000;
/** A question that is not answered is asked again after so many ms, until keepalive ends the connection. */
const againMs = 1_000;

/** When a stream's connection is asked whether it is alive, for whoever is about to read silence as a word. */
export class LivenessProbe {
  /** When it was alive last, monotonic in ms; -Infinity before anything was heard. */
  aliveAtMs = -Infinity;
  #isDue = false;
  /** When the question was asked that is not answered yet, monotonic in ms. */
  #openSinceMs: number | undefined;
  /** When the last questions were asked, oldest first. */
  readonly #askedAtMs: number[] = [];

  /** Somebody wants to know. An answer that is still to come tells them as well. */
  want(): void {
    if (this.#openSinceMs === undefined) this.#isDue = true;
  }

  answered(nowMs: number): void {
    this.#openSinceMs = undefined;
    this.aliveAtMs = nowMs;
  }

  /** Whether a question is about to be asked, or was asked and not answered. */
  get isUnderWay(): boolean {
    return this.#isDue || this.#openSinceMs !== undefined;
  }

  /** Whether to ask now. If so, it counts as asked. */
  take(nowMs: number): boolean {
    if (this.nextDeadlineMs() > nowMs) return false;
    this.#isDue = false;
    this.#openSinceMs = nowMs;
    this.#askedAtMs.push(nowMs);
    if (this.#askedAtMs.length > questionsMax) this.#askedAtMs.shift();
    return true;
  }

  /** When {@link take} has a question, monotonic in ms; in the past when it has one now. */
  nextDeadlineMs(): number {
    const [oldest = -Infinity] = this.#askedAtMs.length < questionsMax ? [] : this.#askedAtMs;
    if (this.#isDue) return oldest + windowMs;
    return this.#openSinceMs === undefined ? Infinity : Math.max(this.#openSinceMs + againMs, oldest + windowMs);
  }
}
