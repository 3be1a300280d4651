import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LineLimit } from '../../src/agent/line-limit.ts';

const line = (message: string) => ({ level: 'warn', message, fields: { code: 3 } }) as const;

describe('repeated log lines', () => {
  test('R123: a flood of one kind is told in part, with the number that was left out, and hides no other kind', () => {
    const limit = new LineLimit();
    const passed = Array.from({ length: 1_000 }, () => limit.pass('refused', line('refused'), 0)).filter(Boolean);
    assert.equal(passed.length, 200);
    assert.deepEqual(limit.pass('attached', line('attached'), 0), line('attached'));
    const next = limit.pass('refused', line('refused'), 200);
    assert.deepEqual(next, { ...line('refused'), fields: { code: 3, leftOut: 800 } });
    assert.equal(limit.pass('refused', line('refused'), 201), undefined);
    assert.equal(limit.pass('refused', line('the last'), 202), undefined);
    assert.deepEqual([...limit.takeLeftOut()], [{ ...line('the last'), fields: { code: 3, leftOut: 2 } }]);
    assert.deepEqual([...limit.takeLeftOut()], []);
  });

  test('who asks for all lines gets them', () => {
    const limit = new LineLimit();
    const debug = { ...line('x'), level: 'debug' } as const;
    for (let at = 0; at < 500; at++) assert.equal(limit.pass('applied', debug, 0), debug);
  });

  test('what comes now and then is all told', () => {
    const limit = new LineLimit();
    for (let at = 0; at < 2_000; at++) assert.ok(limit.pass('refused', line('x'), at * 200), `line ${at}`);
  });
});
