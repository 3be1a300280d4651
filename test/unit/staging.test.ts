import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { message, text } from '../../src/demo/proto.ts';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl, type Variant } from '../../src/xds/types.ts';
import { givenNow, notesOf } from '../support/answers.ts';
import { body, CoreHarness, resources } from '../support/core-harness.ts';
import type { TestResource } from '../support/messages.ts';
import { addresses, answer, begun, losePrimary, of, primary, secondary, settle } from '../support/two-servers.ts';

// The set of another control plane, from its first word until it is served.

/** The primary goes, and a moment later the secondary's stream is open. */
function stage(harness: CoreHarness): void {
  losePrimary(harness);
  harness.advance(9_500);
  assert.ok(harness.upstreamAt(secondary), 'the secondary is dialled');
}

/** As {@link begun}, with the secondary in use. */
function onSecondary(...parts: Parameters<typeof begun>): ReturnType<typeof begun> {
  const { harness, client } = begun(...parts);
  stage(harness);
  answer(harness, secondary, clusterType, of(secondary, 'a', 'b'));
  answer(harness, secondary, listenerType, of(secondary, 'l'));
  settle(harness, client);
  assert.deepEqual(harness.upstreamIds(), [harness.upstreamAt(secondary)?.streamId], 'switched');
  return { harness, client };
}

/** Returns a moment after the primary, which can be reached again, was dialled. */
function primaryReturns(harness: CoreHarness): void {
  harness.unreachable.clear();
  for (let tries = 0; !harness.upstreamAt(primary); tries++) {
    assert.ok(tries < 300, 'the primary is dialled');
    harness.advance(50);
  }
}

describe('when the set of another control plane is whole', () => {
  test('a type that no control plane ever answers, and of which nothing is held, is not waited for', () => {
    const never = 'type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig' as TypeUrl;
    const { harness, client } = begun();
    client.send({ typeUrl: never, names: [] });
    harness.advance(30_000);
    stage(harness);
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    answer(harness, secondary, listenerType, of(secondary, 'l'));
    assert.ok(settle(harness, client).includes('s-l'));
  });

  test('R109 R116: a set whose connection may be dead is not whole; switched to for its time, it is when the connection proves to be alive', () => {
    const { harness, client } = begun();
    losePrimary(harness);
    harness.advance(9_500);
    harness.isUpstreamAlive = false;
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    answer(harness, secondary, listenerType, of(secondary, 'l'));
    assert.deepEqual(settle(harness, client), [], 'the rest may be lost');
    harness.advance(15_000);
    assert.deepEqual(settle(harness, client).sort(), of(secondary, 'a', 'l'));
    harness.isUpstreamAlive = true;
    harness.advance(2_000);
    assert.deepEqual(settle(harness, client).sort(), ['-p-a', '-p-b', '-p-l']);
  });

  test('R109: a list of which clients were given a part is waited for', () => {
    const harness = new CoreHarness({ addresses });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    client.send({ typeUrl: listenerType });
    answer(harness, primary, clusterType, of(primary, 'a'));
    harness.advance(1_000);
    harness.isUpstreamAlive = false;
    answer(harness, primary, listenerType, of(primary, 'l'));
    assert.deepEqual(settle(harness, client), of(primary, 'a', 'l'));
    losePrimary(harness);
    harness.isUpstreamAlive = true;
    harness.advance(9_500);
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    assert.deepEqual(settle(harness, client), []);
    answer(harness, secondary, listenerType, of(secondary, 'l'));
    assert.deepEqual(settle(harness, client).sort(), ['-p-a', '-p-l', ...of(secondary, 'a', 'l')]);
  });

  test('R113: a name whose TTL ends before the switch is not served any more after it, neither is what was held of it before', () => {
    const { harness, client } = begun();
    client.send({ typeUrl: endpointType, names: ['e'] });
    answer(harness, primary, endpointType, ['e']);
    settle(harness, client);
    stage(harness);
    const short = { name: 'e', version: '2', body: body(endpointType, 'e', 2), ttlMs: 3_000 };
    answer(harness, secondary, clusterType, of(secondary, 'a'));
    harness.respond(endpointType, { resources: [short] }, harness.upstreamAt(secondary));
    harness.advance(5_000);
    answer(harness, secondary, listenerType, of(secondary, 'l'));
    harness.advance(10_000);
    const told = settle(harness, client);
    assert.ok(told.includes('s-l'), 'switched');
    assert.ok(told.includes('-e') && !told.includes('e'), `told ${told}`);
  });
});

describe('what happens to a type while the set of another control plane is staged', () => {
  test('R62: a wildcard that ends meanwhile leaves no list that is taken for the whole', () => {
    const { harness, client: wild } = onSecondary('delta', undefined, { lingerMs: 60_000 });
    const keeper = harness.client('delta');
    keeper.send({ typeUrl: listenerType, names: [] });
    keeper.send({ typeUrl: clusterType, names: ['s-a'] });
    settle(harness, keeper);
    const endsMs = harness.nowMs + 60_000;
    wild.leave();
    harness.advance(46_000);
    primaryReturns(harness);
    assert.ok(harness.nowMs < endsMs, 'before the wildcard has ended');
    answer(harness, primary, clusterType, ['s-a', 'p-b', 'p-c', 'p-d']);
    harness.advance(endsMs + 100 - harness.nowMs);
    assert.ok(harness.upstreamAt(primary) && harness.upstreamAt(secondary), 'still staging');
    answer(harness, primary, listenerType, of(primary, 'l'));
    settle(harness, keeper);
    assert.equal(harness.upstreamAt(secondary), undefined, 'switched');
    const late = harness.client('sotw');
    late.send({ typeUrl: clusterType, names: [] });
    assert.deepEqual(settle(harness, late), [], 'it is asked for anew');
    answer(harness, primary, clusterType, ['s-a', 'p-b', 'p-c', 'p-d']);
    assert.deepEqual(settle(harness, late), ['p-b', 'p-c', 'p-d', 's-a']);
  });

  for (const isSingleStream of [true, false]) {
    const how = isSingleStream ? 'over one stream' : 'over several streams';
    test(`R109: a type that the primary refuses goes on coming from the secondary, whose versions the primary is never told (${how})`, () => {
      const { harness, client } = onSecondary('delta', undefined, { isSingleStream });
      client.send({ typeUrl: endpointType, names: ['e'] });
      answer(harness, secondary, endpointType, ['e']);
      settle(harness, client);
      primaryReturns(harness);
      answer(harness, secondary, endpointType, ['e'], 5);
      answer(harness, primary, clusterType, of(primary, 'a'));
      harness.requests.length = 0;
      harness.endUpstream(harness.upstreamAt(primary)?.streamId ?? 0, grpcCode.permissionDenied);
      assert.deepEqual(notesOf(harness, 'type_isolated'), []);
      // The client's word on what the secondary has sent is still waited for.
      assert.deepEqual(settle(harness, client), ['e']);
      primaryReturns(harness);
      answer(harness, primary, clusterType, of(primary, 'a'));
      answer(harness, primary, listenerType, of(primary, 'l'));
      const told = settle(harness, client);
      assert.ok(told.includes('p-l') && !told.includes('-e'), `told ${told}`);
      const isolated = notesOf(harness, 'type_isolated').map(({ typeUrl, isMuted }) => [typeUrl, isMuted]);
      assert.deepEqual(isolated, [[endpointType, isSingleStream]], 'once the primary is in use');
      const asked = harness.requests.filter(one => one.address === primary && one.typeUrl === endpointType);
      assert.deepEqual(
        asked.map(one => [one.names, one.initialVersions.size]),
        isSingleStream ? [] : [[['e'], 0]],
      );
    });
  }
});

describe('what is staged, and what is held', () => {
  test('R97 R102: content that every client has rejected stays in quarantine where another control plane has it under another version', () => {
    const { harness, client } = begun();
    answer(harness, primary, clusterType, ['p-a'], 9);
    const { nonce } = client.only(clusterType);
    client.send({ typeUrl: clusterType, nonce, error: 'Error adding/updating cluster(s) p-a: bad' });
    harness.advance(3_000);
    assert.deepEqual(givenNow(harness), { 'p-a': 1, 'p-b': 1 });
    stage(harness);
    const clusters = [...resources(clusterType, ['p-a'], 9), ...resources(clusterType, ['p-b'])];
    for (const [typeUrl, all] of [
      [clusterType, clusters],
      [listenerType, resources(listenerType, ['p-l'])],
    ] as const) {
      const same = all.map(one => ({ ...one, version: `of the secondary: ${one.version}` }));
      harness.respond(typeUrl, { resources: same }, harness.upstreamAt(secondary));
    }
    assert.deepEqual(settle(harness, client), [], 'the content is the same');
    assert.deepEqual(harness.upstreamIds(), [harness.upstreamAt(secondary)?.streamId], 'switched');
    assert.deepEqual(givenNow(harness), { 'p-a': 1, 'p-b': 1 });
  });

  const viewBytesMax = 100_000;
  /** Clusters of some 1,000 bytes each. */
  const large = (prefix: string, count: number): TestResource[] =>
    resources(
      clusterType,
      Array.from({ length: count }, (_, at) => `${prefix}${at}`),
    ).map(one => ({ ...one, body: Buffer.concat([one.body, message(text(90, 'x'.repeat(950)))]) }));
  /** The secondary is staged, and the primary's 60 kB are served meanwhile. */
  function filled(variant: Variant): ReturnType<typeof begun> {
    const { harness, client } = begun(variant, undefined, { viewBytesMax });
    harness.respond(clusterType, { resources: large('p', 60) }, harness.upstreamAt(primary));
    settle(harness, client);
    stage(harness);
    harness.requests.length = 0;
    return { harness, client };
  }

  for (const variant of ['sotw', 'delta'] as const) {
    test(`a set that has room in place of the one that is served is taken (${variant})`, () => {
      const { harness, client } = filled(variant);
      harness.respond(clusterType, { resources: large('s', 60) }, harness.upstreamAt(secondary));
      answer(harness, secondary, listenerType, of(secondary, 'l'));
      const told = settle(harness, client).filter(name => /^s\d/.test(name));
      assert.equal(new Set(told).size, 60);
      assert.deepEqual(refusals(harness), []);
    });
  }

  test('a set that comes in parts has the same bound: what is past it is refused', () => {
    const { harness, client } = filled('delta');
    for (let part = 0; part < 20; part++) {
      harness.respond(clusterType, { resources: large(`s${part}-`, 30) }, harness.upstreamAt(secondary));
    }
    answer(harness, secondary, listenerType, of(secondary, 'l'));
    settle(harness, client);
    const refused = refusals(harness);
    assert.ok(refused.length > 0);
    for (const refusal of refused) assert.match(refusal, /100000 are allowed \(setting viewBytesMax\)$/);
    const bytes = [...harness.core.views()]
      .flatMap(view => [...view.types.values()])
      .map(type => type.store.served.bytes);
    assert.ok(Math.max(...bytes) <= viewBytesMax, `${bytes} bytes are served`);
  });
});

/** Why responses were refused upstream, since the last look. */
function refusals(harness: CoreHarness): string[] {
  return harness.requests.flatMap(one => (one.error === undefined ? [] : [one.error]));
}
