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
}

/** A server that ends a stream over a type does so when it is asked for it; a token that expires later has nothing to do with any. */
const promptMs = 10_000;

/** With these servers end a whole stream over one type that they do not know or do not grant (istiod, see the rulebook's peers). */
const codes: ReadonlySet<number> = new Set([
  grpcCode.unauthenticated,
  grpcCode.permissionDenied,
  grpcCode.unimplemented,
]);

/**
 * The type whose first request most likely made the server end the stream: the newest one that was never answered, if other types are
 * (design "Identity, sharing, stream groups"). Undefined when the end has another cause: a server that answers nothing at all refuses us,
 * not a type.
 *
 * @param code gRPC code that the stream ended with
 */
export function suspectOf(code: number, types: Iterable<TypeRecord>, nowMs: number): TypeUrl | undefined {
  if (!codes.has(code)) return undefined;
  let isAnyAnswered = false;
  let suspect: { readonly typeUrl: TypeUrl; readonly askedAs: number } | undefined;
  for (const { typeUrl, askedAs, askedAtMs, wasAnswered } of types) {
    if (wasAnswered) isAnyAnswered = true;
    else if (askedAs === undefined || nowMs - askedAtMs > promptMs) continue;
    else if (askedAs > (suspect?.askedAs ?? 0)) suspect = { typeUrl, askedAs };
  }
  return isAnyAnswered ? suspect?.typeUrl : undefined;
}
