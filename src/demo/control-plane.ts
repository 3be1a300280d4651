import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { AdsStream, type Outgoing, type Snapshot } from './ads-stream.ts';
import { adsMethod, decodeRequest, encodeResponse, type Resource, type Variant } from './envelopes.ts';

/** Largest message taken from a client, in bytes. Envoy's Node alone is 61 kB (R40). */
const requestBytesMax = 16 * 1024 * 1024;
/** How many rejections and node ids are remembered. */
const historyMax = 200;
const textMax = 2000;

/** Behaviour that the tests switch. */
export interface ControlPlaneOptions {
  /** What it calls itself towards clients. */
  readonly identifier?: string;
  /** Delta streams are answered with UNIMPLEMENTED. */
  readonly refusesDelta?: boolean;
  /** A first Delta answer goes out in messages of this many resources. Default: all in one. */
  readonly splitAt?: number;
  /** Longest wait in ms for a verdict before what depends on it is sent all the same. Default 2000; 0 sends at once. */
  readonly verdictWaitMs?: number;
  /** Types for which requests are read and never answered. */
  readonly silentTypes?: readonly string[];
}

/** A NACK as it came in. */
export interface Rejection {
  readonly typeUrl: string;
  readonly nodeId: string;
  readonly text: string;
}

/** What the control plane has counted since it was made. Bytes are those of gRPC messages with their five-byte prefix. */
export interface ControlPlaneStats {
  readonly openStreams: number;
  readonly streamsOpened: number;
  readonly requests: number;
  readonly responses: number;
  readonly responseBytes: number;
  readonly responseBytesByType: ReadonlyMap<string, number>;
  readonly rejections: readonly Rejection[];
  readonly nodeIds: readonly string[];
}

/** Encoded bodies by name and type URL, as {@link ControlPlane.publish} takes them. */
export type Bodies = ReadonlyMap<string, ReadonlyMap<string, Buffer>>;

interface OpenStream {
  readonly call: ServerDuplexStream<Buffer, Buffer>;
  readonly variant: Variant;
  readonly state: AdsStream;
  /** Newest response per type that has no verdict yet. */
  readonly unanswered: Map<string, { readonly nonce: string; readonly sentAtMs: number }>;
  nodeId: string;
  isDrained: boolean;
  timer: NodeJS.Timeout | undefined;
}

const asIs = (buffer: Buffer): Buffer => buffer;

/**
 * A small xDS control plane: SotW and Delta ADS over TCP, one snapshot for every node. It keeps to the protocol (wildcards,
 * nonces, make-before-break order) and has none of the kindness that a proxy may hope for: it never sends endpoints again
 * because their cluster changed.
 */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #streams = new Set<OpenStream>();
  #server: Server | undefined;
  #snapshot: Snapshot = new Map();
  #typeVersions: ReadonlyMap<string, string> = new Map();
  #revision = 0;
  #nonces = 0;
  #streamsOpened = 0;
  #requests = 0;
  #responses = 0;
  readonly #responseBytesByType = new Map<string, number>();
  readonly #rejections: Rejection[] = [];
  readonly #nodeIds = new Set<string>();

  constructor(options: ControlPlaneOptions = {}) {
    this.#options = options;
  }

  /**
   * Listens on loopback. After {@link stop} it can be started again on the same port.
   *
   * @param port 0 lets the system choose
   * @returns the port
   * @throws Error when the port cannot be had
   */
  async start(port = 0): Promise<number> {
    const server = new Server({
      'grpc.max_receive_message_length': requestBytesMax,
      'grpc-node.flow_control_window': 1 << 20,
    });
    const method = (variant: Variant) => ({
      path: adsMethod[variant],
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    });
    server.addService(
      { sotw: method('sotw'), delta: method('delta') },
      {
        sotw: (call: ServerDuplexStream<Buffer, Buffer>) => this.#open(call, 'sotw'),
        delta: (call: ServerDuplexStream<Buffer, Buffer>) => this.#open(call, 'delta'),
      },
    );
    this.#server = server;
    return await new Promise((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
  }

  /** Ends every stream and connection and stops listening. What it serves and has counted stays. */
  stop(): void {
    for (const stream of this.#streams) this.#close(stream);
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** Ends every stream with UNAVAILABLE and goes on listening. */
  dropStreams(): void {
    for (const stream of [...this.#streams]) {
      this.#close(stream);
      stream.call.emit('error', { code: status.UNAVAILABLE, details: 'dropped by the test' });
    }
  }

  /** Replaces all that is served and pushes what changed. A body that stays the same keeps its version. */
  publish(bodies: Bodies): void {
    this.#revision += 1;
    const version = String(this.#revision);
    const typeVersions = new Map(this.#typeVersions);
    const snapshot = new Map<string, ReadonlyMap<string, Resource>>();
    for (const typeUrl of new Set([...bodies.keys(), ...this.#snapshot.keys()])) {
      const before = this.#snapshot.get(typeUrl) ?? new Map<string, Resource>();
      const next = new Map<string, Resource>();
      let isChanged = false;
      for (const [name, body] of bodies.get(typeUrl) ?? []) {
        const old = before.get(name);
        const isSame = old?.body.equals(body) ?? false;
        next.set(name, old && isSame ? old : { name, version, body });
        isChanged ||= !isSame;
      }
      if (isChanged || next.size !== before.size) typeVersions.set(typeUrl, version);
      snapshot.set(typeUrl, next);
    }
    this.#snapshot = snapshot;
    this.#typeVersions = typeVersions;
    for (const stream of this.#streams) this.#flush(stream);
  }

  /** What has been counted, as a copy. */
  stats(): ControlPlaneStats {
    return {
      openStreams: this.#streams.size,
      streamsOpened: this.#streamsOpened,
      requests: this.#requests,
      responses: this.#responses,
      responseBytes: [...this.#responseBytesByType.values()].reduce((sum, count) => sum + count, 0),
      responseBytesByType: new Map(this.#responseBytesByType),
      rejections: [...this.#rejections],
      nodeIds: [...this.#nodeIds],
    };
  }

  #open(call: ServerDuplexStream<Buffer, Buffer>, variant: Variant): void {
    // A call that its client cancelled reports an error on the stream too; the close is all that matters here.
    call.on('error', () => {});
    if (variant === 'delta' && this.#options.refusesDelta) {
      call.emit('error', { code: status.UNIMPLEMENTED, details: 'this control plane speaks SotW only' });
      return;
    }
    const stream: OpenStream = {
      call,
      variant,
      state: new AdsStream(variant, this.#options.splitAt ?? Number.POSITIVE_INFINITY),
      unanswered: new Map(),
      nodeId: '',
      isDrained: true,
      timer: undefined,
    };
    this.#streams.add(stream);
    this.#streamsOpened += 1;
    call.on('data', (buffer: Buffer) => this.#receive(stream, buffer));
    call.on('end', () => {
      this.#close(stream);
      call.end();
    });
    for (const end of ['cancelled', 'close']) call.on(end, () => this.#close(stream));
  }

  #close(stream: OpenStream): void {
    clearTimeout(stream.timer);
    this.#streams.delete(stream);
  }

  #receive(stream: OpenStream, buffer: Buffer): void {
    if (!this.#streams.has(stream)) return;
    this.#requests += 1;
    let request: ReturnType<typeof decodeRequest>;
    try {
      request = decodeRequest(buffer, stream.variant);
    } catch (error) {
      this.#close(stream);
      stream.call.emit('error', {
        code: status.INVALID_ARGUMENT,
        details: `the request cannot be decoded: ${String(error)}`,
      });
      return;
    }
    const { typeUrl, nonce } = request;
    if (request.nodeId !== '') {
      stream.nodeId = request.nodeId;
      if (this.#nodeIds.size < historyMax) this.#nodeIds.add(request.nodeId);
    }
    if (request.error !== undefined) {
      const rejection = { typeUrl, nodeId: stream.nodeId, text: request.error.slice(0, textMax) };
      if (this.#rejections.push(rejection) > historyMax) this.#rejections.shift();
    }
    const newest = stream.unanswered.get(typeUrl);
    const isStale = newest !== undefined && nonce !== '' && nonce !== newest.nonce;
    if (newest?.nonce === nonce) stream.unanswered.delete(typeUrl);
    // In SotW a request with a superseded nonce is skipped: the next ACK carries the whole name list (R8). In Delta
    // subscription changes count whatever the nonce (R7).
    if (stream.variant === 'delta' || !isStale) stream.state.subscribe(request);
    this.#flush(stream);
  }

  #flush(stream: OpenStream): void {
    const waitMs = this.#options.verdictWaitMs ?? 2000;
    while (stream.isDrained) {
      const nowMs = performance.now();
      const outgoing = stream.state.next(
        this.#snapshot,
        this.#typeVersions,
        typeUrl => nowMs - (stream.unanswered.get(typeUrl)?.sentAtMs ?? Number.NEGATIVE_INFINITY) < waitMs,
      );
      if (outgoing === undefined) break;
      // What a silent type had to say counts as said.
      if (this.#options.silentTypes?.includes(outgoing.typeUrl)) continue;
      this.#send(stream, outgoing, nowMs);
    }
    this.#wakeAfter(stream, waitMs);
  }

  #send(stream: OpenStream, outgoing: Outgoing, nowMs: number): void {
    const { typeUrl } = outgoing;
    this.#nonces += 1;
    const nonce = `n${this.#nonces}`;
    const buffer = encodeResponse({ ...outgoing, nonce }, this.#options.identifier ?? 'weir-demo', stream.variant);
    stream.unanswered.set(typeUrl, { nonce, sentAtMs: nowMs });
    this.#responses += 1;
    this.#responseBytesByType.set(typeUrl, (this.#responseBytesByType.get(typeUrl) ?? 0) + buffer.length + 5);
    // One message in flight: a client that does not read costs one message, not a queue.
    stream.isDrained = false;
    stream.call.write(buffer, () => {
      stream.isDrained = true;
      if (this.#streams.has(stream)) this.#flush(stream);
    });
  }

  /** Verdicts may never come; what waits for one goes out when the wait is over. */
  #wakeAfter(stream: OpenStream, waitMs: number): void {
    clearTimeout(stream.timer);
    const sentAtMs = Math.max(...[...stream.unanswered.values()].map(answer => answer.sentAtMs));
    const leftMs = sentAtMs + waitMs - performance.now();
    if (leftMs > 0) stream.timer = setTimeout(() => this.#flush(stream), leftMs + 1);
  }
}
