import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DriftCheck } from '../../src/admin/drift-report.ts';
import { Authorities } from '../../src/agent/authorities.ts';
import { describe as describeNote } from '../../src/agent/notes.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { CoreHarness, type HarnessUpstream, resources } from '../support/core-harness.ts';

// What is held, compared with a fresh fetch on a second stream (xds-relay#167).

/** A client with clusters `a` and `b` and the endpoints of `a`, over a Delta stream that stands. */
function served(settings: ConstructorParameters<typeof CoreHarness>[0] = {}): CoreHarness {
  const harness = new CoreHarness(settings);
  const client = harness.client('delta');
  client.send({ typeUrl: clusterType });
  client.send({ typeUrl: endpointType, names: ['a'] });
  harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
  harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
  harness.advance(1_000);
  return harness;
}

/** Begins a check; returns the stream that it is made on. */
function begin(harness: CoreHarness): HarnessUpstream {
  const before = new Set(harness.upstreamIds());
  harness.post({ kind: 'drift_check_requested' });
  const { upstream } = harness;
  assert.ok(upstream && !before.has(upstream.streamId), 'it is made on a stream of its own');
  return upstream;
}

function checks(harness: CoreHarness): DriftCheck[] {
  return harness.notes.flatMap(note => (note.kind === 'drift_checked' ? note.check : []));
}

/** What a check found, type by type, as far as anything differs. */
function found({ types }: DriftCheck): Record<string, readonly string[]> {
  return Object.fromEntries(
    types.flatMap(({ shortName, missing, extra, different }) => {
      const names = [
        ...missing.names.map(name => `+${name}`),
        ...extra.names.map(name => `-${name}`),
        ...different.names.map(name => `~${name}`),
      ];
      return names.length > 0 ? [[shortName, names]] : [];
    }),
  );
}

describe('a drift check', () => {
  test('of what is the same says so, and leaves the stream in use and the clients alone', () => {
    const harness = served();
    const [main] = harness.upstreamIds();
    harness.notes.splice(0);
    const second = begin(harness);
    assert.equal(harness.asked(clusterType).at(-1)?.initialVersions.size, 0, 'it resumes nothing');
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) }, second);
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) }, second);
    harness.advance(1_000);
    const [check] = checks(harness);
    assert.deepEqual([check?.outcome, check?.types.map(type => type.fetched)], ['same', [2, 1]]);
    assert.deepEqual(harness.upstreamIds(), [main], 'its stream is closed');
    assert.equal(harness.notes.filter(note => note.kind === 'client_sent').length, 0);
    assert.equal(harness.core.drift.report().last?.checks.length, 1);
  });

  test('names what upstream has and is not held, what is held and upstream does not have, and what differs', () => {
    const harness = served();
    const second = begin(harness);
    harness.respond(
      clusterType,
      { resources: [...resources(clusterType, ['a'], 2), ...resources(clusterType, ['c'])] },
      second,
    );
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) }, second);
    harness.advance(4_000);
    assert.deepEqual(checks(harness), [], 'it may be on its way on the stream in use');
    harness.advance(3_000);
    const [check] = checks(harness);
    assert.ok(check);
    assert.equal(check.outcome, 'differs');
    assert.deepEqual(found(check), { CDS: ['+c', '-b', '~a'] });
    const line = describeNote({ kind: 'drift_checked', check });
    assert.equal(line?.level, 'error');
    assert.match(line?.message ?? '', /CDS: 1 missing, 1 too many, 1 different/);
  });

  test('takes a change for none that comes on the stream in use a little later', () => {
    const harness = served();
    const [main] = harness.upstreamIds();
    const second = begin(harness);
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c'], 2) }, second);
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) }, second);
    harness.advance(2_000);
    const inUse = { streamId: main ?? 0, variant: 'delta', address: second.address } as const;
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c'], 2) }, inUse);
    harness.advance(6_000);
    assert.equal(checks(harness)[0]?.outcome, 'same');
  });

  test('does not take for missing what is in quarantine, nor for too much what the guard holds', () => {
    const harness = served({ guard: 'hold', ackWaitMs: 1_000 });
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 9) });
    const client = [...harness.core.clients()][0];
    assert.ok(client);
    const second = begin(harness);
    harness.respond(
      clusterType,
      { resources: [...resources(clusterType, ['a'], 9), ...resources(clusterType, ['b'])] },
      second,
    );
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) }, second);
    harness.advance(8_000);
    assert.equal(checks(harness)[0]?.outcome, 'same');
  });

  test('that is not answered for a type says nothing of it', () => {
    const harness = served();
    const second = begin(harness);
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) }, second);
    harness.advance(70_000);
    const [check] = checks(harness);
    assert.deepEqual([check?.outcome, check && found(check)], ['incomplete', {}]);
    assert.deepEqual(
      check?.types.map(({ shortName, isOpen }) => [shortName, isOpen]),
      [
        ['CDS', false],
        ['EDS', true],
      ],
    );
  });

  test('fails with the reason where it cannot be made, and the next one is not hindered', () => {
    const harness = served();
    const second = begin(harness);
    harness.endUpstream(second.streamId, grpcCode.resourceExhausted);
    assert.deepEqual(
      checks(harness).map(({ outcome, reason }) => [outcome, reason]),
      [['failed', 'the stream for it ended: cut']],
    );
    harness.cut();
    harness.isUpstreamUp = false;
    harness.post({ kind: 'drift_check_requested' });
    assert.match(checks(harness)[1]?.reason ?? '', /no stream to the control plane/);
    const single = served({ isSingleStream: true });
    single.post({ kind: 'drift_check_requested' });
    assert.match(checks(single)[0]?.reason ?? '', /allows one stream only/);
    assert.equal(single.upstreamIds().length, 1);
  });

  test('is made by itself only if that is switched on', () => {
    const quiet = served();
    quiet.advance(86_400_000);
    assert.deepEqual(checks(quiet), []);
    const harness = served({ driftCheckMs: 600_000 });
    harness.advance(479_000 - harness.nowMs);
    assert.deepEqual(checks(harness), [], 'not before its time, give or take a fifth');
    // Nobody answers it, so it takes as long as it may.
    harness.advance(241_000 + 60_000);
    assert.equal(checks(harness).length, 1);
  });

  test('asks each control plane only for what is its own: names of another authority are neither too many nor missing', () => {
    const cluster = (authority: string): string => `xdstp://${authority}/envoy.config.cluster.v3.Cluster/c`;
    for (const variant of ['delta', 'sotw'] as const) {
      const harness = new CoreHarness({ variant, authorities: new Authorities(new Map([['away', ['away:1']]])) });
      harness.client('delta').send({ typeUrl: clusterType, names: ['*', cluster('away')] });
      harness.respond(clusterType, { resources: resources(clusterType, ['a']) }, harness.upstreamAt('test:1'));
      harness.respond(
        clusterType,
        { resources: resources(clusterType, [cluster('away')]) },
        harness.upstreamAt('away:1'),
      );
      harness.advance(1_000);
      const main = begin(harness);
      // It says something of a name that is not its own, too, and is not listened to.
      harness.respond(
        clusterType,
        { resources: [...resources(clusterType, ['a']), ...resources(clusterType, [cluster('away')], 2)] },
        main,
      );
      harness.advance(8_000);
      const { upstream: away } = harness;
      assert.equal(away?.address, 'away:1');
      harness.respond(clusterType, { resources: resources(clusterType, [cluster('away')]) }, away);
      harness.advance(8_000);
      assert.deepEqual(
        checks(harness).map(check => [check.outcome, found(check)]),
        [
          ['same', {}],
          ['same', {}],
        ],
        variant,
      );
    }
  });

  test('takes NOT_FOUND for the word that there is none, and any other error for no word at all (R119)', () => {
    for (const [code, expected] of [
      [grpcCode.notFound, { EDS: ['-a'] }],
      [grpcCode.unavailable, {}],
    ] as const) {
      const harness = served();
      const second = begin(harness);
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) }, second);
      harness.respond(endpointType, { errors: [{ name: 'a', code, message: 'none' }] }, second);
      harness.advance(8_000);
      const [check] = checks(harness);
      assert.deepEqual(check && found(check), expected);
    }
  });

  test('finds what differs also where the control plane sends everything again and again', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    harness.client('sotw').send({ typeUrl: clusterType });
    const { upstream: inUse } = harness;
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    const second = begin(harness);
    while (harness.upstreamIds().includes(second.streamId) && harness.nowMs < 60_000) {
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'c']) }, second);
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) }, inUse);
      harness.advance(2_000);
    }
    const [check] = checks(harness);
    assert.deepEqual(check && found(check), { CDS: ['+c', '-b'] });
  });

  test('of several nodes leaves out those that go before it is their turn', () => {
    const harness = new CoreHarness({ nodeSharing: 'stream-per-node', nodeLingerMs: 1_000 });
    const [first, second] = ['n1', 'n2'].map(nodeId => {
      const client = harness.client('delta', nodeId);
      client.send({ typeUrl: clusterType });
      harness.respond(clusterType, { resources: resources(clusterType, ['a']) }, harness.upstreamOf(nodeId));
      return client;
    });
    harness.advance(2_000);
    assert.ok(first && second);
    const stream = begin(harness);
    second.leave();
    harness.advance(5_000);
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) }, stream);
    harness.advance(1_000);
    assert.deepEqual(
      checks(harness).map(({ nodeId, outcome }) => [nodeId, outcome]),
      [['n1', 'same']],
    );
    assert.equal(harness.core.drift.isRunning, false);
  });

  test('asked for while one is under way is that one', () => {
    const harness = served();
    begin(harness);
    const open = harness.upstreamIds().length;
    harness.post({ kind: 'drift_check_requested' });
    assert.equal(harness.upstreamIds().length, open);
  });
});
