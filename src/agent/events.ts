import type { ClientEvent } from '../local-ads/server.ts';
import type { ChannelEvent } from '../upstream/channel.ts';
import type { SessionNote, UpstreamEffect } from '../upstream/session-events.ts';
import type { StreamGroup } from '../xds/type-urls.ts';
import type { TypeUrl, Variant, ViewKey } from '../xds/types.ts';

/** Everything that can happen to the core: past tense, a closed union. Events of streams that ended are passed over. */
export type CoreEvent = ClientEvent | ChannelEvent | { readonly kind: 'tick' } | { readonly kind: 'drain_requested' };

/** Everything the core can want: imperative, a closed union, done in order before the next event. */
export type CoreEffect =
  | UpstreamEffect
  | { readonly kind: 'send_client'; readonly streamId: number; readonly bytes: Buffer }
  | { readonly kind: 'close_client'; readonly streamId: number; readonly code: number; readonly message: string }
  | { readonly kind: 'note'; readonly note: Note };

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
  | { readonly kind: 'client_refused'; readonly streamId: number; readonly code: number; readonly reason: string }
  | {
      readonly kind: 'client_nack';
      readonly streamId: number;
      readonly nodeId: string;
      readonly typeUrl: TypeUrl;
      readonly message: string;
    }
  | { readonly kind: 'client_sent'; readonly bytes: number }
  | {
      readonly kind: 'view_opened';
      readonly viewKey: ViewKey;
      readonly nodeId: string;
      readonly replaces: ViewKey | undefined;
    }
  | { readonly kind: 'upstream'; readonly group: StreamGroup; readonly note: SessionNote }
  | {
      readonly kind: 'response_applied';
      readonly typeUrl: TypeUrl;
      readonly versionInfo: string;
      readonly resources: number;
      readonly changes: number;
      readonly removed: number;
      readonly ignored: number;
      readonly bytes: number;
    }
  | { readonly kind: 'response_refused'; readonly typeUrl: TypeUrl; readonly reason: string }
  | { readonly kind: 'response_broken'; readonly group: StreamGroup; readonly reason: string }
  | { readonly kind: 'response_unasked'; readonly typeUrl: TypeUrl }
  | {
      readonly kind: 'upstream_answered';
      readonly typeUrl: TypeUrl;
      readonly verdict: 'ack' | 'nack';
      readonly reason: string | undefined;
    }
  | { readonly kind: 'type_isolated'; readonly typeUrl: TypeUrl; readonly reason: string }
  | { readonly kind: 'type_complete'; readonly typeUrl: TypeUrl; readonly resources: number }
  | {
      readonly kind: 'names_missing';
      readonly typeUrl: TypeUrl;
      readonly names: readonly string[];
      readonly reason: 'inferred' | 'timeout';
    }
  | { readonly kind: 'drain_started'; readonly clients: number };
