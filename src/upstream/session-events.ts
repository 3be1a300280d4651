import type { UpstreamResponse } from '../xds/discovery.ts';
import type { TypeUrl, Variant } from '../xds/types.ts';

/** What a session wants done; the core runs it in order. */
export type UpstreamEffect =
  | { readonly kind: 'open_upstream'; readonly streamId: number; readonly variant: Variant; readonly address: string }
  | { readonly kind: 'send_upstream'; readonly streamId: number; readonly bytes: Buffer }
  /** Finds out whether the connection is alive; `upstream_alive` follows if so. */
  | { readonly kind: 'probe_upstream'; readonly streamId: number }
  | { readonly kind: 'close_upstream'; readonly streamId: number };

/** What a session tells of itself: the core makes a log line and a metric of it. */
export type SessionNote =
  | { readonly kind: 'stream_opening'; readonly variant: Variant; readonly address: string }
  | { readonly kind: 'stream_opened'; readonly variant: Variant; readonly address: string }
  /** The first response of a stream came: the server takes us. */
  | { readonly kind: 'stream_answered'; readonly variant: Variant; readonly address: string }
  | {
      readonly kind: 'stream_lost';
      readonly address: string;
      readonly code: number;
      readonly message: string;
      readonly retryInMs: number;
      /** The server had been reached. */
      readonly wasOpen: boolean;
      /** The server had said that it would end it, or its time was near anyway. */
      readonly isPlanned: boolean;
    }
  | { readonly kind: 'stream_recycled'; readonly reason: string }
  | {
      readonly kind: 'server_changed';
      /** Servers as configured. */
      readonly from: string;
      readonly to: string;
      /** Types of which the new one has said nothing in time: what was served of them is served on. */
      readonly open: readonly string[];
    }
  /** Another server has nothing for us, and what is held is served on. */
  | { readonly kind: 'server_passed_over'; readonly address: string; readonly isSilent: boolean }
  | { readonly kind: 'variant_changed'; readonly variant: Variant; readonly reason: string };

/** What one response turned out to be. */
export type Received =
  /** From a stream that is not ours any more. */
  | { readonly kind: 'stale' }
  /** The bytes are no response: the stream was closed. */
  | { readonly kind: 'broken'; readonly error: string }
  /** Refused as a whole (R77); the NACK is queued. */
  | { readonly kind: 'refused'; readonly typeUrl: TypeUrl; readonly error: string }
  /** Of a type that nobody wants; acknowledged and dropped. */
  | { readonly kind: 'unasked'; readonly typeUrl: TypeUrl }
  | {
      readonly kind: 'accepted';
      readonly response: UpstreamResponse;
      readonly isWhole: boolean;
      readonly removed: readonly string[];
    };
