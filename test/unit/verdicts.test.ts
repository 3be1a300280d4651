import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { text } from '../../src/demo/proto.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { grpcCode, type Variant } from '../../src/xds/types.ts';
import { CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';
import { encodeNode } from '../support/messages.ts';

// Verdicts, refusals and clients that disagree, on the pure core (rulebook 4.6 and the tests of section 6 about them).

const variants: readonly Variant[] = ['sotw', 'delta'];
const grpcNode = encodeNode('grpc', [text(6, 'gRPC Go')]);

/** Clients of all clusters that hold cluster `a`, acknowledged by each. */
function holding(harness: CoreHarness, ...kinds: readonly Variant[]): HarnessClient[] {
  const clients = kinds.map((variant, at) => harness.client(variant, `n${at}`));
  for (const client of clients) client.send({ typeUrl: clusterType });
  harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
  harness.advance(150);
  for (const client of clients) client.ack(client.only(clusterType));
  harness.requests.length = 0;
  return clients;
}

function reject(client: HarnessClient): void {
  client.send({ typeUrl: clusterType, nonce: client.only(clusterType).nonce, error: 'bad cluster' });
}

describe('verdicts', () => {
  for (const upstream of variants) {
    for (const variant of variants) {
      test(`T7 R97 R100: ${upstream} upstream, ${variant} clients: one rejects, the other goes on, upstream hears it once`, () => {
        const harness = new CoreHarness({ variant: upstream });
        const [bad, good] = holding(harness, variant, variant);
        assert.ok(bad && good);
        const nonce = harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
        reject(bad);
        good.ack(good.only(clusterType));
        harness.advance(60_000);
        assert.deepEqual([bad.inbox, good.inbox], [[], []], 'nothing is sent again');
        const nacks = harness.asked(clusterType).filter(one => one.error !== undefined);
        assert.deepEqual(
          nacks.map(one => one.nonce),
          [nonce],
        );
        assert.match(nacks[0]?.error ?? '', /^node n0: bad cluster$/);
        const cold = harness.client(variant, 'cold');
        cold.send({ typeUrl: clusterType });
        assert.deepEqual(
          cold.only(clusterType).resources.map(one => one.body),
          resources(clusterType, ['a'], 2).map(one => one.body),
        );
        harness.respond(clusterType, { resources: resources(clusterType, ['a'], 3) });
        for (const client of [bad, good, cold])
          assert.deepEqual(namesOf(client.only(clusterType)), ['a'], 'the repair');
      });
    }
  }

  for (const variant of variants) {
    test(`T26 R130: a ${variant} server that sends refused content again at once hears a few NACKs a minute`, () => {
      const harness = new CoreHarness({ variant });
      const [client] = holding(harness, 'sotw');
      assert.ok(client);
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'a'], 2) });
      let nacks = 0;
      const endMs = harness.nowMs + 60_000;
      while (harness.nowMs < endMs) {
        for (const request of harness.asked(clusterType)) {
          if (request.error === undefined) continue;
          nacks += 1;
          // As go-control-plane does: the version differs from the newest, so the same goes out at once.
          harness.respond(clusterType, { resources: resources(clusterType, ['a', 'a'], 2) });
        }
        harness.advance(100);
      }
      assert.ok(nacks >= 2 && nacks <= 10, `${nacks} NACKs in 60 s`);
      assert.deepEqual(client.inbox, []);
    });

    test(`T26 R130: neither does a client’s rejection become a loop with a ${variant} server`, () => {
      const harness = new CoreHarness({ variant });
      const [client] = holding(harness, 'sotw');
      assert.ok(client);
      harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
      reject(client);
      let nacks = 0;
      const endMs = harness.nowMs + 60_000;
      while (harness.nowMs < endMs) {
        for (const request of harness.asked(clusterType)) {
          if (request.error === undefined) continue;
          nacks += 1;
          harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
        }
        harness.advance(100);
      }
      assert.ok(nacks >= 2 && nacks <= 10, `${nacks} NACKs in 60 s`);
      assert.deepEqual(client.inbox, [], 'R97: the client is left alone');
    });
  }

  test('R101: of a megabyte of words upstream hears the first four kilobytes', () => {
    const harness = new CoreHarness();
    const [client] = holding(harness, 'delta');
    assert.ok(client);
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
    client.send({ typeUrl: clusterType, nonce: client.only(clusterType).nonce, error: 'ü'.repeat(500_000) });
    const [error = ''] = harness.asked(clusterType).flatMap(one => one.error ?? []);
    assert.match(error, /^node n0: üü+/);
    assert.ok(Buffer.byteLength(error) < 4_300, `${error.length}`);
  });

  test('T27 R70: a wildcard and a client with names on a SotW upstream: one wildcard, and nobody sees an empty list', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const [everything, named] = [harness.client('sotw', 'a'), harness.client('sotw', 'b')];
    everything.send({ typeUrl: clusterType });
    named.send({ typeUrl: clusterType, names: ['one'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['one', 'two']) });
    harness.advance(1_000);
    assert.deepEqual(namesOf(everything.only(clusterType)), ['one', 'two']);
    assert.deepEqual(namesOf(named.only(clusterType)), ['one']);
    for (const request of harness.asked(clusterType)) assert.deepEqual(request.names, [], 'the legacy form, ever');
  });

  for (const upstream of variants) {
    test(`T28 R108: ${upstream}: an upstream that comes back and sends all again is heard by nobody`, () => {
      const harness = new CoreHarness({ variant: upstream });
      const clients = holding(harness, 'sotw', 'delta');
      for (const client of clients) client.send({ typeUrl: endpointType, names: ['a'] });
      harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
      for (const client of clients) client.take(endpointType);
      harness.cut();
      harness.advance(60_000);
      for (const typeUrl of [clusterType, endpointType]) {
        assert.equal(harness.asked(typeUrl).length, 1, 'asked for again');
        harness.respond(typeUrl, { version: 'another', resources: resources(typeUrl, ['a']) });
      }
      harness.advance(1_000);
      assert.deepEqual(
        clients.map(client => client.inbox),
        [[], []],
      );
      const answers = harness.requests.filter(one => one.nonce !== '');
      assert.deepEqual(
        answers.map(one => one.error),
        [undefined, undefined],
        'acknowledged at once',
      );
    });
  }
});

describe('verdicts in odd order', () => {
  test('R131: a verdict on the old stream says nothing on a new one, whatever nonces the server uses', () => {
    const harness = new CoreHarness();
    const first = harness.client('delta');
    first.send({ typeUrl: clusterType, names: ['a'] });
    harness.respond(clusterType, { nonce: '1', resources: resources(clusterType, ['a']) });
    const { nonce } = first.only(clusterType);
    // A wildcard opens the stream anew, and the server counts from the beginning.
    const second = harness.client('delta');
    second.send({ typeUrl: clusterType });
    harness.requests.length = 0;
    harness.respond(clusterType, { nonce: '1', resources: resources(clusterType, ['a', 'b'], 2) });
    first.send({ typeUrl: clusterType, nonce, error: 'about the old content' });
    assert.deepEqual(harness.asked(clusterType), []);
    for (const client of [first, second]) for (const message of client.take(clusterType)) client.ack(message);
    assert.deepEqual(
      harness.asked(clusterType).map(one => [one.nonce, one.error]),
      [['1', undefined]],
    );
  });

  for (const first of ['accepted', 'rejected'] as const) {
    test(`R98 R86: a rejection of the final list is told, the list that still held what goes was ${first}`, () => {
      const harness = new CoreHarness();
      const client = harness.client('sotw');
      client.send({ typeUrl: clusterType });
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
      harness.advance(300);
      client.ack(client.only(clusterType));
      harness.requests.length = 0;
      const nonce = harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2), removed: ['b'] });
      const provisional = client.only(clusterType);
      if (first === 'accepted') client.ack(provisional);
      else client.send({ typeUrl: clusterType, nonce: provisional.nonce, error: 'too early' });
      // An ACK is passed on at once: the control plane may wait for it with the routes that have to come before the removal.
      assert.deepEqual(
        harness.asked(clusterType).map(one => [one.nonce, one.error]),
        first === 'accepted' ? [[nonce, undefined]] : [],
      );
      harness.advance(150);
      const final = client.only(clusterType);
      assert.deepEqual(namesOf(final), ['a']);
      client.send({ typeUrl: clusterType, nonce: final.nonce, error: 'b is in use' });
      assert.deepEqual(
        harness.asked(clusterType).map(one => [one.nonce, one.error]),
        [[nonce, 'node node: b is in use']],
      );
    });
  }

  test('R98: SotW upstream: a rejection that comes after the next response is told with that one', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['r', 's'] });
    harness.advance(30);
    harness.requests.length = 0;
    harness.respond(endpointType, { nonce: 'n1', resources: resources(endpointType, ['r']) });
    const first = client.only(endpointType);
    harness.respond(endpointType, { nonce: 'n2', resources: resources(endpointType, ['s']) });
    const second = client.only(endpointType);
    client.send({ typeUrl: endpointType, nonce: first.nonce, error: 'r is bad' });
    client.ack(second);
    assert.deepEqual(
      harness.asked(endpointType).map(one => [one.nonce, one.error]),
      [['n2', 'node node: r is bad']],
    );
  });

  test('R130: only a response that holds what was refused is refused again', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['good', 'bad'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['good']) });
    client.ack(client.only(endpointType));
    harness.respond(endpointType, { resources: resources(endpointType, ['bad']) });
    client.send({ typeUrl: endpointType, nonce: client.only(endpointType).nonce, error: 'bad is bad' });
    harness.requests.length = 0;
    const nonces = [
      harness.respond(endpointType, { resources: resources(endpointType, ['good']) }),
      harness.respond(endpointType),
    ];
    assert.deepEqual(
      harness.asked(endpointType).map(one => [one.nonce, one.error]),
      nonces.map(nonce => [nonce, undefined]),
    );
  });

  test('R78 R22: a refused response does not make us forget what was listed', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: ['a', 'b'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(1_000);
    for (const message of client.take(clusterType)) client.ack(message);
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'a'], 2) });
    harness.respond(clusterType, { resources: resources(clusterType, ['a'], 3) });
    harness.advance(1_000);
    assert.deepEqual(
      client.take(clusterType).flatMap(message => message.removed),
      ['b'],
    );
  });
});

describe('clients of gRPC', () => {
  test('T12 R94: upstream away and nothing known: the stream ends with UNAVAILABLE before 15 s, without a word', () => {
    const harness = new CoreHarness();
    harness.isUpstreamUp = false;
    const grpc = harness.client('sotw');
    grpc.send({ typeUrl: clusterType, names: ['a'], node: grpcNode });
    harness.advance(14_000);
    assert.equal(grpc.closed?.code, grpcCode.unavailable);
    assert.deepEqual(grpc.inbox, []);
  });

  test('R94: one that was told something is kept, and so is one whose upstream is only slow', () => {
    const harness = new CoreHarness();
    const served = harness.client('sotw');
    served.send({ typeUrl: clusterType, names: ['a'], node: grpcNode });
    harness.advance(14_000);
    assert.equal(served.closed, undefined, 'upstream is there: its silence is its word (R37)');
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    served.only(clusterType);
    harness.isUpstreamUp = false;
    harness.cut();
    served.send({ typeUrl: endpointType, names: ['a'] });
    harness.advance(60_000);
    assert.equal(served.closed, undefined);
  });

  test('R94: an Envoy is left waiting: its own timers decide', () => {
    const harness = new CoreHarness();
    harness.isUpstreamUp = false;
    const envoy = harness.client('sotw');
    envoy.send({ typeUrl: clusterType, node: encodeNode('e', [text(6, 'envoy')]) });
    harness.advance(120_000);
    assert.equal(envoy.closed, undefined);
  });
});
