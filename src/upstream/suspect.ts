import { grpcCode, type TypeUrl } from '../xds/types.ts';

/** What one type's requests and answers say about who ended a stream. */
export interface TypeRecord {
  readonly typeUrl: TypeUrl;
  /** Place of its first request on the stream, counted from 1; undefined when it was not asked for there. */
  readonly askedAs: number | undefined;
  /** When that was, monotonic in ms. */
  readonly askedAtMs: number;
  /** Whether the server ever answered a request for it. */
  readonly wasAnswered: boolean;
  /** Whether it did so on this stream. */
  readonly isAnswered: boolean;
}

/** A server that ends a stream over a type does so when it is asked for it; a token that expires later has nothing to do with any. */
const promptMs = 10_000;

/** With these servers end a whole stream over one type that they do not know or do not grant (istiod, see the rulebook's peers). */
const codes: ReadonlySet<number> = new Set([
  grpcCode.unauthenticated,
  grpcCode.permissionDenied,
  grpcCode.unimplemented,
]);

/** Whether a stream may have ended over one type. */
export function isSuspicious(code: number): boolean {
  return codes.has(code);
}

/**
 * The type whose first request most likely made the server end the stream: the newest one that was never answered, if others were on this very
 * stream (design "Identity, sharing, stream groups"). Undefined when the end has another cause: a server that answers nothing at all refuses
 * us, as with a token that has expired, and not a type.
 *
 * @param code gRPC code that the stream ended with
 */
export function suspectOf(code: number, types: Iterable<TypeRecord>, nowMs: number): TypeUrl | undefined {
  if (!isSuspicious(code)) return undefined;
  let isAnyAnswered = false;
  let suspect: { readonly typeUrl: TypeUrl; readonly askedAs: number } | undefined;
  for (const { typeUrl, askedAs, askedAtMs, wasAnswered, isAnswered } of types) {
    if (isAnswered) isAnyAnswered = true;
    if (wasAnswered) continue;
    if (askedAs === undefined || nowMs - askedAtMs > promptMs) continue;
    if (askedAs > (suspect?.askedAs ?? 0)) suspect = { typeUrl, askedAs };
  }
  return isAnyAnswered ? suspect?.typeUrl : undefined;
}
