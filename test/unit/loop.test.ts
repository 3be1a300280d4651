import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { CoreEvent } from '../../src/agent/events.ts';
import { Loop } from '../../src/agent/loop.ts';

test('R115: on a machine that was busy, what has come is taken in before time is read', async t => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  assert.ok(typeof bound === 'object' && bound);
  const reader = connect(bound.port, '127.0.0.1');
  const [writer] = (await once(server, 'connection')) as [Socket]; // By the documentation of the event.
  t.after(() => {
    reader.destroy();
    writer.destroy();
    server.close();
  });
  const order: string[] = [];
  const { promise: ticked, resolve } = Promise.withResolvers<void>();
  let deadlineMs = Infinity;
  const core = {
    nextDeadlineMs: () => deadlineMs,
    handle: ({ kind }: CoreEvent) => {
      order.push(kind);
      if (kind === 'tick') {
        deadlineMs = Infinity;
        resolve();
      } else deadlineMs = performance.now() + 20;
      return [];
    },
  };
  const loop = new Loop(core, () => {});
  reader.on('data', () => order.push('data'));
  loop.post({ kind: 'disk_lost' });
  writer.write('what a control plane has said');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  await ticked;
  loop.stop();
  assert.deepEqual(order, ['disk_lost', 'data', 'tick']);
});
