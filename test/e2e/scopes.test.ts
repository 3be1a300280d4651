import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { httpListener, routes, scope, types } from '../support/resource-bodies.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

describe('SRDS with the real Envoy', { skip, concurrency: 1 }, () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`${variant}: requests are routed by scope; scopes come, change and go`, async () => {
      await using world = new ScriptedWorld({ envoy, variant });
      await world.start();
      world.plane.put(types.listener, { web: httpListener('web', { routes: { by: 'scopes', header: 'x-scope' } }) });
      world.plane.put(types.scope, {
        'scope-a': scope('scope-a', 'routes-a', 'a'),
        'scope-b': scope('scope-b', 'routes-b', 'b'),
      });
      world.plane.put(types.routes, {
        'routes-a': routes('routes-a', { answer: 'from a' }),
        'routes-b': routes('routes-b', { answer: 'from b' }),
        'routes-c': routes('routes-c', { answer: 'from c' }),
      });
      await world.startEnvoy();
      const ask = async (value: string): Promise<string> => {
        const { status, body } = await world.get('web', { 'x-scope': value });
        return status === 200 ? body : String(status);
      };
      await world.until('both scopes', async () => (await ask('a')) === 'from a' && (await ask('b')) === 'from b');
      assert.equal(await ask('nobody'), '404');
      assert.deepEqual(world.tap.requestsOf(types.scope)[0]?.names, [], 'the first request is the legacy wildcard');

      world.plane.put(types.scope, { 'scope-c': scope('scope-c', 'routes-c', 'c') });
      await world.until('a new scope', async () => (await ask('c')) === 'from c');
      world.plane.put(types.scope, { 'scope-b': scope('scope-b', 'routes-c', 'b') });
      await world.until('a scope with other routes', async () => (await ask('b')) === 'from c');
      world.plane.remove(types.scope, 'scope-a');
      await world.until('the scope to go', async () => (await ask('a')) === '404');
      assert.equal(await ask('b'), 'from c');
      assert.equal(await ask('c'), 'from c');
      assert.deepEqual(world.plane.rejections, []);
    });
  }

  test('scopes of a SotW control plane reach a Delta Envoy, removals too', async () => {
    await using world = new ScriptedWorld({ envoy, variant: 'delta', upstreamVariant: 'sotw' });
    await world.start();
    world.plane.put(types.listener, { web: httpListener('web', { routes: { by: 'scopes', header: 'x-scope' } }) });
    world.plane.put(types.scope, { one: scope('one', 'routes-1', '1'), two: scope('two', 'routes-1', '2') });
    world.plane.put(types.routes, { 'routes-1': routes('routes-1', { answer: 'hello' }) });
    await world.startEnvoy();
    const status = async (value: string): Promise<number> => (await world.get('web', { 'x-scope': value })).status;
    await world.until('both scopes', async () => (await status('1')) === 200 && (await status('2')) === 200);
    world.plane.remove(types.scope, 'two');
    await world.until('the scope to go', async () => (await status('2')) === 404);
    assert.equal(await status('1'), 200);
  });
});
