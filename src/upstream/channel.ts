import {
  type ClientDuplexStream,
  connectivityState,
  credentials,
  Client as GrpcClient,
  logVerbosity,
  Metadata,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import { formatAddress, parseAddress } from '../xds/address.ts';
import type { Variant } from '../xds/types.ts';

/** What happens on upstream streams; each belongs to the stream whose number it carries. */
export type ChannelEvent =
  | { readonly kind: 'upstream_opened'; readonly streamId: number }
  | { readonly kind: 'upstream_writable'; readonly streamId: number }
  | { readonly kind: 'upstream_response'; readonly streamId: number; readonly bytes: Buffer }
  | { readonly kind: 'upstream_closed'; readonly streamId: number; readonly code: number; readonly message: string };

/** Limits of the connection upstream. */
export interface ChannelSettings {
  /** Largest response in bytes. */
  readonly responseBytesMax: number;
}

const methodOf: Readonly<Record<Variant, string>> = {
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
};

/** Large responses stall on the 64 KiB default (perf-facts.md). */
const flowControlWindow = 4 * 1024 * 1024;
/** gRPC servers punish pings more often than every five minutes unless told otherwise (R121). */
const keepaliveMs = 330_000;
const connectTimeoutMs = 10_000;

const asIs = (bytes: Buffer): Buffer => bytes;

interface OpenStream {
  readonly client: GrpcClient;
  readonly call: ClientDuplexStream<Buffer, Buffer>;
}

/**
 * The gRPC shell towards the control plane. Every stream gets a channel of its own, so that when to connect again is decided by the
 * session's back-off alone. Messages pass as bytes in both directions.
 */
export class UpstreamChannels {
  readonly #settings: ChannelSettings;
  readonly #post: (event: ChannelEvent) => void;
  readonly #streams = new Map<number, OpenStream>();

  constructor(settings: ChannelSettings, post: (event: ChannelEvent) => void) {
    this.#settings = settings;
    this.#post = post;
    // grpc-js prints its own errors to stderr; each reaches us as a status as well.
    setLogVerbosity(logVerbosity.NONE);
  }

  /** Dials and opens the stream; ends in `upstream_opened` or `upstream_closed`. */
  open(streamId: number, variant: Variant, address: string): void {
    const client = new GrpcClient(dialTarget(address), credentials.createInsecure(), {
      'grpc.max_receive_message_length': this.#settings.responseBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc-node.flow_control_window': flowControlWindow,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': 20_000,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
    });
    const call = client.makeBidiStreamRequest(methodOf[variant], asIs, asIs, new Metadata());
    this.#streams.set(streamId, { client, call });
    call.on('data', (bytes: Buffer) => {
      if (this.#streams.has(streamId)) this.#post({ kind: 'upstream_response', streamId, bytes });
    });
    // The status event follows in every case and carries the same; without a listener an error would be thrown.
    call.on('error', () => {});
    call.on('status', ended => {
      const isTooLarge = ended.code === status.RESOURCE_EXHAUSTED && ended.details.startsWith('Received message');
      // grpc-js ends its words on a failed dial with a note that is empty unless the name could not be resolved.
      const details = ended.details.replace(/\.? Resolution note: $/, '');
      this.#ended(streamId, ended.code, isTooLarge ? `${details} (setting responseBytesMax)` : details);
    });
    this.#awaitReady(streamId, client, Date.now() + connectTimeoutMs);
  }

  /** Writes one request; `upstream_writable` follows when it has left. */
  send(streamId: number, bytes: Buffer): void {
    this.#streams.get(streamId)?.call.write(bytes, () => {
      if (this.#streams.has(streamId)) this.#post({ kind: 'upstream_writable', streamId });
    });
  }

  /** Ends a stream; nothing more is heard of it. */
  close(streamId: number): void {
    const stream = this.#streams.get(streamId);
    this.#streams.delete(streamId);
    stream?.call.cancel();
    stream?.client.close();
  }

  /** Ends all streams. */
  closeAll(): void {
    for (const streamId of [...this.#streams.keys()]) this.close(streamId);
  }

  #awaitReady(streamId: number, client: GrpcClient, deadline: number): void {
    const stream = this.#streams.get(streamId);
    if (!stream) return;
    const channel = client.getChannel();
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) {
      this.#post({ kind: 'upstream_opened', streamId });
      return;
    }
    // A refused connection ends the call by itself, with the cause in its status.
    channel.watchConnectivityState(state, deadline, error => {
      if (!error) this.#awaitReady(streamId, client, deadline);
      else this.#ended(streamId, status.UNAVAILABLE, `no connection within ${connectTimeoutMs} ms`);
    });
  }

  #ended(streamId: number, code: number, message: string): void {
    if (!this.#streams.has(streamId)) return;
    this.close(streamId);
    this.#post({ kind: 'upstream_closed', streamId, code, message });
  }
}

/** grpc-js's name for an address. */
function dialTarget(text: string): string {
  const address = parseAddress(text);
  if ('error' in address) return text;
  return address.kind === 'unix' ? `unix:${address.path}` : `dns:${formatAddress(address)}`;
}
