import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { missingIn } from '../../src/cache/applied.ts';
import { ownBodies } from '../../src/cache/body-pool.ts';
import { TypeStore } from '../../src/cache/store.ts';
import { TypeInterest } from '../../src/cache/watch-map.ts';
import { SetDigest } from '../../src/xds/digest.ts';
import { clusterType, traitsOf } from '../../src/xds/type-urls.ts';
import { body } from '../support/core-harness.ts';

const noTier = { put: () => false, get: () => undefined, delete: () => {}, size: 0 };
const smallName = fc.constantFrom('a', 'b', 'c', 'd', '__proto__');

type Step =
  | { readonly kind: 'put'; readonly name: string; readonly payload: number }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'look' }
  | { readonly kind: 'trim' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), name: smallName, payload: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('remove' as const), name: smallName }),
  fc.record({ kind: fc.constant('look' as const) }),
  fc.record({ kind: fc.constant('trim' as const) }),
);

describe('store', () => {
  test('R63: what changed since a revision brings a copy level, whatever happened in between', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const store = new TypeStore(clusterType, traitsOf(clusterType), noTier, ownBodies, 'view');
        const copy = new Map<string, string>();
        let level = 0;
        const look = (): void => {
          for (const name of store.changesSince(level)) {
            const entry = store.get(name);
            if (entry) copy.set(name, entry.digest);
            else copy.delete(name);
          }
          level = store.revision;
          assert.deepEqual(
            new Map([...copy].sort()),
            new Map([...store.entries()].map(one => [one.name, one.digest] as const).sort()),
          );
        };
        for (const one of steps) {
          if (one.kind === 'put') {
            const any = body(clusterType, one.name, one.payload);
            const resource = { name: one.name, version: '', any, extra: undefined };
            store.apply([resource], [], () => 'serve', any.length, 0);
          } else if (one.kind === 'remove') store.apply([], [one.name], () => 'serve', 0, 0);
          else if (one.kind === 'trim') store.trim(level);
          else look();
        }
        look();
      }),
    );
  });

  test('R90: the version depends on the content alone: not on its history, order or process', () => {
    fc.assert(
      fc.property(fc.uniqueArray(smallName, { minLength: 1 }), fc.array(smallName), (final, detour) => {
        const build = (names: readonly string[], ghosts: readonly string[]): string => {
          const store = new TypeStore(clusterType, traitsOf(clusterType), noTier, ownBodies, 'view');
          const put = (name: string, payload: number): void => {
            const resource = { name, version: '', any: body(clusterType, name, payload), extra: undefined };
            store.apply([resource], [], () => 'serve', 0, 0);
          };
          for (const ghost of ghosts) put(ghost, 9);
          store.versionInfo();
          for (const ghost of ghosts) if (!names.includes(ghost)) store.apply([], [ghost], () => 'serve', 0, 0);
          for (const name of names) put(name, 1);
          return store.versionInfo();
        };
        assert.equal(build(final, detour), build([...final].reverse(), []));
        if (final.length > 1) assert.notEqual(build(final, []), build(final.slice(1), []));
      }),
    );
  });

  test('R90: two resources that swap their content change the version', () => {
    const one = new SetDigest();
    one.add('a', 'x'.repeat(24));
    one.add('b', 'y'.repeat(24));
    const other = new SetDigest();
    other.add('a', 'y'.repeat(24));
    other.add('b', 'x'.repeat(24));
    assert.notEqual(one.toString(), other.toString());
  });

  test('R78: a whole list removes what it lacks and is the only thing that does', () => {
    const store = new TypeStore(clusterType, traitsOf(clusterType), noTier, ownBodies, 'view');
    const put = (names: readonly string[], isWhole: boolean): string[] => {
      const resources = names.map(name => ({ name, version: '', any: body(clusterType, name), extra: undefined }));
      store.apply(resources, isWhole ? missingIn(store, resources) : [], () => 'serve', 0, 0);
      return [...store.entries()].map(entry => entry.name).sort();
    };
    assert.deepEqual(put(['a', 'b'], false), ['a', 'b']);
    assert.deepEqual(put(['c'], false), ['a', 'b', 'c']);
    assert.deepEqual(put(['b', 'd'], true), ['b', 'd']);
    assert.equal(store.served.bytes, body(clusterType, 'b').length + body(clusterType, 'd').length);
  });
});

describe('watch map', () => {
  test('R70 R72: the union of interests is what a simple count says', () => {
    const change = fc.record({ client: fc.integer({ min: 0, max: 3 }), name: smallName, isAdded: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), changes => {
        const interest = new TypeInterest(1_000, 1_000);
        const held = new Set<string>();
        for (const { client, name, isAdded } of changes) {
          const key = `${client} ${name}`;
          if (held.has(key) === isAdded) continue;
          if (isAdded) held.add(key);
          else held.delete(key);
          interest.update({ added: isAdded ? [name] : [], removed: isAdded ? [] : [name], wildcard: 0 }, 0);
          for (const one of ['a', 'b', 'c', 'd', '__proto__']) {
            assert.equal(
              interest.isNamed(one),
              [0, 1, 2, 3].some(index => held.has(`${index} ${one}`)),
            );
          }
        }
        interest.expire(1_000, true);
        assert.equal(interest.size, new Set([...held].map(key => key.slice(2))).size);
      }),
    );
  });
});
