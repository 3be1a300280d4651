import type { TrendPoint } from '../admin/agent-event.ts';
import { quantile, timeBounds } from './histogram.ts';

/** How often a point is taken, in ms. */
export const trendEveryMs = 10_000;
/** Points kept: an hour of them. */
const pointsMax = 360;

/** What is looked at for a point. */
export interface TrendLook {
  readonly wallMs: number;
  /** Propagation since the start, by the buckets of {@link timeBounds}. */
  readonly propagation: readonly number[];
  /** Age of the oldest type that clients use, in ms; undefined where none was ever heard. */
  readonly oldestAgeMs: number | undefined;
  readonly isConnected: boolean;
  readonly clients: number;
  readonly resources: number;
  /** Memory that the process holds, in bytes. */
  readonly residentBytes: number;
}

/** The last hour in points, for whoever comes to look when something has gone wrong already. */
export class Trend {
  readonly #points: TrendPoint[] = [];
  #before: readonly number[] = [];

  take({ propagation, ...rest }: TrendLook): void {
    const since = propagation.map((count, bucket) => count - (this.#before[bucket] ?? 0));
    this.#before = propagation;
    const p50 = quantile(timeBounds, since, 0.5);
    const p99 = quantile(timeBounds, since, 0.99);
    this.#points.push({
      ...rest,
      updates: since.reduce((sum, count) => sum + count, 0),
      propagationP50Ms: p50 === undefined ? undefined : p50 * 1000,
      propagationP99Ms: p99 === undefined ? undefined : p99 * 1000,
    });
    if (this.#points.length > pointsMax) this.#points.shift();
  }

  /** Oldest first. */
  points(): readonly TrendPoint[] {
    return [...this.#points];
  }
}
