import type { Entry } from '../cache/entry.ts';
import type { TypeStore } from '../cache/store.ts';
import { SetDigest } from '../xds/digest.ts';
import { TypeScope } from '../xds/type-scope.ts';

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
    if (this.scope === TypeScope.silent) return false;
    return this.#store.isKnown || this.scope.isClosed;
  }

  /** Whether nothing is to be told for now. */
  get isWithheld(): boolean {
    return this.#store.isWithheld && !this.scope.isClosed;
  }

  get isEmpty(): boolean {
    if (this.scope.isOpen) return this.#store.size === 0;
    return this.entries().next().done === true;
  }

  *entries(): Generator<Entry> {
    const { scope } = this;
    let isAny = false;
    for (const entry of this.#store.entries()) {
      if (!scope.sees(entry.name)) continue;
      isAny = true;
      yield entry;
    }
    if (isAny || scope.isOpen) return;
    // A quarantine empties no list (R102), and what others see is no reason to empty this one.
    for (const { entry, isServed } of this.#store.quarantined.values())
      if (!isServed && scope.sees(entry.name)) yield entry;
  }

  /** What there is to send to somebody who asked for this name. */
  *behind(name: string): Generator<Entry> {
    for (const entry of this.#store.served.behind(name)) if (this.scope.sees(entry.name)) yield entry;
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
