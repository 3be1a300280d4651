import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { httpListener, onDemandFilter, routesByHost, types, virtualHost } from '../support/resource-bodies.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

/** Shorter than Envoy would wait: an answer within it was no timeout. */
const soonMs = 5_000;

async function hostsWorld(): Promise<ScriptedWorld> {
  const world = new ScriptedWorld({ envoy, variant: 'delta' });
  await world.start();
  const listener = httpListener('web', { routes: { by: 'rds', name: 'rc' }, filters: [onDemandFilter(false)] });
  world.plane.put(types.listener, { web: listener });
  world.plane.put(types.routes, { rc: routesByHost('rc') });
  world.plane.put(types.virtualHost, { 'rc/known': virtualHost('rc/known', ['known.test'], { answer: 'known' }) });
  await world.startEnvoy();
  return world;
}

const ask = (world: ScriptedWorld, host: string) => world.get('web', { host });

describe('VHDS with the real Envoy, hosts that do not exist', { skip, concurrency: 1 }, () => {
  // Envoy 1.40 completes a request for a missing host only on a resource without a body whose aliases hold the name and whose own name begins
  // with the route configuration's; a removal leaves the request waiting for ever, and such a resource without an alias is refused.
  test('R18: a host that does not exist gets its 404 soon', async () => {
    await using world = await hostsWorld();
    world.plane.answersEmpty.add(types.virtualHost);
    const startMs = performance.now();
    assert.equal((await ask(world, 'nobody.test')).status, 404, world.transcript());
    assert.ok(performance.now() - startMs < soonMs);
  });
});
