import type { InterestChange } from '../cache/watch-map.ts';
import { globOf } from '../xds/resource-name.ts';
import type { TypeScope } from '../xds/type-scope.ts';
import type { TypeTraits } from '../xds/type-urls.ts';
import { wildcardName } from '../xds/types.ts';

/** What one request changed in a client's subscription to one type. */
export interface SubscriptionChange extends InterestChange {
  /** Delta: names subscribed again, which have to be answered although they were held (R16). */
  readonly resubscribed: readonly string[];
  /** Delta: explicit names dropped while the wildcard goes on, which have to be answered too (R17). */
  readonly droppedUnderWildcard: readonly string[];
  /** Names that were asked for in vain: the client's scope does not let it see them. They are no part of the subscription. */
  readonly denied: readonly string[];
}

/**
 * What one client stream wants of one type, with every wildcard rule of the protocol (R10–R14, R47, R96). Its life is the stream's:
 * nothing is remembered from an earlier one.
 */
export class ClientSubscription {
  readonly #traits: TypeTraits;
  readonly #isWildcardSticky: boolean;
  readonly #scope: TypeScope;
  /** In the order of the client's list, so that a list that is repeated is known without another set. */
  #names = new Set<string>();
  /** Names of the newest list that are denied: SotW repeats them with every ACK. */
  #denied: ReadonlySet<string> = new Set();
  #isWildcard = false;
  /** A request of this type has named something on this stream: the legacy wildcard is dead (R12). */
  #wasNamed = false;
  #isFirst = true;

  /**
   * @param isWildcardSticky keep a legacy SotW wildcard when names follow, as Envoy's on-demand discovery needs it (R96)
   * @param scope what the client may see: a wildcard covers no more, and other names are denied
   */
  constructor(traits: TypeTraits, isWildcardSticky: boolean, scope: TypeScope) {
    this.#traits = traits;
    this.#isWildcardSticky = isWildcardSticky;
    this.#scope = scope;
  }

  get isWildcard(): boolean {
    return this.#isWildcard;
  }

  /** Explicit names; not to be changed by the caller. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Whether a resource of this name is to be sent: asked for by it, or as the member of a collection (R33). */
  covers(name: string): boolean {
    if (!this.#scope.sees(name)) return false;
    if (this.#isWildcard || this.#names.has(name)) return true;
    const glob = globOf(name);
    return glob !== undefined && this.#names.has(glob);
  }

  /** Names that are remembered for the client, the denied ones of its list included. */
  get size(): number {
    return this.#names.size + this.#denied.size;
  }

  /** How many names there would be if these were subscribed, too. */
  sizeWith(subscribe: readonly string[]): number {
    const added = new Set<string>();
    for (const name of subscribe) if (name !== wildcardName && !this.#names.has(name)) added.add(name);
    return this.#names.size + added.size;
  }

  /** Takes in a SotW request: its list is the complete set (R10). */
  replace(listedNames: readonly string[]): SubscriptionChange {
    const resourceNames = this.#scope.isOpen ? listedNames : listedNames.filter(name => this.#isOpenTo(name));
    const wasWildcard = this.#isWildcard;
    // A list of denied names only is a list of names all the same.
    if (listedNames.length > 0) {
      this.#isWildcard =
        resourceNames.includes(wildcardName) || (this.#isWildcardSticky && wasWildcard && !this.#wasNamed);
      if (!this.#isWildcard || resourceNames.includes(wildcardName)) this.#wasNamed = true;
    } else {
      // Only a stream that never named anything can mean "everything" by an empty list (R12, R14, R47).
      this.#isWildcard = !this.#wasNamed && this.#traits.hasLegacyWildcard;
    }
    this.#isFirst = false;
    const wildcard = difference(wasWildcard, this.#isWildcard);
    const denied = this.#newlyDenied(listedNames, resourceNames.length);
    // Every ACK repeats the list, of 10,000 names if need be (docs/PERFORMANCE.md).
    if (this.#isRepeated(resourceNames)) {
      return { added: [], removed: [], wildcard, resubscribed: [], droppedUnderWildcard: [], denied };
    }
    const before = this.#names;
    this.#names = new Set(resourceNames);
    this.#names.delete(wildcardName);
    const added: string[] = [];
    const removed: string[] = [];
    for (const name of before) if (!this.#names.has(name)) removed.push(name);
    for (const name of this.#names) if (!before.has(name)) added.push(name);
    return { added, removed, wildcard, resubscribed: [], droppedUnderWildcard: [], denied };
  }

  #isOpenTo(name: string): boolean {
    return name === wildcardName || this.#scope.sees(name);
  }

  /** The denied names of a list that the list before it had not. */
  #newlyDenied(listedNames: readonly string[], openCount: number): string[] {
    if (openCount === listedNames.length) {
      if (this.#denied.size > 0) this.#denied = new Set();
      return [];
    }
    const denied = new Set(listedNames.filter(name => !this.#isOpenTo(name)));
    const added = [...denied].filter(name => !this.#denied.has(name));
    this.#denied = denied;
    return added;
  }

  #isRepeated(resourceNames: readonly string[]): boolean {
    if (resourceNames.length !== this.#names.size) return false;
    let at = 0;
    for (const name of this.#names) if (name !== resourceNames[at++]) return false;
    return true;
  }

  /** Takes in a Delta request: its lists are differences (R10). */
  change(subscribe: readonly string[], unsubscribe: readonly string[]): SubscriptionChange {
    const wasWildcard = this.#isWildcard;
    if (this.#isFirst && subscribe.length === 0 && unsubscribe.length === 0 && this.#traits.hasLegacyWildcard) {
      this.#isWildcard = true;
    }
    this.#isFirst = false;
    const added = new Set<string>();
    const removed = new Set<string>();
    const resubscribed = new Set<string>();
    const droppedUnderWildcard: string[] = [];
    const denied: string[] = [];
    for (const name of subscribe) {
      if (name === wildcardName) this.#isWildcard = true;
      else if (!this.#scope.sees(name)) denied.push(name);
      else if (this.#names.has(name)) resubscribed.add(name);
      else {
        this.#names.add(name);
        added.add(name);
      }
    }
    for (const name of unsubscribe) {
      if (name === wildcardName) this.#isWildcard = false;
      else if (this.#names.delete(name)) {
        // Subscribed and unsubscribed by one request: nothing was gained.
        if (!added.delete(name)) removed.add(name);
        resubscribed.delete(name);
        if (this.#isWildcard) droppedUnderWildcard.push(name);
      }
    }
    return {
      added: [...added],
      removed: [...removed],
      wildcard: difference(wasWildcard, this.#isWildcard),
      resubscribed: [...resubscribed],
      droppedUnderWildcard,
      denied,
    };
  }
}

function difference(was: boolean, is: boolean): -1 | 0 | 1 {
  if (was === is) return 0;
  return is ? 1 : -1;
}
