import { setFlagsFromString } from 'node:v8';

/** A start from disk is over by then, in ms. */
const startMs = 3_000;

/**
 * Has V8 rather collect than grow, for a process that stays: a burst such as a first sync makes it reserve several times what it needs in the end, and by
 * itself a quiet process never gives that back (ADR 0041). It can be said at any time, so it need not be on the command line.
 */
export function preferSmallHeap(): void {
  setFlagsFromString('--optimize-for-size');
}

/**
 * The same for an agent. What it reads from disk at its start stays, so collecting meanwhile is in vain and costs a tenth of the time to the first complete
 * answer; what comes from upstream is read, kept in another form and written to disk, and is garbage after that.
 */
export class SmallHeap {
  #isSmall = false;
  readonly #timer = setTimeout(() => this.begin(), startMs).unref();

  /** When upstream speaks; on the path of every response. */
  begin(): void {
    if (this.#isSmall) return;
    this.#isSmall = true;
    clearTimeout(this.#timer);
    preferSmallHeap();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
