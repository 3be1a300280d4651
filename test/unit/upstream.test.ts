import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Backoff } from '../../src/upstream/backoff.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { CoreHarness, namesOf, resources } from '../support/core-harness.ts';

describe('upstream session', () => {
  test('R111: the delay is random below a bound that doubles up to the maximum, and starts over after a reset', () => {
    const draws: number[] = [];
    const backoff = new Backoff(500, 4_000, () => {
      draws.push(0);
      return 0.999;
    });
    const delays = Array.from({ length: 6 }, () => backoff.nextDelayMs());
    assert.deepEqual(delays, [499, 999, 1998, 3996, 3996, 3996]);
    backoff.reset();
    assert.equal(backoff.nextDelayMs(), 499);
  });

  test('R111: a server that answers each stream and ends it with UNAUTHENTICATED is asked again after seconds, not at once', () => {
    const harness = new CoreHarness();
    harness.client('delta').send({ typeUrl: clusterType });
    let streams = 0;
    while (harness.nowMs < 60_000) {
      for (; harness.upstream; streams++) {
        assert.ok(streams < 60, `${streams} streams within ${harness.nowMs} ms`);
        harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
        harness.endUpstream(harness.upstream.streamId, grpcCode.unauthenticated);
      }
      harness.advance(10);
    }
    assert.ok(streams >= 5, 'it is not given up');
  });

  test('R75: Delta: a verdict and a subscription change are two requests', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.asked(endpointType);
    const nonce = harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    const message = client.only(endpointType);
    client.send({ typeUrl: endpointType, names: ['b'], nonce: message.nonce });
    const requests = harness.asked(endpointType);
    assert.deepEqual(requests.map(one => [one.nonce, one.names]).sort(), [
      ['', ['b']],
      [nonce, []],
    ]);
  });

  test('R74: SotW: the name list is made when the request is written, so an ACK carries what came meanwhile', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const one = harness.client('sotw', 'one');
    one.send({ typeUrl: endpointType, names: ['a'] });
    const nonce = harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    const two = harness.client('sotw', 'two');
    two.send({ typeUrl: endpointType, names: ['b'] });
    harness.asked(endpointType);
    one.ack(one.only(endpointType), ['a']);
    const ack = harness.asked(endpointType).find(request => request.nonce === nonce);
    assert.deepEqual(ack?.names, ['a', 'b']);
  });

  test('R70 R12: SotW: a wildcard wanted after names is asked for on a new stream', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const named = harness.client('sotw');
    named.send({ typeUrl: clusterType, names: ['a'] });
    const first = harness.upstream?.streamId;
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    const everything = harness.client('sotw');
    everything.send({ typeUrl: clusterType });
    harness.advance(100);
    assert.notEqual(harness.upstream?.streamId, first);
    assert.deepEqual(harness.asked(clusterType)[0]?.names, []);
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    assert.deepEqual(namesOf(everything.only(clusterType)), ['a', 'b']);
  });

  test('R62: Delta: an answer still on its way to names is not taken for the whole of a wildcard', () => {
    const harness = new CoreHarness();
    const named = harness.client('sotw');
    named.send({ typeUrl: clusterType, names: ['a'] });
    const before = harness.upstream;
    const everything = harness.client('sotw');
    everything.send({ typeUrl: clusterType });
    harness.advance(1_000);
    assert.notEqual(harness.upstream?.streamId, before?.streamId, 'the wildcard stands in a first request');
    assert.deepEqual(everything.inbox, []);
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    assert.deepEqual(namesOf(everything.only(clusterType)), ['a', 'b']);
  });

  test('R130: SotW: what is refused and comes again is refused later each time', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const client = harness.client('sotw');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { version: 'bad', resources: resources(clusterType, ['a']) });
    client.send({ typeUrl: clusterType, nonce: client.only(clusterType).nonce, error: 'no' });
    let refusals = 0;
    const end = harness.nowMs + 60_000;
    while (harness.nowMs < end) {
      if (harness.asked(clusterType).some(one => one.error !== undefined)) {
        refusals++;
        harness.respond(clusterType, { version: 'bad', resources: resources(clusterType, ['a']) });
      }
      harness.advance(100);
    }
    assert.ok(refusals >= 3 && refusals <= 10, `${refusals} refusals in a minute`);
    assert.deepEqual(client.inbox, [], 'R97: the client is not bothered again');
  });

  test('auto: UNIMPLEMENTED twice from a reached server means SotW, and Delta is tried again after an hour', () => {
    const harness = new CoreHarness({ variant: 'auto' });
    const refuse = (): void => {
      harness.endUpstream(harness.upstream?.streamId ?? 0, grpcCode.unimplemented);
      harness.advance(2_000);
    };
    harness.client('sotw').send({ typeUrl: clusterType });
    assert.equal(harness.upstream?.variant, 'delta');
    refuse();
    assert.equal(harness.upstream?.variant, 'delta', 'once could be a proxy');
    refuse();
    assert.equal(harness.upstream?.variant, 'sotw');
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(3_600_000);
    assert.equal(harness.upstream?.variant, 'delta');
    refuse();
    assert.equal(harness.upstream?.variant, 'sotw', 'one refusal is enough now');
  });

  test('auto: after a long outage the doubt about Delta is settled soon, not after the delays of the outage', () => {
    const harness = new CoreHarness({ variant: 'auto' });
    harness.isUpstreamUp = false;
    harness.client('sotw').send({ typeUrl: clusterType });
    harness.advance(300_000);
    harness.isUpstreamUp = true;
    harness.advance(30_000);
    for (let refusals = 0; refusals < 2; refusals++) {
      const streamId = harness.upstream?.streamId ?? assert.fail('no stream');
      harness.endUpstream(streamId, grpcCode.unimplemented);
      harness.advance(1_000);
    }
    assert.equal(harness.upstream?.variant, 'sotw');
  });

  test('auto: an unreachable server says nothing of Delta', () => {
    const harness = new CoreHarness({ variant: 'auto' });
    harness.isUpstreamUp = false;
    harness.client('sotw').send({ typeUrl: clusterType });
    harness.advance(300_000);
    harness.isUpstreamUp = true;
    harness.advance(30_000);
    assert.equal(harness.upstream?.variant, 'delta');
  });

  test('R72: names linger after their last client, and nothing that lingers ends while upstream is away', () => {
    const harness = new CoreHarness({ lingerMs: 60_000 });
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    client.leave();
    harness.isUpstreamUp = false;
    harness.cut();
    harness.advance(600_000);
    const returning = harness.client('delta');
    returning.send({ typeUrl: endpointType, names: ['a'] });
    assert.deepEqual(namesOf(returning.only(endpointType)), ['a'], 'served ten minutes into the outage');
    returning.leave();
    harness.isUpstreamUp = true;
    harness.advance(40_000);
    harness.requests.length = 0;
    harness.advance(60_000);
    assert.deepEqual(harness.asked(endpointType)[0]?.unsubscribe, ['a']);
  });

  for (const variant of ['sotw', 'delta'] as const) {
    test(`R82 R131: ${variant}: what comes for a type not asked for on this stream is neither answered nor kept`, () => {
      const harness = new CoreHarness({ variant });
      const client = harness.client('sotw');
      client.send({ typeUrl: clusterType });
      client.send({ typeUrl: endpointType, names: [] });
      harness.requests.length = 0;
      harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
      harness.advance(1_000);
      assert.deepEqual(harness.asked(endpointType), []);
      client.send({ typeUrl: endpointType, names: ['a'] });
      assert.deepEqual(client.take(endpointType), []);
      harness.advance(1_000);
      assert.deepEqual(
        harness.asked(endpointType).map(one => [one.nonce, one.error]),
        [['', undefined]],
        'the first request of the type carries nothing',
      );
    });
  }
});
