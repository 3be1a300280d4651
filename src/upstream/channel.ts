import type { Variant } from '../xds/types.ts';
import type { ConnectionPool, PooledStream } from './connection-pool.ts';

/** What happens on upstream streams; each belongs to the stream whose number it carries. */
export type ChannelEvent =
  | { readonly kind: 'upstream_opened'; readonly streamId: number }
  | { readonly kind: 'upstream_writable'; readonly streamId: number }
  | { readonly kind: 'upstream_response'; readonly streamId: number; readonly bytes: Buffer }
  /** The server has said that it is about to close the connection (GOAWAY); the stream goes on until it does. */
  | { readonly kind: 'upstream_leaving'; readonly streamId: number }
  /** The server has answered a probe: what it had sent before has arrived. */
  | { readonly kind: 'upstream_alive'; readonly streamId: number }
  | { readonly kind: 'upstream_closed'; readonly streamId: number; readonly code: number; readonly message: string };

const methodOf: Readonly<Record<Variant, string>> = {
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
};

/**
 * The gRPC shell towards the control plane. Messages pass as bytes in both directions; when to connect again is decided by the session's
 * back-off alone.
 */
export class UpstreamChannels {
  readonly #pool: ConnectionPool;
  readonly #post: (event: ChannelEvent) => void;
  readonly #streams = new Map<number, PooledStream>();

  constructor(pool: ConnectionPool, post: (event: ChannelEvent) => void) {
    this.#pool = pool;
    this.#post = post;
  }

  /** Opens a stream, dialling if need be; ends in `upstream_opened` or `upstream_closed`. */
  open(streamId: number, variant: Variant, address: string): void {
    const post = (event: ChannelEvent): void => {
      if (this.#streams.has(streamId)) this.#post(event);
    };
    const stream = this.#pool.open(address, methodOf[variant], {
      // On a connection that stands it is open at once; the core takes one event at a time.
      opened: () => queueMicrotask(() => post({ kind: 'upstream_opened', streamId })),
      message: bytes => post({ kind: 'upstream_response', streamId, bytes }),
      leaving: () => queueMicrotask(() => post({ kind: 'upstream_leaving', streamId })),
      ended: (code, message) => {
        queueMicrotask(() => {
          if (this.#streams.delete(streamId)) this.#post({ kind: 'upstream_closed', streamId, code, message });
        });
      },
    });
    this.#streams.set(streamId, stream);
  }

  /** Writes one request; `upstream_writable` follows when it has left. */
  send(streamId: number, bytes: Buffer): void {
    this.#streams.get(streamId)?.write(bytes, () => {
      if (this.#streams.has(streamId)) this.#post({ kind: 'upstream_writable', streamId });
    });
  }

  /** Finds out whether the connection of a stream is alive; `upstream_alive` follows if so. */
  probe(streamId: number): void {
    this.#streams.get(streamId)?.probe(() => {
      if (this.#streams.has(streamId)) this.#post({ kind: 'upstream_alive', streamId });
    });
  }

  /** Ends a stream; nothing more is heard of it. */
  close(streamId: number): void {
    const stream = this.#streams.get(streamId);
    this.#streams.delete(streamId);
    stream?.cancel();
  }

  /** Ends all streams. */
  closeAll(): void {
    for (const streamId of [...this.#streams.keys()]) this.close(streamId);
  }
}
