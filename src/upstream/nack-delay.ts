const firstMs = 1000;
const maxMs = 30_000;

/**
 * How long the NACK of content that was refused before has to wait: 1, 2, 4 … 30 s. A server that sends refused content again at once
 * would else be in a loop with us (R130).
 */
export class NackDelay {
  #delayMs = 0;

  /** Delay in ms of a NACK; 0 for content that is refused for the first time. */
  next(isRepeat: boolean): number {
    if (!isRepeat) return 0;
    this.#delayMs = Math.min(Math.max(this.#delayMs * 2, firstMs), maxMs);
    return this.#delayMs;
  }

  /** Something was accepted: the next repetition waits for the least time again. */
  reset(): void {
    this.#delayMs = 0;
  }
}
