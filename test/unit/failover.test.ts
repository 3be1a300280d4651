import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { CoreHarness, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { addresses, answer, begun, losePrimary, of, primary, secondary, settle } from '../support/two-servers.ts';

describe('failover', () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R109: the next control plane takes over within the time, and its set is served as a whole (${variant})`, () => {
      const { harness, client } = begun(variant);
      losePrimary(harness);
      harness.advance(8_500);
      assert.equal(harness.upstreamAt(secondary), undefined, 'a short outage is sat out');
      harness.advance(600);
      assert.ok(harness.upstreamAt(secondary), 'dialled before the time is up');
      const asked = harness.requests.filter(one => one.address === secondary);
      assert.equal(asked.length, 2);
      for (const request of asked) {
        assert.equal(request.initialVersions.size, 0, 'no versions of another server');
        assert.equal(request.version, '', 'nor its version_info');
      }
      answer(harness, secondary, clusterType, of(secondary, 'a', 'b'));
      assert.deepEqual(settle(harness, client), [], 'half of a set is not served');
      answer(harness, secondary, listenerType, of(secondary, 'l'));
      const told = settle(harness, client);
      assert.deepEqual(
        told.filter(name => name.startsWith('s-')).slice(0, 3),
        of(secondary, 'a', 'b', 'l'),
        'clusters come before listeners',
      );
      if (variant === 'delta') {
        assert.ok(told.indexOf('s-l') < told.indexOf('-p-a'), 'what goes, goes last (R86)');
        assert.deepEqual(told.filter(name => name.startsWith('-')).sort(), ['-p-a', '-p-b', '-p-l']);
      }
      assert.deepEqual(harness.upstreamIds(), [harness.upstreamAt(secondary)?.streamId], 'one stream');
    });

    test(`R109: back to the primary soon after it is there again (${variant})`, () => {
      const { harness, client } = begun(variant);
      losePrimary(harness);
      harness.advance(9_500);
      answer(harness, secondary, clusterType, of(secondary, 'a'));
      answer(harness, secondary, listenerType, of(secondary, 'l'));
      settle(harness, client);
      harness.advance(60_000);
      harness.unreachable.clear();
      harness.advance(15_000);
      assert.equal(harness.upstreamIds().length, 2, 'the secondary serves until the primary has answered');
      answer(harness, secondary, clusterType, of(secondary, 'a', 'late'), 2);
      assert.ok(settle(harness, client).includes('s-late'));
      answer(harness, primary, clusterType, of(primary, 'a', 'b'));
      answer(harness, primary, listenerType, of(primary, 'l'));
      const told = settle(harness, client);
      for (const name of of(primary, 'a', 'b', 'l')) assert.ok(told.includes(name), name);
      assert.deepEqual(harness.upstreamIds(), [harness.upstreamAt(primary)?.streamId]);
    });
  }

  test('R108 R109: of equal content nobody hears anything, and the next reconnect resumes from the new server’s versions', () => {
    const { harness, client } = begun();
    losePrimary(harness);
    harness.advance(9_500);
    for (const [typeUrl, names] of [
      [clusterType, of(primary, 'a', 'b')],
      [listenerType, of(primary, 'l')],
    ] as const) {
      const same = resources(typeUrl, names).map(one => ({ ...one, version: 'of the secondary' }));
      harness.respond(typeUrl, { resources: same }, harness.upstreamAt(secondary));
    }
    assert.deepEqual(settle(harness, client), []);
    harness.cut(harness.upstreamAt(secondary)?.streamId);
    harness.requests.length = 0;
    harness.advance(1_000);
    const again = harness.requests.filter(one => one.address === secondary && one.typeUrl === clusterType);
    assert.deepEqual([...(again[0]?.initialVersions.values() ?? [])], ['of the secondary', 'of the secondary']);
  });

  test('R109: a set that does not become whole is served after the time for it, without what was not spoken of', () => {
    const { harness, client } = begun();
    losePrimary(harness);
    harness.advance(9_500);
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    harness.advance(13_000);
    assert.deepEqual(settle(harness, client), []);
    harness.advance(2_000);
    const told = settle(harness, client);
    assert.ok(told.includes('s-a'));
    assert.ok(!told.includes('-p-l'), 'of listeners it has said nothing');
    const changed = harness.notes.flatMap(note =>
      note.kind === 'upstream' && note.note.kind === 'server_changed' ? [note.note] : [],
    );
    assert.deepEqual(
      changed.map(({ from, to, open }) => [from, to, open]),
      [[primary, secondary, ['LDS']]],
    );
  });

  test('R79 R109: a control plane that has nothing for the node does not take over', () => {
    const { harness, client } = begun();
    losePrimary(harness);
    harness.advance(9_500);
    for (const typeUrl of [clusterType, listenerType]) harness.respond(typeUrl, {}, harness.upstreamAt(secondary));
    harness.advance(60_000);
    assert.deepEqual(settle(harness, client), []);
  });

  test('R109: names that clients hold are waited for, names that nothing refers to are not', () => {
    const { harness, client } = begun();
    client.send({ typeUrl: routeType, names: ['kept', 'only at the first'] });
    answer(harness, primary, routeType, ['kept', 'only at the first']);
    settle(harness, client);
    losePrimary(harness);
    harness.advance(9_500);
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    // Its listener spells the name of its routes out.
    answer(harness, secondary, listenerType, ['kept']);
    assert.deepEqual(settle(harness, client), [], 'the routes that its listener refers to are missing');
    answer(harness, secondary, routeType, ['kept'], 2);
    assert.ok(settle(harness, client).includes('kept'));
  });

  test('R109: a primary that is back before the other one has answered is gone on with, and resumed', () => {
    const { harness, client } = begun();
    losePrimary(harness);
    harness.advance(9_500);
    assert.ok(harness.upstreamAt(secondary));
    harness.unreachable.clear();
    harness.requests.length = 0;
    harness.advance(30_000 - harness.nowMs + 20_000);
    const resumed = harness.requests.filter(one => one.address === primary && one.typeUrl === clusterType);
    assert.deepEqual([...(resumed[0]?.initialVersions.keys() ?? [])].sort(), of(primary, 'a', 'b'));
    assert.deepEqual(harness.upstreamIds(), [harness.upstreamAt(primary)?.streamId]);
    assert.deepEqual(settle(harness, client), []);
  });

  test('with nothing to serve the next control plane is tried at once', () => {
    const harness = new CoreHarness({ addresses });
    harness.unreachable.add(primary);
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [] });
    harness.advance(100);
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    assert.deepEqual(settle(harness, client), ['s-a']);
  });

  test('R109: after a restart on the second one, the first is returned to, and is told nothing of the other’s versions', () => {
    const disk = new MemoryDisk();
    const { harness, client } = begun('delta', disk);
    losePrimary(harness);
    harness.advance(9_500);
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    answer(harness, secondary, listenerType, of(secondary, 'l'));
    settle(harness, client);
    const after = new CoreHarness({ addresses }, disk);
    const late = after.client('delta');
    late.send({ typeUrl: clusterType, names: [] });
    late.send({ typeUrl: listenerType, names: [] });
    assert.deepEqual(settle(after, late).sort(), of(secondary, 'a', 'l'));
    const versions = (address: string): string[][] =>
      after.requests.filter(one => one.address === address).map(one => [...one.initialVersions.keys()]);
    assert.deepEqual(versions(secondary).flat().sort(), of(secondary, 'a', 'l'), 'resumed where it came from');
    assert.deepEqual(versions(primary).flat(), [], 'asked from the beginning');
    answer(after, primary, clusterType, of(primary, 'a'));
    answer(after, primary, listenerType, of(primary, 'l'));
    assert.ok(settle(after, late).includes('p-l'));
  });

  test('R109: what came from a server that is not listed any more is served until the new one’s set is whole', () => {
    const disk = new MemoryDisk();
    begun('delta', disk);
    const after = new CoreHarness({ addresses: ['other:1'] }, disk);
    const client = after.client('delta');
    client.send({ typeUrl: clusterType, names: [] });
    client.send({ typeUrl: listenerType, names: [] });
    assert.deepEqual(settle(after, client).sort(), of(primary, 'a', 'b', 'l'));
    assert.deepEqual(
      after.requests.map(one => [one.address, one.initialVersions.size]),
      [
        ['other:1', 0],
        ['other:1', 0],
      ],
    );
    assert.equal([...after.core.views()][0]?.streams.mainAddress, 'other:1', 'load reports go there, too');
    answer(after, 'other:1', clusterType, ['o-a']);
    assert.deepEqual(settle(after, client), []);
    answer(after, 'other:1', listenerType, ['o-l']);
    assert.deepEqual(settle(after, client).slice(0, 2), ['o-a', 'o-l']);
  });

  test('R100: a client that rejects what was staged is heard upstream after the switch', () => {
    const { harness, client } = begun();
    losePrimary(harness);
    harness.advance(9_500);
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    answer(harness, secondary, listenerType, of(secondary, 'l'));
    harness.advance(1_200);
    const [clusters] = client.take(clusterType);
    assert.ok(clusters);
    client.send({ typeUrl: clusterType, nonce: clusters.nonce, error: 'Error adding/updating cluster(s) s-a: bad' });
    harness.advance(1_500);
    const told = harness.requests.filter(one => one.address === secondary && one.error !== undefined);
    assert.equal(told.length, 1);
    assert.match(told[0]?.error ?? '', /s-a: bad/);
  });

  test('a type over which the second one ends its stream does not keep it from taking over', () => {
    const { harness, client } = begun();
    client.send({ typeUrl: endpointType, names: ['e'] });
    answer(harness, primary, endpointType, ['e']);
    settle(harness, client);
    losePrimary(harness);
    harness.advance(9_500);
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    harness.endUpstream(harness.upstreamAt(secondary)?.streamId ?? 0, grpcCode.permissionDenied);
    harness.requests.length = 0;
    const isIsolated = () => harness.notes.some(note => note.kind === 'type_isolated');
    harness.advance(20_000);
    assert.equal(isIsolated(), false, 'the primary may come back and give it');
    assert.deepEqual(
      harness.requests.filter(one => one.address === secondary).map(one => one.typeUrl),
      [clusterType, endpointType],
      'the one that was asked for last is the suspect',
    );
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    answer(harness, secondary, endpointType, ['e']);
    settle(harness, client);
    assert.ok(isIsolated());
  });
});
