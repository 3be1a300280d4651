import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { givenNow, notesOf, restartedOffline, starting, upstreamReturns } from '../support/answers.ts';
import { type CoreHarness, namesOf, resources } from '../support/core-harness.ts';
import { stored } from '../support/disk-folder.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { SeededRandom } from '../support/random.ts';
import { onDisk, removedBy, restarted, storedWorld, viewOf } from '../support/stored-world.ts';

// A process that starts from what the one before it kept (R71, R106 to R109, R113).

const variants: readonly Variant[] = ['sotw', 'delta'];

function namesGiven(harness: CoreHarness, variant: Variant = 'delta'): string[] {
  return Object.keys(givenNow(harness, variant) ?? {}).sort();
}

describe('restore', () => {
  for (const upstream of variants) {
    test(`T5 R106: ${upstream} upstream: all of it is served at once while upstream is down`, () => {
      const after = restartedOffline(storedWorld({ variant: upstream }), { variant: upstream });
      for (const variant of variants) {
        const client = after.client(variant, 'n0');
        for (const [typeUrl, names, asked] of [
          [clusterType, ['a', 'b', 'c'], []],
          [endpointType, ['a', 'b'], ['a', 'b']],
          [listenerType, ['l'], []],
          [routeType, ['r'], ['r']],
        ] as const) {
          client.send({ typeUrl, names: asked });
          assert.deepEqual(namesOf(client.only(typeUrl)), names);
        }
        after.advance(60_000);
        for (const one of client.inbox) assert.deepEqual(one.removed, [], 'nothing is taken away in an outage');
      }
      assert.deepEqual(
        notesOf(after, 'view_restored').map(({ provenance, types }) => ({ provenance, types })),
        [{ provenance: 'disk', types: 4 }],
      );
      const restored = new Map(notesOf(after, 'type_restored').map(note => [note.typeUrl, note]));
      const { resources: count, isKnown, expired, quarantined } = restored.get(clusterType) ?? assert.fail();
      assert.deepEqual(
        { count, isKnown, expired, quarantined },
        { count: 3, isKnown: true, expired: 0, quarantined: 0 },
      );
      assert.equal(restored.get(endpointType)?.isKnown, false);
    });

    test(`R71: ${upstream} upstream: it is asked for what was restored before any client comes, by the remembered node`, () => {
      const after = restarted(storedWorld({ variant: upstream }), { variant: upstream });
      assert.equal(after.requests[0]?.nodeId, 'n0');
      assert.deepEqual(after.asked(endpointType)[0]?.names.toSorted(), ['a', 'b']);
      assert.deepEqual(after.asked(routeType)[0]?.names, ['r']);
      assert.equal(after.asked(clusterType).length, 1);
      after.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c', 'd'], 2) });
      after.advance(1_000);
      assert.deepEqual(givenNow(after), { a: 2, b: 2, c: 2, d: 2 });
    });

    test(`R71 R72: ${upstream} upstream: without a client the names are given up after their time`, () => {
      const after = restarted(storedWorld({ variant: upstream }), { variant: upstream, restoredLingerMs: 10_000 });
      after.advance(1_000);
      for (const typeUrl of [endpointType, routeType]) {
        after.respond(typeUrl, { resources: resources(typeUrl, typeUrl === routeType ? ['r'] : ['a', 'b']) });
      }
      after.advance(20_000);
      const [view] = after.core.views();
      assert.equal(view?.types.get(endpointType)?.interest.size ?? 0, 0);
      assert.equal(view?.types.get(routeType)?.interest.size ?? 0, 0);
    });

    test(`T28 R108: ${upstream} upstream: it resumes with equal contents and sends all again: no client hears of it`, () => {
      const after = restartedOffline(storedWorld({ variant: upstream }), { variant: upstream });
      const clients = variants.map(variant => {
        const client = after.client(variant, 'n0');
        client.send({ typeUrl: clusterType });
        client.ack(client.only(clusterType));
        client.send({ typeUrl: endpointType, names: ['a', 'b'] });
        client.ack(client.only(endpointType), variant === 'sotw' ? ['a', 'b'] : []);
        return client;
      });
      upstreamReturns(after);
      after.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
      after.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
      after.advance(30_000);
      for (const client of clients) assert.deepEqual(client.inbox, []);
    });

    test(`T6 R109: ${upstream} upstream: resume off: the same version strings with other contents: clients converge`, () => {
      const settings = { variant: upstream, isResuming: false };
      const after = restartedOffline(storedWorld(settings), settings);
      const clients = variants.map(variant => {
        const client = after.client(variant, 'n0');
        client.send({ typeUrl: clusterType });
        client.ack(client.only(clusterType));
        return client;
      });
      upstreamReturns(after);
      const [asked] = after.asked(clusterType);
      assert.deepEqual([asked?.version, [...(asked?.initialVersions ?? [])]], ['', []]);
      // Resources of payload 2 under the versions of payload 1, and under the version of the whole that was there before.
      const same = resources(clusterType, ['a', 'b'], 2).map(one => ({ ...one, version: '1' }));
      after.respond(clusterType, { resources: same, version: 'v1' });
      after.advance(31_000);
      for (const client of clients) assert.ok(client.take(clusterType).length > 0);
      for (const variant of variants) assert.deepEqual(givenNow(after, variant), { a: 2, b: 2 });
    });
  }

  test('R107: Delta lists every held name with upstream’s version, also an empty one, and only those of the subscription', () => {
    const disk = storedWorld();
    disk.write([
      {
        kind: 'put',
        viewKey: viewOf(disk),
        typeUrl: clusterType,
        resource: stored('empty-version', 'x', { version: '' }),
      },
    ]);
    const after = restarted(disk);
    const [asked] = after.asked(clusterType);
    assert.deepEqual(
      asked?.initialVersions,
      new Map([
        ['a', '1'],
        ['b', '1'],
        ['c', '1'],
        ['empty-version', ''],
      ]),
    );
    const [endpoints] = after.asked(endpointType);
    assert.deepEqual([...(endpoints?.initialVersions.keys() ?? [])].sort(), endpoints?.names.toSorted());
  });

  test('R107: SotW never offers a version', () => {
    const after = restarted(storedWorld({ variant: 'sotw' }), { variant: 'sotw' });
    for (const request of after.requests) assert.equal(request.version, '');
    assert.ok(after.requests.length >= 4);
  });

  for (const [title, settings, version] of [
    ['SotW', { variant: 'sotw' }, '1'],
    ['Delta with versions', {}, '1'],
    ['Delta with empty versions', {}, ''],
    ['Delta with resume off', { isResuming: false }, '1'],
  ] as const) {
    test(`R107 R108: what was deleted during an outage is gone afterwards, also on the disk: ${title}`, () => {
      const disk = storedWorld(settings);
      const viewKey = viewOf(disk);
      if (version === '') {
        for (const name of ['a', 'b', 'c']) {
          const resource = { ...onDisk(disk, name), version: '' };
          disk.write([{ kind: 'put', viewKey, typeUrl: clusterType, resource }]);
        }
      }
      const after = restarted(disk, settings);
      const client = after.client('delta', 'n0');
      client.send({ typeUrl: clusterType });
      client.ack(client.only(clusterType));
      const listed = after.asked(clusterType)[0]?.initialVersions ?? new Map();
      const isListed = listed.has('c');
      assert.equal(isListed, title.startsWith('Delta with') && !title.includes('off'));
      after.respond(clusterType, {
        resources: resources(clusterType, ['a', 'b']).map(one => ({ ...one, version })),
        removed: isListed ? ['c'] : [],
      });
      after.advance(31_000);
      assert.deepEqual(removedBy(client), ['c']);
      assert.deepEqual(after.disk?.names(clusterType), ['a', 'b']);
      assert.deepEqual(namesGiven(restartedOffline(after.disk ?? assert.fail())), ['a', 'b']);
    });
  }

  test('R108: Delta: deletions arrive after another restart in the middle of the outage, too', () => {
    const first = restartedOffline(storedWorld());
    first.advance(5_000);
    const second = restarted(first.disk ?? assert.fail());
    assert.deepEqual([...(second.asked(clusterType)[0]?.initialVersions.keys() ?? [])], ['a', 'b', 'c']);
    second.respond(clusterType, { removed: ['a', 'b'] });
    second.advance(1_000);
    assert.deepEqual(namesGiven(second), ['c']);
    assert.deepEqual(second.disk?.names(clusterType), ['c']);
  });

  test('R108 R62: silence after a resume deletes nothing', () => {
    for (const variant of variants) {
      const after = restarted(storedWorld({ variant }), { variant });
      after.advance(120_000);
      assert.deepEqual(namesGiven(after), ['a', 'b', 'c']);
      assert.deepEqual(after.disk?.names(clusterType), ['a', 'b', 'c']);
    }
  });

  test('R104: a set that lost a row is not served offline, nor listed; what was kept by names is, without the name', () => {
    const damaged = storedWorld().copy(new SeededRandom(3));
    const offline = restartedOffline(damaged);
    assert.equal(givenNow(offline), undefined);
    const client = offline.client('delta', 'n0');
    client.send({ typeUrl: endpointType, names: ['a', 'b'] });
    offline.advance(60_000);
    assert.equal(client.take(endpointType).flatMap(namesOf).length, 1);
    const online = restarted(damaged);
    starting(online);
    for (const { initialVersions } of online.asked(clusterType)) assert.deepEqual([...initialVersions], []);
    online.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c'], 2) });
    online.advance(1_000);
    assert.deepEqual(givenNow(online), { a: 2, b: 2, c: 2 });
  });

  for (const upstream of variants) {
    test(`R104: a disk that was lost while it was in use is told all of it once more: ${upstream} upstream`, () => {
      const before = restarted(storedWorld({ variant: upstream }), { variant: upstream });
      const { disk } = before;
      disk?.wipe();
      before.post({ kind: 'disk_lost' });
      const after = restartedOffline(disk ?? assert.fail(), { variant: upstream });
      assert.deepEqual(namesGiven(after), ['a', 'b', 'c']);
      const client = after.client('sotw', 'n0');
      client.send({ typeUrl: endpointType, names: ['a', 'b'] });
      assert.deepEqual(namesOf(client.only(endpointType)), ['a', 'b']);
    });
  }

  test('R102 R104: a verdict that is awaited when the disk is lost is awaited by what is written anew', () => {
    const harness = restarted(storedWorld());
    const client = starting(harness);
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
    harness.advance(1_000);
    for (const sent of client.take(clusterType)) client.ack(sent);
    harness.respond(clusterType, { resources: resources(clusterType, ['d'], 2) });
    const sent = client.only(clusterType);
    const disk = harness.disk ?? assert.fail();
    disk.wipe();
    harness.post({ kind: 'disk_lost' });
    assert.deepEqual(disk.names(clusterType), []);
    client.ack(sent);
    assert.deepEqual(disk.names(clusterType), ['a', 'b', 'c', 'd']);
    assert.deepEqual(namesGiven(restartedOffline(disk)), ['a', 'b', 'c', 'd']);
  });

  test('T4 R62 R93: an empty disk while upstream is down: clients that hold something keep it', () => {
    const after = restartedOffline(new MemoryDisk());
    const sotw = after.client('sotw', 'n0');
    sotw.send({ typeUrl: clusterType, version: 'old' });
    const delta = after.client('delta', 'n0');
    delta.send({ typeUrl: clusterType, initialVersions: new Map([['a', '1']]) });
    after.advance(120_000);
    assert.deepEqual([sotw.inbox, delta.inbox], [[], []]);
  });

  test('R90 R92: a client that comes back to a new process with the version it has hears nothing', () => {
    const disk = storedWorld();
    const before = restartedOffline(disk);
    const client = before.client('sotw', 'n0');
    client.send({ typeUrl: clusterType });
    const { version } = client.only(clusterType);
    const after = restartedOffline(disk);
    const back = after.client('sotw', 'n0');
    back.send({ typeUrl: clusterType, version });
    after.advance(10_000);
    assert.deepEqual(back.inbox, []);
  });
});

describe('a restored set that upstream has not confirmed', () => {
  const more = new Map(['a', 'b', 'c', 'newer'].map(name => [name, '1']));

  test('R93: a Delta client that brings more than the disk knows is not told of removals before upstream has spoken', () => {
    const after = restartedOffline(storedWorld());
    const client = after.client('delta', 'n0');
    client.send({ typeUrl: clusterType, initialVersions: more });
    after.advance(120_000);
    assert.deepEqual(removedBy(client), []);
  });

  test('R93: upstream has it after all: it is given, and never was removed', () => {
    const after = restartedOffline(storedWorld());
    const client = after.client('delta', 'n0');
    client.send({ typeUrl: clusterType, initialVersions: more });
    upstreamReturns(after);
    after.respond(clusterType, { resources: resources(clusterType, ['newer']) });
    after.advance(10_000);
    const sent = client.take(clusterType);
    assert.deepEqual(
      sent.flatMap(one => one.removed),
      [],
    );
    assert.deepEqual(namesGiven(after), ['a', 'b', 'c', 'newer']);
  });

  test('R93: upstream confirms by an answer that it has not: it is removed', () => {
    const after = restartedOffline(storedWorld());
    const client = after.client('delta', 'n0');
    client.send({ typeUrl: clusterType, initialVersions: more });
    upstreamReturns(after);
    assert.deepEqual(removedBy(client), []);
    after.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    after.advance(2_000);
    assert.deepEqual(removedBy(client), ['newer']);
  });

  test('R93 R108: upstream confirms by five seconds of silence: it is removed once the connection has proven to be alive, not before', () => {
    const after = restarted(storedWorld());
    const client = after.client('delta', 'n0');
    client.send({ typeUrl: clusterType, initialVersions: more });
    after.advance(4_900);
    assert.deepEqual(removedBy(client), []);
    after.advance(700);
    assert.deepEqual(removedBy(client), ['newer']);
  });

  for (const [what, settings] of [
    ['of a SotW upstream', { variant: 'sotw' }],
    ['on a stream without a resume', { isResuming: false }],
  ] as const) {
    test(`R93 R108: silence ${what} confirms nothing, since it was not told what is held`, () => {
      const after = restarted(storedWorld(), settings);
      const client = after.client('delta', 'n0');
      client.send({ typeUrl: clusterType, initialVersions: more });
      after.advance(60_000);
      assert.deepEqual(removedBy(client), []);
      after.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
      after.advance(2_000);
      assert.deepEqual(removedBy(client), ['newer']);
    });
  }

  test('R93 R108: the five seconds count from the request, however long it waited for its turn to be written', () => {
    const after = restartedOffline(storedWorld());
    const client = after.client('delta', 'n0');
    client.send({
      typeUrl: listenerType,
      initialVersions: new Map([
        ['l', '1'],
        ['newer', '1'],
      ]),
    });
    after.isUpstreamReading = false;
    upstreamReturns(after);
    after.advance(20_000);
    assert.deepEqual(after.asked(listenerType), [], 'another type was asked for first');
    assert.deepEqual(removedBy(client, listenerType), []);
    after.upstreamReads();
    after.advance(4_900);
    assert.deepEqual(removedBy(client, listenerType), []);
    after.advance(700);
    assert.deepEqual(removedBy(client, listenerType), ['newer']);
  });

  test('R93: a cluster asked for by name that the restored set lacks is not reported missing before upstream has spoken', () => {
    const after = restartedOffline(storedWorld());
    const client = after.client('delta', 'n0');
    client.send({ typeUrl: clusterType, names: ['*', 'newer'] });
    after.advance(60_000);
    assert.deepEqual(removedBy(client), []);
  });
});
