import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  connectivityState,
  Client as GrpcClient,
  type Metadata,
  status,
} from '@grpc/grpc-js';
import { formatAddress, parseAddress } from '../xds/address.ts';

/** What is heard of one stream; nothing more after `ended`. */
export interface StreamListener {
  /** The server is reached and messages can be written. */
  readonly opened: () => void;
  readonly message: (bytes: Buffer) => void;
  /** The server is about to close the connection (GOAWAY); the stream goes on until it does. */
  readonly leaving?: () => void;
  readonly ended: (code: number, message: string) => void;
}

/** A stream as its connection knows it. */
export interface PlacedStream {
  readonly path: string;
  readonly listener: StreamListener;
  /** Headers that it is opened with. */
  readonly metadata: Metadata;
  connection: Connection | undefined;
  call: ClientDuplexStream<Buffer, Buffer> | undefined;
  isPaused: boolean;
}

/** How a server is dialled. */
export interface Dial {
  readonly address: string;
  /** Certificates may be read for it. Rejects with what is wrong with them. */
  readonly credentials: ChannelCredentials | Promise<ChannelCredentials>;
  /** Name that the server is asked for; undefined for the one of the address. */
  readonly serverName: string | undefined;
  /** Largest message from the server in bytes. */
  readonly responseBytesMax: number;
  /** Silence after which a ping is sent, and how long its answer may take, in ms. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** What a connection tells of itself. */
export interface ConnectionListener {
  readonly closed: () => void;
  /** There were fewer places than streams that waited for one. */
  readonly displaced: (stream: PlacedStream) => void;
  /** The server complains about pings. @returns how often it is pinged from now on, in ms */
  readonly tooManyPings: () => number;
  /** More about a dial that failed. */
  readonly explained: (message: string) => Promise<string>;
}

/** Large responses stall on the 64 KiB default (perf-facts.md). */
const flowControlWindow = 4 * 1024 * 1024;
const connectTimeoutMs = 10_000;
/** If nobody tells how many streams the server allows, it is taken to allow any number after so many ms. */
const limitWaitMs = 200;
/** One of several addresses of a name is taken by chance, so that a fleet spreads over the replicas. */
const serviceConfig = JSON.stringify({ loadBalancingConfig: [{ pick_first: { shuffleAddressList: true } }] });

const asIs = (bytes: Buffer): Buffer => bytes;

/** Which connection an HTTP/2 stream is made for: grpc-js does not say how many streams a server allows, nor that it leaves; Node.js does. */
const inside = new AsyncLocalStorage<Connection>();
let isWatching = false;

/** Makes {@link Connection.learnt} be called. */
export function watchStreams(): void {
  if (isWatching) return;
  isWatching = true;
  subscribe('http2.client.stream.created', message => {
    const connection = inside.getStore();
    if (!connection || typeof message !== 'object' || message === null || !('stream' in message)) return;
    const { session } = message.stream as ClientHttp2Stream; // By the documentation of the diagnostics channel.
    if (session) connection.learnt(session as ClientHttp2Session); // That of a client's stream is a client's.
  });
}

/** One HTTP/2 connection. */
export class Connection {
  readonly madeAtMs = performance.now();
  readonly #listener: ConnectionListener;
  readonly #streams = new Set<PlacedStream>();
  #client: GrpcClient | undefined;
  #session: ClientHttp2Session | undefined;
  /** Not begun yet: until the first one stands, nobody knows whether there is a server and how many it takes. */
  #queue: PlacedStream[] = [];
  #phase: 'preparing' | 'dialling' | 'ready' | 'retired' | 'closed' = 'preparing';
  #streamsMax: number | undefined;
  #isOutdated = false;
  /** Why the server ends all streams, where its own words say something else. */
  #complaint: string | undefined;

  constructor(dial: Dial, listener: ConnectionListener) {
    this.#listener = listener;
    const { credentials } = dial;
    if (!(credentials instanceof Promise)) this.#dial(dial, credentials);
    else {
      credentials.then(
        made => {
          if (this.#phase !== 'preparing') return;
          this.#dial(dial, made);
          const [first] = this.#queue.splice(0, 1);
          if (first) this.#begin(first);
        },
        (error: unknown) => {
          if (this.#phase !== 'preparing') return;
          const message = error instanceof Error ? error.message : String(error);
          this.#fail(status.UNAVAILABLE, message, async () => message);
        },
      );
    }
  }

  get hasRoom(): boolean {
    const isUsable = this.#phase === 'preparing' || this.#phase === 'dialling' || this.#phase === 'ready';
    return isUsable && !this.#isOutdated && this.#streams.size + this.#queue.length < (this.#streamsMax ?? Infinity);
  }

  /** Takes a stream over that is not begun. */
  adopt(stream: PlacedStream): void {
    stream.connection = this;
    const isFirst = this.#streams.size === 0 && this.#phase !== 'preparing';
    // The first one finds out whether there is a server: a failed dial ends it with its cause.
    if (isFirst || (this.#phase === 'ready' && this.#streamsMax !== undefined)) this.#begin(stream);
    else this.#queue.push(stream);
  }

  /** The connection stands, and this is it. */
  learnt(session: ClientHttp2Session): void {
    if (this.#session !== session) {
      this.#session = session;
      session.on('goaway', (code: number) => this.#leaving(code));
    }
    this.#allow(session.remoteSettings.maxConcurrentStreams ?? Infinity);
  }

  cancel(stream: PlacedStream): void {
    this.#streams.delete(stream);
    this.#queue = this.#queue.filter(one => one !== stream);
    stream.connection = undefined;
    stream.call?.cancel();
    this.#closeUnused();
  }

  /** Asks for a sign of life. */
  probe(alive: () => void): void {
    const session = this.#session;
    if (!session || session.destroyed) return;
    session.ping(error => {
      if (!error) alive();
    });
  }

  /** Streams that are opened from now on go elsewhere; those that stand go on. */
  retire(): void {
    // One that is being made goes on for whoever waits for it: it may have been made with what is outdated by now.
    this.#isOutdated = true;
    if (this.#phase === 'ready') this.#phase = 'retired';
    this.#closeUnused();
  }

  #dial({ address, responseBytesMax, keepaliveMs, keepaliveTimeoutMs, serverName }: Dial, made: ChannelCredentials) {
    this.#phase = 'dialling';
    const client = inside.run(
      this,
      () =>
        new GrpcClient(dialTarget(address), made, {
          'grpc.max_receive_message_length': responseBytesMax,
          'grpc.max_send_message_length': -1,
          'grpc-node.flow_control_window': flowControlWindow,
          'grpc.keepalive_time_ms': keepaliveMs,
          'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
          'grpc.use_local_subchannel_pool': 1,
          'grpc.enable_retries': 0,
          'grpc.service_config_disable_resolution': 1,
          'grpc.service_config': serviceConfig,
          ...(serverName !== undefined && {
            'grpc.ssl_target_name_override': serverName,
            'grpc.default_authority': serverName,
          }),
        }),
    );
    this.#client = client;
    this.#awaitReady(client, Date.now() + connectTimeoutMs);
  }

  #allow(streamsMax: number): void {
    this.#streamsMax = streamsMax;
    if (this.#phase === 'ready') this.#beginQueued();
  }

  #leaving(code: number): void {
    if (code === constants.NGHTTP2_ENHANCE_YOUR_CALM) {
      const seconds = Math.round(this.#listener.tooManyPings() / 1_000);
      this.#complaint = `it was pinged more often than it allows, and will be every ${seconds} s (setting upstreamKeepalive)`;
    }
    this.retire();
    for (const { listener } of [...this.#streams]) listener.leaving?.();
  }

  #begin(stream: PlacedStream): void {
    const client = this.#client;
    if (!client) return;
    this.#streams.add(stream);
    const call = inside.run(this, () => client.makeBidiStreamRequest(stream.path, asIs, asIs, stream.metadata));
    stream.call = call;
    const { listener } = stream;
    call.on('data', (bytes: Buffer) => {
      if (this.#streams.has(stream)) listener.message(bytes);
    });
    if (stream.isPaused) call.pause();
    // The status event follows in every case and carries the same; without a listener an error would be thrown.
    call.on('error', () => {});
    call.on('status', ended => {
      const isTooLarge = ended.code === status.RESOURCE_EXHAUSTED && ended.details.startsWith('Received message');
      const { details } = ended;
      this.#ended(stream, ended.code, isTooLarge ? `${details} (setting responseBytesMax)` : details);
    });
    if (this.#phase === 'ready') listener.opened();
  }

  #beginQueued(): void {
    const queue = this.#queue;
    this.#queue = [];
    const room = Math.max(0, (this.#streamsMax ?? Infinity) - this.#streams.size);
    for (const stream of queue.slice(0, room)) this.#begin(stream);
    for (const stream of queue.slice(room)) this.#listener.displaced(stream);
  }

  #awaitReady(client: GrpcClient, deadline: number): void {
    if (this.#phase !== 'dialling') return;
    const channel = client.getChannel();
    const state = inside.run(this, () => channel.getConnectivityState(true));
    if (state === connectivityState.READY) {
      this.#ready(client);
      return;
    }
    channel.watchConnectivityState(state, deadline, error => {
      if (!error) this.#awaitReady(client, deadline);
      else if (this.#phase === 'dialling')
        this.#fail(status.UNAVAILABLE, `no connection within ${connectTimeoutMs} ms`);
    });
  }

  #ready(client: GrpcClient): void {
    this.#phase = 'ready';
    // One that leaves this state, for whatever reason, would dial again by itself; new streams go to a new one.
    client.getChannel().watchConnectivityState(connectivityState.READY, Infinity, () => {
      if (this.#phase === 'ready') this.#phase = 'retired';
    });
    for (const { listener } of [...this.#streams]) listener.opened();
    if (this.#streamsMax !== undefined) this.#beginQueued();
    else setTimeout(() => this.#streamsMax === undefined && this.#allow(Infinity), limitWaitMs).unref();
  }

  #ended(stream: PlacedStream, code: number, message: string): void {
    if (!this.#streams.has(stream)) return;
    if (this.#phase === 'dialling') this.#fail(code, message);
    else {
      this.#streams.delete(stream);
      stream.connection = undefined;
      this.#closeUnused();
      if (this.#complaint === undefined) stream.listener.ended(code, message);
      else stream.listener.ended(status.UNAVAILABLE, this.#complaint);
    }
  }

  /** The dial failed: everybody who waited for it hears why. */
  #fail(code: number, message: string, explain = this.#listener.explained): void {
    const all = [...this.#streams, ...this.#queue];
    this.#streams.clear();
    this.#queue = [];
    this.#close();
    for (const stream of all) stream.call?.cancel();
    void explain(message).then(explained => {
      for (const stream of all) {
        // Whoever has cancelled meanwhile hears nothing more.
        if (!stream.connection) continue;
        stream.connection = undefined;
        stream.listener.ended(code, explained);
      }
    });
  }

  #closeUnused(): void {
    if (this.#streams.size === 0 && this.#queue.length > 0 && this.#phase === 'dialling') {
      const [next] = this.#queue.splice(0, 1);
      if (next) this.#begin(next);
    } else if (this.#streams.size + this.#queue.length === 0) this.#close();
  }

  #close(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#client?.close();
    this.#listener.closed();
  }
}

/** grpc-js's name for an address. */
function dialTarget(text: string): string {
  const address = parseAddress(text);
  if ('error' in address) return text;
  return address.kind === 'unix' ? `unix:${address.path}` : `dns:${formatAddress(address)}`;
}
