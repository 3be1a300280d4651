import type { InterestChange } from '../cache/watch-map.ts';
import type { Authorities } from './authorities.ts';
import type { Feed } from './feed.ts';
import { forgetOnDisk, isReachable, isWanted, type TypeView, wantedAgain } from './type-view.ts';

/** What is needed to follow the clients' interest. */
export interface InterestSettings {
  readonly lingerMs: number;
  /** Control planes besides the main one. */
  readonly authorities: Authorities;
}

/** Follows what the clients of a view want: what the store serves of it, and which control plane is asked for it. */
export class InterestFlow {
  readonly #settings: InterestSettings;

  constructor(settings: InterestSettings) {
    this.#settings = settings;
  }

  /** Takes in what a client's request changed in its interest. */
  changed(type: TypeView, change: InterestChange, nowMs: number): void {
    const gain = type.interest.update(change, nowMs);
    const { store, interest, main } = type;
    // Upstream was not asked for them meanwhile, so what the idle tier may still have of them is of no use.
    for (const name of gain.fresh) store.forgetIdle(name);
    // A whole list is to be made of everything that is held, so nothing of it may lie elsewhere.
    if (gain.isWildcardFresh) for (const name of interest.names()) store.unpark(name);
    for (const name of gain.revived) {
      if (store.unpark(name) || store.traits.isFullState || interest.isWildcard) continue;
      // The idle tier may lose anything; upstream would stay silent on a name it has sent (rulebook 5).
      this.#feedOf(type, name).session.types.refetch(type.typeUrl, name, nowMs);
    }
    for (const names of [gain.fresh, gain.revived])
      for (const name of names) if (!store.isSettled(name)) store.absences.awaits(name);
    // Nobody reads them now, so they need not stay in the served set. A full-state list stays whole while its linger lasts; and in an outage
    // nothing goes where it could be lost.
    const isParking = !store.traits.isFullState && !interest.isWildcard && isReachable(type);
    if (isParking) for (const name of gain.idled) store.park(name);
    if (gain.evicted.length > 0) this.#ended(type, gain.evicted, false, nowMs);
    // In SotW names inside a wildcard are not asked for, and what the complete set lacks is not there (R64).
    const isCertain = store.traits.isFullState && store.isKnown && !store.isProvisional;
    if (main.session.status.variant === 'sotw' && isCertain && interest.isWildcard) {
      for (const name of this.#namesOf(main, gain.fresh)) store.setAbsent(name, 'upstream');
    }
    for (const feed of gain.fresh.length > 0 || gain.isWildcardFresh ? type.feeds : []) {
      feed.lane.added(type.typeUrl, this.#namesOf(feed, gain.fresh), nowMs);
    }
    wantedAgain(type, nowMs, this.#settings.lingerMs);
  }

  /** Ends what has lingered long enough. */
  expire(type: TypeView, nowMs: number): void {
    const { names, isWildcardEnded } = type.interest.expire(
      nowMs,
      type.main.session.types.canEndWildcard(type.typeUrl),
    );
    this.#ended(type, names, isWildcardEnded, nowMs);
  }

  /** Nobody wants these names, and maybe the wildcard, any more, and they have lingered long enough. */
  #ended(type: TypeView, names: readonly string[], isWildcardEnded: boolean, nowMs: number): void {
    const { store, main, typeUrl } = type;
    if (isWildcardEnded) store.forgetWildcard(name => isWanted(type, name));
    const held = names.flatMap(name => [store.served.find(name)?.name ?? name, ...store.served.membersOf(name)]);
    for (const name of new Set([...names, ...held])) {
      if (isWanted(type, name)) store.forgetAside(name);
      else store.forget(name);
    }
    forgetOnDisk(type, held, isWildcardEnded);
    for (const feed of names.length > 0 || isWildcardEnded ? type.feeds : []) {
      feed.lane.dropped(typeUrl, this.#namesOf(feed, names), isWildcardEnded && feed === main, nowMs);
    }
  }

  #feedOf(type: TypeView, name: string): Feed {
    const group = this.#settings.authorities.groupOf(name);
    return type.feeds.find(feed => feed.group === group) ?? type.main;
  }

  #namesOf({ group }: Feed, names: readonly string[]): readonly string[] {
    const { authorities } = this.#settings;
    return authorities.isEmpty ? names : names.filter(name => authorities.groupOf(name) === group);
  }
}
