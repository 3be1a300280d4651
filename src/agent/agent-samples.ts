import type { HistogramSample, MetricSample } from '../admin/metric-sample.ts';
import type { DiskFigures } from '../cache/disk-notes.ts';
import type { Expiries } from '../upstream/credentials.ts';
import type { Core } from './core.ts';
import type { Counters } from './counters.ts';
import { coreGauges, diskGauges, expiryGauges, type Shared, sharedGauges } from './gauges.ts';
import type { Latencies } from './latencies.ts';
import { sampleOf } from './metric-table.ts';

/** Everything that `/metrics` is made of. */
export interface SampleSources {
  readonly process: { samples(): Iterable<MetricSample | HistogramSample> };
  readonly observer: {
    readonly counters: Counters;
    readonly latencies: Latencies;
    readonly linesLeftOut: number;
  };
  readonly core: Core;
  readonly nowWallMs: number;
  /** Undefined without a disk cache. */
  readonly disk: { readonly isFailing: boolean; readonly figures: DiskFigures } | undefined;
  readonly shared: Shared;
  readonly expiries: Expiries;
  /** When the first certificate of a listener ends, wall time in ms; undefined without any. */
  readonly listenerCertificateMs: number | undefined;
}

/** Every sample of the agent at this moment, family by family. */
export function* agentSamples(sources: SampleSources): Generator<MetricSample | HistogramSample> {
  const { observer, disk } = sources;
  yield* sources.process.samples();
  yield sampleOf('log_lines_left_out_total', observer.linesLeftOut);
  yield* coreGauges(sources.core, sources.nowWallMs);
  yield* sharedGauges(sources.shared);
  yield* observer.counters.samples();
  yield* observer.latencies.samples();
  yield* expiryGauges(sources.expiries, sources.listenerCertificateMs);
  if (disk) yield* diskGauges(disk.isFailing, disk.figures);
}
