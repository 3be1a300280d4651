import type { TypeStore } from '../cache/store.ts';
import type { TypeScope } from '../xds/type-scope.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { AnswerShelf } from './answer-shelf.ts';

/** What a view offers of one type to all its clients. */
export interface TypeSource {
  readonly store: TypeStore;
  readonly shelf: AnswerShelf;
  /** Short text that makes nonces of this type differ from those of the others on a stream. */
  readonly noncePrefix: string;
  /** Upstream's newest `version_info`, shown to Delta clients as `system_version_info` (R6). */
  upstreamVersion: string;
}

/** What a client that asks for a type is offered. */
export interface TypeOffer {
  /** What its view has. */
  readonly source: TypeSource;
  /** What of that it may see. */
  readonly scope: TypeScope;
  /** `control_plane.identifier`, as it is when it is asked for. */
  readonly controlPlane: () => string;
  /** See `ClientSubscription`. */
  readonly isWildcardSticky: boolean;
}

/** A message ready to be written. */
export interface Message {
  readonly bytes: Buffer;
  /** CDS: names of the endpoints that have to follow (R87). */
  readonly warms: readonly string[];
  /** EDS: names answered by this message. */
  readonly endpoints: readonly string[];
  /** Resources in it that some client, or an earlier process, was sent before: without the cache upstream would send them again. */
  readonly resent: number;
  /** Store revision that the client was level with before it, -1 for none. */
  readonly fromRevision: number;
}

/** A message of one type. */
export interface Outgoing {
  readonly typeUrl: TypeUrl;
  readonly bytes: Buffer;
  /** See {@link Message.resent}. */
  readonly resent: number;
  /** See {@link Message.fromRevision}. */
  readonly fromRevision: number;
}
