import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytes, type Field, message, nested, text, uint } from '../../src/demo/proto.ts';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import type { ViewKey } from '../../src/xds/types.ts';
import { givenNow, notesOf, restartedOffline, starting, upstreamReturns } from '../support/answers.ts';
import { body, CoreHarness, namesOf, resources } from '../support/core-harness.ts';
import { put, stored, typed, viewChange } from '../support/disk-folder.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { encodeNode } from '../support/messages.ts';
import { onDisk, removedBy, restarted, storedWorld } from '../support/stored-world.ts';

// How long what a process before left behind holds, and whose it is (R65 to R69, R113).

/** Clusters that a client which starts now is given. */
function namesGiven(harness: CoreHarness): string[] {
  return Object.keys(givenNow(harness) ?? {}).sort();
}

describe('time to live across a restart', () => {
  const viewKey = 'shared' as ViewKey;
  const disk = (): MemoryDisk => {
    const made = new MemoryDisk();
    const any = (name: string) => message(text(1, clusterType), bytes(2, body(clusterType, name)));
    const resource = (name: string, deadlineWallMs: number | undefined) =>
      put(stored(name, 'x', { any: any(name), deadlineWallMs }), clusterType, viewKey);
    made.write([
      // The clock of the harness starts at 1,000,000.
      viewChange('shared', 1, { node: encodeNode('n0') }),
      resource('ended', 999_999),
      resource('ends now', 1_000_000),
      resource('goes on', 1_004_000),
      resource('has none', undefined),
      typed({}, clusterType, viewKey),
    ]);
    return made;
  };

  test('R113: what ended while the agent was away is not served; what goes on ends at its time', () => {
    const after = restartedOffline(disk());
    assert.equal(notesOf(after, 'type_restored')[0]?.expired, 2);
    const client = starting(after);
    assert.deepEqual(namesOf(client.only(clusterType)), ['goes on', 'has none']);
    after.advance(3_999);
    assert.deepEqual(client.inbox, []);
    after.advance(200);
    assert.deepEqual(removedBy(client), ['goes on']);
    assert.deepEqual(notesOf(after, 'resources_expired')[0]?.names, ['goes on']);
    assert.deepEqual(namesGiven(after), ['has none']);
  });

  test('R113: and it does not come back from the disk by another restart', () => {
    const after = restartedOffline(disk());
    after.advance(10_000);
    assert.deepEqual(
      after.disk?.names(clusterType).filter(name => name === 'goes on'),
      [],
    );
  });

  test('R113 R107: what ended while the agent was away is not listed as held', () => {
    const after = restarted(disk());
    assert.deepEqual([...(after.asked(clusterType)[0]?.initialVersions.keys() ?? [])].sort(), ['goes on', 'has none']);
  });

  test('R113: a TTL of upstream’s is on the disk as a time of day, and a heartbeat moves it', () => {
    const made = new MemoryDisk();
    const harness = new CoreHarness({}, made);
    const client = starting(harness);
    const any = nested(2, text(1, clusterType), bytes(2, body(clusterType, 'a')));
    const wrapped = (...fields: readonly Field[]) =>
      message(nested(2, text(1, 'v1'), text(3, 'a'), ...fields), text(4, clusterType), text(5, `n${harness.nowMs}`));
    const tenSeconds = nested(6, uint(1, 10));
    const streamId = harness.upstream?.streamId ?? 0;
    harness.post({ kind: 'upstream_response', streamId, bytes: wrapped(any, tenSeconds) });
    harness.advance(2_000);
    client.ack(client.only(clusterType));
    assert.equal(onDisk(made, 'a').deadlineWallMs, 1_010_000);
    harness.post({ kind: 'upstream_response', streamId, bytes: wrapped(tenSeconds) });
    harness.advance(2_000);
    assert.equal(onDisk(made, 'a').deadlineWallMs, 1_012_000);
  });
});

describe('whose cache it is', () => {
  const refuse = { nodeSharing: 'refuse' } as const;

  test('R67: another node is given nothing of it, and asks upstream as itself', () => {
    const after = restarted(storedWorld(refuse), refuse);
    const other = after.client('delta', 'other');
    other.send({ typeUrl: clusterType });
    after.advance(5_000);
    assert.equal(other.closed, undefined);
    assert.deepEqual(other.inbox, []);
    assert.equal(after.asked(clusterType)[0]?.nodeId, 'other');
    after.respond(clusterType, { resources: resources(clusterType, ['z']) });
    assert.deepEqual(namesOf(other.only(clusterType)), ['z']);
  });

  test('R69: the own cache is found although another node’s is newer', () => {
    const disk = storedWorld(refuse);
    const between = restarted(disk, refuse);
    between.nowMs = 60_000;
    const other = between.client('delta', 'other');
    other.send({ typeUrl: clusterType });
    between.respond(clusterType, { resources: resources(clusterType, ['z']) });
    between.advance(1_000);
    other.ack(other.only(clusterType));
    between.advance(1_000);
    const after = restartedOffline(between.disk ?? assert.fail(), refuse);
    const client = after.client('delta', 'n0');
    client.send({ typeUrl: clusterType });
    assert.deepEqual(namesOf(client.only(clusterType)), ['a', 'b', 'c']);
    client.leave();
    const again = after.client('delta', 'other');
    again.send({ typeUrl: clusterType });
    assert.deepEqual(namesOf(again.only(clusterType)), ['z']);
  });

  test('R69: where the id does not have to match, a new id finds the cache and takes it over', () => {
    const settings = { ...refuse, cacheMatch: ['cluster'] as const };
    const after = restartedOffline(storedWorld(settings), settings);
    const client = after.client('delta', 'n0-after-an-upgrade');
    client.send({ typeUrl: clusterType });
    assert.deepEqual(namesOf(client.only(clusterType)), ['a', 'b', 'c']);
    upstreamReturns(after);
    assert.equal(after.asked(clusterType)[0]?.nodeId, 'n0-after-an-upgrade');
    after.respond(clusterType, { removed: ['c'] });
    after.advance(2_000);
    assert.deepEqual(after.disk?.names(clusterType), ['a', 'b']);
    const next = restartedOffline(after.disk ?? assert.fail(), settings);
    const third = next.client('delta', 'a third id');
    third.send({ typeUrl: clusterType });
    assert.deepEqual(namesOf(third.only(clusterType)), ['a', 'b']);
  });

  test('R65 R68: the client that comes replaces the remembered node, with one stream more and no second answer', () => {
    const after = restarted(storedWorld());
    const [first] = after.upstreamIds();
    const node = encodeNode('n0', [text(6, 'envoy')]);
    const client = after.client('delta', 'n0');
    client.send({ typeUrl: clusterType, node });
    after.advance(5_000);
    const ids = after.upstreamIds();
    assert.equal(ids.length, 1);
    assert.notEqual(ids[0], first, 'streams carry the node of the client from now on');
    assert.deepEqual(namesOf(client.only(clusterType)), ['a', 'b', 'c']);
    const back = after.client('delta', 'n0');
    back.send({ typeUrl: clusterType, node });
    after.advance(5_000);
    assert.deepEqual(after.upstreamIds(), ids, 'and that is that');
  });
});

describe('what upstream is asked on another stream', () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R86: types in make-before-break order, since servers answer in the order in which they are asked (${variant})`, () => {
      const harness = new CoreHarness({ variant });
      const client = harness.client('delta', 'n0');
      // In the order of a disk, which is none of ours.
      for (const typeUrl of [endpointType, routeType, clusterType, listenerType]) {
        client.send({ typeUrl, names: typeUrl === endpointType || typeUrl === routeType ? ['x'] : [] });
        harness.respond(typeUrl, { resources: resources(typeUrl, ['x']) });
        harness.advance(500);
      }
      harness.cut();
      harness.advance(2_000);
      const asked = harness.requests.map(({ typeUrl }) => typeUrl);
      assert.deepEqual([...new Set(asked)], [clusterType, endpointType, listenerType, routeType]);
    });
  }
});
