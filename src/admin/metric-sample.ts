/** What a metric is: a row of a table from which `/metrics`, docs/metrics.md and the tests are made. */
export interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** One or two sentences, for `# HELP`. */
  readonly help: string;
  /** Base unit as the name has it; undefined for plain numbers, flags and what `_info` tells. */
  readonly unit?: 'seconds' | 'bytes' | undefined;
  /** Labels in the order in which they are rendered, each with all values that it can have; undefined where one process has one value. */
  readonly labels?: Readonly<Record<string, readonly string[] | undefined>>;
  /** When there is a sample of it, if not always. */
  readonly when?: string;
}

/** One histogram for `/metrics`. See {@link MetricSample}. */
export interface HistogramSample {
  readonly name: string;
  readonly kind: 'histogram';
  readonly help: string;
  readonly labels: readonly (readonly [string, string])[];
  /** Upper bounds, rising. */
  readonly bounds: readonly number[];
  /** How many fell into each, and above all of them. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/**
 * One sample for `/metrics`. Names carry no prefix; the renderer adds `weir_`. Label values are from closed sets: nothing that comes from outside
 * makes a new one.
 */
export interface MetricSample {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly value: number;
}
