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

/** One sample for `/metrics`. Names carry no prefix; the renderer adds `weir_`. Labels never come from outside data but type URLs. */
export interface MetricSample {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly value: number;
}
