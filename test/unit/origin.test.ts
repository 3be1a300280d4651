import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Authorities } from '../../src/agent/authorities.ts';
import { Origin, severalServers } from '../../src/agent/origin.ts';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { CoreHarness, type HarnessClient, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { addresses, answer, begun, losePrimary, of, primary, secondary, settle } from '../support/two-servers.ts';

/** An origin whose server has sent these names, one after the other. */
function spokenBy(server: string, ...names: readonly string[]): Origin {
  const origin = new Origin();
  origin.spoke(server, names, false, () => []);
  return origin;
}

/** Those of the names whose content came from a server. */
const ownOf = (origin: Origin, server: string, names: readonly string[]): string[] =>
  names.filter(name => origin.isOf(server, name));

describe('which server content came from', () => {
  const held = ['a', 'b', 'c'];
  const isHeld = () => true;

  test('R109: of the server that has sent it, and of no other', () => {
    const origin = spokenBy(primary, ...held);
    assert.deepEqual(ownOf(origin, primary, held), held);
    assert.deepEqual(ownOf(origin, secondary, held), []);
    assert.deepEqual([origin.isAllOf(primary, isHeld), origin.isAllOf(secondary, isHeld)], [true, false]);
    assert.deepEqual([origin.server, origin.stored], [primary, primary]);
  });

  test('R109: what was held before another server spoke is neither that one’s nor the former one’s, name by name', () => {
    const origin = spokenBy(primary, ...held);
    origin.spoke(secondary, ['a', 'new'], false, () => held);
    assert.deepEqual(ownOf(origin, secondary, [...held, 'new']), ['a', 'new']);
    assert.deepEqual(ownOf(origin, primary, [...held, 'new']), []);
    assert.deepEqual([origin.isAllOf(secondary, isHeld), origin.stored], [false, severalServers]);
    origin.spoke(secondary, ['b', 'c'], false, () => assert.fail('it is known what is held of others'));
    assert.deepEqual(ownOf(origin, secondary, held), held);
    assert.deepEqual([origin.isAllOf(secondary, isHeld), origin.stored], [true, secondary]);
  });

  test('R109: a server that returns has its former content only from its own new words', () => {
    const origin = spokenBy(primary, ...held);
    origin.spoke(secondary, ['a'], false, () => held);
    origin.spoke(primary, ['b'], false, () => held);
    assert.deepEqual(ownOf(origin, primary, held), ['b']);
  });

  test('a whole list, and what was restored, are of one server', () => {
    const origin = spokenBy(primary, ...held);
    origin.spoke(secondary, ['a'], false, () => held);
    origin.spoke(secondary, ['a'], true, () => held);
    assert.deepEqual([origin.isAllOf(secondary, isHeld), origin.isOf(secondary, 'b')], [true, true]);
    origin.spoke(primary, [], false, () => held);
    origin.restored(secondary);
    assert.deepEqual([origin.isAllOf(secondary, isHeld), origin.stored], [true, secondary]);
  });

  test('what is not held any more is nobody’s', () => {
    const origin = spokenBy(primary, ...held);
    origin.spoke(secondary, ['a'], false, () => held);
    assert.equal(
      origin.isAllOf(secondary, name => name === 'b'),
      false,
    );
    assert.equal(
      origin.isAllOf(secondary, name => name !== 'b'),
      true,
    );
    assert.equal(origin.stored, secondary);
  });

  test('what was restored from several servers is of none that can be configured', () => {
    const origin = new Origin();
    assert.equal(origin.server, '');
    origin.restored(severalServers);
    assert.deepEqual(ownOf(origin, primary, held), []);
    assert.equal(origin.stored, severalServers);
  });
});

describe('no server is told the versions of another', () => {
  /** The secondary has taken over by time, with nothing but these said. */
  function takenOver(
    { harness, client }: ReturnType<typeof begun>,
    said: ReadonlyMap<TypeUrl, readonly string[]>,
  ): void {
    losePrimary(harness);
    harness.advance(9_500);
    for (const [typeUrl, names] of said) answer(harness, secondary, typeUrl, names, 2);
    harness.advance(16_000);
    settle(harness, client);
    assert.deepEqual(harness.upstreamIds(), [harness.upstreamAt(secondary)?.streamId], 'switched');
  }

  /** What the secondary is told of a type on its next stream. */
  function resumedFrom(harness: CoreHarness, typeUrl: TypeUrl): (readonly [name: string, version: string])[] {
    harness.cut(harness.upstreamAt(secondary)?.streamId);
    harness.requests.length = 0;
    harness.advance(1_000);
    const [asked] = harness.requests.filter(one => one.address === secondary && one.typeUrl === typeUrl);
    assert.ok(asked, 'it is asked for the type');
    return [...asked.initialVersions];
  }

  test('R109: of a type that the new one has not spoken of, so that it sends what it has, be its versions the same', () => {
    const { harness, client } = begun();
    takenOver({ harness, client }, new Map([[clusterType, of(secondary, 'a')]]));
    assert.deepEqual(resumedFrom(harness, listenerType), []);
    const own = resources(listenerType, of(primary, 'l'), 7).map(one => ({ ...one, version: '1' }));
    harness.respond(listenerType, { resources: own }, harness.upstreamAt(secondary));
    assert.ok(settle(harness, client).includes('p-l'));
  });

  test('R109: of a name that the new one has not spoken of', () => {
    const { harness, client } = begun();
    client.send({ typeUrl: endpointType, names: ['e1', 'e2'] });
    answer(harness, primary, endpointType, ['e1', 'e2']);
    settle(harness, client);
    // Its clusters refer to both.
    takenOver(
      { harness, client },
      new Map([
        [clusterType, ['e1', 'e2']],
        [endpointType, ['e1']],
      ]),
    );
    assert.deepEqual(resumedFrom(harness, endpointType), [['e1', '2']]);
  });

  test('R109: after a restart with types of both', () => {
    const disk = new MemoryDisk();
    takenOver(begun('delta', disk), new Map([[clusterType, of(secondary, 'a')]]));
    const harness = new CoreHarness({ addresses }, disk);
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [] });
    client.send({ typeUrl: listenerType, names: [] });
    harness.advance(1_500);
    const asked = new Set(harness.requests.map(one => one.typeUrl));
    assert.deepEqual([...asked].sort(), [clusterType, listenerType]);
    const own = new Set([`${primary} p-l`, `${secondary} s-a`]);
    const told = harness.requests.flatMap(one => [...one.initialVersions.keys()].map(name => `${one.address} ${name}`));
    assert.deepEqual(
      told.filter(pair => !own.has(pair)),
      [],
    );
  });

  test('R109: after a restart it goes on at the server whose content came last, whatever an older one has left', () => {
    const disk = new MemoryDisk();
    const { harness: before, client: first } = begun('delta', disk);
    first.send({ typeUrl: endpointType, names: ['e'] });
    answer(before, primary, endpointType, ['e']);
    settle(before, first);
    losePrimary(before);
    before.advance(9_500);
    answer(before, secondary, clusterType, of(secondary, 'a'));
    answer(before, secondary, listenerType, of(secondary, 'l'));
    before.advance(16_000); // Of the endpoints it says nothing.
    settle(before, first);
    before.advance(2_000);
    const harness = new CoreHarness({ addresses }, disk);
    const client = harness.client('delta');
    for (const typeUrl of [clusterType, listenerType]) client.send({ typeUrl, names: [] });
    client.send({ typeUrl: endpointType, names: ['e'] });
    settle(harness, client);
    assert.ok(harness.upstreamAt(primary), 'it is tried');
    answer(harness, primary, clusterType, of(primary, 'a'));
    assert.deepEqual(settle(harness, client), [], 'and its set is waited for');
    answer(harness, primary, listenerType, of(primary, 'l'));
    answer(harness, primary, endpointType, ['e']);
    // A cluster of which it asks for no endpoints is waited for before the rest.
    const told = [...settle(harness, client), ...settle(harness, client)];
    assert.deepEqual(told.sort(), ['-s-a', '-s-l', ...of(primary, 'a', 'l')]);
  });

  test('R34 R109: of an authority, after a restart on the second of its servers', () => {
    const name = 'xdstp://away/envoy.config.endpoint.v3.ClusterLoadAssignment/id';
    const disk = new MemoryDisk();
    const started = (): { harness: CoreHarness; client: HarnessClient } => {
      const authorities = new Authorities(new Map([['away', addresses]]));
      const harness = new CoreHarness({ authorities }, disk);
      const client = harness.client('delta');
      client.send({ typeUrl: endpointType, names: [name] });
      return { harness, client };
    };
    const { harness, client } = started();
    answer(harness, primary, endpointType, [name]);
    settle(harness, client);
    losePrimary(harness);
    harness.advance(9_500);
    answer(harness, secondary, endpointType, [name], 2);
    assert.deepEqual(settle(harness, client), [name], 'switched');
    harness.advance(2_000);
    const after = started().harness;
    after.advance(1_500);
    assert.deepEqual(
      after.requests.map(one => [one.address, ...one.initialVersions]),
      [[primary]],
    );
  });
});
