import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describe as lineOf } from '../../src/agent/notes.ts';
import { scopeRows } from '../../src/agent/scope-settings.ts';
import { Scopes } from '../../src/agent/scopes.ts';
import { TypeScope } from '../../src/xds/type-scope.ts';
import { grpcCode, type TypeUrl } from '../../src/xds/types.ts';
import { type CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { rootNamespace as root } from '../support/scope-oracle.ts';
import { idIn, rulesOf, scopedHarness } from '../support/scoped-world.ts';

const services = 'networking.istio.io/v1/VirtualService' as TypeUrl;
const gateways = 'networking.istio.io/v1/Gateway' as TypeUrl;

function asking(
  harness: CoreHarness,
  namespace: string,
  typeUrl = services,
  names: readonly string[] = [],
): HarnessClient {
  const client = harness.client('sotw', idIn(namespace));
  client.send({ typeUrl, names });
  return client;
}

const everywhere = ['a/x', 'b/x', `${root}/x`];

describe('scopes', () => {
  test('S1: without rules a proxy sees its own namespace and the root, and the rest is not kept', () => {
    const disk = new MemoryDisk();
    const harness = scopedHarness(undefined, {}, disk);
    const client = asking(harness, 'a');
    harness.respond(services, { resources: resources(services, everywhere) });
    assert.deepEqual(namesOf(client.only(services)), ['a/x', `${root}/x`]);
    client.ack({ typeUrl: services, version: '', nonce: '', resources: [], removed: [] });
    harness.advance(2_000);
    assert.deepEqual(disk.names(services), ['a/x', `${root}/x`]);
    const denied = harness.notes.filter(note => note.kind === 'scope_denied');
    const told = JSON.stringify(denied.map(note => lineOf(note)));
    assert.ok(told.includes('"count":1') && !told.includes('b/x'), 'the log does not name what may not be seen');
    assert.deepEqual(
      denied.map(({ what, names }) => [what, names]),
      [
        ['wildcard', []],
        ['upstream', ['b/x']],
      ],
    );
  });

  test('S1: without rules the control plane itself, in the root namespace, sees everything, and so does who says no namespace', () => {
    for (const id of [idIn(root), 'plain']) {
      const harness = scopedHarness(undefined);
      const client = harness.client('sotw', id);
      client.send({ typeUrl: services });
      harness.respond(services, { resources: resources(services, everywhere) });
      assert.deepEqual(namesOf(client.only(services)), everywhere);
    }
  });

  test('S3 I13: a type that no scope opens is answered empty, at once, and nobody upstream is asked for it', () => {
    for (const variant of ['sotw', 'delta'] as const) {
      const harness = scopedHarness([{ types: ['VirtualService'], namespaces: ['*'] }]);
      const client = harness.client(variant, idIn('a'));
      client.send({ typeUrl: gateways });
      assert.deepEqual(client.only(gateways).resources, [], 'istiod waits for each of its types');
      assert.deepEqual(harness.asked(gateways), []);
      const [line] = harness.notes.flatMap(note => (note.kind === 'scope_denied' ? (lineOf(note) ?? []) : []));
      assert.match(line?.message ?? '', /no scope opens to it.*setting scopes/);
    }
  });

  test('S4: names outside the scope are refused with a reason, once, whatever else is asked for', () => {
    for (const variant of ['sotw', 'delta'] as const) {
      const harness = scopedHarness([{ namespaces: ['a'] }]);
      const client = harness.client(variant, idIn('a'));
      client.send({ typeUrl: services, names: ['a/x', 'b/x'] });
      assert.deepEqual(
        harness.asked(services).flatMap(one => one.names),
        ['a/x'],
      );
      harness.respond(services, { resources: resources(services, ['a/x']) });
      const told = client.take(services);
      assert.deepEqual(told.flatMap(namesOf), ['a/x']);
      const errors = told.flatMap(one => one.errors ?? []);
      assert.deepEqual(
        errors.map(({ name, code }) => [name, code]),
        [['b/x', grpcCode.permissionDenied]],
      );
      assert.match(errors[0]?.message ?? '', /namespace 'b' is not open to this client \(setting scopes\)/);
      const [last] = told.slice(-1);
      if (last) client.send({ typeUrl: services, nonce: last.nonce, names: variant === 'sotw' ? ['a/x', 'b/x'] : [] });
      harness.advance(5_000);
      assert.deepEqual(client.take(services), [], 'an ACK that repeats the list is no new question');
    }
  });

  test('S4: a list of nothing but denied names is no wildcard', () => {
    for (const variant of ['sotw', 'delta'] as const) {
      const harness = scopedHarness([{ namespaces: ['a'] }]);
      const client = harness.client(variant, idIn('a'));
      client.send({ typeUrl: services, names: ['b/x'] });
      assert.deepEqual(harness.asked(services), []);
      assert.deepEqual(client.only(services).resources, []);
    }
  });

  test('S2: a Delta client that brings along what is not open to it is told that it is gone', () => {
    const harness = scopedHarness([{ namespaces: ['a'] }]);
    const client = harness.client('delta', idIn('a'));
    client.send({
      typeUrl: services,
      initialVersions: new Map([
        ['b/x', '1'],
        ['a/x', '1'],
      ]),
    });
    harness.respond(services, { resources: resources(services, ['a/x', 'b/x']) });
    assert.deepEqual(
      client.take(services).flatMap(one => one.removed),
      ['b/x'],
    );
  });

  test('S5: after a restart under narrower rules the part is whole and the rest goes from the disk, with upstream away', () => {
    const { disk } = stored([{ namespaces: ['a', 'b'] }]);
    const harness = scopedHarness([{ namespaces: ['a'] }], {}, disk);
    harness.isUpstreamUp = false;
    const client = asking(harness, 'a');
    assert.deepEqual(namesOf(client.only(services)), ['a/x']);
    harness.advance(2_000);
    assert.deepEqual(disk.names(services), ['a/x']);
  });

  test('S5 I15: after a restart under wider rules what was kept is not taken for the whole: istiod deletes what a list lacks', () => {
    const { disk } = stored([{ namespaces: ['a'] }]);
    const harness = scopedHarness([{ namespaces: ['a', 'b'] }], {}, disk);
    harness.isUpstreamUp = false;
    const client = asking(harness, 'a');
    assert.deepEqual(client.take(services), []);
    harness.isUpstreamUp = true;
    harness.advance(31_000);
    harness.respond(services, { resources: resources(services, everywhere) });
    assert.deepEqual(client.take(services).map(namesOf), [['a/x', 'b/x']]);
  });

  test('S6: a proven namespace that is not the node’s opens neither', () => {
    const scopes = new Scopes({ rules: undefined, rootNamespace: root });
    const node = {
      id: idIn('a'),
      cluster: '',
      locality: '//',
      metadata: new Map(),
      dynamicParameters: '',
      contentFeatures: [],
      userAgentName: '',
      userAgentVersion: '',
    };
    const seen = (name: string) => scopes.ofClient({ listener: 'l', names: [name] }, node, services);
    assert.ok(seen('spiffe://td/ns/a/sa/default').sees('a/x'));
    for (const name of ['spiffe://td/ns/b/sa/default', 'serviceaccount:b/default']) {
      assert.ok(!seen(name).sees('a/x') && !seen(name).sees('b/x') && seen(name).sees(`${root}/x`));
    }
  });

  test('S5: a scope is within an earlier one only if that is certain', () => {
    const scope = (namespaces: readonly string[], patterns: readonly string[] = [], at = root) =>
      new TypeScope({ namespaces, patterns, rootNamespace: at });
    const within = (one: TypeScope, other: TypeScope): boolean => one.isWithin(other.key);
    assert.ok(within(scope(['a']), scope(['a', 'b'])) && within(scope(['team-x']), scope([], ['team-*'])));
    assert.ok(within(scope(['a']), TypeScope.open) && within(TypeScope.closed, scope(['a'])));
    assert.ok(!within(scope(['a', 'b']), scope(['a'])) && !within(TypeScope.open, scope(['a'])));
    assert.ok(!within(scope([], ['a*']), scope(['a'])) && !within(scope(['a'], [], 'other'), scope(['a', 'b'])));
    assert.ok(!scope(['a']).isWithin('{"of another version'));
  });
});

/** A disk with what an agent has kept under rules. */
function stored(rules: readonly unknown[]): { readonly disk: MemoryDisk } {
  const disk = new MemoryDisk();
  const harness = scopedHarness(rules, {}, disk);
  const client = asking(harness, 'a');
  harness.respond(services, { resources: resources(services, everywhere) });
  client.ack(client.only(services));
  harness.advance(2_000);
  assert.ok(disk.names(services).length > 0);
  return { disk: disk.copy() };
}

describe('the setting scopes', () => {
  const errorOf = (text: string): string => {
    const parsed = scopeRows.scopes.parse(text);
    return 'error' in parsed ? parsed.error : '';
  };

  test('says what is wrong with which rule', () => {
    assert.match(errorOf('x'), /is no list/);
    assert.match(errorOf('[]'), /1 to 1000/);
    assert.match(errorOf('{"namespace": ["a"]}'), /scope 1: namespace is none of listeners/);
    assert.match(errorOf('{"namespaces": ["a"]}, {"namespaces": ["A"]}'), /scope 2: namespaces: 'A' is no namespace/);
    assert.match(errorOf('{"namespaces": ["a*b*"]}'), /one star/);
    assert.match(errorOf('{"namespaces": []}'), /no list of 1 to/);
    assert.match(errorOf('{"clientNames": ["a*b*"]}'), /two stars/);
    assert.match(errorOf('{"listeners": ["nowhere"]}'), /listeners/);
  });

  test('grants the client’s own namespace and the root where it names none', () => {
    assert.deepEqual(rulesOf({})[0]?.namespaces, ['$own', '$root']);
  });
});
