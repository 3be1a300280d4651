import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Logger } from '../../src/agent/log.ts';
import { LogLevelSwitch } from '../../src/agent/log-level.ts';

const nothing = (): void => {};

function switched() {
  const log: Logger = { level: 'warn', debug: nothing, info: nothing, warn: nothing, error: nothing };
  const told: string[] = [];
  const level = new LogLevelSwitch(log, message => {
    // It would be no use to tell it where it is not written.
    assert.equal(log.level, 'info');
    told.push(message);
  });
  return { log, told, level };
}

describe('the log level of a running agent', () => {
  test('is changed until it is changed again, and each change is told', () => {
    const { log, told, level } = switched();
    assert.deepEqual(level.report(), { level: 'warn', configured: 'warn', untilWallMs: undefined });
    assert.deepEqual(level.set('silent', undefined), { level: 'silent', configured: 'warn', untilWallMs: undefined });
    level.set('debug', undefined);
    assert.equal(log.level, 'debug');
    assert.deepEqual(told, ['log level is silent now and was warn', 'log level is debug now and was silent']);
  });

  test('goes back by itself when its time is over, counted from the last change', context => {
    context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    const { log, told, level } = switched();
    level.set('debug', 60_000);
    context.mock.timers.tick(50_000);
    const report = level.set('trace', 60_000);
    assert.deepEqual(report, { level: 'trace', configured: 'warn', untilWallMs: 1_110_000 });
    context.mock.timers.tick(59_999);
    assert.equal(log.level, 'trace');
    context.mock.timers.tick(1);
    assert.deepEqual(level.report(), { level: 'warn', configured: 'warn', untilWallMs: undefined });
    assert.deepEqual(told, [
      'log level is debug now and was warn, until 1970-01-01T00:17:40.000Z',
      'log level is trace now and was debug, until 1970-01-01T00:18:30.000Z',
      'log level is warn again, as configured: its time is over',
    ]);
  });

  test('what is no level, and no time, changes nothing', () => {
    const { log, told, level } = switched();
    for (const [wanted, forMs] of [
      ['loud', undefined],
      ['', undefined],
      ['debug', 0],
      ['debug', 24 * 3_600_000 + 1],
    ] as const) {
      assert.ok('error' in level.set(wanted, forMs), `${wanted} ${forMs}`);
    }
    assert.deepEqual([log.level, told.length], ['warn', 0]);
  });
});
