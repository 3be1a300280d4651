import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdsStream, type Outgoing, type Snapshot } from '../../src/demo/ads-stream.ts';
import type { Request, Variant } from '../../src/demo/envelopes.ts';
import { typeUrls } from '../../src/demo/resources.ts';

const { cluster, endpoints, listener, routes } = typeUrls;

/** A snapshot from `name: version` pairs per type. */
function snapshotOf(content: Readonly<Record<string, Readonly<Record<string, string>>>>): Snapshot {
  return new Map(
    Object.entries(content).map(([typeUrl, resources]) => [
      typeUrl,
      new Map(Object.entries(resources).map(([name, version]) => [name, { name, version, body: Buffer.from(name) }])),
    ]),
  );
}

const request = (typeUrl: string, more: Partial<Request> = {}): Request => ({
  typeUrl,
  nonce: '',
  nodeId: '',
  names: [],
  unsubscribe: [],
  initialVersions: new Map(),
  error: undefined,
  ...more,
});

/** One stream under test; `answers` drains it and shows each answer as `TYPE resources -removed`. */
function streamOf(variant: Variant, splitAt = Number.POSITIVE_INFINITY) {
  const stream = new AdsStream(variant, splitAt);
  const short = new Map([...Object.entries(typeUrls)].map(([word, url]) => [url as string, word]));
  const show = (answer: Outgoing): string =>
    [
      short.get(answer.typeUrl),
      ...answer.resources.map(({ name }) => name),
      ...answer.removed.map(name => `-${name}`),
    ].join(' ');
  return {
    ask: (typeUrl: string, more: Partial<Request> = {}) => stream.subscribe(request(typeUrl, more)),
    answers: (snapshot: Snapshot, unanswered: readonly string[] = []): string[] => {
      const shown: string[] = [];
      for (;;) {
        const answer = stream.next(snapshot, new Map(), typeUrl => unanswered.includes(typeUrl));
        if (!answer) return shown;
        shown.push(show(answer));
        assert.ok(shown.length < 100, 'the stream never comes to rest');
      }
    },
  };
}

const before = snapshotOf({
  [cluster]: { a: '1' },
  [endpoints]: { a: '1' },
  [listener]: { l: '1' },
  [routes]: { r: '1' },
});
const after = snapshotOf({
  [cluster]: { b: '2' },
  [endpoints]: { b: '2' },
  [listener]: { l: '1' },
  [routes]: { r: '2' },
});

describe('the stream of the demo control plane', () => {
  for (const variant of ['sotw', 'delta'] as const) {
    const start = () => {
      const stream = streamOf(variant);
      for (const [typeUrl, names] of [
        [routes, ['r']],
        [listener, []],
        [endpoints, ['a']],
        [cluster, []],
      ] as const) {
        stream.ask(typeUrl, { names });
      }
      assert.deepEqual(stream.answers(before), ['cluster a', 'endpoints a', 'listener l', 'routes r']);
      return stream;
    };

    test(`R28: ${variant}: what replaces comes first, what goes leaves last`, () => {
      const stream = start();
      stream.ask(endpoints, { names: variant === 'sotw' ? ['a', 'b'] : ['b'] });
      const expected =
        variant === 'sotw'
          ? ['cluster b a', 'endpoints b', 'routes r', 'cluster b']
          : ['cluster b', 'endpoints b', 'routes r', 'cluster -a', 'endpoints -a'];
      assert.deepEqual(stream.answers(after), expected);
      assert.deepEqual(stream.answers(after), [], 'nothing changed since');
    });

    test(`R28: ${variant}: routes and removals wait for the verdict on clusters`, () => {
      const stream = start();
      assert.deepEqual(stream.answers(after, [cluster]), [variant === 'sotw' ? 'cluster b a' : 'cluster b']);
      assert.equal(stream.answers(after).at(0), 'routes r');
    });

    test(`R9: ${variant}: unchanged content is not sent again`, () => {
      const stream = start();
      stream.ask(cluster, { nonce: 'n1' });
      assert.deepEqual(stream.answers(before), []);
    });
  }

  test('R15: SotW: a name that was dropped and is asked for again is sent again', () => {
    const stream = streamOf('sotw');
    const both = snapshotOf({ [endpoints]: { a: '1', b: '1' } });
    stream.ask(endpoints, { names: ['a', 'b'] });
    assert.deepEqual(stream.answers(both), ['endpoints a b']);
    stream.ask(endpoints, { names: ['a'] });
    assert.deepEqual(stream.answers(both), []);
    stream.ask(endpoints, { names: ['a', 'b'] });
    assert.deepEqual(stream.answers(both), ['endpoints b']);
  });

  test('R47: an empty first request for endpoints means nothing', () => {
    const stream = streamOf('sotw');
    stream.ask(endpoints);
    assert.deepEqual(stream.answers(before), []);
  });

  test('R13: SotW: naming a cluster ends the legacy wildcard, R16: Delta: it does not', () => {
    const two = snapshotOf({ [cluster]: { a: '1', b: '1' } });
    const change = snapshotOf({ [cluster]: { a: '1', b: '2' } });
    for (const [variant, expected] of [
      ['sotw', ['cluster a']],
      ['delta', ['cluster a', 'cluster b']],
    ] as const) {
      const stream = streamOf(variant);
      stream.ask(cluster);
      assert.deepEqual(stream.answers(two), ['cluster a b']);
      stream.ask(cluster, { names: ['a'] });
      assert.deepEqual(
        [...stream.answers(two), ...stream.answers(change)].slice(0, expected.length),
        expected,
        variant,
      );
    }
  });

  test('R23: Delta: a name that does not exist is told as removed, once, and sent when it appears', () => {
    const stream = streamOf('delta');
    stream.ask(routes, { names: ['later'] });
    assert.deepEqual(stream.answers(before), ['routes -later']);
    assert.deepEqual(stream.answers(before), []);
    assert.deepEqual(stream.answers(snapshotOf({ [routes]: { later: '1' } })), ['routes later']);
  });

  test('R16: Delta: held versions are not sent again, others are, and what is gone is removed', () => {
    const stream = streamOf('delta');
    const now = snapshotOf({ [cluster]: { same: '1', changed: '2' } });
    stream.ask(cluster, {
      initialVersions: new Map([
        ['same', '1'],
        ['changed', '1'],
        ['gone', '1'],
      ]),
    });
    assert.deepEqual(stream.answers(now), ['cluster changed', 'cluster -gone']);
  });

  test('R116: Delta: a first answer can come in parts', () => {
    const stream = streamOf('delta', 2);
    stream.ask(cluster);
    assert.deepEqual(stream.answers(snapshotOf({ [cluster]: { a: '1', b: '1', c: '1' } })), [
      'cluster a b',
      'cluster c',
    ]);
  });

  test('R117: an empty world is answered with an empty response to a wildcard', () => {
    for (const variant of ['sotw', 'delta'] as const) {
      const stream = streamOf(variant);
      stream.ask(cluster);
      assert.deepEqual(stream.answers(new Map()), ['cluster'], variant);
    }
  });
});
