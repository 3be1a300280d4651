import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LoadRelay } from '../../src/agent/load-relay.ts';
import { Backoff } from '../../src/upstream/backoff.ts';
import { grpcCode } from '../../src/xds/types.ts';

const [first, second, third, fourth] = ['first', 'second', 'third', 'fourth'].map(text => Buffer.from(text));
assert.ok(first && second && third && fourth);
const relay = (): LoadRelay => new LoadRelay(new Backoff(100, 1_000, () => 0.5));

describe('relay of load reports', () => {
  test('R128: nothing is dialled before the client speaks; its first report goes first, and each waits for the one before', () => {
    const machine = relay();
    assert.deepEqual(machine.report(first), [{ kind: 'dial' }]);
    assert.deepEqual(machine.opened(), [{ kind: 'send', bytes: first }]);
    assert.deepEqual(machine.report(second), []);
    assert.deepEqual(machine.left(), [{ kind: 'send', bytes: second }]);
    assert.deepEqual(machine.left(), []);
    assert.deepEqual(machine.report(third), [{ kind: 'send', bytes: third }]);
    assert.deepEqual(machine.heard(fourth), [{ kind: 'deliver', bytes: fourth }]);
    assert.equal(machine.dropped, 0);
  });

  test('R128: of reports that pile up one is kept, the newest, and the others are counted', () => {
    const machine = relay();
    machine.report(first);
    machine.opened();
    for (const bytes of [second, third, fourth]) assert.deepEqual(machine.report(bytes), []);
    assert.equal(machine.dropped, 2);
    assert.deepEqual(machine.left(), [{ kind: 'send', bytes: fourth }]);
  });

  test('R128: while the control plane is away reports are dropped and counted, and the node goes first when it is back', () => {
    const machine = relay();
    machine.report(first);
    machine.opened();
    machine.report(second);
    assert.deepEqual(machine.ended(grpcCode.unavailable, 'away'), [{ kind: 'retry_in', ms: 50 }]);
    assert.deepEqual(machine.report(third), []);
    assert.equal(machine.dropped, 2);
    assert.deepEqual(machine.retry(), [{ kind: 'dial' }]);
    assert.deepEqual(machine.ended(grpcCode.unavailable, 'away'), [{ kind: 'retry_in', ms: 100 }]);
    machine.retry();
    assert.deepEqual(machine.opened(), [{ kind: 'send', bytes: first }]);
    machine.left();
    assert.deepEqual(machine.report(fourth), [{ kind: 'send', bytes: fourth }]);
    machine.heard(second);
    assert.deepEqual(machine.ended(grpcCode.ok, ''), [{ kind: 'retry_in', ms: 50 }], 'a word resets the back-off');
  });

  test('R128: that a control plane takes no reports is passed on', () => {
    const machine = relay();
    machine.report(first);
    assert.deepEqual(machine.ended(grpcCode.unimplemented, 'no LRS here'), [
      { kind: 'refuse', status: { code: grpcCode.unimplemented, message: 'no LRS here' } },
    ]);
  });
});
