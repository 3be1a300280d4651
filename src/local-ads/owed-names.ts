/** Names to answer whatever the revision says: asked for, asked again, or warming. In Delta they stay until they can be answered. */
export class OwedNames {
  readonly #names = new Set<string>();
  /** Delta: those that are answered as removed when they do not exist, whoever says so (R17). */
  readonly #removals = new Set<string>();
  /** The answer to a wildcard is owed. */
  isWildcardOwed = false;

  /** Whether nothing is owed. */
  get isEmpty(): boolean {
    return this.#names.size === 0 && !this.isWildcardOwed;
  }

  get size(): number {
    return this.#names.size;
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#names.values();
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  isRemovalOwed(name: string): boolean {
    return this.#removals.has(name);
  }

  add(name: string): void {
    this.#names.add(name);
  }

  oweRemoval(name: string): void {
    this.#removals.add(name);
  }

  /** Returns whether it was owed. */
  delete(name: string): boolean {
    this.#removals.delete(name);
    return this.#names.delete(name);
  }

  /** All names are in the message that is being made. */
  clear(): void {
    this.#names.clear();
  }

  /** The wildcard is not wanted any more, and what only it covered is not owed. */
  endWildcard(covers: (name: string) => boolean): void {
    this.isWildcardOwed = false;
    for (const name of this.#names) if (!covers(name)) this.delete(name);
  }
}
