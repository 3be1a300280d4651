/** Upper bounds of the buckets for times, in seconds: from what a machine does at once to what nobody should wait for. */
export const timeBounds: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];

/** How often values fell between fixed bounds. */
export class Histogram {
  readonly bounds: readonly number[];
  /** By bucket, the last one for what is above all bounds. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds upper bounds, rising */
  constructor(bounds: readonly number[] = timeBounds) {
    this.bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] ?? Infinity)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** A copy of the counts, one more than there are bounds. */
  counts(): number[] {
    return [...this.#counts];
  }
}

/**
 * The value below which a part of the values lies, as far as buckets tell it: between two bounds it is taken to lie in proportion.
 *
 * @param counts by bucket, as {@link Histogram.counts} gives them
 * @param part from 0 to 1
 * @returns undefined without values; the highest bound for what is above it
 */
export function quantile(bounds: readonly number[], counts: readonly number[], part: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    const upper = bounds[bucket];
    if (upper === undefined) return bounds.at(-1);
    if (below + count >= part * total && count > 0) {
      const lower = bucket === 0 ? 0 : (bounds[bucket - 1] ?? 0);
      return lower + ((upper - lower) * (part * total - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1);
}
