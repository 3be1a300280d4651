import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Counters } from '../../src/agent/counters.ts';
import { noPaint } from '../../src/cli/paint.ts';
import { renderStatus } from '../../src/cli/status-text.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { CoreHarness, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { statusWith } from '../support/reports.ts';

// The load on the control plane as a figure: what it was sent, and what it did not have to send (issue 7).

/** Resources that the messages since the last look had from the cache. */
function resent(harness: CoreHarness): number[] {
  const notes = harness.notes.splice(0);
  return notes.flatMap(note => (note.kind === 'client_sent' ? note.resent : []));
}

describe('resends avoided', () => {
  test('are the resources that a client is given after another one was', () => {
    const harness = new CoreHarness();
    const [one, two] = [harness.client('delta'), harness.client('delta')];
    for (const client of [one, two]) client.send({ typeUrl: endpointType, names: ['a', 'b'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
    assert.deepEqual(resent(harness), [0, 2]);
    harness.respond(endpointType, { resources: resources(endpointType, ['a'], 2) });
    assert.deepEqual(resent(harness), [0, 1]);
    one.send({ typeUrl: endpointType, names: ['b'] });
    assert.deepEqual(resent(harness), [1], 'asked for again');
    const other = harness.client('delta');
    other.send({ typeUrl: endpointType, names: ['c'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['c']) });
    assert.deepEqual(resent(harness), [0], 'nobody was sent it before');
  });

  test('in a whole list are all that did not change', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
    harness.advance(200);
    assert.deepEqual(resent(harness), [0]);
    client.ack(client.only(clusterType));
    harness.respond(clusterType, { resources: resources(clusterType, ['b'], 2) });
    assert.deepEqual(resent(harness), [2]);
  });

  test('after a restart are all that came from disk', () => {
    const disk = new MemoryDisk();
    const before = new CoreHarness({}, disk);
    const first = before.client('delta');
    first.send({ typeUrl: clusterType });
    before.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    first.ack(first.only(clusterType));
    before.advance(2_000);
    const after = new CoreHarness({}, disk);
    after.client('delta').send({ typeUrl: clusterType });
    assert.deepEqual(resent(after), [2]);
  });
});

test('what was saved is counted, and said in a line of weir status', () => {
  const counters = new Counters();
  counters.observe({ kind: 'client_sent', typeUrl: clusterType, bytes: 300 * 1024, resent: 7, newsAtMs: undefined });
  counters.observe({ kind: 'client_sent', typeUrl: endpointType, bytes: 100 * 1024, resent: 3, newsAtMs: undefined });
  for (const streamId of [1, 2, 3]) {
    counters.observe({ kind: 'client_attached', streamId, nodeId: 'n', variant: 'delta', listener: 'l' });
  }
  const applied = {
    kind: 'response_applied',
    typeUrl: clusterType,
    versionInfo: '1',
    changes: 1,
    removed: 0,
    ignored: 0,
    denied: 0,
  };
  counters.observe({ ...applied, kind: 'response_applied', resources: 5, bytes: 100 * 1024 });
  const note = { kind: 'stream_opened', variant: 'delta', address: 'cp:1' } as const;
  counters.observe({ kind: 'upstream', group: 'main', note, isTrial: false });
  counters.requested(50);
  counters.requested(70);
  const load = counters.load();
  assert.deepEqual(load, {
    upstreamStreams: 1,
    upstreamRequests: 2,
    upstreamBytes: 100 * 1024,
    clientStreams: 3,
    clientBytes: 400 * 1024,
    resendsAvoided: 10,
  });
  assert.match(
    renderStatus(statusWith({ load }), noPaint),
    /^SAVED the control plane 2 streams, 300\.0 KiB \(75 %\) and 10 resources sent again; it opened 1 stream to it, wrote 2 requests and was sent 100\.0 KiB$/m,
  );
  const samples = [...counters.samples()].map(({ name, value }) => [name, value]);
  for (const sample of [
    ['upstream_requests_total', 2],
    ['upstream_request_bytes_total', 120],
    ['upstream_resources_total', 5],
    ['upstream_resends_avoided_total', 3],
  ]) {
    assert.ok(
      samples.some(one => one.join() === sample.join()),
      `${sample.join()} of ${samples.join('; ')}`,
    );
  }
});
