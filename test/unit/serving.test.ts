import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytes, type Field, message, nested, text, uint } from '../../src/demo/proto.ts';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl, type Variant } from '../../src/xds/types.ts';
import { body, CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';

// What clients get, and what the control plane hears of them, on the pure core.

function withClusters(
  harness: CoreHarness,
  variant: Variant,
  names: readonly string[],
  nodeId = 'node',
): HarnessClient {
  const client = harness.client(variant, nodeId);
  client.send({ typeUrl: clusterType });
  if (harness.asked(clusterType).length > 0) harness.respond(clusterType, { resources: resources(clusterType, names) });
  harness.advance(150);
  client.ack(client.only(clusterType));
  return client;
}

describe('serving', () => {
  test('R83: clients that are told the same get the same bytes, and no nonce comes twice on a stream', () => {
    const harness = new CoreHarness();
    const one = withClusters(harness, 'delta', ['a'], 'one');
    const two = withClusters(harness, 'delta', ['a'], 'two');
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    assert.equal(one.only(clusterType).nonce, two.only(clusterType).nonce);
    one.send({ typeUrl: clusterType, names: ['a'] });
    one.send({ typeUrl: clusterType, names: ['a'] });
    const nonces = one.take(clusterType).map(each => each.nonce);
    assert.equal(nonces.length, 2);
    assert.equal(new Set(nonces).size, 2, 'each repetition has a nonce of its own');
  });

  test('R82: what nobody asked for is ignored', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
    assert.deepEqual(namesOf(client.only(endpointType)), ['a']);
    const [view] = harness.core.views();
    assert.equal(view?.types.get(endpointType)?.store.size, 1);
  });

  test('R92: a SotW client that returns with the current version is left alone, with another one it is answered', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(150);
    const { version } = client.only(clusterType);
    const same = harness.client('sotw');
    same.send({ typeUrl: clusterType, version });
    assert.deepEqual(same.inbox, []);
    harness.respond(clusterType, { resources: resources(clusterType, ['b']) });
    assert.deepEqual(namesOf(same.only(clusterType)), ['a', 'b'], 'it is told of the next change');
    const other = harness.client('sotw');
    other.send({ typeUrl: clusterType, version });
    assert.deepEqual(namesOf(other.only(clusterType)), ['a', 'b']);
  });

  test('R93: a Delta client that returns gets what differs, and removals of what is gone', () => {
    const harness = new CoreHarness();
    withClusters(harness, 'delta', ['a', 'b', 'c']);
    const returning = harness.client('delta');
    const initialVersions = new Map([
      ['a', '1'],
      ['b', 'old'],
      ['gone', '1'],
    ]);
    returning.send({ typeUrl: clusterType, initialVersions });
    harness.advance(200);
    const messages = returning.take(clusterType);
    assert.deepEqual(messages.flatMap(namesOf).sort(), ['b', 'c']);
    assert.deepEqual(
      messages.flatMap(one => one.removed),
      ['gone'],
    );
  });

  test('R89 R90: an empty version that a client brings proves nothing', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, initialVersions: new Map([['a', '']]) });
    harness.respond(clusterType, { resources: [{ name: 'a', version: '', body: body(clusterType, 'a') }] });
    const [resource] = client.only(clusterType).resources;
    assert.equal(resource?.name, 'a');
    assert.notEqual(resource?.version, '', 'R89: a version of our own where upstream gives none');
  });

  for (const variant of ['sotw', 'delta'] as const) {
    test(`R97: ${variant}: what a client refused is not repeated, and its repair takes the rest of the message along`, () => {
      const harness = new CoreHarness();
      const client = harness.client(variant);
      client.send({ typeUrl: endpointType, names: ['good', 'bad'] });
      harness.respond(endpointType, { resources: resources(endpointType, ['good', 'bad']) });
      const names = variant === 'sotw' ? ['good', 'bad'] : [];
      client.send({ typeUrl: endpointType, nonce: client.only(endpointType).nonce, names, error: 'bad is bad' });
      harness.advance(60_000);
      assert.deepEqual(client.inbox, []);
      harness.respond(endpointType, { resources: resources(endpointType, ['bad'], 2) });
      assert.deepEqual(namesOf(client.only(endpointType)), ['bad', 'good']);
    });
  }

  test('R88 R30: a route waits for the endpoints of a cluster sent before it, but not for ever', () => {
    for (const answers of [true, false]) {
      const harness = new CoreHarness();
      const client = withClusters(harness, 'delta', ['a']);
      client.send({ typeUrl: endpointType, names: ['a'] });
      harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
      client.send({ typeUrl: routeType, names: ['r'] });
      harness.respond(routeType, { resources: resources(routeType, ['r']) });
      client.inbox.length = 0;
      harness.respond(clusterType, { resources: resources(clusterType, ['new']) });
      harness.respond(routeType, { resources: resources(routeType, ['r'], 2) });
      client.send({ typeUrl: endpointType, names: ['new'] });
      assert.deepEqual(client.take(routeType), [], 'the new cluster has no endpoints yet');
      if (answers) harness.respond(endpointType, { resources: resources(endpointType, ['new']) });
      else harness.advance(1_000);
      const order = client.inbox.map(one => one.typeUrl);
      assert.deepEqual(order, answers ? [clusterType, endpointType, routeType] : [clusterType, routeType]);
    }
  });

  test('R38 R62: a SotW list of named clusters waits until each name is known or known to be missing', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: listenerType, names: ['a', 'b'] });
    harness.respond(listenerType, { resources: resources(listenerType, ['a']) });
    assert.deepEqual(client.inbox, [], 'the other may follow');
    harness.respond(listenerType, { resources: resources(listenerType, ['b']) });
    assert.deepEqual(namesOf(client.only(listenerType)), ['a', 'b']);
  });

  test('R19 R23 R95 R115: Delta: a name that upstream answers with silence is reported missing once the set is known without it', () => {
    const harness = new CoreHarness();
    const client = withClusters(harness, 'delta', ['a']);
    client.send({ typeUrl: endpointType, names: ['a', 'ghost'] });
    harness.advance(400);
    const messages = client.take(endpointType);
    assert.deepEqual(
      messages.flatMap(one => one.removed),
      ['ghost'],
      'no cluster refers to it; the endpoints of a cluster that exists are never reported missing on silence (R95)',
    );
    harness.respond(endpointType, { resources: resources(endpointType, ['ghost']) });
    assert.deepEqual(namesOf(client.only(endpointType)), ['ghost'], 'R19: the subscription goes on');
  });

  for (const variant of ['sotw', 'delta'] as const) {
    test(`a report of Istio’s asks for nothing and keeps nobody waiting (${variant})`, () => {
      const harness = new CoreHarness();
      const client = harness.client(variant);
      const health = 'type.googleapis.com/istio.v1.HealthInformation' as TypeUrl;
      client.send({ typeUrl: health, error: 'the workload is not well' });
      client.send({ typeUrl: health });
      harness.advance(60_000);
      assert.deepEqual([client.inbox, client.closed, harness.upstream], [[], undefined, undefined]);
      client.send({ typeUrl: clusterType });
      harness.respond(clusterType, { resources: resources(clusterType, ['c']) });
      harness.advance(150);
      assert.deepEqual(namesOf(client.only(clusterType)), ['c']);
      const complete = [...harness.core.clients()].flatMap(({ stream }) =>
        [...stream.types()].map(one => one.isComplete),
      );
      assert.deepEqual(complete, [true]);
    });
  }

  test('R25: a SotW answer of heartbeats is no list, so nothing is gone by it', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    const [lasting, passing] = resources(clusterType, ['lasting', 'passing']);
    assert.ok(lasting && passing);
    harness.respond(clusterType, { resources: [lasting, { ...passing, ttlMs: 2_000 }] });
    assert.deepEqual(namesOf(client.only(clusterType)), ['lasting', 'passing']);
    for (let at = 0; at < 3; at++) {
      harness.advance(1_500);
      harness.respond(clusterType, { resources: [{ ...passing, ttlMs: 2_000, body: Buffer.alloc(0) }] });
    }
    assert.deepEqual(client.take(clusterType), []);
    harness.advance(2_500);
    assert.deepEqual(client.only(clusterType).removed, ['passing']);
  });

  test('R114 R25: a TTL stays upstream, and a heartbeat is no content', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['a'] });
    const any = nested(2, text(1, endpointType), bytes(2, body(endpointType, 'a')));
    const ttl = nested(6, uint(1, 5));
    const extra = text(4, 'an-alias');
    const raw = (...fields: readonly Field[]): Buffer =>
      message(nested(2, ...fields), text(4, endpointType), text(5, 'n1'));
    const streamId = harness.upstream?.streamId ?? 0;
    harness.post({ kind: 'upstream_response', streamId, bytes: raw(text(1, 'v1'), any, text(3, 'a'), ttl, extra) });
    const sent = client.only(endpointType);
    assert.deepEqual(sent.resources[0]?.body, body(endpointType, 'a'));
    harness.post({ kind: 'upstream_response', streamId, bytes: raw(text(1, 'v1'), text(3, 'a'), ttl) });
    assert.deepEqual(client.inbox, [], 'the resource was not emptied');
  });

  test('R122: one message in flight: a client that does not read costs one pending state', () => {
    const harness = new CoreHarness();
    const client = withClusters(harness, 'sotw', ['a']);
    client.isReading = false;
    for (let payload = 2; payload < 100; payload++) {
      harness.respond(clusterType, { resources: resources(clusterType, ['a'], payload) });
    }
    assert.equal(client.take(clusterType).length, 1);
    client.read();
    assert.deepEqual(client.only(clusterType).resources[0]?.body, body(clusterType, 'a', 99), 'then the newest');
  });

  test('R122: a client that takes nothing is cut off with the name of the limit', () => {
    const harness = new CoreHarness();
    const client = withClusters(harness, 'sotw', ['a']);
    client.isReading = false;
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    harness.advance(30_000);
    assert.equal(client.closed?.code, grpcCode.resourceExhausted);
    assert.match(client.closed?.message ?? '', /clientProgressTimeout/);
  });

  test('R122: a client that stops in the middle of a warming cluster is cut off too', () => {
    const harness = new CoreHarness();
    const client = withClusters(harness, 'delta', ['a']);
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    harness.respond(clusterType, { resources: resources(clusterType, ['new']) });
    client.isReading = false;
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    harness.advance(60_000);
    assert.match(client.closed?.message ?? '', /clientProgressTimeout/);
  });

  test('R122: past the budget of bytes in flight a stream waits for its turn, and gets it', () => {
    const harness = new CoreHarness({ responseBytesInFlightMax: 1 });
    const one = withClusters(harness, 'sotw', ['a'], 'one');
    const two = withClusters(harness, 'sotw', ['a'], 'two');
    one.isReading = false;
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    assert.equal(one.take(clusterType).length, 1);
    assert.deepEqual(two.inbox, []);
    one.read();
    assert.equal(two.take(clusterType).length, 1);
    assert.equal(harness.core.bytesInFlight, 0);
  });

  test('R98: the control plane hears the verdict of the clients, at the latest after the wait', () => {
    const harness = new CoreHarness();
    const one = withClusters(harness, 'delta', ['a'], 'one');
    const two = withClusters(harness, 'delta', ['a'], 'two');
    harness.asked(clusterType);
    const nonce = harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    const answer = () => harness.asked(clusterType).find(request => request.nonce === nonce);
    one.ack(one.only(clusterType));
    assert.equal(answer(), undefined, 'the other has not answered');
    two.send({ typeUrl: clusterType, nonce: two.only(clusterType).nonce, error: 'no such filter' });
    assert.match(answer()?.error ?? '', /node two: no such filter/);
    const next = harness.respond(clusterType, { resources: resources(clusterType, ['a'], 3) });
    harness.advance(999);
    assert.equal(harness.asked(clusterType).length, 0);
    harness.advance(1);
    const late = harness.asked(clusterType).find(request => request.nonce === next);
    assert.ok(late && late.error === undefined);
  });

  test('R100: a NACK after the ACK is sent on once in Delta', () => {
    const harness = new CoreHarness();
    const client = withClusters(harness, 'delta', ['a']);
    const nonce = harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    const sent = client.only(clusterType);
    harness.advance(1_000);
    assert.ok(harness.asked(clusterType).some(one => one.nonce === nonce && one.error === undefined));
    client.send({ typeUrl: clusterType, nonce: sent.nonce, error: 'after all, no' });
    client.send({ typeUrl: clusterType, nonce: sent.nonce, error: 'after all, no' });
    assert.equal(harness.asked(clusterType).filter(one => one.nonce === nonce && one.error !== undefined).length, 1);
  });

  test('R99: ack receipt answers at once', () => {
    const harness = new CoreHarness({ ack: 'receipt' });
    withClusters(harness, 'delta', ['a']);
    harness.asked(clusterType);
    const nonce = harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    assert.ok(harness.asked(clusterType).some(one => one.nonce === nonce && one.error === undefined));
  });

  test('T11 R67: refuse: a second node is told which fields differ; alone, it is served in a view of its own', () => {
    const harness = new CoreHarness({ nodeSharing: 'refuse' });
    const one = withClusters(harness, 'delta', ['a'], 'one');
    const two = harness.client('delta', 'two');
    two.send({ typeUrl: clusterType });
    assert.equal(two.closed?.code, grpcCode.permissionDenied);
    assert.match(two.closed?.message ?? '', /node\.id \('two', held: 'one'\)/);
    assert.deepEqual(two.inbox, []);
    one.leave();
    const again = harness.client('delta', 'two');
    again.send({ typeUrl: clusterType });
    assert.equal(again.closed, undefined);
    assert.deepEqual(again.inbox, [], 'nothing of the other node’s view');
    assert.equal(harness.asked(clusterType)[0]?.nodeId, 'two');
    harness.respond(clusterType, { resources: resources(clusterType, ['b']) });
    assert.deepEqual(namesOf(again.only(clusterType)), ['b']);
  });

  test('R1 R2 R126: a stream without node, without id or without type is ended with INVALID_ARGUMENT', () => {
    const harness = new CoreHarness();
    const noNode = harness.client('sotw');
    noNode.send({ typeUrl: clusterType, nodeId: undefined });
    const noId = harness.client('sotw', '');
    noId.send({ typeUrl: clusterType });
    const noType = harness.client('delta');
    noType.send({ typeUrl: '' });
    for (const client of [noNode, noId, noType]) assert.equal(client.closed?.code, grpcCode.invalidArgument);
  });

  test('R3: a nonce on the first request of a type is no answer', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType, nonce: 'from another life', error: 'old' });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(150);
    assert.deepEqual(namesOf(client.only(clusterType)), ['a']);
    assert.ok(!harness.notes.some(note => note.kind === 'client_nack'));
  });

  test('R62: a whole list is never taken from what was held before the wildcard ended (seed 93690)', () => {
    const harness = new CoreHarness({ lingerMs: 1_000 });
    const first = withClusters(harness, 'sotw', ['a', 'b']);
    first.leave();
    harness.advance(2_000);
    const second = harness.client('sotw');
    second.send({ typeUrl: clusterType });
    harness.advance(100);
    harness.respond(clusterType, {});
    harness.advance(200);
    const { resources: sent } = second.only(clusterType);
    assert.deepEqual(sent, []);
  });

  test('R38 R62: a removal whose time has come waits when the list would not be whole', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType, names: ['a', 'b'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(500);
    const message = client.only(clusterType);
    client.ack(message, ['a', 'b']);
    harness.respond(clusterType, { removed: ['b'] });
    client.send({ typeUrl: clusterType, names: ['a', 'b', 'c'], version: message.version, nonce: message.nonce });
    harness.advance(150);
    assert.deepEqual(client.take(clusterType), [], 'nothing is known of c');
    harness.respond(clusterType, { resources: resources(clusterType, ['c']) });
    harness.advance(150);
    assert.deepEqual(namesOf(client.take(clusterType).at(-1) ?? assert.fail()), ['a', 'c']);
  });

  test('R48 R95: a cluster asked for on demand is not reported missing because nobody has it yet', () => {
    const harness = new CoreHarness();
    const client = withClusters(harness, 'delta', ['base']);
    client.send({ typeUrl: clusterType, names: ['on-demand'] });
    harness.advance(10_000);
    assert.deepEqual(client.take(clusterType), []);
    harness.respond(clusterType, { resources: resources(clusterType, ['on-demand']) });
    assert.deepEqual(namesOf(client.only(clusterType)), ['on-demand']);
  });

  test('R17: an answer owed to a name ends with the interest in it', () => {
    const harness = new CoreHarness({ lingerMs: 10 });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: ['*', 'x'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['base']) });
    harness.advance(500);
    client.inbox.length = 0;
    client.isReading = false;
    harness.respond(clusterType, { resources: resources(clusterType, ['base'], 2) });
    client.send({ typeUrl: clusterType, unsubscribe: ['x'] });
    client.send({ typeUrl: clusterType, unsubscribe: ['*'] });
    client.read();
    harness.advance(500);
    client.inbox.length = 0;
    client.send({ typeUrl: clusterType, names: ['x'] });
    assert.deepEqual(client.take(clusterType), []);
  });
});
