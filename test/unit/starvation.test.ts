import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType, routeType } from '../../src/xds/type-urls.ts';
import { CoreHarness, type HarnessClient, resources } from '../support/core-harness.ts';

// Waits that are meant to be short stay short, whatever goes on meanwhile.

describe('nobody starves', () => {
  for (const end of ['leaves', 'is cut off'] as const) {
    test(`R122: a client that holds the whole budget and ${end} gives way to those who wait`, () => {
      const harness = new CoreHarness({ responseBytesInFlightMax: 1 });
      const greedy = harness.client('delta');
      greedy.isReading = false;
      greedy.send({ typeUrl: clusterType });
      harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
      const waiting = harness.client('delta');
      waiting.send({ typeUrl: clusterType });
      assert.deepEqual(waiting.inbox, []);
      if (end === 'leaves') greedy.leave();
      else harness.advance(31_000);
      assert.equal(waiting.take(clusterType).length, 1);
    });
  }

  test('R122: while there is no room, a removal whose time has come waits without a tick after the other', () => {
    const harness = new CoreHarness({ responseBytesInFlightMax: 1 });
    const [greedy, waiting] = [harness.client('delta'), harness.client('delta')];
    for (const client of [greedy, waiting]) client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    for (const client of [greedy, waiting]) for (const message of client.inbox.splice(0)) client.ack(message);
    harness.respond(clusterType, { removed: ['b'] });
    greedy.isReading = false;
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    harness.advance(10_000); // It fails when ticks come to nothing.
    assert.deepEqual(waiting.inbox, []);
    greedy.read();
    assert.deepEqual(
      waiting.take(clusterType).flatMap(message => message.removed),
      ['b'],
    );
  });

  /** A client with a cluster without endpoints and a route, all acknowledged. */
  function warmed(harness: CoreHarness, variant: 'sotw' | 'delta'): HarnessClient {
    const client = harness.client(variant);
    client.send({ typeUrl: clusterType });
    client.send({ typeUrl: endpointType, names: ['cold'] });
    client.send({ typeUrl: routeType, names: ['r'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['cold']) });
    harness.respond(routeType, { resources: resources(routeType, ['r']) });
    harness.advance(20_000);
    for (const message of client.take(clusterType)) client.ack(message);
    client.inbox.length = 0;
    return client;
  }

  test('R88 R30: a cluster that changes all the time holds routes back for one wait, not for ever', () => {
    const harness = new CoreHarness();
    const client = warmed(harness, 'delta');
    harness.respond(clusterType, { resources: resources(clusterType, ['cold'], 2) });
    harness.respond(routeType, { resources: resources(routeType, ['r'], 2) });
    for (let at = 3; at < 10; at += 1) {
      harness.advance(900);
      harness.respond(clusterType, { resources: resources(clusterType, ['cold'], at) });
    }
    assert.equal(client.take(routeType).length, 1);
  });

  test('R88 R97: neither does one that the client rejects again and again', () => {
    const harness = new CoreHarness();
    const client = warmed(harness, 'sotw');
    harness.respond(routeType, { resources: resources(routeType, ['r'], 2) });
    client.take(routeType);
    for (let at = 2; at < 10; at += 1) {
      harness.respond(clusterType, { resources: resources(clusterType, ['cold', 'other'], at) });
      for (const { nonce } of client.take(clusterType)) client.send({ typeUrl: clusterType, nonce, error: 'no' });
      if (at === 3) harness.respond(routeType, { resources: resources(routeType, ['r'], 3) });
      harness.advance(900);
    }
    assert.equal(client.take(routeType).length, 1);
  });

  test('R116: a first answer that never falls silent is complete all the same', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType });
    harness.advance(1_000);
    for (let at = 0; at < 10; at += 1) {
      harness.respond(clusterType, { resources: resources(clusterType, [`c${at}`], at + 1) });
      harness.advance(900);
    }
    assert.ok(client.take(clusterType).length > 0);
  });

  for (const variant of ['delta', 'sotw'] as const) {
    test(`R115: silence on a request that has not left proves nothing (${variant})`, () => {
      const harness = new CoreHarness({ variant });
      const client = harness.client('delta');
      client.send({ typeUrl: clusterType });
      harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
      harness.advance(10_000);
      harness.isUpstreamReading = false;
      client.send({ typeUrl: endpointType, names: ['none', 'nothing'] });
      harness.advance(60_000);
      assert.deepEqual(client.take(endpointType), []);
      harness.upstreamReads();
      harness.advance(1_000);
      // No cluster refers to them, so a short silence is enough now.
      assert.deepEqual(client.only(endpointType).removed.toSorted(), ['none', 'nothing']);
    });
  }
});
