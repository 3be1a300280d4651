import type { Readable } from 'node:stream';

/**
 * What the admin pages know of the agent. The agent implements {@link AdminSource}; nothing in admin/ reaches further.
 * All reports are fresh plain objects: the caller may keep them, they never change under its hands.
 */

/** How the stream of one (view, group) towards the control plane stands. */
export interface UpstreamReport {
  readonly viewKey: string;
  /** Stream group: `main`, or `mcp` for Istio's mesh configuration. */
  readonly group: string;
  /** Its content is served; else it is tried beside the control plane in use, and may take its place. */
  readonly isInUse: boolean;
  readonly phase: 'idle' | 'connecting' | 'open' | 'backoff';
  readonly variant: 'delta' | 'sotw';
  /** Address of the control plane dialled last, as configured. */
  readonly address: string;
  /** `control_plane.identifier` of the newest response, empty before one. */
  readonly identifier: string;
  /** While it is open, when it was opened; else when the last one that stood was lost. Wall time in ms since the epoch; 0 before the first attempt. */
  readonly sinceWallMs: number;
  /** Why the last stream ended: gRPC status and text. Undefined before the first end. */
  readonly lastError: string | undefined;
  /** Since when it does not accept our certificate or token, wall time in ms; undefined while it does. */
  readonly unauthenticatedSinceWallMs: number | undefined;
}

/** What the control plane was asked for, and what clients were given, since the start of the process. */
export interface LoadReport {
  /** Streams opened, requests written, and bytes of responses. */
  readonly upstreamStreams: number;
  readonly upstreamRequests: number;
  readonly upstreamBytes: number;
  /** Streams that were accepted, and bytes written to them. */
  readonly clientStreams: number;
  readonly clientBytes: number;
  /** Resources that clients were given from the cache: the control plane would have had to send each of them again. */
  readonly resendsAvoided: number;
}

/** One resource type of one view. */
export interface TypeReport {
  readonly viewKey: string;
  readonly typeUrl: string;
  /** `CDS`, `EDS` …, or the type URL itself for a type Weir has no name for. */
  readonly shortName: string;
  /** KNOWN: complete for a wildcard, maybe empty. UNKNOWN: served name by name only (R62, R64). */
  readonly state: 'known' | 'unknown';
  /** Where the content comes from: `disk` and `seed` until upstream has confirmed or replaced it. */
  readonly source: 'none' | 'upstream' | 'disk' | 'seed' | 'memory';
  /** Upstream confirms at this moment that this is what it has. */
  readonly isCurrent: boolean;
  /** Time since it was known to be current, in ms: 0 while it is, undefined if it never was. */
  readonly ageMs: number | undefined;
  /** Older than the setting maxAge allows. */
  readonly isStale: boolean;
  /** Clients that start are given nothing of it for now. */
  readonly isWithheld: boolean;
  /** Content version that SotW clients are given (R90). */
  readonly versionInfo: string;
  readonly resources: number;
  /** Sum of the encoded bodies in bytes. */
  readonly bytes: number;
  /** Wall time of the last change, or undefined when nothing was ever heard. */
  readonly updatedWallMs: number | undefined;
  readonly isWildcardWanted: boolean;
  /** Names that clients ask for explicitly, lingering ones included. */
  readonly namesWanted: number;
  /** Names asked for that exist neither here nor, as far as known, upstream. */
  readonly namesMissing: number;
  /** Named resources that nobody subscribes at the moment and that wait in the idle tier. */
  readonly idleResources: number;
  /** Contents that every client that answered rejected (R102). */
  readonly quarantined: readonly QuarantineReport[];
  /** Removals that the guard holds back (R79). */
  readonly heldRemovals: number;
}

/** One refused content. */
export interface QuarantineReport {
  readonly name: string;
  /** The clients' words; they can quote configuration, so they are for the admin API only (R52). */
  readonly words: string;
  readonly sinceWallMs: number;
  /** What clients that start are given in its place. */
  readonly served: 'last accepted' | 'nothing' | 'all the same';
}

/** The disk cache. */
export interface CacheReport {
  readonly state: 'ok' | 'failing';
  readonly error: string | undefined;
  readonly sinceWallMs: number | undefined;
  /** Size of the file in bytes. */
  readonly bytes: number;
}

/** One type on one client stream. */
export interface ClientTypeReport {
  readonly typeUrl: string;
  readonly shortName: string;
  readonly status: 'SYNCED' | 'STALE' | 'NOT SENT' | 'REJECTED';
  /** Whether every name asked for was answered and, for a wildcard, the whole set was sent. */
  readonly isComplete: boolean;
  readonly lastAckedVersion: string;
  /** Text of the last NACK, until an ACK follows; it can quote configuration, so it is for the admin API only (R52). */
  readonly lastError: string | undefined;
}

/** One local client stream. */
export interface ClientReport {
  readonly streamId: number;
  readonly viewKey: string | undefined;
  readonly nodeId: string;
  readonly nodeCluster: string;
  readonly userAgent: string;
  readonly variant: 'delta' | 'sotw';
  /** Local address that the client connected to. */
  readonly listener: string;
  readonly connectedWallMs: number;
  readonly types: readonly ClientTypeReport[];
}

/** One cached resource, without its body. */
export interface ResourceReport {
  readonly name: string;
  /** Upstream's per-resource version; may be empty (SotW upstream, Istio). */
  readonly version: string;
  readonly bytes: number;
  /** Digest of the body (base64url), the same for the same bytes. */
  readonly digest: string;
}

/** The whole agent at one moment. */
export interface AgentReport {
  readonly startedWallMs: number;
  readonly nowWallMs: number;
  readonly isListening: boolean;
  readonly isDraining: boolean;
  readonly upstreams: readonly UpstreamReport[];
  readonly types: readonly TypeReport[];
  readonly clients: readonly ClientReport[];
  /** Undefined without a disk cache. */
  readonly cache: CacheReport | undefined;
  /** A seed is there for clients whose node it fits. */
  readonly isSeeded: boolean;
  readonly load: LoadReport;
}

/** One sample for `/metrics`. Names carry no prefix; the renderer adds `weir_`. Labels never come from outside data but type URLs. */
export interface MetricSample {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly value: number;
}

/** What an operator may change. Every call is one event to the agent. */
export interface AdminControl {
  /** Lets pass what the guard holds back, of one type (short name or URL) or of all. Returns how many removals were held. */
  passGuard(type: string | undefined): number;
  /** What is on disk, without contents; undefined without a disk. */
  listCache(): readonly CachedView[] | undefined;
  /** Everything that is on disk of the node used last, as an unsigned seed bundle; undefined when there is nothing. */
  exportCache(): Uint8Array | undefined;
  /** Drops from the disk what is not in use now. Returns the number of views. */
  purgeCache(): number;
  /**
   * What is said upstream from now on, line by line; undefined when too many are being recorded.
   *
   * @param isWhole upstream streams are opened anew, so that everything held is sent once more
   */
  record(isWhole: boolean): Readable | undefined;
}

/** One node in the disk cache. */
export interface CachedView {
  readonly viewKey: string;
  readonly nodeId: string;
  readonly nodeCluster: string;
  readonly usedWallMs: number;
  readonly types: readonly {
    readonly typeUrl: string;
    readonly shortName: string;
    readonly isKnown: boolean;
    readonly confirmedWallMs: number;
    readonly resources: number;
    readonly bytes: number;
    readonly quarantined: number;
    readonly withheld: number;
    readonly sealed: number;
  }[];
}

/** A health verdict with the reason a human reads at 3 a.m. */
export interface HealthVerdict {
  readonly isOk: boolean;
  readonly reason: string;
}

/** Where the admin pages get everything they show. */
export interface AdminSource {
  report(): AgentReport;
  /** Cached resources of a type in a view, in no particular order. */
  resources(viewKey: string, typeUrl: string): Iterable<ResourceReport>;
  metrics(): Iterable<MetricSample>;
}
