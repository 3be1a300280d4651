/** Names, a bounded number of them. */
export interface NameList {
  /** How many there are. */
  readonly count: number;
  /** The first of them. */
  readonly names: readonly string[];
}

/** Something that happened, as `/events` tells it. Names resources, nodes and reasons; never contents. */
export interface AgentEvent {
  /** Rises by one from 1 with each event of the process. */
  readonly seq: number;
  /** When it happened first, in ms since the epoch. */
  readonly wallMs: number;
  /** How often it happened without anything of its kind in between, and when last. */
  readonly times: number;
  readonly lastWallMs: number;
  /** `update`: what is served changed. The others are told apart for filters. */
  readonly kind:
    | 'update'
    | 'upstream'
    | 'client'
    | 'rejection'
    | 'quarantine'
    | 'guard'
    | 'missing'
    | 'restore'
    | 'stale'
    | 'disk'
    | 'credential'
    | 'scope'
    | 'drift'
    | 'agent';
  readonly level: 'info' | 'warn' | 'error';
  /** One sentence, as in the log. */
  readonly message: string;
  readonly viewKey?: string | undefined;
  readonly streamId?: number | undefined;
  readonly nodeId?: string | undefined;
  readonly typeUrl?: string | undefined;
  /** `CDS` …, or the type URL itself. */
  readonly shortName?: string | undefined;
  /** Of an `update`: what it did. */
  readonly names?: { readonly added: NameList; readonly changed: NameList; readonly removed: NameList } | undefined;
  /** Of an `update`: why. See `ChangeReason`. */
  readonly why?: 'response' | 'switch' | 'inferred' | 'guard' | 'ttl' | undefined;
  /** Of others: the resources that it is about. */
  readonly resources?: NameList | undefined;
}

/** Which events are asked for; all without it. */
export interface EventQuery {
  readonly afterSeq?: number | undefined;
  /** That happened, or happened again, at this time or later. */
  readonly sinceWallMs?: number | undefined;
  readonly typeUrl?: string | undefined;
  readonly viewKey?: string | undefined;
  /** That name this resource. */
  readonly name?: string | undefined;
  readonly kinds?: readonly string[] | undefined;
}

/** How the agent was doing at one moment of the last hour, and since the moment before. */
export interface TrendPoint {
  readonly wallMs: number;
  /** Messages with news that were written to clients. */
  readonly updates: number;
  /** How long they took, as far as the buckets of the histogram tell; undefined where there were none. */
  readonly propagationP50Ms: number | undefined;
  readonly propagationP99Ms: number | undefined;
  /** Age of the oldest type that clients use, in ms; undefined where none was ever heard. */
  readonly oldestAgeMs: number | undefined;
  readonly isConnected: boolean;
  readonly clients: number;
  readonly resources: number;
  /** Memory of the process, in bytes. */
  readonly residentBytes: number;
}
