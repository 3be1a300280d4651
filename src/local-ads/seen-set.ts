import type { Entry } from '../cache/entry.ts';
import type { TypeStore } from '../cache/store.ts';
import { SetDigest } from '../xds/digest.ts';
import type { TypeScope } from '../xds/type-scope.ts';

/** What one client sees of a type: what the store serves, as far as the client's scope lets it. */
export class SeenSet {
  readonly scope: TypeScope;
  readonly #store: TypeStore;

  constructor(store: TypeStore, scope: TypeScope) {
    this.#store = store;
    this.scope = scope;
  }

  /** Whether it is certain that nothing is missing. Of a type of which nothing may be seen there is nothing to wait for. */
  get isKnown(): boolean {
    return this.#store.isKnown || this.scope.isClosed;
  }

  get isEmpty(): boolean {
    if (this.scope.isOpen) return this.#store.size === 0;
    return this.entries().next().done === true;
  }

  *entries(): Generator<Entry> {
    const { scope } = this;
    for (const entry of this.#store.entries()) if (scope.sees(entry.name)) yield entry;
  }

  /** The resource of this name, or with this alias. An alias opens nothing: the name decides. */
  find(name: string): Entry | undefined {
    const entry = this.#store.served.find(name);
    return entry && this.scope.sees(entry.name) ? entry : undefined;
  }

  /** Content version of all that is seen, so that clients with other scopes are never taken for level (R90). */
  versionInfo(withRemoved: readonly Entry[] = []): string {
    if (this.scope.isOpen) return this.#store.versionInfo(withRemoved);
    const sum = new SetDigest();
    for (const { name, digest } of this.entries()) sum.add(name, digest);
    for (const { name, digest } of withRemoved) sum.add(name, digest);
    return sum.toString();
  }
}
