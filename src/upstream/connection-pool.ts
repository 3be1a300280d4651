import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientHttp2Stream } from 'node:http2';
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

/** What is heard of one stream; nothing more after `ended`. */
export interface StreamListener {
  /** The server is reached and messages can be written. */
  readonly opened: () => void;
  readonly message: (bytes: Buffer) => void;
  readonly ended: (code: number, message: string) => void;
}

/** One bidirectional stream of bytes to a server. */
export interface PooledStream {
  /** Writes one message; `left` is called when it has left. To be used after `opened`. */
  write(bytes: Buffer, left: () => void): void;
  /** Stops reading, so that the server's window fills up, until {@link resume}. */
  pause(): void;
  resume(): void;
  /** Ends the stream; its listener hears nothing more. */
  cancel(): void;
}

/** Limits of a connection. */
export interface ConnectionSettings {
  /** Largest message from the server in bytes. */
  readonly responseBytesMax: number;
}

/** Large responses stall on the 64 KiB default (perf-facts.md). */
const flowControlWindow = 4 * 1024 * 1024;
/** gRPC servers punish pings more often than every five minutes unless told otherwise (R121). */
const keepaliveMs = 330_000;
const connectTimeoutMs = 10_000;
/** If nobody tells how many streams the server allows, it is taken to allow any number after so many ms. */
const limitWaitMs = 200;

const asIs = (bytes: Buffer): Buffer => bytes;

/**
 * Connections to servers, each carrying as many streams as its server allows (HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS): two hundred nodes need
 * one. Whoever opens a stream decides when to try again; a connection that failed, or that the server has begun to close, gets no new stream.
 */
export class ConnectionPool {
  readonly #settings: ConnectionSettings;
  readonly #connections = new Map<string, Set<Connection>>();

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
    // grpc-js prints its own errors to stderr; each reaches us as a status as well.
    setLogVerbosity(logVerbosity.NONE);
    watchStreams();
  }

  /** Connections that are open or being opened. */
  get size(): number {
    let size = 0;
    for (const connections of this.#connections.values()) size += connections.size;
    return size;
  }

  /** Opens a stream, on a connection of its own only if there is no room on another. */
  open(address: string, path: string, listener: StreamListener): PooledStream {
    return this.#connectionTo(address).add(path, listener);
  }

  #connectionTo(address: string): Connection {
    const connections = this.#connections.get(address) ?? new Set();
    this.#connections.set(address, connections);
    for (const connection of connections) if (connection.hasRoom) return connection;
    const connection: Connection = new Connection(address, this.#settings, {
      closed: () => {
        connections.delete(connection);
        if (connections.size === 0) this.#connections.delete(address);
      },
      // There were fewer places than streams that waited for one.
      displaced: stream => this.#connectionTo(address).adopt(stream),
    });
    connections.add(connection);
    return connection;
  }
}

/** A stream as its connection knows it. */
interface Waiting {
  readonly path: string;
  readonly listener: StreamListener;
  connection: Connection | undefined;
  call: ClientDuplexStream<Buffer, Buffer> | undefined;
  isPaused: boolean;
}

interface ConnectionListener {
  readonly closed: () => void;
  readonly displaced: (stream: Waiting) => void;
}

/** Which connection an HTTP/2 stream is made for: grpc-js does not say how many streams a server allows, Node.js does. */
const inside = new AsyncLocalStorage<Connection>();
let isWatching = false;

function watchStreams(): void {
  if (isWatching) return;
  isWatching = true;
  subscribe('http2.client.stream.created', message => {
    const connection = inside.getStore();
    if (!connection || typeof message !== 'object' || message === null || !('stream' in message)) return;
    const { session } = message.stream as ClientHttp2Stream; // By the documentation of the diagnostics channel.
    connection.learnt(session?.remoteSettings.maxConcurrentStreams ?? Infinity);
  });
}

/** One HTTP/2 connection. */
class Connection {
  readonly #client: GrpcClient;
  readonly #listener: ConnectionListener;
  readonly #streams = new Set<Waiting>();
  /** Not begun yet: until the first one stands, nobody knows whether there is a server and how many it takes. */
  #queue: Waiting[] = [];
  #phase: 'dialling' | 'ready' | 'retired' | 'closed' = 'dialling';
  #streamsMax: number | undefined;

  constructor(address: string, settings: ConnectionSettings, listener: ConnectionListener) {
    this.#listener = listener;
    this.#client = inside.run(
      this,
      () =>
        new GrpcClient(dialTarget(address), credentials.createInsecure(), {
          'grpc.max_receive_message_length': settings.responseBytesMax,
          'grpc.max_send_message_length': -1,
          'grpc-node.flow_control_window': flowControlWindow,
          'grpc.keepalive_time_ms': keepaliveMs,
          'grpc.keepalive_timeout_ms': 20_000,
          'grpc.use_local_subchannel_pool': 1,
          'grpc.enable_retries': 0,
          'grpc.service_config_disable_resolution': 1,
        }),
    );
    this.#awaitReady(Date.now() + connectTimeoutMs);
  }

  get hasRoom(): boolean {
    const isUsable = this.#phase === 'dialling' || this.#phase === 'ready';
    return isUsable && this.#streams.size + this.#queue.length < (this.#streamsMax ?? Infinity);
  }

  add(path: string, listener: StreamListener): PooledStream {
    const stream: Waiting = { path, listener, connection: this, call: undefined, isPaused: false };
    this.adopt(stream);
    return {
      write: (bytes, left) => stream.call?.write(bytes, left),
      pause: () => {
        stream.isPaused = true;
        stream.call?.pause();
      },
      resume: () => {
        stream.isPaused = false;
        stream.call?.resume();
      },
      cancel: () => stream.connection?.cancel(stream),
    };
  }

  /** Takes a stream over that is not begun. */
  adopt(stream: Waiting): void {
    stream.connection = this;
    // The first one finds out whether there is a server: a failed dial ends it with its cause.
    if (this.#streams.size === 0 || (this.#phase === 'ready' && this.#streamsMax !== undefined)) this.#begin(stream);
    else this.#queue.push(stream);
  }

  /** The server was heard to allow so many streams. */
  learnt(streamsMax: number): void {
    this.#streamsMax = streamsMax;
    if (this.#phase === 'ready') this.#beginQueued();
  }

  cancel(stream: Waiting): void {
    this.#streams.delete(stream);
    this.#queue = this.#queue.filter(one => one !== stream);
    stream.connection = undefined;
    stream.call?.cancel();
    this.#closeUnused();
  }

  #begin(stream: Waiting): void {
    this.#streams.add(stream);
    const call = inside.run(this, () => this.#client.makeBidiStreamRequest(stream.path, asIs, asIs, new Metadata()));
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
      // grpc-js ends its words on a failed dial with a note that is empty unless the name could not be resolved.
      const details = ended.details.replace(/\.? Resolution note: $/, '');
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

  #awaitReady(deadline: number): void {
    if (this.#phase !== 'dialling') return;
    const channel = this.#client.getChannel();
    const state = inside.run(this, () => channel.getConnectivityState(true));
    if (state === connectivityState.READY) {
      this.#ready();
      return;
    }
    channel.watchConnectivityState(state, deadline, error => {
      if (!error) this.#awaitReady(deadline);
      else if (this.#phase === 'dialling')
        this.#fail(status.UNAVAILABLE, `no connection within ${connectTimeoutMs} ms`);
    });
  }

  #ready(): void {
    this.#phase = 'ready';
    // One that leaves this state, for whatever reason, would dial again by itself; new streams go to a new one.
    this.#client.getChannel().watchConnectivityState(connectivityState.READY, Infinity, () => {
      if (this.#phase === 'ready') this.#phase = 'retired';
    });
    for (const { listener } of [...this.#streams]) listener.opened();
    if (this.#streamsMax !== undefined) this.#beginQueued();
    else setTimeout(() => this.#streamsMax === undefined && this.learnt(Infinity), limitWaitMs).unref();
  }

  #ended(stream: Waiting, code: number, message: string): void {
    if (!this.#streams.has(stream)) return;
    if (this.#phase === 'dialling') this.#fail(code, message);
    else {
      this.#streams.delete(stream);
      stream.connection = undefined;
      this.#closeUnused();
      stream.listener.ended(code, message);
    }
  }

  /** The dial failed: everybody who waited for it hears why. */
  #fail(code: number, message: string): void {
    const all = [...this.#streams, ...this.#queue];
    this.#streams.clear();
    this.#queue = [];
    this.#close();
    for (const stream of all) {
      stream.connection = undefined;
      stream.call?.cancel();
      stream.listener.ended(code, message);
    }
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
    this.#client.close();
    this.#listener.closed();
  }
}

/** grpc-js's name for an address. */
function dialTarget(text: string): string {
  const address = parseAddress(text);
  if ('error' in address) return text;
  return address.kind === 'unix' ? `unix:${address.path}` : `dns:${formatAddress(address)}`;
}
