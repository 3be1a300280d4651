import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Freshness, type MaxAge } from '../../src/agent/freshness.ts';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { givenNow, notesOf, payloadsOf, restartedOffline, starting, upstreamReturns } from '../support/answers.ts';
import { CoreHarness, type HarnessClient, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

// How current a type is, and what is done with one that is too old (R62, R108, R111).

const variants: readonly Variant[] = ['sotw', 'delta'];
const minute: MaxAge = { ms: 60_000, action: 'serve' };
const at = (monotonicMs: number) => ({ monotonicMs, wallMs: 1_000_000 + monotonicMs });

/** A harness whose client has accepted two clusters. */
function running(settings: ConstructorParameters<typeof CoreHarness>[0] = {}, disk?: MemoryDisk) {
  const harness = new CoreHarness(settings, disk);
  const client = harness.client('delta', 'n0');
  client.send({ typeUrl: clusterType });
  harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
  harness.advance(1_000);
  client.ack(client.only(clusterType));
  return { harness, client };
}

function outage(harness: CoreHarness, ms: number): void {
  harness.isUpstreamUp = false;
  harness.cut();
  harness.advance(ms);
}

function agesOf(action: MaxAge['action'], ms = 60_000, type = 'CDS') {
  return { maxAges: new Map([[type, { ms, action }]]) };
}

function staleNotes(harness: CoreHarness) {
  return notesOf(harness, 'type_stale').map(({ typeUrl, action, maxAgeMs }) => ({ typeUrl, action, maxAgeMs }));
}

describe('freshness of a type', () => {
  test('R108: nothing of which nothing is held is current, however long upstream has been silent', () => {
    const freshness = new Freshness(minute);
    assert.equal(freshness.update(0, at(100)), 'none');
    assert.deepEqual([freshness.isCurrent, freshness.isStale, freshness.ageMs(5)], [false, false, undefined]);
  });

  test('R108: what was restored is current from the moment upstream confirms it, and is upstream’s then', () => {
    const freshness = new Freshness(undefined);
    freshness.provenance = 'disk';
    freshness.confirmedWallMs = 900_000;
    assert.equal(freshness.update(Infinity, at(0)), 'none');
    assert.deepEqual([freshness.ageMs(1_000_000), freshness.nextDeadlineMs], [100_000, Infinity]);
    assert.equal(freshness.update(5_000, at(1_000)), 'none');
    assert.equal(freshness.nextDeadlineMs, 5_000);
    assert.equal(freshness.update(5_000, at(5_000)), 'became current');
    assert.deepEqual([freshness.provenance, freshness.isCurrent, freshness.ageMs(9e9)], ['upstream', true, 0]);
    assert.equal(freshness.update(5_000, at(8_000)), 'none');
    assert.equal(freshness.update(Infinity, at(9_000)), 'lost upstream');
    assert.equal(freshness.confirmedWallMs, 1_008_000);
    assert.equal(freshness.ageMs(1_009_000), 1_000);
    assert.equal(freshness.ageMs(0), 0, 'a clock that was set back makes nothing younger than new');
  });

  test('R111: it becomes stale exactly at its age, once, and fresh again with upstream', () => {
    const freshness = new Freshness(minute);
    freshness.provenance = 'upstream';
    freshness.update(0, at(0));
    assert.equal(freshness.update(Infinity, at(10)), 'lost upstream');
    assert.equal(freshness.nextDeadlineMs, 60_000);
    assert.equal(freshness.update(Infinity, at(59_999)), 'none');
    assert.equal(freshness.update(Infinity, at(60_000)), 'became stale');
    assert.equal(freshness.update(Infinity, at(60_001)), 'none');
    assert.equal(freshness.update(60_002, at(60_002)), 'became current');
    assert.equal(freshness.isStale, false);
  });
});

describe('age', () => {
  for (const variant of variants) {
    for (const action of ['serve', 'warn'] as const) {
      test(`R111: ${variant}: ${action}: in an outage it is served all the same, and it is said when it is too old`, () => {
        const { harness, client } = running({ variant, ...agesOf(action) });
        outage(harness, 59_000);
        assert.deepEqual(staleNotes(harness), []);
        harness.advance(2_000);
        assert.deepEqual(staleNotes(harness), [{ typeUrl: clusterType, action, maxAgeMs: 60_000 }]);
        harness.advance(600_000);
        assert.equal(staleNotes(harness).length, 1, 'once');
        assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
        assert.deepEqual(client.inbox, []);
      });
    }

    test(`R62 R111: ${variant}: withhold: who starts is given nothing, who holds it keeps it, until upstream is back`, () => {
      const { harness, client } = running({ variant, ...agesOf('withhold') });
      outage(harness, 61_000);
      const waiting: HarnessClient[] = [];
      for (const kind of variants) {
        const cold = starting(harness, kind);
        assert.deepEqual(cold.inbox, []);
        waiting.push(cold);
      }
      assert.deepEqual(client.inbox, []);
      upstreamReturns(harness);
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
      harness.advance(2_000);
      for (const cold of waiting) assert.deepEqual(payloadsOf(cold.only(clusterType)), { a: 1, b: 1 });
      assert.deepEqual(client.inbox, [], 'nothing has changed for it');
      assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
    });
  }

  test('R111: a stream that is open and silent is current for ever', () => {
    const { harness } = running(agesOf('withhold'));
    harness.advance(3_600_000);
    assert.deepEqual(staleNotes(harness), []);
    assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
  });

  test('R108: Delta: after a resume silence confirms what is held, but not before five seconds', () => {
    const { harness } = running(agesOf('withhold'));
    outage(harness, 61_000);
    const cold = starting(harness);
    upstreamReturns(harness);
    const openedAtMs = harness.nowMs;
    while (cold.inbox.length === 0 && harness.nowMs < openedAtMs + 20_000) harness.advance(100);
    assert.deepEqual(payloadsOf(cold.only(clusterType)), { a: 1, b: 1 });
    const waitedMs = harness.nowMs - openedAtMs;
    assert.ok(waitedMs >= 4_000 && waitedMs <= 5_000, `${waitedMs} ms after the harness had seen the stream open`);
  });

  test('R111: each type has its own age, and the star is for all others', () => {
    const maxAges = new Map<string, MaxAge>([
      ['CDS', { ms: 10_000, action: 'warn' }],
      ['*', { ms: 20_000, action: 'withhold' }],
    ]);
    const { harness, client } = running({ maxAges });
    client.send({ typeUrl: listenerType });
    harness.respond(listenerType, { resources: resources(listenerType, ['l']) });
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    harness.advance(1_000);
    outage(harness, 15_000);
    assert.deepEqual(
      staleNotes(harness).map(note => note.typeUrl),
      [clusterType],
    );
    harness.advance(10_000);
    assert.deepEqual(
      staleNotes(harness)
        .map(note => note.typeUrl)
        .sort(),
      [clusterType, endpointType, listenerType].sort(),
    );
    assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
    assert.equal(givenNow(harness, 'delta', listenerType), undefined);
  });

  test('R62: withheld, a name that is asked for is not reported missing, and comes when upstream is back', () => {
    const { harness, client } = running(agesOf('withhold', 60_000, 'EDS'));
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    harness.advance(1_000);
    outage(harness, 61_000);
    const cold = harness.client('delta', 'cold');
    cold.send({ typeUrl: endpointType, names: ['a', 'ghost'] });
    harness.advance(30_000);
    assert.deepEqual(cold.take(endpointType), []);
    upstreamReturns(harness);
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    harness.advance(1_000);
    assert.deepEqual(Object.assign({}, ...cold.take(endpointType).map(payloadsOf)), { a: 1 });
  });
});

describe('age across a restart', () => {
  test('R106 R111: the disk hears once a minute that everything is still current', () => {
    const disk = new MemoryDisk();
    const { harness } = running({}, disk);
    harness.advance(600_000);
    const confirmedMs = disk.newest()?.types.find(type => type.typeUrl === clusterType)?.confirmedWallMs ?? 0;
    const nowWallMs = 1_000_000 + harness.nowMs;
    assert.ok(confirmedMs <= nowWallMs && confirmedMs >= nowWallMs - 61_000, `${nowWallMs - confirmedMs} ms ago`);
  });

  test('R106 R111: an outage does not make it younger, nor does the loss of the stream', () => {
    const disk = new MemoryDisk();
    const { harness } = running({}, disk);
    harness.advance(30_500);
    outage(harness, 0);
    const lostWallMs = 1_000_000 + harness.nowMs;
    harness.advance(600_000);
    const confirmedMs = disk.newest()?.types.find(type => type.typeUrl === clusterType)?.confirmedWallMs ?? 0;
    assert.ok(confirmedMs <= lostWallMs && confirmedMs >= lostWallMs - 1_000, `${lostWallMs - confirmedMs} ms before`);
  });

  test('R111: the age goes on counting where the process before left it', () => {
    const disk = new MemoryDisk();
    const { harness } = running({}, disk);
    harness.advance(10_000);
    outage(harness, 0);
    // The clock of the harness starts anew: what was confirmed 11 s after its start is as old as nothing until then.
    const after = restartedOffline(disk, agesOf('withhold', 20_000));
    assert.deepEqual(givenNow(after), { a: 1, b: 1 });
    after.advance(30_900);
    assert.deepEqual(givenNow(after), { a: 1, b: 1 });
    after.advance(200);
    assert.equal(givenNow(after), undefined);
    assert.deepEqual(staleNotes(after).length, 1);
  });
});

describe('startup', () => {
  for (const variant of variants) {
    test(`${variant}: prefer-upstream: what was restored waits for upstream, and is served with what that says`, () => {
      const disk = new MemoryDisk();
      running({ variant }, disk);
      const after = restartedOffline(disk, { variant, startup: 'prefer-upstream' });
      const cold = starting(after);
      assert.deepEqual(cold.inbox, []);
      upstreamReturnsWithin(after, 4_900);
      after.respond(clusterType, {
        resources: [...resources(clusterType, ['a'], 2), ...resources(clusterType, ['b'])],
      });
      after.advance(1_500);
      const received = cold.take(clusterType).map(payloadsOf);
      assert.deepEqual(received, [{ a: 2, b: 1 }], 'never the old content first');
    });

    test(`${variant}: prefer-upstream: when the grace is over the cache is served after all`, () => {
      const disk = new MemoryDisk();
      running({ variant }, disk);
      const after = restartedOffline(disk, { variant, startup: 'prefer-upstream' });
      const colds = variants.map(kind => starting(after, kind));
      after.advance(4_999);
      for (const cold of colds) assert.deepEqual(cold.inbox, []);
      after.advance(1);
      for (const cold of colds) assert.deepEqual(payloadsOf(cold.only(clusterType)), { a: 1, b: 1 });
    });

    test(`${variant}: prefer-cache serves at once`, () => {
      const disk = new MemoryDisk();
      running({ variant }, disk);
      assert.deepEqual(givenNow(restartedOffline(disk, { variant })), { a: 1, b: 1 });
    });
  }

  test('prefer-upstream: without anything restored nothing waits', () => {
    const { harness } = running({ startup: 'prefer-upstream' }, new MemoryDisk());
    assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
  });
});

/** Lets the control plane be reached, and connects before the grace of the start is over. */
function upstreamReturnsWithin(harness: CoreHarness, endMs: number): void {
  harness.isUpstreamUp = true;
  while (!harness.upstream && harness.nowMs < endMs) harness.advance(50);
  assert.ok(harness.upstream, 'the agent connects again');
}
