import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { hostsWorld } from '../support/hosts-world.ts';
import { types } from '../support/resource-bodies.ts';
import type { ScriptedWorld } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

/** Shorter than Envoy would wait: an answer within it was no timeout. */
const soonMs = 5_000;

const ask = (world: ScriptedWorld, host: string) => world.get('web', { host });

describe('VHDS with the real Envoy, hosts that do not exist', { skip, concurrency: 1 }, () => {
  // Envoy 1.40 completes a request for a missing host only on a resource without a body whose aliases hold the name and whose own name begins
  // with the route configuration's; a removal leaves the request waiting for ever, and such a resource without an alias is refused.
  test('R18: a host that does not exist gets its 404 soon', async () => {
    await using world = await hostsWorld(envoy);
    world.plane.answersEmpty.add(types.virtualHost);
    const startMs = performance.now();
    assert.equal((await ask(world, 'nobody.test')).status, 404, world.transcript());
    assert.ok(performance.now() - startMs < soonMs);
  });
});
