import type { Clock } from '../xds/types.ts';
import type { Core } from './core.ts';
import type { CoreEffect, CoreEvent } from './events.ts';

/** Longest sleep of a Node timer, in ms. */
const timerMsMax = 2 ** 31 - 1;

/**
 * The one queue and the one timer of the process: events go to the core one at a time, the effects of each are done in order before
 * the next.
 */
export class Loop {
  readonly #core: Pick<Core, 'handle' | 'nextDeadlineMs'>;
  readonly #perform: (effect: CoreEffect) => void;
  readonly #queue: CoreEvent[] = [];
  #isRunning = false;
  #timer: NodeJS.Timeout | undefined;
  #tick: NodeJS.Immediate | undefined;
  #timerAtMs = Infinity;

  /** @param perform carries out one effect; it may post events, which then wait for their turn */
  constructor(core: Pick<Core, 'handle' | 'nextDeadlineMs'>, perform: (effect: CoreEffect) => void) {
    this.#core = core;
    this.#perform = perform;
  }

  /** Hands an event to the core: at once when it is idle, else in its turn. */
  readonly post = (event: CoreEvent): void => {
    this.#queue.push(event);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        for (const effect of this.#core.handle(next, readClock())) this.#perform(effect);
      }
    } finally {
      this.#isRunning = false;
    }
    this.#schedule();
  };

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#tick);
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
  }

  #schedule(): void {
    const deadlineMs = this.#core.nextDeadlineMs();
    // A timer that fires too early costs one tick; setting one anew at every event would cost more.
    if (deadlineMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = deadlineMs;
    const delayMs = Math.min(Math.max(Math.ceil(deadlineMs - readClock().monotonicMs), 0), timerMsMax);
    this.#timer = setTimeout(() => {
      // On a busy machine timers come late, and before what waits in the sockets: what has come must not be taken for silence.
      this.#tick = setImmediate(() => {
        this.#timer = undefined;
        this.#timerAtMs = Infinity;
        this.post({ kind: 'tick' });
      });
    }, delayMs);
  }
}

/** Both clocks of the machine, in ms. */
export function readClock(): Clock {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}
