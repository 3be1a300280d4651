import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import {
  discoveredFilter,
  headerMutationType,
  httpListener,
  responseHeader,
  routes,
  runtime,
  types,
} from '../support/resource-bodies.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);
const variants = ['sotw', 'delta'] as const;

const rtdsLayer = {
  layered_runtime: {
    layers: [
      { name: 'discovered', rtds_layer: { name: 'layer', rtds_config: { ads: {}, resource_api_version: 'V3' } } },
    ],
  },
};

/** Final values of Envoy's runtime by key. */
async function runtimeOf(world: ScriptedWorld): Promise<ReadonlyMap<string, string>> {
  const page = (await world.admin('/runtime')) as { entries?: Record<string, { final_value: string }> };
  return new Map(Object.entries(page.entries ?? {}).map(([key, value]) => [key, value.final_value]));
}

describe('RTDS with the real Envoy', { skip, concurrency: 1 }, () => {
  for (const variant of variants) {
    test(`${variant}: a runtime layer is there first of all types, and changes`, async () => {
      await using world = new ScriptedWorld({ envoy, variant });
      await world.start();
      world.plane.put(types.runtime, { layer: runtime('layer', { 'test.key': 'one' }) });
      await world.startEnvoy({ bootstrap: rtdsLayer });
      assert.equal((await runtimeOf(world)).get('test.key'), 'one');
      assert.equal(world.tap.requests[0]?.typeUrl, types.runtime);
      assert.deepEqual(world.tap.requests[0]?.names, ['layer']);
      assert.equal(world.plane.heard[0]?.typeUrl, types.runtime, 'upstream hears of it first, too');

      world.plane.put(types.runtime, { layer: runtime('layer', { 'test.key': 'two', 'test.other': 'new' }) });
      await world.until('the new value', async () => (await runtimeOf(world)).get('test.key') === 'two');
      assert.equal((await runtimeOf(world)).get('test.other'), 'new');
      assert.deepEqual(world.plane.rejections, []);
    });
  }

  test('delta: a removed layer is emptied', async () => {
    await using world = new ScriptedWorld({ envoy, variant: 'delta' });
    await world.start();
    world.plane.put(types.runtime, { layer: runtime('layer', { 'test.key': 'one' }) });
    await world.startEnvoy({ bootstrap: rtdsLayer });
    world.plane.remove(types.runtime, 'layer');
    await world.until('an empty layer', async () => !(await runtimeOf(world)).has('test.key'));
  });
});

describe('ECDS with the real Envoy', { skip, concurrency: 1 }, () => {
  for (const variant of variants) {
    test(`${variant}: a discovered filter works on requests, and its change too`, async () => {
      await using world = new ScriptedWorld({ envoy, variant });
      await world.start();
      const filters = [discoveredFilter('mutation', headerMutationType)];
      world.plane.put(types.listener, {
        web: httpListener('web', { routes: { by: 'rds', name: 'web-routes' }, filters }),
      });
      world.plane.put(types.routes, { 'web-routes': routes('web-routes', { answer: 'hello' }) });
      world.plane.put(types.extension, { mutation: responseHeader('mutation', 'x-by-ecds', 'one') });
      await world.startEnvoy();
      const first = await world.get('web');
      assert.equal(first.body, 'hello');
      assert.equal(first.headers['x-by-ecds'], 'one');

      world.plane.put(types.extension, { mutation: responseHeader('mutation', 'x-by-ecds', 'two') });
      await world.until('the new filter', async () => (await world.get('web')).headers['x-by-ecds'] === 'two');
      assert.deepEqual(world.tap.requestsOf(types.extension)[0]?.names, ['mutation']);
      assert.deepEqual(world.plane.rejections, []);
    });
  }

  test('a rejected filter configuration leaves the old one at work, and upstream hears of it', async () => {
    await using world = new ScriptedWorld({ envoy, variant: 'delta' });
    await world.start();
    const filters = [discoveredFilter('mutation', headerMutationType)];
    const body = routes('inline', { answer: 'hello' });
    world.plane.put(types.listener, { web: httpListener('web', { routes: { by: 'inline', body }, filters }) });
    world.plane.put(types.extension, { mutation: responseHeader('mutation', 'x-by-ecds', 'one') });
    await world.startEnvoy();
    // A header's name cannot hold a line break.
    world.plane.put(types.extension, { mutation: responseHeader('mutation', 'bad\nname', 'two') });
    await world.until('the NACK', () => world.plane.rejections.length > 0);
    assert.equal((await world.get('web')).headers['x-by-ecds'], 'one');
  });
});
