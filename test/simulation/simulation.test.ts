import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runFleet } from './fleet.ts';
import { runMesh } from './mesh.ts';
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

test(`S2: ${seeds} seeds of mesh configuration, nobody is given what no scope opens to it, and everybody all of the rest`, () => {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      runMesh(seed);
    } catch (error) {
      throw new Error(`seed ${seed} failed; replay it with: npm run sim -- --mesh --seed ${seed}`, { cause: error });
    }
  }
});

test('the same seed gives the same run', () => {
  assert.deepEqual(runScenario(7), runScenario(7));
});

test('R111: ten thousand agents come back after an outage spread over the longest delay, and none later', () => {
  const agents = 10_000;
  const { peakConnects, lastMs } = runFleet({ agents, outageMs: 60_000 });
  // Evenly spread it would be a thirtieth in a second.
  assert.ok(peakConnects <= 0.08 * agents, `${peakConnects} connects within a second`);
  assert.ok(lastMs <= 30_000, `the last one after ${lastMs} ms`);
});
