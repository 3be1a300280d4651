import type { SeededRandom } from '../support/random.ts';

interface Scheduled {
  readonly atMs: number;
  readonly act: () => void;
}

/** Time that passes only when it is told to, and what is to happen in it. */
export class VirtualClock {
  readonly #random: SeededRandom;
  readonly #queue: Scheduled[] = [];
  readonly #pipes = new Map<string, number>();
  #nowMs = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** When the next thing happens; Infinity without one. */
  get nextMs(): number {
    return this.#queue[0]?.atMs ?? Infinity;
  }

  /** Lets the next thing happen, at its time. */
  runNext(): void {
    const next = this.#queue.shift();
    if (!next) return;
    this.advance(next.atMs);
    next.act();
  }

  /** Goes to a moment, never back. */
  advance(toMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, toMs);
  }

  /** Does something after a delay, and after what was to happen at that moment before. */
  after(delayMs: number, act: () => void): void {
    const scheduled = { atMs: this.#nowMs + delayMs, act };
    let index = this.#queue.length;
    while (index > 0 && (this.#queue[index - 1]?.atMs ?? 0) > scheduled.atMs) index--;
    this.#queue.splice(index, 0, scheduled);
  }

  /** Does something after some delay, a pipe keeping the order of what goes through it. */
  inOrder(pipe: string, delayMsMax: number, act: () => void): void {
    const earliest = this.#pipes.get(pipe) ?? 0;
    const at = Math.max(earliest + this.#random.below(20), this.#nowMs + this.#random.below(delayMsMax + 1));
    this.#pipes.set(pipe, at);
    this.after(at - this.#nowMs, act);
  }
}
