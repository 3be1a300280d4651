import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findTypes, labelsOf } from '../../src/cli/type-names.ts';
import { clusterType } from '../../src/xds/type-urls.ts';

const mesh = (typeUrl: string) => ({ typeUrl, shortName: typeUrl });
const vs = mesh('networking.istio.io/v1/VirtualService');
const oldVs = mesh('networking.istio.io/v1alpha3/VirtualService');
const policy = mesh('security.istio.io/v1/AuthorizationPolicy');
const meshConfig = mesh('core/v1alpha1/MeshConfig');
const own = mesh('example.com/v2/Policy');
const cds = { typeUrl: clusterType as string, shortName: 'CDS' };
const debug = mesh('istio.io/debug/syncz');
const all = [vs, policy, meshConfig, own, cds, debug];

describe('what types are called', () => {
  test('the short name of xDS, the kind of Istio’s, and what is neither by its URL', () => {
    assert.deepEqual(
      all.map(({ typeUrl }) => labelsOf(all).get(typeUrl)),
      ['VirtualService', 'AuthorizationPolicy', 'MeshConfig', 'Policy', 'CDS', 'istio.io/debug/syncz'],
    );
  });

  test('two types of one kind by their URLs, the others as always; one that is named twice is one', () => {
    const labels = labelsOf([vs, oldVs, policy, vs]);
    assert.deepEqual([...labels.values()], [vs.typeUrl, oldVs.typeUrl, 'AuthorizationPolicy']);
    assert.equal(labelsOf([vs, vs]).get(vs.typeUrl), 'VirtualService');
  });
});

describe('a type is found', () => {
  const words: readonly (readonly [string, string])[] = [
    ['vs', vs.typeUrl],
    ['VIRTUALSERVICE', vs.typeUrl],
    ['virtualservices.networking.istio.io', vs.typeUrl],
    ['virtualservices.v1.networking.istio.io', vs.typeUrl],
    [vs.typeUrl, vs.typeUrl],
    ['ap', policy.typeUrl],
    ['authorizationpolicies', policy.typeUrl],
    ['meshconfig', meshConfig.typeUrl],
    ['policies', own.typeUrl],
    ['cds', clusterType],
    ['clusters', clusterType],
    [debug.typeUrl, debug.typeUrl],
  ];
  for (const [word, typeUrl] of words) {
    test(`by ${word}`, () => assert.deepEqual(findTypes(word, all), { typeUrls: [typeUrl] }));
  }

  test('in all versions that are asked for', () => {
    assert.deepEqual(findTypes('vs', [vs, oldVs, policy]), { typeUrls: [vs.typeUrl, oldVs.typeUrl] });
    assert.deepEqual(findTypes(oldVs.typeUrl, [vs, oldVs]), { typeUrls: [oldVs.typeUrl] });
  });

  test('or not, with what there is, whether it is one at all, and the nearest word', () => {
    assert.deepEqual(findTypes('gw', [vs]), {
      error: 'there is nothing of Gateway; there is: VirtualService',
    });
    assert.deepEqual(findTypes('Virtualservises', [vs, policy]), {
      error:
        "there is no type 'Virtualservises' (did you mean 'virtualservices'?); there is: AuthorizationPolicy, VirtualService",
    });
    assert.deepEqual(findTypes('something-else-entirely', []), {
      error: "there is no type 'something-else-entirely'; there is: nothing",
    });
  });
});
