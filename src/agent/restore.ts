import type { StoredResource, StoredType, StoredView } from '../cache/stored.ts';
import { forbidsCaching } from '../xds/resource-fields.ts';
import type { Clock, ViewKey } from '../xds/types.ts';
import { heldEntries, storedOf } from './disk-log.ts';
import type { Note } from './events.ts';
import type { Lane } from './lane.ts';
import { severalServers } from './origin.ts';
import { isWrittenByName, stateOf, type TypeView } from './type-view.ts';

/**
 * Puts one stored type back into a view that has nothing of it. What outlived its TTL is left out (R113), what was refused stays in
 * quarantine (R102), and the names are asked for upstream without waiting for a client (R71). What may not be kept here any more goes from the
 * disk, and a set that was whole under a narrower scope is not whole now.
 *
 * @param from where it comes from
 * @param untilMs how long they are asked for if no client comes, monotonic
 */
export function restoreType(
  type: TypeView,
  before: StoredType,
  { provenance, isCopy = false }: Pick<StoredView, 'provenance' | 'isCopy'>,
  untilMs: number,
  clock: Clock,
): Note {
  const { store, interest, freshness, scope } = type;
  if (scope.isClosed) return leftOut(type, before, provenance);
  const resources = before.resources.filter(resource => scope.sees(resource.name));
  const stored = { ...before, resources, isKnown: before.isKnown && scope.isWithin(before.scope) };
  // What is left out must not be kept alive by the memory that it shares with the rest.
  const isShared = resources.length === before.resources.length;
  const refused: (() => void)[] = [];
  const expired: string[] = [];
  for (const resource of stored.resources) {
    const { deadlineWallMs, refusal, trust, good } = resource;
    const leftMs = deadlineWallMs === undefined ? undefined : deadlineWallMs - clock.wallMs;
    if (leftMs !== undefined && leftMs <= 0) {
      expired.push(resource.name);
      continue;
    }
    const expiryMs = leftMs === undefined ? undefined : clock.monotonicMs + leftMs;
    const own = isShared ? resource : { ...resource, any: Buffer.from(resource.any) };
    const entry = store.restore(own, trust === 'accepted', good, expiryMs);
    // What is left out depends on how much else there is, so it waits until everything is there.
    if (refusal) refused.push(() => store.standing.refuse(entry, refusal));
  }
  for (const quarantine of refused) quarantine();
  store.isKnown = stored.isKnown;
  store.isProvisional = true;
  store.updatedWallMs = stored.confirmedWallMs;
  type.upstreamVersion = stored.upstreamVersion;
  freshness.provenance = provenance;
  freshness.confirmedWallMs = stored.confirmedWallMs;
  interest.restore(stored.isKnown ? [] : stored.resources.map(resource => resource.name), stored.isKnown, untilMs);
  // A clock that is set back must not bring them back.
  type.disk?.add(
    undefined,
    expired.map(name => [name, undefined]),
    undefined,
  );
  // Else the disk does not have it as this view's yet, or has more than it may.
  const isOnDisk = provenance === 'disk' && !isCopy && isShared && before.scope === scope.key;
  if (!isOnDisk) type.disk?.reset(undefined, stateOf(type));
  return {
    kind: 'type_restored',
    typeUrl: type.typeUrl,
    provenance,
    resources: store.size,
    isKnown: stored.isKnown,
    expired: expired.length,
    quarantined: store.quarantined.size,
    denied: before.resources.length - resources.length,
    ageMs: freshness.ageMs(clock.wallMs) ?? 0,
  };
}

/** No client may see anything of the type any more: it goes from the disk, and upstream will not be asked for it. */
function leftOut(type: TypeView, { resources }: StoredType, provenance: StoredView['provenance']): Note {
  type.disk?.reset(undefined, stateOf(type));
  const none = { resources: 0, isKnown: false, expired: 0, quarantined: 0, ageMs: 0 };
  return { kind: 'type_restored', typeUrl: type.typeUrl, provenance, ...none, denied: resources.length };
}

/**
 * Has each stream go on at the server that it was at: the one whose content was confirmed last, since what another one had said before may be
 * served on beside it (R109). What is restored is told to the server that it came from only.
 */
export function restoreServers(restored: readonly { readonly type: TypeView; readonly stored: StoredType }[]): void {
  const newest = new Map<Lane, StoredType>();
  for (const { type, stored } of restored) {
    for (const { origin, lane } of type.feeds) origin.restored(lane.soleAddress);
    if (stored.server === '') continue;
    type.main.origin.restored(stored.server);
    const { lane } = type.main;
    const before = newest.get(lane);
    if (!before || isNewer(stored, before)) newest.set(lane, stored);
  }
  for (const [lane, { server }] of newest) lane.restoredFrom(server);
}

function isNewer(one: StoredType, other: StoredType): boolean {
  if (one.server === severalServers || other.server === severalServers) return other.server === severalServers;
  return one.confirmedWallMs > other.confirmedWallMs;
}

/** What a view holds, to be kept while nobody uses it. What may not be cached stays behind (R26), and sets that are not whole come as names. */
export function snapshotOf(
  {
    key: viewKey,
    node,
    types,
  }: { readonly key: ViewKey; readonly node: Buffer; readonly types: ReadonlyMap<string, TypeView> },
  matchKey: string,
  clock: Clock,
): StoredView {
  const stored: StoredType[] = [];
  for (const type of types.values()) {
    const { typeUrl, store } = type;
    if (!isWrittenByName(type)) continue;
    const resources: StoredResource[] = [];
    let isWhole = true;
    for (const entry of heldEntries(store)) {
      if (entry.extra && forbidsCaching(entry.extra)) isWhole = false;
      else resources.push(storedOf(store, entry, clock));
    }
    const state = stateOf(type);
    stored.push({ typeUrl, ...state, isKnown: state.isKnown && isWhole, resources });
  }
  // The disk may have lost its rows meanwhile, so it is told everything again.
  return { viewKey, matchKey, node, usedWallMs: clock.wallMs, provenance: 'memory', isCopy: true, types: stored };
}
