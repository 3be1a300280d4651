import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { describe as lineOf } from '../../src/agent/notes.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { namesOf, resources } from '../support/core-harness.ts';
import { cacheFolder, openDisk, put, stored } from '../support/disk-folder.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { rootNamespace as root } from '../support/scope-oracle.ts';
import { idIn, scopedHarness } from '../support/scoped-world.ts';

const services = 'networking.istio.io/v1/VirtualService' as TypeUrl;

describe('scopes and what is stored', () => {
  test('failover: what the other server has of b is neither served nor kept', () => {
    const disk = new MemoryDisk();
    const harness = scopedHarness([{ namespaces: ['a'] }], { addresses: ['one:1', 'two:1'] }, disk);
    const client = harness.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    harness.respond(services, { resources: resources(services, ['a/x', 'b/x']) });
    client.ack(client.only(services));
    harness.unreachable.add('one:1');
    for (const id of harness.upstreamIds()) harness.cut(id);
    harness.advance(15_000);
    const two = harness.upstreamAt('two:1');
    assert.ok(two);
    harness.respond(services, { resources: resources(services, ['a/y', 'b/y'], 2) }, two);
    harness.advance(30_000);
    const told = client.take(services);
    assert.deepEqual(told.map(namesOf).at(-1), ['a/y']);
    for (const one of told) client.ack(one);
    harness.advance(5_000);
    assert.deepEqual(disk.names(services), ['a/y']);
  });
  test('the log does not name what may not be seen: a response that is refused', () => {
    const harness = scopedHarness([{ namespaces: ['a'] }]);
    const client = harness.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    harness.respond(services, {
      resources: [...resources(services, ['a/x', 'b/secret']), ...resources(services, ['b/secret'])],
    });
    const log = JSON.stringify(harness.notes.map(note => lineOf(note)));
    assert.ok(!log.includes('b/secret'), log.slice(log.indexOf('b/secret') - 200, log.indexOf('b/secret') + 100));
  });
  test('cacheMatch without id: what was kept for a is not whole for b, nor given to it', () => {
    const disk = new MemoryDisk();
    const more = { cacheMatch: ['cluster'] };
    const first = scopedHarness(undefined, more, disk);
    const one = first.client('sotw', idIn('a'));
    one.send({ typeUrl: services });
    first.respond(services, { resources: resources(services, ['a/x', 'b/x', `${root}/x`]) });
    one.ack(one.only(services));
    first.advance(2_000);
    const harness = scopedHarness(undefined, more, disk.copy());
    harness.isUpstreamUp = false;
    const client = harness.client('sotw', idIn('b'));
    client.send({ typeUrl: services });
    harness.advance(5_000);
    assert.deepEqual(client.take(services), []);
    assert.ok(harness.disk);
    assert.ok(!harness.disk.names(services).includes('a/x'), String(harness.disk.names(services)));
  });
  test('real disk: set lost to one damaged row, scope now closed: the rows go', async t => {
    const typeUrl = services;
    const source = new MemoryDisk();
    const first = scopedHarness([{ namespaces: ['a', 'b'] }], {}, source);
    const client = first.client('sotw', idIn('a'));
    client.send({ typeUrl });
    first.respond(typeUrl, { resources: resources(typeUrl, ['a/x', 'b/x']) });
    client.ack(client.only(typeUrl));
    first.advance(2_000);
    const view = source.newest();
    assert.ok(view);
    const directory = cacheFolder(t);
    const { viewKey, matchKey, node } = view;
    const one = await openDisk(directory);
    one.disk.write([{ kind: 'view', viewKey, matchKey, node, wallMs: 1, replaces: undefined }]);
    for (const type of view.types) {
      const { resources: all, typeUrl: url, ...state } = type;
      for (const row of all) one.disk.write([put(row, url as TypeUrl, viewKey)]);
      one.disk.write([put(stored('b/damaged', 'marker-of-damage'), url as TypeUrl, viewKey)]);
      one.disk.write([{ kind: 'type', viewKey, typeUrl: url as TypeUrl, state }]);
    }
    await one.disk.close();
    const path = join(directory, 'cache.db');
    const bytes = readFileSync(path);
    const at = bytes.indexOf('marker-of-damage');
    assert.ok(at > 0);
    bytes.write('M', bytes.lastIndexOf('marker-of-damage'));
    bytes.write('M', at);
    writeFileSync(path, bytes, { mode: 0o600 });
    const two = await openDisk(directory);
    const loaded = two.disk.newest();
    assert.ok(loaded);
    const fake = new MemoryDisk();
    fake.newest = () => loaded;
    fake.write = changes => two.disk.write(changes);
    const harness = scopedHarness([{ types: ['Gateway'] }], {}, fake);
    const again = harness.client('sotw', idIn('a'));
    again.send({ typeUrl });
    harness.advance(600_000);
    await two.disk.flush();
    const rows = [...two.disk.rows(typeUrl)].map(row => row.name);
    await two.disk.close();
    assert.deepEqual(rows, []);
  });
});
