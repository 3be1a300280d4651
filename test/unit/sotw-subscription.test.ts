import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SotwSubscription } from '../../src/upstream/sotw-subscription.ts';
import { endpointType, traitsOf } from '../../src/xds/type-urls.ts';
import type { Nonce } from '../../src/xds/types.ts';
import { CoreHarness, namesOf } from '../support/core-harness.ts';
import { answer } from '../support/two-servers.ts';

// A server skips a request whose nonce has just become stale, names and all: of a name that was given up and is wanted again it may stay silent.

/** Names that one stream remembers to be in doubt. */
const boundary = 10_000;
const pods = (count: number): string[] => Array.from({ length: count }, (_, at) => `pod-${at}`);

/** A subscription that has asked for `stays` and these names, and has given the latter up. */
function givenUp(names: readonly string[]): { subscription: SotwSubscription; wanted: Set<string> } {
  const wanted = new Set(['stays', ...names]);
  const interest = {
    isWildcard: false,
    get size() {
      return wanted.size;
    },
    has: (name: string) => wanted.has(name),
    names: () => wanted.values(),
  };
  const held = { has: () => true, versions: () => [], isComplete: false, isContested: false, refusal: () => undefined };
  const subscription = new SotwSubscription(endpointType, traitsOf(endpointType), interest, held);
  assert.equal(subscription.next(0)?.asked.length, wanted.size);
  for (const name of names) wanted.delete(name);
  subscription.dropped(names, 0);
  assert.ok(subscription.next(1_000), 'the rest is asked for');
  return { subscription, wanted };
}

describe('what a SotW server may not have heard the end of', () => {
  test('a name that was given up is in doubt until it is sent to whoever wants it again', () => {
    const { subscription, wanted } = givenUp(['a', 'b']);
    const doubted = () => ['stays', 'a', 'b', 'never asked for'].filter(name => subscription.isDoubtful(name));
    assert.deepEqual(doubted(), ['a', 'b']);
    subscription.received('1' as Nonce, '1', ['stays', 'a', 'b'], true);
    assert.deepEqual(doubted(), ['a', 'b'], 'it was on its way before');
    wanted.add('a');
    subscription.received('2' as Nonce, '2', ['a'], true);
    assert.deepEqual(doubted(), ['b']);
  });

  test('past the bound no name is remembered by itself: each one is in doubt for the rest of the stream', () => {
    assert.equal(givenUp(pods(boundary - 1)).subscription.isDoubtful('never asked for'), false);
    const { subscription, wanted } = givenUp(pods(boundary));
    wanted.add('pod-1');
    subscription.received('1' as Nonce, '1', ['pod-1'], true);
    for (const name of ['pod-0', 'pod-1', 'stays', 'never asked for']) assert.ok(subscription.isDoubtful(name), name);
  });

  for (const count of [10, boundary + 10]) {
    test(`R115: silence on one of ${count} names that are asked for again is no absence, but a reason to ask on another stream`, () => {
      const harness = new CoreHarness({ variant: 'sotw', lingerMs: 1_000 });
      const client = harness.client('delta');
      const names = pods(count);
      client.send({ typeUrl: endpointType, names: ['stays', ...names] });
      answer(harness, 'test:1', endpointType, ['stays', ...names]);
      client.ack(client.only(endpointType));
      client.send({ typeUrl: endpointType, unsubscribe: names });
      harness.advance(5_000);
      answer(harness, 'test:1', endpointType, ['stays'], 2);
      client.ack(client.only(endpointType));
      const before = harness.upstream?.streamId;
      client.send({ typeUrl: endpointType, names: ['pod-1', 'fresh'] });
      harness.advance(100);
      answer(harness, 'test:1', endpointType, ['fresh']);
      client.ack(client.only(endpointType));
      harness.requests.length = 0;
      harness.advance(1_000);
      assert.notEqual(harness.upstream?.streamId, before);
      assert.deepEqual(client.inbox, []);
      assert.deepEqual(harness.asked(endpointType)[0]?.names, ['stays', 'pod-1', 'fresh']);
      answer(harness, 'test:1', endpointType, ['stays', 'pod-1', 'fresh'], 2);
      assert.ok(namesOf(client.only(endpointType)).includes('pod-1'));
    });
  }
});
