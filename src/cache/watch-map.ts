/** What a client's request changed in its interest in one type. Lists hold no name twice. */
export interface InterestChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** +1: a wildcard came, -1: it went. */
  readonly wildcard: -1 | 0 | 1;
}

/** What the union of all clients' interests gained. */
export interface InterestGain {
  /** Names that nobody wanted: upstream has to be asked. */
  readonly fresh: readonly string[];
  /** Names that lingered: still subscribed upstream. */
  readonly revived: readonly string[];
  /** Names whose last subscriber left: they linger from now on. */
  readonly idled: readonly string[];
  /** Names that lingered and have to give way to newer ones. */
  readonly evicted: readonly string[];
  readonly isWildcardFresh: boolean;
}

/** A wildcard that upstream cannot be told the end of is looked at again after so many ms at the least. */
const renewalMsMin = 1_000;

/**
 * The union of all clients' interests in one type of one view (R70), with the linger of R72: what the last subscriber leaves
 * stays subscribed upstream for a while, so that an Envoy restart causes no storm.
 */
export class TypeInterest {
  readonly #lingerMs: number;
  readonly #lingerMax: number;
  readonly #counts = new Map<string, number>();
  /** Deadline on the monotonic clock; in order of insertion, which is the order of deadlines. */
  readonly #lingering = new Map<string, number>();
  #wildcards = 0;
  #wildcardLingersUntilMs: number | undefined;

  /** @param lingerMax most names that linger; past it the oldest are given up */
  constructor(lingerMs: number, lingerMax: number) {
    this.#lingerMs = lingerMs;
    this.#lingerMax = lingerMax;
  }

  /** Whether upstream is asked for everything, for a client or while lingering. */
  get isWildcard(): boolean {
    return this.#wildcards > 0 || this.#wildcardLingersUntilMs !== undefined;
  }

  /** Whether a client holds a wildcard now. */
  get isWildcardServed(): boolean {
    return this.#wildcards > 0;
  }

  /** Names asked for upstream, lingering ones included. */
  get size(): number {
    return this.#counts.size + this.#lingering.size;
  }

  get lingeringCount(): number {
    return this.#lingering.size;
  }

  /** When the last of what lingers now has lingered long enough, the wildcard included, on the monotonic clock in ms; undefined without any. */
  get lingersUntilMs(): number | undefined {
    let last = this.#wildcardLingersUntilMs;
    for (const deadline of this.#lingering.values()) last = Math.max(last ?? deadline, deadline);
    return last;
  }

  /** Whether upstream is asked for this very name. */
  has(name: string): boolean {
    return this.#counts.has(name) || this.#lingering.has(name);
  }

  /** Whether a client names it now. */
  isNamed(name: string): boolean {
    return this.#counts.has(name);
  }

  isLingering(name: string): boolean {
    return this.#lingering.has(name);
  }

  *names(): Generator<string> {
    yield* this.#counts.keys();
    yield* this.#lingering.keys();
  }

  /** Takes in one client's change. */
  update(change: InterestChange, nowMs: number): InterestGain {
    const fresh: string[] = [];
    const revived: string[] = [];
    const idled: string[] = [];
    for (const name of change.added) {
      const count = this.#counts.get(name);
      this.#counts.set(name, (count ?? 0) + 1);
      if (count !== undefined) continue;
      (this.#lingering.delete(name) ? revived : fresh).push(name);
    }
    for (const name of change.removed) {
      const count = this.#counts.get(name);
      if (count === undefined) continue;
      if (count > 1) this.#counts.set(name, count - 1);
      else {
        this.#counts.delete(name);
        this.#lingering.set(name, nowMs + this.#lingerMs);
        idled.push(name);
      }
    }
    const evicted: string[] = [];
    for (const name of this.#lingering.keys()) {
      if (this.#lingering.size <= this.#lingerMax) break;
      this.#lingering.delete(name);
      evicted.push(name);
    }
    const wasWildcard = this.isWildcard;
    this.#wildcards += change.wildcard;
    if (this.#wildcards > 0) this.#wildcardLingersUntilMs = undefined;
    else if (change.wildcard < 0) this.#wildcardLingersUntilMs = nowMs + this.#lingerMs;
    return { fresh, revived, idled, evicted, isWildcardFresh: !wasWildcard && this.isWildcard };
  }

  /** Takes over what an earlier process was asked for: it lingers until somebody asks for it, or until `untilMs`. */
  restore(names: Iterable<string>, isWildcard: boolean, untilMs: number): void {
    // Names that come to linger later wait for these, whose time may be longer.
    for (const name of names) if (!this.has(name)) this.#lingering.set(name, untilMs);
    if (isWildcard && this.#wildcards === 0) this.#wildcardLingersUntilMs = untilMs;
  }

  /** When the next linger ends, on the monotonic clock in ms; Infinity without one. */
  nextDeadlineMs(): number {
    const first = this.#lingering.values().next();
    return Math.min(first.done ? Infinity : first.value, this.#wildcardLingersUntilMs ?? Infinity);
  }

  /**
   * Ends what has lingered long enough; returns the names, and whether the wildcard is among it.
   *
   * @param canWildcardEnd upstream can be told so; else the wildcard goes on lingering
   */
  expire(
    nowMs: number,
    canWildcardEnd: boolean,
  ): { readonly names: readonly string[]; readonly isWildcardEnded: boolean } {
    const names: string[] = [];
    for (const [name, deadline] of this.#lingering) {
      if (deadline > nowMs) break;
      this.#lingering.delete(name);
      names.push(name);
    }
    const isWildcardDue = this.#wildcardLingersUntilMs !== undefined && this.#wildcardLingersUntilMs <= nowMs;
    if (isWildcardDue)
      this.#wildcardLingersUntilMs = canWildcardEnd ? undefined : nowMs + Math.max(this.#lingerMs, renewalMsMin);
    return { names, isWildcardEnded: isWildcardDue && canWildcardEnd };
  }
}
