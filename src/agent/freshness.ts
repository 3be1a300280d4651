import type { Provenance } from '../cache/stored.ts';
import type { Clock } from '../xds/types.ts';

/** How old a type may become without upstream's word, and what is done then. */
export interface MaxAge {
  readonly ms: number;
  /** `serve`: only said in the status; `warn`: also in the log; `withhold`: clients that start are given nothing of it. */
  readonly action: 'serve' | 'warn' | 'withhold';
}

/** What an update has changed. */
export type FreshnessChange = 'none' | 'became current' | 'became stale' | 'lost upstream';

/** How current one type of a view is: where it comes from, and when it was last known to be what upstream has (R62, R108, R111). */
export class Freshness {
  /** Where the content came from, until upstream has confirmed or replaced it. */
  provenance: 'none' | 'upstream' | Provenance = 'none';
  /** Wall time in ms at which it was last known to be what upstream has; 0 for never. */
  confirmedWallMs = 0;
  readonly #maxAge: MaxAge | undefined;
  #isCurrent = false;
  #isStale = false;
  #nextMs = Infinity;

  constructor(maxAge: MaxAge | undefined) {
    this.#maxAge = maxAge;
  }

  get maxAge(): MaxAge | undefined {
    return this.#maxAge;
  }

  /** Upstream confirms it at this moment. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** Older than allowed. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** Time since it was known to be current, in ms; undefined if it never was. */
  ageMs(wallMs: number): number | undefined {
    if (this.#isCurrent) return 0;
    return this.confirmedWallMs === 0 ? undefined : Math.max(0, wallMs - this.confirmedWallMs);
  }

  /** When to look again, on the monotonic clock in ms. */
  get nextDeadlineMs(): number {
    return this.#nextMs;
  }

  /** Lets time pass. @param confirmedAtMs when upstream's answer, or its silence, confirms what is held, monotonic */
  update(confirmedAtMs: number, clock: Clock): FreshnessChange {
    const wasCurrent = this.#isCurrent;
    const wasStale = this.#isStale;
    this.#isCurrent = this.provenance !== 'none' && confirmedAtMs <= clock.monotonicMs;
    this.#nextMs = this.#isCurrent || confirmedAtMs <= clock.monotonicMs ? Infinity : confirmedAtMs;
    if (this.#isCurrent) {
      this.provenance = 'upstream';
      this.confirmedWallMs = clock.wallMs;
      this.#isStale = false;
      return wasCurrent ? 'none' : 'became current';
    }
    const ageMs = this.ageMs(clock.wallMs);
    if (this.#maxAge && ageMs !== undefined) {
      this.#isStale = ageMs >= this.#maxAge.ms;
      if (!this.#isStale) this.#nextMs = Math.min(this.#nextMs, clock.monotonicMs + this.#maxAge.ms - ageMs);
    }
    if (this.#isStale && !wasStale) return 'became stale';
    return wasCurrent ? 'lost upstream' : 'none';
  }
}
