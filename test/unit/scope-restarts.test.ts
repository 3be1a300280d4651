import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TypeUrl } from '../../src/xds/types.ts';
import { namesOf, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { idIn, scopedHarness } from '../support/scoped-world.ts';

const services = 'networking.istio.io/v1/VirtualService' as TypeUrl;
const oneNamespace = [
  { clientNamespaces: ['a'], namespaces: ['a'] },
  { clientNamespaces: ['b'], namespaces: ['b'] },
];

describe('scopes over restarts and switches', () => {
  for (const variant of ['sotw', 'delta'] as const)
    test(`wide, narrow (b/y comes), wide with upstream away: not whole (${variant})`, () => {
      let disk = new MemoryDisk();
      const run = (namespaces: string[], upstream: string[] | undefined) => {
        const harness = scopedHarness([{ namespaces }], { variant }, disk);
        harness.isUpstreamUp = upstream !== undefined;
        const client = harness.client('sotw', idIn('a'));
        client.send({ typeUrl: services });
        if (upstream) harness.respond(services, { resources: resources(services, upstream) });
        harness.advance(1_000);
        for (const one of client.inbox) client.ack(one);
        harness.advance(5_000);
        disk = disk.copy();
        return client.take(services).map(namesOf);
      };
      assert.deepEqual(run(['a', 'b'], ['a/x']), [['a/x']]);
      assert.deepEqual(run(['a'], ['a/x', 'b/y']).at(-1), ['a/x']);
      assert.deepEqual(run(['a', 'b'], undefined), []);
    });
  test('set lost to damage when the scope is narrowed: rows of b go from the disk', () => {
    // What loadView gives of a set with a damaged row: nothing, not known; the rows stay where they are.
    const disk = new MemoryDisk();
    const first = scopedHarness([{ namespaces: ['a', 'b'] }], {}, disk);
    const client = first.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    first.respond(services, { resources: resources(services, ['a/x', 'b/x']) });
    client.ack(client.only(services));
    first.advance(2_000);
    const damaged = disk.copy();
    const newest = damaged.newest.bind(damaged);
    damaged.newest = () => {
      const view = newest();
      return view && { ...view, types: view.types.map(type => ({ ...type, isKnown: false, resources: [] })) };
    };
    const harness = scopedHarness([{ types: ['Gateway'] }], {}, damaged);
    harness.advance(600_000);
    assert.deepEqual(damaged.names(services, newest()), []);
  });
  test('Delta control: the wildcard alone is answered empty', () => {
    const harness = scopedHarness([{ namespaces: ['a'] }]);
    const client = harness.client('delta', idIn('a'));
    client.send({ typeUrl: services, names: ['*'] });
    harness.respond(services, { resources: resources(services, ['b/x']) });
    harness.advance(60_000);
    assert.equal(client.take(services).length, 1);
  });
  test('verdict: a client of another namespace is not waited for', () => {
    const harness = scopedHarness(oneNamespace, { nodeSharing: 'shared' });
    const one = harness.client('sotw', idIn('a'));
    const other = harness.client('sotw', idIn('b'));
    for (const client of [one, other]) client.send({ typeUrl: services });
    harness.respond(services, { resources: resources(services, ['a/x', 'b/x']) });
    for (const client of [one, other]) client.ack(client.only(services));
    harness.asked(services);
    harness.respond(services, { resources: resources(services, ['a/x', 'b/x', 'b/z']) });
    assert.equal(one.take(services).length, 0);
    other.ack(other.only(services));
    assert.equal(harness.asked(services).length, 1, 'answered at once');
  });
  test('type closed, then open, upstream away', () => {
    const disk = new MemoryDisk();
    const first = scopedHarness([{ namespaces: ['a'] }], {}, disk);
    const client = first.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    first.respond(services, { resources: resources(services, ['a/x', 'b/x']) });
    client.ack(client.only(services));
    first.advance(2_000);
    const second = scopedHarness([{ types: ['Gateway'] }], {}, disk.copy());
    const closed = second.client('sotw', idIn('a'));
    closed.send({ typeUrl: services });
    assert.deepEqual(closed.only(services).resources, []);
    second.advance(400_000);
    assert.ok(second.disk);
    assert.deepEqual(second.disk.names(services), []);
    const third = scopedHarness([{ namespaces: ['a'] }], {}, second.disk.copy());
    third.isUpstreamUp = false;
    const again = third.client('sotw', idIn('a'));
    again.send({ typeUrl: services });
    third.advance(5_000);
    assert.deepEqual(again.take(services), []);
  });
  test('prefer-upstream: a closed type is answered at once', () => {
    const disk = new MemoryDisk();
    const first = scopedHarness([{ namespaces: ['a'] }], {}, disk);
    const client = first.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    first.respond(services, { resources: resources(services, ['a/x', 'b/x']) });
    client.ack(client.only(services));
    first.advance(2_000);
    const second = scopedHarness(
      [{ types: ['Gateway'] }],
      { startup: 'prefer-upstream', startupGraceMs: 3_600_000 },
      disk.copy(),
    );
    const closed = second.client('sotw', idIn('a'));
    closed.send({ typeUrl: services });
    second.advance(60_000);
    assert.equal(closed.take(services).length, 1);
  });
  test('a refused (quarantined) content of b and a bundle etc: CSDS/lists of a do not hold it', () => {
    const harness = scopedHarness(oneNamespace, { nodeSharing: 'shared' });
    const one = harness.client('sotw', idIn('a'));
    const other = harness.client('sotw', idIn('b'));
    for (const client of [one, other]) client.send({ typeUrl: services });
    harness.respond(services, { resources: resources(services, ['a/x', 'b/x', 'b/y']) });
    one.ack(one.only(services));
    other.send({ typeUrl: services, nonce: other.only(services).nonce, error: 'b/x: is bad' });
    harness.advance(5_000);
    const late = harness.client('sotw', idIn('a'));
    late.send({ typeUrl: services, version: 'old' });
    assert.deepEqual(namesOf(late.only(services)), ['a/x']);
  });
  test('guard hold: removals of b held, then released: a hears nothing', () => {
    const harness = scopedHarness(oneNamespace, { nodeSharing: 'shared', guard: 'hold' });
    const one = harness.client('sotw', idIn('a'));
    one.send({ typeUrl: services });
    harness.respond(services, { resources: resources(services, ['a/x', 'b/x', 'b/y', 'b/z']) });
    one.ack(one.only(services));
    harness.respond(services, { resources: resources(services, ['a/x']) });
    harness.advance(100_000);
    assert.deepEqual(one.take(services), []);
  });
});
