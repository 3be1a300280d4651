import type { NameList } from './agent-event.ts';

/**
 * What the admin pages show of the agent. All reports are fresh plain objects: the caller may keep them, they never change under its hands.
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

/** Memory of the process. */
export interface MemoryReport {
  readonly residentBytes: number;
  /** Of that, what no other process shares (RssAnon): what one more agent on a machine costs. Undefined where the system does not tell. */
  readonly ownBytes: number | undefined;
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
  /** The first of them, a few. */
  readonly missingNames: readonly string[];
  /** Named resources that nobody subscribes at the moment and that wait in the idle tier. */
  readonly idleResources: number;
  /** Nobody subscribes the list at the moment, and it is kept whole for whoever comes. */
  readonly isListIdle: boolean;
  /** Wall time in ms until which the newest of what nobody subscribes is kept; undefined where there is none, and in an outage, which gives nothing up. */
  readonly idleUntilWallMs: number | undefined;
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
  /** Whether secrets are on it, too, sealed or plain (setting secrets). */
  readonly keepsSecrets: boolean;
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
  /** `SENT`: it has the newest, and clients never acknowledge what this type holds. */
  readonly status: 'SYNCED' | 'STALE' | 'SENT' | 'NOT SENT' | 'REJECTED';
  /** Whether every name asked for was answered and, for a wildcard, the whole set was sent. */
  readonly isComplete: boolean;
  readonly lastAckedVersion: string;
  /** Text of the last NACK, until what was rejected is taken or replaced; it can quote configuration, so it is for the admin API only (R52). */
  readonly lastError: string | undefined;
  /** Names that it rejected: those that its words name, or all of the message where they name none. Undefined without a rejection. */
  readonly rejected?: NameList | undefined;
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

/** What one client has said of one resource. `sent`: it has it, and clients of this type never answer. */
export interface ResourceWord {
  readonly streamId: number;
  readonly nodeId: string;
  readonly word: 'acked' | 'nacked' | 'sent' | 'pending' | 'not sent';
  /** Text of the NACK; see {@link ClientTypeReport.lastError}. */
  readonly error: string | undefined;
}

/** How many of the clients that subscribe a resource have said what. */
export interface ResourceWords {
  readonly subscribed: number;
  readonly acked: number;
  readonly nacked: number;
  readonly sent: number;
}

/** One resource that is held, and what became of it. */
export interface HeldResource extends ResourceReport {
  readonly viewKey: string;
  readonly typeUrl: string;
  /** `metadata.version` of Istio's mesh configuration, empty where it has none; undefined for other types. */
  readonly metadataVersion: string | undefined;
  /** Wall time in ms at which this content came; undefined where that is not known, as of what a seed brought. */
  readonly changedWallMs: number | undefined;
  /** Wall time in ms at which its TTL ends; undefined without one. */
  readonly endsWallMs: number | undefined;
  readonly source: TypeReport['source'];
  /** The control plane that it came from, as configured; undefined where that is not known. */
  readonly server: string | undefined;
  readonly isCurrent: boolean;
  /** Wall time in ms at which upstream was last known to have it; undefined for never. */
  readonly confirmedWallMs: number | undefined;
  readonly trust: 'accepted' | 'presumed' | 'refused';
  /** Nobody subscribes it at the moment. */
  readonly isIdle: boolean;
  readonly words: ResourceWords;
  /** The same client by client, if it was asked for. */
  readonly clients: readonly ResourceWord[] | undefined;
  /** Its newest content is refused; what is shown is what is served, or the refused content where nothing is. */
  readonly quarantine: QuarantineReport | undefined;
  /** Encoded `google.protobuf.Any`, if it was asked for and may be shown; owned by the agent. */
  readonly body: Uint8Array | undefined;
  /** Why the body is not shown although it was asked for. */
  readonly withheld: string | undefined;
}

/** Clients of one node that were refused at one listener for one reason, until the node is let in or for some minutes. */
export interface RefusalReport {
  /** The node that they say they are, proven or not; empty where they were refused before they could say. */
  readonly nodeId: string;
  readonly listener: string;
  /** gRPC status that their streams were ended with. */
  readonly code: number;
  readonly reason: string;
  readonly times: number;
  /** Wall time in ms at which it happened first and last. */
  readonly firstWallMs: number;
  readonly lastWallMs: number;
}

/** The whole agent at one moment. */
export interface AgentReport {
  readonly startedWallMs: number;
  readonly nowWallMs: number;
  readonly isListening: boolean;
  readonly isDraining: boolean;
  readonly memory: MemoryReport;
  readonly upstreams: readonly UpstreamReport[];
  /** Control planes that were configured, the preferred one first. */
  readonly servers: readonly string[];
  readonly types: readonly TypeReport[];
  readonly clients: readonly ClientReport[];
  /** Clients that were refused lately and whose node was not let in since; what happened last first, a bounded number. */
  readonly refusals: readonly RefusalReport[];
  /** Undefined without a disk cache. */
  readonly cache: CacheReport | undefined;
  /** A seed is there for clients whose node it fits. */
  readonly isSeeded: boolean;
  readonly load: LoadReport;
  /** Nodes that no client is of at the moment and that are kept in memory, and for how long at most, in ms. */
  readonly idleNodes: { readonly count: number; readonly keptMs: number };
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
    /** Wall time in ms at which the first TTL ends; undefined without one, and for nodes that are on disk only while an agent runs. */
    readonly endsWallMs?: number | undefined;
    /** In memory: as in {@link TypeReport}. Undefined where no agent runs, or does not have it in memory. */
    readonly idle?: { readonly resources: number; readonly untilWallMs: number | undefined } | undefined;
  }[];
}

/** One row of the disk cache, without its content. */
export interface CachedResource {
  readonly viewKey: string;
  readonly typeUrl: string;
  /** Empty for damaged rows, whose names are not certain. */
  readonly name: string;
  /** `withheld`: only its name is there, since it holds a key, or must not be kept. */
  readonly state: 'kept' | 'withheld' | 'sealed with another key' | 'damaged';
  readonly version: string;
  readonly metadataVersion: string | undefined;
  /** Size of the body in bytes; 0 for secrets, of which only the name is shown. */
  readonly bytes: number;
  readonly trust: 'accepted' | 'presumed' | 'refused' | undefined;
  readonly changedWallMs: number | undefined;
  /** Wall time in ms at which its type was last known to be what upstream has; 0 for never. */
  readonly confirmedWallMs: number;
  readonly endsWallMs: number | undefined;
}
