import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { httpListener, onDemandFilter, routes, staticCluster, types } from '../support/resource-bodies.ts';
import { ScriptedWorld, type WorldOptions } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

/** Shorter than the filter's 20 s: an answer within it was no timeout. */
const soonMs = 5_000;

/** A world whose listener takes the cluster from a header and fetches it on demand; `home` is sent to who asks for everything. */
function onDemandWorld(options: Omit<WorldOptions, 'envoy'>): Promise<ScriptedWorld> {
  return ScriptedWorld.begin({ envoy, ...options }, world => {
    const body = routes('inline', { clusterHeader: 'x-cluster' });
    const listener = httpListener('web', { routes: { by: 'inline', body }, filters: [onDemandFilter(true)] });
    world.plane.put(types.listener, { web: listener });
    world.plane.put(types.cluster, { home: staticCluster('home', world.backend) });
  });
}

const ask = (world: ScriptedWorld, cluster: string) => world.get('web', { 'x-cluster': cluster });

async function names(world: ScriptedWorld): Promise<readonly string[]> {
  return (await world.envoy.clusters()).active.toSorted();
}

describe('clusters on demand with the real Envoy', { skip, concurrency: 1 }, () => {
  test('R48: a Delta Envoy asks for the cluster of a request, and what is missing fails at once', async () => {
    await using world = await onDemandWorld({ variant: 'delta' });
    assert.equal((await ask(world, 'home')).body, 'backend');
    const startMs = performance.now();
    assert.equal((await ask(world, 'missing')).status, 503);
    assert.ok(performance.now() - startMs < soonMs, 'the removal ended the wait');
    const asked = world.tap.requestsOf(types.cluster).flatMap(request => request.names ?? []);
    assert.deepEqual(asked, ['missing']);
    const told = world.tap.responsesOf(types.cluster).flatMap(response => response.removed);
    assert.deepEqual(told, ['missing']);

    world.plane.put(types.cluster, { missing: staticCluster('missing', world.backend) });
    await world.until('the cluster', async () => (await ask(world, 'missing')).body === 'backend');
    assert.deepEqual(world.plane.rejections, []);
  });

  test('T22: R48: after a reconnect with the wildcard and names a Delta Envoy has the same clusters', async () => {
    await using world = await onDemandWorld({ variant: 'delta' });
    assert.equal((await ask(world, 'missing')).status, 503);
    world.plane.put(types.cluster, { late: staticCluster('late', world.backend) });
    await world.until('the late cluster', async () => (await ask(world, 'late')).body === 'backend');
    const before = await names(world);
    assert.deepEqual(before, ['home', 'late']);

    world.tap.cut();
    const again = () => world.tap.requestsOf(types.cluster).find(request => request.stream === 2);
    await world.until('the second stream', () => again() !== undefined);
    // With the cluster that it asked for before the wildcard brought it, if it did.
    const asked = again()?.names ?? [];
    assert.ok(asked.includes('*') && asked.includes('missing'), `it asked for ${asked.join(' ')}`);
    const answered = () => world.tap.responsesOf(types.cluster).filter(response => response.stream === 2);
    await world.until('the missing name', () => answered().some(response => response.removed.includes('missing')));
    assert.deepEqual(await names(world), before);
    assert.equal((await ask(world, 'late')).body, 'backend');
  });

  test('T23: R96: a SotW Envoy that asks for a cluster keeps those of its wildcard', async () => {
    await using world = await onDemandWorld({ variant: 'sotw' });
    assert.equal((await ask(world, 'home')).body, 'backend');
    const asking = ask(world, 'late');
    const isAsked = () => world.tap.requestsOf(types.cluster).some(request => request.names?.includes('late'));
    await world.until('the request for the cluster', isAsked);
    world.plane.put(types.cluster, { late: staticCluster('late', world.backend) });
    assert.equal((await asking).body, 'backend');
    assert.deepEqual(await names(world), ['home', 'late']);
    assert.equal((await ask(world, 'home')).body, 'backend');

    world.tap.cut();
    const isBack = () => world.tap.requestsOf(types.cluster).some(request => request.stream === 2);
    await world.until('the second stream', isBack);
    // R96: the name comes without a star on the new stream; the answer decides what Envoy keeps.
    world.plane.put(types.cluster, { late: staticCluster('late', world.backend, 1234) });
    await world.until('a change on it', async () => (await world.envoy.connectTimeout('late')) === 1234);
    assert.equal((await ask(world, 'late')).body, 'backend');
  });

  test('R48: of a SotW control plane a Delta Envoy hears at once what its whole list lacks, and gets what comes', async () => {
    await using world = await onDemandWorld({ variant: 'delta', upstreamVariant: 'sotw' });
    const startMs = performance.now();
    assert.equal((await ask(world, 'late')).status, 503);
    assert.ok(performance.now() - startMs < soonMs);
    world.plane.put(types.cluster, { late: staticCluster('late', world.backend) });
    await world.until('the late cluster', async () => (await names(world)).join() === 'home,late');
    assert.equal((await ask(world, 'late')).body, 'backend');
  });

  for (const variant of ['sotw', 'delta'] as const) {
    test(`R48: ${variant}: a cluster that only who asks for it gets comes, changes and goes`, async () => {
      // In SotW Weir names nothing beside a wildcard (R64), so such clusters need Delta towards the control plane.
      await using world = await onDemandWorld({ variant, upstreamVariant: 'delta' });
      world.plane.hideFromWildcard.add(types.cluster);
      world.plane.put(types.cluster, { hidden: staticCluster('hidden', world.backend) });
      assert.deepEqual(await names(world), ['home']);
      assert.equal((await ask(world, 'hidden')).body, 'backend', world.transcript());
      assert.deepEqual(await names(world), ['hidden', 'home']);
      world.plane.put(types.cluster, { hidden: staticCluster('hidden', world.backend, 1234) });
      await world.until('its change', async () => (await world.envoy.connectTimeout('hidden')) === 1234);
      world.plane.remove(types.cluster, 'hidden');
      await world.until('its end', async () => (await names(world)).join() === 'home');
      assert.equal((await ask(world, 'home')).body, 'backend');
      assert.deepEqual(world.plane.rejections, []);
    });
  }
});
