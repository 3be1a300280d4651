import { canonicalName } from '../xds/resource-name.ts';

/** How a client spells the names that have several spellings: it is answered in its own (R32). */
export class NameForms {
  readonly #asked = new Map<string, string>();

  /** The canonical forms of names that are subscribed. */
  learn(names: readonly string[]): readonly string[] {
    return toCanonical(names, (name, asked) => {
      if (asked === name) this.#asked.delete(name);
      else this.#asked.set(name, asked);
    });
  }

  /** The client's spelling of a canonical name. */
  of(name: string): string {
    return this.#asked.get(name) ?? name;
  }

  get areAllCanonical(): boolean {
    return this.#asked.size === 0;
  }

  forget(name: string): void {
    this.#asked.delete(name);
  }
}

/** The canonical forms of names; the same array if they are in that form. */
export function toCanonical(names: readonly string[], seen?: (name: string, asked: string) => void): readonly string[] {
  // Nearly nobody uses names of this kind, and lists of 10,000 names come with every ACK.
  if (!names.some(name => name.startsWith('xdstp:'))) return names;
  return names.map(asked => {
    const name = canonicalName(asked);
    seen?.(name, asked);
    return name;
  });
}
