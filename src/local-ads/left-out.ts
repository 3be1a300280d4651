import type { Entry } from '../cache/entry.ts';
import type { TypeStore } from '../cache/store.ts';

/**
 * Refused contents without a good one, in the whole lists of one client (R102). A client that starts is better off without them. But one that
 * runs may hold an older content, which a list without the name would take away: it is sent the refused one, rejects it and keeps its own.
 */
export class LeftOut {
  readonly #store: TypeStore;
  #names: ReadonlySet<string> = new Set();

  constructor(store: TypeStore) {
    this.#store = store;
  }

  /** The stream begins. @param isFresh the client holds nothing yet */
  begin(isFresh: boolean): void {
    if (isFresh) this.#names = new Set([...this.#unserved()].map(entry => entry.name));
  }

  /** Refused contents that the client's lists hold all the same. */
  *entries(covers: (name: string) => boolean): Generator<Entry> {
    for (const entry of this.#unserved()) if (!this.#names.has(entry.name) && covers(entry.name)) yield entry;
  }

  *#unserved(): Generator<Entry> {
    for (const { entry, isServed } of this.#store.quarantined.values())
      if (!isServed && !this.#store.get(entry.name)) yield entry;
  }
}
