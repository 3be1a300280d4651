/** Words that every part of Weir shares. No behaviour lives here. */

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** A resource type as the wire names it, mostly `type.googleapis.com/…`, never empty (R2). */
export type TypeUrl = Brand<string, 'TypeUrl'>;

/** An opaque response nonce, valid on one stream and type only (R3). */
export type Nonce = Brand<string, 'Nonce'>;

/** Digest that stands for what the control plane may look at in a Node (R66). */
export type ViewKey = Brand<string, 'ViewKey'>;

/** The two forms of the protocol: full lists (state of the world) or differences (incremental). */
export type Variant = 'sotw' | 'delta';

/** Both clocks, read once per event: deadlines use the monotonic one, what people read the wall clock. In milliseconds. */
export interface Clock {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** `google.rpc.Status` without details. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
}

/** gRPC status codes that Weir sends or looks for (R126). */
export const grpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** The name that subscribes to everything the server chooses (R11). */
export const wildcardName = '*';
