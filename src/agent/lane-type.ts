import type { TypeStore } from '../cache/store.ts';
import type { TypeInterest } from '../cache/watch-map.ts';
import type { HeldState, Interest } from '../upstream/interest.ts';
import { narrowHeld, narrowInterest } from '../upstream/narrowed.ts';
import type { Authorities } from './authorities.ts';
import type { Feed } from './feed.ts';
import type { LaneType } from './lane.ts';
import type { Room } from './room.ts';
import { placement, type TypeView } from './type-view.ts';

/** What a lane asks for of a type for one of its feeds. */
export function laneTypeOf(type: TypeView, feed: Feed, authorities: Authorities, room: Room): LaneType {
  const { group } = feed;
  const belongs = (name: string): boolean => authorities.groupOf(name) === group;
  const isForWildcard = group === undefined;
  const interest: Interest = authorities.isEmpty
    ? type.interest
    : narrowInterest(type.interest, belongs, isForWildcard);
  return {
    interest,
    served: heldOf(type, feed, authorities, room),
    hasContent: () => {
      const { store } = type;
      if (store.isKnown && isForWildcard) return true;
      if (authorities.isEmpty) return store.size > 0 || store.quarantined.size > 0;
      for (const { name } of store.entries()) if (belongs(name)) return true;
      return false;
    },
  };
}

/** What is held of a type from one feed, to resume from: nothing of it is told to another server than the one that it came from (R109). */
export function heldOf(type: TypeView, feed: Feed, authorities: Authorities, room: Room): HeldState {
  const { store, interest } = type;
  const { group, origin } = feed;
  const isHeld = (name: string): boolean => store.heldVersion(name) !== undefined;
  const held: HeldState = {
    has: isHeld,
    *versions() {
      const { address } = feed.session;
      for (const one of heldVersions(store, interest)) if (origin.isOf(address, one[0])) yield one;
    },
    get isComplete() {
      return store.isKnown && origin.isAllOf(feed.session.address, isHeld);
    },
    get isContested() {
      return store.served.isContested;
    },
    refusal: (resources, isWhole) =>
      room.refusal(
        store,
        resources.filter(one => placement(type, one) !== 'ignore'),
        isWhole,
      ),
  };
  return authorities.isEmpty ? held : narrowHeld(held, name => authorities.groupOf(name) === group);
}

/** Names and versions to resume from: everything held that the subscription covers, and nothing else (R107). */
function* heldVersions(store: TypeStore, interest: TypeInterest): Generator<readonly [string, string]> {
  if (interest.isWildcard && store.isKnown) {
    for (const { name } of store.entries()) yield [name, store.heldVersion(name) ?? ''];
    for (const [name, { entry }] of store.quarantined) if (!store.get(name)) yield [name, entry.version];
    return;
  }
  for (const name of interest.names()) {
    const members = store.served.membersOf(name);
    // By an alias a server would not know it (R18).
    const held = members.size > 0 ? members : [store.served.find(name)?.name ?? name];
    for (const one of held) {
      const version = store.heldVersion(one);
      if (version !== undefined) yield [one, version];
    }
  }
}
