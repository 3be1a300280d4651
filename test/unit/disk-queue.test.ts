import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DiskQueue } from '../../src/cache/disk-queue.ts';
import type { DiskChange } from '../../src/cache/stored.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import type { ViewKey } from '../../src/xds/types.ts';
import { put, stored, typed, viewChange, viewKey } from '../support/disk-folder.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const views = ['a', 'b', 'c'] as ViewKey[];
const names = ['x', 'y', '__proto__'];
const clear: DiskChange = { kind: 'clear', viewKey, typeUrl: clusterType };

const anyView = fc.constantFrom(...views);
const anyType = fc.constantFrom(clusterType, endpointType);
const anyName = fc.constantFrom(...names);
/** A change, without the rule yet that a view comes before what is in it. */
const anyChange: fc.Arbitrary<DiskChange> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(anyView, anyType, anyName, fc.nat(9)).map(putOf) },
  { weight: 2, arbitrary: fc.tuple(anyView, anyType, anyName).map(deleteOf) },
  { weight: 1, arbitrary: fc.tuple(anyView, anyType).map(([key, typeUrl]) => ({ ...clear, viewKey: key, typeUrl })) },
  { weight: 1, arbitrary: fc.tuple(anyView, anyType, fc.nat(9)).map(typeOf) },
  { weight: 1, arbitrary: fc.tuple(anyView, fc.option(anyView, { nil: undefined }), fc.nat(9)).map(viewOf) },
);

function putOf([key, typeUrl, name, payload]: [ViewKey, typeof clusterType, string, number]): DiskChange {
  return put(stored(name, String(payload)), typeUrl, key);
}

function deleteOf([key, typeUrl, name]: [ViewKey, typeof clusterType, string]): DiskChange {
  return { kind: 'delete', viewKey: key, typeUrl, name };
}

function typeOf([key, typeUrl, version]: [ViewKey, typeof clusterType, number]): DiskChange {
  return typed({ upstreamVersion: String(version), isKnown: version % 2 === 0 }, typeUrl, key);
}

function viewOf([key, replaces, wallMs]: [ViewKey, ViewKey | undefined, number]): DiskChange {
  return viewChange(key, wallMs, replaces === undefined || replaces === key ? {} : { replaces });
}

/** Leaves out what the core cannot want: changes of a view that is not there, and taking over one that is not. */
function possible(changes: readonly DiskChange[], present: Iterable<ViewKey>): DiskChange[] {
  const there = new Set(present);
  return changes.filter(change => {
    if (change.kind !== 'view') return there.has(change.viewKey);
    if (change.replaces !== undefined && !there.delete(change.replaces)) return false;
    there.add(change.viewKey);
    return true;
  });
}

/** A disk that has had these changes, one by one. */
function diskOf(...bursts: readonly (readonly DiskChange[])[]): MemoryDisk {
  const disk = new MemoryDisk();
  for (const changes of bursts) disk.write(changes);
  return disk;
}

/** What is on it; the order of rows means nothing. */
function contentOf(disk: MemoryDisk): unknown {
  return views.map(key => {
    const view = disk.find(`match-${key}`);
    const types = view?.types.map(({ typeUrl, resources, ...state }) => {
      const sorted = resources.map(one => `${one.name} ${one.any}`).sort();
      return [typeUrl, { ...state, resources: sorted }] as const;
    });
    return { key, usedWallMs: view?.usedWallMs, types: new Map(types) };
  });
}

function queued(changes: readonly DiskChange[]): DiskChange[] {
  const queue = new DiskQueue();
  for (const change of changes) queue.add(change);
  return queue.take();
}

describe('the queue of changes for the disk', () => {
  test('of the same thing only the newest change is kept', () => {
    const first = viewChange('view', 1);
    const changes = [
      first,
      put(stored('a')),
      typed({ upstreamVersion: 'v1' }),
      put(stored('b')),
      put(stored('a', 'two')),
    ];
    const last = typed({ upstreamVersion: 'v2' });
    assert.deepEqual(queued([...changes, last]), [first, put(stored('b')), put(stored('a', 'two')), last]);
  });

  test('what is cleared need not be written before, but what comes after it is', () => {
    const other = put(stored('a'), endpointType);
    assert.deepEqual(queued([put(stored('a')), other, clear, put(stored('b'))]), [other, clear, put(stored('b'))]);
  });

  test('a view is taken over after what was queued for it, and before what is queued for its heir', () => {
    const next = 'next' as ViewKey;
    const takeover = viewChange('next', 2, { replaces: 'view' });
    const changes = [viewChange('view', 1), put(stored('a')), takeover, put(stored('b'), clusterType, next)];
    assert.deepEqual(queued(changes), changes);
  });

  test('what could not be written comes first again, and gives way to what came since', () => {
    const queue = new DiskQueue();
    for (const change of [viewChange('view', 1), put(stored('a')), put(stored('b'))]) queue.add(change);
    const failed = queue.take();
    assert.equal(queue.size, 0);
    queue.add(put(stored('a', 'two')));
    queue.add(put(stored('c')));
    queue.putBack(failed);
    assert.deepEqual(queue.take(), [
      viewChange('view', 1),
      put(stored('b')),
      put(stored('a', 'two')),
      put(stored('c')),
    ]);
  });

  test('however often things change, the queue grows with the things', () => {
    const queue = new DiskQueue();
    for (let round = 0; round < 1_000; round++) {
      for (const name of names) queue.add(put(stored(name, String(round))));
      queue.add(typed({ confirmedWallMs: round }));
    }
    assert.equal(queue.size, names.length + 1);
  });

  test('applying the queue gives what applying every change in order gives', () => {
    const before = views.map(key => viewChange(key, 0));
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 40 }), fc.subarray(views), (wanted, present) => {
        const start = before.filter(change => present.includes(change.viewKey));
        const changes = possible(wanted, present);
        assert.deepEqual(contentOf(diskOf(start, queued(changes))), contentOf(diskOf(start, changes)));
      }),
      { numRuns: 3_000, seed: 5 },
    );
  });

  test('neither does a failed write in between, at any place, change the outcome', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 30 }), fc.nat(30), (wanted, cut) => {
        const start = views.map(key => viewChange(key, 0));
        const changes = possible(wanted, views);
        const queue = new DiskQueue();
        for (const change of changes.slice(0, cut)) queue.add(change);
        const failed = queue.take();
        for (const change of changes.slice(cut)) queue.add(change);
        queue.putBack(failed);
        assert.deepEqual(contentOf(diskOf(start, queue.take())), contentOf(diskOf(start, changes)));
      }),
      { numRuns: 3_000, seed: 6 },
    );
  });
});
