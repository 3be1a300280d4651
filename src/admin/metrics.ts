import type { MetricSample } from './source.ts';

/** Renders samples in the Prometheus text format 0.0.4, with the prefix `weir_`. Samples of one name may come in any order. */
export function renderMetrics(samples: Iterable<MetricSample>): string {
  const families = new Map<string, { readonly first: MetricSample; readonly lines: string[] }>();
  for (const sample of samples) {
    const name = `weir_${sample.name}`;
    const family = families.get(name) ?? { first: sample, lines: [] };
    families.set(name, family);
    const labels = sample.labels.map(([key, value]) => `${key}="${escapeLabel(value)}"`).join(',');
    family.lines.push(`${name}${labels === '' ? '' : `{${labels}}`} ${sample.value}`);
  }
  const lines: string[] = [];
  for (const [name, { first, lines: own }] of families) {
    lines.push(`# HELP ${name} ${first.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
    lines.push(`# TYPE ${name} ${first.kind}`, ...own);
  }
  return `${lines.join('\n')}\n`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
