import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { hostsWorld } from '../support/hosts-world.ts';
import { types, virtualHost } from '../support/resource-bodies.ts';
import type { ScriptedWorld } from '../support/scripted-world.ts';

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);

const ask = (world: ScriptedWorld, host: string) => world.get('web', { host });

describe('VHDS with the real Envoy', { skip, concurrency: 1 }, () => {
  test('virtual hosts come with the legacy wildcard, change, and go', async () => {
    await using world = await hostsWorld(envoy);
    await world.until('the known host', async () => (await ask(world, 'known.test')).body === 'known');
    assert.deepEqual(world.tap.requestsOf(types.virtualHost)[0]?.names, []);
    world.plane.put(types.virtualHost, { 'rc/known': virtualHost('rc/known', ['known.test'], { answer: 'changed' }) });
    await world.until('its change', async () => (await ask(world, 'known.test')).body === 'changed');
    const dump = async () => JSON.stringify(await world.admin('/config_dump'));
    world.plane.put(types.virtualHost, { 'rc/other': virtualHost('rc/other', ['other.test'], { answer: 'other' }) });
    // Not by a request: one that comes too early asks for the host by name.
    await world.until('another host', async () => (await dump()).includes('other.test'));
    assert.equal((await ask(world, 'other.test')).body, 'other');
    const asked = world.plane.requests(types.virtualHost).flatMap(request => request.names ?? []);
    assert.deepEqual(asked, [], 'nothing was asked for by name');
    world.plane.remove(types.virtualHost, 'rc/known');
    await world.until('its end', async () => !(await dump()).includes('known.test'));
    assert.equal((await ask(world, 'other.test')).body, 'other');
    assert.deepEqual(world.plane.rejections, []);
  });

  test('a request for an unknown host has it subscribed upstream, and its answer lets the request pass', async () => {
    await using world = await hostsWorld(envoy);
    await world.until('the known host', async () => (await ask(world, 'known.test')).body === 'known');
    // Known upstream under another name, and only to who asks.
    world.plane.hideFromWildcard.add(types.virtualHost);
    world.plane.put(types.virtualHost, {
      'rc/late': { body: virtualHost('rc/late', ['late.test'], { answer: 'late' }), aliases: ['rc/late.test'] },
    });
    const { status, body } = await ask(world, 'late.test');
    assert.equal(`${status} ${body}`, '200 late', world.transcript());
    const asked = world.plane.requests(types.virtualHost).flatMap(request => request.names ?? []);
    assert.deepEqual(asked, ['rc/late.test']);
    assert.equal((await ask(world, 'known.test')).body, 'known');
    assert.deepEqual(world.plane.rejections, []);
  });

  test('R18: a host found by its alias changes and goes under its name', async () => {
    await using world = await hostsWorld(envoy);
    await world.until('the known host', async () => (await ask(world, 'known.test')).body === 'known');
    world.plane.hideFromWildcard.add(types.virtualHost);
    const late = (answer: string) => ({
      'rc/late': { body: virtualHost('rc/late', ['late.test'], { answer }), aliases: ['rc/late.test'] },
    });
    world.plane.put(types.virtualHost, late('one'));
    assert.equal((await ask(world, 'late.test')).body, 'one', world.transcript());
    world.plane.put(types.virtualHost, late('two'));
    await world.until('its change', async () => (await ask(world, 'late.test')).body === 'two');
    assert.deepEqual(world.plane.rejections, []);
  });

  test('R18: after a reconnect a host found by its alias is still there', async () => {
    await using world = await hostsWorld(envoy);
    await world.until('the known host', async () => (await ask(world, 'known.test')).body === 'known');
    world.plane.hideFromWildcard.add(types.virtualHost);
    world.plane.put(types.virtualHost, {
      'rc/late': { body: virtualHost('rc/late', ['late.test'], { answer: 'late' }), aliases: ['rc/late.test'] },
    });
    assert.equal((await ask(world, 'late.test')).body, 'late', world.transcript());
    world.tap.cut();
    const again = () => world.tap.requestsOf(types.virtualHost).find(request => request.stream === 2);
    await world.until('the second stream', () => again() !== undefined);
    world.plane.put(types.virtualHost, { 'rc/known': virtualHost('rc/known', ['known.test'], { answer: 'changed' }) });
    await world.until('a later change', async () => (await ask(world, 'known.test')).body === 'changed');
    assert.equal((await ask(world, 'late.test')).body, 'late');
    const removed = world.tap.responsesOf(types.virtualHost).flatMap(response => response.removed);
    assert.deepEqual(removed, []);
    assert.deepEqual(world.plane.rejections, []);
  });
});
