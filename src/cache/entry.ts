import { digestOf } from '../xds/digest.ts';
import type { WireResource } from '../xds/discovery.ts';
import { aliasesIn } from '../xds/resource-fields.ts';
import { endpointNameOfCluster, spellingIn } from '../xds/resource-name.ts';

/** One cached resource. The body is never changed in place: other bytes make another value of `any`. */
export class Entry {
  readonly name: string;
  /** Encoded `google.protobuf.Any`, empty where only aliases came; owned by the store, read by everybody. */
  any: Buffer;
  /** Upstream's per-resource version, `''` when it gives none. */
  version: string;
  /** Encoded fields of the Delta wrapper that are passed on untouched. */
  extra: Buffer | undefined;
  /** Store revision of the newest change of the body. */
  revision: number;
  /**
   * Store revision at which the name first existed, counting incarnations that were removed since: a client that was level
   * before it never had the resource.
   */
  readonly firstSeenRevision: number;
  /** Wall time in ms at which this content came; 0 where that is not known. */
  readonly changedWallMs: number;
  /** Other names that it may be asked for by (R18). */
  aliases: readonly string[];
  /** Revision of the content that some client was sent last; what no client was sent yet is below {@link revision}. */
  toldRevision = -1;
  /** Whether a client has accepted this content (R102). */
  isAccepted = false;
  /** While this content is not accepted: the one before it that was. */
  good: Entry | undefined;
  #digest: string | undefined;
  #endpointName: string | null | undefined;

  constructor(
    resource: WireResource,
    any: Buffer,
    revision: number,
    firstSeenRevision: number,
    changedWallMs = resource.changedWallMs ?? 0,
  ) {
    this.name = resource.name;
    this.any = any;
    this.version = resource.version;
    this.extra = resource.extra;
    this.aliases = aliasesIn(resource.extra);
    this.revision = revision;
    this.firstSeenRevision = firstSeenRevision;
    this.changedWallMs = changedWallMs;
  }

  /** Takes other wrapper fields for the same body. */
  describe(extra: Buffer | undefined): void {
    this.extra = extra;
    this.aliases = aliasesIn(extra);
  }

  /** Content digest of the body, computed when first asked for. */
  get digest(): string {
    this.#digest ??= digestOf(this.any);
    return this.#digest;
  }

  /** For a Cluster: the name of its endpoints (rulebook 1.2), undefined when it uses none. */
  get endpointName(): string | undefined {
    if (this.#endpointName === undefined) this.#endpointName = endpointNameOfCluster(this.any) ?? null;
    return this.#endpointName ?? undefined;
  }

  /** The name as its control plane spells it (R32). */
  get spelling(): string {
    return spellingIn(this.name, this.any);
  }
}

/** Names of the endpoints that these clusters use. */
export function endpointNamesOf(clusters: Iterable<Entry>): string[] {
  const names: string[] = [];
  for (const { endpointName } of clusters) if (endpointName !== undefined) names.push(endpointName);
  return names;
}

/** A name that was removed, kept until every client has heard of it. */
export interface Tombstone {
  /** Store revision of the removal. */
  readonly revision: number;
  readonly removedAtMs: number;
  /** What was removed: SotW clients are still sent it while the removal waits for routes and listeners (R86). */
  readonly entry: Entry;
}

/** How Weir knows that a wanted name does not exist (R23, R95, R115). */
export type AbsentReason =
  /** Upstream said so. */
  | 'upstream'
  /** Upstream answered with an error in its place, which clients are told as that (R24, R119). */
  | 'error'
  /** Upstream answered the same request without it, or the complete set lacks it. */
  | 'inferred'
  /** The 15 s resource timer of xDS ran out: a guess, good for completeness and metrics only. */
  | 'timeout';
