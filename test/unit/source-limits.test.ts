import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SourceBench, service, services } from '../support/source-bench.ts';

describe('limits of the source', () => {
  test('names of one client that leaves among many: time', () => {
    const bench = new SourceBench();
    bench.post({ kind: 'whole', of: services, resources: [service('a/x', '7')] });
    const names = Array.from({ length: 20_000 }, (_, i) => `a/${i}`);
    const others = Array.from({ length: 1_000 }, () => bench.client('sotw'));
    for (const other of others) bench.send(other, { typeUrl: services.typeUrl, names: ['a/x'] });
    const client = bench.client('sotw');
    bench.send(client, { typeUrl: services.typeUrl, names });
    const before = process.cpuUsage();
    bench.post({ kind: 'client_closed', streamId: client });
    const spent = process.cpuUsage(before);
    const ms = (spent.user + spent.system) / 1_000;
    assert.ok(ms < 200, `${ms} ms in one event`);
  });
});
