import type { DiskChange, StoredView } from '../cache/stored.ts';
import type { InterestChange } from '../cache/watch-map.ts';
import type { Random } from '../upstream/backoff.ts';
import type { Session } from '../upstream/session.ts';
import type { Received, UpstreamEffect } from '../upstream/session-events.ts';
import { type Clock, grpcCode, type Nonce, type RpcStatus, type TypeUrl, type ViewKey } from '../xds/types.ts';
import { type Note, refusalNote } from './events.ts';
import type { Feed } from './feed.ts';
import { type FreshnessSettings, FreshnessWatch } from './freshness-watch.ts';
import type { GuardSettings } from './guard.ts';
import { type Change, Intake } from './intake.ts';
import { InterestFlow, type InterestSettings } from './interest-flow.ts';
import type { Lane } from './lane.ts';
import { restoreServers, restoreType } from './restore.ts';
import { Room, type RoomSettings } from './room.ts';
import { type ViewScopeSettings, viewScopes } from './scopes.ts';
import { SilenceReader } from './silence.ts';
import { StagedSet, type StagedType, takeOverSet } from './staged-set.ts';
import { Streams, type StreamsSettings } from './streams.ts';
import { TypeFactory, type TypeSettings, type ViewTiers } from './type-factory.ts';
import { dropLeftovers, isReachable, type TypeView, typeDueMs } from './type-view.ts';

/** What a view is made with. */
export interface ViewSettings
  extends StreamsSettings,
    GuardSettings,
    FreshnessSettings,
    InterestSettings,
    TypeSettings,
    RoomSettings,
    ViewScopeSettings {
  /** How long what was restored is asked for upstream without a client. */
  readonly restoredLingerMs: number;
  readonly viewTypesMax: number;
  readonly startup: 'prefer-cache' | 'prefer-upstream';
  readonly startupGraceMs: number;
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
  readonly #factory: TypeFactory;
  readonly #streams: Streams<StagedSet>;
  readonly #notes: Note[] = [];
  readonly #watch: FreshnessWatch;
  readonly #interests: InterestFlow;
  /** No client uses it, and it will be put away as a whole: until then nothing of it is given up piece by piece. */
  isUnused = false;
  /** Made of what was stored, for a client that has not come yet. */
  #isHint = false;
  readonly #silence: SilenceReader;
  readonly #room: Room;
  readonly #changes: Change[] = [];

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
    const note = (one: Note): void => {
      this.#notes.push(one);
    };
    this.#streams = new Streams(node, settings, newStreamId, random, (lane, session) => this.#newSet(lane, session));
    this.#intake = new Intake(settings, note);
    this.#silence = new SilenceReader(this.types, this.#intake, note);
    this.#room = new Room(settings, this.types);
    this.#interests = new InterestFlow(settings);
    this.#watch = new FreshnessWatch(settings, note);
    const maxAgeOf = this.#watch.maxAgeOf.bind(this.#watch);
    const scopeOf = viewScopes(settings, node);
    this.#factory = new TypeFactory(key, settings, tiers, this.#streams, this.#room, maxAgeOf, scopeOf);
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
    const all = stored.types.slice(0, this.#settings.viewTypesMax);
    for (const one of all) {
      const type = this.type(one.typeUrl);
      this.#notes.push(restoreType(type, one, stored, untilMs, clock));
      if (this.#settings.startup === 'prefer-upstream' && !type.scope.isClosed) {
        type.awaitedUntilMs = clock.monotonicMs + this.#settings.startupGraceMs;
      }
    }
    restoreServers(all.map(one => ({ type: this.type(one.typeUrl), stored: one })));
    this.#isHint = this.node.equals(stored.node);
    this.#watch.refresh(this.types.values(), clock);
  }

  /** A client came to the view. What was remembered of the node gives way to what it says of itself. */
  introduce(node: Buffer): void {
    if (!this.#isHint) return;
    this.#isHint = false;
    this.#streams.introduce(node);
  }

  /** Its upstream streams, for whoever looks at them or has something to say on them. */
  get streams(): Pick<Streams, 'isCutOff' | 'lanes' | 'mainAddress' | 'mainIndex' | 'placed' | 'report' | 'withdraw'> {
    return this.#streams;
  }

  sessions(): Iterable<Session> {
    return this.#streams;
  }

  /** `control_plane.identifier` for clients (R125). */
  readonly controlPlane = (): string => {
    const identifier = this.#streams.of('main').active.status.identifier;
    return identifier ? `weir/${identifier}` : 'weir';
  };

  /** Notes since the last call. */
  takeNotes(): Note[] {
    for (const one of this.#streams.takeNotes()) this.#notes.push({ kind: 'upstream', ...one });
    return this.#notes.splice(0);
  }

  /** The type's state, made when first asked for. */
  type(typeUrl: TypeUrl): TypeView {
    const known = this.types.get(typeUrl);
    if (known) return known;
    const type = this.#factory.make(typeUrl);
    this.types.set(typeUrl, type);
    for (const feed of type.feeds) this.#factory.connect(type, feed);
    return type;
  }

  /** Room for what another server of a lane says before it is served. */
  #newSet(lane: Lane, session: Session): StagedSet {
    const make = (typeUrl: TypeUrl, room: Room): StagedType =>
      this.#factory.makeStaged(this.type(typeUrl), lane, session, room);
    const note = (one: Note): void => {
      this.#notes.push(one);
    };
    return new StagedSet(session, this.#settings, make, this.#intake, note, lane.typeUrls());
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
      for (const { lane } of feeds) lane.removeType(typeUrl);
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
    for (const lane of this.#streams.lanes()) {
      const effects = lane.advance(clock);
      // The session itself ended its stream, in order to open another one.
      const { streamId } = lane.active;
      const isRenewed = effects.some(effect => effect.kind === 'open_upstream' && effect.streamId === streamId);
      if (isRenewed) this.#lost(lane.active);
      all.push(...effects);
      if (lane.isReadyToSwitch(clock.monotonicMs)) all.push(...this.#switchOver(lane, clock));
    }
    return all;
  }

  /** Opens every stream anew, and has everything sent once more. */
  beginAnew(reason: string, clock: Clock): UpstreamEffect[] {
    const all: UpstreamEffect[] = [];
    for (const lane of this.#streams.lanes()) {
      const effects = lane.beginAnew(reason, clock);
      if (effects.length > 0) this.#lost(lane.active);
      all.push(...effects);
    }
    return all;
  }

  /** The types whose content is another server's since the last call. */
  takeChanges(): Change[] {
    return this.#changes.splice(0);
  }

  /** Another server takes the place of the one in use: all types at one moment, and the clients hear of it in the order of R86. */
  #switchOver(lane: Lane<StagedSet>, clock: Clock): UpstreamEffect[] {
    const from = lane.active;
    this.#lost(from);
    const { set, effects } = lane.switchOver(clock);
    set.tick(clock.monotonicMs);
    const { changes, open } = takeOverSet({ lane, from, set }, this.types, this.#intake, clock);
    this.#changes.push(...changes);
    // It was refused while the other server still gave it.
    for (const typeUrl of [...lane.typeUrls()]) {
      const type = this.types.get(typeUrl);
      if (type && !lane.active.types.get(typeUrl)) this.#isolate(type, lane, 'the control plane in use now refuses it');
    }
    const note = { kind: 'server_changed', from: from.address, to: lane.active.address, open } as const;
    this.#notes.push({ kind: 'upstream', group: lane.group, note, isTrial: false });
    return effects;
  }

  /** The stream of this number, if it is one of the view's. */
  sessionOf(streamId: number): Session | undefined {
    return this.#streams.find(streamId)?.session;
  }

  /** A stream was opened. */
  opened(session: Session, streamId: number, clock: Clock): void {
    session.opened(streamId, clock.monotonicMs, clock.wallMs);
    const lane = this.#streams.laneOf(session);
    if (lane.active !== session) lane.candidateOpened(clock.monotonicMs);
  }

  /** Certificates or tokens have changed. */
  credentialsChanged(nowMs: number): void {
    for (const lane of this.#streams.lanes()) lane.credentialsChanged(nowMs);
  }

  /** Takes in one upstream response. */
  received(
    session: Session,
    streamId: number,
    bytes: Buffer,
    clock: Clock,
  ): { change?: Change; effects: UpstreamEffect[] } {
    const { received, effects } = session.received(streamId, bytes, clock.monotonicMs, clock.wallMs);
    const note = refusalNote(received, session.group, typeUrl => this.types.get(typeUrl)?.scope.isOpen ?? true);
    if (note) this.#notes.push(note);
    const lane = this.#streams.laneOf(session);
    if (lane.active !== session) {
      lane.candidate?.set.take(received, clock);
      if (received.kind !== 'broken') return { effects };
      lane.candidateClosed({ code: grpcCode.internal, message: received.error }, clock.monotonicMs, clock.wallMs);
      return { effects };
    }
    const change = received.kind === 'accepted' ? this.#accepted(session, received, clock) : undefined;
    if (received.kind === 'broken') this.#lost(session);
    return change ? { change, effects } : { effects };
  }

  /** The server of a stream is alive. Returns the types whose clients have to be told something. */
  alive(session: Session, clock: Clock): TypeView[] {
    const { candidate } = this.#streams.laneOf(session);
    if (candidate?.session === session) candidate.set.proven(clock.monotonicMs);
    const types = [...this.types.values()].filter(type => type.main.session === session);
    return types.filter(type => this.#intake.proven(type, clock.monotonicMs));
  }

  /** A session's stream ended. A type over which the server ended it goes on on a stream of its own, and the others without it. */
  closed(session: Session, streamId: number, status: RpcStatus, clock: Clock): void {
    this.#watch.refresh(this.types.values(), clock);
    const suspect = session.closed(streamId, status, clock.monotonicMs, clock.wallMs);
    const lane = this.#streams.laneOf(session);
    if (lane.active === session) this.#lost(session);
    else lane.candidateClosed(status, clock.monotonicMs, clock.wallMs);
    const type = suspect && this.types.get(suspect);
    if (type?.main.lane !== lane) return;
    // What the server in use gives is not taken from it because another one refuses it.
    if (lane.active === session) this.#isolate(type, lane, status.message);
    else session.types.remove(type.typeUrl);
  }

  /** Gives a type a stream of its own, so that it does not take the others along; or none, where the upstream allows one only. */
  #isolate(type: TypeView, lane: Lane<StagedSet>, reason: string): void {
    lane.removeType(type.typeUrl);
    const isMuted = this.#settings.isSingleStream;
    if (!isMuted) {
      type.main.lane = this.#streams.ownFor(type.typeUrl);
      this.#factory.connect(type, type.main);
    }
    this.#notes.push({ kind: 'type_isolated', typeUrl: type.typeUrl, reason, isMuted });
  }

  /** The session's stream is gone: open verdicts died with it (R131). */
  #lost(session: Session): void {
    for (const type of this.types.values()) {
      const feed = type.feeds.find(one => one.session === session);
      if (!feed) continue;
      feed.ledger.clear();
      if (feed === type.main) {
        type.heldRemovals.lost();
        type.unproven = undefined;
      }
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
    heardAtMs = nowMs,
  ): void {
    const { types } = feed.session;
    const isTold = types.answer(type.typeUrl, nonce, status, isRepeat, nowMs);
    // What was staged was acknowledged before any client saw it.
    const isLate = !isTold && status !== undefined && types.refuseLate(type.typeUrl, nonce, status);
    if (!isTold && !isLate) return;
    this.#notes.push({
      kind: 'upstream_answered',
      typeUrl: type.typeUrl,
      nonce,
      verdict: status ? 'nack' : 'ack',
      reason: status?.message,
      waitedMs: nowMs - heardAtMs,
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
    for (const lane of this.#streams.lanes()) {
      touched.push(...this.#silence.read(lane.active, now));
      lane.candidate?.set.tick(now);
    }
    return touched;
  }

  /** In an outage nothing that was dropped could be had again, so nothing is dropped. */
  #mayGiveUp(type: TypeView): boolean {
    return isReachable(type) && !this.isUnused;
  }

  nextDeadlineMs(): number {
    let deadline = this.#streams.nextDeadlineMs();
    for (const type of this.types.values()) deadline = Math.min(deadline, typeDueMs(type, this.#mayGiveUp(type)));
    return Math.min(deadline, this.#watch.confirmAtMs);
  }

  #accepted(session: Session, received: Received & { kind: 'accepted' }, clock: Clock): Change {
    const type = this.type(received.response.typeUrl);
    const feed = type.feeds.find(one => one.session === session) ?? type.main;
    return this.#intake.apply(type, feed, received, clock);
  }

  /** An operator lets pass what the guard holds back; of all types without `typeUrl`. Returns the types concerned. */
  releaseHeld(typeUrl: TypeUrl | undefined, nowMs: number): TypeView[] {
    const asked = [...this.types.values()].filter(type => typeUrl === undefined || type.typeUrl === typeUrl);
    return asked.filter(type => this.#intake.releaseHeld(type, 'operator', nowMs));
  }
}
