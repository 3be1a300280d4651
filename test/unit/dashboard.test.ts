import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AgentEvent, TrendPoint } from '../../src/admin/agent-event.ts';
import { EventLog } from '../../src/admin/dashboard/event-log.js';
import { connectionRuns, decades, inRows, inWords, lines, niceTop } from '../../src/admin/dashboard/plot.js';
import { clockTime, count, labelsOf, latency, oneLine, size, span } from '../../src/admin/dashboard/words.js';
import { clusterType } from '../../src/xds/type-urls.ts';

describe('events of the dashboard', () => {
  const event = (seq: number, message: string, change: Partial<AgentEvent> = {}): AgentEvent => ({
    seq,
    wallMs: seq,
    lastWallMs: seq,
    times: 1,
    kind: 'upstream',
    level: 'info',
    message,
    ...change,
  });
  const joined = { kind: 'client' } as const;

  function shown(log: EventLog) {
    return log
      .newestFirst()
      .map(({ key, event: { message, times, wallMs, lastWallMs } }) => [key, message, times, wallMs, lastWallMs]);
  }

  test('attempts that take turns with their failures are two events, counted, until something else happens', () => {
    const log = new EventLog(10);
    const all = [
      event(1, 'joined', joined),
      event(2, 'joined', joined),
      event(3, 'failed'),
      event(4, 'joined', joined),
      event(5, 'connecting'),
      event(6, 'failed'),
      event(7, 'connecting'),
      event(8, 'failed', { times: 3 }),
      event(9, 'failed', { typeUrl: 'other' }),
    ];
    for (const one of all) assert.ok(log.add(one, 'p'));
    const expected = [
      ['p-9', 'failed', 1, 9, 9],
      ['p-6', 'failed', 4, 6, 8],
      ['p-5', 'connecting', 2, 5, 7],
      ['p-4', 'joined', 1, 4, 4],
      ['p-3', 'failed', 1, 3, 3],
      ['p-2', 'joined', 1, 2, 2],
      ['p-1', 'joined', 1, 1, 1],
    ];
    assert.deepEqual(shown(log), expected);
    // A stream that is opened anew tells them once more.
    for (const one of all) assert.equal(log.add(one, 'p'), false);
    assert.deepEqual(shown(log), expected);
  });

  test('what happens again under its number is counted as the agent counts it', () => {
    const log = new EventLog(10);
    log.add(event(1, 'failed'), 'p');
    log.add(event(2, 'connecting'), 'p');
    log.add(event(3, 'failed'), 'p');
    log.add(event(3, 'failed', { times: 5, lastWallMs: 30 }), 'p');
    assert.deepEqual(shown(log), [
      ['p-2', 'connecting', 1, 2, 2],
      ['p-1', 'failed', 6, 1, 30],
    ]);
  });

  test('another process counts from 1 again; the oldest go where there are too many', () => {
    const log = new EventLog(2);
    log.add(event(7, 'old', joined), 'p');
    log.add(event(8, 'later', joined), 'p');
    assert.ok(log.add(event(1, 'new', joined), 'q'));
    assert.deepEqual(shown(log), [
      ['q-1', 'new', 1, 1, 1],
      ['p-8', 'later', 1, 8, 8],
    ]);
  });
});

describe('charts of the dashboard', () => {
  const point = (seconds: number, change: Partial<TrendPoint> = {}): TrendPoint => ({
    wallMs: seconds * 1_000,
    updates: 0,
    propagationP50Ms: undefined,
    propagationP99Ms: undefined,
    oldestAgeMs: 0,
    isConnected: true,
    clients: 1,
    resources: 1,
    residentBytes: 1,
    ...change,
  });
  const frame = { x: (ms: number) => ms / 1000, y: (value: number) => 100 - value };

  test('a line ends where nothing is known, and what stands alone is a dot', () => {
    const drawn = lines(
      [
        [0, 1],
        [1_000, 2],
        [2_000, undefined],
        [30_000, 5],
        [90_000, 7],
      ],
      frame,
      25_000,
    );
    assert.deepEqual(drawn, {
      path: 'M0.0 99.0L1.0 98.0',
      dots: [
        [30, 95],
        [90, 93],
      ],
    });
    assert.deepEqual(lines([], frame, 1), { path: '', dots: [] });
  });

  test('connected and away are runs, and a pause in what is known is neither', () => {
    const points = [
      point(10),
      point(20),
      point(30, { isConnected: false }),
      point(40, { isConnected: false }),
      point(100),
    ];
    assert.deepEqual(
      connectionRuns(points, 10_000).map(run => [run.isConnected, run.fromWallMs / 1000, run.toWallMs / 1000]),
      [
        [true, 0, 20],
        [false, 20, 40],
        [true, 90, 100],
      ],
    );
  });

  test('axes end at round numbers', () => {
    assert.deepEqual(
      [niceTop(0), niceTop(10_001), niceTop(3_700_000), niceTop(90_000_000)],
      [10_000, 20_000, 7_200_000, 172_800_000],
    );
    assert.deepEqual(decades([]), [1, 10]);
    assert.deepEqual(decades([0.4, 230]), [0.1, 1000]);
  });

  test('the words and the table say what the pictures show', () => {
    const points = [
      point(300, { updates: 2, propagationP50Ms: 1.24, propagationP99Ms: 48.4 }),
      point(310, { isConnected: false, oldestAgeMs: 10_000 }),
      point(320, { updates: 1, propagationP50Ms: 0.8, propagationP99Ms: 3 }),
      point(600, { oldestAgeMs: 70_000 }),
    ];
    const words = inWords(points, 10_000);
    assert.match(
      words.latency,
      /^Last: half within 0\.8 ms, 99 of 100 within 3 ms\. Slowest: 48 ms at \d\d:05\. 3 messages with news\.$/,
    );
    assert.equal(words.age, 'Now 1 min 10 s old; at most 1 min 10 s old.');
    assert.equal(words.connection, 'Away once, 10 s in all.');
    assert.deepEqual(inRows(points, 10_000), [
      { fromWallMs: 600_000, updates: 0, p99Ms: undefined, oldestAgeMs: 70_000, awayMs: 0 },
      { fromWallMs: 300_000, updates: 3, p99Ms: 48.4, oldestAgeMs: 10_000, awayMs: 10_000 },
    ]);
    assert.deepEqual(inWords([], 10_000), {
      latency: 'No news was sent to a client.',
      age: 'Nothing was heard yet.',
      connection: 'Nothing is known yet.',
    });
  });
});

test('words of the dashboard: spans, sizes, times, names', () => {
  assert.deepEqual([0, 59_999, 60_000, 75_000, 700_000, 3_600_000, 5_400_000, 90_000_000, 200_000_000].map(span), [
    '0 s',
    '59 s',
    '1 min',
    '1 min 15 s',
    '11 min',
    '1 h',
    '1 h 30 min',
    '25 h',
    '2 d',
  ]);
  assert.deepEqual([0.123, 4.56, 45.6, 1_250].map(latency), ['0.12 ms', '4.6 ms', '46 ms', '1.3 s']);
  assert.deepEqual([999, 1_000, 999_499, 1_234_567, 2_500_000_000].map(size), [
    '999 B',
    '1 kB',
    '999 kB',
    '1.23 MB',
    '2.5 GB',
  ]);
  assert.equal(count(1234567), '1 234 567');
  const noon = new Date(2026, 4, 6, 12, 3, 4).getTime();
  assert.deepEqual([clockTime(noon, noon + 1), clockTime(noon, noon + 86_400_000)], ['12:03:04', '5/6 12:03:04']);
  assert.equal(oneLine(' a\n\tb\u0000c ', 4), 'a b…');
  const clusters = { typeUrl: clusterType, shortName: 'CDS' };
  const mesh = (version: string) => ({
    typeUrl: `networking.istio.io/${version}/Gateway`,
    shortName: `networking.istio.io/${version}/Gateway`,
  });
  assert.deepEqual([...labelsOf([clusters, mesh('v1'), clusters]).values()], ['CDS', 'Gateway']);
  assert.deepEqual(
    [...labelsOf([mesh('v1'), mesh('v1alpha3')]).values()],
    [mesh('v1').typeUrl, mesh('v1alpha3').typeUrl],
  );
});
