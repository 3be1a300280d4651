import type { TypeStore } from '../cache/store.ts';
import { clusterType } from '../xds/type-urls.ts';
import type { SentMessage } from './nonce-book.ts';

/**
 * The changes that one client rejected along with their message. In differences they are sent again with the next change of any of them and
 * not before: the same content is never repeated on a stream (R97). In whole lists they count as changed until a list with them is accepted.
 */
export class RefusedChanges {
  readonly #store: TypeStore;
  readonly #isList: boolean;
  /** With the client's words as they may be shown. */
  readonly #names = new Map<string, string>();
  readonly #lateWarms: string[] = [];

  constructor(store: TypeStore, isList: boolean) {
    this.#store = store;
    this.#isList = isList;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** How many there are. */
  get size(): number {
    return this.#names.size;
  }

  names(): Iterable<string> {
    return this.#names.keys();
  }

  /** What the client said when it rejected the name, maybe with others; undefined when it has not. */
  words(name: string): string | undefined {
    return this.#names.get(name);
  }

  /**
   * The client rejected a message.
   *
   * @param words that it gave, as they may be shown
   * @returns whether what was wrong has changed while the answer was on its way: no later change may come to take the others along
   */
  refused({ names, removed, toRevision }: SentMessage, words: string): boolean {
    for (const name of [...names, ...removed]) this.#names.set(name, words);
    if (this.#isList) return false;
    return (
      names.some(name => (this.#store.get(name)?.revision ?? Infinity) > toRevision) ||
      removed.some(name => (this.#store.get(name)?.revision ?? 0) > toRevision)
    );
  }

  /** The client accepted a message. */
  accepted({ names, removed }: SentMessage): void {
    if (this.#names.size === 0) return;
    for (const name of [...names, ...removed]) this.#names.delete(name);
    if (!this.#isList) return;
    // The list left before an older one was refused: what it holds of those changes is accepted now, and has to be warmed after it.
    for (const name of this.#names.keys()) {
      const endpoints = this.#store.typeUrl === clusterType ? this.#store.get(name)?.endpointName : undefined;
      if (endpoints !== undefined) this.#lateWarms.push(endpoints);
    }
    this.#names.clear();
  }

  /** Takes all names, to send them again. */
  take(): string[] {
    const names = [...this.#names.keys()];
    this.#names.clear();
    return names;
  }

  /** Takes the endpoints that have to be sent again because an older list was refused after the accepted one had left. */
  takeLateWarms(): string[] {
    return this.#lateWarms.splice(0);
  }
}
