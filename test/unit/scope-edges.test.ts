import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AllowList, parseRule } from '../../src/agent/allow-list.ts';
import { clientConfigs } from '../../src/agent/client-status.ts';
import { scopeRows } from '../../src/agent/scope-settings.ts';
import { TypeScope } from '../../src/xds/type-scope.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { type HarnessClient, namesOf, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { rootNamespace as root } from '../support/scope-oracle.ts';
import { idIn, scopedHarness, scopesWith } from '../support/scoped-world.ts';

const services = 'networking.istio.io/v1/VirtualService' as TypeUrl;
const everywhere = ['a/x', 'b/x', `${root}/x`];

const at = (listener: string) => ({ listener, names: [], way: 'private' }) as const;
const node = (id: string) => ({
  id,
  cluster: '',
  locality: '//',
  metadata: new Map(),
  dynamicParameters: '',
  contentFeatures: [],
  userAgentName: '',
  userAgentVersion: '',
});
const oneNamespace = [
  { clientNamespaces: ['a'], namespaces: ['a'] },
  { clientNamespaces: ['b'], namespaces: ['b'] },
];

describe('edges of scopes', () => {
  test('a star in the namespace of a node id is no pattern', () => {
    for (const ns of ['*', 'team-*', '*b']) {
      const harness = scopedHarness(undefined);
      const client = harness.client('sotw', `sidecar~10.0.0.1~pod.${ns}~x`);
      client.send({ typeUrl: services });
      harness.respond(services, { resources: resources(services, ['a/x', 'b/x', 'team-b/x', `${root}/x`]) });
      assert.deepEqual(namesOf(client.only(services)), [`${root}/x`], ns);
    }
  });
  test('the same past allow ids of teams', () => {
    const rule = parseRule(undefined, ['sidecar~*~*.team-*~*']);
    assert.ok(!('error' in rule));
    const allow = new AllowList([{ listener: 'l', rules: [rule] }]);
    const id = 'sidecar~10.0.0.1~pod.team-*~x';
    assert.equal(allow.refusal(at('l'), id), undefined);
    const scope = scopesWith([{}]).ofClient(at('l'), node(id), services);
    assert.ok(!scope.sees('team-other/x'));
  });
  test('a dot in what a star of allow stands for: pod.team-x.istio-system', () => {
    const rule = parseRule(undefined, ['sidecar~*~*.team-*~*']);
    assert.ok(!('error' in rule));
    const allow = new AllowList([{ listener: 'l', rules: [rule] }]);
    const id = 'sidecar~10.0.0.1~pod.team-x.istio-system~x';
    const isLetIn = allow.refusal(at('l'), id) === undefined;
    assert.ok(!(isLetIn && scopesWith(undefined).ofClient(at('l'), node(id), services).isOpen));
  });
  test('an Istio id whose pod has no dot says no namespace and is open', () => {
    for (const id of ['sidecar~10.0.0.1~pod~x', 'sidecar~10.0.0.1~pod.team-a.~x', 'sidecar~10.0.0.1~pod.team-a~x~y'])
      assert.ok(!scopesWith(undefined).ofClient(at('l'), node(id), services).isOpen, id);
  });
  test('a closed type is answered empty although it is withheld (maxAge), after a restart', () => {
    const disk = new MemoryDisk();
    const first = scopedHarness(undefined, {}, disk);
    const one = first.client('sotw', idIn('a'));
    one.send({ typeUrl: services });
    first.respond(services, { resources: resources(services, everywhere) });
    one.ack(one.only(services));
    first.advance(2_000);
    const harness = scopedHarness(
      [{ types: ['Gateway'] }],
      { maxAges: new Map([['*', { ms: 1_000, action: 'withhold' }]]) },
      disk.copy(),
    );
    harness.advance(5_000);
    const client = harness.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    harness.advance(600_000);
    assert.equal(client.take(services).length, 1);
  });
  test('a closed client of a shared view in which the type is withheld', () => {
    const disk = new MemoryDisk();
    const rules = [{ clientNamespaces: ['a'], namespaces: ['a'] }];
    const more = { nodeSharing: 'shared', maxAges: new Map([['*', { ms: 1_000, action: 'withhold' }]]) };
    const first = scopedHarness(rules, more, disk);
    const one = first.client('sotw', idIn('a'));
    one.send({ typeUrl: services });
    first.respond(services, { resources: resources(services, everywhere) });
    one.ack(one.only(services));
    first.advance(2_000);
    const harness = scopedHarness(rules, more, disk.copy());
    harness.isUpstreamUp = false;
    harness.advance(5_000);
    const client = harness.client('sotw', idIn('c'));
    client.send({ typeUrl: services });
    harness.advance(600_000);
    assert.equal(client.take(services).length, 1, 'answered empty, at once');
  });
  test('CSDS: words of a NACK that quote what the asker may not see', () => {
    const rules = [
      { listeners: ['127.0.0.1:1'], namespaces: ['a'] },
      { listeners: ['127.0.0.1:2'], namespaces: ['a', 'b'] },
    ];
    const harness = scopedHarness(rules);
    const wide = harness.client('sotw', idIn('a'), at('127.0.0.1:2'));
    wide.send({ typeUrl: services });
    harness.respond(services, { resources: resources(services, everywhere) });
    const { nonce } = wide.only(services);
    wide.send({ typeUrl: services, nonce, error: 'b/x: host secret.b.example is bad' });
    const scopes = scopesWith(rules);
    const source = {
      clients: () => harness.core.clients(),
      refusal: () => undefined,
      isSensitive: () => false,
      scopeOf: (peer: never, identity: never, typeUrl: TypeUrl) => scopes.ofClient(peer, identity, typeUrl),
    };
    const told = [
      ...clientConfigs(source as never, at('127.0.0.1:1'), { isAsked: () => true, excludesBodies: true }),
    ].flatMap(one => [...one.resources()]);
    assert.deepEqual(
      told.map(one => one.name),
      ['a/x'],
    );
    assert.ok(!JSON.stringify(told).includes('secret.b'), JSON.stringify(told));
  });
  test('SotW list of names: an alias opens nothing', () => {
    const harness = scopedHarness(oneNamespace, { nodeSharing: 'shared', variant: 'delta' });
    const other = harness.client('sotw', idIn('a'));
    other.send({ typeUrl: services });
    const client = harness.client('sotw', idIn('b'));
    client.send({ typeUrl: services, names: ['b/y'] });
    const [resource] = resources(services, ['a/x']);
    assert.ok(resource);
    harness.respond(services, { resources: [{ ...resource, aliases: ['b/y'] }] });
    harness.advance(60_000);
    const told = client.take(services);
    assert.deepEqual(told.flatMap(namesOf), []);
  });
  test('Delta: an alias of what is denied is answered all the same', () => {
    const harness = scopedHarness(oneNamespace, { nodeSharing: 'shared', variant: 'delta' });
    const client = harness.client('delta', idIn('b'));
    client.send({ typeUrl: services, names: ['b/y'] });
    const [resource] = resources(services, ['a/x']);
    assert.ok(resource);
    harness.respond(services, { resources: [{ ...resource, aliases: ['b/y'] }] });
    harness.advance(60_000);
    const told = client.take(services);
    assert.deepEqual(told.flatMap(namesOf), []);
    assert.deepEqual(
      told.flatMap(one => one.removed),
      ['b/y'],
    );
  });
  test('a quarantine empties no list, a filtered one neither (R102)', () => {
    const harness = scopedHarness(oneNamespace, { nodeSharing: 'shared' });
    const one = harness.client('sotw', idIn('a'));
    const other = harness.client('sotw', idIn('b'));
    for (const client of [one, other]) client.send({ typeUrl: services });
    harness.respond(services, { resources: resources(services, everywhere) });
    other.ack(other.only(services));
    one.send({ typeUrl: services, nonce: one.only(services).nonce, error: 'a/x: is bad' });
    harness.advance(5_000);
    const late = harness.client('sotw', idIn('a'));
    late.send({ typeUrl: services });
    assert.deepEqual(namesOf(late.only(services)), ['a/x']);
  });
  test('denied names count for namesPerPeerMax', () => {
    const harness = scopedHarness([{ namespaces: ['a'] }], { namesPerPeerMax: 10 });
    const client = harness.client('sotw', idIn('a'));
    for (const kind of ['VirtualService', 'Gateway', 'Sidecar', 'ServiceEntry'])
      client.send({
        typeUrl: `networking.istio.io/v1/${kind}` as TypeUrl,
        names: Array.from({ length: 9 }, (_, i) => `b/${i}`),
      });
    assert.ok(client.closed, '36 names are kept, 10 are allowed');
  });
  test('(control) so do names that are open', () => {
    const harness = scopedHarness([{ namespaces: ['a'] }], { namesPerPeerMax: 10 });
    const client = harness.client('sotw', idIn('a'));
    for (const kind of ['VirtualService', 'Gateway', 'Sidecar', 'ServiceEntry'])
      client.send({
        typeUrl: `networking.istio.io/v1/${kind}` as TypeUrl,
        names: Array.from({ length: 9 }, (_, i) => `a/${i}`),
      });
    assert.ok(client.closed);
  });
  test('Delta: wildcard beside a denied name is answered when the set is known to be empty (R117)', () => {
    const harness = scopedHarness([{ namespaces: ['a'] }]);
    const client = harness.client('delta', idIn('a'));
    client.send({ typeUrl: services, names: ['*', 'b/x'] });
    const [first] = client.take(services);
    assert.ok(first);
    client.ack(first);
    harness.respond(services, { resources: resources(services, ['b/x']) });
    harness.advance(60_000);
    assert.equal(client.take(services).length, 1, 'the wildcard was never answered');
  });
  test('xdstp names are no namespace "xdstp:"', () => {
    const scope = new TypeScope({ namespaces: [], patterns: ['x*'], rootNamespace: root });
    assert.ok(!scope.sees('xdstp://auth/networking.istio.io/v1/VirtualService/b/x'));
  });
  test('types ["*"] of one rule closes Envoy types for everybody else', () => {
    const scopes = scopesWith([{}, { clientNamespaces: ['ops'], types: ['*'], namespaces: ['*'] }]);
    assert.ok(scopes.ofClient(at('l'), node(idIn('a')), clusterType).isOpen);
  });
  test('a mistyped type is complained of', () => {
    const parsed = scopeRows.scopes.parse(JSON.stringify([{ types: ['VirtualServices'], namespaces: ['*'] }]));
    assert.ok('error' in parsed);
  });
  test('guard with guardPercent 100: an emptied list is held, whatever comes of other namespaces', () => {
    const harness = scopedHarness(undefined, { guard: 'hold', guardPercent: 100 });
    const client: HarnessClient = harness.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    harness.respond(services, { resources: resources(services, everywhere) });
    client.ack(client.only(services));
    harness.respond(services, { resources: resources(services, ['b/x', 'b/y']) });
    assert.deepEqual(client.take(services).map(namesOf), []);
  });
  test('(control)', () => {
    const harness = scopedHarness(undefined, { guard: 'hold', guardPercent: 100 });
    const client: HarnessClient = harness.client('sotw', idIn('a'));
    client.send({ typeUrl: services });
    harness.respond(services, { resources: resources(services, everywhere) });
    client.ack(client.only(services));
    harness.respond(services, { resources: [] });
    assert.deepEqual(client.take(services).map(namesOf), []);
  });
});
