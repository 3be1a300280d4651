import type { IdleTier } from '../cache/idle-tier.ts';
import { type Placement, TypeStore } from '../cache/store.ts';
import { type InterestChange, TypeInterest } from '../cache/watch-map.ts';
import { AnswerShelf } from '../local-ads/answer-shelf.ts';
import type { TypeSource } from '../local-ads/client-type.ts';
import type { Random } from '../upstream/backoff.ts';
import { Session, type SessionSettings } from '../upstream/session.ts';
import type { Received, UpstreamEffect } from '../upstream/session-events.ts';
import { clusterType, endpointType, groupOf, type StreamGroup, traitsOf } from '../xds/type-urls.ts';
import type { Clock, Nonce, RpcStatus, TypeUrl, ViewKey } from '../xds/types.ts';
import { AckLedger } from './ack-ledger.ts';
import type { Note } from './events.ts';

/** Streams of a view; types that would need one more share the last. */
const ownStreamsMax = 8;

/** What a view is made with. */
export interface ViewSettings extends SessionSettings {
  readonly lingerMs: number;
  /** Most names of a type that linger without a subscriber. */
  readonly namesMax: number;
}

/** One resource type of a view, from the upstream subscription to what clients are given. */
export interface TypeView extends TypeSource {
  readonly typeUrl: TypeUrl;
  readonly interest: TypeInterest;
  /** The stream that carries it; another one once a server ended that one over this type. */
  session: Session;
  readonly ledger: AckLedger;
}

/** A response that the view has taken in: what changed, for whoever has to be told. */
export interface Change {
  readonly type: TypeView;
  readonly nonce: Nonce;
  readonly fromRevision: number;
  /** Resources that the response held. */
  readonly names: readonly string[];
}

/**
 * What one identity may see of one control plane: the cached types, who wants them, and the upstream streams that feed them, one for each
 * stream group (design "Identity, sharing, stream groups").
 */
export class View {
  readonly key: ViewKey;
  readonly types = new Map<TypeUrl, TypeView>();
  readonly #settings: ViewSettings;
  readonly #node: Buffer;
  readonly #idle: IdleTier;
  readonly #newStreamId: () => number;
  readonly #random: Random;
  readonly #sessions = new Map<StreamGroup, Session>();
  readonly #notes: Note[] = [];
  /** Endpoints that the known clusters refer to, by the revision of the clusters. */
  #referenced: { readonly revision: number; readonly names: ReadonlySet<string> } | undefined;

  constructor(
    key: ViewKey,
    settings: ViewSettings,
    node: Buffer,
    idle: IdleTier,
    newStreamId: () => number,
    random: Random,
  ) {
    this.key = key;
    this.#settings = settings;
    this.#node = node;
    this.#idle = idle;
    this.#newStreamId = newStreamId;
    this.#random = random;
  }

  sessions(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** `control_plane.identifier` for clients: the agent's name and the upstream's (R125). */
  readonly controlPlane = (): string => {
    const identifier = this.#sessions.get('main')?.status.identifier;
    return identifier ? `weir/${identifier}` : 'weir';
  };

  /** Notes since the last call. */
  takeNotes(): Note[] {
    for (const session of this.#sessions.values()) {
      for (const note of session.takeNotes()) this.#notes.push({ kind: 'upstream', group: session.group, note });
    }
    return this.#notes.splice(0);
  }

  /** The type's state, made when first asked for. */
  type(typeUrl: TypeUrl): TypeView {
    const known = this.types.get(typeUrl);
    if (known) return known;
    const store = new TypeStore(typeUrl, traitsOf(typeUrl), this.#idle, this.key);
    const interest = new TypeInterest(this.#settings.lingerMs, this.#settings.namesMax);
    const session = this.#session(groupOf(typeUrl));
    const type: TypeView = {
      typeUrl,
      store,
      interest,
      session,
      ledger: new AckLedger(),
      shelf: new AnswerShelf(store),
      noncePrefix: `${this.types.size.toString(36)}-`,
      upstreamVersion: '',
    };
    connect(type);
    this.types.set(typeUrl, type);
    return type;
  }

  /** Takes in what a client's request changed in its interest. */
  interestChanged(type: TypeView, change: InterestChange, nowMs: number): void {
    const gain = type.interest.update(change, nowMs);
    const { store, interest, session, typeUrl } = type;
    // Upstream was not asked for them meanwhile, so what the idle tier may still have of them is of no use.
    for (const name of gain.fresh) store.forgetIdle(name);
    // A whole list is to be made of everything that is held, so nothing of it may lie elsewhere.
    if (gain.isWildcardFresh) for (const name of interest.names()) store.unpark(name);
    for (const name of gain.revived) {
      if (store.unpark(name) || store.traits.isFullState || interest.isWildcard) continue;
      // The idle tier may lose anything; upstream would stay silent on a name it has sent (rulebook 5).
      session.refetch(typeUrl, name, nowMs);
    }
    // Nobody reads them now, so they need not stay in the served set. A full-state list stays whole while its linger lasts.
    if (!store.traits.isFullState && !interest.isWildcard) for (const name of gain.idled) store.park(name);
    if (gain.evicted.length > 0) this.#ended(type, gain.evicted, false, nowMs);
    // In SotW names inside a wildcard are not asked for, and what the complete set lacks is not there (R64).
    if (session.status.variant === 'sotw' && store.traits.isFullState && store.isKnown && interest.isWildcard) {
      for (const name of gain.fresh) store.setAbsent(name, 'upstream');
    }
    if (gain.fresh.length > 0 || gain.isWildcardFresh) session.added(typeUrl, gain.fresh, nowMs);
  }

  /** Gives back types that nobody asks for and nothing is held of. @param isAskedFor whether a client has the type on its stream */
  dropUnused(isAskedFor: (typeUrl: TypeUrl) => boolean): void {
    for (const { typeUrl, interest, session } of [...this.types.values()]) {
      if (interest.isWildcard || interest.size > 0 || isAskedFor(typeUrl)) continue;
      this.types.delete(typeUrl);
      session.removeType(typeUrl);
    }
  }

  /** The view is not used any more: what it has in the idle tier is given back. */
  dispose(): void {
    for (const { store } of this.types.values()) store.dispose();
  }

  /** Brings the upstream streams on; to be called after every event. */
  advance(clock: Clock): UpstreamEffect[] {
    const all: UpstreamEffect[] = [];
    for (const session of this.#sessions.values()) {
      const effects = session.advance(clock.monotonicMs, clock.wallMs);
      // The session itself ended its stream, in order to open another one.
      if (effects.some(effect => effect.kind === 'close_upstream')) this.#lost(session);
      all.push(...effects);
    }
    return all;
  }

  /** The stream of this number, if it is one of the view's. */
  sessionOf(streamId: number): Session | undefined {
    for (const session of this.#sessions.values()) if (session.streamId === streamId) return session;
    return undefined;
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
    const suspect = session.closed(streamId, status, clock.monotonicMs, clock.wallMs);
    this.#lost(session);
    const type = suspect && this.types.get(suspect);
    if (!type) return;
    session.removeType(type.typeUrl);
    const isRoom = this.#sessions.size < ownStreamsMax;
    type.session = this.#session(isRoom ? `own ${type.typeUrl}` : 'own others');
    connect(type);
    this.#notes.push({ kind: 'type_isolated', typeUrl: type.typeUrl, reason: status.message });
  }

  /** The session's stream is gone: open verdicts died with it (R131). */
  #lost(session: Session): void {
    for (const type of this.types.values()) if (type.session === session) type.ledger.clear();
  }

  /** Queues the verdict on a response. */
  answer(type: TypeView, nonce: Nonce, status: RpcStatus | undefined, isRepeat: boolean, nowMs: number): void {
    if (!type.session.answer(type.typeUrl, nonce, status, isRepeat, nowMs)) return;
    this.#notes.push({
      kind: 'upstream_answered',
      typeUrl: type.typeUrl,
      verdict: status ? 'nack' : 'ack',
      reason: status?.message,
    });
  }

  /** Lets time pass: lingers end, silences are read. Returns the types whose clients may have to be told something. */
  tick(clock: Clock): TypeView[] {
    const now = clock.monotonicMs;
    const touched: TypeView[] = [];
    for (const type of this.types.values()) {
      // In an outage nothing that was dropped could be had again, so nothing is dropped.
      if (type.session.isOpen && type.interest.nextDeadlineMs() <= now) this.#expire(type, now);
    }
    for (const session of this.#sessions.values()) {
      for (const [typeUrl, verdicts] of session.due(now, (url, name) => this.#isKnownMissing(url, name))) {
        const type = this.type(typeUrl);
        this.#noteMissing(type, verdicts.inferred, 'inferred');
        // A set of all clusters does not say that one asked for by name is not being made at this moment (R48): good for whole lists only.
        this.#noteMissing(type, verdicts.presumed, type.store.traits.isFullState ? 'timeout' : 'inferred');
        this.#noteMissing(type, verdicts.timedOut, 'timeout');
        if (verdicts.isComplete) this.#complete(type, now);
        touched.push(type);
      }
    }
    return touched;
  }

  nextDeadlineMs(): number {
    let deadline = Infinity;
    for (const session of this.#sessions.values()) deadline = Math.min(deadline, session.nextDeadlineMs());
    for (const { interest, session, ledger } of this.types.values()) {
      if (session.isOpen) deadline = Math.min(deadline, interest.nextDeadlineMs());
      deadline = Math.min(deadline, ledger.nextDeadlineMs());
    }
    return deadline;
  }

  #session(group: StreamGroup): Session {
    const known = this.#sessions.get(group);
    if (known) return known;
    const session = new Session(group, this.#settings, this.#node, this.#newStreamId, this.#random);
    this.#sessions.set(group, session);
    return session;
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
        return this.#apply(received, clock);
    }
  }

  #apply({ response, isWhole, removed }: Received & { kind: 'accepted' }, clock: Clock): Change {
    const type = this.type(response.typeUrl);
    const { store, interest } = type;
    const applied = store.apply(
      response.resources,
      removed,
      isWhole,
      name => placement(type, name),
      response.bytes,
      clock.monotonicMs,
    );
    // Of lingering names, too: whoever asks for one next is not asked for upstream again.
    for (const name of removed) if (interest.has(name)) store.setAbsent(name, 'upstream');
    if (isWhole) {
      // The complete set is authoritative for what it lacks, too.
      for (const name of interest.names()) if (!store.get(name)) store.setAbsent(name, 'upstream');
      this.#markKnown(type);
    }
    store.updatedWallMs = clock.wallMs;
    type.upstreamVersion = response.versionInfo;
    this.#notes.push({
      kind: 'response_applied',
      typeUrl: response.typeUrl,
      versionInfo: response.versionInfo,
      resources: response.resources.length,
      changes: store.revision - applied.fromRevision,
      removed: applied.removedNames,
      ignored: applied.ignoredNames,
      bytes: response.bytes,
    });
    const names = response.resources.map(resource => resource.name);
    return { type, nonce: response.nonce, fromRevision: applied.fromRevision, names };
  }

  #complete(type: TypeView, nowMs: number): void {
    const seen = type.session.takeSeen(type.typeUrl);
    if (type.store.isKnown || !type.interest.isWildcard) return;
    // Nothing was listed to resume from, so what the answer lacks is gone (R108).
    const gone: string[] = [];
    for (const { name } of type.store.entries()) if (!seen?.has(name) && !type.interest.has(name)) gone.push(name);
    type.store.apply([], gone, false, () => 'serve', 0, nowMs);
    this.#markKnown(type);
  }

  #markKnown(type: TypeView): void {
    if (type.store.isKnown) return;
    type.store.isKnown = true;
    this.#notes.push({ kind: 'type_complete', typeUrl: type.typeUrl, resources: type.store.size });
  }

  #expire(type: TypeView, nowMs: number): void {
    const { names, isWildcardEnded } = type.interest.expire(nowMs, type.session.canEndWildcard(type.typeUrl));
    this.#ended(type, names, isWildcardEnded, nowMs);
  }

  /** Nobody wants these names, and maybe the wildcard, any more, and they have lingered long enough. */
  #ended(type: TypeView, names: readonly string[], isWildcardEnded: boolean, nowMs: number): void {
    const { interest, store, session, typeUrl } = type;
    if (isWildcardEnded) store.forgetWildcard(name => interest.has(name));
    for (const name of names) {
      if (interest.isWildcard) store.forgetAside(name);
      else store.forget(name);
    }
    if (names.length > 0 || isWildcardEnded) session.dropped(typeUrl, names, isWildcardEnded, nowMs);
  }

  #noteMissing(type: TypeView, names: readonly string[], reason: 'inferred' | 'timeout'): void {
    if (names.length === 0) return;
    for (const name of names) {
      // A cluster that refers to these endpoints may be warming: its client must not be told that they are gone (R95).
      const isNeeded = type.typeUrl === endpointType && this.#referencedEndpoints().has(name);
      type.store.setAbsent(name, isNeeded ? 'timeout' : reason);
    }
    this.#notes.push({ kind: 'names_missing', typeUrl: type.typeUrl, names, reason });
  }

  #isKnownMissing(typeUrl: TypeUrl, name: string): boolean {
    const store = this.types.get(typeUrl)?.store;
    if (store?.traits.isFullState) return store.isKnown;
    if (typeUrl !== endpointType || !this.types.get(clusterType)?.store.isKnown) return false;
    return !this.#referencedEndpoints().has(name);
  }

  #referencedEndpoints(): ReadonlySet<string> {
    const clusters = this.types.get(clusterType)?.store;
    const revision = clusters?.revision ?? -1;
    if (this.#referenced?.revision === revision) return this.#referenced.names;
    const names = new Set<string>();
    for (const entry of clusters?.entries() ?? []) if (entry.endpointName !== undefined) names.add(entry.endpointName);
    this.#referenced = { revision, names };
    return names;
  }
}

/** Has the type's session ask for what is wanted of it. */
function connect({ typeUrl, store, interest, session }: TypeView): void {
  session.addType(typeUrl, interest, {
    has: name => store.heldVersion(name) !== undefined,
    versions: () => heldVersions(store, interest),
    get isComplete() {
      return store.isKnown;
    },
  });
}

function placement({ interest, store }: TypeView, name: string): Placement {
  if (interest.isWildcard || interest.isNamed(name)) return 'serve';
  if (!interest.isLingering(name)) return 'ignore';
  return store.traits.isFullState ? 'serve' : 'idle';
}

/** Names and versions to resume from: everything held that the subscription covers, and nothing else (R107). */
function* heldVersions(store: TypeStore, interest: TypeInterest): Generator<readonly [string, string]> {
  if (interest.isWildcard && store.isKnown) {
    for (const entry of store.entries()) yield [entry.name, entry.version];
    return;
  }
  for (const name of interest.names()) {
    const version = store.heldVersion(name);
    if (version !== undefined) yield [name, version];
  }
}
