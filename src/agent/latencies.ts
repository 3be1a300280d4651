import type { HistogramSample } from '../admin/metric-sample.ts';
import type { TypeUrl } from '../xds/types.ts';
import { Histogram, timeBounds } from './histogram.ts';
import { histogramOf, labelOf } from './metric-table.ts';

type TypedName = 'propagation_seconds' | 'verdict_seconds';

/** How long things take: what is of a type, by type, and writing to disk. */
export class Latencies {
  readonly #byType: Readonly<Record<TypedName, Map<string, Histogram>>> = {
    propagation_seconds: new Map(),
    verdict_seconds: new Map(),
  };
  #disk: Histogram | undefined;

  /** A client was written what upstream has sent so many ms ago. */
  propagated(typeUrl: TypeUrl, ms: number): void {
    this.#observe('propagation_seconds', typeUrl, ms);
  }

  /** Upstream was given the verdict on what it has sent so many ms ago. */
  decided(typeUrl: TypeUrl, ms: number): void {
    this.#observe('verdict_seconds', typeUrl, ms);
  }

  /** A burst of changes is on disk, so many ms after its write was begun. */
  wrote(ms: number): void {
    this.#disk ??= new Histogram();
    this.#disk.observe(Math.max(0, ms) / 1000);
  }

  /** All propagation so far, of all types together: counts by the buckets of {@link timeBounds}. */
  propagationCounts(): number[] {
    const sums = new Array<number>(timeBounds.length + 1).fill(0);
    for (const histogram of this.#byType.propagation_seconds.values()) {
      for (const [bucket, count] of histogram.counts().entries()) sums[bucket] = (sums[bucket] ?? 0) + count;
    }
    return sums;
  }

  /** Current values, for `/metrics`. */
  *samples(): Generator<HistogramSample> {
    for (const [name, byType] of Object.entries(this.#byType)) {
      // The keys are those of the record.
      for (const [type, histogram] of byType) yield histogramOf(name as TypedName, histogram, { type });
    }
    if (this.#disk) yield histogramOf('disk_write_seconds', this.#disk);
  }

  #observe(name: TypedName, typeUrl: TypeUrl, ms: number): void {
    const byType = this.#byType[name];
    const label = labelOf(typeUrl);
    const histogram = byType.get(label) ?? new Histogram();
    byType.set(label, histogram);
    histogram.observe(Math.max(0, ms) / 1000);
  }
}
