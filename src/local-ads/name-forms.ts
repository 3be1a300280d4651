import type { Entry } from '../cache/entry.ts';
import { canonicalName, globOf, hasSpellings, isGlob } from '../xds/resource-name.ts';

/** How names that could be spelled otherwise are spelled to one client: as it asked for them, else as the control plane does (R32). */
export class NameForms {
  /** The client's spellings of names that it subscribes. */
  readonly #asked = new Map<string, string>();
  /** Spellings of what it holds, where they are not the canonical ones. It compares them byte for byte when one goes. */
  readonly #held = new Map<string, string>();

  get isEmpty(): boolean {
    return this.#asked.size + this.#held.size === 0;
  }

  /** The canonical forms of names that are subscribed. */
  asked(names: readonly string[]): readonly string[] {
    return toCanonical(names, (name, spelling) => this.#asked.set(name, spelling));
  }

  /** The canonical forms of names that the client says it holds. */
  held(names: readonly string[]): readonly string[] {
    return toCanonical(names, (name, spelling) => this.#held.set(name, spelling));
  }

  /** These are sent now. */
  sent(entries: Iterable<Entry>): void {
    for (const entry of entries) {
      if (!hasSpellings(entry.name)) continue;
      const { name, spelling } = entry;
      if (spelling !== name) this.#held.set(name, spelling);
      else this.#held.delete(name);
    }
  }

  /** The spelling of a canonical name. */
  of(name: string): string {
    return this.#asked.get(name) ?? this.#held.get(name) ?? name;
  }

  /** The client is told that these are gone. */
  removed(names: readonly string[]): void {
    if (this.#held.size > 0) for (const name of names) this.#held.delete(name);
  }

  /** A name is not subscribed any more, nor are its members if it is a collection's. */
  forget(name: string): void {
    this.#asked.delete(name);
    if (this.#held.size === 0) return;
    this.#held.delete(name);
    if (isGlob(name)) for (const member of this.#held.keys()) if (globOf(member) === name) this.#held.delete(member);
  }
}

/** The canonical forms of names; the same array if they have no others. @param seen told of those that have */
export function toCanonical(
  names: readonly string[],
  seen?: (name: string, spelling: string) => void,
): readonly string[] {
  // Nearly nobody uses names of this kind, and lists of 10,000 names come with every ACK.
  if (!names.some(hasSpellings)) return names;
  return names.map(spelling => {
    const name = canonicalName(spelling);
    if (hasSpellings(spelling)) seen?.(name, spelling);
    return name;
  });
}
