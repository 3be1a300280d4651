import { type ClientDuplexStream, credentials, Client as GrpcClient } from '@grpc/grpc-js';
import { adsMethod, encodeRequest, type Variant } from '../../src/demo/envelopes.ts';
import { message, nested, text, uint } from '../../src/demo/proto.ts';
import { typeUrls } from '../../src/demo/resources.ts';
import { type BenchResponse, eachResource, nowUs, readResponse } from './payload.ts';

/** What a client asks for, and whom it tells what came of it. */
export interface BenchClientOptions {
  /** host:port */
  readonly target: string;
  readonly variant: Variant;
  readonly nodeId: string;
  readonly resources: number;
  /** Clusters in an update. */
  readonly changed: number;
  /** The names of all resources as a request carries them, encoded once for all clients. */
  readonly allNames: Buffer;
  /** Whether it rejects every response; it then holds things all the same. */
  readonly rejects?: boolean;
  /** Everything is there, for the first time. */
  readonly onSync: (receivedUs: number) => void;
  /** All changed clusters of an update are there. */
  readonly onUpdate: (stampUs: number, receivedUs: number) => void;
  readonly onFailure: (reason: string) => void;
}

const asIs = (buffer: Buffer): Buffer => buffer;

/** `error_detail` in a request: INVALID_ARGUMENT and words. */
const rejection: Readonly<Record<Variant, Buffer>> = {
  delta: message(nested(7, uint(1, 3), text(2, 'the bench rejects everything'))),
  sotw: message(nested(6, uint(1, 3), text(2, 'the bench rejects everything'))),
};

/**
 * One client with a connection of its own. It asks as Envoy does, every cluster and then the endpoints by name, and reads nothing of a
 * resource but its index and its stamp.
 */
export class BenchClient {
  readonly #options: BenchClientOptions;
  readonly #grpc: GrpcClient;
  #call: ClientDuplexStream<Buffer, Buffer> | undefined;
  /** Stamp held of each cluster in µs, -1 for none; and which endpoints are held. */
  readonly #stampsUs: Float64Array;
  readonly #endpoints: Uint8Array;
  #clustersHeld = 0;
  #endpointsHeld = 0;
  #hasAsked = false;
  #isSynced = false;
  #updateUs = 0;
  #updateHeld = 0;

  constructor(options: BenchClientOptions) {
    this.#options = options;
    this.#stampsUs = new Float64Array(options.resources).fill(-1);
    this.#endpoints = new Uint8Array(options.resources);
    this.#grpc = new GrpcClient(options.target, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      'grpc-node.flow_control_window': 4 * 1024 * 1024,
    });
  }

  start(): void {
    const { variant, nodeId } = this.#options;
    const call = this.#grpc.makeBidiStreamRequest(adsMethod[variant], asIs, asIs);
    this.#call = call;
    call.on('data', (buffer: Buffer) => this.#receive(buffer));
    call.on('error', error => this.#fail(error.message));
    call.on('end', () => this.#fail('its stream ended'));
    call.write(encodeRequest({ typeUrl: typeUrls.cluster, nodeId }, variant));
  }

  /** What this client holds wrongly, undefined if nothing. */
  problem(wantedUs: readonly number[]): string | undefined {
    const { nodeId, resources } = this.#options;
    if (this.#clustersHeld !== resources || this.#endpointsHeld !== resources) {
      return `${nodeId} holds ${this.#clustersHeld} clusters and ${this.#endpointsHeld} endpoint lists of ${resources}`;
    }
    const old = wantedUs.findIndex((stampUs, index) => this.#stampsUs[index] !== stampUs);
    return old === -1 ? undefined : `${nodeId} holds an old state of cluster ${old}`;
  }

  #receive(buffer: Buffer): void {
    const { variant, resources, changed } = this.#options;
    const receivedUs = nowUs();
    const response = readResponse(buffer, variant);
    const { kind } = response;
    if (kind === undefined) return this.#fail(`it was sent ${response.typeUrl}, which it did not ask for`);
    if (response.removed > 0) return this.#fail(`it was told that ${response.removed} resources are gone`);
    if (kind === 'endpoints') {
      eachResource(buffer, variant, kind, index => {
        if (this.#endpoints[index] === 0) this.#endpointsHeld += 1;
        this.#endpoints[index] = 1;
      });
    } else {
      if (variant === 'sotw' && response.resources !== resources) {
        return this.#fail(`it was sent a list of ${response.resources} clusters of ${resources}`);
      }
      eachResource(buffer, variant, kind, (index, stampUs) => this.#hold(index, stampUs));
    }
    this.#answer(response);
    if (!this.#isSynced && this.#clustersHeld === resources && this.#endpointsHeld === resources) {
      this.#isSynced = true;
      this.#options.onSync(receivedUs);
    }
    if (this.#updateHeld === changed && this.#isSynced) {
      this.#updateHeld = 0;
      this.#options.onUpdate(this.#updateUs, receivedUs);
    }
  }

  #hold(index: number, stampUs: number): void {
    const held = this.#stampsUs[index] ?? -1;
    if (held === stampUs) return;
    if (held === -1) this.#clustersHeld += 1;
    this.#stampsUs[index] = stampUs;
    // A cluster that never changed belongs to the first sync.
    if (stampUs === 0) return;
    if (stampUs !== this.#updateUs) this.#updateHeld = 0;
    this.#updateUs = stampUs;
    this.#updateHeld += 1;
  }

  #answer({ typeUrl, kind, nonce, version }: BenchResponse): void {
    const { variant, resources, allNames, rejects = false } = this.#options;
    if (kind === 'cluster' && this.#clustersHeld === resources && !this.#hasAsked) {
      this.#hasAsked = true;
      // Names that follow from a response are asked for before it is acknowledged, as Envoy does (R41).
      this.#write(encodeRequest({ typeUrl: typeUrls.endpoints }, variant), allNames);
    }
    // Every SotW request repeats the names, an ACK too.
    const names = variant === 'sotw' && kind === 'endpoints' ? [allNames] : [];
    const word = rejects ? [rejection[variant]] : [];
    this.#write(encodeRequest({ typeUrl, version: rejects ? '' : version, nonce }, variant), ...names, ...word);
  }

  /** Fields of a message may come in any order, so names encoded once can follow the rest. */
  #write(...parts: readonly Buffer[]): void {
    this.#call?.write(Buffer.concat(parts));
  }

  #fail(reason: string): void {
    this.#options.onFailure(`${this.#options.nodeId}: ${reason}`);
  }
}
