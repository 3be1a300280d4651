import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Variant } from '../../src/demo/envelopes.ts';
import type { RunningEnvoy } from '../../src/demo/envoy-process.ts';
import { waitFor } from '../../src/demo/processes.ts';
import { encodeListener, typeUrls } from '../../src/demo/resources.ts';
import { E2eRig, flow, type Path, waitMs } from '../support/control-plane.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';

// The real Envoy, fed by the demo's control plane: directly (which checks the control plane itself) and through Weir.

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

const variants: readonly Variant[] = ['sotw', 'delta'];
const throughWeir: readonly Path[] = ['tcp', 'unix'];

/** Waits until exactly these clusters are active and none is warming. */
async function settled(running: RunningEnvoy, names: Iterable<string>, timeoutMs = waitMs): Promise<void> {
  const expected = [...names].sort().join(' ');
  let seen = '';
  const isSettled = async () => {
    const { active, warming } = await running.clusters();
    seen = `active: ${active.toSorted().join(' ')}; warming: ${warming.join(' ')}`;
    return seen === `active: ${expected}; warming: ` ? true : undefined;
  };
  await waitFor(`clusters ${expected}`, timeoutMs, isSettled, [running.process]).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\nlast seen: ${seen}`);
  });
}

async function assertNothingRejected(rig: E2eRig, running: RunningEnvoy): Promise<void> {
  const rejected = [...(await running.stats('update_rejected$'))].filter(([, count]) => count > 0);
  assert.deepEqual(rejected, [], 'Envoy rejected an update');
  assert.deepEqual(rig.controlPlane.stats().rejections, []);
}

/** Changes everything that changes in production, over and over, under traffic. Each round moves the route to a brand-new cluster. */
async function storm(rig: E2eRig, rounds: number): Promise<void> {
  // A cluster whose endpoints never change: only something between it and the demo's control plane can get it warm again.
  if (rig.path !== 'direct') rig.clusters.set('steady', { endpoints: [rig.backend(0)] });
  rig.publish();
  const running = await rig.envoy();
  await running.waitLive(waitMs);
  const traffic = await rig.traffic(running, 200);
  for (let round = 1; round <= rounds; round += 1) {
    const previous = rig.routedTo;
    rig.routedTo = `storm-${round}`;
    rig.clusters.set(rig.routedTo, { endpoints: [rig.backend(round)] });
    // Every third round leaves the old cluster, so that removals and changes of what stays are mixed.
    if (round % 3 !== 0) rig.clusters.delete(previous);
    rig.publish();
    await flow(traffic, 3);
    rig.clusters.set(rig.routedTo, {
      endpoints: [rig.backend(round), rig.backend(round + 1)],
      connectTimeoutMs: 1000 + (round % 2),
    });
    if (rig.path !== 'direct')
      rig.clusters.set('steady', { endpoints: [rig.backend(0)], connectTimeoutMs: 1000 + round });
    if (round % 4 === 0) rig.moreListeners.add('side');
    else rig.moreListeners.delete('side');
    rig.publish();
    await flow(traffic, 2);
  }
  await settled(running, rig.clusters.keys(), 20_000);
  // The route has moved too when requests reach the last cluster.
  const reached = `cluster.${rig.routedTo}.upstream_rq_completed`;
  await waitFor('requests to the last cluster', waitMs, async () =>
    (await running.stat(reached)) > 0 ? true : undefined,
  );
  const { ok, failed, failures } = await traffic.stop();
  assert.equal(failed, 0, `${failed} of ${ok + failed} requests failed: ${failures.join('; ')}`);
  assert.ok(ok >= rounds * 5, `only ${ok} requests were answered`);
  assert.equal(await running.stat('cluster_manager.warming_clusters'), 0);
  await assertNothingRejected(rig, running);
}

describe('real Envoy, straight from the demo control plane', { skip, concurrency: 1 }, () => {
  for (const variant of variants) {
    test(`${variant}: starts, takes new clusters and routes, loses no request`, async () => {
      await using rig = new E2eRig({ envoy, variant, path: 'direct' });
      await rig.start();
      const running = await rig.envoy();
      await running.waitLive(waitMs);
      const traffic = await rig.traffic(running, 100);
      rig.clusters.delete('first');
      rig.clusters.set('second', { endpoints: [rig.backend(1)] });
      rig.routedTo = 'second';
      rig.publish();
      await settled(running, ['second']);
      const { failed, byBackend } = await traffic.stop();
      assert.equal(failed, 0);
      assert.ok((byBackend.get('a') ?? 0) > 0 && (byBackend.get('b') ?? 0) > 0, 'both backends must have answered');
      await assertNothingRejected(rig, running);
    });

    test(`${variant}: a NACK is recorded with its text`, async () => {
      await using rig = new E2eRig({ envoy, variant, path: 'direct' });
      await rejection(rig);
    });

    test(`${variant}: traffic flows during an update storm`, async () => {
      await using rig = new E2eRig({ envoy, variant, path: 'direct' });
      await rig.start();
      await storm(rig, 15);
    });
  }
});

/** A listener that Envoy decodes and cannot create is rejected, and the rest of its configuration goes on working. */
async function rejection(rig: E2eRig): Promise<void> {
  await rig.start();
  const running = await rig.envoy();
  await running.waitLive(waitMs);
  const traffic = await rig.traffic(running, 50);
  const bad = encodeListener('bad', { host: 'not-an-address', port: 1 }, 'web-routes');
  const world = rig.world();
  world.set(typeUrls.listener, new Map([...(world.get(typeUrls.listener) ?? []), ['bad', bad]]));
  rig.controlPlane.publish(world);
  const found = await waitFor('the NACK', waitMs, () => rig.controlPlane.stats().rejections[0], [running.process]);
  assert.equal(found.typeUrl, typeUrls.listener);
  assert.match(found.text, /malformed IP address: not-an-address/);
  await flow(traffic, 10);
  assert.equal((await traffic.stop()).failed, 0);
}

describe('real Envoy through Weir', { skip, concurrency: 1 }, () => {
  for (const variant of variants) {
    for (const path of throughWeir) {
      const title = `${variant} over ${path}`;

      test(`T1: ${title}: a changed cluster is warm within 1 s and keeps its endpoints`, async () => {
        await using rig = new E2eRig({ envoy, variant, path });
        rig.clusters.set('other', { endpoints: [] });
        await rig.start();
        const running = await rig.envoy();
        await running.waitLive(waitMs);
        const traffic = await rig.traffic(running, 100);
        await settled(running, ['first', 'other']);
        const before = await running.endpoints('first');
        assert.deepEqual(before, [`127.0.0.1:${rig.backend(0).port}`]);

        rig.clusters.set('first', { endpoints: [rig.backend(0)], connectTimeoutMs: 1234 });
        rig.publish();
        const isActive = async () => ((await running.connectTimeout('first')) === 1234 ? true : undefined);
        await waitFor('the changed cluster to be active', 1000, isActive, [running.process]);
        await settled(running, ['first', 'other'], 1000);
        assert.equal(await running.stat('cluster_manager.warming_clusters'), 0);
        assert.deepEqual(await running.endpoints('first'), before);
        assert.equal(await running.stat('listener_manager.total_listeners_active'), 1);
        assert.equal(await running.stat('listener_manager.total_listeners_warming'), 0);
        await flow(traffic, 10);
        assert.equal((await traffic.stop()).failed, 0);
        await assertNothingRejected(rig, running);
      });

      test(`R98: ${title}: a NACK of Envoy reaches the control plane with its text`, async () => {
        await using rig = new E2eRig({ envoy, variant, path });
        await rejection(rig);
      });

      test(`${title}: traffic flows during an update storm`, async () => {
        await using rig = new E2eRig({ envoy, variant, path });
        await rig.start();
        await storm(rig, 30);
        assert.equal(rig.controlPlane.stats().streamsOpened, 1);
      });

      test(`${title}: control plane gone, a restarted Envoy is served, and a change on its return arrives`, async () => {
        await using rig = new E2eRig({ envoy, variant, path });
        await rig.start();
        const first = await rig.envoy();
        await first.waitLive(waitMs);
        await rig.traffic(first, 20).then(traffic => traffic.stop());
        rig.controlPlane.stop();
        await first.stop();

        const again = await rig.envoy({ nodeId: 'envoy-0' });
        await again.waitLive(waitMs);
        const traffic = await rig.traffic(again, 100);
        await settled(again, ['first']);
        assert.equal(rig.controlPlane.stats().openStreams, 0);

        rig.clusters.delete('first');
        rig.clusters.set('back', { endpoints: [rig.backend(1)] });
        rig.routedTo = 'back';
        rig.publish();
        await rig.controlPlane.start(rig.port);
        await settled(again, ['back']);
        await waitFor('an answer of b', waitMs, () =>
          (traffic.counts().byBackend.get('b') ?? 0) > 0 ? true : undefined,
        );
        const { failed, failures } = await traffic.stop();
        assert.equal(failed, 0, failures.join('; '));
        await assertNothingRejected(rig, again);
      });
    }
  }

  test('storm with Delta clients of a SotW control plane', async () => {
    await using rig = new E2eRig({ envoy, variant: 'delta', path: 'tcp', upstreamVariant: 'sotw' });
    await rig.start();
    await storm(rig, 15);
  });

  test('auto: a control plane that refuses Delta is used by SotW', async () => {
    await using rig = new E2eRig({
      envoy,
      variant: 'sotw',
      path: 'tcp',
      upstreamVariant: 'auto',
      controlPlane: { refusesDelta: true },
    });
    await rig.start();
    const running = await rig.envoy();
    await running.waitLive(waitMs);
    const traffic = await rig.traffic(running, 50);
    assert.equal((await traffic.stop()).failed, 0);
    await settled(running, ['first']);
  });

  test('T20: a Delta Envoy whose routes upstream never sends is told nothing about them and goes LIVE by its timer', async () => {
    const silentForMs = 1500;
    await using rig = new E2eRig({
      envoy,
      variant: 'delta',
      path: 'tcp',
      controlPlane: { silentTypes: [typeUrls.routes] },
      listener: { routeFetchTimeoutMs: silentForMs },
    });
    await rig.start();
    const running = await rig.envoy();
    const liveMs = await running.waitLive(waitMs);
    assert.ok(
      liveMs >= silentForMs,
      `LIVE after ${liveMs} ms, before the timer of ${silentForMs} ms: something answered for the routes`,
    );
    // A removal would have cancelled the timer and left Envoy INITIALIZING (R54).
    const routes = await running.stats('rds\\..*\\.(init_fetch_timeout|update_success|update_attempt)$');
    const value = (name: string) => [...routes].find(([stat]) => stat.endsWith(name))?.[1];
    assert.equal(value('init_fetch_timeout'), 1);
    assert.equal(value('update_success') ?? 0, 0);
  });
});
