import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LivenessProbe } from '../../src/upstream/liveness-probe.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { CoreHarness, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

describe('whether a connection is alive', () => {
  test('is asked when somebody wants to know, once for all who wait', () => {
    const probe = new LivenessProbe();
    assert.equal(probe.take(0), false);
    probe.want();
    assert.deepEqual([probe.take(5), probe.take(5)], [true, false]);
    probe.want();
    assert.equal(probe.take(6), false, 'the answer is still to come');
    probe.answered(7);
    assert.deepEqual([probe.nextDeadlineMs(), probe.aliveAtMs, probe.isUnderWay], [Infinity, 7, false]);
  });

  test('is asked again while there is no answer', () => {
    const probe = new LivenessProbe();
    probe.want();
    assert.equal(probe.take(100), true);
    assert.equal(probe.nextDeadlineMs(), 1_100);
    assert.deepEqual([probe.take(1_099), probe.take(1_100)], [false, true]);
  });

  test('is asked twice in a second at the most: a server counts pings', () => {
    const probe = new LivenessProbe();
    const asked: number[] = [];
    for (let nowMs = 0; nowMs < 3_000; nowMs += 10) {
      probe.want();
      if (!probe.take(nowMs)) continue;
      asked.push(nowMs);
      probe.answered(nowMs);
    }
    assert.deepEqual(asked, [0, 10, 1_000, 1_010, 2_000, 2_010]);
  });
});

describe('a first answer', () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R116: is not whole while the connection may have lost the rest of it (${variant} client)`, () => {
      const harness = new CoreHarness();
      harness.isUpstreamAlive = false;
      const client = harness.client(variant);
      // It has been here before, or at another agent.
      if (variant === 'delta') client.send({ typeUrl: clusterType, initialVersions: new Map([['b', '1']]) });
      else client.send({ typeUrl: clusterType, version: 'of another time' });
      harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
      harness.advance(10_000);
      if (variant === 'delta')
        assert.deepEqual(
          client.take(clusterType).flatMap(message => message.removed),
          [],
        );
      else assert.deepEqual(client.inbox, []);
      harness.respond(clusterType, { resources: resources(clusterType, ['b'], 2) });
      harness.isUpstreamAlive = true;
      harness.advance(2_000);
      const told = client.take(clusterType);
      assert.deepEqual(
        told.flatMap(message => message.removed),
        [],
      );
      const names = new Set(told.flatMap(message => message.resources.map(one => one.name)));
      assert.ok(names.has('b') && (variant === 'delta' || names.has('a')));
    });
  }

  test('R116: costs no question where nobody could lose anything by it', () => {
    const harness = new CoreHarness();
    harness.isUpstreamAlive = false;
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(1_000);
    assert.deepEqual(
      client.only(clusterType).resources.map(one => one.name),
      ['a'],
    );
  });

  test('R116: whose stream ends before it has proven to be whole is begun again', () => {
    const harness = new CoreHarness();
    harness.isUpstreamAlive = false;
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType, version: 'of another time' });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(1_000);
    harness.cut();
    harness.isUpstreamAlive = true;
    harness.advance(1_000);
    assert.deepEqual(client.inbox, []);
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    assert.deepEqual(
      client
        .only(clusterType)
        .resources.map(one => one.name)
        .toSorted(),
      ['a', 'b'],
    );
  });

  test('a type that is not asked for as a whole any more does not become whole by a late answer', () => {
    const harness = new CoreHarness({ lingerMs: 100 });
    harness.isUpstreamAlive = false;
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, initialVersions: new Map([['b', '1']]) });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(1_000);
    client.send({ typeUrl: clusterType, names: ['a'], unsubscribe: ['*'] });
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.advance(500);
    harness.isUpstreamAlive = true;
    harness.advance(10_000);
    const [view] = [...harness.core.views()];
    assert.equal(view?.types.get(clusterType)?.store.isKnown, false);
  });
});

test('R108: silence confirms what was restored only if the connection is alive at its end', () => {
  const disk = new MemoryDisk();
  const before = new CoreHarness({}, disk);
  const first = before.client('delta');
  first.send({ typeUrl: clusterType });
  before.respond(clusterType, { resources: resources(clusterType, ['a']) });
  before.advance(1_000);
  for (const message of first.inbox.splice(0)) first.ack(message);
  before.advance(2_000);
  const harness = new CoreHarness({}, disk);
  harness.isUpstreamAlive = false;
  const client = harness.client('delta');
  client.send({ typeUrl: clusterType, initialVersions: new Map([['gone', '1']]) });
  const removed = () => client.take(clusterType).flatMap(message => message.removed);
  harness.advance(20_000);
  assert.deepEqual(removed(), []);
  harness.isUpstreamAlive = true;
  harness.advance(2_000);
  assert.deepEqual(removed(), ['gone']);
});
