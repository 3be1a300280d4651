import type { DeltaRequest } from '../xds/discovery.ts';
import type { TypeTraits } from '../xds/type-urls.ts';
import { type Nonce, type RpcStatus, type TypeUrl, wildcardName } from '../xds/types.ts';
import type { HeldState, Interest } from './interest.ts';
import { NackDelay } from './nack-delay.ts';
import type { NextRequest, Subscription } from './subscription.ts';

const noVersions: ReadonlyMap<string, string> = new Map();

/** One type on one Delta stream upstream. A new stream gets a new one: only names and versions outlive a stream (R10). */
export class DeltaSubscription implements Subscription {
  readonly #typeUrl: TypeUrl;
  readonly #traits: TypeTraits;
  readonly #interest: Interest;
  readonly #held: HeldState;
  readonly #isResuming: boolean;
  #isAsked = false;
  #isWildcardAsked = false;
  /** What the wildcard brought was dropped before upstream heard of its end. */
  #isWildcardStale = false;
  /** Differences to what upstream was told, built up between two writes. */
  readonly #subscribe = new Set<string>();
  readonly #unsubscribe = new Set<string>();
  /** Names to unsubscribe first and subscribe again after: only that makes go-control-plane send a known name again (rulebook 5). */
  readonly #refetch = new Set<string>();
  /** Responses without an answer yet. */
  readonly #open = new Set<Nonce>();
  /** Answers to be written, oldest first; only the newest one may have to wait (R130). */
  #answers: { readonly nonce: Nonce; readonly status: RpcStatus | undefined; readonly notBeforeMs: number }[] = [];
  readonly #nackDelay = new NackDelay();
  #newestNonce: Nonce | undefined;
  #isNewestRefused = false;

  /** @param isResuming the first request lists what is held, so that the answer is a difference (R107) */
  constructor(typeUrl: TypeUrl, traits: TypeTraits, interest: Interest, held: HeldState, isResuming: boolean) {
    this.#typeUrl = typeUrl;
    this.#traits = traits;
    this.#interest = interest;
    this.#held = held;
    this.#isResuming = isResuming;
  }

  get isAsked(): boolean {
    return this.#isAsked;
  }

  added(names: readonly string[]): void {
    if (!this.#isAsked) return;
    for (const name of names) {
      // Upstream has not heard that the name was dropped meanwhile, and would stay silent on it.
      if (this.#unsubscribe.delete(name)) this.#refetch.add(name);
      else this.#subscribe.add(name);
    }
  }

  dropped(names: readonly string[]): void {
    if (!this.#isAsked) return;
    for (const name of names) {
      this.#refetch.delete(name);
      if (!this.#subscribe.delete(name)) this.#unsubscribe.add(name);
    }
  }

  wildcardEnded(): void {
    this.#isWildcardStale = this.#isWildcardAsked;
  }

  refetch(name: string): void {
    if (this.#isAsked && !this.#subscribe.has(name)) this.#refetch.add(name);
  }

  received(nonce: Nonce): { isWhole: boolean; removed: readonly string[] } {
    this.#open.add(nonce);
    this.#newestNonce = nonce;
    this.#isNewestRefused = false;
    return { isWhole: false, removed: [] };
  }

  refused(nonce: Nonce): void {
    this.received(nonce);
  }

  answer(nonce: Nonce, status: RpcStatus | undefined, isRepeat: boolean, nowMs: number): boolean {
    if (!this.#open.delete(nonce)) return false;
    if (!status) this.#nackDelay.reset();
    // A server that repeats refused content without waiting for our word gets it once for all repetitions.
    if (isRepeat) this.#answers = this.#answers.filter(answer => answer.notBeforeMs <= nowMs);
    this.#answers.push({ nonce, status, notBeforeMs: status ? nowMs + this.#nackDelay.next(isRepeat) : nowMs });
    if (status && nonce === this.#newestNonce) this.#isNewestRefused = true;
    return true;
  }

  refuseLate(nonce: Nonce, status: RpcStatus): boolean {
    // Legal by R6, and go-control-plane does not resend in Delta (R100), but once per nonce is enough.
    if (nonce !== this.#newestNonce || this.#open.has(nonce) || this.#isNewestRefused) return false;
    this.#isNewestRefused = true;
    this.#answers.push({ nonce, status, notBeforeMs: 0 });
    return true;
  }

  isDoubtful(): boolean {
    // Delta servers honour every subscription change, whatever its nonce (R7).
    return false;
  }

  renew(): void {
    // Never asked for: nothing is in doubt.
  }

  get canEndWildcard(): boolean {
    return true;
  }

  get needsNewStream(): boolean {
    // Asked for later, the first answer could not be told from answers still on their way to earlier requests, and a part would be taken
    // for the whole. So a wildcard stands in the first request of its type or on a new stream.
    return this.#isAsked && this.#interest.isWildcard && (this.#isWildcardStale || !this.#isWildcardAsked);
  }

  nextDeadlineMs(): number {
    return this.#answers.reduce((least, { notBeforeMs }) => Math.min(least, notBeforeMs), Infinity);
  }

  next(nowMs: number): NextRequest | undefined {
    if (!this.#isAsked) return this.#first();
    const due = this.#answers.findIndex(({ notBeforeMs }) => notBeforeMs <= nowMs);
    const [answer] = due < 0 ? [] : this.#answers.splice(due, 1);
    // An answer carries no subscription change and a change no nonce: Istio calls the mixture invalid (R75).
    if (answer) return this.#request({ responseNonce: answer.nonce, errorDetail: answer.status });
    if (this.#refetch.size > 0) {
      const unsubscribe = [...this.#refetch];
      for (const name of unsubscribe) this.#subscribe.add(name);
      this.#refetch.clear();
      return this.#request({ unsubscribe });
    }
    const isWildcardGone = this.#isWildcardAsked && !this.#interest.isWildcard;
    if (this.#subscribe.size + this.#unsubscribe.size === 0 && !isWildcardGone) return undefined;
    const subscribe = [...this.#subscribe];
    const unsubscribe = [...this.#unsubscribe];
    this.#subscribe.clear();
    this.#unsubscribe.clear();
    if (isWildcardGone) {
      unsubscribe.unshift(wildcardName);
      this.#isWildcardAsked = false;
      this.#isWildcardStale = false;
    }
    return { ...this.#request({ subscribe, unsubscribe }), asked: subscribe };
  }

  #first(): NextRequest | undefined {
    const { isWildcard } = this.#interest;
    const names = [...this.#interest.names()];
    // An empty first request of a type that has no legacy wildcard would be read as "everything" by some (R73).
    if (!isWildcard && names.length === 0) return undefined;
    this.#isAsked = true;
    this.#isWildcardAsked = isWildcard;
    const isLegacy = isWildcard && names.length === 0 && this.#traits.hasLegacyWildcard;
    const isListed = this.#isResuming && (!isWildcard || this.#held.isComplete);
    const next = this.#request({
      subscribe: isLegacy ? [] : isWildcard ? [wildcardName, ...names] : names,
      // What a part of the set holds would not be sent again, and a server may then have nothing at all to say: the end of the first answer
      // could not be told. So the set comes anew.
      initialResourceVersions: isListed ? new Map(this.#held.versions()) : noVersions,
    });
    return { ...next, asked: names, wildcard: isWildcard ? (isListed ? 'resumed' : 'fresh') : undefined };
  }

  #request(parts: Partial<DeltaRequest>): NextRequest {
    return {
      request: {
        variant: 'delta',
        node: undefined,
        typeUrl: this.#typeUrl,
        subscribe: [],
        unsubscribe: [],
        initialResourceVersions: noVersions,
        responseNonce: '',
        errorDetail: undefined,
        ...parts,
      },
      asked: [],
      wildcard: undefined,
    };
  }
}
