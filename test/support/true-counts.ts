import assert from 'node:assert/strict';
import type { AbsentReason } from '../../src/cache/entry.ts';
import type { TypeStore } from '../../src/cache/store.ts';
import type { TypeInterest } from '../../src/cache/watch-map.ts';

/** What a store keeps count of for `/metrics` is what a walk over everything would count. */
export function assertTrueCounts(store: TypeStore, interest: TypeInterest): void {
  const counted = { presumed: 0, accepted: 0, replaced: 0, refused: 0 };
  for (const entry of store.entries()) {
    const refused = store.quarantined.get(entry.name);
    if (refused && !refused.isServed) counted.replaced++;
    else if (refused) continue;
    else if (entry.isAccepted) counted.accepted++;
    else counted.presumed++;
  }
  counted.refused = store.quarantined.size - counted.replaced;
  assert.deepEqual(store.standing.counts, counted, `standings of ${store.typeUrl}`);
  const { absences } = store;
  const reasons: Record<AbsentReason, number> = { upstream: 0, error: 0, inferred: 0, timeout: 0 };
  for (const name of new Set(absences.since(-1))) {
    const reason = absences.reason(name);
    if (reason) reasons[reason]++;
  }
  for (const [reason, count] of Object.entries(reasons))
    assert.equal(absences.countOf(reason as AbsentReason), count, `${reason} of ${store.typeUrl}`);
  const unsettled = [...interest.names()].filter(name => !store.isSettled(name));
  const named = unsettled.filter(name => interest.isNamed(name)).length;
  // What lingers since an earlier process was never asked for in this one.
  assert.ok(
    absences.awaited >= named && absences.awaited <= unsettled.length,
    `${absences.awaited} names of ${store.typeUrl} are awaited, ${named} to ${unsettled.length} should be`,
  );
}
