import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeCluster, encodeEndpoints } from '../../src/demo/resources.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { httpListener, routes, staticCluster, types } from '../support/resource-bodies.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

const ttlMs = 2_000;

async function clusters(world: ScriptedWorld): Promise<string> {
  return (await world.envoy.clusters()).active.toSorted().join(' ');
}

/** Ms until something that the tests can only see from outside has happened. */
async function timed(happens: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await happens();
  return performance.now() - startMs;
}

function assertNoTtl(world: ScriptedWorld): void {
  assert.deepEqual(
    world.tap.responses.filter(response => response.hasTtl),
    [],
    'no TTL goes downstream',
  );
}

describe('TTLs of the control plane with the real Envoy', { skip, concurrency: 1 }, () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`T10 R114: ${variant}: an Envoy outlives the TTL of its endpoints`, async () => {
      await using world = new ScriptedWorld({ envoy, variant });
      await world.start();
      world.plane.put(types.cluster, { web: encodeCluster('web') });
      world.plane.put(types.endpoints, { web: { body: encodeEndpoints('web', [world.backend]), ttlMs } });
      const body = routes('inline', { cluster: 'web' });
      world.plane.put(types.listener, { web: httpListener('web', { routes: { by: 'inline', body } }) });
      await world.startEnvoy();
      assert.equal((await world.get('web')).body, 'backend');
      // A cluster with a TTL that is twice as long: when it goes, the endpoints' time was over long ago.
      world.plane.put(types.cluster, { clock: { body: staticCluster('clock', world.backend), ttlMs: 2 * ttlMs } });
      await world.until('the clock to be there', async () => (await clusters(world)) === 'clock web');
      await world.until('the clock to go', async () => (await clusters(world)) === 'web');
      assert.equal((await world.get('web')).body, 'backend');
      assert.equal(world.envoy.process.hasExited(), false);
      assertNoTtl(world);
      assert.deepEqual(world.plane.rejections, []);
    });

    test(`R114: ${variant}: a cluster goes when its TTL is over, and not while heartbeats come`, async () => {
      await using world = new ScriptedWorld({ envoy, variant });
      await world.start();
      world.plane.put(types.cluster, {
        lasting: staticCluster('lasting', world.backend),
        passing: { body: staticCluster('passing', world.backend), ttlMs },
      });
      await world.startEnvoy();
      await world.until('both clusters', async () => (await clusters(world)) === 'lasting passing');
      const heartbeats = 4;
      for (let beat = 1; beat <= heartbeats; beat += 1) {
        world.plane.heartbeat(types.cluster, 'passing');
        // The witness lives half the TTL, so the next heartbeat comes in time; a listener, so that the clusters are not sent again.
        const name = `witness-${beat}`;
        const body = routes('inline', { answer: name });
        const witness = httpListener(name, { routes: { by: 'inline', body } });
        world.plane.put(types.listener, { [name]: { body: witness, ttlMs: ttlMs / 2 } });
        const isThere = async () => (await world.envoy.listenerPort(name)) !== undefined;
        await world.until('the witness', isThere);
        await world.until('the witness to go', async () => !(await isThere()));
        world.plane.forget(types.listener, name);
        assert.equal(await clusters(world), 'lasting passing', `after ${beat} heartbeats`);
      }
      const waitedMs = await timed(() => world.until('its end', async () => (await clusters(world)) === 'lasting'));
      assert.ok(waitedMs < 2 * ttlMs, `it lasted ${waitedMs} ms`);
      assertNoTtl(world);
      assert.deepEqual(world.plane.rejections, []);
    });
  }
});
