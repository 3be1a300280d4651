import type { Nonce, RpcStatus, TypeUrl } from './types.ts';

/** Our record of a `DiscoveryRequest` (rulebook 1.3). */
export interface SotwRequest {
  /** Encoded Node, present on the first request of a stream (R1). Weir never decodes and re-encodes it. */
  readonly node: Buffer | undefined;
  /** Empty when the request carries none: legal on a per-type service only (R2). */
  readonly typeUrl: TypeUrl | '';
  readonly versionInfo: string;
  readonly resourceNames: readonly string[];
  readonly responseNonce: Nonce | '';
  readonly errorDetail: RpcStatus | undefined;
}

/** Our record of a `DeltaDiscoveryRequest` (rulebook 1.3). */
export interface DeltaRequest {
  readonly node: Buffer | undefined;
  readonly typeUrl: TypeUrl | '';
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialResourceVersions: ReadonlyMap<string, string>;
  readonly responseNonce: Nonce | '';
  readonly errorDetail: RpcStatus | undefined;
}

/** One resource of an upstream response. Buffers share memory with the response. */
export interface WireResource {
  /** Full name; empty only for types Weir does not know. */
  readonly name: string;
  /** Upstream's per-resource version: empty in SotW and from Istio (R90). */
  readonly version: string;
  /** The encoded `google.protobuf.Any`, type URL and body, never looked into further; empty where only aliases came (VHDS, R18). */
  readonly any: Buffer;
  /** Encoded fields of the Delta `Resource` that Weir passes on untouched: aliases, cache control, metadata … */
  readonly extra: Buffer | undefined;
  /** Time to live from receipt in ms; undefined without one (R25). */
  readonly ttlMs?: number | undefined;
  /** Of a content that was kept: wall time in ms at which it came. */
  readonly changedWallMs?: number | undefined;
}

/** What upstream says of a name instead of a resource (R24). */
export interface ResourceFailure {
  readonly name: string;
  readonly status: RpcStatus;
}

/** A resource that came without a body: it only starts its TTL anew (R25). */
export interface Heartbeat {
  readonly name: string;
  /** Undefined takes the TTL away. */
  readonly ttlMs: number | undefined;
}

/** Our record of a response of either variant. */
export interface UpstreamResponse {
  readonly typeUrl: TypeUrl;
  readonly nonce: Nonce;
  /** `version_info`, or `system_version_info`, which is for humans only (R6). */
  readonly versionInfo: string;
  /** `control_plane.identifier`, empty when the server sends none. */
  readonly controlPlane: string;
  readonly resources: readonly WireResource[];
  /** Delta only. */
  readonly removed: readonly string[];
  /** Never of a name that the response has a resource of. */
  readonly failures: readonly ResourceFailure[];
  readonly heartbeats: readonly Heartbeat[];
  /** Size of the whole encoded response in bytes. */
  readonly bytes: number;
}
