import type { Bodies } from '../cache/body-pool.ts';
import type { IdleTier } from '../cache/idle-tier.ts';
import { TypeStore } from '../cache/store.ts';
import type { DiskChange, StoredView } from '../cache/stored.ts';
import { type InterestChange, TypeInterest } from '../cache/watch-map.ts';
import { AnswerShelf } from '../local-ads/answer-shelf.ts';
import type { Random } from '../upstream/backoff.ts';
import type { Session } from '../upstream/session.ts';
import type { Received, UpstreamEffect } from '../upstream/session-events.ts';
import type { SessionSettings } from '../upstream/session-state.ts';
import { type AuthorityGroup, endpointType, groupOf, traitsOf } from '../xds/type-urls.ts';
import type { Clock, Nonce, RpcStatus, TypeUrl, ViewKey } from '../xds/types.ts';
import { AckLedger, type AckMode } from './ack-ledger.ts';
import { DiskLog } from './disk-log.ts';
import type { Note } from './events.ts';
import { Freshness } from './freshness.ts';
import { type FreshnessSettings, FreshnessWatch } from './freshness-watch.ts';
import { type GuardSettings, HeldRemovals } from './guard.ts';
import { type Change, Intake } from './intake.ts';
import { InterestFlow, type InterestSettings } from './interest-flow.ts';
import { References } from './references.ts';
import { restoreType } from './restore.ts';
import { Room, type RoomSettings } from './room.ts';
import { Streams } from './streams.ts';
import { Trials } from './trials.ts';
import { connect, dropLeftovers, type Feed, isReachable, stateOf, type TypeView, verdictsDueMs } from './type-view.ts';

/** What a view is made with. */
export interface ViewSettings
  extends SessionSettings,
    GuardSettings,
    FreshnessSettings,
    InterestSettings,
    RoomSettings {
  /** How long what was restored is asked for upstream without a client. */
  readonly restoredLingerMs: number;
  /** Most names of a type that linger without a subscriber. */
  readonly namesMax: number;
  readonly viewTypesMax: number;
  readonly startup: 'prefer-cache' | 'prefer-upstream';
  readonly startupGraceMs: number;
  readonly ack: AckMode;
}

/** What views share: neither of it lets one see what another has. */
export interface ViewTiers {
  readonly idle: IdleTier;
  readonly bodies: Bodies;
}

/**
 * What one identity may see of one control plane: the cached types, who wants them, and the upstream streams that feed them, one for each
 * stream group (design "Identity, sharing, stream groups").
 */
export class View {
  readonly key: ViewKey;
  readonly types = new Map<TypeUrl, TypeView>();
  readonly #settings: ViewSettings;
  readonly #intake: Intake;
  readonly #tiers: ViewTiers;
  readonly #streams: Streams;
  readonly #notes: Note[] = [];
  readonly #watch: FreshnessWatch;
  readonly #interests: InterestFlow;
  /** No client uses it, and it will be put away as a whole: until then nothing of it is given up piece by piece. */
  isUnused = false;
  /** Made of what was stored, for a client that has not come yet. */
  #isHint = false;
  readonly #references = new References(this.types);
  readonly #room: Room;

  constructor(
    key: ViewKey,
    settings: ViewSettings,
    node: Buffer,
    tiers: ViewTiers,
    newStreamId: () => number,
    random: Random,
  ) {
    this.key = key;
    this.#settings = settings;
    this.#tiers = tiers;
    this.#streams = new Streams(node, settings, newStreamId, random);
    this.#intake = new Intake(settings, note => this.#notes.push(note));
    this.#room = new Room(settings, this.types);
    this.#interests = new InterestFlow(settings);
    this.#watch = new FreshnessWatch(settings, note => this.#notes.push(note));
  }

  /** Encoded Node that its upstream streams carry. */
  get node(): Buffer {
    return this.#streams.node;
  }

  /** Whether anything was received or restored. */
  get hasContent(): boolean {
    return [...this.types.values()].some(type => type.freshness.provenance !== 'none');
  }

  /** Types whose clients may have to be told something by what happened besides responses, since the last call. */
  takeTouched(): TypeView[] {
    return this.#watch.takeTouched();
  }

  /** What the disk has to be told by now. */
  takeDiskChanges(clock: Clock): DiskChange[] {
    const changes: DiskChange[] = [];
    for (const { disk } of this.types.values()) if (disk) changes.push(...disk.take(clock));
    return changes;
  }

  /** Takes over what an earlier process, or a seed, had. Only into a view that has nothing yet. */
  restore(stored: StoredView, clock: Clock): void {
    const untilMs = clock.monotonicMs + this.#settings.restoredLingerMs;
    for (const one of stored.types.slice(0, this.#settings.viewTypesMax)) {
      const type = this.type(one.typeUrl);
      this.#notes.push(restoreType(type, one, stored.provenance, untilMs, clock));
      if (this.#settings.startup === 'prefer-upstream') {
        type.awaitedUntilMs = clock.monotonicMs + this.#settings.startupGraceMs;
      }
      // The disk does not have it as this view's yet.
      if (stored.provenance === 'seed' || stored.isCopy) type.disk?.reset(undefined, stateOf(type));
    }
    this.#isHint = this.node.equals(stored.node);
    this.#watch.refresh(this.types.values(), clock);
  }

  /** A client came to the view. What was remembered of the node gives way to what it says of itself. */
  introduce(node: Buffer): void {
    if (!this.#isHint) return;
    this.#isHint = false;
    this.#streams.introduce(node);
  }

  /** Upstream is asked for something and cannot be reached: what is given up now cannot be had again. */
  get isCutOff(): boolean {
    return this.#streams.isCutOff;
  }

  sessions(): Iterable<Session> {
    return this.#streams;
  }

  /** `control_plane.identifier` for clients (R125). */
  readonly controlPlane = (): string => {
    const identifier = this.#streams.of('main').status.identifier;
    return identifier ? `weir/${identifier}` : 'weir';
  };

  /** Notes since the last call. */
  takeNotes(): Note[] {
    for (const session of this.#streams) {
      for (const note of session.takeNotes()) this.#notes.push({ kind: 'upstream', group: session.group, note });
    }
    return this.#notes.splice(0);
  }

  /** The type's state, made when first asked for. */
  type(typeUrl: TypeUrl): TypeView {
    const known = this.types.get(typeUrl);
    if (known) return known;
    const store = new TypeStore(typeUrl, traitsOf(typeUrl), this.#tiers.idle, this.#tiers.bodies, this.key);
    const interest = new TypeInterest(this.#settings.lingerMs, this.#settings.namesMax);
    const { authorities, ack } = this.#settings;
    const feed = (group: AuthorityGroup | undefined, session: Session): Feed => ({
      group,
      session,
      ledger: new AckLedger(ack),
    });
    const main = feed(undefined, this.#streams.of(groupOf(typeUrl)));
    const others = [...authorities.groups()].map(group => feed(group, this.#streams.ofAuthority(group)));
    const type: TypeView = {
      typeUrl,
      store,
      interest,
      main,
      feeds: [main, ...others],
      trials: new Trials(),
      heldRemovals: new HeldRemovals(),
      disk: this.#settings.isStoring ? new DiskLog(this.key, store) : undefined,
      freshness: new Freshness(this.#watch.maxAgeOf(typeUrl)),
      awaitedUntilMs: undefined,
      leftoversUntilMs: Infinity,
      shelf: new AnswerShelf(store),
      noncePrefix: `${this.types.size.toString(36)}-`,
      upstreamVersion: '',
    };
    for (const one of type.feeds) connect(type, one, authorities, this.#room);
    this.types.set(typeUrl, type);
    return type;
  }

  /** Takes in what a client's request changed in its interest. */
  interestChanged(type: TypeView, change: InterestChange, nowMs: number): void {
    this.#interests.changed(type, change, nowMs);
  }

  /** Gives back types that nobody asks for and nothing is held of. @param isAskedFor whether a client has the type on its stream */
  dropUnused(isAskedFor: (typeUrl: TypeUrl) => boolean): void {
    for (const { typeUrl, interest, feeds } of [...this.types.values()]) {
      if (interest.isWildcard || interest.size > 0 || isAskedFor(typeUrl)) continue;
      this.types.delete(typeUrl);
      for (const { session } of feeds) session.removeType(typeUrl);
    }
  }

  /** The view is not used any more: what it has in the idle tier is given back. Returns the last that the disk has to know. */
  dispose(clock: Clock): DiskChange[] {
    this.#watch.confirm(this.types.values(), clock);
    for (const { store, disk } of this.types.values()) {
      disk?.decideAll();
      store.dispose();
    }
    return this.takeDiskChanges(clock);
  }

  /** To be called after every event. */
  advance(clock: Clock): UpstreamEffect[] {
    const all: UpstreamEffect[] = [];
    this.#watch.refresh(this.types.values(), clock);
    for (const session of this.#streams) {
      const effects = session.advance(clock.monotonicMs, clock.wallMs);
      // The session itself ended its stream, in order to open another one.
      if (effects.some(effect => effect.kind === 'close_upstream')) this.#lost(session);
      all.push(...effects);
    }
    return all;
  }

  /** The stream of this number, if it is one of the view's. */
  sessionOf(streamId: number): Session | undefined {
    return this.#streams.find(streamId);
  }

  /** Takes in one upstream response. */
  received(
    session: Session,
    streamId: number,
    bytes: Buffer,
    clock: Clock,
  ): { change?: Change; effects: UpstreamEffect[] } {
    const { received, effects } = session.received(streamId, bytes, clock.monotonicMs, clock.wallMs);
    const change = this.#take(session, received, clock);
    if (received.kind === 'broken') this.#lost(session);
    return change ? { change, effects } : { effects };
  }

  /** A session's stream ended. A type over which the server ended it goes on on a stream of its own, and the others without it. */
  closed(session: Session, streamId: number, status: RpcStatus, clock: Clock): void {
    this.#watch.refresh(this.types.values(), clock);
    const suspect = session.closed(streamId, status, clock.monotonicMs, clock.wallMs);
    this.#lost(session);
    const type = suspect && this.types.get(suspect);
    if (type?.main.session !== session) return;
    session.removeType(type.typeUrl);
    type.main.session = this.#streams.ownFor(type.typeUrl);
    connect(type, type.main, this.#settings.authorities, this.#room);
    this.#notes.push({ kind: 'type_isolated', typeUrl: type.typeUrl, reason: status.message });
  }

  /** The session's stream is gone: open verdicts died with it (R131). */
  #lost(session: Session): void {
    for (const type of this.types.values()) {
      const feed = type.feeds.find(one => one.session === session);
      if (!feed) continue;
      feed.ledger.clear();
      // Upstream says it again when it is back.
      type.heldRemovals.take();
      type.disk?.decideAll();
    }
  }

  /** Queues the verdict on a response. */
  answer(
    type: TypeView,
    feed: Feed,
    nonce: Nonce,
    status: RpcStatus | undefined,
    isRepeat: boolean,
    nowMs: number,
  ): void {
    if (!feed.session.answer(type.typeUrl, nonce, status, isRepeat, nowMs)) return;
    this.#notes.push({
      kind: 'upstream_answered',
      typeUrl: type.typeUrl,
      nonce,
      verdict: status ? 'nack' : 'ack',
      reason: status?.message,
    });
  }

  /** Lets time pass: lingers end, silences are read. Returns the types whose clients may have to be told something. */
  tick(clock: Clock): TypeView[] {
    const now = clock.monotonicMs;
    const touched: TypeView[] = [];
    for (const type of this.types.values()) {
      if (this.#mayGiveUp(type) && type.interest.nextDeadlineMs() <= now) this.#interests.expire(type, now);
      if (this.#mayGiveUp(type) && type.leftoversUntilMs <= now) dropLeftovers(type);
      if (type.store.deadlines.nextMs <= now && this.#intake.expire(type, now)) touched.push(type);
      if (type.heldRemovals.untilMs <= now && this.#intake.releaseHeld(type, 'grace', now)) touched.push(type);
    }
    if (this.#watch.confirmAtMs <= now) this.#watch.confirm(this.types.values(), clock);
    for (const session of this.#streams) {
      for (const [typeUrl, verdicts] of session.due(now, this.#references.isKnownMissing)) {
        const type = this.type(typeUrl);
        this.#noteMissing(type, verdicts.inferred, 'inferred');
        // A set of all clusters does not say that one asked for by name is not being made at this moment (R48): good for whole lists only.
        this.#noteMissing(type, verdicts.presumed, type.store.traits.isFullState ? 'timeout' : 'inferred');
        this.#noteMissing(type, verdicts.timedOut, 'timeout');
        if (verdicts.isComplete && session === type.main.session) this.#intake.complete(type, now);
        touched.push(type);
      }
    }
    return touched;
  }

  /** In an outage nothing that was dropped could be had again, so nothing is dropped. */
  #mayGiveUp(type: TypeView): boolean {
    return isReachable(type) && !this.isUnused;
  }

  nextDeadlineMs(): number {
    let deadline = this.#streams.nextDeadlineMs();
    for (const type of this.types.values()) {
      const { interest, trials, store, heldRemovals, freshness } = type;
      if (this.#mayGiveUp(type)) deadline = Math.min(deadline, interest.nextDeadlineMs(), type.leftoversUntilMs);
      deadline = Math.min(deadline, verdictsDueMs(type), trials.nextDeadlineMs(), store.deadlines.nextMs);
      deadline = Math.min(deadline, heldRemovals.untilMs, freshness.nextDeadlineMs);
      deadline = Math.min(deadline, type.awaitedUntilMs ?? Infinity);
    }
    return Math.min(deadline, this.#watch.confirmAtMs);
  }

  #accepted(session: Session, received: Received & { kind: 'accepted' }, clock: Clock): Change {
    const type = this.type(received.response.typeUrl);
    const feed = type.feeds.find(one => one.session === session) ?? type.main;
    return this.#intake.apply(type, feed, received, clock);
  }

  #take(session: Session, received: Received, clock: Clock): Change | undefined {
    switch (received.kind) {
      case 'stale':
        return undefined;
      case 'broken':
        this.#notes.push({ kind: 'response_broken', group: session.group, reason: received.error });
        return undefined;
      case 'refused':
        this.#notes.push({ kind: 'response_refused', typeUrl: received.typeUrl, reason: received.error });
        return undefined;
      case 'unasked':
        this.#notes.push({ kind: 'response_unasked', typeUrl: received.typeUrl });
        return undefined;
      case 'accepted':
        return this.#accepted(session, received, clock);
    }
  }

  /** An operator lets pass what the guard holds back; of all types without `typeUrl`. Returns the types concerned. */
  releaseHeld(typeUrl: TypeUrl | undefined, nowMs: number): TypeView[] {
    const asked = [...this.types.values()].filter(type => typeUrl === undefined || type.typeUrl === typeUrl);
    return asked.filter(type => this.#intake.releaseHeld(type, 'operator', nowMs));
  }

  #noteMissing(type: TypeView, names: readonly string[], reason: 'inferred' | 'timeout'): void {
    if (names.length === 0) return;
    for (const name of names) {
      // A cluster that refers to these endpoints may be warming: its client must not be told that they are gone (R95).
      const isNeeded = type.typeUrl === endpointType && this.#references.has(name);
      type.store.setAbsent(name, isNeeded ? 'timeout' : reason);
    }
    this.#notes.push({ kind: 'names_missing', typeUrl: type.typeUrl, names, reason });
  }
}
