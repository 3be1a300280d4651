import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSlices } from '../../src/admin/slices.ts';

test('a long page is written in large pieces, and everything else has its turn while it is made', async () => {
  let turns = 0;
  let isOver = false;
  const beat = (): void => {
    turns++;
    if (!isOver) setImmediate(beat);
  };
  setImmediate(beat);
  const lines = function* () {
    for (let at = 0; at < 2_000; at++) {
      // Work of a tenth of a millisecond, whatever the machine.
      for (const endMs = performance.now() + 0.1; performance.now() < endMs; );
      yield `${'x'.repeat(99)}\n`;
    }
  };
  let characters = 0;
  const pieces: number[] = [];
  for await (const piece of inSlices(lines())) {
    characters += piece.length;
    pieces.push(piece.length);
  }
  isOver = true;
  assert.equal(characters, 200_000);
  assert.ok(pieces.length <= 4, `${pieces.length} pieces`);
  assert.ok(turns >= 20, `${turns} turns in some 200 ms`);
});

test('bytes between texts keep their place', async () => {
  const all: (string | Uint8Array)[] = [];
  for await (const piece of inSlices(['a', 'b', new Uint8Array([1]), 'c'])) all.push(piece);
  assert.deepEqual(all, ['ab', new Uint8Array([1]), 'c']);
});
