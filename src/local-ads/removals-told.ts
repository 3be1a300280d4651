import type { Tombstone } from '../cache/entry.ts';
import type { TypeStore } from '../cache/store.ts';
import type { TypeTraits } from '../xds/type-urls.ts';
import type { OwedNames } from './owed-names.ts';
import type { SeenSet } from './seen-set.ts';
import type { ClientSubscription } from './subscription.ts';

/** What decides what a client has to be told of a name. */
export interface ToldClient {
  readonly store: TypeStore;
  readonly seen: SeenSet;
  readonly subscription: ClientSubscription;
  readonly traits: TypeTraits;
  /** Revision that it was sent. */
  readonly level: number;
}

/** Delta: whether a client has to be told that a name without entry is gone. @param wasBrought it said that it holds it */
export function isGone(client: ToldClient, owed: OwedNames, name: string, wasBrought: boolean): boolean {
  const { store, seen, subscription, traits, level } = client;
  if (owed.isRemovalOwed(name) || !seen.scope.sees(name)) return true;
  const hidden = store.served.find(name);
  if (hidden && !seen.scope.sees(hidden.name)) return true;
  // Left out, not gone: the client may hold an older content that is good (R102).
  if (store.quarantined.has(name)) return false;
  if (tombstoneOfSent(store, name, level) || (store.absences.tombstone(name) && (wasBrought || owed.has(name))))
    return true;
  if (subscription.names.has(name)) {
    const reason = store.absences.reason(name);
    return reason === 'upstream' || (reason === 'inferred' && traits.mayInferRemoval);
  }
  return wasBrought && subscription.isWildcard && store.isKnown && !store.isProvisional;
}

/** The tombstone of a name that a client was sent: one that came and went in between is no news to it (R103). */
export function tombstoneOfSent(store: TypeStore, name: string, sentRevision: number): Tombstone | undefined {
  const tombstone = store.absences.tombstone(name);
  return tombstone && tombstone.entry.firstSeenRevision <= sentRevision ? tombstone : undefined;
}
