import type { Random } from './backoff.ts';

/** Streams that a server sends away at one moment come back spread over so many ms. */
const leavingSpreadMs = 1_000;
/** Planned ends of streams lie apart by this part of their time. */
const recycleSpread = 0.2;

/** Why and when a healthy stream is to be opened anew. Its life is the stream's. */
export class Renewal {
  readonly #random: Random;
  #isNodeChanged = false;
  #leavingAtMs = Infinity;
  #recycleAtMs = Infinity;

  /** @param recycleMs how long a stream is kept, 0 for as long as it lasts */
  constructor(recycleMs: number, random: Random, nowMs: number) {
    this.#random = random;
    if (recycleMs > 0) this.#recycleAtMs = nowMs + recycleMs * (1 + recycleSpread * (2 * random() - 1));
  }

  /** Streams carry another Node from now on. */
  nodeChanged(): void {
    this.#isNodeChanged = true;
  }

  /** The server has said that it is about to close the connection (GOAWAY). */
  serverLeaves(nowMs: number): void {
    if (this.#leavingAtMs === Infinity) this.#leavingAtMs = nowMs + this.#random() * leavingSpreadMs;
  }

  get isServerLeaving(): boolean {
    return this.#leavingAtMs < Infinity;
  }

  /** Why the stream is to be opened anew now, as it is said in the log; undefined if it is not. */
  dueReason(nowMs: number): string | undefined {
    if (this.#isNodeChanged) return 'for the node of the client that came';
    if (this.#leavingAtMs <= nowMs) return 'since the control plane closes the connection';
    if (this.#recycleAtMs <= nowMs) return 'for balance, as planned';
    return undefined;
  }

  /** When {@link dueReason} may have one that it does not have now, monotonic in ms. */
  nextDeadlineMs(): number {
    return Math.min(this.#leavingAtMs, this.#recycleAtMs);
  }
}
