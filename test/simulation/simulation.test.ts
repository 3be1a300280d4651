import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScenario } from './scenario.ts';

// The whole core among model control planes and clients. `npm run sim` runs many more seeds and replays one.

const seeds = 1_000;

test(`${seeds} seeds: every invariant holds, and everybody is level in the end`, () => {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      runScenario(seed);
    } catch (error) {
      throw new Error(`seed ${seed} failed; replay it with: npm run sim -- --seed ${seed}`, { cause: error });
    }
  }
});

test('the same seed gives the same run', () => {
  assert.deepEqual(runScenario(7), runScenario(7));
});
