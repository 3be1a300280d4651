import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonIn } from '../../src/admin/words.ts';
import { filterClients, renderClients } from '../../src/cli/client-text.ts';
import { noPaint, paintFor } from '../../src/cli/paint.ts';
import { renderStatus } from '../../src/cli/status-text.ts';
import { clientReport, clustersReport, reportWith, statusWith, upstreamReport } from '../support/reports.ts';

const escapeCode = '\u001b';

test('with a hundred clients the status stays on a screen, and shows those that something is up with', () => {
  const clients = Array.from({ length: 100 }, (_, index) =>
    index === 42
      ? clientReport('bad', { status: 'REJECTED', lastError: 'no such cluster' }, { streamId: 1_042 })
      : clientReport(`node-${index}`),
  );
  const served = { upstreams: [upstreamReport()], types: [clustersReport()] };
  const text = renderStatus(statusWith({ ...served, clients }), noPaint);
  assert.ok(text.split('\n').length < 24, text);
  assert.match(text, /^DEGRADED: client 'bad' rejects CDS: no such cluster$/m);
  assert.match(text, /^CDS .* 99 SYNCED, 1 REJECTED$/m);
  assert.match(text, /^ *1042 +bad +delta +6 s +REJECTED CDS +no such cluster$/m);
  assert.match(text, /^and 99 more clients: weir clients$/m);
  const calm = renderStatus(statusWith({ ...served, clients: clients.filter(one => one.nodeId !== 'bad') }), noPaint);
  assert.match(calm, /^CLIENTS 99, each has all that it asked for \(weir clients\)$/m);
});

test('what a client or a control plane says cannot move the cursor of a terminal', () => {
  const node = `a\nOK: all is well${escapeCode}[2J`;
  const clients = [clientReport(node, { status: 'REJECTED', lastError: `${escapeCode}[2Jgone` })];
  const upstreams = [upstreamReport({ phase: 'backoff', lastError: `14: ${escapeCode}]0;title\u0007` })];
  const text = renderStatus(statusWith({ clients, upstreams }), noPaint);
  assert.equal(text.includes(escapeCode), false);
  assert.doesNotMatch(text, /^OK:/m);
  const report = reportWith({ clients });
  const shown = renderClients(clients, report, noPaint);
  assert.deepEqual([shown.includes(escapeCode), /^OK:/m.test(shown)], [false, false]);
});

test('of what Envoy says the reason is shown, not the resource that it quotes before it', () => {
  const words =
    'goo.gle/debugstr  name: "a" connect_timeout { } load { x: "}" } : bad (Timeout: must be greater than 0s)';
  assert.equal(reasonIn(words), 'bad (Timeout: must be greater than 0s)');
  assert.equal(reasonIn(`node n1: ${words}`), 'node n1: bad (Timeout: must be greater than 0s)');
  assert.equal(reasonIn('cluster a : no\nsuch'), 'cluster a : no such');
  assert.equal(reasonIn('x'.repeat(300)).length, 160);
});

test('colours are for a terminal, unless NO_COLOR is set', () => {
  const report = statusWith({ clients: [clientReport('a', { status: 'REJECTED' })] });
  const coloured = (isTTY: boolean, environment: NodeJS.ProcessEnv): boolean =>
    renderStatus(report, paintFor({ isTTY }, environment)).includes(escapeCode);
  assert.equal(coloured(true, {}), true);
  assert.equal(coloured(true, { NO_COLOR: '1' }), false);
  assert.equal(coloured(true, { TERM: 'dumb' }), false);
  assert.equal(coloured(false, {}), false);
});

test('clients are found by node, type and status, and shown with what they rejected', () => {
  const rejected = { count: 9, names: ['x', 'y'] };
  const clients = [
    clientReport('sidecar-1'),
    clientReport('sidecar-2', { status: 'REJECTED', lastError: 'no', rejected }),
    clientReport('gateway', {}, { types: [] }),
  ];
  const found = (filter: Parameters<typeof filterClients>[1]) => filterClients(clients, filter).map(one => one.nodeId);
  assert.deepEqual(found({}), ['sidecar-1', 'sidecar-2', 'gateway']);
  assert.deepEqual(found({ node: 'side' }), ['sidecar-1', 'sidecar-2']);
  assert.deepEqual(found({ status: 'REJECTED' }), ['sidecar-2']);
  assert.deepEqual(found({ typeUrl: 'other' }), []);
  const text = renderClients(clients, reportWith({ clients }), noPaint);
  assert.match(text, /^ *1 +sidecar-2 +CDS +REJECTED +all +7 +x, y and 7 more +no$/m);
  assert.match(text, /^ *1 +gateway +c +envoy 1.40 +delta +127.0.0.1:15910 +6 s$/m);
});
