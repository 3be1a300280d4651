import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AckMode } from '../../src/agent/ack-ledger.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { body, CoreHarness, type HarnessClient, resources } from '../support/core-harness.ts';

// Clients that disagree, in every mode of `ack` (ADR 0024): what the control plane hears, what is served, what each client is shown to have said.

/** What each of three clients does with an update: accepts, rejects, leaves, or stays silent. */
type Words = 'ANA' | 'NAA' | 'NNA' | 'NNN' | 'AAA' | 'LNA' | 'SNA' | 'SSS' | 'ASN';

/** Whether the control plane hears an ACK or a NACK of it, the first word and then, if there is one, the late one. */
type Heard = 'ack' | 'nack' | 'ack nack';

const expected: Readonly<Record<Words, Readonly<Record<AckMode, Heard>>>> = {
  AAA: { clients: 'ack', first: 'ack', quorum: 'ack', all: 'ack', receipt: 'ack' },
  ANA: { clients: 'nack', first: 'ack', quorum: 'ack', all: 'ack', receipt: 'ack nack' },
  NAA: { clients: 'nack', first: 'nack', quorum: 'ack', all: 'ack', receipt: 'ack nack' },
  NNA: { clients: 'nack', first: 'nack', quorum: 'nack', all: 'ack', receipt: 'ack nack' },
  NNN: { clients: 'nack', first: 'nack', quorum: 'nack', all: 'nack', receipt: 'ack nack' },
  // One leaves, the others are divided: a tie is no majority against it.
  LNA: { clients: 'nack', first: 'nack', quorum: 'ack', all: 'ack', receipt: 'ack nack' },
  // One says nothing within the wait.
  SNA: { clients: 'nack', first: 'nack', quorum: 'ack', all: 'ack', receipt: 'ack nack' },
  SSS: { clients: 'ack', first: 'ack', quorum: 'ack', all: 'ack', receipt: 'ack' },
  ASN: { clients: 'nack', first: 'ack', quorum: 'ack', all: 'ack', receipt: 'ack nack' },
};

const modes: readonly AckMode[] = ['clients', 'first', 'quorum', 'all', 'receipt'];

function worldOf(ack: AckMode, upstream: Variant) {
  const harness = new CoreHarness({ ack, variant: upstream });
  const clients = (['delta', 'sotw', 'delta'] as const).map((variant, at) => harness.client(variant, `n${at}`));
  for (const client of clients) client.send({ typeUrl: clusterType });
  harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
  harness.advance(150);
  for (const client of clients) client.ack(client.only(clusterType));
  harness.requests.length = 0;
  return { harness, clients };
}

function say(word: string | undefined, client: HarnessClient): void {
  if (word === 'L') client.leave();
  else if (word === 'A') client.ack(client.only(clusterType));
  else if (word === 'N')
    client.send({ typeUrl: clusterType, nonce: client.only(clusterType).nonce, error: 'old Envoy' });
}

describe('clients that disagree', () => {
  for (const upstream of ['delta', 'sotw'] as const) {
    for (const mode of modes) {
      test(`R98 R99 R100: ack ${mode}, ${upstream} upstream: the control plane hears what the mode says, whatever the words`, () => {
        for (const [words, byMode] of Object.entries(expected)) {
          const { harness, clients } = worldOf(mode, upstream);
          const nonce = harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
          for (const [at, client] of clients.entries()) say(words[at], client);
          harness.advance(5_000);
          const heard = harness.asked(clusterType).filter(one => one.nonce === nonce);
          const verdicts = heard.map(one => (one.error === undefined ? 'ack' : 'nack')).join(' ');
          // A late word is not for a SotW upstream: it would send the same again at once (R130).
          const said = upstream === 'sotw' && byMode[mode] === 'ack nack' ? 'ack' : byMode[mode];
          assert.equal(verdicts, said, words);
          if (verdicts.includes('nack')) assert.match(heard.at(-1)?.error ?? '', /node n\d: old Envoy/);
        }
      });

      test(`R102: ack ${mode}, ${upstream} upstream: who comes gets the update unless all that spoke rejected it`, () => {
        for (const words of Object.keys(expected)) {
          const { harness, clients } = worldOf(mode, upstream);
          harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
          for (const [at, client] of clients.entries()) say(words[at], client);
          harness.advance(5_000);
          const late = harness.client('delta', 'late');
          late.send({ typeUrl: clusterType });
          const payload = words === 'NNN' ? 1 : 2;
          const [served] = late.only(clusterType).resources;
          assert.ok(served?.body.equals(body(clusterType, 'a', payload)), `${words}: ${payload}`);
        }
      });
    }
  }

  for (const mode of modes) {
    test(`R97: ack ${mode}: each client is shown with its own word`, () => {
      const { harness, clients } = worldOf(mode, 'delta');
      harness.respond(clusterType, { resources: resources(clusterType, ['a'], 2) });
      for (const [at, client] of clients.entries()) say('NAS'[at], client);
      harness.advance(5_000);
      const shown = [...harness.core.clients()].map(({ stream }) => stream.type(clusterType));
      assert.deepEqual(
        shown.map(type => type?.lastError),
        ['old Envoy', undefined, undefined],
      );
      assert.deepEqual(
        shown.map(type => type?.nonces.isAnswerAwaited),
        [false, false, true],
      );
    });
  }

  test('R130: one old Envoy that rejects everything disturbs nobody, and upstream hears of it as the mode says', () => {
    for (const mode of ['all', 'quorum'] as const) {
      const { harness, clients } = worldOf(mode, 'delta');
      for (let payload = 2; payload < 12; payload++) {
        harness.respond(clusterType, { resources: resources(clusterType, ['a'], payload) });
        for (const [at, client] of clients.entries()) say('NAA'[at], client);
      }
      harness.advance(60_000);
      assert.deepEqual(
        harness.asked(clusterType).filter(one => one.error !== undefined),
        [],
      );
      for (const client of clients) assert.deepEqual(client.inbox, [], 'quiet');
    }
  });

  for (const mode of modes) {
    test(`R98: ack ${mode}: who was sent nothing of a response has no say in it`, () => {
      const harness = new CoreHarness({ ack: mode });
      const [a, b] = [harness.client('delta', 'n0'), harness.client('delta', 'n1')];
      a.send({ typeUrl: endpointType, names: ['a'] });
      b.send({ typeUrl: endpointType, names: ['b'] });
      harness.respond(endpointType, { resources: resources(endpointType, ['a', 'b']) });
      for (const client of [a, b]) client.ack(client.only(endpointType));
      b.isReading = false;
      harness.respond(endpointType, { resources: resources(endpointType, ['b'], 2) });
      b.ack(b.only(endpointType));
      // What changes meanwhile reaches b as one message, which spans the response that is about a alone.
      const ofA = harness.respond(endpointType, { resources: resources(endpointType, ['a'], 3) });
      const ofB = harness.respond(endpointType, { resources: resources(endpointType, ['b'], 4) });
      b.read();
      b.send({ typeUrl: endpointType, nonce: b.only(endpointType).nonce, error: 'bad b' });
      a.ack(a.only(endpointType));
      harness.advance(2_000);
      const heard = harness.asked(endpointType);
      const errors = (nonce: string): (string | undefined)[] =>
        heard.filter(one => one.nonce === nonce).map(one => one.error);
      assert.deepEqual(errors(ofA), [undefined]);
      const last = mode === 'receipt' ? [undefined, 'node n1: bad b'] : ['node n1: bad b'];
      assert.deepEqual(errors(ofB), last);
    });
  }

  test('R100 R130: content that a client rejected late is rejected when it comes again', () => {
    const harness = new CoreHarness({ ack: 'clients' });
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: ['a'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['a']) });
    client.ack(client.only(endpointType));
    harness.respond(endpointType, { resources: resources(endpointType, ['a'], 2) });
    harness.advance(1_500);
    client.send({ typeUrl: endpointType, nonce: client.only(endpointType).nonce, error: 'late' });
    const again = harness.respond(endpointType, { resources: resources(endpointType, ['a'], 2) });
    harness.advance(5_000);
    const [verdict] = harness.asked(endpointType).filter(one => one.nonce === again);
    assert.match(verdict?.error ?? '', /late/);
  });
});
