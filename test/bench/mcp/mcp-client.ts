import { type ClientDuplexStream, credentials, Client as GrpcClient } from '@grpc/grpc-js';
import { adsMethod, encodeRequest, type Variant } from '../../../src/demo/envelopes.ts';
import { message, nested, text } from '../../../src/demo/proto.ts';
import { nowUs } from '../payload.ts';
import { readMeshResponse, stampAt } from './markers.ts';

// A client of mesh configuration as istiod is one (istio.io/istio, pkg/adsc): all types at once, each first request with a nonce that nobody
// gave it, the node in the first of them and in every ACK. Nothing of a resource is read but the number at its end.

/** What a client asks for, and whom it tells what came of it. */
export interface McpClientOptions {
  /** host:port */
  readonly target: string;
  readonly variant: Variant;
  /** Number of the client, which becomes part of its node. */
  readonly number: number;
  /** Type URLs, asked for in this order. */
  readonly typeUrls: readonly string[];
  /** The one with resources, and how many. */
  readonly serviceTypeUrl: string;
  readonly resources: number;
  /** Every type was answered, and all resources are there. */
  readonly onSync: () => void;
  /** Changes that it had not seen are in a message. @param latenciesUs of each of them, from its stamp */
  readonly onChanges: (latenciesUs: readonly number[], bytes: number) => void;
  readonly onFailure: (reason: string) => void;
}

const asIs = (buffer: Buffer): Buffer => buffer;

/** The Node that istiod sends: an id with address and pod, and what it wants of the server. */
function nodeOf(number: number): readonly ReturnType<typeof text>[] {
  const id = `sidecar~10.0.${number >> 8}.${number & 255}~istiod-${number}.istio-system~istio-system.svc.cluster.local`;
  const field = (key: string, value: string) => nested(1, text(1, key), nested(2, text(3, value)));
  return [text(1, id), nested(3, field('GENERATOR', 'api'), field('ISTIO_VERSION', '65536.65536.65536'))];
}

/** One client with a connection of its own. */
export class McpClient {
  readonly #options: McpClientOptions;
  readonly #grpc: GrpcClient;
  readonly #node: Buffer;
  #call: ClientDuplexStream<Buffer, Buffer> | undefined;
  readonly #unanswered: Set<string>;
  /** Resources of the first answers; the whole list at once, or in parts in Delta. */
  #held = 0;
  #isSynced = false;
  /** All changes up to this one have been seen. */
  #serial = 0;

  constructor(options: McpClientOptions) {
    this.#options = options;
    this.#unanswered = new Set(options.typeUrls);
    this.#node = message(nested(options.variant === 'sotw' ? 2 : 1, ...nodeOf(options.number)));
    this.#grpc = new GrpcClient(options.target, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      // As istiod's.
      'grpc-node.flow_control_window': 1024 * 1024,
    });
  }

  get serial(): number {
    return this.#serial;
  }

  start(): void {
    const { variant, typeUrls } = this.#options;
    const call = this.#grpc.makeBidiStreamRequest(adsMethod[variant], asIs, asIs);
    this.#call = call;
    call.on('data', (buffer: Buffer) => this.#receive(buffer));
    call.on('error', error => this.#fail(error.message));
    call.on('end', () => this.#fail('its stream ended'));
    for (const [at, typeUrl] of typeUrls.entries()) {
      // What Go prints of a time. In Delta, which istiod does not speak for this, a nonce would be an ACK.
      const nonce = variant === 'sotw' ? `2026-11-23 05:16:59.84${at} +0000 UTC m=+0.13` : '';
      this.#write({ typeUrl, nonce }, at === 0);
    }
  }

  #receive(buffer: Buffer): void {
    const receivedUs = nowUs();
    const { variant, resources, serviceTypeUrl } = this.#options;
    const latenciesUs: number[] = [];
    let newest = this.#serial;
    const response = readMeshResponse(buffer, variant, (serial, stampEnd) => {
      if (serial <= this.#serial) return;
      newest = Math.max(newest, serial);
      latenciesUs.push(receivedUs - stampAt(buffer, stampEnd));
    });
    const { typeUrl, version, nonce } = response;
    this.#write({ typeUrl, nonce, version: variant === 'sotw' ? version : '' }, variant === 'sotw');
    this.#unanswered.delete(typeUrl);
    if (response.removed > 0) return this.#fail(`it was told that ${response.removed} resources are gone`);
    if (typeUrl !== serviceTypeUrl) {
      if (response.resources > 0) return this.#fail(`it was sent ${response.resources} of ${typeUrl}`);
    } else if (variant === 'sotw' && response.resources !== resources) {
      return this.#fail(`it was sent a list of ${response.resources} resources of ${resources}`);
    } else if (newest - this.#serial !== latenciesUs.length) {
      const missing = newest - this.#serial - latenciesUs.length;
      return this.#fail(`${missing} changes between ${this.#serial} and ${newest} never came`);
    }
    if (!this.#isSynced) this.#sync(response.resources);
    if (newest === this.#serial) return;
    this.#serial = newest;
    this.#options.onChanges(latenciesUs, buffer.length);
  }

  #sync(resources: number): void {
    this.#held += resources;
    if (this.#held < this.#options.resources || this.#unanswered.size > 0) return;
    this.#isSynced = true;
    this.#options.onSync();
  }

  #write(request: Parameters<typeof encodeRequest>[0], hasNode: boolean): void {
    const bytes = encodeRequest(request, this.#options.variant);
    // Fields of a message may come in any order.
    this.#call?.write(hasNode ? Buffer.concat([bytes, this.#node]) : bytes);
  }

  #fail(reason: string): void {
    this.#options.onFailure(`client ${this.#options.number}: ${reason}`);
  }
}
