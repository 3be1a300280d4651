import { missingIn } from '../cache/applied.ts';
import type { Entry } from '../cache/entry.ts';
import type { Received } from '../upstream/session-events.ts';
import { invariant } from '../xds/assert.ts';
import type { ResourceFailure, WireResource } from '../xds/discovery.ts';
import { globOf } from '../xds/resource-name.ts';
import { type Clock, grpcCode, type Nonce } from '../xds/types.ts';
import type { Authorities } from './authorities.ts';
import { type ChangeReason, type ContentChange, watchContent } from './content-change.ts';
import { heldEntries } from './disk-log.ts';
import type { Note } from './events.ts';
import type { Feed } from './feed.ts';
import { type GuardSettings, isShrunken, judge } from './guard.ts';
import { isWrittenByName, placement, stateOf, type TypeView, touchDisk, verdictKey } from './type-view.ts';

/** A response that the view has taken in: what changed, for whoever has to be told. */
export interface Change {
  readonly type: TypeView;
  /** Where it came from. */
  readonly feed: Feed;
  readonly nonce: Nonce;
  readonly fromRevision: number;
  /** Resources that the response held. */
  readonly names: readonly string[];
}

/** What is needed to take in what upstream says. */
export interface IntakeSettings extends GuardSettings {
  readonly authorities: Authorities;
}

/** Brings what upstream says into the types of a view: content, completeness, removals, time to live. */
export class Intake {
  readonly #settings: IntakeSettings;
  readonly #note: (note: Note) => void;

  constructor(settings: IntakeSettings, note: (note: Note) => void) {
    this.#settings = settings;
    this.#note = note;
  }

  /** Takes in one accepted response. */
  apply(type: TypeView, feed: Feed, received: Received & { kind: 'accepted' }, clock: Clock): Change {
    const { response, isWhole, removed } = this.#partOf(feed, received);
    const { store, interest } = type;
    const now = clock.monotonicMs;
    const { resources } = response;
    const names = resources.map(resource => resource.name);
    const gone = isWhole
      ? missingIn(store, resources).filter(name => this.#belongs(feed, name))
      : removed.filter(name => store.get(name));
    for (const name of names) type.heldRemovals.seen(name);
    if (type.unproven && isWhole && feed === type.main) type.unproven = undefined;
    else if (type.unproven) {
      const came = new Set(names);
      type.unproven = type.unproven.filter(name => !came.has(name));
    }
    const isHeld = this.#isHeldBack(type, feed, names, gone, isWhole, now);
    const told = isHeld ? removed.filter(name => !type.heldRemovals.has(name)) : isWhole ? gone : removed;
    const wasKnown = store.isKnown;
    store.updatedWallMs = clock.wallMs;
    const denied = type.scope.isOpen ? [] : names.filter(name => !type.scope.sees(name));
    // A buffer with what may not be kept here in it is nobody's home.
    const homeBytes = denied.length > 0 ? 0 : response.bytes;
    const changes = watchContent(store, names);
    const applied = store.apply(resources, told, resource => placement(type, resource), homeBytes, now);
    const beating: string[] = [];
    for (const { name, ttlMs } of response.heartbeats) {
      if (ttlMs !== undefined && store.heartbeat(name, ttlMs, now)) beating.push(name);
    }
    const forgotten = this.#fail(type, response.failures, now);
    // Of lingering names, too: whoever asks for one next is not asked for upstream again.
    for (const name of removed) {
      const { aliases = [] } = store.absences.tombstone(name)?.entry ?? {};
      for (const one of [name, ...aliases]) if (interest.has(one)) store.setAbsent(one, 'upstream');
      // With its last member a collection is empty, which is told of it by its own name (R33).
      const glob = globOf(name);
      if (glob !== undefined && interest.has(glob)) store.setAbsent(glob, 'upstream');
    }
    if (isWhole) {
      // The complete set is authoritative for what it lacks, too.
      for (const name of interest.names()) if (this.#belongs(feed, name)) store.setAbsent(name, 'upstream');
      if (feed === type.main) this.#markKnown(type);
    }
    type.freshness.confirmedWallMs = clock.wallMs;
    type.freshness.provenance = 'upstream';
    feed.origin.spoke(feed.session.address, names, isWhole && !isHeld, () => this.#heldOf(type, feed));
    if (feed === type.main) type.upstreamVersion = response.versionInfo;
    type.newestNonce = response.nonce;
    this.#write(type, verdictKey(feed, response.nonce), applied.fromRevision, applied.quiet, wasKnown);
    touchDisk(type, beating);
    if (denied.length > 0 && !type.isDenialTold) {
      type.isDenialTold = true;
      this.#note({
        kind: 'scope_denied',
        what: 'upstream',
        typeUrl: response.typeUrl,
        client: undefined,
        names: denied,
      });
    }
    this.#note({
      kind: 'response_applied',
      typeUrl: response.typeUrl,
      versionInfo: response.versionInfo,
      resources: resources.length,
      changes: store.revision - applied.fromRevision,
      removed: applied.removedNames,
      ignored: applied.ignoredNames,
      denied: denied.length,
      bytes: response.bytes,
    });
    if (store.revision > applied.fromRevision) type.arrivals.noted(store.revision, now);
    this.#tell(type, changes(forgotten), 'response');
    return { type, feed, nonce: response.nonce, fromRevision: applied.fromRevision, names };
  }

  /**
   * Serves what another server has said in place of what is served (R109). What it has not spoken of stays: clients that follow it will not ask for
   * that any more, and whoever does is told when it speaks.
   */
  takeOver(type: TypeView, feed: Feed, staged: TypeView, clock: Clock): Change {
    const { store, interest } = type;
    const now = clock.monotonicMs;
    const fromRevision = store.revision;
    const resources = [...staged.store.entries()].map(entry => wireResourceOf(staged, entry, now));
    const names = resources.map(resource => resource.name);
    const isWhole = staged.store.isKnown && interest.isWildcard;
    const gone: string[] = [];
    const forgotten: string[] = [];
    for (const name of missingIn(store, resources)) {
      if (!this.#belongs(feed, name)) continue;
      const isClear = isWhole || isSettledIn(staged, store.get(name), name);
      if (!isClear) continue;
      const reason = staged.store.absences.reason(name);
      const mayTell = isWhole || reason === 'upstream' || store.traits.mayInferRemoval || globOf(name) !== undefined;
      (mayTell ? gone : forgotten).push(name);
    }
    // What the guard holds back is the other server's; whether this one has too little was looked at before the switch.
    if (feed === type.main) {
      type.heldRemovals.take();
      const hasShrunk = store.traits.isFullState && isShrunken(this.#settings, store.size, names.length);
      if (hasShrunk && this.#settings.guard !== 'off') this.#alarm(type, gone.length, 'warn');
    }
    // What nobody reads at the moment is the other server's as well.
    for (const { name } of [...store.parked()]) if (this.#belongs(feed, name)) store.forgetIdle(name);
    const lost = forgotten.filter(name => store.get(name));
    for (const name of forgotten) store.forget(name);
    const bytes = staged.store.served.bytes;
    store.updatedWallMs = clock.wallMs;
    // What clients rejected is no better for coming from another server (R97, R102).
    const unrefused = resources.filter(resource => !store.standing.refusedElsewhere(resource));
    const changes = watchContent(store, names);
    const applied = store.apply(unrefused, gone, resource => placement(type, resource), bytes, now);
    for (const name of interest.names()) {
      const reason = staged.store.absences.reason(name);
      if (reason !== undefined && reason !== 'timeout') store.setAbsent(name, reason);
      const failure = staged.store.failures.get(name);
      if (failure) store.fail({ name, status: failure.status });
    }
    awaitAgain(type, forgotten);
    const wasKnown = store.isKnown;
    if (isWhole && feed === type.main) this.#markKnown(type);
    // The question whether its answer is whole is under way.
    if (staged.unproven && feed === type.main) {
      type.unproven = this.#lackingIn(type, { has: name => staged.store.get(name) !== undefined });
    }
    type.freshness.confirmedWallMs = clock.wallMs;
    type.freshness.provenance = 'upstream';
    feed.origin.spoke(feed.session.address, names, isWhole, () => this.#heldOf(type, feed));
    if (feed === type.main) type.upstreamVersion = staged.upstreamVersion;
    type.disk?.add(
      undefined,
      forgotten.map(name => [name, undefined]),
      undefined,
    );
    this.#write(type, undefined, fromRevision, applied.quiet, wasKnown);
    this.#tell(type, changes(lost), 'switch');
    const { newestNonce: nonce } = staged;
    invariant(nonce !== undefined, 'a server that was heard has sent a response');
    return { type, feed, nonce, fromRevision, names };
  }

  /** Names of everything that is held of a feed. */
  *#heldOf({ store }: TypeView, feed: Feed): Generator<string> {
    for (const { name } of heldEntries(store)) if (this.#belongs(feed, name)) yield name;
  }

  #belongs({ group }: Feed, name: string): boolean {
    const { authorities } = this.#settings;
    return authorities.isEmpty || authorities.groupOf(name) === group;
  }

  /** What a control plane says of names that are another one's is not listened to. */
  #partOf(feed: Feed, received: Received & { kind: 'accepted' }): Received & { kind: 'accepted' } {
    if (this.#settings.authorities.isEmpty) return received;
    const { response, removed } = received;
    const own = <T extends { readonly name: string }>(all: readonly T[]): T[] =>
      all.filter(({ name }) => this.#belongs(feed, name));
    const part = {
      ...response,
      resources: own(response.resources),
      failures: own(response.failures),
      heartbeats: own(response.heartbeats),
    };
    return { ...received, response: part, removed: removed.filter(name => this.#belongs(feed, name)) };
  }

  /**
   * Upstream's errors in place of resources (R24, R119). NOT_FOUND says that there is none, which is a removal where clients may be told of one on
   * our own conclusion (R95); after any other error what is held stays.
   *
   * @returns names whose resource went without a word to clients
   */
  #fail({ store, interest }: TypeView, failures: readonly ResourceFailure[], nowMs: number): string[] {
    const forgotten: string[] = [];
    for (const failure of failures) {
      const { name, status } = failure;
      if (!interest.has(name) && !store.get(name)) continue;
      if (status.code === grpcCode.notFound) {
        if (store.traits.isFullState || store.traits.mayInferRemoval) {
          store.apply([], [name], () => 'ignore', 0, nowMs);
          store.setAbsent(name, 'upstream');
        } else {
          if (store.get(name)) forgotten.push(name);
          store.forget(name);
          store.setAbsent(name, 'error');
        }
      } else if (!store.get(name)) store.setAbsent(name, 'error');
      store.fail(failure);
    }
    return forgotten;
  }

  /** The first answer to a wildcard is complete, with nothing listed to resume from: what it lacks is gone (R108). */
  complete(type: TypeView, nowMs: number): void {
    const { store, interest } = type;
    const { session } = type.main;
    const seen = session.types.takeSeen(type.typeUrl);
    // A SotW list is whole by itself.
    if (!interest.isWildcard || !seen || (store.isKnown && session.status.variant === 'sotw')) return;
    const wasKnown = store.isKnown;
    const gone = this.#lackingIn(type, seen);
    const isHeld = this.#isHeldBack(type, type.main, [...seen], gone, true, nowMs);
    const unproven = isHeld ? [] : gone;
    // Where nobody could lose anything by it, nothing has to be proven.
    if (unproven.length > 0 || (!wasKnown && (store.served.isContested || type.isStaged))) {
      type.unproven = unproven;
      session.probe();
      if (!wasKnown) return;
    }
    this.#markKnown(type);
    this.#write(type, type.main.ledger.newestNonce, store.revision, [], wasKnown);
  }

  /** What is held and a complete first answer lacks. */
  #lackingIn(type: TypeView, seen: { has(name: string): boolean }): string[] {
    const { store, interest } = type;
    const held = [...store.entries()].map(entry => entry.name);
    // A name that a client asked for may exist beside the wildcard; one that only lingers, as after a restart, was asked for and not answered.
    return [...held, ...store.quarantined.keys()].filter(
      name => !seen.has(name) && !interest.isNamed(name) && this.#belongs(type.main, name),
    );
  }

  /** The connection is alive, so that what a first answer has left out was not lost on the way. Returns whether clients have to be told. */
  proven(type: TypeView, nowMs: number): boolean {
    const { store, interest, unproven } = type;
    type.unproven = undefined;
    if (!unproven || !interest.isWildcard) return false;
    const fromRevision = store.revision;
    const wasKnown = store.isKnown;
    const changes = watchContent(store, []);
    store.apply([], unproven, () => 'serve', 0, nowMs);
    this.#tell(type, changes(), 'inferred');
    this.#markKnown(type);
    this.#write(type, type.main.ledger.newestNonce, fromRevision, [], wasKnown);
    return store.revision !== fromRevision || !wasKnown;
  }

  /** Removals that were held back take effect. Returns whether there were any. */
  releaseHeld(type: TypeView, reason: 'grace' | 'operator', nowMs: number): boolean {
    const { store } = type;
    const names = type.heldRemovals.take().filter(name => store.get(name) ?? store.quarantined.has(name));
    if (names.length === 0) return false;
    const fromRevision = store.revision;
    const changes = watchContent(store, []);
    store.apply([], names, () => 'serve', 0, nowMs);
    this.#tell(type, changes(), 'guard');
    this.#write(type, undefined, fromRevision, [], store.isKnown);
    this.#note({ kind: 'guard_released', typeUrl: type.typeUrl, names: names.length, reason });
    return true;
  }

  /** Ends what outlived its TTL (R113). Returns whether clients have to be told. */
  expire(type: TypeView, nowMs: number): boolean {
    const { store } = type;
    const fromRevision = store.revision;
    const names = store.expire(nowMs);
    if (names.length === 0) return false;
    awaitAgain(type, names);
    this.#tell(type, { added: [], changed: [], removed: names }, 'ttl');
    type.disk?.add(
      undefined,
      names.map(name => [name, undefined]),
      undefined,
    );
    this.#note({ kind: 'resources_expired', typeUrl: type.typeUrl, names });
    return store.revision !== fromRevision;
  }

  /** What is staged is served to nobody, so nothing of it is told. */
  #tell({ typeUrl, isStaged }: TypeView, change: ContentChange, why: ChangeReason): void {
    const { added, changed, removed } = change;
    if (isStaged || added.length + changed.length + removed.length === 0) return;
    this.#note({ kind: 'content_changed', typeUrl, ...change, why });
  }

  #isHeldBack(
    type: TypeView,
    feed: Feed,
    names: readonly string[],
    gone: readonly string[],
    isWhole: boolean,
    nowMs: number,
  ): boolean {
    const { store, heldRemovals } = type;
    if (feed !== type.main || type.isStaged) return false;
    if (!store.traits.isFullState || gone.length === 0) {
      if (isWhole) heldRemovals.take();
      return false;
    }
    const shrinkage = {
      held: store.size,
      gone: gone.length,
      fresh: names.reduce((count, name) => (store.get(name) || !type.scope.sees(name) ? count : count + 1), 0),
      sinceOpenMs: feed.session.openForMs(nowMs),
    };
    const verdict = judge(this.#settings, shrinkage);
    if (verdict !== 'hold') {
      if (isWhole) heldRemovals.take();
      if (verdict === 'warn') this.#alarm(type, gone.length, 'warn');
      return false;
    }
    const isNew = heldRemovals.size === 0;
    heldRemovals.hold(gone, isWhole, nowMs, this.#settings.guardGraceMs);
    if (isNew) this.#alarm(type, gone.length, 'hold');
    return true;
  }

  #alarm({ typeUrl, store }: TypeView, gone: number, action: 'warn' | 'hold'): void {
    const graceMs = action === 'hold' ? this.#settings.guardGraceMs : 0;
    this.#note({ kind: 'guard_alarm', typeUrl, held: store.size, gone, action, graceMs });
  }

  #markKnown(type: TypeView): void {
    if (type.store.isKnown) return;
    type.store.isKnown = true;
    this.#note({ kind: 'type_complete', typeUrl: type.typeUrl, resources: type.store.size });
  }

  #write(
    type: TypeView,
    nonce: Nonce | undefined,
    fromRevision: number,
    quiet: readonly Entry[],
    wasKnown: boolean,
  ): void {
    const { disk, store } = type;
    if (!disk) return;
    // A set that has just become complete replaces whatever the disk has of the type.
    if (store.isKnown && !wasKnown) disk.reset(nonce, stateOf(type));
    else if (isWrittenByName(type)) {
      const contents = new Map<string, Entry | undefined>();
      for (const entry of quiet) contents.set(entry.name, entry);
      for (const name of store.changesSince(fromRevision)) contents.set(name, store.get(name));
      disk.add(nonce, contents, stateOf(type));
    }
  }
}

/** A resource of a staged set as its server would send it now, with the rest of its TTL (R113). */
function wireResourceOf({ store }: TypeView, { name, version, any, extra }: Entry, nowMs: number): WireResource {
  const endMs = store.deadlines.get(name);
  return { name, version, any, extra, ttlMs: endMs === undefined ? undefined : endMs - nowMs };
}

/** Whether a server has made clear that it has nothing of a held name. The resource timer is a guess, which removes nothing. */
function isSettledIn({ store }: TypeView, held: Entry | undefined, name: string): boolean {
  if (store.absences.has(name)) return store.absences.reason(name) !== 'timeout';
  const glob = globOf(name);
  if (glob !== undefined && store.isSettled(glob)) return true;
  return held?.aliases.some(alias => store.isSettled(alias)) ?? false;
}

/** Of what was forgotten without a word, and is asked for, nothing is known any more. */
function awaitAgain({ store, interest }: TypeView, forgotten: readonly string[]): void {
  for (const name of forgotten) if (interest.has(name) && !store.isSettled(name)) store.absences.awaits(name);
}
