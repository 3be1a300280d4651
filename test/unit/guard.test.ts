import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Authorities } from '../../src/agent/authorities.ts';
import type { CoreSettings } from '../../src/agent/core.ts';
import { type GuardSettings, HeldRemovals, judge, type Shrinkage } from '../../src/agent/guard.ts';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { givenNow, notesOf, restartedOffline, upstreamReturns } from '../support/answers.ts';
import { CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { answer, begun, losePrimary, of, primary, secondary, settle } from '../support/two-servers.ts';

// Lists that shrink suspiciously soon after a connect (R79, R110).

const variants: readonly Variant[] = ['sotw', 'delta'];
const settings: GuardSettings = { guard: 'hold', guardGraceMs: 30_000, guardWindowMs: 60_000, guardPercent: 50 };
const names = ['a', 'b', 'c', 'd', 'e'];

/** A harness whose only client holds the five clusters, a moment after the stream was opened anew. */
function reconnected(variant: Variant, parts: Partial<CoreSettings>, disk?: MemoryDisk) {
  const harness = new CoreHarness({ variant, guard: 'hold', ...parts }, disk);
  const client = harness.client('delta', 'n0');
  client.send({ typeUrl: clusterType });
  harness.respond(clusterType, { resources: resources(clusterType, names) });
  harness.advance(1_000);
  client.ack(client.only(clusterType));
  harness.cut();
  upstreamReturns(harness);
  harness.requests.length = 0;
  return { harness, client };
}

/** Upstream has only these left. */
function shrink(harness: CoreHarness, left: readonly string[], typeUrl: TypeUrl = clusterType): string {
  if (harness.upstream?.variant === 'sotw') return harness.respond(typeUrl, { resources: resources(typeUrl, left) });
  return harness.respond(typeUrl, { removed: names.filter(name => !left.includes(name)) });
}

function removedBy(client: HarnessClient): string[] {
  return client
    .take(clusterType)
    .flatMap(one => one.removed)
    .sort();
}

describe('the judgement', () => {
  const at = (parts: Partial<Shrinkage>, of: Partial<GuardSettings> = {}) =>
    judge({ ...settings, ...of }, { held: 10, gone: 10, fresh: 0, sinceOpenMs: 1_000, ...parts });

  test('R79: an emptied list and one that loses more than the limit are held; one that loses just as much passes', () => {
    assert.equal(at({}), 'hold');
    assert.equal(at({ gone: 6 }), 'hold');
    assert.equal(at({ gone: 5 }), 'pass');
    assert.equal(at({ gone: 0 }), 'pass');
    assert.equal(at({ held: 0, gone: 0 }), 'pass');
    assert.equal(at({ gone: 10, fresh: 10 }), 'hold', 'all others are new');
    assert.equal(at({ held: 1, gone: 1 }, { guardPercent: 100 }), 'hold', 'emptied, whatever the limit');
    assert.equal(at({ gone: 10, fresh: 1 }, { guardPercent: 100 }), 'pass');
    assert.equal(at({ gone: 1 }, { guardPercent: 0 }), 'hold');
  });

  test('R110: only for a time after the stream was opened', () => {
    assert.equal(at({ sinceOpenMs: 60_000 }), 'hold');
    assert.equal(at({ sinceOpenMs: 60_001 }), 'pass');
  });

  test('R79: warn says so, off says nothing', () => {
    assert.equal(at({}, { guard: 'warn' }), 'warn');
    assert.equal(at({ gone: 5 }, { guard: 'warn' }), 'pass');
    assert.equal(at({}, { guard: 'off' }), 'pass');
  });
});

describe('removals that are held', () => {
  test('R79: they wait until the first of their times, and are taken once', () => {
    const held = new HeldRemovals();
    assert.deepEqual([held.size, held.untilMs, held.take()], [0, Infinity, []]);
    held.hold(['a', 'b'], false, 0, 100);
    held.hold(['b', 'c'], false, 100, 100);
    assert.deepEqual([held.size, held.untilMs, held.has('c'), held.has('x')], [3, 100, true, false]);
    assert.deepEqual(held.take().sort(), ['a', 'b', 'c']);
    assert.deepEqual([held.size, held.untilMs, held.take()], [0, Infinity, []]);
  });

  test('R79: a whole list replaces what was held without a longer grace; a name that is seen again is free', () => {
    const held = new HeldRemovals();
    held.hold(['a', 'b', 'c'], true, 0, 100);
    held.hold(['b', 'c'], true, 100, 100);
    assert.deepEqual([held.has('a'), held.untilMs], [false, 100]);
    held.seen('b');
    held.seen('unknown');
    assert.equal(held.untilMs, 100);
    held.seen('c');
    assert.deepEqual([held.size, held.untilMs], [0, Infinity]);
    held.hold([], true, 200, 100);
    assert.equal(held.untilMs, Infinity);
  });

  test('R79: over a lost stream the grace goes on, but not from one that was long ago', () => {
    const held = new HeldRemovals();
    held.hold(['a'], true, 0, 100);
    held.lost();
    assert.deepEqual([held.size, held.untilMs], [0, Infinity]);
    held.hold(['a'], true, 90, 100);
    assert.equal(held.untilMs, 100);
    held.lost();
    held.hold(['a'], true, 201, 100);
    assert.equal(held.untilMs, 301);
  });
});

describe('the guard', () => {
  for (const variant of variants) {
    for (const left of [[], ['a'], ['a', 'b']]) {
      test(`R79 R110: ${variant}: hold: ${left.length} of 5 left: clients keep all for the grace, upstream is acknowledged`, () => {
        const { harness, client } = reconnected(variant, { guard: 'hold' });
        const nonce = shrink(harness, left);
        assert.deepEqual(
          harness
            .asked(clusterType)
            .filter(one => one.nonce === nonce)
            .map(one => one.error),
          [undefined],
        );
        const alarm = { kind: 'guard_alarm', typeUrl: clusterType, held: 5, gone: 5 - left.length, action: 'hold' };
        assert.deepEqual(notesOf(harness, 'guard_alarm'), [{ ...alarm, graceMs: 30_000 }]);
        harness.advance(29_900);
        assert.deepEqual(client.inbox, []);
        for (const kind of variants) assert.deepEqual(Object.keys(givenNow(harness, kind) ?? {}).sort(), names);
        harness.advance(1_000);
        assert.deepEqual(
          removedBy(client),
          names.filter(name => !left.includes(name)),
        );
        assert.deepEqual(notesOf(harness, 'guard_released'), [
          { kind: 'guard_released', typeUrl: clusterType, names: 5 - left.length, reason: 'grace' },
        ]);
        for (const kind of variants) assert.deepEqual(Object.keys(givenNow(harness, kind) ?? {}).sort(), left);
      });
    }

    test(`R79: ${variant}: what comes new with a held list is served at once, and changes are, too`, () => {
      const { harness, client } = reconnected(variant, {});
      const fresh = [...resources(clusterType, ['a'], 7), ...resources(clusterType, ['new'], 7)];
      harness.respond(clusterType, {
        resources: fresh,
        removed: variant === 'delta' ? names.filter(name => name !== 'a') : [],
      });
      assert.deepEqual(namesOf(client.only(clusterType)), ['a', 'new']);
      assert.deepEqual(givenNow(harness), { a: 7, b: 1, c: 1, d: 1, e: 1, new: 7 });
      harness.advance(31_000);
      assert.deepEqual(givenNow(harness), { a: 7, new: 7 });
    });

    test(`R79: ${variant}: a list that is whole again ends the hold, and nothing is removed`, () => {
      const { harness, client } = reconnected(variant, {});
      shrink(harness, []);
      harness.advance(5_000);
      harness.respond(clusterType, { resources: resources(clusterType, names) });
      harness.advance(60_000);
      assert.deepEqual(client.inbox, []);
      assert.deepEqual(notesOf(harness, 'guard_released'), []);
      assert.deepEqual(Object.keys(givenNow(harness) ?? {}).sort(), names);
    });

    test(`R79: ${variant}: a list that grows again in parts: only what has not come back goes when the first grace is over`, () => {
      const { harness, client } = reconnected(variant, {});
      shrink(harness, []);
      harness.advance(20_000);
      harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
      harness.advance(9_900);
      assert.deepEqual(client.inbox, []);
      harness.advance(1_000);
      assert.deepEqual(removedBy(client), ['c', 'd', 'e']);
    });

    test(`R79: ${variant}: warn passes it on at once and says so; off only passes it on`, () => {
      for (const guard of ['warn', 'off'] as const) {
        const { harness, client } = reconnected(variant, { guard });
        shrink(harness, ['a']);
        harness.advance(1_000);
        assert.deepEqual(removedBy(client), ['b', 'c', 'd', 'e']);
        const alarms = notesOf(harness, 'guard_alarm').map(({ action, graceMs }) => ({ action, graceMs }));
        assert.deepEqual(alarms, guard === 'warn' ? [{ action: 'warn', graceMs: 0 }] : []);
      }
    });

    test(`R110: ${variant}: long after the connect a list may shrink as it likes`, () => {
      const { harness, client } = reconnected(variant, {});
      harness.advance(61_000);
      shrink(harness, []);
      harness.advance(1_000);
      assert.deepEqual(removedBy(client), names);
      assert.deepEqual(notesOf(harness, 'guard_alarm'), []);
    });

    test(`R79: ${variant}: an operator lets it pass, of this type or of all, and not of another`, () => {
      for (const typeUrl of [clusterType, undefined]) {
        const { harness, client } = reconnected(variant, {});
        shrink(harness, []);
        harness.post({ kind: 'guard_passed', typeUrl: listenerType });
        harness.advance(1_000);
        assert.deepEqual(client.inbox, []);
        harness.post({ kind: 'guard_passed', typeUrl });
        harness.advance(1_000);
        assert.deepEqual(removedBy(client), names);
        assert.equal(notesOf(harness, 'guard_released')[0]?.reason, 'operator');
        harness.post({ kind: 'guard_passed', typeUrl });
        harness.advance(60_000);
        assert.equal(notesOf(harness, 'guard_released').length, 1, 'once');
      }
    });

    test(`R79: ${variant}: a stream that breaks meanwhile ends the hold: upstream will say again what it has`, () => {
      const { harness, client } = reconnected(variant, {});
      shrink(harness, []);
      harness.isUpstreamUp = false;
      harness.cut();
      harness.advance(120_000);
      assert.deepEqual(client.inbox, [], 'nothing is removed in an outage');
      assert.deepEqual(Object.keys(givenNow(harness) ?? {}).sort(), names);
    });

    test(`R79: ${variant}: the grace goes on over streams that upstream ends and opens anew, each with the same list`, () => {
      const { harness, client } = reconnected(variant, {});
      shrink(harness, ['e']);
      harness.advance(20_000);
      assert.deepEqual(client.inbox, []);
      harness.post({ kind: 'upstream_leaving', streamId: harness.upstream?.streamId ?? 0 });
      harness.advance(1_000);
      shrink(harness, ['e']);
      harness.advance(8_900);
      assert.deepEqual(client.inbox, []);
      harness.advance(1_100);
      assert.deepEqual(removedBy(client), ['a', 'b', 'c', 'd']);
    });

    test(`R79: ${variant}: the first list of all is never suspicious, and neither is that of a type by names`, () => {
      const harness = new CoreHarness({ variant, guard: 'hold' });
      const client = harness.client('delta', 'n0');
      client.send({ typeUrl: clusterType });
      harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
      client.send({ typeUrl: endpointType, names });
      harness.respond(endpointType, { resources: resources(endpointType, names) });
      if (variant === 'delta') harness.respond(endpointType, { removed: names });
      assert.deepEqual(notesOf(harness, 'guard_alarm'), []);
    });

    test(`R79 R106: ${variant}: what is held is still on disk: a crash within the grace loses nothing, and after it, it is gone`, () => {
      const disk = new MemoryDisk();
      const { harness } = reconnected(variant, {}, disk);
      shrink(harness, ['a']);
      harness.advance(2_000);
      assert.deepEqual(Object.keys(givenNow(restartedOffline(disk)) ?? {}).sort(), names);
      harness.advance(30_000);
      assert.deepEqual(Object.keys(givenNow(restartedOffline(disk)) ?? {}), ['a']);
    });
  }

  test('R79 R34: what is held of the main control plane stays held when the stream of an authority is lost', () => {
    const authorities = new Authorities(new Map([['away', ['away:1']]]));
    const { harness, client } = reconnected('delta', { authorities });
    const main = harness.upstream;
    client.send({ typeUrl: endpointType, names: ['xdstp://away/envoy.config.endpoint.v3.ClusterLoadAssignment/id'] });
    harness.respond(clusterType, { removed: ['a', 'b', 'c', 'd'] }, main);
    harness.cut(harness.upstreamAt('away:1')?.streamId);
    harness.advance(29_900);
    assert.deepEqual(removedBy(client), []);
    harness.advance(1_100);
    assert.deepEqual(removedBy(client), ['a', 'b', 'c', 'd']);
  });

  test('R79 R109: hold: the set of another control plane that shrinks while it is staged is taken when the grace is over, removals and all', () => {
    const { harness, client } = begun('delta', undefined, { guard: 'hold' });
    answer(harness, primary, clusterType, of(primary, 'c'));
    settle(harness, client);
    losePrimary(harness);
    harness.advance(9_500);
    answer(harness, secondary, clusterType, of(primary, 'a', 'b', 'c'));
    harness.advance(500);
    harness.respond(clusterType, { removed: of(primary, 'a', 'b') }, harness.upstreamAt(secondary));
    harness.advance(500);
    answer(harness, secondary, listenerType, of(primary, 'l'), 2);
    assert.deepEqual(settle(harness, client), [], 'what is held is served meanwhile');
    harness.advance(30_000);
    assert.deepEqual(settle(harness, client), ['p-l', '-p-a', '-p-b']);
  });

  test('R79 R108: without a resume the first complete answer to a wildcard that lacks nearly all is held, too', () => {
    const { harness, client } = reconnected('delta', { isResuming: false });
    harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
    harness.advance(2_000);
    assert.deepEqual(client.inbox, []);
    assert.equal(notesOf(harness, 'guard_alarm').length, 1);
    harness.advance(31_000);
    assert.deepEqual(removedBy(client), ['b', 'c', 'd', 'e']);
  });

  test('R110: a control plane that is empty after an outage of everything: the restored set is held', () => {
    const disk = new MemoryDisk();
    reconnected('sotw', {}, disk);
    const after = restartedOffline(disk, { variant: 'sotw', guard: 'hold' });
    const client = after.client('delta', 'n0');
    client.send({ typeUrl: clusterType });
    assert.deepEqual(namesOf(client.only(clusterType)), names);
    upstreamReturns(after);
    after.respond(clusterType, { resources: [] });
    after.advance(20_000);
    assert.deepEqual(client.inbox, []);
    after.respond(clusterType, { resources: resources(clusterType, names) });
    after.advance(60_000);
    assert.deepEqual(client.inbox, []);
  });
});
