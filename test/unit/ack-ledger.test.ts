import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AckLedger, quote } from '../../src/agent/ack-ledger.ts';
import { endpointType } from '../../src/xds/type-urls.ts';
import type { Nonce } from '../../src/xds/types.ts';

const waitMs = 1_000;
const nonce = (text: string) => text as Nonce;
const refusal = (message: string) => ({ code: 3, message });

/** A client's word on what lies between two revisions. */
function word(fromRevision: number, toRevision: number, error?: string) {
  const status = error === undefined ? undefined : refusal(error);
  const suspects = { names: [], areNamed: false };
  const revisions = { fromRevision, toRevision };
  return { typeUrl: endpointType, ...revisions, status, suspects, isProvisional: false, names: [], epoch: 0 };
}

/** A ledger with response `n1` of revision 1, on which these streams will speak. */
function opened(...voters: number[]): AckLedger {
  const ledger = new AckLedger('clients');
  open(ledger, 1, voters);
  return ledger;
}

/** Opens the response that brings this revision and changes `x`. */
function open(ledger: AckLedger, toRevision: number, voters: readonly number[], deadlineMs = waitMs): void {
  ledger.open({
    nonce: nonce(`n${toRevision}`),
    fromRevision: toRevision - 1,
    toRevision,
    names: new Set(['x']),
    concerned: new Set(voters),
    heardAtMs: 0,
    deadlineMs,
    standing: undefined,
  });
}

describe('the ledger of verdicts', () => {
  test('R98: all clients accepted: ACK at once', () => {
    const ledger = opened(1, 2);
    ledger.vote(1, 'a', word(0, 1));
    assert.deepEqual(ledger.take(0), []);
    ledger.vote(2, 'b', word(0, 1));
    assert.deepEqual(ledger.take(0), [{ nonce: 'n1', status: undefined, heardAtMs: 0 }]);
    assert.equal(ledger.nextDeadlineMs(), Infinity);
  });

  test('R98: nobody concerned: ACK at once; one who leaves is not waited for', () => {
    assert.equal(opened().take(0).length, 1);
    const ledger = opened(1);
    ledger.left(1);
    assert.deepEqual(ledger.take(0), [{ nonce: 'n1', status: undefined, heardAtMs: 0 }]);
  });

  test('R98: the wait ends, with what was said until then', () => {
    const [silent, torn] = [opened(1), opened(1, 2)];
    torn.vote(2, 'b', word(0, 1, 'no'));
    assert.equal(silent.nextDeadlineMs(), waitMs);
    assert.deepEqual(silent.take(waitMs - 1), []);
    assert.equal(silent.take(waitMs)[0]?.status, undefined);
    assert.match(torn.take(waitMs)[0]?.status?.message ?? '', /node b: no/);
  });

  test('R98: one word on several responses at once counts for each, answered in their order', () => {
    const ledger = opened(1);
    open(ledger, 2, [1]);
    ledger.vote(1, 'a', word(0, 2, 'bad'));
    assert.deepEqual(
      ledger.take(0).map(({ nonce, status }) => [nonce, status?.message]),
      [
        ['n1', 'node a: bad'],
        ['n2', 'node a: bad'],
      ],
    );
  });

  test('R100: a rejection after the ACK is about that response, unless another is open or it was older', () => {
    const ledger = opened(1);
    ledger.take(waitMs);
    assert.equal(ledger.lateTarget(1, word(0, 1, 'late')), 'n1');
    assert.equal(ledger.lateTarget(1, word(0, 1)), undefined, 'an ACK is no rejection');
    assert.equal(ledger.lateTarget(1, word(5, 6, 'of something else')), undefined);
    open(ledger, 2, [1], 2 * waitMs);
    assert.equal(ledger.lateTarget(1, word(0, 1, 'late')), undefined);
  });

  test('R98: a rejection of what came before and after a response is none of it, unless it holds something of it', () => {
    const [ledger, late] = [opened(1), opened(1)];
    ledger.vote(2, 'b', word(0, 2, 'of mine'));
    assert.equal(ledger.nextDeadlineMs(), waitMs, 'the one concerned is awaited');
    ledger.vote(1, 'a', word(0, 1));
    assert.deepEqual(ledger.take(0), [{ nonce: 'n1', status: undefined, heardAtMs: 0 }]);
    late.vote(2, 'b', { ...word(0, 2, 'subscribed since'), names: ['x'] });
    late.vote(1, 'a', word(0, 1));
    assert.equal(late.take(0)[0]?.status?.message, 'node b: subscribed since');
  });

  test('R100 R130: what was refused late is refused when it comes again', () => {
    const ledger = opened(1);
    ledger.take(waitMs);
    assert.equal(ledger.lateTarget(1, word(0, 1, 'late')), 'n1');
    ledger.refusedLate(1, refusal('node a: late'));
    assert.equal(ledger.refusalAt(1, ['x'])?.message, 'node a: late');
    assert.equal(ledger.lateTarget(2, word(0, 1, 'late, too')), undefined, 'once for a response');
    ledger.left(1);
    assert.equal(ledger.refusalAt(1, ['x']), undefined);
  });

  test('R101: a NACK says who and why, for a few clients, in a bounded text', () => {
    const many = Array.from({ length: 6 }, (_, at) => ({
      streamId: at,
      nodeId: `n${at}`,
      status: refusal('x'.repeat(2_000)),
    }));
    const { code, message } = quote(many);
    assert.equal(code, 3);
    assert.ok(message.startsWith('node n0: xxx') && message.length <= 4_097);
    assert.match(quote(many.map(one => ({ ...one, status: refusal('y') }))).message, /node n3: y; and 2 more clients$/);
  });

  test('R130: content that was refused stays refused until its refuser accepts it or leaves', () => {
    for (const relents of ['accepts', 'leaves'] as const) {
      const ledger = opened(1, 2);
      ledger.vote(1, 'a', word(0, 1, 'no'));
      ledger.vote(2, 'b', word(0, 1));
      ledger.take(0);
      assert.equal(ledger.refusalAt(1, ['x'])?.message, 'node a: no');
      assert.equal(ledger.refusalAt(2, ['x']), undefined, 'other content');
      assert.equal(ledger.refusalAt(1, ['y']), undefined, 'none of it is sent again');
      ledger.vote(2, 'b', word(0, 1));
      assert.ok(ledger.refusalAt(1, ['x']), 'who accepted it before changes nothing');
      if (relents === 'accepts') ledger.vote(1, 'a', word(0, 1));
      else ledger.left(1);
      assert.equal(ledger.refusalAt(1, ['x']), undefined);
    }
  });

  test('R130: a rejection by who has left is told, and nobody stands by it', () => {
    const ledger = opened(1, 2);
    ledger.vote(1, 'a', word(0, 1, 'no'));
    ledger.left(1);
    ledger.vote(2, 'b', word(0, 1));
    assert.equal(ledger.take(0)[0]?.status?.message, 'node a: no');
    assert.equal(ledger.refusalAt(1, ['x']), undefined);
  });

  test('R98 R86: a rejection of a list that still held what goes counts if the word on the final one does not come', () => {
    for (const final of ['none', 'accepts', 'rejects'] as const) {
      const ledger = opened(1);
      ledger.objected(1, 'a', word(0, 1, 'early'));
      assert.deepEqual(ledger.take(0), [], 'the word on the final list is awaited');
      if (final !== 'none') ledger.vote(1, 'a', word(0, 1, final === 'rejects' ? 'late' : undefined));
      const [decision] = ledger.take(waitMs);
      const words = { none: 'node a: early', accepts: undefined, rejects: 'node a: late' }[final];
      assert.equal(decision?.status?.message, words, final);
    }
  });

  test('R131: nothing is said on a new stream about the old one, but refused content is known again', () => {
    const ledger = opened(1);
    ledger.vote(1, 'a', word(0, 1, 'no'));
    ledger.take(0);
    open(ledger, 2, [1]);
    ledger.clear();
    assert.deepEqual(ledger.take(waitMs), []);
    assert.equal(ledger.lateTarget(1, word(0, 1, 'late')), undefined);
    assert.ok(ledger.refusalAt(1, ['x']));
  });
});
