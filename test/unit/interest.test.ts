import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { CoreHarness, namesOf, resources } from '../support/core-harness.ts';

// Who wants what, and what is given back: interests that come, linger, end and return.

const virtualHostType = 'type.googleapis.com/envoy.config.route.v3.VirtualHost' as TypeUrl;
const secretType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret' as TypeUrl;

function typeOf(harness: CoreHarness, typeUrl: TypeUrl) {
  for (const view of harness.core.views()) {
    const type = view.types.get(typeUrl);
    if (type) return type;
  }
  assert.fail(`nobody asked for ${typeUrl}`);
}

describe('interest', () => {
  for (const typeUrl of [endpointType, clusterType]) {
    test(`R123 R70: a request past the limit takes nothing from other clients (${typeUrl.split('.').at(-1)})`, () => {
      const harness = new CoreHarness({ namesMax: 3 });
      const good = harness.client('delta');
      good.send({ typeUrl, names: ['*', 'shared'] });
      harness.respond(typeUrl, { resources: resources(typeUrl, ['shared']) });
      harness.advance(500);
      good.take(typeUrl);
      const greedy = harness.client('delta');
      greedy.send({ typeUrl, names: ['x', 'y'] });
      greedy.send({ typeUrl, names: ['z', 'shared', '*'] });
      assert.match(greedy.closed?.message ?? '', /names 4 resources .* 3 are allowed \(setting namesPerTypeMax\)/);
      harness.advance(70_000);
      const { interest } = typeOf(harness, typeUrl);
      assert.deepEqual([interest.isWildcardServed, interest.isNamed('shared'), interest.size], [true, true, 1]);
      harness.respond(typeUrl, { resources: resources(typeUrl, ['shared'], 2) });
      assert.deepEqual(namesOf(good.only(typeUrl)), ['shared']);
    });
  }

  test('R107 R67: what an earlier view of the same node had is not taken for held', () => {
    const harness = new CoreHarness({ nodeSharing: 'refuse' });
    const first = harness.client('delta', 'A');
    first.send({ typeUrl: endpointType, names: ['e'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['e']) });
    first.leave();
    const between = harness.client('delta', 'B');
    between.send({ typeUrl: endpointType, names: ['x'] });
    between.leave();
    harness.requests.length = 0;
    const again = harness.client('delta', 'A');
    again.send({ typeUrl: endpointType, names: ['e'] });
    assert.deepEqual([...(harness.asked(endpointType)[0]?.initialVersions ?? [])], []);
  });

  test('R62 R72: a wildcard that meets lingering names is whole with them', () => {
    const harness = new CoreHarness();
    const first = harness.client('delta');
    first.send({ typeUrl: virtualHostType, names: ['rc/x'] });
    harness.respond(virtualHostType, { resources: resources(virtualHostType, ['rc/x']) });
    first.leave();
    harness.advance(1_000);
    const everything = harness.client('delta');
    everything.send({ typeUrl: virtualHostType });
    const held = new Set(harness.asked(virtualHostType).at(-1)?.initialVersions.keys());
    // Upstream leaves out what it was told is held.
    const names = ['rc/x', 'rc/y'].filter(name => !held.has(name));
    harness.respond(virtualHostType, { resources: resources(virtualHostType, names) });
    harness.advance(1_000);
    assert.deepEqual(everything.take(virtualHostType).flatMap(namesOf).sort(), ['rc/x', 'rc/y']);
  });

  test('R72 R107: what lingered out under a wildcard is not held any more', () => {
    const harness = new CoreHarness();
    const everything = harness.client('delta');
    everything.send({ typeUrl: secretType, names: ['*'] });
    harness.respond(secretType, { resources: resources(secretType, ['a']) });
    for (let at = 0; at < 50; at += 1) {
      const named = harness.client('delta');
      named.send({ typeUrl: secretType, names: [`ghost-${at}`] });
      harness.respond(secretType, { removed: [`ghost-${at}`] });
      named.leave();
    }
    harness.advance(70_000);
    const { interest, store } = typeOf(harness, secretType);
    assert.deepEqual([interest.size, store.absences.count], [0, 0]);
  });

  test('R12 R70: SotW: a wildcard that ended along with the last names is asked for on a new stream', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const first = harness.client('delta');
    first.send({ typeUrl: clusterType, names: ['*', 'x'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    first.leave();
    harness.advance(70_000);
    const stream = harness.upstream?.streamId;
    const next = harness.client('sotw');
    next.send({ typeUrl: clusterType });
    harness.advance(100);
    assert.notEqual(harness.upstream?.streamId, stream);
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    assert.deepEqual(namesOf(next.only(clusterType)), ['a', 'b']);
  });

  for (const variant of ['sotw', 'delta'] as const) {
    test(`R38 R64: ${variant} upstream: a client with names under another's wildcard is answered, missing ones or not`, () => {
      const harness = new CoreHarness({ variant });
      harness.client('sotw').send({ typeUrl: clusterType });
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
      harness.advance(1_000);
      const named = harness.client('sotw');
      named.send({ typeUrl: clusterType, names: ['a', 'missing'] });
      harness.advance(1_000);
      assert.deepEqual(namesOf(named.only(clusterType)), ['a']);
    });
  }

  test('R72 R38: a name that was removed while it lingered is known to be missing', () => {
    const harness = new CoreHarness();
    const first = harness.client('delta');
    first.send({ typeUrl: clusterType, names: ['a', 'gone'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'gone']) });
    first.leave();
    harness.respond(clusterType, { removed: ['gone'] });
    const next = harness.client('sotw');
    next.send({ typeUrl: clusterType, names: ['a', 'gone'] });
    assert.deepEqual(namesOf(next.only(clusterType)), ['a']);
  });

  test('R107 R116: Delta: a wildcard beside held names lists none of them, so that its first answer is the whole set', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: clusterType, names: ['a'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.client('sotw').send({ typeUrl: clusterType });
    const [request] = harness.asked(clusterType).slice(-1);
    assert.deepEqual([request?.names, [...(request?.initialVersions ?? [])]], [['*', 'a'], []]);
  });

  test('R123 R72: names that come and go in an outage do not pile up', () => {
    const harness = new CoreHarness({ namesMax: 100 });
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['first'] });
    harness.isUpstreamUp = false;
    harness.cut();
    for (let at = 0; at < 50; at += 1) {
      const names = Array.from({ length: 90 }, (_, name) => `${at}-${name}`);
      client.send({ typeUrl: endpointType, names });
      client.send({ typeUrl: endpointType, unsubscribe: names });
    }
    assert.ok(typeOf(harness, endpointType).interest.size <= 101);
  });

  test('R123: types that nobody asks for any more make room', () => {
    const harness = new CoreHarness({ viewTypesMax: 5 });
    for (let at = 0; at < 10; at += 1) {
      const junk = harness.client('delta');
      junk.send({ typeUrl: `example/v1/Junk${at}` as TypeUrl, names: ['x'] });
      assert.equal(junk.closed, undefined, `type ${at}`);
      junk.leave();
      harness.advance(70_000);
    }
    const client = harness.client('delta');
    client.send({ typeUrl: listenerType });
    assert.equal(client.closed, undefined);
  });

  test('R72 R123: with linger 0 and a wildcard that cannot be ended upstream nothing runs in circles', () => {
    const harness = new CoreHarness({ variant: 'sotw', lingerMs: 0 });
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    client.leave();
    // The harness fails when the core wants ticks without end.
    harness.advance(10_000);
  });
});
