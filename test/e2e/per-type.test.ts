import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { waitFor } from '../../src/demo/processes.ts';
import { E2eRig, flow, waitMs } from '../support/control-plane.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

describe('real Envoy without ADS, through Weir', { skip, concurrency: 1 }, () => {
  for (const variant of ['sotw', 'delta'] as const) {
    for (const path of ['tcp', 'unix'] as const) {
      test(`R129: ${variant} over ${path}: clusters, endpoints, listeners and routes each by their own service`, async () => {
        await using rig = new E2eRig({ envoy, variant, path, isPerType: true });
        await rig.start();
        const running = await rig.envoy();
        await running.waitLive(waitMs);
        const traffic = await rig.traffic(running, 100);
        const streams = await running.stats('^cluster\\.xds\\.upstream_rq_active$');
        assert.ok((streams.get('cluster.xds.upstream_rq_active') ?? 0) >= 4, 'a stream for each type');

        for (let round = 1; round <= 10; round += 1) {
          const old = rig.routedTo;
          rig.routedTo = `next-${round}`;
          rig.clusters.set(rig.routedTo, { endpoints: [rig.backend(round)] });
          rig.publish();
          // Without ADS there is no order between the types (R129), so the test keeps it: routes have moved before the old cluster goes.
          const reached = `cluster.${rig.routedTo}.upstream_rq_completed`;
          await waitFor('requests to the new cluster', waitMs, async () =>
            (await running.stat(reached)) > 0 ? true : undefined,
          );
          rig.clusters.delete(old);
          rig.clusters.set(rig.routedTo, { endpoints: [rig.backend(round)], connectTimeoutMs: 2000 + round });
          rig.publish();
          const isChanged = async () =>
            (await running.connectTimeout(rig.routedTo)) === 2000 + round ? true : undefined;
          await waitFor('the changed cluster to be active', waitMs, isChanged, [running.process]);
          await flow(traffic, 5);
        }
        assert.equal(await running.stat('cluster_manager.warming_clusters'), 0);
        rig.controlPlane.stop();
        const newcomer = await rig.envoy({ nodeId: 'envoy-0' });
        await newcomer.waitLive(waitMs);
        await rig.traffic(newcomer, 50);
        const { failed, failures } = await traffic.stop();
        // A route may reach Envoy before its cluster is there.
        assert.deepEqual(
          [...new Set(failures)].filter(failure => !failure.includes('503')),
          [],
        );
        assert.ok(failed <= 10, `${failed} requests failed: ${failures.join('; ')}`);
        assert.equal(rig.controlPlane.stats().streamsOpened, 1);
        assert.deepEqual(rig.controlPlane.stats().rejections, []);
      });
    }
  }
});
