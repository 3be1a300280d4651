import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import { startTraffic, type Traffic } from '../../src/demo/http-traffic.ts';
import { pickFreePort, waitFor } from '../../src/demo/processes.ts';
import { message, nested, text, texts, uint } from '../../src/demo/proto.ts';
import { type HostPort, typeUrls } from '../../src/demo/resources.ts';
import { encodeWorld, listenerName } from '../../src/demo/world.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { LivingPod, startApp } from '../support/pod-life.ts';

// A pod from its first start to its end, with what `weir inject` gives it (issue 10). The client retries nothing; that Envoy does, by its route, is the
// configuration's own business.

const envoy = testEnvoy();
const waitMs = 20_000;
const ratePerSecond = 100;
/** Requests that have to be answered after each thing that happens. */
const answeredAtLeast = 30;

/** A route of everything to one cluster; Envoy tries another endpoint when one cannot be reached. */
function retryingRoute(cluster: string): Buffer {
  const predicate = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';
  const retries = nested(
    9,
    text(1, 'connect-failure,refused-stream,reset'),
    nested(2, uint(1, 5)),
    nested(
      5,
      text(1, 'envoy.retry_host_predicates.previous_hosts'),
      nested(3, text(1, `type.googleapis.com/${predicate}`)),
    ),
    uint(6, 5),
  );
  const route = nested(3, nested(1, text(1, '/')), nested(2, text(1, cluster), retries));
  return message(text(1, `${listenerName}-routes`), nested(2, text(1, 'all'), texts(2, ['*']), route));
}

function publish(plane: ControlPlane, clusters: ReadonlyMap<string, readonly HostPort[]>, routedTo: string): void {
  const world = new Map([...clusters].map(([name, endpoints]) => [name, { endpoints }]));
  const bodies = new Map(encodeWorld({ clusters: world, routes: [] }));
  plane.publish(bodies.set(typeUrls.routes, new Map([[`${listenerName}-routes`, retryingRoute(routedTo)]])));
}

/** Traffic of a client through the pod's Envoy. */
async function throughEnvoy(t: TestContext, pod: LivingPod): Promise<Traffic> {
  const port = await waitFor('the listener', waitMs, () => pod.envoy.listenerPort(listenerName), [pod.envoy.process]);
  const traffic = startTraffic(() => ({ host: '127.0.0.1', port }), ratePerSecond);
  t.after(() => traffic.stop());
  return traffic;
}

/** Something happens, and no request fails from its beginning to some time after it. */
async function unnoticed(title: string, traffic: Traffic, happens: () => Promise<unknown>): Promise<void> {
  await happens();
  const { ok } = traffic.counts();
  await waitFor(`answers after: ${title}`, waitMs, () => traffic.counts().ok >= ok + answeredAtLeast || undefined);
  const { failed, failures } = traffic.counts();
  assert.equal(failed, 0, `${title}: ${failures.join('; ')}`);
}

describe('pod life', { skip: skipWithout(envoy), concurrency: 1 }, () => {
  test('native sidecar: start, kills, an update, an outage, the end', { timeout: 120_000 }, async t => {
    const plane = new ControlPlane({ identifier: 'cp' });
    t.after(() => plane.stop());
    const planePort = await plane.start();
    const appPorts = [await pickFreePort(), await pickFreePort(), await pickFreePort()];
    const at = (index: number): HostPort => ({ host: '127.0.0.1', port: appPorts[index] ?? 0 });
    const clusters = new Map([['blue', [at(0), at(1)]]]);
    publish(plane, clusters, 'blue');

    // The first start, in the order of the containers: an empty cache, and a node that nobody has seen.
    const pod = await LivingPod.inject(t, envoy ?? '', `127.0.0.1:${planePort}`, { 'envoy-image': 'envoy' });
    await pod.writeBootstraps();
    await pod.startWeir();
    await pod.startEnvoy();
    let app = await startApp(t, 'app', appPorts[0] ?? 0);
    await startApp(t, 'app of another pod', appPorts[1] ?? 0);
    await startApp(t, 'green', appPorts[2] ?? 0);
    let traffic = await throughEnvoy(t, pod);
    await unnoticed('the first start', traffic, async () => {});
    assert.equal(await pod.envoy.isLive(), true);

    const before = await pod.changes();
    await unnoticed('Weir is killed and started again', traffic, async () => {
      await pod.weir.kill();
      await pod.startWeir();
      await pod.served();
    });
    await unnoticed('Weir is ended and started again', traffic, async () => {
      await pod.weir.stop();
      assert.equal(await pod.weir.exited, 0);
      await pod.startWeir();
      await pod.served();
    });
    assert.deepEqual(await pod.changes(), before, 'Envoy did something to its listeners or clusters');
    assert.deepEqual((await pod.envoy.clusters()).warming, []);

    await unnoticed('the app is killed and started again', traffic, async () => {
      await app.kill();
      app = await startApp(t, 'app', appPorts[0] ?? 0);
    });

    await unnoticed('an update that moves everything to a new cluster', traffic, async () => {
      clusters.set('green', [at(2)]);
      publish(plane, clusters, 'green');
      await waitFor('answers of green', waitMs, () => traffic.counts().byBackend.has('green') || undefined);
      clusters.delete('blue');
      publish(plane, clusters, 'green');
    });

    await unnoticed('the control plane goes, and Weir is killed', traffic, async () => {
      await waitFor(
        'the old cluster to go',
        waitMs,
        async () => !(await pod.envoy.clusters()).active.includes('blue') || undefined,
      );
      plane.stop();
      await pod.weir.kill();
      await pod.startWeir();
      await pod.served();
    });

    // Envoy itself: its requests fail with it, and no other.
    const { failed } = await traffic.stop();
    assert.equal(failed, 0);
    await pod.envoy.process.kill();
    await pod.startEnvoy();
    traffic = await throughEnvoy(t, pod);
    await unnoticed('Envoy was killed and started with the control plane away', traffic, async () => {});

    await unnoticed('the control plane is back with a change', traffic, async () => {
      clusters.set('blue', [at(0), at(1)]);
      publish(plane, clusters, 'blue');
      await plane.start(planePort);
      await waitFor('answers of the app', waitMs, () => traffic.counts().byBackend.has('app') || undefined);
    });

    // The end. All preStop hooks at once; then the containers, when traffic has gone elsewhere; then the sidecars, the last one first.
    await unnoticed('the preStop hook', traffic, async () => {
      const hook = await pod.hook('preStop');
      assert.equal(await hook.exited, 0, hook.lastLines().join('\n'));
      assert.match(hook.lastLines().join('\n'), /^Envoy drains/m);
    });
    assert.equal((await traffic.stop()).failed, 0);
    await app.stop();
    assert.equal(await app.exited, 0);
    await pod.envoy.process.stop();
    assert.equal(await pod.envoy.process.exited, 0);
    assert.equal(await pod.isWeirUp(), true, 'Weir ends last');
    await pod.weir.stop();
    assert.equal(await pod.weir.exited, 0);
  });

  test('classic sidecar: the hook holds the others back, and Weir goes after its clients', {
    timeout: 60_000,
  }, async t => {
    const plane = new ControlPlane({ identifier: 'cp' });
    t.after(() => plane.stop());
    const planePort = await plane.start();
    const port = await pickFreePort();
    publish(plane, new Map([['blue', [{ host: '127.0.0.1', port }]]]), 'blue');
    const pod = await LivingPod.inject(t, envoy ?? '', `127.0.0.1:${planePort}`, { mode: 'classic' });
    await pod.writeBootstraps();
    await pod.startWeir();
    const gate = await pod.hook('postStart');
    assert.equal(await gate.exited, 0, gate.lastLines().join('\n'));
    await pod.startEnvoy(false);
    await startApp(t, 'app', port);
    const traffic = await throughEnvoy(t, pod);
    // All containers are told to end at the same time: Weir's hook waits, and serves until Envoy has gone.
    const hook = await pod.hook('preStop');
    await unnoticed('the preStop hook begins', traffic, () =>
      waitFor('its first word', waitMs, () => hook.lastLines().some(line => line.startsWith('waiting')) || undefined, [
        hook,
      ]),
    );
    assert.equal(hook.hasExited(), false);
    assert.equal(await pod.isWeirUp(), true);
    assert.equal((await traffic.stop()).failed, 0);
    await pod.envoy.process.stop();
    assert.equal(await hook.exited, 0, hook.lastLines().join('\n'));
    assert.equal(await pod.weir.exited, 0);
  });
});
