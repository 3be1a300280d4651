import { type ChannelCredentials, logVerbosity, Metadata, setLogVerbosity } from '@grpc/grpc-js';
import { grpcCode } from '../xds/types.ts';
import { Connection, type PlacedStream, type StreamListener, watchStreams } from './connection.ts';

/** One bidirectional stream of bytes to a server. */
export interface PooledStream {
  /** Writes one message; `left` is called when it has left. To be used after `opened`. */
  write(bytes: Buffer, left: () => void): void;
  /** Stops reading, so that the server's window fills up, until {@link resume}. */
  pause(): void;
  resume(): void;
  /** Asks the server for a sign of life; `alive` is called when it comes, and never if it does not. To be used after `opened`. */
  probe(alive: () => void): void;
  /** Ends the stream; its listener hears nothing more. */
  cancel(): void;
}

/** Limits and timing of connections. */
export interface ConnectionSettings {
  /** Largest message from the server in bytes. */
  readonly responseBytesMax: number;
  /** How often a connection is pinged, in ms; less often where the server complains. */
  readonly upstreamKeepaliveMs: number;
  /** How long the answer to a ping may take, in ms. */
  readonly upstreamKeepaliveTimeoutMs: number;
  /** Streams are opened anew after so long, in ms, and not on the connection that they leave; 0 for never. */
  readonly upstreamRecycleMs: number;
}

/** By what servers know us, and we them. */
export interface Identification {
  /** For one dial; certificates may have to be read. */
  credentials(address: string): ChannelCredentials | Promise<ChannelCredentials>;
  /** Name that a server is asked for; undefined for the one of the address. */
  serverName(address: string): string | undefined;
  /** Headers of one stream; a token may have to be read. */
  headers(): Metadata | Promise<Metadata>;
  /** More about a dial that failed, if there is more to say. */
  explain(address: string, message: string): Promise<string>;
  /** What a server says, without our credentials, which it may quote, and in one line. */
  scrub(text: string): string;
}

/** gRPC servers that are not told otherwise punish pings more often than every five minutes (R121). */
const gentleKeepaliveMs = 330_000;
/** Of the planned life of its streams a connection takes new ones for this part. */
const recycledPart = 0.7;

/**
 * Connections to servers, each carrying as many streams as its server allows (HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS): two hundred nodes need
 * one. Whoever opens a stream decides when to try again; a connection that failed, or that the server has begun to close, gets no new stream.
 */
export class ConnectionPool {
  readonly #settings: ConnectionSettings;
  readonly #identification: Identification;
  readonly #connections = new Map<string, Set<Connection>>();
  /** How often servers want to be pinged that complained about more, in ms. */
  readonly #keepalives = new Map<string, number>();

  constructor(settings: ConnectionSettings, identification: Identification) {
    this.#settings = settings;
    this.#identification = identification;
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
    let stream: PlacedStream | undefined;
    let isPaused = false;
    let isCancelled = false;
    const told: StreamListener = {
      ...listener,
      ended: (code, message) => listener.ended(code, this.#identification.scrub(message)),
    };
    const place = (metadata: Metadata): void => {
      if (isCancelled) return;
      stream = { path, listener: told, metadata, connection: undefined, call: undefined, isPaused };
      this.#connectionTo(address).adopt(stream);
    };
    const headers = this.#identification.headers();
    if (headers instanceof Metadata) place(headers);
    else {
      headers.then(place, (error: unknown) => {
        if (!isCancelled) told.ended(grpcCode.unavailable, error instanceof Error ? error.message : String(error));
      });
    }
    return {
      write: (bytes, left) => stream?.call?.write(bytes, left),
      pause: () => {
        isPaused = true;
        if (stream) stream.isPaused = true;
        stream?.call?.pause();
      },
      resume: () => {
        isPaused = false;
        if (stream) stream.isPaused = false;
        stream?.call?.resume();
      },
      probe: alive => stream?.connection?.probe(alive),
      cancel: () => {
        isCancelled = true;
        stream?.connection?.cancel(stream);
      },
    };
  }

  /** Whoever opens a stream from now on dials anew; streams that stand go on where they are. */
  renew(): void {
    for (const connections of this.#connections.values()) for (const one of [...connections]) one.retire();
  }

  #connectionTo(address: string): Connection {
    const connections = this.#connections.get(address) ?? new Set();
    this.#connections.set(address, connections);
    const { responseBytesMax, upstreamKeepaliveMs, upstreamKeepaliveTimeoutMs, upstreamRecycleMs } = this.#settings;
    const oldestMs = upstreamRecycleMs > 0 ? performance.now() - recycledPart * upstreamRecycleMs : -Infinity;
    for (const connection of connections) if (connection.hasRoom && connection.madeAtMs > oldestMs) return connection;
    const keepaliveMs = this.#keepalives.get(address) ?? upstreamKeepaliveMs;
    const connection: Connection = new Connection(
      {
        address,
        credentials: this.#identification.credentials(address),
        serverName: this.#identification.serverName(address),
        responseBytesMax,
        keepaliveMs,
        keepaliveTimeoutMs: upstreamKeepaliveTimeoutMs,
      },
      {
        closed: () => {
          connections.delete(connection);
          if (connections.size === 0) this.#connections.delete(address);
        },
        displaced: stream => this.#connectionTo(address).adopt(stream),
        // Twice as rarely, and if that is too often, as rarely as every gRPC server allows.
        tooManyPings: () => {
          const next = keepaliveMs > this.#settings.upstreamKeepaliveMs ? gentleKeepaliveMs : 2 * keepaliveMs;
          const gentlest = Math.max(next, this.#keepalives.get(address) ?? 0);
          this.#keepalives.set(address, gentlest);
          return gentlest;
        },
        explained: message => this.#identification.explain(address, message),
      },
    );
    connections.add(connection);
    return connection;
  }
}
