import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType } from '../../src/xds/type-urls.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { CoreHarness } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { addresses, answer, begun, of, primary, secondary, settle } from '../support/two-servers.ts';

// Which of several control planes is dialled, and when.

const third = 'third:1';
const stepMs = 10;

/** Lets time pass until something is so, at most `mostMs`. Returns how long it took, in ms. */
function until(harness: CoreHarness, mostMs: number, isSo: () => boolean, meanwhile: () => void = () => {}): number {
  const fromMs = harness.nowMs;
  for (meanwhile(); !isSo(); meanwhile()) {
    assert.ok(harness.nowMs - fromMs < mostMs, `not within ${mostMs} ms`);
    harness.advance(stepMs);
  }
  return harness.nowMs - fromMs;
}

/** What a control plane does to a stream so long after it was opened, in ms, and whenever it can later. */
interface Role {
  readonly afterMs: number;
  readonly act: (harness: CoreHarness, address: string) => void;
}

/** As an istiod does that is not ready. */
const refusing = (afterMs: number): Role => ({
  afterMs,
  act: (harness, address) => harness.endUpstream(harness.upstreamAt(address)?.streamId ?? 0, grpcCode.unavailable),
});
const answering = (afterMs: number): Role => ({
  afterMs,
  act: (harness, address) => answer(harness, address, clusterType, of(address, 'a')),
});

/** Plays the control planes; to be called again and again while time passes. */
function playing(harness: CoreHarness, roles: Readonly<Record<string, Role>>): () => void {
  const openedMs = new Map<number, number>();
  return () => {
    for (const [address, { afterMs, act }] of Object.entries(roles)) {
      const stream = harness.upstreamAt(address);
      if (!stream) continue;
      const fromMs = openedMs.get(stream.streamId) ?? harness.nowMs;
      openedMs.set(stream.streamId, fromMs);
      if (harness.nowMs - fromMs >= afterMs) act(harness, address);
    }
  };
}

describe('an agent with nothing to serve', () => {
  for (const refusedMs of [0, 300, 1_000, 3_000]) {
    test(`gets through to a slow third control plane at once while two others refuse each stream after ${refusedMs} ms`, () => {
      const harness = new CoreHarness({ addresses: [primary, secondary, third] });
      const client = harness.client('delta');
      client.send({ typeUrl: clusterType, names: [] });
      const roles = { [primary]: refusing(refusedMs), [secondary]: refusing(refusedMs), [third]: answering(3_000) };
      until(harness, 2 * refusedMs + 3_100, () => client.inbox.length > 0, playing(harness, roles));
    });
  }

  /** When a client gets something from a primary that can be reached from a moment on; the secondary refuses every stream. */
  function servedMs(listed: readonly string[], reachableMs: number): number {
    const harness = new CoreHarness({ addresses: listed });
    harness.unreachable.add(primary);
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [] });
    const play = playing(harness, { [primary]: answering(50), [secondary]: refusing(0) });
    return until(
      harness,
      120_000,
      () => client.inbox.length > 0,
      () => {
        if (harness.nowMs >= reachableMs) harness.unreachable.clear();
        play();
      },
    );
  }

  for (const reachableMs of [1_000, 20_000]) {
    test(`is served by a primary that comes after ${reachableMs} ms as soon as if the other one, which refuses all, were not listed`, () => {
      const [alone, ofTwo] = [servedMs([primary], reachableMs), servedMs(addresses, reachableMs)];
      assert.ok(ofTwo <= alone + 2_000, `after ${ofTwo} ms, alone after ${alone} ms`);
    });
  }

  test('stays with a primary that comes to answer before the one that was tried in its place', () => {
    const harness = new CoreHarness({ addresses });
    harness.unreachable.add(primary);
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [] });
    until(harness, 1_000, () => harness.upstreamAt(secondary) !== undefined);
    harness.unreachable.clear();
    until(harness, 10_000, () => harness.upstreamAt(primary) !== undefined);
    answer(harness, primary, clusterType, of(primary, 'a'));
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    assert.deepEqual(settle(harness, client), of(primary, 'a'));
    harness.advance(5_000);
    assert.deepEqual(harness.upstreamIds(), [harness.upstreamAt(primary)?.streamId]);
  });
});

describe('an agent that serves something', () => {
  test('tries the next one of the list where the first is away and what is held is of neither', () => {
    const disk = new MemoryDisk();
    begun('delta', disk);
    const harness = new CoreHarness({ addresses: ['first:1', 'next:1'] }, disk);
    harness.unreachable.add('first:1');
    harness.cut(harness.upstreamAt('first:1')?.streamId);
    until(harness, 1_000, () => harness.upstreamAt('next:1') !== undefined);
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [] });
    assert.deepEqual(settle(harness, client), of(primary, 'a', 'b'), 'which is served meanwhile');
  });

  test('dials the third within failoverAfter when the second goes, whatever was tried before', () => {
    const harness = new CoreHarness({ addresses: [primary, secondary, third] });
    harness.unreachable.add(primary);
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [] });
    harness.advance(100);
    answer(harness, secondary, clusterType, ['x']);
    settle(harness, client);
    // At other moments of the rounds in which the primary is looked for.
    for (let round = 0; round < 10; round++) {
      harness.advance(30_000 + round * 700);
      harness.unreachable.add(secondary);
      harness.cut(harness.upstreamAt(secondary)?.streamId);
      until(harness, 10_000, () => harness.upstreamAt(third) !== undefined);
      // It comes back before the third has said anything.
      harness.unreachable.delete(secondary);
      harness.advance(5_000);
    }
  });

  test('leaves a primary whose streams all end soon after a first answer', () => {
    const { harness } = begun();
    const isLeft = () => harness.upstreamAt(secondary) !== undefined;
    until(harness, 10_000, isLeft, () => {
      if (!harness.upstreamAt(primary)) return;
      answer(harness, primary, clusterType, of(primary, 'a'));
      harness.cut(harness.upstreamAt(primary)?.streamId);
    });
  });

  for (const [what, listed] of [
    ['of a server that is listed', addresses],
    ['of one that is not listed any more', [third]],
  ] as const) {
    test(`waits a part of startJitter before its first stream: ${what}`, () => {
      const disk = new MemoryDisk();
      begun('delta', disk);
      const harness = new CoreHarness({ addresses: listed, startJitterMs: 600_000 }, disk);
      harness.client('delta').send({ typeUrl: clusterType, names: [] });
      const waitedMs = until(harness, 600_000, () => harness.upstream !== undefined);
      assert.ok(waitedMs > 1_000, `dialled after ${waitedMs} ms`);
    });
  }
});
