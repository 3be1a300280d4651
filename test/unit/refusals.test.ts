import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Refusals } from '../../src/agent/refusals.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { CoreHarness, harnessSettings } from '../support/core-harness.ts';

const refused = { kind: 'client_refused', streamId: 1, code: 7, reason: 'no', listener: 'tcp', nodeId: 'n' } as const;
const attached = { kind: 'client_attached', streamId: 2, nodeId: 'n', variant: 'delta', listener: 'unix' } as const;

describe('clients that were refused lately', () => {
  test('one for each node, listener and reason, counted, the newest first', () => {
    const refusals = new Refusals();
    refusals.observe(refused, 1_000);
    refusals.observe({ ...refused, listener: 'unix' }, 2_000);
    refusals.observe(refused, 3_000);
    const { kind: _, streamId: _id, ...about } = refused;
    assert.deepEqual(refusals.list(4_000), [
      { ...about, times: 2, firstWallMs: 1_000, lastWallMs: 3_000 },
      { ...about, listener: 'unix', times: 1, firstWallMs: 2_000, lastWallMs: 2_000 },
    ]);
  });

  test('a node that is let in was refused no longer, others were', () => {
    const refusals = new Refusals();
    refusals.observe(refused, 0);
    refusals.observe({ ...refused, nodeId: 'other' }, 0);
    refusals.observe(attached, 0);
    assert.deepEqual(
      refusals.list(0).map(one => one.nodeId),
      ['other'],
    );
  });

  test('they are few and short, and go after a while', () => {
    const refusals = new Refusals();
    for (let at = 0; at < 1_000; at++) {
      refusals.observe({ ...refused, nodeId: `${at} ${'x'.repeat(10_000)}`, reason: 'y'.repeat(10_000) }, at);
    }
    const list = refusals.list(1_000);
    assert.deepEqual([list.length, list[0]?.nodeId.startsWith('999 ')], [32, true]);
    assert.ok(JSON.stringify(list).length < 50_000);
    assert.equal(refusals.list(999 + 15 * 60_000).length, 1);
    assert.equal(refusals.list(1_000 + 15 * 60_000).length, 0);
  });

  test('the core says whom it refuses: the node that the client says it is, and where it came to', () => {
    const harness = new CoreHarness({ ...harnessSettings, nodeSharing: 'refuse' });
    harness.client('delta', 'first').send({ typeUrl: clusterType });
    harness.notes.splice(0);
    harness.client('sotw', 'second').send({ typeUrl: clusterType });
    const [note] = harness.notes.filter(one => one.kind === 'client_refused');
    assert.deepEqual([note?.nodeId, note?.code], ['second', grpcCode.permissionDenied]);
    assert.ok(note?.listener, 'the listener has a name');
  });
});
