import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { suspectOf } from '../../src/upstream/suspect.ts';
import { grpcCode, type TypeUrl } from '../../src/xds/types.ts';

function record(name: string, askedAs: number | undefined, wasAnswered: boolean) {
  return { typeUrl: name as TypeUrl, askedAs, askedAtMs: 1_000, wasAnswered, isAnswered: wasAnswered };
}

const good = record('good', 1, true);

describe('the type over which a stream ended', () => {
  test('is the newest that was never answered, beside others that were', () => {
    const types = [good, record('older', 2, false), record('newest', 3, false), record('unasked', undefined, false)];
    assert.equal(suspectOf(grpcCode.unauthenticated, types, 2_000), 'newest');
    assert.equal(suspectOf(grpcCode.unimplemented, types.toReversed(), 2_000), 'newest');
  });

  test('is nobody when all were answered, when none ever was, or when the code says something else', () => {
    assert.equal(suspectOf(grpcCode.permissionDenied, [good], 2_000), undefined);
    assert.equal(suspectOf(grpcCode.unauthenticated, [record('a', 1, false), record('b', 2, false)], 2_000), undefined);
    for (const code of [grpcCode.ok, grpcCode.unavailable, grpcCode.internal, grpcCode.resourceExhausted]) {
      assert.equal(suspectOf(code, [good, record('other', 2, false)], 2_000), undefined);
    }
  });
});
