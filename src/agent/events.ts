import type { DriftCheck } from '../admin/drift-report.ts';
import type { DiskChange, Provenance, StoredView } from '../cache/stored.ts';
import type { ClientEvent } from '../local-ads/server.ts';
import type { ChannelEvent } from '../upstream/channel.ts';
import type { Received, SessionNote, UpstreamEffect } from '../upstream/session-events.ts';
import type { StreamGroup } from '../xds/type-urls.ts';
import type { Nonce, TypeUrl, Variant, ViewKey } from '../xds/types.ts';
import type { ChangeReason, ContentChange } from './content-change.ts';

/** Everything that can happen to the core: past tense, a closed union. Events of streams that ended are passed over. */
export type CoreEvent =
  | ClientEvent
  | ChannelEvent
  /** What was kept outside the process was looked for: the view to start with, if there is one. */
  | { readonly kind: 'disk_loaded'; readonly view: StoredView | undefined }
  /** The disk was begun anew and has nothing of what it was told. */
  | { readonly kind: 'disk_lost' }
  /** There is a seed now, for views that have nothing yet. */
  | { readonly kind: 'seed_loaded' }
  /** An operator lets pass what the guard holds back, of one type or of all. */
  | { readonly kind: 'guard_passed'; readonly typeUrl: TypeUrl | undefined }
  /** Certificates or tokens for the control plane have changed. */
  | { readonly kind: 'credentials_changed' }
  /** An operator wants to know whether what is held is what the control plane has. */
  | { readonly kind: 'drift_check_requested' }
  /** Somebody writes down what is said upstream, and wants it from its beginning. */
  | { readonly kind: 'recording_begun' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'drain_requested' };

/** Everything the core can want: imperative, a closed union, done in order before the next event. */
export type CoreEffect =
  | UpstreamEffect
  | { readonly kind: 'send_client'; readonly streamId: number; readonly bytes: Buffer }
  | { readonly kind: 'close_client'; readonly streamId: number; readonly code: number; readonly message: string }
  /** Changes of one event, to be on disk together or not at all. */
  | { readonly kind: 'write_disk'; readonly changes: readonly DiskChange[] }
  /** With the view whose it is, where it is a view's. */
  | { readonly kind: 'note'; readonly note: Note; readonly viewKey?: ViewKey | undefined };

/**
 * What the core tells of itself: the only observation there is. It becomes a log line and a metric. Notes name resources, nodes and
 * reasons, never bodies.
 */
export type Note =
  | {
      readonly kind: 'client_attached';
      readonly streamId: number;
      readonly nodeId: string;
      readonly variant: Variant;
      readonly listener: string;
    }
  | { readonly kind: 'client_detached'; readonly streamId: number; readonly nodeId: string }
  | {
      readonly kind: 'client_refused';
      /** Undefined where it was refused before it was given a number. */
      readonly streamId: number | undefined;
      readonly code: number;
      readonly reason: string;
      /** Name of the listener that it came to. */
      readonly listener: string;
      /** The node that it says it is, proven or not; empty where it has not said. */
      readonly nodeId: string;
    }
  | {
      readonly kind: 'client_nack';
      readonly streamId: number;
      readonly nodeId: string;
      readonly typeUrl: TypeUrl;
      readonly message: string;
      /** Digest of the contents that it may be about. */
      readonly content: string;
      /** What it is about: the names that its words name, else all that were news in the message. */
      readonly names: readonly string[];
    }
  | {
      /** Something that a scope does not open was asked for, or came from upstream and is not kept (setting scopes). */
      readonly kind: 'scope_denied';
      /** A wildcard is given less than everything, or nothing. Upstream's resources are told of once for each type. */
      readonly what: 'names' | 'wildcard' | 'type' | 'upstream';
      readonly typeUrl: TypeUrl;
      /** Undefined where it is upstream's. */
      readonly client: { readonly streamId: number; readonly nodeId: string } | undefined;
      readonly names: readonly string[];
    }
  | {
      readonly kind: 'client_sent';
      readonly typeUrl: TypeUrl;
      readonly bytes: number;
      /** Resources in it that upstream did not have to send for it. */
      readonly resent: number;
      /** When the oldest of upstream's news in it came, monotonic in ms; undefined where it has none that is remembered. */
      readonly newsAtMs: number | undefined;
    }
  | {
      readonly kind: 'view_opened';
      readonly viewKey: ViewKey;
      readonly nodeId: string;
      readonly replaces: ViewKey | undefined;
    }
  /** A client asks for secrets over plain TCP, for the first time (R124). */
  | { readonly kind: 'secrets_over_tcp'; readonly listener: string }
  /** Nobody uses it any more: its upstream streams end, and what it has is put away. */
  | { readonly kind: 'view_idle'; readonly viewKey: ViewKey }
  | {
      readonly kind: 'upstream';
      readonly group: StreamGroup;
      readonly note: SessionNote;
      /** It is of a server that is tried beside the one in use. */
      readonly isTrial: boolean;
    }
  | {
      readonly kind: 'response_applied';
      readonly typeUrl: TypeUrl;
      readonly versionInfo: string;
      readonly resources: number;
      readonly changes: number;
      readonly removed: number;
      readonly ignored: number;
      /** Of those, how many no client of the view may see. */
      readonly denied: number;
      readonly bytes: number;
    }
  /** What is served has changed; told besides what brought it about. */
  | (ContentChange & { readonly kind: 'content_changed'; readonly typeUrl: TypeUrl; readonly why: ChangeReason })
  | { readonly kind: 'response_refused'; readonly typeUrl: TypeUrl; readonly reason: string }
  | { readonly kind: 'response_broken'; readonly group: StreamGroup; readonly reason: string }
  | { readonly kind: 'response_unasked'; readonly typeUrl: TypeUrl }
  | {
      readonly kind: 'upstream_answered';
      readonly typeUrl: TypeUrl;
      readonly nonce: Nonce;
      readonly verdict: 'ack' | 'nack';
      readonly reason: string | undefined;
      /** How long the control plane has waited for it since its response was taken up, in ms. */
      readonly waitedMs: number;
    }
  | {
      readonly kind: 'type_isolated';
      readonly typeUrl: TypeUrl;
      readonly reason: string;
      /** It is not asked for any more: the upstream allows one stream only. */
      readonly isMuted: boolean;
    }
  | { readonly kind: 'type_complete'; readonly typeUrl: TypeUrl; readonly resources: number }
  | {
      readonly kind: 'names_missing';
      readonly typeUrl: TypeUrl;
      readonly names: readonly string[];
      readonly reason: 'inferred' | 'timeout';
    }
  | {
      readonly kind: 'view_restored';
      readonly viewKey: ViewKey;
      readonly provenance: Provenance;
      readonly types: number;
    }
  | {
      readonly kind: 'type_restored';
      readonly typeUrl: TypeUrl;
      readonly provenance: Provenance;
      readonly resources: number;
      readonly isKnown: boolean;
      /** Left out because their TTL was over. */
      readonly expired: number;
      readonly quarantined: number;
      /** Left out because no client may see them any more. */
      readonly denied: number;
      readonly ageMs: number;
    }
  | {
      readonly kind: 'quarantined';
      readonly typeUrl: TypeUrl;
      readonly names: readonly string[];
      /** Whether the clients' words name them. */
      readonly isNamed: boolean;
      readonly words: string;
    }
  | {
      readonly kind: 'guard_alarm';
      readonly typeUrl: TypeUrl;
      readonly held: number;
      readonly gone: number;
      readonly action: 'warn' | 'hold';
      readonly graceMs: number;
    }
  | {
      readonly kind: 'guard_released';
      readonly typeUrl: TypeUrl;
      readonly names: number;
      readonly reason: 'grace' | 'operator';
    }
  | { readonly kind: 'resources_expired'; readonly typeUrl: TypeUrl; readonly names: readonly string[] }
  | {
      readonly kind: 'type_stale';
      readonly typeUrl: TypeUrl;
      readonly ageMs: number;
      readonly maxAgeMs: number;
      readonly action: 'serve' | 'warn' | 'withhold';
    }
  /** What is held was compared with a fresh fetch. */
  | { readonly kind: 'drift_checked'; readonly check: DriftCheck }
  | { readonly kind: 'drain_started'; readonly clients: number };

/**
 * What is told of a response that was not taken in; undefined for one that was.
 *
 * @param isOpen whether everything of a type may be seen: else the reason, which may name resources, stays between us and the control plane
 */
export function refusalNote(
  received: Received,
  group: StreamGroup,
  isOpen: (typeUrl: TypeUrl) => boolean,
): Note | undefined {
  switch (received.kind) {
    case 'broken':
      return { kind: 'response_broken', group, reason: received.error };
    case 'unasked':
      return { kind: 'response_unasked', typeUrl: received.typeUrl };
    case 'refused':
      return {
        kind: 'response_refused',
        typeUrl: received.typeUrl,
        reason: isOpen(received.typeUrl) ? received.error : 'its form is wrong, as the control plane was told',
      };
    default:
      return undefined;
  }
}
