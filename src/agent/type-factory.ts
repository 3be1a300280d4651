import type { Bodies } from '../cache/body-pool.ts';
import type { IdleTier } from '../cache/idle-tier.ts';
import { TypeStore } from '../cache/store.ts';
import { TypeInterest } from '../cache/watch-map.ts';
import { AnswerShelf } from '../local-ads/answer-shelf.ts';
import type { Session } from '../upstream/session.ts';
import type { TypeScope } from '../xds/type-scope.ts';
import { groupOf, traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl, ViewKey } from '../xds/types.ts';
import { AckLedger, type AckMode } from './ack-ledger.ts';
import { Arrivals } from './arrivals.ts';
import type { Authorities } from './authorities.ts';
import { DiskLog } from './disk-log.ts';
import { createFeed, type Feed } from './feed.ts';
import { Freshness, type MaxAge } from './freshness.ts';
import { HeldRemovals } from './guard.ts';
import type { Lane } from './lane.ts';
import { heldOf, laneTypeOf } from './lane-type.ts';
import { Origin } from './origin.ts';
import type { Room } from './room.ts';
import type { StagedType } from './staged-set.ts';
import type { Streams } from './streams.ts';
import { Trials } from './trials.ts';
import type { TypeView } from './type-view.ts';

/** What the types of a view are made with. */
export interface TypeSettings {
  readonly lingerMs: number;
  /** Most names of a type that linger without a subscriber. */
  readonly namesMax: number;
  /** Control planes in the order in which they are preferred. */
  readonly addresses: readonly string[];
  readonly authorities: Authorities;
  readonly ack: AckMode;
  /** Whether changes are told to a disk. */
  readonly isStoring: boolean;
}

/** What views share: neither of it lets one see what another has. */
export interface ViewTiers {
  readonly idle: IdleTier;
  readonly bodies: Bodies;
}

/** Makes the types of one view, and has the lanes ask for them. */
export class TypeFactory {
  readonly #viewKey: ViewKey;
  readonly #settings: TypeSettings;
  readonly #tiers: ViewTiers;
  readonly #streams: Streams;
  readonly #room: Room;
  readonly #maxAgeOf: (typeUrl: TypeUrl) => MaxAge | undefined;
  readonly #scopeOf: (typeUrl: TypeUrl) => TypeScope;
  #made = 0;

  constructor(
    viewKey: ViewKey,
    settings: TypeSettings,
    tiers: ViewTiers,
    streams: Streams,
    room: Room,
    maxAgeOf: (typeUrl: TypeUrl) => MaxAge | undefined,
    scopeOf: (typeUrl: TypeUrl) => TypeScope,
  ) {
    this.#viewKey = viewKey;
    this.#settings = settings;
    this.#tiers = tiers;
    this.#streams = streams;
    this.#room = room;
    this.#maxAgeOf = maxAgeOf;
    this.#scopeOf = scopeOf;
  }

  /** A type that is served; to be {@link connect}ed. */
  make(typeUrl: TypeUrl): TypeView {
    const { lingerMs, namesMax, authorities, ack } = this.#settings;
    const main = createFeed(undefined, this.#streams.of(groupOf(typeUrl)), ack);
    const others = [...authorities.groups()].map(group => createFeed(group, this.#streams.ofAuthority(group), ack));
    return this.#type(typeUrl, new TypeInterest(lingerMs, namesMax), [main, ...others], false);
  }

  /** The same type as another server has it: with a store of its own, wanted by whoever wants the one that is served. */
  makeStaged(served: TypeView, lane: Lane, session: Session, room: Room): StagedType {
    const { typeUrl, interest, feeds, main, store } = served;
    const { group } = feeds.find(one => one.lane === lane) ?? main;
    const feed: Feed = { group, lane, session, ledger: new AckLedger('receipt'), origin: new Origin() };
    const type = this.#type(typeUrl, interest, [feed], true);
    return { type, served: store, held: heldOf(type, feed, this.#settings.authorities, room) };
  }

  /** Has the lane of a feed ask for what is wanted of the type there. */
  connect(type: TypeView, feed: Feed): void {
    feed.lane.addType(type.typeUrl, laneTypeOf(type, feed, this.#settings.authorities, this.#room));
  }

  #type(
    typeUrl: TypeUrl,
    interest: TypeInterest,
    feeds: readonly [Feed, ...(readonly Feed[])],
    isStaged: boolean,
  ): TypeView {
    const { idle, bodies } = this.#tiers;
    const tierKey = isStaged ? `${this.#viewKey} staged` : this.#viewKey;
    const { addresses, authorities } = this.#settings;
    const isOfSeveral = addresses.length > 1 || !authorities.isEmpty;
    const store = new TypeStore(typeUrl, traitsOf(typeUrl), idle, bodies, tierKey, isOfSeveral);
    return {
      typeUrl,
      scope: this.#scopeOf(typeUrl),
      isDenialTold: false,
      store,
      interest,
      main: feeds[0],
      feeds,
      trials: new Trials(),
      heldRemovals: new HeldRemovals(),
      disk: this.#settings.isStoring && !isStaged ? new DiskLog(this.#viewKey, store) : undefined,
      freshness: new Freshness(this.#maxAgeOf(typeUrl)),
      arrivals: new Arrivals(),
      awaitedUntilMs: undefined,
      leftoversUntilMs: Infinity,
      shelf: new AnswerShelf(store),
      noncePrefix: `${(this.#made++).toString(36)}-`,
      upstreamVersion: '',
      newestNonce: undefined,
      unproven: undefined,
      isStaged,
    };
  }
}
