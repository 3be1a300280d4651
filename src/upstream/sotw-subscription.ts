import type { TypeTraits } from '../xds/type-urls.ts';
import { type Nonce, type RpcStatus, type TypeUrl, wildcardName } from '../xds/types.ts';
import type { HeldState, Interest } from './interest.ts';
import { NackDelay } from './nack-delay.ts';
import type { NextRequest, ReceivedList, Subscription } from './subscription.ts';

/**
 * Names that come one after the other are asked for together: go-control-plane in ADS mode answers only once a request covers every name
 * of the type (rulebook 5).
 */
const debounceMs = 20;
/** Names of which it is remembered that the server may not have heard of their end. */
const doubtfulMax = 10_000;

interface OpenResponse {
  readonly nonce: Nonce;
  readonly versionInfo: string;
  readonly names: readonly string[];
}

/** One type on one SotW stream upstream. A new stream gets a new one and offers no version (R107). */
export class SotwSubscription implements Subscription {
  readonly #typeUrl: TypeUrl;
  readonly #traits: TypeTraits;
  readonly #interest: Interest;
  readonly #held: HeldState;
  #isAsked = false;
  #wereNamesSent = false;
  #isWildcardAsked = false;
  /** What the wildcard brought was dropped before upstream heard of its end. */
  #isWildcardStale = false;
  /** Names of the newest request, to tell which are newly asked for. */
  #namesSent = new Set<string>();
  /** Names of the newest response to a subscription without wildcard. */
  #namesListed: ReadonlySet<string> | undefined;
  #changedAtMs: number | undefined;
  #nonce: Nonce | '' = '';
  #acceptedVersion = '';
  /** The newest response while its verdict is open. */
  #open: OpenResponse | undefined;
  /** The one before it, if its verdict was still open, and the rejection of it that the newest will carry. */
  #superseded: OpenResponse | undefined;
  #carried: RpcStatus | undefined;
  #answer: { readonly status: RpcStatus | undefined; readonly notBeforeMs: number } | undefined;
  readonly #nackDelay = new NackDelay();
  readonly #refetch = new Set<string>();
  /**
   * Names dropped on this stream and not seen since. A server skips a request whose nonce has just become stale, names and all, so it
   * may never have heard of the drop; asked for the name again it would stay silent.
   */
  readonly #doubtful = new Set<string>();
  /** There were too many of them to be remembered one by one. */
  #areAllDoubtful = false;
  #mustRenew = false;

  constructor(typeUrl: TypeUrl, traits: TypeTraits, interest: Interest, held: HeldState) {
    this.#typeUrl = typeUrl;
    this.#traits = traits;
    this.#interest = interest;
    this.#held = held;
  }

  get isAsked(): boolean {
    return this.#isAsked;
  }

  added(names: readonly string[], nowMs: number): void {
    // Upstream has not heard that the name was dropped meanwhile, and would stay silent on it.
    for (const name of names) if (this.#namesSent.has(name)) this.#refetch.add(name);
    this.#changedAtMs ??= nowMs;
  }

  dropped(names: readonly string[], nowMs: number): void {
    for (const name of names) if (this.#namesSent.has(name)) this.#doubt(name);
    this.#changedAtMs ??= nowMs;
  }

  wildcardEnded(): void {
    this.#isWildcardStale = this.#isWildcardAsked;
  }

  refetch(name: string, nowMs: number): void {
    // A list without the name, then one with it: re-adding sends it again (R15).
    if (this.#namesSent.has(name)) {
      this.#refetch.add(name);
      this.#doubt(name);
    }
    this.#changedAtMs ??= nowMs;
  }

  isDoubtful(name: string): boolean {
    return this.#areAllDoubtful || this.#doubtful.has(name);
  }

  renew(): void {
    this.#mustRenew = true;
  }

  refused(nonce: Nonce, versionInfo: string): void {
    this.#superseded = undefined;
    this.#nonce = nonce;
    this.#open = { nonce, versionInfo, names: [] };
    this.#answer = undefined;
  }

  received(nonce: Nonce, versionInfo: string, names: readonly string[], isList: boolean): ReceivedList {
    this.#superseded = this.#open;
    this.#nonce = nonce;
    this.#open = { nonce, versionInfo, names };
    this.#answer = undefined;
    if (this.#doubtful.size > 0) for (const name of names) if (this.#interest.has(name)) this.#doubtful.delete(name);
    if (!this.#traits.isFullState || !isList) return { isWhole: false, removed: [] };
    if (this.#isWildcardAsked) return { isWhole: true, removed: [] };
    // Without wildcard only a name that was listed before is known to be gone: this response may answer an older request (R78). The first one
    // of a stream answers a request that held every name from before.
    const listed = new Set(names);
    const before = this.#namesListed ?? [...this.#namesSent].filter(name => this.#held.has(name));
    const removed = [...before].filter(name => !listed.has(name) && this.#interest.has(name));
    this.#namesListed = listed;
    return { isWhole: false, removed };
  }

  answer(nonce: Nonce, verdict: RpcStatus | undefined, isRepeat: boolean, nowMs: number): boolean {
    if (this.#open?.nonce !== nonce) {
      this.#carry(nonce, verdict);
      return false;
    }
    const status = verdict ?? this.#carried;
    this.#carried = undefined;
    if (!status) {
      this.#acceptedVersion = this.#open.versionInfo;
      this.#nackDelay.reset();
    }
    this.#open = undefined;
    this.#answer = { status, notBeforeMs: status ? nowMs + this.#nackDelay.next(isRepeat) : nowMs };
    return true;
  }

  /**
   * A response was rejected after the next one had come: only the newest can be answered (R98), so that one takes the rejection over, unless
   * it holds all of the rejected one anew.
   */
  #carry(nonce: Nonce, status: RpcStatus | undefined): void {
    if (!status || !this.#open || this.#superseded?.nonce !== nonce || this.#traits.isFullState) return;
    const newest = new Set(this.#open.names);
    if (this.#superseded.names.some(name => !newest.has(name))) this.#carried = status;
  }

  refuseLate(): boolean {
    // go-control-plane compares versions only and would send the same again at once (R100, R130).
    return false;
  }

  get canEndWildcard(): boolean {
    // An empty list goes on meaning "everything" until something was named (R12, R13).
    return !this.#traits.hasLegacyWildcard || this.#wereNamesSent || this.#interest.size > 0;
  }

  get needsNewStream(): boolean {
    if (this.#mustRenew) return true;
    // After a named request the legacy wildcard is dead on this stream (R12), and `*` itself is answered with nothing (R70).
    if (!this.#interest.isWildcard) return false;
    // Of a type with partial lists the answer would hold what was not sent before and no more, and be taken for the whole.
    return this.#isWildcardStale || (this.#isAsked && !this.#isWildcardAsked);
  }

  nextDeadlineMs(): number {
    const answerAt = this.#answer?.notBeforeMs ?? Infinity;
    return Math.min(
      answerAt,
      this.#changedAtMs === undefined || !this.#isAsked ? Infinity : this.#changedAtMs + debounceMs,
    );
  }

  next(nowMs: number): NextRequest | undefined {
    if (!this.#isAsked) {
      if (!this.#interest.isWildcard && this.#interest.size === 0) return undefined;
      this.#isAsked = true;
      return this.#request(undefined);
    }
    if (this.#answer && this.#answer.notBeforeMs <= nowMs) {
      const { status } = this.#answer;
      this.#answer = undefined;
      return this.#request(status);
    }
    if (this.#changedAtMs === undefined || this.#changedAtMs + debounceMs > nowMs) return undefined;
    this.#changedAtMs = undefined;
    if (!this.#hasChanged()) return undefined;
    // With a verdict open this request would carry the open nonce all the same, and a server reads that as an ACK: make it a proper one.
    if (this.#open) {
      this.#acceptedVersion = this.#open.versionInfo;
      this.#open = undefined;
    }
    return this.#request(undefined);
  }

  #doubt(name: string): void {
    if (this.#areAllDoubtful) return;
    this.#doubtful.add(name);
    if (this.#doubtful.size < doubtfulMax) return;
    this.#doubtful.clear();
    this.#areAllDoubtful = true;
  }

  #hasChanged(): boolean {
    const { isWildcard } = this.#interest;
    if (isWildcard !== this.#isWildcardAsked || this.#refetch.size > 0) return true;
    // Names inside a wildcard are not sent, so their coming and going is no change.
    if (isWildcard && this.#traits.hasLegacyWildcard) return false;
    if (this.#interest.size !== this.#namesSent.size) return true;
    for (const name of this.#namesSent) if (!this.#interest.has(name)) return true;
    return false;
  }

  #request(status: RpcStatus | undefined): NextRequest {
    const { isWildcard } = this.#interest;
    let names: string[] = [];
    if (!isWildcard || !this.#traits.hasLegacyWildcard) {
      names = [...this.#interest.names()].filter(name => !this.#refetch.has(name));
      if (isWildcard) names.unshift(wildcardName);
    }
    if (this.#refetch.size > 0) {
      this.#refetch.clear();
      this.#changedAtMs = 0; // The list with the names follows at once.
    } else this.#changedAtMs = undefined;
    const asked = names.filter(name => name !== wildcardName && !this.#namesSent.has(name));
    const isWildcardNew = isWildcard && !this.#isWildcardAsked;
    this.#namesSent = new Set(names);
    this.#namesSent.delete(wildcardName);
    if (names.length > 0) this.#wereNamesSent = true;
    this.#isWildcardAsked = isWildcard;
    this.#isWildcardStale = false;
    return {
      request: {
        variant: 'sotw',
        node: undefined,
        typeUrl: this.#typeUrl,
        versionInfo: this.#acceptedVersion,
        resourceNames: names,
        responseNonce: this.#nonce,
        errorDetail: status,
      },
      asked,
      wildcard: isWildcardNew ? 'fresh' : undefined,
    };
  }
}
