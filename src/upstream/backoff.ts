/** A source of randomness in [0, 1). The core's is seeded, so a simulation repeats exactly. */
export type Random = () => number;

/** Streams that were answered and lost at once make the first delay no longer than this, in ms: the server is there, and may be well again. */
const flapDelayMsMax = 4_000;

/**
 * Exponential back-off with full jitter (R111): the n-th delay is random in [0, min(base · 2ⁿ, max)], so that a fleet that lost its
 * control plane does not come back at one moment.
 */
export class Backoff {
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #random: Random;
  #failures = 0;
  /** Streams in a row that were answered and lost at once. */
  #flaps = 0;

  /**
   * @param baseMs upper bound of the first delay, > 0
   * @param maxMs upper bound of every delay
   */
  constructor(baseMs: number, maxMs: number, random: Random) {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Delay before the next attempt, in ms; each call makes the next one longer. */
  nextDelayMs(): number {
    const bound = Math.min(this.#baseMs * 2 ** this.#failures, this.#maxMs);
    // Stop counting once the bound is reached: 2 ** failures would become Infinity in a long outage.
    if (bound < this.#maxMs) this.#failures++;
    return Math.floor(this.#random() * bound);
  }

  /** Starts over. Called at the first response, not at the connection: a server that accepts and dies is not healthy (A57). */
  reset(): void {
    this.#failures = 0;
  }

  /** A stream ended that was answered. @param wasBrief at once: of such ones in a row each makes the delay longer */
  ended(wasBrief: boolean): void {
    if (!wasBrief) this.#flaps = 0;
    else {
      this.#failures = this.#flaps;
      if (this.#baseMs * 2 ** (this.#flaps + 1) <= flapDelayMsMax) this.#flaps++;
    }
  }
}
