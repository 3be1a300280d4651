import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RunningEnvoy } from '../../src/demo/envoy-process.ts';
import { waitFor } from '../../src/demo/processes.ts';
import { duration, message, nested, text, uint } from '../../src/demo/proto.ts';
import { encodeCluster, typeUrls } from '../../src/demo/resources.ts';
import { E2eRig, flow, waitMs } from '../support/control-plane.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);
const upstreams = ['delta', 'sotw'] as const;
const watchMs = 5_000;

/** A static cluster that Envoy decodes and cannot create. */
function poisoned(name: string): Buffer {
  const address = nested(1, text(2, 'not-an-address'), uint(3, 1));
  const endpoint = nested(2, nested(1, nested(1, address)));
  return message(text(1, name), duration(4, 1000), nested(33, text(1, name), nested(2, endpoint)));
}

describe('a poisoned cluster, two real Envoys', { skip, concurrency: 1 }, () => {
  for (const upstreamVariant of upstreams) {
    test(`R97 R98 R101: ${upstreamVariant} upstream: one NACK with Envoy's text, no loop, the last good stays, the repair arrives`, async () => {
      await using rig = new E2eRig({ envoy, variant: 'delta', path: 'tcp', upstreamVariant });
      await rig.start();
      rig.clusters.set('victim', { endpoints: [rig.backend(0)], connectTimeoutMs: 1111 });
      rig.publish();
      const envoys = [await rig.envoy({ nodeId: 'pod' }), await rig.envoy({ nodeId: 'pod', variant: 'sotw' })];
      for (const running of envoys) await running.waitLive(waitMs);
      const traffics = [];
      for (const running of envoys) traffics.push(await rig.traffic(running, 50));
      for (const running of envoys) await timeoutIs(running, 1111);
      const { responses } = rig.controlPlane.stats();

      const world = rig.world();
      world.set(typeUrls.cluster, new Map([...(world.get(typeUrls.cluster) ?? []), ['victim', poisoned('victim')]]));
      rig.controlPlane.publish(world);
      await waitFor('the NACK', waitMs, () => rig.controlPlane.stats().rejections[0]);
      for (const running of envoys) {
        const rejected = async () =>
          (await running.stat('cluster_manager.cds.update_rejected')) > 0 ? true : undefined;
        await waitFor('the rejection by each', waitMs, rejected, [running.process]);
      }
      // Five seconds in which a loop would show: nothing to wait for, only to count.
      const endMs = performance.now() + watchMs;
      while (performance.now() < endMs) await flow(traffics[0] ?? assert.fail(), 10);
      const { rejections, responses: after } = rig.controlPlane.stats();
      assert.equal(rejections.length, 1, JSON.stringify(rejections));
      assert.equal(rejections[0]?.typeUrl, typeUrls.cluster);
      assert.match(rejections[0]?.text ?? '', /node pod: .*malformed IP address: not-an-address/);
      assert.ok(after - responses < 20, `${after - responses} responses in ${watchMs} ms`);
      for (const running of envoys) await timeoutIs(running, 1111);

      const repaired = rig.world();
      const repair = encodeCluster('victim', { connectTimeoutMs: 2222 });
      repaired.set(typeUrls.cluster, new Map([...(repaired.get(typeUrls.cluster) ?? []), ['victim', repair]]));
      rig.controlPlane.publish(repaired);
      for (const running of envoys) await timeoutIs(running, 2222);
      for (const traffic of traffics) assert.equal((await traffic.stop()).failed, 0);
    });
  }
});

async function timeoutIs(running: RunningEnvoy, ms: number): Promise<void> {
  const isSo = async () => ((await running.connectTimeout('victim')) === ms ? true : undefined);
  await waitFor(`a connect timeout of ${ms} ms`, waitMs, isSo, [running.process]);
}
