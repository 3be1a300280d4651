import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { MetricSpec } from '../../src/admin/metric-sample.ts';
import { renderMetrics } from '../../src/admin/metrics.ts';
import { agentSamples } from '../../src/agent/agent-samples.ts';
import type { Logger } from '../../src/agent/log.ts';
import { codeLabelOf, codeLabels, labelOf, metricTable, typeLabels } from '../../src/agent/metric-table.ts';
import { Observer } from '../../src/agent/observer.ts';
import { ProcessWatch } from '../../src/agent/process-watch.ts';
import { BodyPool } from '../../src/cache/body-pool.ts';
import { Entry } from '../../src/cache/entry.ts';
import { createIdleTier } from '../../src/cache/idle.ts';
import { istioKinds } from '../../src/istio/kinds.ts';
import { SourceStatus, sourceMetrics } from '../../src/source/status.ts';
import { clusterType, endpointType, listenerType, secretType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl } from '../../src/xds/types.ts';
import { CoreHarness, resources } from '../support/core-harness.ts';
import { metricValue, parseMetrics, type TextFamily } from '../support/metrics-text.ts';
import { SourceBench, service, services } from '../support/source-bench.ts';

// /metrics is what its table says: every name, label and label value of it, and nothing else.

const silent: Logger = { level: 'silent', debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const tables: Readonly<Record<string, MetricSpec>> = { ...metricTable, ...sourceMetrics };

/** The page of a core, with all that an agent can have besides. */
function pageOf(harness: CoreHarness): ReadonlyMap<string, TextFamily> {
  const observer = new Observer(silent);
  const processWatch = new ProcessWatch(1_700_000_000_000, '1.2.3');
  for (const note of harness.notes) observer.note(note);
  observer.diskWritten(3, 4);
  const samples = agentSamples({
    process: processWatch,
    observer,
    core: harness.core,
    nowWallMs: 1_000_000 + harness.nowMs,
    disk: { isFailing: true, figures: { bytes: 4096, resources: 7, pending: 2, oldestPendingMs: 1500 } },
    shared: { connections: 1, idle: createIdleTier(1), idleNodes: 0, bodies: { bodies: 2, bytes: 80 } },
    expiries: { certificateMs: 2e12, serverMs: 2e12, tokenMs: 2e12 },
    listenerCertificateMs: 2e12,
  });
  const text = renderMetrics(samples);
  observer.close();
  processWatch.close();
  return parseMetrics(text);
}

const mesh = 'networking.istio.io/v1/VirtualService' as TypeUrl;

/** A core to which most things have happened. */
function busy(): CoreHarness {
  const harness = new CoreHarness({ addresses: ['a:1', 'b:2'], guard: 'hold', variant: 'delta' });
  const [delta, sotw] = [harness.client('delta'), harness.client('sotw')];
  for (const client of [delta, sotw]) client.send({ typeUrl: clusterType });
  delta.send({ typeUrl: endpointType, names: ['a', 'b', 'missing'] });
  harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
  harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
  harness.advance(1_000);
  for (const client of [delta, sotw]) client.ack(client.only(clusterType));
  harness.post({ kind: 'drift_check_requested' });
  harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
  harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
  harness.advance(30_000);
  harness.respond(clusterType, { resources: resources(clusterType, ['b'], 2) });
  delta.send({ typeUrl: clusterType, nonce: delta.only(clusterType).nonce, error: 'b: bad' });
  harness.client('delta').send({ typeUrl: 'types.example/Unheard' });
  delta.send({ typeUrl: mesh });
  harness.advance(2_000);
  for (const streamId of harness.upstreamIds()) harness.cut(streamId);
  harness.advance(500);
  return harness;
}

describe('the table of metrics', () => {
  test('follows the naming rules of Prometheus', () => {
    for (const [name, spec] of Object.entries(tables)) {
      assert.match(name, /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/, name);
      assert.doesNotMatch(name, /^weir_|_(count|sum|bucket|ms|milliseconds|kb|mb|percent|gauge|counter)$/, name);
      assert.equal(name.endsWith('_total'), spec.kind === 'counter', `${name}: _total is of counters`);
      const unit = /_(seconds|bytes)(_total|_in_flight)?$/.exec(name)?.[1];
      assert.equal(spec.unit, unit, `${name}: the unit is in the name`);
      assert.match(spec.help, /\.$/, `${name}: a sentence`);
      for (const label of Object.keys(spec.labels ?? {})) assert.match(label, /^(?!le$)[a-z][a-z_]*$/, name);
    }
  });

  test('has no gauge that OpenMetrics would take for a counter of the same name', () => {
    const counters = Object.keys(tables).filter(name => name.endsWith('_total'));
    for (const name of counters) assert.ok(!(name.replace(/_total$/, '') in tables), name);
  });

  test('bounds every label: only what one process has one value of has no list', () => {
    for (const [name, { labels = {} }] of Object.entries(tables)) {
      for (const [label, values] of Object.entries(labels)) {
        if (values === undefined) assert.equal(name, 'build_info', `${name}{${label}}`);
        else assert.equal(new Set(values).size, values.length, `${name}{${label}}: each value once`);
      }
    }
    assert.ok(typeLabels.length <= 32, `${typeLabels.length} types`);
  });

  test('has one label for each type, and one for all that nobody knows', () => {
    const urls = [
      clusterType,
      secretType,
      ...istioKinds.flatMap(({ typeUrl, olderTypeUrls }) => [typeUrl, ...olderTypeUrls]),
    ];
    for (const url of [...urls, 'core/v1alpha1/MeshConfig' as TypeUrl])
      assert.ok(typeLabels.includes(labelOf(url)), url);
    for (let made = 0; made < 100; made++) assert.equal(labelOf(`types.example/Made${made}` as TypeUrl), 'other');
  });

  test('has one label for each code of gRPC, and one for what is none', () => {
    for (const [name, code] of Object.entries(status))
      if (typeof code === 'number') assert.equal(codeLabelOf(code), name);
    for (let code = -1; code < 40; code++) assert.ok(codeLabels.includes(codeLabelOf(code)), String(code));
  });
});

describe('the page', () => {
  test('of a busy agent is the table: every metric, its HELP, its kind, its labels and their values', () => {
    const page = pageOf(busy());
    assert.deepEqual(
      [...page.keys()].sort(),
      Object.keys(metricTable)
        .map(name => `weir_${name}`)
        .sort(),
    );
    for (const [name, { kind, help, labels = {} }] of Object.entries<MetricSpec>(metricTable)) {
      const family = page.get(`weir_${name}`) ?? assert.fail(name);
      assert.deepEqual([family.kind, family.help], [kind, help], name);
      for (const sample of family.samples) {
        const own = [...sample.labels.keys()].filter(key => key !== 'le');
        assert.deepEqual(own, Object.keys(labels), name);
        for (const key of own) {
          const value = sample.labels.get(key) ?? '';
          assert.ok(labels[key]?.includes(value) ?? true, `${name}{${key}="${value}"}`);
        }
      }
    }
  });

  test('of an agent that nothing has happened to has what alerts count from', () => {
    const page = pageOf(new CoreHarness());
    assert.equal(metricValue(page, 'weir_upstream_stream_failures_total', { code: 'UNAVAILABLE' }), 0);
    for (const code of [
      'UNAVAILABLE',
      'RESOURCE_EXHAUSTED',
      'INVALID_ARGUMENT',
      'PERMISSION_DENIED',
      'UNAUTHENTICATED',
    ])
      assert.equal(metricValue(page, 'weir_client_streams_refused_total', { code }), 0);
    for (const phase of ['idle', 'connecting', 'open', 'backoff'])
      assert.equal(metricValue(page, 'weir_upstream_streams', { phase }), 0);
    assert.equal(page.has('weir_resources'), false, 'nothing is said of types that nobody has asked for');
  });

  test('starts every counter of a type at 0 with the first word of the type', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: listenerType });
    harness.respond(listenerType, { resources: resources(listenerType, ['a']) });
    const page = pageOf(harness);
    assert.equal(metricValue(page, 'weir_client_rejections_total', { type: 'LDS' }), 0);
    assert.equal(metricValue(page, 'weir_upstream_responses_total', { type: 'LDS' }), 1);
  });

  test('tells of the disk, of credentials and of the process', () => {
    const page = pageOf(new CoreHarness());
    assert.equal(metricValue(page, 'weir_disk_failing'), 1);
    assert.equal(metricValue(page, 'weir_disk_oldest_pending_seconds'), 1.5);
    assert.equal(metricValue(page, 'weir_disk_changes_written_total'), 3);
    assert.equal(metricValue(page, 'weir_upstream_token_expiry_timestamp_seconds'), 2e9);
    assert.equal(metricValue(page, 'weir_start_time_seconds'), 1_700_000_000);
    assert.equal(metricValue(page, 'weir_build_info', { version: '1.2.3', node: process.version }), 1);
    assert.ok(metricValue(page, 'weir_process_resident_memory_bytes') > 1e7);
    assert.ok(metricValue(page, 'weir_process_cpu_seconds_total') > 0);
  });

  test('costs the same whatever is held', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: endpointType, names: [] });
    const client = harness.client('delta');
    const names = Array.from({ length: 5_000 }, (_, at) => `e${at}`);
    client.send({ typeUrl: endpointType, names });
    harness.respond(endpointType, { resources: resources(endpointType, names) });
    const [view] = harness.core.views();
    const store = view?.types.get(endpointType)?.store ?? assert.fail('the type is there');
    // Whoever walks over what is held comes by here.
    const walked = { entries: 0 };
    const entries = store.served.entries;
    for (const method of ['values', 'keys', 'entries', 'forEach', Symbol.iterator] as const) {
      Object.defineProperty(entries, method, {
        value: () => {
          walked.entries++;
          return [].values();
        },
      });
    }
    const page = pageOf(harness);
    assert.equal(walked.entries, 0, 'no resource is looked at');
    assert.equal(metricValue(page, 'weir_cache_resources', { type: 'EDS' }), 5_000);
  });
});

describe('cache states', () => {
  /** States of a type that are not 0. */
  function statesOf(harness: CoreHarness, type: string): Record<string, number> {
    const samples = pageOf(harness).get('weir_resources')?.samples ?? [];
    const own = samples.filter(({ labels, value }) => labels.get('type') === type && value > 0);
    return Object.fromEntries(own.map(({ labels, value }) => [labels.get('cache_state') ?? '', value]));
  }

  test('requested until there is word, timeout after the time of xDS without one', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['a', 'b'] });
    assert.deepEqual(statesOf(harness, 'EDS'), { requested: 2 });
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    assert.deepEqual(statesOf(harness, 'EDS'), { requested: 1, presumed: 1 });
    harness.advance(20_000);
    assert.equal(statesOf(harness, 'EDS')['requested'], undefined);
    client.send({ typeUrl: endpointType, unsubscribe: ['b'] });
    harness.advance(120_000);
    assert.deepEqual(statesOf(harness, 'EDS'), { presumed: 1 }, 'nobody asks for it any more');
  });

  test('requested in an outage, by whoever starts in it', () => {
    const harness = new CoreHarness();
    harness.isUpstreamUp = false;
    harness.client('sotw').send({ typeUrl: endpointType, names: ['a', 'b', 'c'] });
    harness.advance(60_000);
    assert.deepEqual(statesOf(harness, 'EDS'), { requested: 3 });
  });

  test('a wildcard without its list is no state of a name, but an incomplete list', () => {
    const harness = new CoreHarness();
    harness.isUpstreamUp = false;
    harness.client('sotw').send({ typeUrl: clusterType });
    const page = pageOf(harness);
    assert.equal(metricValue(page, 'weir_lists_incomplete', { type: 'CDS' }), 1);
    assert.deepEqual(statesOf(harness, 'CDS'), {});
  });

  test('presumed until a client has accepted it, then acked', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    assert.deepEqual(statesOf(harness, 'CDS'), { presumed: 2 });
    client.ack(client.only(clusterType));
    assert.deepEqual(statesOf(harness, 'CDS'), { acked: 2 });
    assert.equal(metricValue(pageOf(harness), 'weir_lists_incomplete', { type: 'CDS' }), 0);
  });

  test('nacked_but_cached with an accepted content, nacked without one, until there is another', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    client.ack(client.only(clusterType));
    harness.respond(clusterType, {
      resources: [...resources(clusterType, ['b'], 2), ...resources(clusterType, ['c'])],
    });
    client.send({ typeUrl: clusterType, nonce: client.only(clusterType).nonce, error: 'b: bad, c: bad' });
    harness.advance(2_000);
    assert.deepEqual(statesOf(harness, 'CDS'), { acked: 1, nacked_but_cached: 1, nacked: 1 });
    assert.equal(metricValue(pageOf(harness), 'weir_quarantined_resources', { type: 'CDS' }), 2);
    harness.respond(clusterType, { resources: resources(clusterType, ['b', 'c'], 3) });
    assert.deepEqual(statesOf(harness, 'CDS'), { acked: 1, presumed: 2 });
  });

  test('does_not_exist by upstream’s word, received_error for any other status', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: endpointType, names: ['a', 'b', 'c'] });
    const errors = [{ name: 'b', code: grpcCode.permissionDenied, message: 'no' }];
    harness.respond(endpointType, { resources: resources(endpointType, ['a']), removed: ['c'], errors });
    assert.deepEqual(statesOf(harness, 'EDS'), { presumed: 1, received_error: 1, does_not_exist: 1 });
    assert.equal(metricValue(pageOf(harness), 'weir_upstream_errors', { type: 'EDS' }), 1);
  });
});

describe('states of clients, streams and servers', () => {
  test('what each client has said of a type', () => {
    const harness = new CoreHarness();
    const [level, late, refusing] = ['delta', 'sotw', 'delta'].map(kind =>
      harness.client(kind === 'delta' ? 'delta' : 'sotw'),
    );
    assert.ok(level && late && refusing);
    for (const client of [level, late, refusing]) client.send({ typeUrl: clusterType });
    assert.equal(metricValue(pageOf(harness), 'weir_client_subscriptions', { type: 'CDS', state: 'not_sent' }), 3);
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(1_000);
    level.ack(level.only(clusterType));
    refusing.send({ typeUrl: clusterType, nonce: refusing.only(clusterType).nonce, error: 'bad' });
    const page = pageOf(harness);
    for (const state of ['synced', 'stale', 'rejected'])
      assert.equal(metricValue(page, 'weir_client_subscriptions', { type: 'CDS', state }), 1, state);
    assert.equal(metricValue(page, 'weir_downstream_streams', { variant: 'delta' }), 2);
    assert.equal(metricValue(page, 'weir_downstream_streams', { variant: 'sotw' }), 1);
  });

  test('the place of the control plane in use, and the phases of the streams', () => {
    const harness = new CoreHarness({ addresses: ['a:1', 'b:2'], failoverAfterMs: 1_000 });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(1_000);
    const page = pageOf(harness);
    assert.equal(metricValue(page, 'weir_upstream_server_index'), 0);
    assert.equal(metricValue(page, 'weir_upstream_streams', { phase: 'open' }), 1);
    harness.unreachable.add('a:1');
    harness.cut();
    harness.advance(5_000);
    assert.ok(harness.upstreamAt('b:2'), 'the second one was dialled');
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(20_000);
    const after = pageOf(harness);
    assert.equal(metricValue(after, 'weir_upstream_server_index'), 1);
    assert.equal(metricValue(after, 'weir_upstream_switches_total'), 1);
  });

  test('an agent that ends says so, and has no clients any more', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: clusterType });
    assert.equal(metricValue(pageOf(harness), 'weir_draining'), 0);
    harness.post({ kind: 'drain_requested' });
    const page = pageOf(harness);
    assert.equal(metricValue(page, 'weir_draining'), 1);
    assert.equal(metricValue(page, 'weir_downstream_streams', { variant: 'delta' }), 0);
  });

  test('refusals by their status', () => {
    const harness = new CoreHarness({ clientStreamsMax: 1 });
    harness.client('delta').send({ typeUrl: clusterType });
    harness.client('delta');
    assert.equal(metricValue(pageOf(harness), 'weir_client_streams_refused_total', { code: 'RESOURCE_EXHAUSTED' }), 1);
  });
});

test('what weir source tells is of its own table', () => {
  const bench = new SourceBench();
  const status = new SourceStatus();
  const client = bench.client('sotw');
  for (const typeUrl of [services.typeUrl, 'types.example/Unheard' as TypeUrl]) bench.send(client, { typeUrl });
  bench.post({ kind: 'whole', of: services, resources: [service('a/x', '7')] });
  bench.post({ kind: 'trouble', of: undefined, text: 'everything is forbidden' });
  const [told] = bench.take(client).filter(one => one.typeUrl === services.typeUrl);
  bench.send(client, { typeUrl: services.typeUrl, nonce: told?.nonce ?? '', error: 'no' });
  for (const note of bench.notes) status.observe(note, 5);
  const page = parseMetrics(renderMetrics(status.samples(bench.core.stores.states(), bench.core.clients)));
  assert.deepEqual(
    [...page.keys()].sort(),
    Object.keys(sourceMetrics)
      .map(name => `weir_${name}`)
      .sort(),
  );
  for (const [name, { labels = {}, help, kind }] of Object.entries<MetricSpec>(sourceMetrics)) {
    const family = page.get(`weir_${name}`) ?? assert.fail(name);
    assert.deepEqual([family.kind, family.help], [kind, help], name);
    for (const sample of family.samples)
      for (const [label, value] of sample.labels)
        assert.ok(labels[label]?.includes(value), `${name}{${label}="${value}"}`);
  }
});

test('bodies are counted as they come, each content once', () => {
  const pool = new BodyPool();
  const held = ['a', 'bb', 'a'].map(text => pool.home(Buffer.from(text)));
  assert.equal(held[0], held[2]);
  assert.deepEqual(pool.census(), { bodies: 2, bytes: 3 });
});

test('an idle tier without room counts what it had to refuse', () => {
  const tier = createIdleTier(1);
  const entry = new Entry({ name: 'a', version: '', any: Buffer.alloc(1), extra: undefined }, Buffer.alloc(1), 1, 1);
  assert.deepEqual(
    ['a', 'a', 'b', 'c'].map(key => tier.put(key, entry)),
    [true, true, false, false],
  );
  assert.deepEqual([tier.size, tier.refused], [1, 2]);
});

test('a number is written as Go reads it', () => {
  const sample = { kind: 'gauge', help: 'H.', labels: [] } as const;
  const values = [Infinity, -Infinity, Number.NaN, 1e21, 1e-7, 0.1];
  const text = renderMetrics(values.map((value, at) => ({ ...sample, name: `g${at}`, value })));
  assert.deepEqual(
    [...text.matchAll(/^weir_g\d (.*)$/gm)].map(([, value]) => value),
    ['+Inf', '-Inf', 'NaN', '1e+21', '1e-7', '0.1'],
  );
  parseMetrics(text);
});
