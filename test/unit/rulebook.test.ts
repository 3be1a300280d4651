import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { body, CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';

// The test list of the rulebook (section 6) on the pure core. What needs a real Envoy is in test/e2e besides.

const variants: readonly Variant[] = ['sotw', 'delta'];

/** A client that holds clusters and endpoints `names`, all acknowledged. */
function synced(harness: CoreHarness, variant: Variant, names: readonly string[], nodeId?: string): HarnessClient {
  const client = harness.client(variant, nodeId);
  client.send({ typeUrl: clusterType });
  if (harness.upstream && harness.asked(clusterType).length > 0) {
    harness.respond(clusterType, { resources: resources(clusterType, names) });
  }
  harness.advance(150);
  client.ack(client.only(clusterType));
  client.send({ typeUrl: endpointType, names });
  if (harness.asked(endpointType).some(one => one.names.length > 0)) {
    harness.respond(endpointType, { resources: resources(endpointType, names) });
  }
  client.ack(client.only(endpointType), variant === 'sotw' ? names : []);
  return client;
}

describe('rulebook', () => {
  for (const variant of variants) {
    test(`T1 R29 R87: ${variant}: endpoints follow a changed cluster unasked, although they did not change`, () => {
      const harness = new CoreHarness();
      const client = synced(harness, variant, ['a', 'b']);
      harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
      const sent = client.inbox.map(one => one.typeUrl);
      assert.deepEqual(sent, [clusterType, endpointType]);
      const endpoints = client.take(endpointType)[0];
      assert.ok(endpoints);
      assert.deepEqual(namesOf(endpoints), ['a']);
      assert.ok((endpoints.resources[0]?.body.length ?? 0) > 0, 'a body, no heartbeat');
    });
  }

  test('R85: after the push a repeated request with the old nonce is answered with silence', () => {
    const harness = new CoreHarness();
    const client = synced(harness, 'sotw', ['a']);
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    const pushed = client.only(endpointType);
    client.ack(pushed, ['a']);
    client.ack(pushed, ['a']);
    assert.deepEqual(client.take(endpointType), []);
  });

  test('T2 R43: a stream that starts with endpoints is answered, whether or not clusters were asked for', () => {
    const harness = new CoreHarness();
    synced(harness, 'sotw', ['a']);
    const returning = harness.client('sotw');
    returning.send({ typeUrl: endpointType, version: 'from before', names: ['a'] });
    assert.deepEqual(namesOf(returning.only(endpointType)), ['a']);
    returning.send({ typeUrl: clusterType, version: 'from before' });
    assert.deepEqual(namesOf(returning.only(clusterType)), ['a']);
    assert.deepEqual(namesOf(returning.only(endpointType)), ['a'], 'endpoints sent before the clusters do not count');
  });

  for (const variant of variants) {
    test(`T3 R47 R73: ${variant} upstream: an empty first request for endpoints means nothing`, () => {
      const harness = new CoreHarness({ variant });
      const client = harness.client('sotw');
      client.send({ typeUrl: endpointType, version: 'from before' });
      harness.advance(1_000);
      assert.deepEqual(client.inbox, []);
      assert.deepEqual(harness.asked(endpointType), []);
    });

    test(`T4 R62: ${variant}: with an empty cache and upstream down nothing is sent and nothing removed`, () => {
      const harness = new CoreHarness();
      harness.isUpstreamUp = false;
      const client = harness.client(variant);
      const initialVersions = new Map([['a', '1']]);
      client.send({ typeUrl: clusterType, version: 'held', initialVersions });
      client.send({ typeUrl: listenerType, version: 'held', initialVersions });
      harness.advance(120_000);
      assert.deepEqual(client.inbox, []);
      assert.equal(client.closed, undefined, 'upstream loss is invisible to clients');
    });
  }

  test('T8 R103: removed and added again while the client is slow: one message, and the cluster is there', () => {
    const harness = new CoreHarness();
    const client = synced(harness, 'delta', ['a', 'b']);
    client.isReading = false;
    harness.respond(clusterType, { resources: resources(clusterType, ['b'], 2) });
    harness.respond(clusterType, { removed: ['a'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 3) });
    assert.equal(client.take(clusterType).length, 1, 'one message in flight');
    client.read();
    harness.advance(500);
    const message = client.only(clusterType);
    assert.deepEqual(namesOf(message), ['a']);
    assert.deepEqual(message.removed, []);
  });

  test('R103: added and removed while the client is slow is no news to it', () => {
    const harness = new CoreHarness();
    const client = synced(harness, 'delta', ['a']);
    client.isReading = false;
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    client.take(clusterType);
    harness.respond(clusterType, { resources: resources(clusterType, ['ghost'], 3) });
    harness.respond(clusterType, { removed: ['ghost'] });
    client.read();
    harness.advance(500);
    assert.deepEqual(client.take(clusterType), []);
  });

  test('T9 R116: a first answer in ten parts reaches a SotW client as one whole list', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType, version: 'holds a thousand' });
    const names = Array.from({ length: 1_000 }, (_, index) => `c${index}`);
    for (let part = 0; part < 10; part++) {
      harness.respond(clusterType, { resources: resources(clusterType, names.slice(part * 100, part * 100 + 100)) });
      harness.advance(60);
      assert.deepEqual(client.inbox, []);
    }
    harness.advance(100);
    assert.equal(client.only(clusterType).resources.length, 1_000);
  });

  test('T13 R17: dropping a name that the wildcard covers is answered with the resource, else with its removal', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: ['*', 'a', 'ghost'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    client.inbox.length = 0;
    client.send({ typeUrl: clusterType, unsubscribe: ['a'] });
    assert.deepEqual(namesOf(client.only(clusterType)), ['a']);
    client.send({ typeUrl: clusterType, unsubscribe: ['ghost'] });
    harness.advance(200);
    assert.deepEqual(client.only(clusterType).removed, ['ghost']);
  });

  test('T14 R16 R76: Delta: a name that is subscribed again is sent again', () => {
    const harness = new CoreHarness();
    const client = synced(harness, 'delta', ['a']);
    client.send({ typeUrl: endpointType, names: ['a'] });
    assert.deepEqual(namesOf(client.only(endpointType)), ['a']);
    assert.deepEqual(
      harness.asked(endpointType).filter(one => one.names.length > 0),
      [],
      'R76: answered from the cache',
    );
  });

  test('T15 R15: SotW: a name dropped and asked for again is sent twice', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    let nonce = '';
    const ask = (names: readonly string[]): void => client.send({ typeUrl: endpointType, nonce, names });
    ask(['a']);
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    nonce = client.only(endpointType).nonce;
    ask(['a', 'b']);
    harness.respond(endpointType, { resources: resources(endpointType, ['b']) });
    const first = client.only(endpointType);
    assert.ok(namesOf(first).includes('b'));
    nonce = first.nonce;
    ask(['a']);
    assert.deepEqual(client.take(endpointType), []);
    ask(['a', 'b']);
    assert.deepEqual(namesOf(client.only(endpointType)), ['b']);
  });

  test('T16 R84: a superseded nonce carries names but no verdict on the newest message', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: endpointType, names: ['a', 'b'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
    const first = client.only(endpointType);
    client.ack(first, ['a', 'b']);
    harness.asked(endpointType);
    const nonce = harness.respond(endpointType, { resources: resources(endpointType, ['a'], 2) });
    const second = client.only(endpointType);
    client.send({ typeUrl: endpointType, nonce: first.nonce, names: ['a', 'b', 'c'] });
    assert.ok(
      harness.asked(endpointType).some(one => one.names.includes('c')),
      'the new name is asked for upstream',
    );
    harness.advance(500);
    assert.ok(
      !harness.asked(endpointType).some(one => one.nonce === nonce),
      'the newest message is not acknowledged yet',
    );
    client.ack(second, ['a', 'b', 'c']);
    assert.ok(harness.asked(endpointType).some(one => one.nonce === nonce));
  });

  test('T20 R54 R95: a Delta client is never told of a removed route that upstream did not remove', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: routeType, names: ['r', 'other'] });
    harness.respond(routeType, { resources: resources(routeType, ['other']) });
    harness.advance(20_000);
    assert.ok(client.take(routeType).every(one => one.removed.length === 0));
    harness.cut();
    harness.advance(60_000);
    assert.deepEqual(client.inbox, []);
    harness.respond(routeType, { removed: ['r'] });
    assert.deepEqual(client.only(routeType).removed, ['r'], 'what upstream says is passed on');
  });

  for (const variant of variants) {
    test(`T21 R22 R77: ${variant} upstream: a name that occurs twice is refused, and nothing of it is passed on`, () => {
      const harness = new CoreHarness({ variant });
      const client = harness.client('sotw');
      client.send({ typeUrl: clusterType });
      const nonce = harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'a']) });
      harness.advance(500);
      assert.deepEqual(client.inbox, []);
      const refusal = harness.asked(clusterType).find(one => one.nonce === nonce);
      assert.match(refusal?.error ?? '', /'a' twice/);
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
      harness.advance(500);
      assert.deepEqual(namesOf(client.only(clusterType)), ['a', 'b']);
    });

    test(`T24 R77: ${variant}: a type URL without prefix and an Any of another type pass unchanged`, () => {
      const harness = new CoreHarness({ variant });
      const typeUrl = 'networking.istio.io/v1/VirtualService' as TypeUrl;
      const client = harness.client(variant);
      client.send({ typeUrl });
      // metadata { name: "ns/one" } and an opaque rest.
      const mcp = Buffer.concat([
        Buffer.from([0x0a, 0x08, 0x0a, 0x06]),
        Buffer.from('ns/one'),
        Buffer.from([0x12, 0x03, 1, 2, 3]),
      ]);
      const anyType = 'type.googleapis.com/istio.mcp.v1alpha1.Resource';
      harness.respond(typeUrl, { resources: [{ name: 'ns/one', version: '', body: mcp, anyType }] });
      harness.advance(200);
      const [resource] = client.only(typeUrl).resources;
      assert.equal(resource?.anyType, anyType);
      assert.deepEqual(resource?.body, mcp);
      if (variant === 'delta') assert.equal(resource?.name, 'ns/one');
    });
  }

  test('R28 R86: a cluster’s removal waits for the listener of the same batch', () => {
    for (const variant of variants) {
      const harness = new CoreHarness();
      const client = synced(harness, variant, ['a', 'b']);
      client.send({ typeUrl: listenerType });
      harness.respond(listenerType, { resources: resources(listenerType, ['la', 'lb']) });
      harness.advance(150);
      client.ack(client.only(listenerType));
      harness.respond(clusterType, { removed: ['b'] });
      harness.advance(20);
      harness.respond(listenerType, { removed: ['lb'] });
      harness.advance(200);
      assert.deepEqual(
        client.inbox.map(one => one.typeUrl),
        [listenerType, clusterType],
      );
    }
  });

  test('R109 R108: content decides: equal bytes under a new version reach nobody', () => {
    const harness = new CoreHarness();
    const client = synced(harness, 'delta', ['a']);
    const same = [{ name: 'a', version: 'another', body: body(clusterType, 'a', 1) }];
    const nonce = harness.respond(clusterType, { resources: same });
    assert.deepEqual(client.inbox, []);
    assert.ok(
      harness.asked(clusterType).some(one => one.nonce === nonce && one.error === undefined),
      'acknowledged at once',
    );
  });

  test('R107: a new Delta stream lists what is held within the subscription, and nothing else', () => {
    const harness = new CoreHarness();
    synced(harness, 'delta', ['a', 'b']);
    harness.cut();
    harness.advance(2_000);
    const [clusters] = harness.asked(clusterType);
    const [endpoints] = harness.asked(endpointType);
    assert.deepEqual([...(clusters?.initialVersions.keys() ?? [])].sort(), ['a', 'b']);
    assert.deepEqual(clusters?.names, [], 'the legacy wildcard');
    assert.deepEqual([...(endpoints?.initialVersions ?? [])].sort(), [
      ['a', '1'],
      ['b', '1'],
    ]);
  });

  test('R131: a verdict that was open dies with its stream', () => {
    const harness = new CoreHarness();
    const client = synced(harness, 'delta', ['a']);
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    const message = client.only(clusterType);
    harness.cut();
    harness.advance(2_000);
    harness.requests.length = 0;
    client.send({ typeUrl: clusterType, nonce: message.nonce, error: 'too late' });
    harness.advance(5_000);
    assert.deepEqual(harness.asked(clusterType), []);
  });
});
