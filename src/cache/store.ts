import { SetDigest } from '../xds/digest.ts';
import type { WireResource } from '../xds/discovery.ts';
import type { TypeTraits } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import { type AbsentReason, Entry, type Tombstone } from './entry.ts';
import type { IdleTier } from './idle-tier.ts';

/** Where an upstream resource belongs: to the served set, to the idle tier, or nowhere because nobody asked (R82). */
export type Placement = 'serve' | 'idle' | 'ignore';

/** What applying one response did. Equal revisions mean that no client has to hear of it (R108). */
export interface Applied {
  readonly fromRevision: number;
  readonly toRevision: number;
  readonly removedNames: number;
  readonly ignoredNames: number;
}

/** A response at least this large, in bytes, may keep its buffer alive as the home of its bodies. */
const slabBytesMin = 64 * 1024;
const changeLogMin = 4096;

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
  /** Encoded bodies held here, in bytes. */
  bytes = 0;
  /** Moves with every change of the held set, also with those that no client hears of and that therefore take no revision. */
  generation = 0;
  readonly #idle: IdleTier;
  readonly #idlePrefix: string;
  /** Names that the idle tier may hold. */
  readonly #parked = new Set<string>();
  readonly #entries = new Map<string, Entry>();
  readonly #tombstones = new Map<string, Tombstone>();
  readonly #absent = new Map<string, { reason: AbsentReason; revision: number }>();
  /** Name changed by revision `#logBase + index + 1`. */
  #log: string[] = [];
  #logBase = 0;
  /** Made when first asked for, then kept up to date. */
  #setDigest: SetDigest | undefined;

  constructor(typeUrl: TypeUrl, traits: TypeTraits, idle: IdleTier, viewKey: string) {
    this.typeUrl = typeUrl;
    this.traits = traits;
    this.#idle = idle;
    this.#idlePrefix = `${viewKey}\n${typeUrl}\n`;
  }

  get revision(): number {
    return this.#logBase + this.#log.length;
  }

  get size(): number {
    return this.#entries.size;
  }

  get absentCount(): number {
    return this.#absent.size;
  }

  get tombstoneCount(): number {
    return this.#tombstones.size;
  }

  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  tombstone(name: string): Tombstone | undefined {
    return this.#tombstones.get(name);
  }

  absentReason(name: string): AbsentReason | undefined {
    return this.#absent.get(name)?.reason;
  }

  /** Upstream's version of a held resource, idle ones included; undefined when there is none (R107). */
  heldVersion(name: string): string | undefined {
    return (this.#entries.get(name) ?? this.#idle.get(this.#idlePrefix + name))?.version;
  }

  /**
   * Applies what one accepted response says.
   *
   * @param resources share memory with the response; bodies are copied out unless they make up most of the type
   * @param removed names that are gone
   * @param isWhole the resources are the complete set: every other name is gone too (R78)
   * @param place tells where a name belongs
   */
  apply(
    resources: readonly WireResource[],
    removed: readonly string[],
    isWhole: boolean,
    place: (name: string) => Placement,
    responseBytes: number,
    nowMs: number,
  ): Applied {
    const fromRevision = this.revision;
    let ignoredNames = 0;
    let removedNames = 0;
    // One slice kept alive keeps its whole response alive, so small changes are copied out (perf-facts.md, section 2).
    const isSlab = responseBytes >= slabBytesMin && responseBytes * 2 >= this.bytes;
    for (const resource of resources) {
      const placement = place(resource.name);
      if (placement === 'ignore') ignoredNames++;
      else if (placement === 'idle') this.#putIdle(resource);
      else this.#upsert(resource, isSlab);
    }
    for (const name of removed) {
      this.forgetIdle(name);
      if (this.#remove(name, nowMs)) removedNames++;
    }
    if (isWhole && this.#entries.size > 0) {
      const present = new Set<string>();
      for (const resource of resources) present.add(resource.name);
      for (const name of [...this.#entries.keys()]) {
        if (!present.has(name) && this.#remove(name, nowMs)) removedNames++;
      }
    }
    return { fromRevision, toRevision: this.revision, removedNames, ignoredNames };
  }

  /** Records that a wanted name does not exist. A stronger reason replaces a weaker one; clients hear of a new verdict. */
  setAbsent(name: string, reason: AbsentReason): void {
    if (this.#entries.has(name)) return;
    const held = this.#absent.get(name)?.reason;
    if (held === reason || held === 'upstream') return;
    this.#absent.set(name, { reason, revision: this.revision + 1 });
    this.#stamp(name);
  }

  /** Drops what the idle tier has of a name. */
  forgetIdle(name: string): void {
    if (this.#parked.delete(name)) this.#idle.delete(this.#idlePrefix + name);
  }

  /** Drops what is known of a name besides the served set: what was parked, and that it does not exist. */
  forgetAside(name: string): void {
    this.forgetIdle(name);
    this.#absent.delete(name);
  }

  /** Gives back what the idle tier holds of this type. */
  dispose(): void {
    for (const name of this.#parked) this.#idle.delete(this.#idlePrefix + name);
    this.#parked.clear();
  }

  /** Drops what is known of a name that nobody wants any more. No client hears of it: none is subscribed. */
  forget(name: string): void {
    this.forgetAside(name);
    const entry = this.#entries.get(name);
    if (entry) this.#drop(entry);
  }

  /** Drops everything but the names that `keep` accepts: the wildcard is not wanted any more. */
  forgetWildcard(keep: (name: string) => boolean): void {
    this.isKnown = false;
    for (const entry of [...this.#entries.values()]) if (!keep(entry.name)) this.#drop(entry);
  }

  /** Moves a resource that nobody subscribes into the idle tier. */
  park(name: string): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    this.#drop(entry);
    this.#putAside(entry);
  }

  /**
   * Takes a resource back from the idle tier.
   *
   * @returns false when nothing is known of the name any more: upstream has to be asked again
   */
  unpark(name: string): boolean {
    if (this.#entries.has(name)) return true;
    const entry = this.#idle.get(this.#idlePrefix + name);
    if (!entry) return this.#absent.has(name);
    this.forgetIdle(name);
    this.#upsert(entry, true);
    return true;
  }

  /**
   * Names whose state changed after `revision`, each once, in no particular order.
   *
   * @param revision at which the asker was level; -1 means never
   */
  changesSince(revision: number): readonly string[] {
    if (revision >= this.revision) return [];
    if (revision >= this.#logBase) {
      const start = revision - this.#logBase;
      if (this.#log.length - start === 1) return this.#log.slice(start);
      return [...new Set(this.#log.slice(start))];
    }
    const names = new Set<string>();
    for (const entry of this.#entries.values()) if (entry.revision > revision) names.add(entry.name);
    for (const [name, tombstone] of this.#tombstones) if (tombstone.revision > revision) names.add(name);
    for (const [name, absent] of this.#absent) if (absent.revision > revision) names.add(name);
    return [...names];
  }

  /** Content version of the whole type, the same for the same content in every process (R90). */
  versionInfo(withRemoved: Iterable<Entry> = []): string {
    if (!this.#setDigest) {
      this.#setDigest = new SetDigest();
      for (const entry of this.#entries.values()) this.#setDigest.add(entry.name, entry.digest);
    }
    let digest = this.#setDigest;
    for (const entry of withRemoved) {
      if (digest === this.#setDigest) digest = digest.clone();
      digest.add(entry.name, entry.digest);
    }
    return digest.toString();
  }

  /** Forgets the history that every client has passed. `revision` is the lowest any client is level at, Infinity without clients. */
  trim(revision: number): void {
    if (this.#tombstones.size > 0) {
      for (const [name, tombstone] of this.#tombstones) {
        if (tombstone.revision <= revision) this.#tombstones.delete(name);
      }
    }
    const level = Math.min(revision, this.revision) - this.#logBase;
    const isTooLong = this.#log.length > changeLogMin + 4 * this.#entries.size;
    const drop = isTooLong ? Math.max(level, this.#log.length >> 1) : level;
    // Cutting a long array at every change would cost its length each time.
    if (drop <= 0 || (drop < this.#log.length && drop * 2 < this.#log.length)) return;
    this.#log = this.#log.slice(drop);
    this.#logBase += drop;
  }

  #upsert(resource: WireResource, keepSlice: boolean): void {
    const held = this.#entries.get(resource.name);
    if (held?.any.equals(resource.any)) {
      // Equal content is no news (R108), but a whole list swaps to its own buffer, so that the old one can go.
      if (keepSlice) held.any = resource.any;
      // An upstream that gives no versions must not take away one that it gave before.
      if (resource.version !== '') held.version = resource.version;
      held.extra = resource.extra;
      return;
    }
    const revision = this.revision + 1;
    const any = keepSlice ? resource.any : Buffer.from(resource.any);
    const tombstone = this.#tombstones.get(resource.name);
    const firstSeen = held?.firstSeenRevision ?? tombstone?.entry.firstSeenRevision ?? revision;
    const entry = new Entry(resource, any, revision, firstSeen);
    if (held) {
      this.bytes -= held.any.length;
      this.#setDigest?.remove(held.name, held.digest);
    }
    this.#tombstones.delete(resource.name);
    this.#absent.delete(resource.name);
    this.#entries.set(resource.name, entry);
    this.generation++;
    this.bytes += any.length;
    this.#setDigest?.add(entry.name, entry.digest);
    this.#stamp(resource.name);
  }

  #remove(name: string, nowMs: number): boolean {
    const entry = this.#entries.get(name);
    if (!entry) return false;
    this.#drop(entry);
    this.#tombstones.set(name, { revision: this.revision + 1, removedAtMs: nowMs, entry });
    this.#stamp(name);
    return true;
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.name);
    this.generation++;
    this.bytes -= entry.any.length;
    this.#setDigest?.remove(entry.name, entry.digest);
  }

  #putIdle(resource: WireResource): void {
    this.#absent.delete(resource.name);
    this.#putAside(new Entry(resource, Buffer.from(resource.any), this.revision, this.revision));
  }

  #putAside(entry: Entry): void {
    if (this.#idle.put(this.#idlePrefix + entry.name, entry)) this.#parked.add(entry.name);
    else this.#parked.delete(entry.name);
  }

  #stamp(name: string): void {
    this.#log.push(name);
    // Names that come and go without a response change the log, too, and nobody trims it then.
    if (this.#log.length > 2 * (changeLogMin + 4 * this.#entries.size)) this.trim(0);
  }
}
