import type { TypeUrl, ViewKey } from '../xds/types.ts';

/** One content of a resource as it is kept outside the process. Buffers are owned by whoever holds the record. */
export interface StoredContent {
  /** Upstream's per-resource version, `''` when it gave none. */
  readonly version: string;
  /** Encoded `google.protobuf.Any`. */
  readonly any: Buffer;
  /** Encoded fields of the Delta wrapper that are passed on untouched. */
  readonly extra: Buffer | undefined;
}

/**
 * What is known of a content's worth (R102). `accepted`: a client took it; `presumed`: nobody objected in time, or nobody was there;
 * `refused`: every client that answered rejected it, so it is quarantined.
 */
export type Trust = 'accepted' | 'presumed' | 'refused';

/** One resource: its newest content and, where a client has not accepted that, the last one that was. */
export interface StoredResource extends StoredContent {
  readonly name: string;
  readonly trust: Trust;
  /** Of a refused content: the clients' words, and whether they named this very resource. */
  readonly refusal: Refusal | undefined;
  /** The content that a client accepted last, if it is another one. */
  readonly good: StoredContent | undefined;
  /** Wall time in ms at which the resource's TTL ends (R113); undefined without TTL. */
  readonly deadlineWallMs: number | undefined;
  /** Wall time in ms at which the content came; left out where that is not known, as in seeds. */
  readonly changedWallMs?: number | undefined;
}

/** Why a content is in quarantine. */
export interface Refusal {
  /** The clients' words as they went upstream (R101). */
  readonly words: string;
  /** Whether the words name the resource: only then it may be left out where it never had a good content. */
  readonly isNamed: boolean;
  readonly sinceWallMs: number;
}

/** What is kept of a type besides its resources. */
export interface StoredTypeState {
  /** The set is complete for a wildcard, maybe empty. */
  readonly isKnown: boolean;
  /** Wall time in ms at which it was last known to be what upstream has. */
  readonly confirmedWallMs: number;
  /** Upstream's newest `version_info`. */
  readonly upstreamVersion: string;
  /** Server that it came from, as configured; empty when that is not known (seeds, files of an older format). */
  readonly server: string;
  /** Key of the scope that it was kept under: complete is what that scope lets see. Empty when nothing was left out. */
  readonly scope: string;
}

/**
 * One type of a view as it was loaded. A set that was complete and of which something is missing or damaged is no set: it comes without
 * resources and is not known (R104). What was kept name by name comes without the names that are missing.
 */
export interface StoredType extends StoredTypeState {
  readonly typeUrl: TypeUrl;
  readonly resources: readonly StoredResource[];
}

/** Where stored configuration came from; `memory`: it was kept while nobody used the view. */
export type Provenance = 'disk' | 'seed' | 'memory';

/** One view as it was loaded. */
export interface StoredView {
  readonly viewKey: ViewKey;
  /** Digest of the node's projection by which another process finds it (R69). */
  readonly matchKey: string;
  /** Encoded Node that its upstream streams carry. */
  readonly node: Buffer;
  /** Wall time in ms at which it was used last. */
  readonly usedWallMs: number;
  readonly provenance: Provenance;
  /** The rows on disk are another node's, and stay as they are. */
  readonly isCopy?: boolean;
  readonly types: readonly StoredType[];
}

/** What the core wants written. The changes of one effect reach the disk together or not at all. */
export type DiskChange =
  /** A view came to life. It takes over the rows of the view `replaces`, if that is another one. */
  | {
      readonly kind: 'view';
      readonly viewKey: ViewKey;
      readonly matchKey: string;
      readonly node: Buffer;
      readonly wallMs: number;
      readonly replaces: ViewKey | undefined;
    }
  | {
      readonly kind: 'type';
      readonly viewKey: ViewKey;
      readonly typeUrl: TypeUrl;
      readonly state: StoredTypeState;
    }
  /** Drops every row of the type: what follows is the whole. */
  | { readonly kind: 'clear'; readonly viewKey: ViewKey; readonly typeUrl: TypeUrl }
  | { readonly kind: 'put'; readonly viewKey: ViewKey; readonly typeUrl: TypeUrl; readonly resource: StoredResource }
  | { readonly kind: 'delete'; readonly viewKey: ViewKey; readonly typeUrl: TypeUrl; readonly name: string };
