import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fieldsOf, payloadsOf, textOf } from '../../src/demo/proto.ts';
import { xdsClusterName } from '../../src/demo/resources.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { httpListener, routes, staticCluster, types } from '../support/resource-bodies.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

/** Whether a `LoadStatsRequest` carries a Node, and the successful requests that it reports of a cluster. */
function readReport(request: Buffer, cluster: string): { readonly hasNode: boolean; readonly successes: number } {
  const fields = fieldsOf(request);
  const stats = payloadsOf(fields, 2).map(fieldsOf);
  const localities = stats.filter(one => textOf(one, 1) === cluster).flatMap(one => payloadsOf(one, 2));
  const counts = localities.map(locality => Number(fieldsOf(locality).find(({ number }) => number === 2)?.value ?? 0));
  return { hasNode: payloadsOf(fields, 1).length > 0, successes: counts.reduce((sum, count) => sum + count, 0) };
}

describe('load reports with the real Envoy', { skip, concurrency: 1 }, () => {
  test('R128: reports of an Envoy reach the control plane, and do again after it was away', async () => {
    await using world = new ScriptedWorld({ envoy, variant: 'delta' });
    const upstream = await world.start();
    world.plane.put(types.cluster, { one: staticCluster('one', world.backend) });
    const inline = routes('all', { cluster: 'one' });
    world.plane.put(types.listener, { web: httpListener('web', { routes: { by: 'inline', body: inline } }) });
    const running = await world.startEnvoy({
      xds: { kind: 'tcp', host: '127.0.0.1', port: world.weir.port },
      bootstrap: {
        cluster_manager: {
          load_stats_config: {
            api_type: 'GRPC',
            transport_api_version: 'V3',
            grpc_services: [{ envoy_grpc: { cluster_name: xdsClusterName } }],
          },
        },
      },
    });
    const successes = (stream: number): number =>
      (world.plane.loads[stream]?.requests ?? []).reduce((sum, one) => sum + readReport(one, 'one').successes, 0);
    await world.until('the backend', async () => (await world.get('web')).body === 'backend');
    await world.until('a report of it', () => successes(0) > 0);
    const [first, ...later] = world.plane.loads[0]?.requests ?? [];
    assert.ok(first && readReport(first, 'one').hasNode, 'the first request carries the node');
    assert.ok(later.length > 0);

    world.plane.stop();
    assert.equal((await world.get('web')).body, 'backend');
    await world.plane.start(upstream);
    await world.until('a stream of reports again', () => world.plane.loads.length > 1);
    await world.until('a report on it', async () => (await world.get('web')).status === 200 && successes(1) > 0);
    const again = world.plane.loads[1]?.requests[0];
    assert.ok(again && readReport(again, 'one').hasNode, 'the node goes first again');
    // Its stream has never ended.
    assert.equal(await running.stat('load_reporter.errors'), 0);
  });
});
