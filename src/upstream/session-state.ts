import type { UpstreamResponse } from '../xds/discovery.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl, Variant } from '../xds/types.ts';
import type { ResponseError } from '../xds/wire-response.ts';
import type { AnswerTiming, AnswerTracker } from './answer-tracker.ts';
import type { HeldState, Interest } from './interest.ts';
import type { LivenessProbe } from './liveness-probe.ts';
import type { Subscription } from './subscription.ts';

/** Everything a session is told once. */
export interface SessionSettings extends AnswerTiming {
  readonly variant: 'auto' | Variant;
  readonly reconnectBaseMs: number;
  readonly reconnectMaxMs: number;
  readonly resourcesMax: number;
  /** How long a stream is kept before it is opened anew for balance, in ms; 0 for as long as it lasts. */
  readonly recycleMs: number;
  /** Whether a new Delta stream lists what is held, so that upstream sends differences only (R107, R109). */
  readonly isResuming: boolean;
}

/** A type as the session knows it: what is wanted and held outlives streams, subscription and tracker do not. */
export interface TypeLink {
  readonly typeUrl: TypeUrl;
  readonly interest: Interest;
  readonly held: HeldState;
  subscription: Subscription;
  tracker: AnswerTracker;
  /** Error of the response refused last, to notice a repetition (R130). */
  refused: string | undefined;
  /** Place of the first request among those of the stream; undefined before it. */
  askedAs: number | undefined;
  /** When that was, monotonic in ms. */
  askedAtMs: number;
  /** Whether that request listed what is held of the wildcard (R107). */
  isResumed: boolean;
  /** Whether the server ever answered, on whatever stream. */
  wasAnswered: boolean;
  /** Whether it answered on the present stream. */
  isAnswered: boolean;
}

/** A type that nothing was asked of yet. */
export function newLink(
  typeUrl: TypeUrl,
  interest: Interest,
  held: HeldState,
  subscription: Subscription,
  tracker: AnswerTracker,
): TypeLink {
  const asked = { refused: undefined, askedAs: undefined, askedAtMs: Infinity };
  const answered = { isResumed: false, wasAnswered: false, isAnswered: false };
  return { typeUrl, interest, held, subscription, tracker, ...asked, ...answered };
}

/** What a session is doing. */
export type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly streamId: number }
  | {
      readonly kind: 'open';
      readonly streamId: number;
      readonly sinceMs: number;
      isWriting: boolean;
      isNodeSent: boolean;
      hasResponse: boolean;
      readonly probe: LivenessProbe;
    }
  | { readonly kind: 'backoff'; readonly untilMs: number };

/** An upstream that stays silent for so long on a stream that stands has nothing newer than what was listed (R108), in ms. */
const confirmingSilenceMs = 5_000;

/**
 * On an open stream: when silence counts as upstream's word that what is held of a type is what it has, if the connection is alive then; monotonic
 * in ms, Infinity where silence says nothing.
 */
export function silenceSpeaksAtMs({ typeUrl, askedAs, askedAtMs, isAnswered, isResumed }: TypeLink): number {
  if (askedAs === undefined || isAnswered) return Infinity;
  // It speaks of what upstream was told that we hold (R108): of a whole list nothing in SotW, without a resume, or before a seed came.
  return isResumed || !traitsOf(typeUrl).isFullState ? askedAtMs + confirmingSilenceMs : Infinity;
}

/** On an open stream: when what is held of a type counts as what upstream has, monotonic in ms; Infinity while it cannot. */
export function linkConfirmedAtMs(link: TypeLink, aliveAtMs: number): number {
  // A difference may come in parts, too, and after the first one the set is neither the old nor the new.
  if (link.isAnswered) return link.tracker.isFirstAnswerOpen ? Infinity : link.askedAtMs;
  const atMs = silenceSpeaksAtMs(link);
  return aliveAtMs >= atMs || !link.held.isContested ? atMs : Infinity;
}

/** A response, or why there is no room for it, in which case nothing of it is taken in (R123). */
export function fitting(
  { typeUrl, held }: TypeLink,
  read: UpstreamResponse | ResponseError,
  variant: Variant,
): UpstreamResponse | ResponseError {
  if ('error' in read) return read;
  const error = held.refusal(read.resources, variant === 'sotw' && traitsOf(typeUrl).isFullState);
  return error === undefined ? read : { ...read, error };
}
