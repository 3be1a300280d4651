import type { Entry } from './entry.ts';
import { ListVersion } from './list-version.ts';
import { OtherNames } from './other-names.ts';

/** The entries of one type that clients are served, by all their names, with the sums over them. */
export class ServedSet {
  readonly entries = new Map<string, Entry>();
  /** Encoded bodies, in bytes. */
  bytes = 0;
  /** Moves with every change of the set. */
  generation = 0;
  /** Clients have come with contents of their own: what is missing here would be taken from them. */
  isContested = false;
  readonly #otherNames = new OtherNames();
  readonly #version = new ListVersion();
  readonly #isOfSeveral: boolean;

  /** @param isOfSeveral the set may come from one control plane now and from another one later */
  constructor(isOfSeveral: boolean) {
    this.#isOfSeveral = isOfSeveral;
  }

  /** The resource of this name, or with this alias (R18). */
  find(name: string): Entry | undefined {
    const found = this.entries.get(name);
    if (found) return found;
    const behind = this.#otherNames.behind(name);
    return behind === undefined ? undefined : this.entries.get(behind);
  }

  /** What there is to send to somebody who asked for this name: the resource of it, or the members of the collection (R33). */
  *behind(name: string): Generator<Entry> {
    const found = this.find(name);
    if (found) yield found;
    for (const member of this.membersOf(name)) {
      const entry = this.entries.get(member);
      if (entry) yield entry;
    }
  }

  /** Names of the members of a collection (R33). */
  membersOf(glob: string): ReadonlySet<string> {
    return this.#otherNames.membersOf(glob);
  }

  /**
   * The version of a resource for Delta clients: upstream's, or the content's where upstream gives none (R90), and where there are several
   * control planes: what a client brings along may be another one's, and equal versions of two mean different contents (R109).
   */
  clientVersion(entry: Entry): string {
    return this.#isOfSeveral ? entry.digest : entry.version || entry.digest;
  }

  /** Content version, the same for the same content in every process (R90). */
  versionInfo(withRemoved: Iterable<Entry>): string {
    return this.#version.of(this.entries.values(), withRemoved);
  }

  /** Names, other names included, of what changed after a revision. */
  *changedSince(revision: number): Generator<string> {
    for (const entry of this.entries.values()) {
      if (entry.revision <= revision) continue;
      yield entry.name;
      yield* entry.aliases;
    }
  }

  /** Puts an entry in, in the place of another one of its name. */
  put(entry: Entry): void {
    const before = this.entries.get(entry.name);
    if (before) this.#without(before);
    this.entries.set(entry.name, entry);
    this.generation++;
    this.bytes += entry.any.length;
    this.#version.added(entry);
    this.#otherNames.added(entry);
  }

  drop(entry: Entry): void {
    this.entries.delete(entry.name);
    this.generation++;
    this.#without(entry);
  }

  /** Takes other wrapper fields for the same body. Returns the aliases that are new. */
  describe(entry: Entry, extra: Buffer | undefined): string[] {
    const before = entry.aliases;
    this.#otherNames.removed(entry);
    entry.describe(extra);
    this.#otherNames.added(entry);
    return entry.aliases.filter(alias => !before.includes(alias));
  }

  #without(entry: Entry): void {
    this.bytes -= entry.any.length;
    this.#version.removed(entry);
    this.#otherNames.removed(entry);
  }
}
