import type { IstioKind } from '../istio/kinds.ts';
import type { ClientSettings } from '../local-ads/client-stream.ts';
import type { ServerSettings } from '../local-ads/server.ts';

/** Limits of the source towards its clients. */
export interface SourceSettings extends ClientSettings, ServerSettings {
  /** Kinds that are read; all others are answered empty. */
  readonly kinds: readonly IstioKind[];
  /** Whether the configuration of the mesh is read; else it is answered empty. */
  readonly readsMeshConfig: boolean;
  readonly clientStreamsMax: number;
  readonly responseBytesInFlightMax: number;
  /** A client that takes nothing for so long is cut off, in ms. */
  readonly clientProgressTimeoutMs: number;
  /** A client that says nothing for so long after connecting is cut off, in ms. */
  readonly firstRequestTimeoutMs: number;
}

/** The limits that hold for every source. Its clients are control planes and agents: few, and not as strange as those of an agent. */
export const sourceLimits: Omit<SourceSettings, 'kinds' | 'readsMeshConfig'> = {
  typesMax: 64,
  namesMax: 100_000,
  nameBytesMax: 4_096,
  nodeBytesMax: 1 << 20,
  removalHoldMs: 0,
  warmHoldMs: 0,
  requestBytesMax: 16 << 20,
  clientStreamsPerConnectionMax: 2_048,
  socketMode: 0o600,
  clientStreamsMax: 4_096,
  responseBytesInFlightMax: 64 << 20,
  clientProgressTimeoutMs: 30_000,
  firstRequestTimeoutMs: 10_000,
};
