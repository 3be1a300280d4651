import { invariant } from '../xds/assert.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { Nonce, RpcStatus, TypeUrl, Variant } from '../xds/types.ts';
import { AnswerTracker, type Verdicts } from './answer-tracker.ts';
import { DeltaSubscription } from './delta-subscription.ts';
import type { HeldState, Interest } from './interest.ts';
import { linkConfirmedAtMs, newLink, type SessionSettings, silenceSpeaksAtMs, type TypeLink } from './session-state.ts';
import { SotwSubscription } from './sotw-subscription.ts';
import type { NextRequest, Subscription } from './subscription.ts';

/** So long after silence may have confirmed one type it is asked whether the connection is alive, for those as well that follow, in ms. */
const togetherMs = 500;

/** The types of one session: what is wanted of each, what was asked on the present stream, and what the answers and the silence say. */
export class TypeLinks {
  readonly #settings: SessionSettings;
  readonly #variant: () => Variant;
  readonly #links = new Map<TypeUrl, TypeLink>();
  #isResuming: boolean;
  /** Of the type whose request is being written. */
  #leaving: AnswerTracker | undefined;
  /** Types asked for on the present stream. */
  #asked = 0;
  /**
   * Until then types that were never answered are not asked for on this stream, monotonic in ms: the last one ended before any answer, and if it
   * was over one of them, the others must be answered for that to be seen.
   */
  #heldBackUntilMs = -Infinity;

  /** @param variant the one spoken on the stream that is opened next, or on the present one */
  constructor(settings: SessionSettings, variant: () => Variant) {
    this.#settings = settings;
    this.#isResuming = settings.isResuming;
    this.#variant = variant;
  }

  get(typeUrl: TypeUrl): TypeLink | undefined {
    return this.#links.get(typeUrl);
  }

  values(): IterableIterator<TypeLink> {
    return this.#links.values();
  }

  /** Makes a type known. What is wanted of it is read from `interest` whenever a request is written (R74). */
  add(typeUrl: TypeUrl, interest: Interest, held: HeldState): void {
    if (this.#links.has(typeUrl)) return;
    const subscription = this.#newSubscription(typeUrl, interest, held);
    this.#links.set(typeUrl, newLink(typeUrl, interest, held, subscription, new AnswerTracker(this.#settings)));
  }

  /** Forgets a type that another session takes over. */
  remove(typeUrl: TypeUrl): void {
    this.#links.delete(typeUrl);
  }

  /** Whether anything of the type is wanted. */
  isWanted(typeUrl: TypeUrl): boolean {
    const link = this.#links.get(typeUrl);
    return link !== undefined && isWanted(link);
  }

  get isAnythingWanted(): boolean {
    for (const link of this.#links.values()) if (isWanted(link)) return true;
    return false;
  }

  /** Whether the server has answered for any type on the present stream. */
  get isAnyAnswered(): boolean {
    for (const { isAnswered } of this.#links.values()) if (isAnswered) return true;
    return false;
  }

  get #isAnyUnasked(): boolean {
    for (const link of this.#links.values()) if (link.askedAs === undefined && isWanted(link)) return true;
    return false;
  }

  added(typeUrl: TypeUrl, names: readonly string[], nowMs: number): void {
    this.#link(typeUrl).subscription.added(names, nowMs);
  }

  /** Whether upstream can be told that the wildcard of a type is not wanted any more. */
  canEndWildcard(typeUrl: TypeUrl): boolean {
    return this.#links.get(typeUrl)?.subscription.canEndWildcard ?? true;
  }

  /** Names, and maybe the wildcard, are not wanted any more; what was held of them is dropped. */
  dropped(typeUrl: TypeUrl, names: readonly string[], isWildcardEnded: boolean, nowMs: number): void {
    const link = this.#link(typeUrl);
    if (isWildcardEnded) link.subscription.wildcardEnded();
    link.subscription.dropped(names, nowMs);
    for (const name of names) link.tracker.dropped(name);
  }

  /** A subscribed name was lost from the cache: upstream has to send it again. */
  refetch(typeUrl: TypeUrl, name: string, nowMs: number): void {
    this.#links.get(typeUrl)?.subscription.refetch(name, nowMs);
  }

  /** Queues the verdict on a response: ACK without status, else NACK. Returns false when upstream cannot be told about this one, or this type, any more. */
  answer(typeUrl: TypeUrl, nonce: Nonce, status: RpcStatus | undefined, isRepeat: boolean, nowMs: number): boolean {
    if (traitsOf(typeUrl).isNeverAcked) return false;
    return this.#links.get(typeUrl)?.subscription.answer(nonce, status, isRepeat, nowMs) ?? false;
  }

  /** Refuses what was ACKed before, where that is possible (R100). */
  refuseLate(typeUrl: TypeUrl, nonce: Nonce, status: RpcStatus): boolean {
    return this.#links.get(typeUrl)?.subscription.refuseLate(nonce, status) ?? false;
  }

  /** Names of the whole first wildcard answer, once; undefined if it came as a difference. */
  takeSeen(typeUrl: TypeUrl): Set<string> | undefined {
    return this.#link(typeUrl).tracker.takeSeen();
  }

  /** On an open stream: when what is held of a type counts as what upstream has, monotonic in ms. @param aliveAtMs when upstream was alive last */
  confirmedAtMs(typeUrl: TypeUrl, aliveAtMs: number): number {
    const link = this.#links.get(typeUrl);
    return link ? linkConfirmedAtMs(link, aliveAtMs) : Infinity;
  }

  /** When to ask whether the connection is alive, since silence would confirm a type; monotonic in ms, see {@link silenceSpeaksAtMs}. */
  nextSilenceMs(aliveAtMs: number): number {
    let nextMs = Infinity;
    for (const link of this.#links.values()) {
      const atMs = silenceSpeaksAtMs(link);
      // Types are asked for one after another, and one question is enough for all.
      if (atMs > aliveAtMs && link.held.isContested) nextMs = Math.min(nextMs, atMs + togetherMs);
    }
    return nextMs;
  }

  /**
   * Begins anew on another stream: only what is wanted and held outlives one (R10).
   *
   * @param isResuming the server is told what is held, so that it sends differences
   * @param heldBackUntilMs how long types that were never answered wait for an answer to another one
   */
  restart(isResuming: boolean, heldBackUntilMs: number): void {
    const isAnyKnown = [...this.#links.values()].some(link => link.wasAnswered && isWanted(link));
    this.#heldBackUntilMs = isAnyKnown ? heldBackUntilMs : -Infinity;
    this.#isResuming = isResuming;
    this.#putInOrder();
    for (const link of this.#links.values()) {
      link.subscription = this.#newSubscription(link.typeUrl, link.interest, link.held);
      link.tracker = new AnswerTracker(this.#settings);
      link.askedAs = undefined;
      link.isAnswered = false;
    }
    this.#asked = 0;
    this.#leaving = undefined;
  }

  /**
   * Types are asked for in make-before-break order (R86), whatever came first before, as from disk: servers answer, and later push, in the order in which they
   * were asked, and a route that comes before its cluster is a failed request.
   */
  #putInOrder(): void {
    const ordered = [...this.#links].sort(([a], [b]) => traitsOf(a).sendOrder - traitsOf(b).sendOrder);
    this.#links.clear();
    for (const [typeUrl, link] of ordered) this.#links.set(typeUrl, link);
  }

  /** The type whose wishes can only be asked for on another stream, if there is one. */
  needingNewStream(): TypeUrl | undefined {
    for (const { typeUrl, subscription } of this.#links.values()) if (subscription.needsNewStream) return typeUrl;
    return undefined;
  }

  /** The request to be written now, if any. It counts as written. */
  next(nowMs: number): NextRequest | undefined {
    const isHoldingBack = this.#heldBackUntilMs > nowMs && !this.isAnyAnswered;
    for (const link of this.#links.values()) {
      if (isHoldingBack && !link.wasAnswered) continue;
      const next = link.subscription.next(nowMs);
      if (!next) continue;
      if (link.askedAs === undefined) {
        link.askedAs = ++this.#asked;
        link.askedAtMs = nowMs;
        link.isResumed = next.wildcard === 'resumed';
      }
      if (next.wildcard) link.tracker.wildcardAsked(next.wildcard === 'resumed');
      const unknown = next.asked.filter(name => !link.held.has(name));
      if (unknown.length > 0) link.tracker.asked(unknown);
      this.#leaving = link.tracker;
      return next;
    }
    return undefined;
  }

  /** The last request has left. */
  left(nowMs: number): void {
    this.#leaving?.left(nowMs);
    this.#leaving = undefined;
  }

  /** What silence has told since the last call, type by type; a name that upstream may believe to have sent asks for a new stream instead. */
  *due(nowMs: number, isKnownMissing: (typeUrl: TypeUrl, name: string) => boolean): Generator<[TypeUrl, Verdicts]> {
    for (const { typeUrl, tracker, subscription } of this.#links.values()) {
      if (tracker.nextDeadlineMs() > nowMs) continue;
      const verdicts = tracker.due(nowMs, name => isKnownMissing(typeUrl, name));
      const isCertain = (name: string): boolean => !subscription.isDoubtful(name);
      const { isComplete } = verdicts;
      const [inferred, presumed, timedOut] = [
        verdicts.inferred.filter(isCertain),
        verdicts.presumed.filter(isCertain),
        verdicts.timedOut.filter(isCertain),
      ];
      const judged = verdicts.inferred.length + verdicts.presumed.length + verdicts.timedOut.length;
      if (inferred.length + presumed.length + timedOut.length < judged) subscription.renew();
      yield [typeUrl, { inferred, presumed, timedOut, isComplete }];
    }
  }

  /** When something of a type is due, monotonic in ms. @param isWriting a request is on its way, so no other one can be written */
  nextDeadlineMs(isWriting: boolean): number {
    const isHoldingBack = this.#heldBackUntilMs > -Infinity && !isWriting && !this.isAnyAnswered;
    let deadline = isHoldingBack && this.#isAnyUnasked ? this.#heldBackUntilMs : Infinity;
    for (const { subscription, tracker, wasAnswered } of this.#links.values()) {
      deadline = Math.min(deadline, tracker.nextDeadlineMs());
      if (!isWriting && (wasAnswered || !isHoldingBack)) deadline = Math.min(deadline, subscription.nextDeadlineMs());
    }
    return deadline;
  }

  #newSubscription(typeUrl: TypeUrl, interest: Interest, held: HeldState): Subscription {
    const traits = traitsOf(typeUrl);
    return this.#variant() === 'sotw'
      ? new SotwSubscription(typeUrl, traits, interest, held)
      : new DeltaSubscription(typeUrl, traits, interest, held, this.#isResuming);
  }

  #link(typeUrl: TypeUrl): TypeLink {
    const link = this.#links.get(typeUrl);
    invariant(link, `type ${typeUrl} was added to the session before it is used`);
    return link;
  }
}

function isWanted({ interest }: TypeLink): boolean {
  return interest.isWildcard || interest.size > 0;
}
