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
  world.plane.put(types.virtualHost, { 'rc/known': virtualHost('known', ['known.test'], { answer: 'known' }) });
  await world.startEnvoy();
  return world;
}

const ask = (world: ScriptedWorld, host: string) => world.get('web', { host });

describe('VHDS with the real Envoy', { skip, concurrency: 1 }, () => {
  test('virtual hosts come with the legacy wildcard, change, and go', async () => {
    await using world = await hostsWorld();
    await world.until('the known host', async () => (await ask(world, 'known.test')).body === 'known');
    assert.deepEqual(world.tap.requestsOf(types.virtualHost)[0]?.names, []);
    world.plane.put(types.virtualHost, { 'rc/known': virtualHost('known', ['known.test'], { answer: 'changed' }) });
    await world.until('its change', async () => (await ask(world, 'known.test')).body === 'changed');
    world.plane.remove(types.virtualHost, 'rc/known');
    await world.until('its end', async () => (await ask(world, 'known.test')).status === 404);
    assert.deepEqual(world.plane.rejections, []);
  });

  test('R18: a request for an unknown host has it subscribed, and an alias answers it', async () => {
    await using world = await hostsWorld();
    await world.until('the known host', async () => (await ask(world, 'known.test')).body === 'known');
    const asking = ask(world, 'alias.test');
    const isAskedUpstream = () =>
      world.plane.requests(types.virtualHost).some(request => request.names?.includes('rc/alias.test'));
    await world.until('the request upstream', isAskedUpstream);
    await asking;
  });

  test('R18: a host that exists under another name is found by its alias', async () => {
    await using world = await hostsWorld();
    await world.until('the known host', async () => (await ask(world, 'known.test')).body === 'known');
    world.plane.hideFromWildcard.add(types.virtualHost);
    world.plane.put(types.virtualHost, {
      'rc/late': { body: virtualHost('late', ['late.test'], { answer: 'late' }), aliases: ['rc/late.test'] },
    });
    const { status, body } = await ask(world, 'late.test');
    assert.equal(`${status} ${body}`, '200 late');
    assert.equal((await ask(world, 'known.test')).body, 'known');
  });

  test('R18: a host that does not exist gets its 404 soon', async () => {
    await using world = await hostsWorld();
    const startMs = performance.now();
    assert.equal((await ask(world, 'nobody.test')).status, 404);
    assert.ok(performance.now() - startMs < soonMs, world.transcript());
  });
});
