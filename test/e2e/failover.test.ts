import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RunningEnvoy, startEnvoy } from '../../src/demo/envoy-process.ts';
import { startBackend, startTraffic } from '../../src/demo/http-traffic.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { routeAllTo } from '../../src/demo/resources.ts';
import { startWeir } from '../../src/demo/weir-process.ts';
import { encodeWorld, listenerName } from '../../src/demo/world.ts';
import { flow, waitMs } from '../support/control-plane.ts';
import { skipWithout, testEnvoy, weirCommand } from '../support/envoy.ts';
import { Gate } from '../support/gate.ts';
import { GoControlPlane } from '../support/go-control-plane.ts';
import { buildPeers } from '../support/peers.ts';

// Real Envoys under traffic, while Weir goes from one go-control-plane to another one and back.

const envoy = testEnvoy() ?? '';
const peers = buildPeers();
const skip = 'missing' in peers ? peers.missing : skipWithout(envoy === '' ? undefined : envoy);
/** The return to a primary that is back. */
const backMs = 30_000;

describe('failover under traffic', { skip }, () => {
  test('R109: there and back, and no request fails', async t => {
    const folder = makeFolder();
    const backends = [await startBackend('primary'), await startBackend('secondary')];
    const gates: Gate[] = [];
    for (const [at, side] of ['primary', 'secondary'].entries()) {
      const plane = new GoControlPlane(t, 'program' in peers ? peers.program : '', ['--ads=false']);
      gates.push(await Gate.before(t, await plane.address()));
      const endpoints = backends.slice(at, at + 1).map(backend => backend.address);
      const clusters = new Map(['both', side].map(name => [name, { endpoints, connectTimeoutMs: 1_000 + at }]));
      await plane.publish(encodeWorld({ clusters, routes: routeAllTo(side) }));
    }
    const upstream = gates.map(gate => gate.address).join();
    const flags = ['--failover-after', '1s'];
    const weir = await startWeir({ command: weirCommand, upstream, folder, flags });
    const xds = { kind: 'unix', path: weir.socketPath } as const;
    const envoys: RunningEnvoy[] = [];
    t.after(async () => {
      for (const running of envoys) await running.stop();
      await weir.process.stop();
      for (const backend of backends) backend.stop();
      removeFolder(folder);
    });
    for (const variant of ['sotw', 'delta'] as const) {
      envoys.push(await startEnvoy({ binary: envoy, nodeId: 'pod', xds, variant }));
    }
    const traffics = [];
    for (const running of envoys) {
      await running.waitLive(waitMs);
      const port = await waitFor('the listener', waitMs, () => running.listenerPort(listenerName), [running.process]);
      const traffic = startTraffic(() => ({ host: '127.0.0.1', port }), 100);
      t.after(async () => void (await traffic.stop()));
      await flow(traffic, 5);
      traffics.push(traffic);
    }
    const onSide = async (side: string, ms: number): Promise<void> => {
      for (const running of envoys) {
        const isThere = async () => {
          const { active, warming } = await running.clusters();
          return (active.toSorted().join() === ['both', side].sort().join() && warming.length === 0) || undefined;
        };
        await waitFor(`the clusters of the ${side}`, ms, isThere, [running.process]);
        const isReached = async () => (await running.stat(`cluster.${side}.upstream_rq_completed`)) > 0 || undefined;
        await waitFor(`requests to the ${side}`, ms, isReached, [running.process]);
      }
    };
    await onSide('primary', waitMs);
    gates[0]?.cut();
    await onSide('secondary', waitMs);
    await gates[0]?.open();
    await onSide('primary', backMs);
    for (const traffic of traffics) {
      const { failed, failures, byBackend } = await traffic.stop();
      assert.equal(failed, 0, failures.join('; '));
      assert.ok((byBackend.get('primary') ?? 0) > 0 && (byBackend.get('secondary') ?? 0) > 0);
    }
  });
});
