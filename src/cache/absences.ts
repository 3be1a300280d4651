import type { AbsentReason, Tombstone } from './entry.ts';

/** What is known of names without a resource: which were removed and not everybody has heard of it, and which do not exist. */
export class Absences {
  readonly #tombstones = new Map<string, Tombstone>();
  readonly #absent = new Map<string, { readonly reason: AbsentReason; readonly revision: number }>();

  /** How many names are known not to exist. */
  get count(): number {
    return this.#absent.size;
  }

  /** How many removals are remembered. */
  get buried(): number {
    return this.#tombstones.size;
  }

  has(name: string): boolean {
    return this.#absent.has(name);
  }

  reason(name: string): AbsentReason | undefined {
    return this.#absent.get(name)?.reason;
  }

  tombstone(name: string): Tombstone | undefined {
    return this.#tombstones.get(name);
  }

  /** Returns whether that is news. A stronger reason replaces a weaker one. */
  set(name: string, reason: AbsentReason, revision: number): boolean {
    const held = this.#absent.get(name)?.reason;
    if (held === reason || held === 'upstream') return false;
    this.#absent.set(name, { reason, revision });
    return true;
  }

  bury(name: string, tombstone: Tombstone): void {
    this.#tombstones.set(name, tombstone);
  }

  /** There is a resource of the name now. */
  ended(name: string): void {
    this.#tombstones.delete(name);
    this.#absent.delete(name);
  }

  /** It is not known any more whether the name exists. */
  forget(name: string): void {
    this.#absent.delete(name);
  }

  /** Names that are gone or absent since a revision. */
  *since(revision: number): Generator<string> {
    for (const [name, tombstone] of this.#tombstones) if (tombstone.revision > revision) yield name;
    for (const [name, absent] of this.#absent) if (absent.revision > revision) yield name;
  }

  /** Drops the removals up to a revision. */
  trim(revision: number): void {
    if (this.#tombstones.size === 0) return;
    for (const [name, tombstone] of this.#tombstones) if (tombstone.revision <= revision) this.#tombstones.delete(name);
  }
}
