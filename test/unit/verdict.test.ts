import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentReport } from '../../src/admin/reports.ts';
import { verdictOf as judged } from '../../src/admin/verdict.ts';
import { clientReport, clustersReport, noLoad, reportWith, upstreamReport } from '../support/reports.ts';

const ready = { isOk: true, reason: 'fine' };

/** The verdict, what to do about the worst as it is printed, and what there is besides. */
function verdictOf(...args: Parameters<typeof judged>) {
  const verdict = judged(...args);
  const isFine = verdict.state === 'ok';
  const [worst, ...others] = verdict.findings;
  const advice = isFine ? [] : [worst?.toDo, worst?.command].filter(part => part !== undefined);
  return { ...verdict, toDo: advice.join(': ') || undefined, also: isFine ? verdict.findings : others };
}
const load = { ...noLoad, upstreamBytes: 1_000 };

/** An agent where all is well, but for the change. */
function fine(change: Partial<AgentReport> = {}): AgentReport {
  return reportWith({
    upstreams: [upstreamReport()],
    types: [clustersReport()],
    clients: [clientReport('a'), clientReport('b')],
    cache: { state: 'ok', error: undefined, sinceWallMs: undefined, bytes: 4_096, keepsSecrets: false },
    load,
    ...change,
  });
}

const away = upstreamReport({ phase: 'backoff', sinceWallMs: 701_000, lastError: '14: connection refused' });
const heldOnly = { isCurrent: false, ageMs: 300_000 };

test('all is well: what the clients have, and since when the control plane is there', () => {
  const { state, sentence, toDo, also, restart } = verdictOf(fine(), ready);
  assert.equal(state, 'ok');
  assert.equal(sentence, 'all 2 clients have what the control plane has (3 resources); connected to cp:18000 for 1 m');
  assert.deepEqual([toDo, also, restart.isSafe], [undefined, [], true]);
  assert.match(verdictOf(fine({ clients: [clientReport('a')] }), ready).sentence, /^the client has what/);
});

test('what the control plane has yet to confirm is not said to be what it has', () => {
  const types = [clustersReport({ ...heldOnly, source: 'disk' })];
  const { state, sentence } = verdictOf(fine({ types }), ready);
  assert.equal(state, 'ok');
  assert.match(
    sentence,
    /^2 clients served, with CDS as of 5 m ago, which the control plane has yet to confirm; connected to/,
  );
});

test('nothing is asked for yet', () => {
  const { state, sentence } = verdictOf(fine({ clients: [], types: [] }), ready);
  assert.equal(state, 'ok');
  assert.match(sentence, /^nothing is asked for yet: no client has connected; connected to cp:18000/);
  const idle = verdictOf(fine({ clients: [], types: [], upstreams: [] }), ready);
  assert.match(idle.sentence, /no control plane is asked for anything$/);
});

test('the control plane is away: since when, and how many clients are served from where', () => {
  const memory = verdictOf(fine({ upstreams: [away], types: [clustersReport(heldOnly)] }), ready);
  assert.equal(memory.state, 'degraded');
  assert.equal(
    memory.sentence,
    'the control plane cp:18000 has been away for 5 m (14: connection refused); 2 clients served from memory, as of 5 m ago',
  );
  assert.match(memory.toDo ?? '', /^mend the control plane/);
  const types = [clustersReport({ ...heldOnly, source: 'disk' })];
  assert.match(verdictOf(fine({ upstreams: [away], types, clients: [] }), ready).sentence, /ready to serve from disk/);
});

test('the control plane was never reached: clients wait, or are served from the disk', () => {
  const never = { upstreams: [away], load: noLoad };
  const nothing = verdictOf(fine({ ...never, types: [clustersReport({ source: 'none', resources: 0 })] }), ready);
  assert.equal(nothing.state, 'broken');
  assert.match(
    nothing.sentence,
    /^the control plane cp:18000 was not reached since the agent started 1 s ago \(14: .*nothing is held/,
  );
  assert.match(nothing.toDo ?? '', /setting upstream/);
  const disk = verdictOf(fine({ ...never, types: [clustersReport({ ...heldOnly, source: 'disk' })] }), ready);
  assert.equal(disk.state, 'degraded');
  assert.match(disk.sentence, /not reached.*2 clients served from disk, as of 5 m ago$/);
});

test('credentials are refused, since when', () => {
  const refused = upstreamReport({ phase: 'backoff', unauthenticatedSinceWallMs: 881_000 });
  const { state, sentence, toDo } = verdictOf(fine({ upstreams: [refused] }), ready);
  assert.equal(state, 'degraded');
  assert.match(sentence, /^the control plane cp:18000 has refused our credentials for 2 m/);
  assert.match(toDo ?? '', /certificate and token/);
});

test('another control plane than the first is in use: good to know, and no trouble', () => {
  const upstreams = [upstreamReport({ address: 'b:1' })];
  const { state, also } = verdictOf(fine({ upstreams, servers: ['a:1', 'b:1'] }), ready);
  assert.deepEqual([state, also.map(one => one.what)], ['ok', ['b:1 is in use, number 2 of 2 control planes']]);
  assert.deepEqual(verdictOf(fine({ upstreams, servers: ['b:1', 'a:1'] }), ready).findings, []);
});

test('what is read aloud holds no time that runs, and words have no line ends', () => {
  const quarantined = [{ name: 'x', words: 'a\nb', sinceWallMs: 941_000, served: 'nothing' as const }];
  const cache = { state: 'failing', error: 'EIO\nEIO', sinceWallMs: 941_000, bytes: 0, keepsSecrets: false } as const;
  const clients = [clientReport('a', { status: 'REJECTED', lastError: 'no\nno' })];
  const report = fine({ upstreams: [away], types: [clustersReport({ ...heldOnly, quarantined })], cache, clients });
  const { findings } = verdictOf(report, { isOk: false, reason: 'why' });
  const later = verdictOf({ ...report, nowWallMs: report.nowWallMs + 3_600_000 }, { isOk: false, reason: 'why' });
  assert.ok(findings.length >= 4);
  for (const [at, { what, words = '' }] of findings.entries()) {
    assert.equal(what, later.findings[at]?.what);
    assert.doesNotMatch(what + words, /\p{Cc}/u);
  }
});

test('names that do not exist are told, with the command that explains one; all is well otherwise', () => {
  const types = [clustersReport({ namesMissing: 4, missingNames: ['a b', 'c', 'd'] })];
  const { state, also } = verdictOf(fine({ types }), ready);
  assert.equal(state, 'ok');
  assert.deepEqual(
    also.map(one => [one.sentence, one.command]),
    [['4 names of CDS that clients ask for do not exist: a b, c, d …', "weir explain 'a b' CDS"]],
  );
});

test('an agent that nobody has asked for anything is starting, not broken', () => {
  const report = fine({ clients: [], types: [], upstreams: [] });
  const waiting = verdictOf(report, { isOk: false, reason: 'no client and no control plane yet' });
  assert.deepEqual([waiting.state, waiting.findings], ['starting', []]);
  assert.match(waiting.sentence, /^no client has connected yet/);
});

test('a rejection by some clients is told beside a quarantine of another type only', () => {
  const quarantined = [{ name: 'x', words: 'no', sinceWallMs: 941_000, served: 'last accepted' as const }];
  const clients = [clientReport('a', { status: 'REJECTED', lastError: 'no' })];
  const { findings } = verdictOf(fine({ clients, types: [clustersReport({ quarantined })] }), ready);
  assert.deepEqual(
    findings.map(one => one.what),
    ["CDS 'x' is rejected by every client"],
  );
});

test('a stream that is not in use, and one that nothing is asked on, are no trouble', () => {
  const upstreams = [upstreamReport(), { ...away, isInUse: false }, upstreamReport({ group: 'mcp', phase: 'idle' })];
  assert.equal(verdictOf(fine({ upstreams }), ready).state, 'ok');
});

test('a rejection names client, resource and words, and the command that explains it', () => {
  const rejected = { count: 3, names: ['reviews v2', 'x', 'y'] };
  const clients = [clientReport('a', { status: 'REJECTED', lastError: 'bad\ntimeout', rejected }), clientReport('b')];
  const one = verdictOf(fine({ clients }), ready);
  assert.equal(one.state, 'degraded');
  assert.equal(one.sentence, "client 'a' rejects CDS 'reviews v2' and 2 more: bad timeout");
  assert.equal(one.toDo, "weir explain 'reviews v2' CDS");
  const both = [clientReport('a', { status: 'REJECTED', lastError: 'no' }), clientReport('b', { status: 'REJECTED' })];
  const two = verdictOf(fine({ clients: both }), ready);
  assert.deepEqual([two.sentence, two.toDo], ['2 clients reject CDS: no', 'weir clients --status rejected']);
});

test('a quarantine says what is served instead; with nothing in its place it is broken', () => {
  const one = { name: 'reviews', words: 'bad', sinceWallMs: 941_000, served: 'last accepted' } as const;
  const kept = verdictOf(fine({ types: [clustersReport({ quarantined: [one] })] }), ready);
  assert.equal(kept.state, 'degraded');
  assert.match(
    kept.sentence,
    /^CDS 'reviews' was rejected by every client 1 m ago: bad; clients that start are given the content before it$/,
  );
  assert.equal(kept.toDo, 'weir explain reviews CDS');
  const quarantined = [{ ...one, served: 'nothing' as const }];
  assert.equal(verdictOf(fine({ types: [clustersReport({ quarantined })] }), ready).state, 'broken');
});

test('the guard holds removals back', () => {
  const { state, sentence, toDo } = verdictOf(fine({ types: [clustersReport({ heldRemovals: 2 })] }), ready);
  assert.equal(state, 'degraded');
  assert.match(sentence, /^the guard holds back 2 removals of CDS/);
  assert.match(toDo ?? '', /weir guard pass CDS$/);
});

test('too old: served all the same, or withheld from clients that start', () => {
  const stale = verdictOf(fine({ types: [clustersReport({ ...heldOnly, isStale: true })] }), ready);
  assert.deepEqual([stale.state, stale.sentence], ['degraded', 'CDS is older than allowed: it is as of 5 m ago']);
  const types = [clustersReport({ ...heldOnly, isStale: true, isWithheld: true })];
  const withheld = verdictOf(fine({ types }), ready);
  assert.deepEqual([withheld.state, withheld.also], ['broken', []]);
  assert.match(withheld.sentence, /^CDS is withheld from clients that start/);
});

test('the disk cannot be written, since when and why', () => {
  const cache = { state: 'failing', error: 'ENOSPC', sinceWallMs: 941_000, bytes: 0, keepsSecrets: false } as const;
  const { state, sentence } = verdictOf(fine({ cache }), ready);
  assert.deepEqual([state, sentence], ['degraded', 'the disk cache cannot be written for 1 m: ENOSPC']);
});

test('not ready comes before what is only not as it should be', () => {
  const types = [clustersReport({ heldRemovals: 1 })];
  const { state, sentence, also } = verdictOf(fine({ types }), {
    isOk: false,
    reason: "client 'a' still waits for CDS",
  });
  assert.deepEqual([state, sentence], ['broken', "not ready: client 'a' still waits for CDS"]);
  assert.equal(also.length, 1);
});

test('an agent that drains says so, and nothing else', () => {
  const { state, sentence, also } = verdictOf(fine({ isDraining: true, upstreams: [away] }), {
    isOk: false,
    reason: 'draining',
  });
  assert.deepEqual([state, also], ['draining', []]);
  assert.match(sentence, /clients are told to go \(2 clients left\)$/);
});

test('who was refused lately and has not come in since is told, what is long ago is not', () => {
  const refused = (nodeId: string, lastWallMs: number, times = 1) => ({
    nodeId,
    listener: 'l',
    code: 7,
    reason: 'no such node',
    times,
    firstWallMs: lastWallMs,
    lastWallMs,
  });
  const told = (...refusals: readonly ReturnType<typeof refused>[]): string =>
    verdictOf(fine({ refusals }), ready).sentence;
  assert.equal(told(refused('x', 1_000_900, 7)), "client 'x' was refused 100 ms ago (7 times): no such node");
  assert.equal(
    told(refused('', 1_000_900), refused('y', 1_000_800), refused('old', 1)),
    'a client that has not said who it is (and 1 other) was refused 100 ms ago: no such node',
  );
  assert.match(told(refused('old', 1)), /^all 2 clients have/);
});

test('a restart is safe while the control plane answers, or what is held is on disk', () => {
  const types = [clustersReport(heldOnly)];
  const restart = (change: Partial<AgentReport>) => verdictOf(fine(change), ready).restart;
  assert.match(restart({}).why, /^the control plane answers .* and it is on disk$/);
  assert.match(restart({ cache: undefined }).why, /gives again what is held$/);
  const onDisk = restart({ upstreams: [away], types });
  assert.deepEqual([onDisk.isSafe, /on disk/.test(onDisk.why)], [true, true]);
  const keys = { upstreams: [away], types: [{ ...clustersReport(heldOnly), shortName: 'SDS' }] };
  const inMemory = restart(keys);
  assert.equal(inMemory.isSafe, false);
  assert.match(inMemory.why, /^3 secrets are in memory only \(setting secrets\).*A restart of Envoy alone is safe$/);
  const cache = { state: 'ok', error: undefined, sinceWallMs: undefined, bytes: 1, keepsSecrets: true } as const;
  assert.equal(restart({ ...keys, cache }).isSafe, true);
  const lost = restart({ upstreams: [away], types, cache: undefined });
  assert.deepEqual([lost.isSafe, /no disk cache.*would get nothing$/.test(lost.why)], [false, true]);
  const failing = { state: 'failing', error: 'EIO', sinceWallMs: 1, bytes: 0, keepsSecrets: false } as const;
  assert.match(
    restart({ upstreams: [away], types, cache: failing, isSeeded: true }).why,
    /cannot be written: only the seed/,
  );
  assert.equal(restart({ upstreams: [away], types: [], cache: undefined }).isSafe, true);
});
