import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { testEnvoy } from '../support/envoy.ts';
import { runTutorial } from '../support/tutorial.ts';

/** What an operator is promised for one question, in ms. */
const questionMsMax = 60_000;

test('the tutorial is what an operator sees', { timeout: 180_000 }, async () => {
  const { text, questionsMs } = await runTutorial(testEnvoy());
  const committed = readFileSync(new URL('../../docs/tutorial.md', import.meta.url), 'utf8');
  assert.equal(text, committed, 'run `npm run tutorial` and look at what has changed');
  for (const ms of questionsMs) assert.ok(ms < questionMsMax, `a question took ${ms} ms`);
});
