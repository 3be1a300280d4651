import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import type { HeldQuery } from '../../src/admin/source.ts';
import { clientConfigs } from '../../src/agent/client-status.ts';
import { heldResources } from '../../src/agent/held-resources.ts';
import { inspect } from '../../src/agent/inspect.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { TypeScope } from '../../src/xds/type-scope.ts';
import { clusterType, endpointType, secretType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { clientStatus, configStatus } from '../../src/xds/wire-status.ts';
import { CoreHarness, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { meshConfigResource, meshResource } from '../support/mesh-resources.ts';
import { noLoad } from '../support/reports.ts';

// What an operator is told of each resource: when it came, from where, and who took it.

const vs = 'networking.istio.io/v1/VirtualService' as TypeUrl;

function held(harness: CoreHarness, typeUrl: TypeUrl, query: Partial<HeldQuery> = {}) {
  const clock = { monotonicMs: harness.nowMs, wallMs: 1_000_000 + harness.nowMs };
  return [...heldResources(harness.core, { typeUrl, hasClients: true, hasBodies: false, ...query }, clock)];
}

function report(harness: CoreHarness) {
  const clock = { monotonicMs: harness.nowMs, wallMs: 1_000_000 + harness.nowMs };
  const shown = { cache: undefined, isSeeded: false, load: noLoad, refusals: [] };
  const memory = { residentBytes: 0, ownBytes: undefined };
  const rest = { startedWallMs: 0, isListening: true, memory, servers: [], ...shown };
  return inspect(harness.core, { ...rest, clock, idleNodes: { count: 0, keptMs: 0 } });
}

describe('what is held', () => {
  test('has the time at which its content came, not that of what came since and changed nothing', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(5_000);
    harness.respond(clusterType, {
      resources: [...resources(clusterType, ['a']), ...resources(clusterType, ['b'], 2)],
    });
    const times = held(harness, clusterType).map(one => [one.name, one.changedWallMs]);
    assert.deepEqual(
      new Map(times as [string, number][]),
      new Map([
        ['a', 1_000_000],
        ['b', 1_005_000],
      ]),
    );
  });

  test('keeps that time on disk and in the idle tier', () => {
    const disk = new MemoryDisk();
    const harness = new CoreHarness({}, disk);
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    client.send({ typeUrl: endpointType, names: ['e'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.respond(endpointType, { resources: resources(endpointType, ['e']) });
    harness.advance(5_000);
    client.send({ typeUrl: endpointType, unsubscribe: ['e'] });
    assert.deepEqual(
      held(harness, endpointType).map(one => [one.name, one.changedWallMs, one.isIdle]),
      [['e', 1_000_000, true]],
    );
    harness.respond(endpointType, { resources: resources(endpointType, ['e']) });
    client.send({ typeUrl: endpointType, names: ['e'] });
    assert.deepEqual(
      held(harness, endpointType).map(one => [one.name, one.changedWallMs, one.isIdle]),
      [['e', 1_000_000, false]],
    );
    const after = new CoreHarness({}, disk);
    const [restored] = held(after, clusterType);
    assert.deepEqual([restored?.changedWallMs, restored?.source, restored?.words.subscribed], [1_000_000, 'disk', 0]);
  });

  test('says of each client that subscribes it whether it took it, rejected it, or has not answered', () => {
    const harness = new CoreHarness();
    const clients = ['a', 'b', 'c'].map(id => harness.client('delta', id));
    for (const client of clients)
      client.send({ typeUrl: endpointType, names: client === clients[2] ? ['y'] : ['x', 'y'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['x', 'y']) });
    const [a, b] = clients;
    assert.ok(a && b);
    a.ack(a.only(endpointType));
    b.send({ typeUrl: endpointType, nonce: b.only(endpointType).nonce, error: 'x is bad' });
    const [x, y] = held(harness, endpointType, { names: ['x', 'y', 'z'] });
    assert.deepEqual(x?.words, { subscribed: 2, acked: 1, nacked: 1, sent: 0 });
    assert.deepEqual(
      x?.clients?.map(one => [one.nodeId, one.word, one.error]),
      [
        ['a', 'acked', undefined],
        ['b', 'nacked', 'x is bad'],
      ],
    );
    assert.equal(y?.words.subscribed, 3);
    assert.deepEqual(y?.clients?.find(one => one.nodeId === 'c')?.word, 'pending');
    assert.equal(held(harness, endpointType, { hasClients: false })[0]?.clients, undefined);
  });

  test('a client that comes back with all that there is has it, although it is sent nothing', () => {
    const harness = new CoreHarness();
    const first = harness.client('delta', 'first');
    first.send({ typeUrl: clusterType });
    first.send({ typeUrl: endpointType, names: ['x'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.respond(endpointType, { resources: resources(endpointType, ['x']) });
    harness.advance(1_000);
    const back = harness.client('delta', 'back');
    back.send({ typeUrl: clusterType, initialVersions: new Map([['a', '1']]) });
    back.send({ typeUrl: endpointType, names: ['x', 'y'], initialVersions: new Map([['x', '1']]) });
    assert.deepEqual(back.inbox, []);
    const statuses = report(harness)
      .clients.find(client => client.nodeId === 'back')
      ?.types.map(type => type.status);
    assert.deepEqual(statuses, ['SYNCED', 'NOT SENT'], 'of the endpoints it still waits for y');
    const word = held(harness, clusterType)[0]?.clients?.find(client => client.nodeId === 'back')?.word;
    assert.equal(word, 'acked');
  });

  test('counts the clients that may see it only', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const proxies = ['shop', 'bank'].map(namespace => harness.client('sotw', `sidecar~1.1.1.1~pod.${namespace}~local`));
    for (const proxy of proxies) proxy.send({ typeUrl: vs });
    harness.respond(vs, {
      resources: ['shop/a', 'istio-system/b'].map(name => meshResource(vs, name, { hosts: ['a'] })),
    });
    assert.deepEqual(
      held(harness, vs).map(one => [one.name, one.clients?.map(client => client.nodeId.split('~')[2])]),
      [
        ['shop/a', ['pod.shop']],
        ['istio-system/b', ['pod.shop', 'pod.bank']],
      ],
    );
  });

  test('what all reject is shown with the words, and what is served in its place', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    client.ack(client.only(clusterType));
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    client.send({ typeUrl: clusterType, nonce: client.only(clusterType).nonce, error: 'a is bad' });
    harness.advance(2_000);
    const a = held(harness, clusterType).find(one => one.name === 'a');
    assert.deepEqual([a?.version, a?.trust, a?.quarantine?.served], ['1', 'refused', 'last accepted']);
    assert.match(a?.quarantine?.words ?? '', /a is bad/);
    assert.deepEqual(a?.words, { subscribed: 1, acked: 0, nacked: 1, sent: 0 });
  });

  test('is found by namespace, by name and by a part of it, and tells the version of its author', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const client = harness.client('sotw');
    client.send({ typeUrl: vs, nonce: 'of another stream' });
    const spec = { hosts: ['a'] };
    const names = ['shop/a', 'shop/b', 'shopping/a'];
    harness.respond(vs, { resources: names.map((name, at) => meshResource(vs, name, spec, `${at + 40}`)) });
    const shown = (query: Partial<HeldQuery>) =>
      held(harness, vs, query).map(one => `${one.name} ${one.metadataVersion}`);
    assert.deepEqual(shown({ namespace: 'shop' }), ['shop/a 40', 'shop/b 41']);
    assert.deepEqual(shown({ names: ['shopping/a', 'none/a', 'shop/a'] }), ['shopping/a 42', 'shop/a 40']);
    assert.deepEqual(shown({ contains: 'PING/' }), ['shopping/a 42']);
    assert.deepEqual(shown({ contains: 'b', namespace: 'shop' }), ['shop/b 41']);
    assert.deepEqual(shown({ viewKey: 'another' }), []);
  });

  test('of a secret there is the name, and its body is shown to nobody; neither is one with a key in it', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: secretType, names: ['tls'] });
    client.send({ typeUrl: clusterType });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = privateKey.export({ type: 'pkcs8', format: 'der' });
    harness.respond(secretType, { resources: resources(secretType, ['tls']) });
    const inlined = { name: 'keyed', version: '1', body: message(text(1, 'keyed'), bytes(24, der)) };
    harness.respond(clusterType, { resources: [inlined, ...resources(clusterType, ['plain'])] });
    const [secret] = held(harness, secretType, { hasBodies: true });
    assert.deepEqual(
      [secret?.name, secret?.version, secret?.bytes, secret?.digest, secret?.body, secret?.withheld],
      ['tls', '', 0, '', undefined, 'it is a secret'],
    );
    const [keyed, plain] = held(harness, clusterType, { hasBodies: true });
    assert.deepEqual([keyed?.name, keyed?.body, keyed?.withheld], ['keyed', undefined, 'it holds a private key']);
    assert.ok(plain?.body);
    assert.equal(held(harness, clusterType)[1]?.body, undefined, 'only for who asks for bodies');
  });
});

describe('a MeshConfig, which istiod never acknowledges', () => {
  test('is sent once it is sent, in the status of the client, of the resource and in CSDS, and never acknowledged', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const client = harness.client('sotw');
    client.send({ typeUrl: meshConfigTypeUrl, nonce: 'of another stream' });
    const status = () => report(harness).clients[0]?.types[0]?.status;
    assert.equal(status(), 'NOT SENT');
    harness.respond(meshConfigTypeUrl, { resources: [meshConfigResource({ accessLogFile: '/dev/stdout' })] });
    assert.equal(client.take(meshConfigTypeUrl).length, 1);
    harness.advance(600_000);
    assert.equal(status(), 'SENT');
    const [row] = held(harness, meshConfigTypeUrl);
    assert.deepEqual(row?.words, { subscribed: 1, acked: 0, nacked: 0, sent: 1 });
    const source = {
      clients: () => harness.core.clients(),
      refusal: () => undefined,
      isSensitive: () => false,
      scopeOf: () => TypeScope.open,
    };
    const peer = { listener: 'test', names: [], way: 'private' } as const;
    const asked = { isAsked: () => true, excludesBodies: true };
    const [told] = [...clientConfigs(source, peer, asked)].flatMap(one => [...one.resources()]);
    assert.deepEqual([told?.config, told?.client], [configStatus.unknown, clientStatus.requested]);
  });

  test('that is empty is acknowledged as anything else', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const client = harness.client('sotw');
    client.send({ typeUrl: meshConfigTypeUrl, nonce: 'of another stream' });
    harness.respond(meshConfigTypeUrl);
    client.ack(client.only(meshConfigTypeUrl));
    assert.equal(report(harness).clients[0]?.types[0]?.status, 'SYNCED');
  });
});

describe('what nobody subscribes', () => {
  test('R72: is counted with the time until which it is kept at most, and in an outage without an end', () => {
    const harness = new CoreHarness({ lingerMs: 60_000 });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    client.send({ typeUrl: endpointType, names: ['x', 'y'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['x']) });
    harness.respond(endpointType, { resources: resources(endpointType, ['x', 'y']) });
    const typeOf = (typeUrl: TypeUrl) => {
      const { idleResources, isListIdle, idleUntilWallMs } =
        report(harness).types.find(one => one.typeUrl === typeUrl) ?? assert.fail(typeUrl);
      return { idleResources, isListIdle, idleUntilWallMs };
    };
    const none = { idleResources: 0, isListIdle: false, idleUntilWallMs: undefined };
    assert.deepEqual([typeOf(clusterType), typeOf(endpointType)], [none, none]);
    harness.advance(1_000);
    client.send({ typeUrl: endpointType, unsubscribe: ['x'] });
    harness.advance(1_000);
    client.leave();
    assert.deepEqual(typeOf(endpointType), { idleResources: 2, isListIdle: false, idleUntilWallMs: 1_062_000 });
    assert.deepEqual(typeOf(clusterType), { idleResources: 0, isListIdle: true, idleUntilWallMs: 1_062_000 });
    harness.isUpstreamUp = false;
    harness.cut();
    assert.deepEqual(typeOf(endpointType), { idleResources: 2, isListIdle: false, idleUntilWallMs: undefined });
  });
});
