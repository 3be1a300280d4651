import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RunningEnvoy } from '../../src/demo/envoy-process.ts';
import { getJson } from '../../src/demo/http-traffic.ts';
import { waitFor } from '../../src/demo/processes.ts';
import { duration, message, nested, text, uint } from '../../src/demo/proto.ts';
import { typeUrls } from '../../src/demo/resources.ts';
import { E2eRig, flow, waitMs } from '../support/control-plane.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';

// The control plane is gone, everything on the pod restarts, and it comes up as it was (issue 5).

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

/** A static cluster that Envoy decodes and cannot create. */
function poisoned(name: string): Buffer {
  const address = nested(1, text(2, 'not-an-address'), uint(3, 1));
  const endpoint = nested(2, nested(1, nested(1, address)));
  return message(text(1, name), duration(4, 1000), nested(33, text(1, name), nested(2, endpoint)));
}

/** Waits until the agent has written what the clients accepted: the names that its cache lists of a type. */
async function written(rig: E2eRig, shortName: string, count: number): Promise<void> {
  await waitFor(`${count} ${shortName} on disk`, waitMs, async () => {
    const { json } = await getJson(rig.weir?.adminPort ?? 0, '/cache');
    return JSON.stringify(json).includes(`"shortName":"${shortName}"`) && resourcesIn(json, shortName) === count
      ? true
      : undefined;
  });
}

function resourcesIn(json: unknown, shortName: string): number {
  const { views } = json as { views: { types: { shortName: string; resources: number }[] }[] };
  return views[0]?.types.find(type => type.shortName === shortName)?.resources ?? 0;
}

async function kill(running: RunningEnvoy): Promise<void> {
  await running.process.kill();
  await running.stop();
}

describe('everything restarts during an outage, a real Envoy', { skip, concurrency: 1 }, () => {
  for (const upstreamVariant of ['delta', 'sotw'] as const) {
    for (const variant of ['delta', 'sotw'] as const) {
      test(`T5: ${upstreamVariant} upstream, ${variant} Envoy: LIVE as before, traffic flows, then changes arrive`, async () => {
        await using rig = new E2eRig({ envoy, variant, path: 'tcp', upstreamVariant, hasCache: true });
        await rig.start();
        for (let index = 0; index < 5; index++) rig.clusters.set(`c${index}`, { endpoints: [rig.backend(0)] });
        rig.moreListeners.add('other');
        rig.publish();
        const before = await rig.envoy({ nodeId: 'pod' });
        await before.waitLive(waitMs);
        await flow(await rig.traffic(before, 50), 5);
        await written(rig, 'CDS', rig.clusters.size);
        await written(rig, 'EDS', rig.clusters.size);
        await written(rig, 'LDS', 2);
        await written(rig, 'RDS', 2);
        rig.controlPlane.stop();
        await rig.killWeir();
        await kill(before);

        await rig.startWeir();
        const after = await rig.envoy({ nodeId: 'pod' });
        await after.waitLive(waitMs);
        assert.deepEqual([...(await after.clusters()).active].sort(), [...rig.clusters.keys()].sort());
        const traffic = await rig.traffic(after, 50);
        await flow(traffic, 20);

        rig.clusters.set('added', { endpoints: [rig.backend(1)] });
        rig.clusters.delete('c0');
        rig.routedTo = 'added';
        rig.publish();
        await rig.controlPlane.start(rig.port);
        await waitFor('the changes', waitMs, async () => {
          const { active: names } = await after.clusters();
          return names.includes('added') && !names.includes('c0') ? true : undefined;
        });
        await flow(traffic, 20);
        assert.equal((await traffic.stop()).failed, 0);
      });
    }

    test(`R102: ${upstreamVariant} upstream: a poisoned cluster, everything restarts offline: LIVE with the last good set`, async () => {
      await using rig = new E2eRig({ envoy, variant: 'delta', path: 'tcp', upstreamVariant, hasCache: true });
      await rig.start();
      rig.clusters.set('victim', { endpoints: [rig.backend(0)], connectTimeoutMs: 1111 });
      rig.publish();
      const before = await rig.envoy({ nodeId: 'pod' });
      await before.waitLive(waitMs);
      await written(rig, 'CDS', 2);
      await written(rig, 'EDS', 2);
      await written(rig, 'LDS', 1);
      await written(rig, 'RDS', 1);
      const world = rig.world();
      const clusters = new Map([
        ...(world.get(typeUrls.cluster) ?? []),
        ['victim', poisoned('victim')],
        ['worse', poisoned('worse')],
      ]);
      world.set(typeUrls.cluster, clusters);
      rig.controlPlane.publish(world);
      await waitFor('the NACK', waitMs, () => rig.controlPlane.stats().rejections[0]);
      await waitFor('the quarantine on disk', waitMs, async () => {
        const { json } = await getJson(rig.weir?.adminPort ?? 0, '/cache');
        return JSON.stringify(json).includes('"quarantined":2') ? true : undefined;
      });
      rig.controlPlane.stop();
      await rig.killWeir();
      await kill(before);

      await rig.startWeir();
      const after = await rig.envoy({ nodeId: 'pod' });
      await after.waitLive(waitMs);
      assert.equal(await after.connectTimeout('victim'), 1111);
      assert.deepEqual([...(await after.clusters()).active].sort(), ['first', 'victim']);
      assert.equal(await after.stat('cluster_manager.cds.update_rejected'), 0);
      await flow(await rig.traffic(after, 50), 5);
    });
  }
});
