import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describe as describeNote } from '../../src/agent/notes.ts';
import { clusterType } from '../../src/xds/type-urls.ts';

const nack = { kind: 'client_nack', streamId: 1, nodeId: 'node', content: 'digest', names: [] } as const;

describe('log lines', () => {
  test('R101: a rejection is quoted to a bounded length', () => {
    const long = describeNote({ ...nack, typeUrl: clusterType, message: 'x'.repeat(10_000) });
    assert.ok(long && long.level === 'warn' && long.message.length < 400);
    assert.match(long.message, /^client rejected CDS: xxx/);
  });

  test('a stream that ends well is no warning, one that breaks is, with its code and the next attempt', () => {
    const lost = (code: number, wasOpen = true) =>
      describeNote({
        kind: 'upstream',
        group: 'main',
        note: {
          kind: 'stream_lost',
          address: 'cp:1',
          code,
          message: code === 0 ? '' : 'gone\x1b[2J\r',
          retryInMs: 7,
          wasOpen,
          isPlanned: false,
        },
        isTrial: false,
      });
    assert.equal(lost(0)?.level, 'info');
    assert.deepEqual(lost(14), {
      level: 'warn',
      message: "control plane's stream ended: gone [2J",
      fields: { address: 'cp:1', code: 14, retryInMs: 7, group: 'main' },
    });
    assert.equal(lost(14, false)?.message, 'cannot reach the control plane: gone [2J');
  });

  test('of a thousand missing names a few are told, and how many there are', () => {
    const names = Array.from({ length: 1_000 }, (_, at) => `name-${at}-${'x'.repeat(500)}`);
    const line = describeNote({ kind: 'names_missing', typeUrl: clusterType, names, reason: 'timeout' });
    assert.equal(line?.fields['count'], 1_000);
    assert.ok(JSON.stringify(line).length < 1_000);
  });

  test('the guard says what goes in a sentence, of one, of all, and of some', () => {
    const alarm = (gone: number, held: number, action: 'warn' | 'hold') =>
      describeNote({ kind: 'guard_alarm', typeUrl: clusterType, gone, held, action, graceMs: 90_000 })?.message;
    assert.equal(
      alarm(1, 1, 'hold'),
      'the control plane removes the only CDS resource right after a connect; it is kept for 1 min 30 s, or until weir guard pass',
    );
    assert.equal(
      alarm(7, 7, 'warn'),
      'the control plane removes all 7 CDS resources right after a connect (setting guard)',
    );
    assert.equal(
      alarm(5, 7, 'hold'),
      'the control plane removes 5 of 7 CDS resources right after a connect; they are kept for 1 min 30 s, or until weir guard pass',
    );
  });

  test('what happens with every message is not logged', () => {
    assert.equal(
      describeNote({ kind: 'client_sent', typeUrl: clusterType, bytes: 1, resent: 0, newsAtMs: undefined }),
      undefined,
    );
  });
});
