import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RunningEnvoy, startEnvoy } from '../../src/demo/envoy-process.ts';
import { startBackend, startTraffic } from '../../src/demo/http-traffic.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { routeAllTo } from '../../src/demo/resources.ts';
import { startWeir } from '../../src/demo/weir-process.ts';
import { encodeWorld, listenerName, type WorldCluster } from '../../src/demo/world.ts';
import { flow, waitMs } from '../support/control-plane.ts';
import { skipWithout, testEnvoy, weirCommand } from '../support/envoy.ts';
import { GoControlPlane } from '../support/go-control-plane.ts';
import { buildPeers } from '../support/peers.ts';

// A control plane made of go-control-plane's snapshot cache, in both of its modes, spoken to in both variants.

const envoy = testEnvoy() ?? '';
const peers = buildPeers();
const skip = 'missing' in peers ? peers.missing : skipWithout(envoy === '' ? undefined : envoy);

/** These clusters, everything routed to one of them. */
const worldOf = (clusters: ReadonlyMap<string, WorldCluster>, routedTo: string) =>
  encodeWorld({ clusters, routes: routeAllTo(routedTo) });

describe('real Envoys, Weir, go-control-plane', { skip, concurrency: 1 }, () => {
  for (const isAds of [true, false]) {
    for (const upstreamVariant of ['delta', 'sotw'] as const) {
      test(`ADS mode ${isAds}, ${upstreamVariant} upstream: two Envoys follow every change over one stream, nothing warms on`, async t => {
        const folder = makeFolder();
        const backends = [await startBackend('a'), await startBackend('b')];
        const controlPlane = new GoControlPlane(t, 'program' in peers ? peers.program : '', [`--ads=${isAds}`]);
        const upstream = await controlPlane.address();
        const endpoints = (at: number) => backends.slice(at % 2, (at % 2) + 1).map(backend => backend.address);
        await controlPlane.publish(worldOf(new Map([['first', { endpoints: endpoints(0) }]]), 'first'));
        const weir = await startWeir({ command: weirCommand, upstream, folder, upstreamVariant });
        const xds = { kind: 'unix', path: weir.socketPath } as const;
        const envoys: RunningEnvoy[] = [];
        for (const variant of ['sotw', 'delta'] as const) {
          envoys.push(await startEnvoy({ binary: envoy, nodeId: 'pod', xds, variant }));
        }
        t.after(async () => {
          for (const running of envoys) await running.stop();
          await weir.process.stop();
          for (const backend of backends) backend.stop();
          removeFolder(folder);
        });
        const traffics = [];
        for (const running of envoys) {
          await running.waitLive(waitMs);
          const port = await waitFor('the listener', waitMs, () => running.listenerPort(listenerName), [
            running.process,
          ]);
          const traffic = startTraffic(() => ({ host: '127.0.0.1', port }), 100);
          t.after(async () => void (await traffic.stop()));
          await flow(traffic, 5);
          traffics.push(traffic);
        }
        let old = 'first';
        for (let round = 1; round <= 8; round += 1) {
          const name = `round-${round}`;
          const changed = { endpoints: endpoints(round), connectTimeoutMs: 2000 + round };
          // Outside its ADS mode go-control-plane keeps no order between the types, so whoever feeds it must: the cluster, the route, the removal.
          await controlPlane.publish(
            worldOf(
              new Map([
                [old, { endpoints: endpoints(round - 1) }],
                [name, { endpoints: endpoints(round) }],
              ]),
              old,
            ),
          );
          for (const running of envoys) {
            const isThere = async () => (await running.clusters()).active.includes(name) || undefined;
            await waitFor(`the cluster of round ${round}`, waitMs, isThere, [running.process]);
          }
          await controlPlane.publish(
            worldOf(
              new Map([
                [old, { endpoints: endpoints(round - 1) }],
                [name, { endpoints: endpoints(round) }],
              ]),
              name,
            ),
          );
          for (const running of envoys) {
            const isReached = async () =>
              (await running.stat(`cluster.${name}.upstream_rq_completed`)) > 0 || undefined;
            await waitFor(`requests to the cluster of round ${round}`, waitMs, isReached, [running.process]);
          }
          // Only a setting of the cluster: go-control-plane does not send its endpoints again, and Envoy cannot go on without (R29).
          await controlPlane.publish(worldOf(new Map([[name, changed]]), name));
          for (const running of envoys) {
            const isChanged = async () => (await running.connectTimeout(name)) === 2000 + round || undefined;
            await waitFor(`the change of round ${round}`, waitMs, isChanged, [running.process]);
          }
          old = name;
        }
        for (const running of envoys) {
          const isSettled = async () => {
            const { active, warming } = await running.clusters();
            return (active.join() === 'round-8' && warming.length === 0) || undefined;
          };
          await waitFor('the old clusters to go, none warming', waitMs, isSettled, [running.process]);
        }
        for (const traffic of traffics) {
          const { failed, failures } = await traffic.stop();
          assert.equal(failed, 0, failures.join('; '));
        }
        assert.deepEqual(await controlPlane.counts(), { streams: 1, open: 1, nacks: null });
      });
    }
  }
});
