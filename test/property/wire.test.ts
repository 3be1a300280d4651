import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { message, nested, text } from '../../src/demo/proto.ts';
import { nodeForUpstream, readNode } from '../../src/xds/node.ts';
import { endpointNameOfCluster } from '../../src/xds/resource-name.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { encodeDeltaAnswer, encodeSotwAnswer, encodeSotwResources } from '../../src/xds/wire-answer.ts';
import { decodeDeltaRequest, decodeSotwRequest, encodeDeltaRequest } from '../../src/xds/wire-request.ts';
import { decodeResponse } from '../../src/xds/wire-response.ts';
import { body } from '../support/core-harness.ts';
import { decodeTestRequest, decodeTestResponse, encodeTestRequest, encodeTestResponse } from '../support/messages.ts';

const limits = { namesMax: 1_000, nameBytesMax: 1_000, nodeBytesMax: 1 << 20 };
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter(text => Buffer.from(text).toString() === text);
const names = fc.uniqueArray(name, { maxLength: 20 });

describe('wire', () => {
  test('a request survives our encoder and an independent decoder, and the other way round', () => {
    fc.assert(
      fc.property(names, names, fc.dictionary(name, name), name, (subscribe, unsubscribe, versions, nonce) => {
        const initialVersions = new Map(Object.entries(versions));
        const bytes = encodeTestRequest(
          { typeUrl: clusterType, names: subscribe, unsubscribe, initialVersions, nonce },
          'delta',
        );
        const decoded = decodeDeltaRequest(bytes, limits);
        assert.ok(!('error' in decoded));
        assert.deepEqual(
          [decoded.subscribe, decoded.unsubscribe, decoded.responseNonce],
          [subscribe, unsubscribe, nonce],
        );
        const again = decodeTestRequest(encodeDeltaRequest(decoded), 'delta');
        assert.deepEqual(again.names, subscribe);
        assert.deepEqual(again.initialVersions, initialVersions);
      }),
    );
  });

  test('an answer holds the very bytes that came, for an independent decoder', () => {
    fc.assert(
      fc.property(names, fc.boolean(), (all, isDelta) => {
        const variant = isDelta ? 'delta' : 'sotw';
        const sent = all.map(one => ({ name: one, version: 'v', body: body(endpointType, one) }));
        const wire = encodeTestResponse(
          { typeUrl: endpointType, version: 'v', nonce: 'n', resources: sent, removed: [] },
          variant,
        );
        const decoded = decodeResponse(wire, variant, 1_000);
        assert.ok(!('error' in decoded), 'readable');
        const header = { typeUrl: endpointType, versionInfo: 'v2', nonce: 'n2', controlPlane: 'weir' };
        const answer = isDelta
          ? encodeDeltaAnswer(header, decoded.resources, ['gone'], [])
          : encodeSotwAnswer(header, [encodeSotwResources(decoded.resources.map(one => one.any))], []);
        const seen = decodeTestResponse(answer, variant);
        assert.deepEqual([seen.nonce, seen.version, seen.typeUrl], ['n2', 'v2', endpointType]);
        assert.deepEqual(
          seen.resources.map(one => one.body),
          sent.map(one => one.body),
        );
        assert.deepEqual(seen.removed, isDelta ? ['gone'] : []);
      }),
    );
  });

  test('no bytes whatever make a decoder throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), raw => {
        const bytes = Buffer.from(raw);
        decodeSotwRequest(bytes, limits);
        decodeDeltaRequest(bytes, limits);
        decodeResponse(bytes, 'sotw', 1_000);
        decodeResponse(bytes, 'delta', 1_000);
        endpointNameOfCluster(bytes);
        readNode(bytes);
      }),
      { numRuns: 5_000 },
    );
  });

  test('a response cut off anywhere is refused or shorter, never a throw', () => {
    const sent = ['a', 'b', 'c'].map(one => ({ name: one, version: 'v', body: body(clusterType, one) }));
    for (const variant of ['sotw', 'delta'] as const) {
      const whole = encodeTestResponse(
        { typeUrl: clusterType, version: 'v', nonce: 'n', resources: sent, removed: [] },
        variant,
        'cp',
      );
      for (let length = 0; length < whole.length; length++) {
        const decoded = decodeResponse(whole.subarray(0, length), variant, 1_000);
        // Without its type and nonce, which stand behind the resources, a part cannot pass for a response.
        if (!('error' in decoded)) assert.equal(decoded.resources.length, 3);
      }
    }
  });

  test('R123: a request past a limit is refused and names the setting', () => {
    const many = encodeTestRequest(
      { typeUrl: clusterType, names: Array.from({ length: 11 }, (_, index) => `n${index}`) },
      'sotw',
    );
    const tooMany = decodeSotwRequest(many, { namesMax: 10, nameBytesMax: 100, nodeBytesMax: 1 << 20 });
    assert.ok('error' in tooMany && tooMany.limit === 'namesPerTypeMax');
    const long = encodeTestRequest({ typeUrl: clusterType, names: ['x'.repeat(101)] }, 'delta');
    const tooLong = decodeDeltaRequest(long, { namesMax: 10, nameBytesMax: 100, nodeBytesMax: 1 << 20 });
    assert.ok('error' in tooLong && tooLong.limit === 'nameBytesMax');
  });

  test('R27: a request with resource locators is refused, and never taken for one that asks for everything', () => {
    const locator = nested(1, text(1, 'only this'));
    for (const [variant, field] of [
      ['sotw', 7],
      ['delta', 8],
      ['delta', 9],
    ] as const) {
      const bytes = Buffer.concat([
        encodeTestRequest({ typeUrl: 'type', nodeId: 'n' }, variant),
        message(nested(field, locator)),
      ]);
      const decoded = variant === 'sotw' ? decodeSotwRequest(bytes, limits) : decodeDeltaRequest(bytes, limits);
      assert.match('error' in decoded ? decoded.error : '', /resource locators/);
    }
  });

  test('R68: filtering a node keeps it readable', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), raw => {
        const bytes = Buffer.from(raw);
        const before = readNode(bytes);
        if ('error' in before) return;
        assert.deepEqual(readNode(nodeForUpstream(bytes, true)), before);
      }),
    );
  });
});
