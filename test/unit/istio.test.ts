import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, listenerType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl } from '../../src/xds/types.ts';
import { CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';

// What istiod and its agents say beyond plain xDS, and what istiod takes badly (istio-facts.md "Lessons").

const healthType = 'type.googleapis.com/istio.v1.HealthInformation' as TypeUrl;
const debugType = 'istio.io/debug/syncz' as TypeUrl;

/** Reports that the control plane has heard since the last look: words, or `well`. */
const reports = (harness: CoreHarness): string[] => harness.asked(healthType).map(({ error }) => error ?? 'well');

function asksForListeners(harness: CoreHarness, variant: 'sotw' | 'delta' = 'delta'): HarnessClient {
  const client = harness.client(variant);
  client.send({ typeUrl: listenerType });
  return client;
}

describe('health of workloads', () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`I7 I8: is told after the request for listeners and not before, and again on each new stream (${variant} upstream)`, () => {
      const harness = new CoreHarness({ nodeSharing: 'refuse', variant });
      const client = harness.client('delta');
      client.send({ typeUrl: healthType, error: 'starting' });
      client.send({ typeUrl: clusterType });
      assert.deepEqual(reports(harness), [], 'istiod does not know the workload yet');
      client.send({ typeUrl: listenerType });
      assert.deepEqual(harness.requests.map(({ typeUrl }) => typeUrl).slice(-2), [listenerType, healthType]);
      assert.deepEqual(reports(harness), ['starting']);
      client.send({ typeUrl: healthType });
      client.send({ typeUrl: healthType, error: 'no answer on :8080' });
      assert.deepEqual(reports(harness), ['well', 'no answer on :8080']);
      harness.advance(60_000);
      assert.deepEqual(reports(harness), [], 'once is enough');
      harness.cut();
      harness.advance(1_000);
      const order = harness.requests.map(({ typeUrl }) => typeUrl);
      assert.ok(order.indexOf(listenerType) < order.indexOf(healthType), 'in the same order again');
      assert.deepEqual(reports(harness), ['no answer on :8080']);
      const [first] = harness.asked(clusterType);
      assert.ok(first?.nodeId !== undefined, 'the node comes with a request for resources');
      client.leave();
      harness.cut();
      harness.advance(5_000);
      assert.deepEqual(reports(harness), [], 'nobody stands by it any more');
      assert.deepEqual([client.inbox, client.closed], [[], undefined]);
    });
  }

  test('of one of several nodes in one view is nobody else’s, and stays here', () => {
    const harness = new CoreHarness({ nodeSharing: 'shared' });
    const client = asksForListeners(harness);
    client.send({ typeUrl: healthType, error: 'not well' });
    harness.advance(1_000);
    assert.deepEqual(reports(harness), []);
  });

  test('of one node goes on its own stream only', () => {
    const harness = new CoreHarness({ nodeSharing: 'stream-per-node' });
    const [a, b] = ['a', 'b'].map(id => harness.client('delta', id));
    for (const client of [a, b]) client?.send({ typeUrl: listenerType });
    harness.requests.length = 0;
    b?.send({ typeUrl: healthType, error: 'b is not well' });
    assert.deepEqual(reports(harness), ['b is not well']);
    const of = harness.upstreamOf('a');
    assert.ok(of);
    harness.cut(of.streamId);
    harness.advance(1_000);
    assert.deepEqual(reports(harness), []);
  });
});

describe('questions about istiod', () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`I3: have a stream of their own, and no answer is acknowledged or rejected (${variant})`, () => {
      const harness = new CoreHarness({ variant });
      const client = asksForListeners(harness);
      client.send({ typeUrl: debugType, names: ['istio.io/debug'] });
      assert.equal(harness.upstreamIds().length, 2);
      const [main = 0, own = 0] = harness.upstreamIds();
      const at = (streamId: number) => ({ streamId, variant, address: 'test:1' });
      harness.asked(debugType);
      const name = 'istio.io/debug';
      const answer = (text: string) => [{ name, version: '', body: Buffer.from(text), anyType: debugType }];
      harness.respond(debugType, { resources: answer('{"a":1}') }, at(own));
      harness.respond(debugType, { resources: [...answer('{"b":2}'), ...answer('{"c":3}')] }, at(own));
      harness.advance(5_000);
      assert.deepEqual(harness.asked(debugType), []);
      harness.endUpstream(own, grpcCode.unauthenticated);
      harness.respond(listenerType, { resources: resources(listenerType, ['l']) }, at(main));
      assert.deepEqual(namesOf(client.only(listenerType)), ['l'], 'what becomes of them is nothing to Envoy’s types');
    });
  }
});
