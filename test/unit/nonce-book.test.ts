import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NonceBook, type SentMessage } from '../../src/local-ads/nonce-book.ts';
import type { Nonce } from '../../src/xds/types.ts';

function message(fromRevision: number, toRevision: number, names: readonly string[] = []): SentMessage {
  return {
    fromRevision,
    toRevision,
    versionInfo: `v${toRevision}`,
    names,
    removed: [],
    isProvisional: false,
    epoch: 0,
  };
}

/** Sends a message and returns its nonce. */
function send(book: NonceBook, sent: SentMessage): Nonce {
  const nonce = book.next(sent.toRevision) as Nonce;
  book.sent(nonce, sent);
  return nonce;
}

describe('nonces', () => {
  test('R42: SotW: a word on the newest of several lists, however long, speaks for those before it', () => {
    const book = new NonceBook('', true);
    // As arguments of one call so many would break the stack.
    const names = Array.from({ length: 200_000 }, (_, at) => `n${at}`);
    send(book, message(0, 1, names));
    const newest = send(book, message(1, 2, ['last']));
    const answered = book.answered(newest, false);
    assert.deepEqual([answered?.fromRevision, answered?.toRevision, answered?.names.length], [0, 2, 200_001]);
    assert.equal(book.status, 'SYNCED');
  });

  test('R84: Delta: each message has a word of its own, and only one', () => {
    const book = new NonceBook('', false);
    const [first, second] = [send(book, message(0, 1)), send(book, message(1, 2))];
    assert.deepEqual(book.answered(second, false)?.fromRevision, 1);
    assert.equal(book.status, 'STALE');
    assert.equal(book.answered(first, true)?.toRevision, 1);
    assert.equal(book.answered(first, false), undefined);
  });

  test('R3: a nonce is never used twice, not even at the same revision', () => {
    const book = new NonceBook('x-', false);
    const nonces = new Set(Array.from({ length: 100 }, (_, at) => book.next(Math.floor(at / 10))));
    assert.equal(nonces.size, 100);
  });
});
