import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClientSubscription } from '../../src/local-ads/subscription.ts';
import { TypeScope } from '../../src/xds/type-scope.ts';
import { clusterType, endpointType, traitsOf } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';

/** Runs SotW lists through one subscription and tells what it wants after each: `*` for the wildcard, then the names. */
function sotw(typeUrl: TypeUrl, lists: readonly (readonly string[])[], isSticky = false): string[] {
  const subscription = new ClientSubscription(traitsOf(typeUrl), isSticky, TypeScope.open);
  return lists.map(list => {
    subscription.replace(list);
    return told(subscription);
  });
}

/** The same for Delta differences, written `+a -b`. */
function delta(typeUrl: TypeUrl, steps: readonly string[]): string[] {
  const subscription = new ClientSubscription(traitsOf(typeUrl), false, TypeScope.open);
  return steps.map(step => {
    const words = step.split(' ').filter(Boolean);
    const pick = (sign: string): string[] => words.filter(word => word.startsWith(sign)).map(word => word.slice(1));
    subscription.change(pick('+'), pick('-'));
    return told(subscription);
  });
}

function told(subscription: ClientSubscription): string {
  return [...(subscription.isWildcard ? ['*'] : []), ...[...subscription.names].sort()].join(' ');
}

describe('client subscription', () => {
  test('R12: SotW: an empty first list is the wildcard of clusters', () => {
    assert.deepEqual(sotw(clusterType, [[], []]), ['*', '*']);
  });
  test('R14 R47: SotW: an empty first list of endpoints is nothing', () => {
    assert.deepEqual(sotw(endpointType, [[]]), ['']);
  });
  test('R12: SotW: after names an empty list is nothing', () => {
    assert.deepEqual(sotw(clusterType, [['a'], []]), ['a', '']);
  });
  test('R13: SotW: naming something ends the legacy wildcard, unless * is named too', () => {
    assert.deepEqual(sotw(clusterType, [[], ['a']]), ['*', 'a']);
    assert.deepEqual(sotw(clusterType, [[], ['*', 'a']]), ['*', '* a']);
  });
  test('R11: SotW: * and names are held together, for every type', () => {
    assert.deepEqual(sotw(endpointType, [['*', 'a'], ['a'], ['*']]), ['* a', 'a', '*']);
  });
  test('R96: SotW: a sticky wildcard outlives names', () => {
    assert.deepEqual(sotw(clusterType, [[], ['a'], []], true), ['*', '* a', '*']);
    assert.deepEqual(sotw(clusterType, [['a'], []], true), ['a', ''], 'only a wildcard that was there can stay');
  });
  test('R12: Delta: an empty first request is the wildcard of clusters, not of endpoints', () => {
    assert.deepEqual(delta(clusterType, ['', '']), ['*', '*']);
    assert.deepEqual(delta(endpointType, ['']), ['']);
  });
  test('R13: Delta: naming something keeps the legacy wildcard; only -* ends it', () => {
    assert.deepEqual(delta(clusterType, ['', '+a', '-*']), ['*', '* a', 'a']);
  });
  test('R12: Delta: dropping all names is no wildcard', () => {
    assert.deepEqual(delta(clusterType, ['+a', '-a', '']), ['a', '', '']);
  });
  test('R17: superfluous unsubscriptions are ignored', () => {
    assert.deepEqual(delta(endpointType, ['+a', '-ghost']), ['a', 'a']);
  });
  test('R16: a name subscribed again is reported as such', () => {
    const subscription = new ClientSubscription(traitsOf(endpointType), false, TypeScope.open);
    subscription.change(['a'], []);
    assert.deepEqual(subscription.change(['a', 'b', 'b'], []), {
      added: ['b'],
      removed: [],
      wildcard: 0,
      resubscribed: ['a', 'b'],
      droppedUnderWildcard: [],
      denied: [],
    });
  });
  test('a name subscribed and dropped by one request changes nothing', () => {
    const subscription = new ClientSubscription(traitsOf(endpointType), false, TypeScope.open);
    const change = subscription.change(['a'], ['a']);
    assert.deepEqual([change.added, change.removed], [[], []]);
  });
});
