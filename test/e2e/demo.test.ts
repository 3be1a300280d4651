import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startProcess } from '../../src/demo/processes.ts';
import { skipWithout, testEnvoy, weirCommand } from '../support/envoy.ts';

const secondsMax = 30;
const envoy = testEnvoy();

/** Runs `weir demo` to its end. */
async function runDemo(...flags: string[]) {
  const startMs = performance.now();
  const [program, ...first] = weirCommand;
  const demo = await startProcess('weir demo', program ?? '', [...first, 'demo', ...flags]);
  const exit = await demo.exited;
  return { exit, text: demo.lastLines().join('\n'), seconds: (performance.now() - startMs) / 1000 };
}

describe('weir demo', { concurrency: 1 }, () => {
  test('the built-in client stands in where there is no Envoy, and every step holds', async () => {
    const { exit, text, seconds } = await runDemo('--client', 'builtin');
    assert.equal(exit, 0, text);
    assert.match(text, /^(\d+) of \1 steps held/m);
    assert.match(text, /get-envoy/);
    assert.ok(seconds < secondsMax, `it took ${seconds} s`);
  });

  for (const variant of ['sotw', 'delta']) {
    test(`${variant} upstream: every step holds with the real Envoy`, { skip: skipWithout(envoy) }, async () => {
      const { exit, text, seconds } = await runDemo('--envoy', envoy ?? '', '--upstream-variant', variant);
      assert.equal(exit, 0, text);
      assert.match(text, /^(\d+) of \1 steps held/m);
      assert.ok(seconds < secondsMax, `it took ${seconds} s`);
    });
  }

  test('a step that does not hold makes it fail', async () => {
    // Node is a program that can be run and is no Envoy.
    const { exit, text } = await runDemo('--envoy', process.execPath);
    assert.equal(exit, 1, text);
    assert.match(text, /^✗ first client/m);
  });

  test('an Envoy that is not there is an error of use', async () => {
    const { exit, text } = await runDemo('--envoy', '/nowhere/envoy');
    assert.equal(exit, 2, text);
    assert.match(text, /\/nowhere\/envoy is no program that can be run/);
  });
});
