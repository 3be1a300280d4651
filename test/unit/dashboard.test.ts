import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AgentEvent, TrendPoint } from '../../src/admin/agent-event.ts';
import { EventLog } from '../../src/admin/dashboard/event-log.js';
import { connectionRuns, decades, inRows, inWords, lines, niceTop } from '../../src/admin/dashboard/plot.js';
import { verdictOf } from '../../src/admin/dashboard/verdict.js';
import { clockTime, count, labelsOf, latency, oneLine, size, someOf, span } from '../../src/admin/dashboard/words.js';
import type { AgentReport, ClientReport, TypeReport, UpstreamReport } from '../../src/admin/reports.ts';
import { reportWith } from '../support/reports.ts';

const upstream: UpstreamReport = {
  viewKey: 'v',
  group: 'main',
  isInUse: true,
  phase: 'open',
  variant: 'delta',
  address: 'cp-1:18000',
  identifier: 'cp',
  sinceWallMs: 5_000,
  lastError: undefined,
  unauthenticatedSinceWallMs: undefined,
};

const clusters: TypeReport = {
  viewKey: 'v',
  typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  shortName: 'CDS',
  state: 'known',
  source: 'upstream',
  isCurrent: true,
  ageMs: 0,
  isStale: false,
  isWithheld: false,
  versionInfo: '1',
  resources: 3,
  bytes: 300,
  updatedWallMs: 1,
  isWildcardWanted: true,
  namesWanted: 0,
  namesMissing: 0,
  idleResources: 0,
  isListIdle: false,
  idleUntilWallMs: undefined,
  quarantined: [],
  heldRemovals: 0,
};

function verdict(change: Partial<AgentReport>, isOk = true) {
  const report = reportWith({
    upstreams: [upstream],
    servers: ['cp-1:18000', 'cp-2:18000'],
    types: [clusters],
    ...change,
  });
  return verdictOf({ ...report, ready: { isOk, reason: 'as the agent says' } });
}

describe('the verdict of the dashboard', () => {
  test('nothing is wrong', () => {
    assert.deepEqual(verdict({}), {
      level: 'ok',
      headline: 'All is well',
      reason: 'as the agent says',
      more: 0,
      problems: [],
    });
  });

  test('not ready comes before all else, with what is behind it', () => {
    const away = { ...upstream, phase: 'backoff', sinceWallMs: 0, lastError: 'no route' } as const;
    const { level, headline, problems } = verdict({ upstreams: [away], types: [] }, false);
    assert.deepEqual([level, headline], ['bad', 'Not ready']);
    assert.deepEqual(
      [problems[0]?.level, problems[0]?.what, problems[0]?.words],
      ['bad', 'The control plane cp-1:18000 was not reached yet', 'no route'],
    );
    assert.match(problems[0]?.todo ?? '', /^Nothing is kept/);
  });

  test('a control plane that is away: since when, why, and whether a restart is safe', () => {
    const away = { ...upstream, phase: 'connecting', sinceWallMs: 7_000 } as const;
    const cache = { state: 'ok', error: undefined, sinceWallMs: undefined, bytes: 1 } as const;
    const seen = verdict({ upstreams: [away], cache });
    assert.deepEqual(
      [seen.level, seen.headline, seen.sinceWallMs],
      ['warn', 'Serving. The control plane cp-1:18000 is away', 7_000],
    );
    assert.match(seen.problems[0]?.todo ?? '', /A restart of the agent is safe: what it keeps is on disk\./);
    assert.match(
      verdict({ upstreams: [away] }).problems[0]?.todo ?? '',
      /Do not restart the agent: what it keeps is in memory alone/,
    );
    const failing = verdict({ upstreams: [away], cache: { ...cache, state: 'failing', error: 'no space' } });
    assert.match(failing.problems[0]?.todo ?? '', /Do not restart the agent: the disk has less/);
    assert.equal(failing.problems[1]?.words, 'no space');
    const secrets = { ...clusters, typeUrl: 'type.googleapis.com/x.v3.Secret', shortName: 'SDS' };
    assert.match(
      verdict({ upstreams: [away], cache, types: [secrets] }).problems[0]?.todo ?? '',
      /secrets only if they are kept encrypted/,
    );
    assert.equal(
      verdict({ upstreams: [{ ...away, isInUse: false }, upstream] }).level,
      'ok',
      'what is only tried is not missed',
    );
  });

  test('the second control plane in use is a note, refused credentials are worse than all but not ready', () => {
    const second = { ...upstream, address: 'cp-2:18000' };
    const seen = verdict({ upstreams: [second] });
    assert.equal(seen.level, 'ok');
    assert.equal(seen.problems[0]?.what, 'cp-2:18000 is in use, number 2 of 2 control planes');
    const refused = { ...upstream, phase: 'backoff', unauthenticatedSinceWallMs: 9_000 } as const;
    const worst = verdict({ upstreams: [refused] });
    assert.deepEqual([worst.level, worst.problems.map(one => one.level)], ['bad', ['bad', 'warn']]);
    assert.deepEqual([worst.headline, worst.more], ['Serving. cp-1:18000 does not accept our certificate or token', 1]);
  });

  test('what clients reject, the guard holds back, is too old or missing: each with what to do', () => {
    const quarantined = ["it's", 'b', 'c', 'd'].map((name, at) => ({
      name,
      words: 'bad\nthing',
      sinceWallMs: 100 - at,
      served: 'last accepted' as const,
    }));
    const { problems, sinceWallMs } = verdict({
      types: [{ ...clusters, quarantined, heldRemovals: 2, isStale: true, namesMissing: 1 }],
    });
    assert.deepEqual(
      problems.map(({ level, what, command }) => [level, what, command]),
      [
        ['warn', "CDS: clients reject it's, b, c and 1 more", `weir explain 'it'\\''s'`],
        ['warn', 'CDS: the guard holds back 2 removals', 'weir guard pass CDS'],
        ['warn', 'CDS is older than allowed', undefined],
        ['note', 'CDS: 1 name asked for that does not exist', undefined],
      ],
    );
    assert.equal(problems[0]?.words, 'bad thing');
    assert.equal(sinceWallMs, 97);
  });

  test('a rejection by some clients is told once for a type, with their names; of a quarantine it is not told again', () => {
    const type = {
      typeUrl: clusters.typeUrl,
      shortName: 'CDS',
      status: 'REJECTED',
      isComplete: true,
      lastAckedVersion: '',
      lastError: 'no',
    } as const;
    const client = (nodeId: string): ClientReport => ({
      streamId: 1,
      viewKey: 'v',
      nodeId,
      nodeCluster: '',
      userAgent: '',
      variant: 'delta',
      listener: '',
      connectedWallMs: 0,
      types: [type],
    });
    const clients = [client('a'), client('b'), client('a')];
    assert.deepEqual(
      verdict({ clients }).problems.map(one => [one.what, one.words]),
      [['CDS: rejected by a, b', 'no']],
    );
    const quarantined = [{ name: 'x', words: 'no', sinceWallMs: 1, served: 'nothing' as const }];
    const seen = verdict({ clients, types: [{ ...clusters, quarantined }] });
    assert.deepEqual(
      seen.problems.map(one => one.what),
      ['CDS: clients reject x'],
    );
    assert.match(seen.problems[0]?.todo ?? '', /are given nothing in its place/);
  });
});

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
  assert.equal(someOf(['a', 'b'], 1), 'a and 1 more');
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
