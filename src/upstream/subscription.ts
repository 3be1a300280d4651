import type { DeltaRequest, SotwRequest } from '../xds/discovery.ts';
import type { Nonce, RpcStatus } from '../xds/types.ts';

/** A request to be encoded, tagged with its variant. */
export type UpstreamRequest =
  | (SotwRequest & { readonly variant: 'sotw' })
  | (DeltaRequest & { readonly variant: 'delta' });

/** The next request of a type, and what it asks for the first time on this stream. */
export interface NextRequest {
  readonly request: UpstreamRequest;
  /** Names newly asked for. */
  readonly asked: readonly string[];
  /** `fresh`: the wildcard was asked for with nothing listed to resume from. */
  readonly wildcard: 'fresh' | 'resumed' | undefined;
}

/** What one response means for the set of its type. */
export interface ReceivedList {
  /** The response is the complete set: what it lacks is gone (R78). */
  readonly isWhole: boolean;
  /** Names that this list dropped. */
  readonly removed: readonly string[];
}

/** One type on one upstream stream, in either variant: it knows what was told and says what to tell next. Its life is the stream's. */
export interface Subscription {
  /** Whether upstream was asked for the type on this stream; before, no response can be an answer. */
  readonly isAsked: boolean;
  /** Names that nobody wanted before are wanted now. */
  added(names: readonly string[], nowMs: number): void;
  /** Names that nobody wants any more. */
  dropped(names: readonly string[], nowMs: number): void;
  /** Nobody wants the wildcard any more, and what it brought was dropped. */
  wildcardEnded(): void;
  /** A subscribed name has to be sent again. */
  refetch(name: string, nowMs: number): void;
  /**
   * Takes note of a response; it stays open until {@link answer}.
   *
   * @param isList not with heartbeats in it: those leave out what has no TTL (R25)
   */
  received(nonce: Nonce, versionInfo: string, names: readonly string[], isList: boolean): ReceivedList;
  /** Takes note of a response that cannot be used; it stays open until {@link answer} and says nothing of the set. */
  refused(nonce: Nonce, versionInfo: string): void;
  /**
   * Queues the answer to a response: ACK without, NACK with a status. An unknown nonce is passed over: it died with its stream (R131).
   *
   * @returns whether an answer to this very response will be sent
   * @param isRepeat the refused content is what was refused last time: the NACK waits, or the two sides would loop (R130)
   */
  answer(nonce: Nonce, status: RpcStatus | undefined, isRepeat: boolean, nowMs: number): boolean;
  /** Refuses what was already ACKed, if the variant allows it (R100). Returns whether it will be sent. */
  refuseLate(nonce: Nonce, status: RpcStatus): boolean;
  /** Whether upstream's silence on a wanted name may mean that it believes to have sent it. */
  isDoubtful(name: string): boolean;
  /** Asks for a new stream, on which everything is asked for anew. */
  renew(): void;
  /** Whether the wildcard can be given up on this stream. */
  readonly canEndWildcard: boolean;
  /** What is wanted can only be asked for on a new stream. */
  readonly needsNewStream: boolean;
  /** The request to write now, if any. It counts as written. */
  next(nowMs: number): NextRequest | undefined;
  /** When {@link next} may have something that it does not have now. */
  nextDeadlineMs(): number;
}
