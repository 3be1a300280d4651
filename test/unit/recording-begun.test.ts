import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType } from '../../src/xds/type-urls.ts';
import { CoreHarness, resources } from '../support/core-harness.ts';

// What a recording does to the streams that it is of.

describe('the beginning of a recording', () => {
  const held = resources(clusterType, ['a', 'b']).map(one => ({ ...one, version: '1' }));
  /** Everything that was sent is to be held by the client, which hears of nothing. */
  function synced() {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: held });
    harness.advance(10_000); // The list is whole by then.
    client.take(clusterType);
    harness.requests.length = 0;
    return { harness, client };
  }

  test('streams are opened anew and ask for everything, once; clients hear nothing of it', () => {
    const { harness, client } = synced();
    const before = harness.upstream?.streamId;
    harness.post({ kind: 'recording_begun' });
    assert.equal(harness.upstreamIds().length, 1);
    assert.notEqual(harness.upstream?.streamId, before);
    assert.deepEqual(harness.asked(clusterType)[0]?.initialVersions, new Map());
    harness.respond(clusterType, { resources: held });
    assert.deepEqual(client.take(clusterType), []);
    harness.advance(10_000);
    harness.requests.length = 0;
    harness.cut();
    harness.advance(1_000);
    assert.deepEqual(
      [...(harness.asked(clusterType)[0]?.initialVersions ?? [])],
      [
        ['a', '1'],
        ['b', '1'],
      ],
    );
  });

  test('what is gone by the whole list of that stream is removed', () => {
    const { harness, client } = synced();
    harness.post({ kind: 'recording_begun' });
    harness.respond(clusterType, { resources: held.slice(0, 1) });
    harness.advance(10_000);
    assert.deepEqual(
      client.take(clusterType).flatMap(one => one.removed),
      ['b'],
    );
  });

  test('in an outage the next stream is the one that asks for everything', () => {
    const { harness } = synced();
    harness.isUpstreamUp = false;
    harness.cut();
    harness.post({ kind: 'recording_begun' });
    harness.advance(5_000);
    harness.isUpstreamUp = true;
    harness.advance(30_000);
    assert.deepEqual(harness.asked(clusterType)[0]?.initialVersions, new Map());
  });

  for (const variant of ['delta', 'sotw'] as const) {
    test(`R131: a client’s word on a response of the stream before is none on one of the new stream, be the nonces the same (${variant})`, () => {
      const harness = new CoreHarness({ variant });
      const client = harness.client('delta');
      client.send({ typeUrl: clusterType });
      harness.respond(clusterType, { nonce: '1', resources: held });
      client.ack(client.only(clusterType));
      harness.advance(1_000);
      harness.respond(clusterType, { nonce: '2', resources: resources(clusterType, ['a', 'b'], 2) });
      const bad = client.only(clusterType);
      harness.post({ kind: 'recording_begun' });
      harness.requests.length = 0;
      harness.respond(clusterType, { nonce: '2', resources: resources(clusterType, ['a', 'b'], 3) });
      client.send({ typeUrl: clusterType, nonce: bad.nonce, error: 'bad' });
      harness.advance(100);
      for (const good of client.take(clusterType)) client.ack(good);
      harness.advance(1_500);
      const answers = harness.asked(clusterType).filter(one => one.nonce === '2');
      assert.deepEqual(
        answers.map(one => one.error),
        [undefined],
      );
    });
  }
});
