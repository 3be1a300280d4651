import type { ServerHttp2Stream } from 'node:http2';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { namesOfCertificate } from '../net/certificate-names.ts';
import { TlsFiles, type TlsNote, type TlsPaths } from '../net/tls-files.ts';
import { bindPrivately, claimSocketPath } from '../net/unix-socket.ts';
import { type Address, formatAddress } from '../xds/address.ts';
import type { RpcStatus, TypeUrl, Variant } from '../xds/types.ts';
import { currentStream, resetStream, watchServerStreams, writeMessage } from './http2-streams.ts';
import type { Peer } from './peer.ts';
import { fetchMethods, noFetch, refuseUnary } from './refused-services.ts';
import { discoveryServices } from './services.ts';
import { type AnyCall, bytesService, type SideService } from './side-service.ts';
import { serverCredentialsOf } from './tls-credentials.ts';

/** What happens on client streams; each belongs to the stream whose number it carries. */
export type ClientEvent =
  | {
      readonly kind: 'client_opened';
      readonly streamId: number;
      readonly variant: Variant;
      readonly peer: Peer;
      /** Type of a per-type service, undefined on ADS (R129). */
      readonly fixedType: TypeUrl | undefined;
    }
  | { readonly kind: 'client_request'; readonly streamId: number; readonly bytes: Buffer }
  /** The last message to the client has left: its write callback came. */
  | { readonly kind: 'client_writable'; readonly streamId: number }
  | { readonly kind: 'client_closed'; readonly streamId: number };

/** Limits of the local endpoint. */
export interface ServerSettings {
  /** Largest request in bytes. */
  readonly requestBytesMax: number;
  readonly clientStreamsPerConnectionMax: number;
  /** File mode of Unix sockets, such as 0o600. */
  readonly socketMode: number;
}

/** One local address and how clients prove there who they are. */
export interface LocalListener {
  readonly address: Address;
  /** Undefined for plain connections. */
  readonly tls: TlsPaths | undefined;
  /** Names that a bearer token proves, or why it proves none; undefined where no token is asked for. */
  readonly review: ReviewToken | undefined;
  /** Whether keys may be asked for here without TLS (R124). */
  readonly allowsSecrets: boolean;
}

/** Asks somebody who knows what a bearer token proves; `''` stands for none. Never rejects. */
export type ReviewToken = (token: string) => Promise<readonly string[] | RpcStatus>;

/** A stream that was ended since it is not proven who its client is. */
export interface RefusedPeer {
  readonly listener: string;
  readonly code: number;
  /** What the client was told. */
  readonly reason: string;
}

/** What kind of stream a method opens. */
interface StreamKind {
  readonly variant: Variant;
  readonly fixedType: TypeUrl | undefined;
}

type Call = ServerDuplexStream<Buffer, Buffer>;

/** A client stream as the shell knows it. */
interface OpenCall {
  readonly call: Call;
  readonly stream: ServerHttp2Stream | undefined;
  /** Whether a message has not left yet. */
  isWriting: boolean;
}

/** Streams at one listener that may wait until it is clear who they are. */
const waitingMax = 1_024;
/** How long a message that has not left when its stream is ended may still take, in ms. */
const lastWriteMs = 1_000;
const asIs = (bytes: Buffer): Buffer => bytes;
/** The first request of an Envoy is 61 kB, near the 64 KiB default window (R58, R121). */
const flowControlWindow = 1024 * 1024;

/**
 * grpc-js itself refuses a request that is too large, before it is read. The setting is added to its words, since they reach the client
 * and nobody else.
 */
const nameTheSetting: ServerInterceptor = (_method, call) => {
  const send = call.sendStatus.bind(call);
  call.sendStatus = ended => {
    const isTooLarge = ended.code === status.RESOURCE_EXHAUSTED && ended.details?.includes('larger than');
    send(isTooLarge ? { ...ended, details: `${ended.details} (setting requestBytesMax)` } : ended);
  };
  // The type wants the class, but only what the interface has is used; a wrapper would cost something for each message.
  return call as ServerInterceptingCall;
};

/** The gRPC shell towards local clients: discovery services on any number of addresses, messages as bytes in both directions. */
export class LocalServer {
  readonly #settings: ServerSettings;
  readonly #post: (event: ClientEvent) => void;
  readonly #newStreamId: () => number;
  readonly #servers: Server[] = [];
  readonly #tls: TlsFiles[] = [];
  readonly #calls = new Map<number, OpenCall>();
  /** Streams of each listener of which it is not clear yet who they are. */
  readonly #waiting = new Map<string, number>();
  readonly #tlsNote: (note: TlsNote) => void;
  readonly #refused: (refusal: RefusedPeer) => void;
  readonly #sides: readonly SideService[];

  /** @param refused told of streams that end before the core hears of them, since it is not proven who they are */
  constructor(
    settings: ServerSettings,
    newStreamId: () => number,
    post: (event: ClientEvent) => void,
    tlsNote: (note: TlsNote) => void,
    refused: (refusal: RefusedPeer) => void,
    sides: readonly SideService[],
  ) {
    this.#tlsNote = tlsNote;
    this.#refused = refused;
    this.#sides = sides;
    this.#settings = settings;
    this.#newStreamId = newStreamId;
    this.#post = post;
    watchServerStreams();
  }

  /**
   * Starts listening on one more address.
   *
   * @returns the address with the real port, when port 0 was asked for
   * @throws Error that says which address cannot be used and why
   */
  async listen(listener: LocalListener): Promise<Address> {
    const { address, tls } = listener;
    const name = formatAddress(address);
    const files = tls && (await TlsFiles.open(tls, this.#tlsNote));
    if (files) this.#tls.push(files);
    const credentials = files ? serverCredentialsOf(files) : ServerCredentials.createInsecure();
    const server = new Server({
      'grpc.max_receive_message_length': this.#settings.requestBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': this.#settings.clientStreamsPerConnectionMax,
      'grpc-node.flow_control_window': flowControlWindow,
      // A client whose machine vanished is noticed; ours are local, so pings cost nothing.
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
      interceptors: [nameTheSetting],
    });
    for (const service of discoveryServices) {
      const definition: Record<string, unknown> = {};
      const handlers: Record<string, UntypedHandleCall> = {};
      for (const { name: method, variant } of service.methods) {
        definition[method] = {
          path: `/${service.name}/${method}`,
          requestStream: true,
          responseStream: true,
          requestSerialize: asIs,
          requestDeserialize: asIs,
          responseSerialize: asIs,
          responseDeserialize: asIs,
        };
        handlers[method] = (call: Call) => this.#called(call, listener, name, { variant, fixedType: service.typeUrl });
      }
      const fetch = fetchMethods().get(service.name);
      if (fetch !== undefined) {
        Object.assign(definition, bytesService(service.name, { [fetch]: 'unary' }));
        handlers[fetch] = refuseUnary(noFetch);
      }
      server.addService(definition as ServiceDefinition, handlers); // The record is built from complete definitions.
    }
    for (const side of this.#sides) {
      server.addService(
        side.definition,
        side.handlers({ listener: name, who: call => Promise.resolve(peerOf(call, listener, name)) }),
      );
    }
    if (address.kind === 'tcp') {
      const port = await bind(server, name, credentials);
      this.#servers.push(server);
      return { ...address, port };
    }
    const obstacle = await claimSocketPath(address.path);
    if (obstacle !== undefined) throw new Error(obstacle);
    await bindPrivately(address.path, this.#settings.socketMode, () =>
      bind(server, `unix:${address.path}`, credentials),
    );
    this.#servers.push(server);
    return address;
  }

  /** Writes one response; `client_writable` follows when it has left, never before (R122). */
  send(streamId: number, bytes: Buffer): void {
    const open = this.#calls.get(streamId);
    if (!open) return;
    open.isWriting = true;
    const left = (): void => {
      open.isWriting = false;
      if (this.#calls.has(streamId)) this.#post({ kind: 'client_writable', streamId });
    };
    const { call, stream } = open;
    if (!stream) call.write(bytes, left);
    // Of a stream that was closed its end is heard, too.
    else if (!stream.closed && !stream.destroyed) {
      if (!stream.headersSent) call.sendMetadata(new Metadata());
      writeMessage(stream, bytes, left);
    }
  }

  /** When the first of the listeners' certificates ends, wall time in ms; undefined without any. */
  get certificateEndsMs(): number | undefined {
    const [first, ...others] = this.#tls.map(({ current }) => current.notAfterMs);
    return first === undefined ? undefined : Math.min(first, ...others);
  }

  /** Ends a stream with a status; nothing more is heard of it. */
  close(streamId: number, code: number, message: string): void {
    const open = this.#calls.get(streamId);
    if (!open) return;
    this.#calls.delete(streamId);
    open.call.emit('error', { code, details: message });
    if (open.isWriting) setTimeout(() => resetStream(open.stream), lastWriteMs).unref();
  }

  /** Stops listening, waits for the last bytes of ended streams at most `deadlineMs`, then cuts. */
  async stop(deadlineMs: number): Promise<void> {
    for (const streamId of [...this.#calls.keys()]) this.close(streamId, status.UNAVAILABLE, 'weir is shutting down');
    for (const files of this.#tls) files.close();
    // bounded: one server per configured address.
    await Promise.all(this.#servers.map(server => stopServer(server, deadlineMs)));
  }

  #called(call: Call, listener: LocalListener, name: string, kind: StreamKind): void {
    const stream = currentStream();
    const peer = peerOf(call, listener, name);
    if (!(peer instanceof Promise)) {
      this.#opened(call, stream, peer, kind);
      return;
    }
    const waiting = this.#waiting.get(name) ?? 0;
    if (waiting >= waitingMax) {
      const details = `${waiting} streams wait at ${name} for their tokens to be reviewed`;
      this.#refuse(call, name, { code: status.RESOURCE_EXHAUSTED, message: details });
      return;
    }
    this.#waiting.set(name, waiting + 1);
    // Until it is clear who that is, nothing is read.
    let isGone = false;
    const leave = (): void => {
      isGone = true;
    };
    call.once('cancelled', leave);
    call.once('error', leave);
    void peer.then(known => {
      this.#waiting.set(name, (this.#waiting.get(name) ?? 1) - 1);
      if (isGone) return;
      call.off('cancelled', leave);
      if ('code' in known) this.#refuse(call, name, known);
      else this.#opened(call, stream, known, kind);
    });
  }

  #refuse(call: Call, listener: string, { code, message }: RpcStatus): void {
    call.emit('error', { code, details: message });
    this.#refused({ listener, code, reason: message });
  }

  #opened(call: Call, stream: ServerHttp2Stream | undefined, peer: Peer, { variant, fixedType }: StreamKind): void {
    const streamId = this.#newStreamId();
    this.#calls.set(streamId, { call, stream, isWriting: false });
    const ended = (): void => {
      if (this.#calls.delete(streamId)) this.#post({ kind: 'client_closed', streamId });
    };
    call.on('data', (bytes: Buffer) => {
      if (this.#calls.has(streamId)) this.#post({ kind: 'client_request', streamId, bytes });
    });
    call.on('end', () => {
      call.end();
      ended();
    });
    call.on('cancelled', ended);
    call.on('close', ended);
    // A broken connection arrives as an error too; our own statuses pass through here on their way out.
    call.on('error', ended);
    this.#post({ kind: 'client_opened', streamId, variant, peer, fixedType });
  }
}

/** Who calls, at once where no token has to be reviewed. */
function peerOf(call: AnyCall, listener: LocalListener, name: string): Peer | Promise<Peer | RpcStatus> {
  const { sslPeerCertificate: certificate } = call.getAuthContext();
  const names = certificate ? namesOfCertificate(certificate) : [];
  const isPrivate = listener.address.kind === 'unix' || listener.tls !== undefined;
  const way = isPrivate ? 'private' : listener.allowsSecrets ? 'open' : 'no-secrets';
  if (!listener.review) return { listener: name, names, way };
  const review = listener.review(bearerOf(call));
  return review.then(more => ('code' in more ? more : { listener: name, names: [...names, ...more], way }));
}

/** The token of an `authorization: Bearer …` header, `''` without one. */
function bearerOf(call: AnyCall): string {
  const [header] = call.metadata.get('authorization');
  return /^Bearer +(\S+)$/i.exec(String(header ?? ''))?.[1] ?? '';
}

function bind(server: Server, target: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}

function stopServer(server: Server, deadlineMs: number): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      // Not on its callback: Node.js still waits for a peer that does not read, once the session was asked to close in good order.
      resolve();
    }, deadlineMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
