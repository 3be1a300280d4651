import assert from 'node:assert/strict';

/** One sample as the page has it. */
export interface TextSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** One family: what HELP and TYPE say, and its samples in their order. */
export interface TextFamily {
  readonly name: string;
  readonly kind: string;
  readonly help: string;
  readonly samples: readonly TextSample[];
}

const helpLine = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)*)$/;
const typeLine = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/;
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\+Inf|-Inf|NaN|[-+]?[0-9.]+(?:e[-+]?[0-9]+)?)$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(,|$)/y;

/**
 * Reads a page of the Prometheus text format 0.0.4, and is stricter than Prometheus: HELP and TYPE come once and first, a family stands together, no
 * series comes twice, and histograms add up.
 *
 * @throws AssertionError that names the line
 */
export function parseMetrics(text: string): ReadonlyMap<string, TextFamily> {
  assert.ok(text.endsWith('\n'), 'the last line ends');
  const families = new Map<string, TextFamily & { samples: TextSample[] }>();
  const series = new Set<string>();
  let help: { readonly name: string; readonly text: string } | undefined;
  let current: (TextFamily & { samples: TextSample[] }) | undefined;
  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    const at = `line ${index + 1}: ${line}`;
    if (line.startsWith('# HELP')) {
      const [, name = '', words = ''] = helpLine.exec(line) ?? assert.fail(at);
      assert.ok(!families.has(name), `${at}: the family was there before`);
      help = { name, text: words.replace(/\\([\\n])/g, (_, one) => (one === 'n' ? '\n' : '\\')) };
    } else if (line.startsWith('#')) {
      const [, name = '', kind = ''] = typeLine.exec(line) ?? assert.fail(at);
      assert.equal(help?.name, name, `${at}: HELP comes before it`);
      current = { name, kind, help: help.text, samples: [] };
      families.set(name, current);
    } else {
      const [, name = '', labels = '', value = ''] = sampleLine.exec(line) ?? assert.fail(at);
      const isOwn = current && (current.kind === 'histogram' ? isPartOf(name, current.name) : name === current.name);
      if (!current || !isOwn) assert.fail(`${at}: it is of another family`);
      const sample = { name, labels: labelsOf(labels, at), value: Number(value.replace('Inf', 'Infinity')) };
      const key = `${name} ${JSON.stringify([...sample.labels].sort())}`;
      assert.ok(!series.has(key), `${at}: the series was there before`);
      series.add(key);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) {
    assert.ok(family.samples.length > 0, `${family.name} has no sample`);
    if (family.kind === 'histogram') assertHistogram(family);
    if (family.kind === 'counter') for (const { value } of family.samples) assert.ok(value >= 0, family.name);
  }
  return families;
}

/** The value of one series, of a part of a histogram as well. @throws AssertionError when there is none */
export function metricValue(
  families: ReadonlyMap<string, TextFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const wanted = Object.entries(labels);
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
  const found = family?.samples.find(
    one =>
      one.name === name &&
      one.labels.size === wanted.length &&
      wanted.every(([key, value]) => one.labels.get(key) === value),
  );
  return found?.value ?? assert.fail(`there is no ${name} ${JSON.stringify(labels)}`);
}

function labelsOf(text: string, at: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (labelPair.lastIndex = 0; labelPair.lastIndex < text.length; ) {
    const [, key = '', value = ''] = labelPair.exec(text) ?? assert.fail(`${at}: its labels`);
    assert.ok(!labels.has(key), `${at}: ${key} stands twice`);
    labels.set(
      key,
      value.replace(/\\([\\"n])/g, (_, one) => (one === 'n' ? '\n' : one)),
    );
  }
  return labels;
}

function isPartOf(name: string, family: string): boolean {
  return ['_bucket', '_sum', '_count'].some(part => name === family + part);
}

/** Buckets rise to +Inf, which is the count. */
function assertHistogram({ name, samples }: TextFamily): void {
  const groups = Map.groupBy(samples, ({ labels }) => JSON.stringify([...labels].filter(([key]) => key !== 'le')));
  for (const [labels, group] of groups) {
    const of = (part: string): TextSample[] => group.filter(one => one.name === name + part);
    const bounds = of('_bucket').map(({ labels: own }) => Number(own.get('le')?.replace('Inf', 'Infinity')));
    const counts = of('_bucket').map(({ value }) => value);
    assert.deepEqual(
      bounds,
      bounds.toSorted((a, b) => a - b),
      `${name}${labels}: bounds rise`,
    );
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
      `${name}${labels}: buckets are cumulative`,
    );
    assert.equal(bounds.at(-1), Infinity, `${name}${labels}: the last bucket is +Inf`);
    assert.deepEqual(
      [of('_sum').length, of('_count')[0]?.value],
      [1, counts.at(-1)],
      `${name}${labels}: sum and count`,
    );
  }
}
