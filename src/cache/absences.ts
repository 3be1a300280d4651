import type { AbsentReason, Tombstone } from './entry.ts';

/** What is known of names without a resource: which were removed and not everybody has heard of it, and which do not exist. */
export class Absences {
  readonly #tombstones = new Map<string, Tombstone>();
  readonly #absent = new Map<string, { readonly reason: AbsentReason; readonly revision: number }>();
  /** How many of them there are for each reason: to count them anew would take longer the more there are. */
  readonly #counts: Record<AbsentReason, number> = { upstream: 0, error: 0, inferred: 0, timeout: 0 };
  /** Names that are asked for and of which nothing is known yet. */
  readonly #awaited = new Set<string>();

  /** How many names are known not to exist. */
  get count(): number {
    return this.#absent.size;
  }

  /** The first of them. */
  first(count: number): string[] {
    const names: string[] = [];
    for (const name of this.#absent.keys()) {
      if (names.length >= count) break;
      names.push(name);
    }
    return names;
  }

  /** How many of them are known so for this reason. */
  countOf(reason: AbsentReason): number {
    return this.#counts[reason];
  }

  /** How many names are asked for and nothing is known of them yet, be it that they do not exist. */
  get awaited(): number {
    return this.#awaited.size;
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
    if (held) this.#counts[held]--;
    this.#counts[reason]++;
    this.#absent.set(name, { reason, revision });
    this.#awaited.delete(name);
    return true;
  }

  /** A name is asked for of which nothing is known, until something is, or nobody asks for it any more. */
  awaits(name: string): void {
    this.#awaited.add(name);
  }

  bury(name: string, tombstone: Tombstone): void {
    this.#tombstones.set(name, tombstone);
  }

  /** There is a resource of the name now. */
  ended(name: string): void {
    this.#tombstones.delete(name);
    this.forget(name);
  }

  /** It is of no interest any more whether the name exists. */
  forget(name: string): void {
    if (this.#awaited.size > 0) this.#awaited.delete(name);
    const held = this.#absent.get(name)?.reason;
    if (held === undefined) return;
    this.#counts[held]--;
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
