import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Entry } from '../../src/cache/entry.ts';
import { createIdleTier } from '../../src/cache/idle.ts';

function entry(name: string): Entry {
  return new Entry({ name, version: '1', any: Buffer.from(name), extra: undefined }, Buffer.from(name), 1, 1);
}

describe('the idle tier', () => {
  test('R72: what is put in comes out as the same object, until it is deleted', () => {
    const tier = createIdleTier(10);
    const held = entry('a');
    tier.put('view type a', held);
    assert.equal(tier.get('view type a'), held);
    assert.equal(tier.size, 1);
    tier.delete('view type a');
    assert.deepEqual([tier.get('view type a'), tier.size], [undefined, 0]);
  });

  test('R123: when it is full nothing more is kept, but what is there can be renewed', () => {
    const tier = createIdleTier(2);
    for (const name of ['a', 'b', 'c']) tier.put(name, entry(name));
    assert.deepEqual([tier.size, tier.get('c')], [2, undefined]);
    const renewed = entry('a');
    tier.put('a', renewed);
    assert.equal(tier.get('a'), renewed);
    tier.delete('b');
    tier.put('c', entry('c'));
    assert.equal(tier.get('c')?.name, 'c');
  });
});
