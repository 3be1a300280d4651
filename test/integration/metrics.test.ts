import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricSpec } from '../../src/admin/metric-sample.ts';
import { metricTable } from '../../src/agent/metric-table.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import { metricValue, parseMetrics, type TextFamily } from '../support/metrics-text.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

// What Prometheus sees of an agent on real sockets, with a real disk, through what operators are called for.

const waitMs = 10_000;
const nodeId = 'sidecar-1';
const table: Readonly<Record<string, MetricSpec>> = metricTable;

/** Reads the page, which has to be well-formed and of the table whatever is going on. */
async function scrape(adminUrl: string): Promise<ReadonlyMap<string, TextFamily>> {
  const response = await fetch(`${adminUrl}/metrics`);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const page = parseMetrics(await response.text());
  for (const [name, { kind, samples }] of page) {
    const spec = table[name.replace(/^weir_/, '')] ?? assert.fail(`${name} is not in the table`);
    assert.equal(kind, spec.kind, name);
    for (const { labels } of samples)
      assert.deepEqual(
        [...labels.keys()].filter(label => label !== 'le'),
        Object.keys(spec.labels ?? {}),
        name,
      );
  }
  return page;
}

type Expected = readonly [name: string, labels: Readonly<Record<string, string>>, value: number];

test('what operators are called for is on the page: rejection, outage, a start within it, return, and leaving', async t => {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  const controlPlane = new RawControlPlane(t);
  const upstream = await controlPlane.start();
  const { address, adminUrl } = await startTestAgent(t, upstream, { 'cache-dir': folder, 'ack-wait': '100ms' });
  /** Waits until all of it is so on one page. */
  const becomes = async (what: string, expected: readonly Expected[]): Promise<ReadonlyMap<string, TextFamily>> => {
    let missing = '';
    const look = async () => {
      const page = await scrape(adminUrl);
      const wrong = expected.find(([name, labels, value]) => {
        const isThere = page
          .get(name)
          ?.samples.some(one => Object.entries(labels).every(([k, v]) => one.labels.get(k) === v));
        return !isThere || metricValue(page, name, labels) !== value;
      });
      missing = wrong ? JSON.stringify(wrong) : '';
      return wrong ? undefined : page;
    };
    return await waitFor(what, waitMs, look).catch((error: unknown) =>
      assert.fail(`${String(error)}; still not: ${missing}`),
    );
  };
  const type = (name: string) => ({ type: name });
  const state = (name: string, cacheState: string) => ({ type: name, cache_state: cacheState });

  const client = new RawClient(t, address, 'delta', { acks: false });
  client.ask({ typeUrl: clusterType, nodeId });
  client.ask({ typeUrl: endpointType, names: ['a', 'missing'] });
  const stream = await controlPlane.answer(clusterType, resources(clusterType, ['a', 'b']));
  await controlPlane.answer(endpointType, resources(endpointType, ['a']));
  /** The next message of a type; others that come before it are accepted. */
  const next = async (typeUrl: string): Promise<string> => {
    for (;;) {
      const response = await client.next();
      if (response.typeUrl === typeUrl) return response.nonce;
      client.ask({ typeUrl: response.typeUrl, nonce: response.nonce });
    }
  };
  client.ask({ typeUrl: clusterType, nonce: await next(clusterType) });
  client.ask({ typeUrl: endpointType, nonce: await next(endpointType) });
  const well = await becomes('everything to be well', [
    ['weir_control_plane_connected_state', {}, 1],
    ['weir_upstream_streams', { phase: 'open' }, 1],
    ['weir_resources', state('CDS', 'acked'), 2],
    ['weir_resources', state('EDS', 'acked'), 1],
    // Upstream has answered the same request without it.
    ['weir_resources', state('EDS', 'does_not_exist'), 1],
    ['weir_client_subscriptions', { type: 'CDS', state: 'synced' }, 1],
    ['weir_serving_stale', type('CDS'), 0],
    ['weir_lists_incomplete', type('CDS'), 0],
    ['weir_update_success_total', type('CDS'), 1],
    ['weir_disk_resources', {}, 3],
    ['weir_disk_pending_changes', {}, 0],
    ['weir_upstream_server_index', {}, 0],
  ]);
  assert.equal(metricValue(well, 'weir_propagation_seconds_count', type('CDS')), 1);
  assert.equal(metricValue(well, 'weir_verdict_seconds_count', type('CDS')), 1);
  assert.ok(metricValue(well, 'weir_disk_write_seconds_count') >= 1);
  assert.equal(metricValue(well, 'weir_client_rejections_total', type('CDS')), 0, 'a first rejection is a step');

  controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['b'], 2) });
  client.ask({ typeUrl: clusterType, nonce: await next(clusterType), error: 'b: bad' });
  await becomes('the quarantine', [
    ['weir_client_rejections_total', type('CDS'), 1],
    ['weir_update_rejected_total', type('CDS'), 1],
    ['weir_quarantined_resources', type('CDS'), 1],
    ['weir_quarantines_total', type('CDS'), 1],
    ['weir_resources', state('CDS', 'nacked_but_cached'), 1],
    ['weir_resources', state('CDS', 'acked'), 1],
    ['weir_client_subscriptions', { type: 'CDS', state: 'rejected' }, 1],
  ]);

  controlPlane.stop();
  const late = new RawClient(t, address, 'sotw');
  late.ask({ typeUrl: listenerType, nodeId });
  late.ask({ typeUrl: routeType, names: ['r'] });
  const out = await becomes('the outage', [
    ['weir_control_plane_connected_state', {}, 0],
    ['weir_upstream_streams', { phase: 'open' }, 0],
    ['weir_serving_stale', type('CDS'), 1],
    ['weir_downstream_streams', { variant: 'sotw' }, 1],
    ['weir_lists_incomplete', type('LDS'), 1],
    ['weir_resources', state('RDS', 'requested'), 1],
    ['weir_cache_resources', type('CDS'), 2],
  ]);
  // Of a server that stops the last word is that its streams are cancelled, or the connection is gone before that is read.
  const failures = out.get('weir_upstream_stream_failures_total')?.samples ?? [];
  const codes = failures.filter(one => one.value > 0).map(one => one.labels.get('code'));
  assert.ok(codes.includes('UNAVAILABLE') || codes.includes('CANCELLED'), codes.join());
  assert.ok(metricValue(out, 'weir_config_age_seconds', type('CDS')) > 0);

  await controlPlane.start(upstream);
  await controlPlane.answer(clusterType, resources(clusterType, ['b'], 3));
  await controlPlane.answer(listenerType, []);
  client.ask({ typeUrl: clusterType, nonce: await next(clusterType) });
  await becomes('the return', [
    ['weir_control_plane_connected_state', {}, 1],
    ['weir_quarantined_resources', type('CDS'), 0],
    ['weir_resources', state('CDS', 'acked'), 2],
    ['weir_resources', state('CDS', 'nacked_but_cached'), 0],
    ['weir_serving_stale', type('CDS'), 0],
    ['weir_lists_incomplete', type('LDS'), 0],
    ['weir_client_subscriptions', { type: 'CDS', state: 'synced' }, 1],
  ]);

  client.close();
  late.close();
  const left = await becomes('the clients to be gone', [
    ['weir_downstream_streams', { variant: 'delta' }, 0],
    ['weir_downstream_streams', { variant: 'sotw' }, 0],
    ['weir_idle_resources', type('EDS'), 2],
    ['weir_idle_tier_resources', {}, 1],
    ['weir_draining', {}, 0],
  ]);
  assert.equal(left.has('weir_client_subscriptions'), false);
});
