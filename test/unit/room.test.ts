import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { CoreHarness, namesOf, resources } from '../support/core-harness.ts';

const names = (from: number, count: number): string[] => Array.from({ length: count }, (_, at) => `c${from + at}`);

describe('room of a view', () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R123: a response that would bring a type past its limit is refused whole, and what was held stays (${variant})`, () => {
      const harness = new CoreHarness({ resourcesMax: 10, variant });
      const client = harness.client('sotw');
      client.send({ typeUrl: endpointType, names: names(0, 20) });
      harness.respond(endpointType, { resources: resources(endpointType, names(0, 8)) });
      client.ack(client.only(endpointType), names(0, 20));
      harness.asked(endpointType);
      const nonce = harness.respond(endpointType, { resources: resources(endpointType, names(8, 3)) });
      assert.deepEqual(client.take(endpointType), []);
      const [answer] = harness.asked(endpointType);
      assert.equal(answer?.nonce, nonce);
      assert.match(
        answer?.error ?? '',
        /11 resources of the type would be held, 10 are allowed \(setting resourcesPerTypeMax\)/,
      );
      harness.respond(endpointType, { resources: resources(endpointType, names(6, 4), 2) });
      assert.deepEqual(namesOf(client.only(endpointType)), names(6, 4).sort());
    });
  }

  test('R123: types of a node share their bytes; what makes no more of it always passes', () => {
    // One of them with its type URL has about 70 bytes.
    const harness = new CoreHarness({ viewBytesMax: 100 });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    client.send({ typeUrl: endpointType, names: ['e'] });
    harness.respond(clusterType, { resources: resources(clusterType, ['c0']) });
    assert.deepEqual(namesOf(client.only(clusterType)), ['c0']);
    harness.asked(endpointType);
    harness.respond(endpointType, { resources: resources(endpointType, ['e']) });
    assert.match(
      harness.asked(endpointType)[0]?.error ?? '',
      /bytes would be held for the node, .*\(setting viewBytesMax\)/,
    );
    harness.respond(clusterType, { resources: resources(clusterType, ['c0'], 2) });
    assert.deepEqual(namesOf(client.only(clusterType)), ['c0']);
    harness.respond(clusterType, { removed: ['c0'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['e']) });
    assert.deepEqual(namesOf(client.only(endpointType)), ['e']);
  });
});
