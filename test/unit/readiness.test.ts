import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  AgentReport,
  ClientReport,
  ClientTypeReport,
  TypeReport,
  UpstreamReport,
} from '../../src/admin/reports.ts';
import { readyVerdict, startedVerdict } from '../../src/agent/readiness.ts';
import { clustersReport, reportWith } from '../support/reports.ts';

const graceMs = 30_000;

function upstreamWith(phase: UpstreamReport['phase'], lastError?: string): UpstreamReport {
  const fixed = {
    viewKey: 'v',
    group: 'main',
    isInUse: true,
    variant: 'delta',
    address: 'cp:1',
    identifier: '',
  } as const;
  return { ...fixed, phase, sinceWallMs: 1_000_000, lastError, unauthenticatedSinceWallMs: undefined };
}

function typeWith(state: TypeReport['state']): TypeReport {
  return clustersReport({ state, versionInfo: '1', resources: 0, bytes: 0, updatedWallMs: undefined });
}

/** A client with a type for each entry: its short name, and whether all of it was sent. */
function clientWith(nodeId: string, types: Readonly<Record<string, boolean>>): ClientReport {
  const report = ([shortName, isComplete]: [string, boolean]): ClientTypeReport => ({
    typeUrl: `type.googleapis.com/${shortName}`,
    shortName,
    status: isComplete ? 'SYNCED' : 'NOT SENT',
    isComplete,
    lastAckedVersion: '',
    lastError: undefined,
  });
  const fixed = { streamId: 1, viewKey: 'v', nodeCluster: '', userAgent: '', variant: 'delta', listener: '' } as const;
  return { ...fixed, nodeId, connectedWallMs: 1_000_500, types: Object.entries(types).map(report) };
}

function ready(change: Partial<AgentReport>, isStrict = false) {
  return readyVerdict(reportWith(change), { readyGraceMs: graceMs, isStrict });
}

test('started means listening, and waits for neither client nor control plane', () => {
  assert.equal(startedVerdict(reportWith({})).isOk, true);
  assert.deepEqual(startedVerdict(reportWith({ isListening: false })), { isOk: false, reason: 'not listening yet' });
  assert.deepEqual(startedVerdict(reportWith({ isListening: false, isDraining: true })), {
    isOk: false,
    reason: 'draining',
  });
});

test('an agent that is not started is not ready, whatever else holds', () => {
  const types = [typeWith('known')];
  const verdict = ready({ isListening: false, isDraining: true, types, upstreams: [upstreamWith('open')] });
  assert.deepEqual(verdict, { isOk: false, reason: 'draining' });
});

test('without a client, ready takes a known type, an open upstream or the end of the grace', () => {
  const waiting = ready({ types: [typeWith('unknown')], upstreams: [upstreamWith('connecting')] });
  assert.equal(waiting.isOk, false);
  assert.match(waiting.reason, /grace ends in 29000 ms/);
  assert.equal(ready({ types: [typeWith('known')] }).isOk, true);
  assert.equal(ready({ upstreams: [upstreamWith('backoff'), upstreamWith('open')] }).isOk, true);
  assert.equal(ready({ nowWallMs: 1_000_000 + graceMs - 1 }).isOk, false);
  assert.equal(ready({ nowWallMs: 1_000_000 + graceMs }).isOk, true);
});

test('with clients, ready waits until each has all that it asked for, and names who waits for what', () => {
  const upstreams = [upstreamWith('open')];
  const full = clientWith('a', { CDS: true, LDS: true });
  const partial = clientWith('b', { CDS: true, LDS: false, RDS: false });
  assert.deepEqual(ready({ upstreams, clients: [full, partial], nowWallMs: 9_000_000 }), {
    isOk: false,
    reason: "client 'b' still waits for LDS, RDS",
  });
  assert.equal(ready({ upstreams, clients: [full, full] }).isOk, true);
});

test('a stream that has asked for nothing yet counts as no client', () => {
  assert.equal(ready({ clients: [clientWith('', {})] }).isOk, false);
  assert.equal(ready({ clients: [clientWith('', {})], types: [typeWith('known')] }).isOk, true);
});

test('ready outlives the control plane; strict does not and says why', () => {
  const outage = {
    upstreams: [upstreamWith('backoff', '14 UNAVAILABLE: gone')],
    clients: [clientWith('a', { CDS: true })],
  };
  assert.equal(ready(outage).isOk, true);
  assert.deepEqual(ready(outage, true), {
    isOk: false,
    reason: 'no stream to the control plane (14 UNAVAILABLE: gone)',
  });
  assert.equal(ready({ ...outage, upstreams: [upstreamWith('open')] }, true).isOk, true);
  assert.equal(ready({}, true).isOk, false);
});
