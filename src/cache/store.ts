import type { ResourceFailure, WireResource } from '../xds/discovery.ts';
import { globOf } from '../xds/resource-name.ts';
import type { TypeTraits } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import { Absences } from './absences.ts';
import type { Applied, Placement } from './applied.ts';
import type { Bodies } from './body-pool.ts';
import { ChangeLog } from './change-log.ts';
import { Deadlines } from './deadlines.ts';
import { type AbsentReason, Entry } from './entry.ts';
import { Failures } from './failures.ts';
import type { IdleTier } from './idle-tier.ts';
import { Parking } from './parking.ts';
import type { Quarantined } from './quarantine.ts';
import { ServedSet } from './served-set.ts';
import { Standing } from './standing.ts';
import type { StoredContent } from './stored.ts';

/** A response at least this large, in bytes, may keep its buffer alive as the home of its bodies. */
const slabBytesMin = 64 * 1024;

/**
 * All that is known of one resource type in one view (R62).
 *
 * Every change of one name takes the next revision, and the change log says which name it was, so a client that was level at
 * revision r is brought level by looking at the names changed since, however many resources exist.
 */
export class TypeStore {
  readonly typeUrl: TypeUrl;
  readonly traits: TypeTraits;
  /** KNOWN: the set is complete for a wildcard, maybe empty. Unknown is not empty (R62). */
  isKnown = false;
  /** Wall time in ms of the newest response, changed or not. */
  updatedWallMs: number | undefined;
  /** It comes from outside the process, and upstream has not confirmed it yet: it may lack what clients got before (R93). */
  isProvisional = false;
  /** Nothing is served of it for now: it is too old, or upstream is still awaited. Clients that hold it keep it. */
  isWithheld = false;
  readonly #parking: Parking;
  /** What clients are served; to be changed by the store alone. */
  readonly served: ServedSet;
  /** What is known of names that nothing is held of; to be changed by the store alone. */
  readonly absences = new Absences();
  /** What clients have said of the contents. */
  readonly standing: Standing;
  /** When each TTL ends (R113). */
  readonly deadlines = new Deadlines();
  /** What upstream said of names instead of resources. */
  readonly failures = new Failures();
  readonly #log = new ChangeLog();
  readonly #bodies: Bodies;

  /** @param isOfSeveral what is held may come from one control plane now and from another one later */
  constructor(
    typeUrl: TypeUrl,
    traits: TypeTraits,
    idle: IdleTier,
    bodies: Bodies,
    viewKey: string,
    isOfSeveral = false,
  ) {
    this.typeUrl = typeUrl;
    this.traits = traits;
    this.served = new ServedSet(isOfSeveral);
    this.standing = new Standing({
      entries: this.served.entries,
      drop: entry => this.#drop(entry),
      hold: entry => this.#hold(entry),
      replace: (name, content) => this.#replace(name, content),
    });
    this.#bodies = bodies;
    this.#parking = new Parking(idle, bodies, `${viewKey}\n${typeUrl}\n`);
  }

  get revision(): number {
    return this.#log.revision;
  }

  get size(): number {
    return this.served.entries.size;
  }

  /** Counts quarantines. */
  get epoch(): number {
    return this.standing.epoch;
  }

  get quarantined(): ReadonlyMap<string, Quarantined> {
    return this.standing.quarantined;
  }

  entries(): IterableIterator<Entry> {
    return this.served.entries.values();
  }

  get(name: string): Entry | undefined {
    return this.served.entries.get(name);
  }

  /** The resource of this name that nobody subscribes at the moment, as far as the idle tier still has it. */
  parkedEntry(name: string): Entry | undefined {
    return this.#parking.get(name);
  }

  /** All of those. */
  parked(): Generator<Entry> {
    return this.#parking.entries();
  }

  /** Whether it is clear what there is to serve of a name, be it nothing. */
  isSettled(name: string): boolean {
    if (this.served.find(name) || this.absences.has(name) || this.quarantined.has(name)) return true;
    return this.served.membersOf(name).size > 0;
  }

  /** Upstream's version of a held resource, idle ones included; undefined when there is none (R107). */
  heldVersion(name: string): string | undefined {
    // What was refused is what upstream sent last; listing anything else would have it sent again.
    const refused = this.quarantined.get(name);
    const held = refused?.entry ?? this.served.find(name) ?? this.#parking.get(name);
    // Of a collection the members have versions.
    return held?.version ?? (this.served.membersOf(name).size > 0 ? '' : undefined);
  }

  /**
   * Applies what one accepted response says.
   *
   * @param resources share memory with the response; bodies are copied out unless they make up most of the type
   * @param removed names that are gone
   * @param place tells where a name belongs
   */
  apply(
    resources: readonly WireResource[],
    removed: readonly string[],
    place: (resource: WireResource) => Placement,
    responseBytes: number,
    nowMs: number,
  ): Applied {
    const fromRevision = this.revision;
    const quiet: Entry[] = [];
    let ignoredNames = 0;
    let removedNames = 0;
    // One slice kept alive keeps its whole response alive, so small changes are copied out (perf-facts.md, section 2).
    const isSlab = this.#bodies.keepsSlices && responseBytes >= slabBytesMin && responseBytes * 2 >= this.served.bytes;
    for (const resource of resources) {
      const placement = place(resource);
      if (placement === 'ignore') ignoredNames++;
      else {
        const untold = placement === 'idle' ? this.#putIdle(resource) : this.#upsert(resource, isSlab);
        if (untold) quiet.push(untold);
        this.deadlines.set(resource.name, resource.ttlMs === undefined ? undefined : nowMs + resource.ttlMs);
      }
    }
    for (const name of removed) {
      this.forgetIdle(name);
      this.deadlines.set(name, undefined);
      if (this.#remove(name, nowMs)) removedNames++;
    }
    this.#keepSomething();
    return { fromRevision, toRevision: this.revision, removedNames, ignoredNames, quiet };
  }

  /** A quarantine empties no list, also when what was left beside it goes (R102). */
  #keepSomething(): void {
    if (this.served.entries.size === 0 && this.quarantined.size > 0) this.standing.serveLeftOut();
  }

  /** Takes in what was kept outside the process. @param expiryMs end of its TTL on the monotonic clock */
  restore(resource: WireResource, isAccepted: boolean, good: StoredContent | undefined, expiryMs?: number): Entry {
    const { name } = resource;
    const before = this.served.entries.get(name);
    if (before) this.#drop(before);
    const revision = this.revision + 1;
    const home = (any: Buffer): Buffer => (this.#bodies.keepsSlices ? any : this.#bodies.home(any));
    const entry = new Entry(resource, home(resource.any), revision, revision);
    // Another process, or another view, was sent it: whoever gets it here gets it from the cache.
    entry.toldRevision = revision;
    entry.isAccepted = isAccepted;
    if (good) {
      entry.good = new Entry({ name, ...good }, home(good.any), revision, revision);
      entry.good.isAccepted = true;
    }
    this.#hold(entry);
    this.#stamp(name);
    this.deadlines.set(name, expiryMs);
    return entry;
  }

  /** A heartbeat came for a name that is held: its TTL starts again, its content does not change (R25, R113). */
  heartbeat(name: string, ttlMs: number, nowMs: number): boolean {
    if (this.heldVersion(name) === undefined) return false;
    this.deadlines.set(name, nowMs + ttlMs);
    return true;
  }

  /**
   * Ends what outlived its TTL (R113): as a removal where clients may be told of one on our own conclusion, else without a word (R95).
   *
   * @returns the names
   */
  expire(nowMs: number): string[] {
    const names = this.deadlines.due(nowMs);
    for (const name of names) {
      this.forgetIdle(name);
      if (this.traits.isFullState || this.traits.mayInferRemoval) this.#remove(name, nowMs);
      else this.forget(name);
    }
    this.#keepSomething();
    return names;
  }

  /** Records that a wanted name does not exist. A stronger reason replaces a weaker one; clients hear of a new verdict. */
  setAbsent(name: string, reason: AbsentReason): void {
    if (this.served.find(name) || this.served.membersOf(name).size > 0 || this.quarantined.has(name)) return;
    if (this.absences.set(name, reason, this.revision + 1)) this.#stamp(name);
  }

  /** Records what upstream says of a name instead of a resource; what is held of it stays. */
  fail(failure: ResourceFailure): void {
    if (this.failures.set(failure, this.revision + 1)) this.#stamp(failure.name);
  }

  /** Drops what the idle tier has of a name. */
  forgetIdle(name: string): void {
    this.#parking.delete(name);
  }

  /** Drops what is known of a name besides the served set: what was parked, and that it does not exist. */
  forgetAside(name: string): void {
    this.forgetIdle(name);
    this.absences.forget(name);
    this.failures.delete(name);
  }

  /** Gives back what the idle tier holds of this type. */
  dispose(): void {
    this.#parking.clear();
  }

  /** Drops what is known of a name that nobody wants any more. No client hears of it: none is subscribed. */
  forget(name: string): void {
    this.forgetAside(name);
    this.standing.release(name);
    this.deadlines.set(name, undefined);
    const entry = this.served.entries.get(name);
    if (entry) this.#drop(entry);
  }

  /** Drops everything but the names that `keep` accepts: the wildcard is not wanted any more. */
  forgetWildcard(keep: (name: string) => boolean): void {
    this.isKnown = false;
    for (const { name } of [...this.served.entries.values()]) if (!keep(name)) this.forget(name);
    for (const name of [...this.quarantined.keys()]) if (!keep(name)) this.standing.release(name);
  }

  /** Moves a resource that nobody subscribes into the idle tier. */
  park(name: string): void {
    const entry = this.served.entries.get(name);
    if (!entry) return;
    this.#drop(entry);
    this.#parking.put(entry);
  }

  /**
   * Takes a resource back from the idle tier.
   *
   * @returns false when nothing is known of the name any more: upstream has to be asked again
   */
  unpark(name: string): boolean {
    if (this.served.entries.has(name) || this.served.membersOf(name).size > 0) return true;
    const entry = this.#parking.get(name);
    if (!entry) return this.absences.has(name);
    this.forgetIdle(name);
    this.#upsert(entry, true);
    // It was parked with what clients have said of it.
    const back = this.served.entries.get(name);
    if (back && entry.isAccepted) this.standing.accepted(back);
    else if (back) back.good ??= entry.good;
    return true;
  }

  /**
   * Names whose state changed after `revision`, each once, in no particular order.
   *
   * @param revision at which the asker was level; -1 means never
   */
  changesSince(revision: number): readonly string[] {
    if (revision >= this.revision) return [];
    const logged = this.#log.since(revision);
    if (logged) return logged;
    const names = new Set<string>();
    for (const name of this.served.changedSince(revision)) names.add(name);
    for (const name of this.absences.since(revision)) names.add(name);
    for (const name of this.failures.since(revision)) names.add(name);
    return [...names];
  }

  /** Content version of the whole type, the same for the same content in every process (R90). */
  versionInfo(withRemoved: Iterable<Entry> = []): string {
    return this.served.versionInfo(withRemoved);
  }

  /** Forgets the history that every client has passed. `revision` is the lowest any client is level at, Infinity without clients. */
  trim(revision: number): void {
    this.absences.trim(revision);
    this.#log.trim(revision, this.served.entries.size);
  }

  /** Returns the entry if something of it changed that clients do not hear of. */
  #upsert(resource: WireResource, keepSlice: boolean): Entry | undefined {
    const refused = this.quarantined.get(resource.name);
    if (refused?.entry.any.equals(resource.any)) {
      const isPushedAgain = resource.version !== '' && resource.version !== refused.entry.version;
      if (!isPushedAgain) return undefined;
      this.standing.release(resource.name);
      // Served all the same, so nothing changes but the version below.
    } else if (refused) this.standing.release(resource.name);
    const held = this.served.entries.get(resource.name);
    // A client that was sent what is refused now may hold it, so going back to what was good is a change.
    const isBack = refused !== undefined && !refused.isServed;
    if (held?.any.equals(resource.any) && !isBack) {
      const isTold = resource.version === '' || resource.version === held.version;
      // Equal content is no news (R108), but a whole list swaps to its own buffer, so that the old one can go.
      if (keepSlice) held.any = resource.any;
      // An upstream that gives no versions must not take away one that it gave before.
      if (resource.version !== '') held.version = resource.version;
      this.#describe(held, resource.extra);
      return isTold && !refused ? undefined : held;
    }
    const any = keepSlice ? resource.any : this.#bodies.home(resource.any);
    this.#replace(resource.name, { ...resource, any });
    const entry = this.served.entries.get(resource.name);
    if (entry && held?.isAccepted && held.any.equals(any)) this.standing.accepted(entry);
    return undefined;
  }

  /** Gives a name another content under a new revision. */
  #replace(name: string, content: WireResource): void {
    const revision = this.revision + 1;
    const held = this.served.entries.get(name);
    const tombstone = this.absences.tombstone(name);
    const firstSeen = held?.firstSeenRevision ?? tombstone?.entry.firstSeenRevision ?? revision;
    const entry = new Entry(content, content.any, revision, firstSeen, content.changedWallMs ?? this.updatedWallMs);
    entry.good = held?.isAccepted ? held : held?.good;
    this.#hold(entry);
    this.#stamp(name);
    if (entry.aliases.length > 0) for (const alias of entry.aliases) this.#stamp(alias);
  }

  /** The wrapper of an equal content may have other aliases, which somebody may be waiting for (R18). */
  #describe(held: Entry, extra: Buffer | undefined): void {
    if (held.extra === undefined && extra === undefined) return;
    for (const alias of this.served.describe(held, extra)) {
      this.#appeared(alias);
      this.#stamp(alias);
    }
  }

  #appeared(name: string): void {
    this.absences.ended(name);
    this.failures.delete(name);
  }

  /** Puts an entry into the served set. */
  #hold(entry: Entry): void {
    this.served.put(entry);
    this.#appeared(entry.name);
    if (entry.aliases.length > 0) for (const alias of entry.aliases) this.#appeared(alias);
    const glob = globOf(entry.name);
    if (glob !== undefined) this.#appeared(glob);
    this.standing.held(entry);
  }

  #remove(name: string, nowMs: number): boolean {
    // Of a name that was left out clients may hold an older content, or one that they rejected in part.
    const entry = this.served.entries.get(name) ?? this.quarantined.get(name)?.entry;
    this.standing.release(name);
    if (!entry) return false;
    this.deadlines.set(name, undefined);
    if (this.served.entries.has(name)) this.#drop(entry);
    const tombstone = { revision: this.revision + 1, removedAtMs: nowMs, entry };
    this.absences.bury(name, tombstone);
    this.#stamp(name);
    return true;
  }

  #drop(entry: Entry): void {
    this.served.drop(entry);
    this.standing.gone(entry);
  }

  #putIdle(resource: WireResource): Entry {
    this.absences.forget(resource.name);
    return this.#parking.take(resource, this.revision, this.updatedWallMs);
  }

  #stamp(name: string): void {
    this.#log.stamp(name, this.served.entries.size);
  }
}
