import type { HistogramSample, MetricSample } from './metric-sample.ts';

/** Renders samples in the Prometheus text format 0.0.4, with the prefix `weir_`. Samples of one name may come in any order. */
export function renderMetrics(samples: Iterable<MetricSample | HistogramSample>): string {
  const families = new Map<string, { readonly first: MetricSample | HistogramSample; readonly lines: string[] }>();
  for (const sample of samples) {
    const name = `weir_${sample.name}`;
    const family = families.get(name) ?? { first: sample, lines: [] };
    families.set(name, family);
    if (sample.kind === 'histogram') family.lines.push(...histogramLines(name, sample));
    else family.lines.push(`${name}${labelText(sample.labels)} ${valueText(sample.value)}`);
  }
  const lines: string[] = [];
  for (const [name, { first, lines: own }] of families) {
    lines.push(`# HELP ${name} ${first.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
    lines.push(`# TYPE ${name} ${first.kind}`, ...own);
  }
  return `${lines.join('\n')}\n`;
}

/** Buckets are cumulative in this format. */
function histogramLines(name: string, { labels, bounds, counts, sum }: HistogramSample): string[] {
  let below = 0;
  const lines = counts.map((count, bucket) => {
    below += count;
    const bound = bounds[bucket] ?? '+Inf';
    return `${name}_bucket${labelText([...labels, ['le', String(bound)]])} ${below}`;
  });
  const text = labelText(labels);
  return [...lines, `${name}_sum${text} ${valueText(sum)}`, `${name}_count${text} ${below}`];
}

/** A number as Go reads it. */
function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function labelText(labels: MetricSample['labels']): string {
  if (labels.length === 0) return '';
  return `{${labels.map(([key, value]) => `${key}="${escapeLabel(value)}"`).join(',')}}`;
}

function escapeLabel(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
