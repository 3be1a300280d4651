import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isAsked } from '../../src/admin/event-pages.ts';
import { Arrivals } from '../../src/agent/arrivals.ts';
import { Histogram, quantile, timeBounds } from '../../src/agent/histogram.ts';
import { Journal, type Occurrence } from '../../src/agent/journal.ts';
import { Trend } from '../../src/agent/trend.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { CoreHarness, resources } from '../support/core-harness.ts';

const happened = (message: string, change: Partial<Occurrence> = {}): Occurrence => ({
  wallMs: 1_000,
  kind: 'upstream',
  level: 'info',
  message,
  ...change,
});

const update = (name: string, wallMs = 1_000): Occurrence =>
  happened('1 changed', { kind: 'update', typeUrl: 'T', wallMs, names: { added: [], changed: [name], removed: [] } });

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

describe('the journal', () => {
  test('events come in their order, whatever their kind, and each is told to who watches', () => {
    const journal = new Journal();
    const told: number[] = [];
    const unwatch = journal.watch(event => told.push(event.seq));
    journal.add(happened('a'));
    journal.add(update('x'));
    journal.add(update('y'));
    journal.add(happened('b'));
    unwatch();
    journal.add(update('z'));
    assert.deepEqual(told, [1, 2, 3, 4]);
    const messages = [...journal.events({})].map(({ seq, message }) => [seq, message]);
    assert.deepEqual(messages, [
      [1, 'a'],
      [2, '1 changed'],
      [3, '1 changed'],
      [4, 'b'],
      [5, '1 changed'],
    ]);
    assert.deepEqual(
      [...journal.events({ afterSeq: 3 })].map(event => event.seq),
      [4, 5],
    );
    assert.deepEqual(
      [...journal.events({ name: 'y' })].map(event => event.seq),
      [3],
    );
  });

  test('the same again is one event that is counted, unless it changed something', () => {
    const journal = new Journal();
    journal.add(happened('cannot reach'));
    journal.add(update('x'));
    journal.add(happened('cannot reach', { wallMs: 9_000 }));
    journal.add(update('x'));
    const [first, ...rest] = journal.events({});
    assert.deepEqual([first?.times, first?.wallMs, first?.lastWallMs, rest.length], [2, 1_000, 9_000, 2]);
    // Who asks for the last minutes is told what goes on in them, whenever it began.
    assert.deepEqual(
      [...journal.events({ sinceWallMs: 5_000 })].map(event => event.message),
      ['cannot reach'],
    );
  });

  test('the same of other resources, or of another node, is another event', () => {
    const journal = new Journal();
    journal.add(happened('names do not exist', { kind: 'missing', resources: ['a'] }));
    journal.add(happened('names do not exist', { kind: 'missing', resources: ['b'] }));
    journal.add(happened('names do not exist', { kind: 'missing', resources: ['b'] }));
    journal.add(happened('client left', { nodeId: 'one' }));
    journal.add(happened('client left', { nodeId: 'other' }));
    const events = [...journal.events({})].map(({ times, resources, nodeId }) => [
      times,
      resources?.names[0] ?? nodeId,
    ]);
    assert.deepEqual(events, [
      [1, 'a'],
      [2, 'b'],
      [1, 'one'],
      [1, 'other'],
    ]);
  });

  test('what others wrote is cut, and the rest of it is not kept', () => {
    const journal = new Journal();
    const long = (at: number): string => `${at}${Buffer.alloc(200_000, 'x').toString()}`;
    const before = heapBytes();
    for (let at = 0; at < 200; at++) {
      journal.add(happened(long(at), { nodeId: long(at), typeUrl: long(at), resources: [long(at)] }));
    }
    assert.ok(heapBytes() - before < 10_000_000, 'of 160 MB');
    const [event] = journal.events({});
    assert.deepEqual(
      [event?.nodeId?.length, event?.typeUrl?.length, event?.resources?.names[0]?.length],
      [256, 256, 256],
    );
    // Who asks for a long name by the whole of it is told the same.
    assert.equal([...journal.events({ name: long(7) })].length, 1);
  });

  test('updates without end neither grow without bound nor push the outage out', () => {
    const journal = new Journal();
    journal.add(happened('outage'));
    for (let at = 0; at < 20_000; at++) journal.add(update(`name-${at}-${'x'.repeat(400)}`));
    const events = [...journal.events({})];
    assert.equal(events[0]?.message, 'outage');
    assert.ok(JSON.stringify(events).length < 1_500_000);
    assert.match(events.at(-1)?.names?.changed.names[0] ?? '', /^name-19999-x+$/);
    assert.equal(events.at(-1)?.names?.changed.names[0]?.length, 256);
  });

  test('of ten thousand names some are told, and how many there are', () => {
    const journal = new Journal();
    const added = Array.from({ length: 10_000 }, (_, at) => `c${at}`);
    journal.add(happened('10000 added', { kind: 'update', names: { added, changed: [], removed: [] } }));
    const [event] = journal.events({});
    assert.deepEqual([event?.names?.added.count, event?.names?.added.names.length], [10_000, 50]);
  });

  test('filters go together', () => {
    const journal = new Journal();
    journal.add(update('x'));
    const [event] = journal.events({});
    assert.ok(event && isAsked({ typeUrl: 'T', kinds: ['update'], name: 'x' }, event));
    for (const query of [{ typeUrl: 'U' }, { kinds: ['disk'] }, { name: 'y' }, { viewKey: 'v' }]) {
      assert.ok(!isAsked(query, event), JSON.stringify(query));
    }
  });
});

describe('what has changed, by name and reason', () => {
  test('a response tells what it adds, changes and removes; one that changes nothing tells nothing', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'c'], 2), removed: ['b'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    // What comes back is new, although the client may have had it.
    harness.respond(clusterType, { resources: resources(clusterType, ['b']) });
    const told = harness.notes.flatMap(note => (note.kind === 'content_changed' ? note : []));
    const about = { kind: 'content_changed', typeUrl: clusterType, why: 'response' };
    assert.deepEqual(told, [
      { ...about, added: ['a', 'b'], changed: [], removed: [] },
      { ...about, added: ['c'], changed: ['a'], removed: ['b'] },
      { ...about, added: ['b'], changed: [], removed: [] },
    ]);
  });

  test('an error in place of a resource that is held changes nothing of it', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.notes.splice(0);
    harness.respond(clusterType, {
      resources: resources(clusterType, ['b'], 2),
      errors: [{ name: 'a', code: grpcCode.unavailable, message: 'later' }],
    });
    assert.deepEqual(
      harness.notes.flatMap(note =>
        note.kind === 'content_changed' ? [[note.added, note.changed, note.removed]] : [],
      ),
      [[[], ['b'], []]],
    );
  });

  test('a client is written news with the time at which they came', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.notes.splice(0);
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    const [sent] = harness.notes.filter(note => note.kind === 'client_sent');
    assert.equal(sent?.newsAtMs, harness.nowMs);
  });
});

describe('how long things take', () => {
  test('news are as old as the oldest response that a client has not been told of', () => {
    const arrivals = new Arrivals();
    assert.equal(arrivals.oldestAfter(0), undefined);
    arrivals.noted(3, 100);
    arrivals.noted(5, 200);
    assert.equal(arrivals.oldestAfter(0), 100);
    assert.equal(arrivals.oldestAfter(3), 200);
    assert.equal(arrivals.oldestAfter(5), undefined);
    assert.equal(arrivals.oldestAfter(-1), undefined, 'a first answer is no news');
    for (let at = 0; at < 100; at++) arrivals.noted(6 + at, 300 + at);
    assert.equal(arrivals.oldestAfter(3), undefined, 'what is not remembered is not guessed');
    assert.equal(arrivals.oldestAfter(104), 399);
  });

  test('a histogram counts each value once, below its bound or above all', () => {
    const histogram = new Histogram([1, 2]);
    for (const value of [0.5, 1, 1.5, 99]) histogram.observe(value);
    assert.deepEqual(histogram.counts(), [2, 1, 1]);
    assert.equal(histogram.sum, 102);
    assert.equal(quantile([1, 2], [2, 2, 0], 0.5), 1);
    assert.equal(quantile([1, 2], [2, 2, 0], 0.75), 1.5);
    assert.equal(quantile([1, 2], [0, 0, 5], 0.5), 2);
    assert.equal(quantile([1, 2], [0, 0, 0], 0.5), undefined);
  });

  test('a trend tells what happened between two looks, and keeps an hour', () => {
    const trend = new Trend();
    const look = { oldestAgeMs: 0, isConnected: true, clients: 1, resources: 2, residentBytes: 3 };
    const counts = (first: number): number[] => [first, ...new Array<number>(timeBounds.length).fill(0)];
    trend.take({ ...look, wallMs: 0, propagation: counts(10) });
    trend.take({ ...look, wallMs: 10_000, propagation: counts(10) });
    const [busy, quiet] = trend.points();
    assert.deepEqual([busy?.updates, busy?.propagationP99Ms], [10, 0.495]);
    assert.deepEqual([quiet?.updates, quiet?.propagationP99Ms], [0, undefined]);
    for (let at = 2; at < 1_000; at++) trend.take({ ...look, wallMs: at * 10_000, propagation: counts(10) });
    assert.deepEqual([trend.points().length, trend.points()[0]?.wallMs], [360, 6_400_000]);
  });
});
