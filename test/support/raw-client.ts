import {
  type ChannelCredentials,
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import { waitFor } from '../../src/demo/processes.ts';
import type { Variant } from '../../src/xds/types.ts';
import { decodeTestResponse, encodeTestRequest, type TestRequest, type TestResponse } from './messages.ts';

const ads = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
const methods: Readonly<Record<Variant, string>> = {
  sotw: `${ads}/StreamAggregatedResources`,
  delta: `${ads}/DeltaAggregatedResources`,
};
/** Longest wait for one thing to happen, in ms. */
const waitMs = 5_000;
const responseBytesMax = 256 * 1024 * 1024;

const asIs = (buffer: Buffer): Buffer => buffer;

/** What ends with something larger: a test, or a script's part. */
export interface Cleanup {
  after(stop: () => unknown): void;
}

/** How a {@link RawClient} behaves where it differs from the usual one. */
export interface RawClientOptions {
  /** gRPC path other than that of ADS. */
  readonly method?: string;
  /** How it connects; plain by default. */
  readonly credentials?: ChannelCredentials;
  /** Bearer token. */
  readonly token?: string;
  /** Told of each response when it comes; it is not kept in the inbox then. */
  readonly heard?: (response: TestResponse) => void;
  /** Whether responses are acknowledged by themselves. Default true. */
  readonly acks?: boolean;
  /** Whether responses are decoded into the inbox, and acknowledged. Default true; without, only their arrival is noted. */
  readonly decodes?: boolean;
}

/** A client on a real connection of its own that says exactly what the test tells it to. The test's end cancels it. */
export class RawClient {
  /** Responses not yet taken by {@link next}, oldest first. */
  readonly inbox: TestResponse[] = [];
  /** When each response came, on the monotonic clock in ms. */
  readonly arrivals: number[] = [];
  /** How the stream ended; undefined while it is open. */
  status: StatusObject | undefined;
  readonly #variant: Variant;
  readonly #client: GrpcClient;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  /** Names asked for by type: a SotW ACK repeats them. */
  readonly #names = new Map<string, readonly string[]>();

  constructor(context: Cleanup, address: string, variant: Variant, options: RawClientOptions = {}) {
    this.#variant = variant;
    this.#client = new GrpcClient(address, options.credentials ?? credentials.createInsecure(), {
      'grpc.max_receive_message_length': responseBytesMax,
      // Two clients of one process would else share a connection.
      'grpc.use_local_subchannel_pool': 1,
      // Without it a large response takes one round trip for every 64 KiB.
      'grpc-node.flow_control_window': 16 * 1024 * 1024,
    });
    const metadata = new Metadata();
    if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`);
    this.#call = this.#client.makeBidiStreamRequest(options.method ?? methods[variant], asIs, asIs, metadata);
    // The status event follows in every case and carries the same.
    this.#call.on('error', () => {});
    this.#call.on('status', status => {
      this.status = status;
    });
    const { acks = true, decodes = true } = options;
    const heard = options.heard ?? (response => this.inbox.push(response));
    this.#call.on('data', (buffer: Buffer) => {
      this.arrivals.push(performance.now());
      if (decodes) this.#receive(buffer, acks, heard);
    });
    context.after(() => this.close());
  }

  /** Sends a request. */
  ask(request: TestRequest): void {
    if (request.names) this.#names.set(request.typeUrl, request.names);
    this.write(encodeTestRequest(request, this.#variant));
  }

  /** Sends bytes that need not be a request. */
  write(bytes: Buffer): void {
    this.#call.write(bytes);
  }

  /** The oldest response not yet taken. @throws Error when none comes, with the status if the stream ended */
  async next(): Promise<TestResponse> {
    const found = await waitFor('a response', waitMs, () => this.inbox.shift() ?? this.#fail());
    return found;
  }

  /** Waits for the end of the stream. */
  async ended(): Promise<StatusObject> {
    return await waitFor('the end of the stream', waitMs, () => this.status);
  }

  /** Cancels the stream and closes the connection. */
  close(): void {
    this.#call.cancel();
    this.#client.close();
  }

  #receive(buffer: Buffer, acks: boolean, heard: (response: TestResponse) => unknown): void {
    const response = decodeTestResponse(buffer, this.#variant);
    heard(response);
    if (!acks) return;
    const { typeUrl, version, nonce } = response;
    const names = this.#variant === 'sotw' ? (this.#names.get(typeUrl) ?? []) : [];
    this.write(encodeTestRequest({ typeUrl, version, nonce, names }, this.#variant));
  }

  #fail(): undefined {
    if (this.status) throw new Error(`the stream ended with ${this.status.code}: ${this.status.details}`);
    return undefined;
  }
}
