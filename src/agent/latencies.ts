import type { HistogramSample } from '../admin/metric-sample.ts';
import type { TypeUrl } from '../xds/types.ts';
import { labelOf } from './counters.ts';
import { Histogram, timeBounds } from './histogram.ts';

const helpOf = {
  propagation_seconds: 'Time from the receipt of a response to the writing of its news to a client, for each client.',
  verdict_seconds: 'Time from the receipt of a response to its ACK or NACK to the control plane.',
} as const;

type LatencyName = keyof typeof helpOf;

/** How long things take, by type. */
export class Latencies {
  readonly #histograms: Readonly<Record<LatencyName, Map<string, Histogram>>> = {
    propagation_seconds: new Map(),
    verdict_seconds: new Map(),
  };

  /** A client was written what upstream has sent so many ms ago. */
  propagated(typeUrl: TypeUrl, ms: number): void {
    this.#observe('propagation_seconds', typeUrl, ms);
  }

  /** Upstream was given the verdict on what it has sent so many ms ago. */
  decided(typeUrl: TypeUrl, ms: number): void {
    this.#observe('verdict_seconds', typeUrl, ms);
  }

  /** All propagation so far, of all types together: counts by the buckets of {@link timeBounds}. */
  propagationCounts(): number[] {
    const sums = new Array<number>(timeBounds.length + 1).fill(0);
    for (const histogram of this.#histograms.propagation_seconds.values()) {
      for (const [bucket, count] of histogram.counts().entries()) sums[bucket] = (sums[bucket] ?? 0) + count;
    }
    return sums;
  }

  /** Current values, for `/metrics`. */
  *samples(): Generator<HistogramSample> {
    for (const [name, byType] of Object.entries(this.#histograms)) {
      for (const [type, histogram] of byType) {
        const { bounds, sum } = histogram;
        const help = helpOf[name as LatencyName]; // The keys are those of the record.
        yield { kind: 'histogram', name, help, labels: [['type', type]], bounds, counts: histogram.counts(), sum };
      }
    }
  }

  #observe(name: LatencyName, typeUrl: TypeUrl, ms: number): void {
    const byType = this.#histograms[name];
    const label = labelOf(typeUrl);
    const histogram = byType.get(label) ?? new Histogram();
    byType.set(label, histogram);
    histogram.observe(Math.max(0, ms) / 1000);
  }
}
