import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType, routeType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { CoreHarness, namesOf, resources } from '../support/core-harness.ts';
import { encodeNode } from '../support/messages.ts';

// The ground that everything else stands on: what a request and a response say, in either variant, on either side.

const variants: readonly Variant[] = ['sotw', 'delta'];

describe('the basics of the protocol', () => {
  test('R4: upstream a NACK in SotW bears the version that was accepted last and the nonce of what is rejected', () => {
    const harness = new CoreHarness({ variant: 'sotw' });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    const good = harness.respond(clusterType, { version: 'good', resources: resources(clusterType, ['a']) });
    client.ack(client.only(clusterType));
    const bad = harness.respond(clusterType, { version: 'bad', resources: resources(clusterType, ['a'], 2) });
    client.send({ typeUrl: clusterType, nonce: client.only(clusterType).nonce, error: 'no' });
    const heard = harness.asked(clusterType).map(({ version, nonce, error }) => [version, nonce, error]);
    assert.deepEqual(heard, [
      ['', '', undefined],
      ['good', good, undefined],
      ['good', bad, 'node node: no'],
    ]);
  });

  test('R4: a client rejects by its words alone: an old version without any is an ACK', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    const { nonce } = client.only(endpointType);
    client.send({ typeUrl: endpointType, names: ['a'], nonce, version: 'long ago' });
    const [shown] = harness.core.clients();
    assert.equal(shown?.stream.type(endpointType)?.nonces.status, 'SYNCED');
    assert.equal(harness.asked(endpointType).at(-1)?.error, undefined);
  });

  test('R5: a version outlives the stream and is compared for equality only, a nonce does not outlive it', () => {
    const harness = new CoreHarness();
    const first = harness.client('sotw');
    first.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(200);
    const { version, nonce } = first.only(clusterType);
    const second = harness.client('sotw');
    second.send({ typeUrl: clusterType, version, nonce });
    assert.deepEqual(second.take(clusterType), [], 'it has what there is');
    const third = harness.client('sotw');
    third.send({ typeUrl: clusterType, version: `${version}0`, nonce });
    assert.deepEqual(namesOf(third.only(clusterType)), ['a']);
  });

  test('R6: Delta upstream: an answer bears the nonce and nothing else, a change of names bears none', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['a'] });
    const nonce = harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    client.ack(client.only(endpointType));
    client.send({ typeUrl: endpointType, names: ['b'] });
    harness.advance(100);
    const [asked, answer, change] = harness.asked(endpointType);
    assert.deepEqual([asked?.names, asked?.nonce], [['a'], '']);
    assert.deepEqual([answer?.names, answer?.nonce, answer?.error], [[], nonce, undefined]);
    assert.deepEqual([change?.names, change?.nonce], [['b'], '']);
  });

  test('R7 R8: a nonce that is not the newest: Delta takes the names all the same, SotW answers nothing to what it has', () => {
    const harness = new CoreHarness();
    for (const variant of variants) {
      const client = harness.client(variant);
      client.send({ typeUrl: endpointType, names: ['a'] });
      if (variant === 'sotw') harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
      const old = client.take(endpointType)[0] ?? { nonce: 'of another stream' };
      if (variant === 'sotw') {
        client.send({ typeUrl: endpointType, names: ['a'], nonce: 'unknown' });
        assert.deepEqual(client.take(endpointType), []);
      } else {
        client.send({ typeUrl: endpointType, names: ['a'], nonce: old.nonce });
        assert.deepEqual(namesOf(client.only(endpointType)), ['a'], 'subscribed again, so sent again (R16)');
      }
    }
  });

  test('R10: a list is complete in SotW and a difference in Delta, and no stream remembers another', () => {
    const harness = new CoreHarness();
    const wanted = { sotw: ['b'], delta: ['a', 'b'] };
    for (const variant of variants) {
      const client = harness.client(variant);
      client.send({ typeUrl: endpointType, names: ['a'] });
      client.send({ typeUrl: endpointType, names: ['b'] });
      const shown = [...harness.core.clients()].at(-1)?.stream.type(endpointType)?.subscription.names;
      assert.deepEqual([...(shown ?? [])], wanted[variant]);
      client.leave();
    }
    const next = harness.client('delta');
    next.send({ typeUrl: endpointType, names: ['c'] });
    const shown = [...harness.core.clients()].at(-1)?.stream.type(endpointType)?.subscription.names;
    assert.deepEqual([...(shown ?? [])], ['c']);
  });

  test('R20 R21: a change of one: SotW sends the whole list of clusters and one assignment, Delta one of each', () => {
    const harness = new CoreHarness();
    const clients = variants.map(variant => harness.client(variant));
    for (const client of clients) {
      client.send({ typeUrl: clusterType });
      client.send({ typeUrl: routeType, names: ['a', 'b'] });
    }
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.respond(routeType, { resources: resources(routeType, ['a', 'b']) });
    // Routes wait for the endpoints of clusters sent before them.
    for (const _ of [1, 2]) {
      harness.advance(1_500);
      for (const client of clients) {
        const isSotw = client.variant === 'sotw';
        for (const message of client.inbox.splice(0)) {
          client.ack(message, isSotw && message.typeUrl === routeType ? ['a', 'b'] : []);
        }
      }
    }
    for (const typeUrl of [clusterType, routeType]) {
      harness.respond(typeUrl, { resources: resources(typeUrl, ['a'], 2) });
    }
    harness.advance(1_500);
    const sent = clients.map(client => [clusterType, routeType].map(type => client.take(type).flatMap(namesOf)));
    assert.deepEqual(sent, [
      [['a', 'b'], ['a']],
      [['a'], ['a']],
    ]);
  });

  test('R21 R80: a removal is an absence in SotW lists, a name in Delta, and of partial types in SotW nothing at all', () => {
    const harness = new CoreHarness();
    const [sotw, delta] = [harness.client('sotw'), harness.client('delta')];
    for (const client of [sotw, delta]) {
      client.send({ typeUrl: clusterType });
      client.send({ typeUrl: endpointType, names: ['a', 'b'] });
    }
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
    harness.advance(200);
    for (const client of [sotw, delta])
      for (const message of client.inbox.splice(0)) client.ack(message, client === sotw ? ['a', 'b'] : []);
    harness.respond(endpointType, { resources: [] });
    harness.respond(clusterType, { removed: ['b'] });
    harness.respond(endpointType, { removed: ['b'] });
    harness.advance(500);
    assert.deepEqual(sotw.take(clusterType).map(namesOf).at(-1), ['a']);
    assert.deepEqual(sotw.take(endpointType), []);
    assert.deepEqual(
      [clusterType, endpointType].map(type => delta.take(type).flatMap(({ removed }) => removed)),
      [['b'], ['b']],
    );
  });

  test('R40: a client may send its Node with every request', () => {
    for (const variant of variants) {
      const harness = new CoreHarness();
      const client = harness.client(variant);
      const node = encodeNode('node');
      client.send({ typeUrl: clusterType, node });
      client.send({ typeUrl: endpointType, names: ['a'], node });
      assert.equal(client.closed, undefined);
      harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
      assert.equal(client.take(endpointType).length, 1);
    }
  });

  test('R118: a client is sent nothing of a partial type that it did not ask for', () => {
    const harness = new CoreHarness();
    const [one, two] = [harness.client('sotw'), harness.client('sotw')];
    one.send({ typeUrl: endpointType, names: ['a'] });
    two.send({ typeUrl: endpointType, names: ['b'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
    assert.deepEqual(
      [one, two].map(client => client.take(endpointType).map(namesOf)),
      [[['a']], [['b']]],
    );
  });

  test('R125: clients are told of whom they hear', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    assert.equal(client.controlPlane, 'weir');
    harness.identifier = 'istiod-7';
    harness.respond(clusterType, { resources: resources(clusterType, ['b']) });
    assert.equal(client.controlPlane, 'weir/istiod-7');
  });
});
