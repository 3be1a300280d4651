import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import type { MetricSpec } from '../../src/admin/metric-sample.ts';
import { metricTable } from '../../src/agent/metric-table.ts';
import { at, listAt, textAt } from '../support/deployment.ts';

// What deploy/observability says of metrics is true of the table, without promtool or Grafana at hand. `npm run check-observability` asks promtool.

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = join(repository, 'deploy', 'observability');
const table: Readonly<Record<string, MetricSpec>> = metricTable;
/** What scraping adds, and what PromQL makes. */
const addedLabels = new Set(['namespace', 'pod', 'instance', 'job', 'le', 'alertname', 'severity']);

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: unknown;
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: unknown }[];
}

interface Variable {
  readonly name: string;
  readonly definition?: string;
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

const { groups }: { groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[] } = parse(
  readFileSync(join(folder, 'rules.yaml'), 'utf8'),
);
const rules = groups.flatMap(group => group.rules);
const alerts = rules.filter(rule => rule.alert !== undefined);
const dashboardText = readFileSync(join(folder, 'dashboard.json'), 'utf8');
const dashboard: Dashboard = JSON.parse(dashboardText);
const dashboardExpressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
  ...dashboard.templating.list.flatMap(({ definition = [] }) => definition),
];

/** The metric that a series belongs to, and the labels of that series. */
function seriesOf(name: string): { readonly spec: MetricSpec; readonly labels: ReadonlySet<string> } {
  const plain = table[name];
  if (plain && plain.kind !== 'histogram') return { spec: plain, labels: new Set(Object.keys(plain.labels ?? {})) };
  const [, family = '', part = ''] = /^(.*)_(bucket|sum|count)$/.exec(name) ?? [];
  const spec = table[family];
  assert.equal(spec?.kind, 'histogram', `there is no metric weir_${name}`);
  return { spec, labels: new Set([...Object.keys(spec.labels ?? {}), ...(part === 'bucket' ? ['le'] : [])]) };
}

/** Whether all that an expression says of metrics is so. @throws AssertionError that names what is not */
function assertTrue(expression: string, recorded: ReadonlySet<string> = new Set()): void {
  const known = new Set<string>();
  let found = 0;
  for (const [, name = '', matchers = ''] of expression.matchAll(/(?<![:\w])weir_([a-z0-9_]+)(?:\{([^}]*)\})?/g)) {
    found++;
    const { spec, labels } = seriesOf(name);
    for (const label of labels) known.add(label);
    for (const [, label = '', values = ''] of matchers.matchAll(/(\w+)\s*[=!]~?\s*"([^"]*)"/g)) {
      if (addedLabels.has(label)) continue;
      assert.ok(labels.has(label), `weir_${name} has no label ${label}: ${expression}`);
      const closed = spec.labels?.[label] ?? [];
      for (const value of values.split('|').filter(one => !one.startsWith('$')))
        assert.ok(closed.includes(value), `weir_${name}{${label}} is never ${value}: ${expression}`);
    }
  }
  for (const [name] of expression.matchAll(/(?:agent|fleet):[a-z0-9_:]+/g)) {
    found++;
    assert.ok(recorded.has(name), `nothing records ${name}: ${expression}`);
  }
  assert.ok(found > 0, `it is about no metric of Weir: ${expression}`);
  for (const [, list = ''] of expression.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)) {
    for (const label of list.split(',').map(one => one.trim()))
      assert.ok(
        known.has(label) || addedLabels.has(label) || label === 'type',
        `${label} is no label of it: ${expression}`,
      );
  }
  for (const [, list = ''] of expression.matchAll(/label_values\([^,]*(?:\{[^}]*\})?, (\w+)\)/g))
    assert.ok(known.has(list) || addedLabels.has(list), `${list} is no label of it: ${expression}`);
}

describe('the check itself', () => {
  for (const [what, expression] of [
    ['a metric', 'weir_unheard_of'],
    ['a label', 'weir_bodies{type="CDS"}'],
    ['a value', 'weir_upstream_streams{phase="broken"}'],
    ['a value among others', 'weir_resources{cache_state=~"acked|lost"}'],
    ['a grouping', 'sum by (colour) (weir_bodies)'],
    ['a histogram without its part', 'weir_verdict_seconds'],
    ['a recorded series', 'agent:weir_unheard:bool == 1'],
    ['something of Weir', 'up == 0'],
  ] as const) {
    test(`finds that ${what} is not there`, () => assert.throws(() => assertTrue(expression), assert.AssertionError));
  }
});

describe('rules', () => {
  const recorded = new Set(rules.flatMap(({ record }) => record ?? []));

  test('speak of metrics, labels and values that there are', () => {
    for (const { expr } of rules) assertTrue(expr, recorded);
  });

  test('record under names that say level, metric and operation', () => {
    for (const name of recorded) assert.match(name, /^(agent|fleet):weir_[a-z_]+:[a-z0-9_]+$/);
  });

  test('of alerts say how bad it is, what, and where to read on', () => {
    assert.ok(alerts.length >= 20);
    assert.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length, 'each name once');
    for (const { alert = '', labels, annotations, expr, for: wait } of alerts) {
      assert.match(alert, /^Weir[A-Z][A-Za-z]+$/);
      assert.ok(['critical', 'warning', 'info'].includes(labels?.['severity'] ?? ''), `${alert}: severity`);
      for (const key of ['summary', 'description', 'runbook_url'])
        assert.ok((annotations?.[key] ?? '').length > 10, `${alert}: ${key}`);
      // What only counts is over when it is noticed; all else has to last.
      assert.ok(wait !== undefined || /\b(increase|changes)\(/.test(expr), `${alert}: for`);
      const { summary = '', description = '' } = annotations ?? {};
      for (const [, label = ''] of `${summary} ${description}`.matchAll(/\$labels\.(\w+)/g))
        assert.ok(addedLabels.has(label) || label === 'type', `${alert}: $labels.${label}`);
    }
  });

  test('lead to sections of the outage guide', () => {
    const guide = join(repository, 'docs', 'outage-guide.md');
    const anchors = existsSync(guide)
      ? new Set([...readFileSync(guide, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading)))
      : undefined;
    for (const { alert, annotations } of alerts) {
      const [, anchor = ''] = /^docs\/outage-guide\.md#([a-z0-9-]+)$/.exec(annotations?.['runbook_url'] ?? '') ?? [];
      assert.notEqual(anchor, '', `${alert}: a section`);
      if (anchors) assert.ok(anchors.has(anchor), `${alert}: the guide has no section #${anchor}`);
    }
  });

  test('are the same for the Prometheus Operator', () => {
    const object: unknown = parse(readFileSync(join(folder, 'prometheus-rule.yaml'), 'utf8'));
    assert.deepEqual(at(object, 'spec', 'groups'), groups);
  });

  test('have a test for promtool each', () => {
    const text = readFileSync(join(folder, 'alerts.test.yaml'), 'utf8');
    for (const { alert } of alerts)
      assert.match(text, new RegExp(`alertname="${alert}"`), `${alert} is never expected to fire`);
  });
});

describe('the dashboard', () => {
  test('speaks of metrics, labels and values that there are', () => {
    for (const expression of dashboardExpressions) assertTrue(expression);
  });

  test('shows every metric of the table', () => {
    const all = dashboardExpressions.join('\n');
    // What a chart would only repeat, and what nobody watches.
    const unseen = new Set([
      'draining',
      'drift_checks_total',
      'drift_last_check_timestamp_seconds',
      'bodies',
      'client_messages_total',
      'client_streams_total',
      'config_too_old',
      'config_withheld',
      'guard_alarms_total',
      'lrs_reports_dropped_total',
      'quarantines_total',
      'resources_ignored_total',
      'types_restored_total',
      'upstream_connections',
      'upstream_request_bytes_total',
      'upstream_requests_total',
      'upstream_resources_total',
      'upstream_streams_opened_total',
    ]);
    const missing = Object.keys(table).filter(name => !new RegExp(`weir_${name}(_bucket)?\\b`).test(all));
    assert.deepEqual(missing.sort(), [...unseen].sort());
  });

  test('is of agents that are chosen, whatever the data source is called', () => {
    for (const { title, targets = [], datasource, type } of dashboard.panels) {
      if (type === 'row') continue;
      assert.deepEqual(datasource, { type: 'prometheus', uid: '$datasource' }, title);
      for (const { expr, datasource: from } of targets) {
        assert.deepEqual(from, datasource, title);
        for (const [series] of expr.matchAll(/weir_[a-z0-9_]+(\{[^}]*\})?/g))
          assert.match(series, /namespace=~"\$namespace", pod=~"\$pod"/, `${title}: ${series}`);
      }
    }
    assert.doesNotMatch(dashboardText, /"uid": "(?!\$datasource"|weir")/);
    assert.deepEqual(
      dashboard.templating.list.map(({ name }) => name),
      ['datasource', 'namespace', 'pod', 'type'],
    );
  });

  test('has a number of its own, a place of its own and words for every panel', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const taken = new Set<string>();
    for (const { title, description, type, gridPos, targets = [] } of dashboard.panels) {
      assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x} ${y}`), `${title} lies on another panel`);
          taken.add(`${x} ${y}`);
        }
      }
      if (type === 'row') continue;
      assert.ok((description ?? '').length > 5, `${title}: what it shows`);
      assert.ok(targets.length > 0, title);
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    }
  });

  test('begins with health and has a row for each question', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    assert.deepEqual(rows, [
      'Health',
      'Control plane',
      'Propagation',
      'Types',
      'Clients',
      'Disk',
      'Security and expiry',
      'Load saved',
      'Process',
    ]);
  });
});

test('sidecars and agents of nodes are found where they are', () => {
  const [pod, podMonitor, service, serviceMonitor] = ['pod.yaml', 'podmonitor.yaml', 'servicemonitor.yaml'].flatMap(
    name => parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((one): unknown => one.toJS()),
  );
  const [weir] = listAt(pod, 'spec', 'initContainers');
  const [port] = listAt(weir, 'ports');
  const number = String(at(port, 'containerPort'));
  assert.ok((at(weir, 'args') as string[]).includes(`--health=0.0.0.0:${number}`), 'it listens there');
  assert.equal(textAt(pod, 'metadata', 'annotations', 'prometheus.io/port'), number);
  assert.deepEqual(at(podMonitor, 'spec', 'selector', 'matchLabels'), at(pod, 'metadata', 'labels'));
  for (const endpoint of [listAt(podMonitor, 'spec', 'podMetricsEndpoints')[0], listAt(service, 'spec', 'ports')[0]])
    assert.equal(at(endpoint, 'targetPort') ?? at(endpoint, 'port'), at(port, 'name'));
  const [endpoint] = listAt(serviceMonitor, 'spec', 'endpoints');
  assert.equal(at(endpoint, 'port'), at(listAt(service, 'spec', 'ports')[0], 'name'));
  assert.deepEqual(at(serviceMonitor, 'spec', 'selector', 'matchLabels'), at(service, 'metadata', 'labels'));
});

/** The anchor that a Markdown heading has on GitHub. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-');
}
