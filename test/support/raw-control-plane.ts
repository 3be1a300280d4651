import type { TestContext } from 'node:test';
import { type Metadata, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { waitFor } from '../../src/demo/processes.ts';
import type { Variant } from '../../src/xds/types.ts';
import { decodeTestRequest, encodeTestResponse, type TestResource, type TestResponse } from './messages.ts';

const ads = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
const paths: Readonly<Record<Variant, string>> = {
  sotw: `${ads}/StreamAggregatedResources`,
  delta: `${ads}/DeltaAggregatedResources`,
};
const waitMs = 5_000;
const asIs = (buffer: Buffer): Buffer => buffer;

type Call = ServerDuplexStream<Buffer, Buffer>;
type Request = ReturnType<typeof decodeTestRequest>;

/** One stream of the agent. */
export interface UpstreamStream {
  readonly variant: Variant;
  readonly call: Call;
  /** Requests not yet taken by {@link RawControlPlane.request}, oldest first. */
  readonly requests: Request[];
  /** Size of the first request. */
  firstRequestBytes: number;
  isOpen: boolean;
}

/** A control plane that says exactly what the test tells it to, and nothing by itself. The test's end stops it. */
export class RawControlPlane {
  /** Every stream so far, oldest first. */
  readonly streams: UpstreamStream[] = [];
  /** Variants that are answered with UNIMPLEMENTED. */
  readonly refused = new Set<Variant>();
  /** Looks at the headers of a new stream; what it returns is why it is answered with UNAUTHENTICATED. */
  authenticate: (headers: Metadata) => string | undefined = () => undefined;
  /** Told of each new stream. */
  opened: (stream: UpstreamStream) => void = () => {};
  /** Streams that were answered with UNAUTHENTICATED. */
  unauthenticated = 0;
  /** Streams that were answered with UNIMPLEMENTED. */
  refusals = 0;
  #server: Server | undefined;
  #nonces = 0;

  constructor(context: TestContext) {
    context.after(() => this.stop());
  }

  /**
   * Listens; after {@link stop} again.
   *
   * @param address as grpc-js takes it: `127.0.0.1:0` or `unix:/path`
   * @returns the address for the agent
   */
  async start(
    address = '127.0.0.1:0',
    credentials = ServerCredentials.createInsecure(),
    options: Readonly<Record<string, string | number>> = {},
  ): Promise<string> {
    const server = new Server({ 'grpc.max_send_message_length': -1, ...options });
    const method = (variant: Variant) => ({
      path: paths[variant],
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    });
    server.addService(
      { sotw: method('sotw'), delta: method('delta') },
      { sotw: (call: Call) => this.#open(call, 'sotw'), delta: (call: Call) => this.#open(call, 'delta') },
    );
    this.#server = server;
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    return address.startsWith('unix:') ? address : `127.0.0.1:${port}`;
  }

  /** Cuts every connection and stops listening. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** Streams that are open now. */
  get openStreams(): UpstreamStream[] {
    return this.streams.filter(stream => stream.isOpen);
  }

  /** Waits for the next request of a type, on any open stream. */
  async request(typeUrl: string): Promise<{ readonly stream: UpstreamStream; readonly request: Request }> {
    return await waitFor(`a request for ${typeUrl}`, waitMs, () => {
      for (const stream of this.openStreams) {
        const at = stream.requests.findIndex(one => one.typeUrl === typeUrl);
        const [request] = at < 0 ? [] : stream.requests.splice(at, 1);
        if (request) return { stream, request };
      }
      return undefined;
    });
  }

  /** Sends a response; parts left out are empty. Returns its nonce. */
  respond(stream: UpstreamStream, typeUrl: string, parts: Partial<TestResponse> = {}): string {
    this.#nonces += 1;
    const nonce = `up${this.#nonces}`;
    const response = { typeUrl, version: `v${this.#nonces}`, nonce, resources: [], removed: [], ...parts };
    stream.call.write(encodeTestResponse(response, stream.variant));
    return nonce;
  }

  /** Waits for a request of a type and answers it with these resources. */
  async answer(typeUrl: string, resources: readonly TestResource[]): Promise<UpstreamStream> {
    const { stream } = await this.request(typeUrl);
    this.respond(stream, typeUrl, { resources });
    return stream;
  }

  #open(call: Call, variant: Variant): void {
    call.on('error', () => {}); // A cancelled call; its close says all.
    const objection = this.authenticate(call.metadata);
    if (objection !== undefined) {
      this.unauthenticated += 1;
      call.emit('error', { code: status.UNAUTHENTICATED, details: objection });
      return;
    }
    if (this.refused.has(variant)) {
      this.refusals += 1;
      call.emit('error', { code: status.UNIMPLEMENTED, details: `no ${variant} here` });
      return;
    }
    const stream: UpstreamStream = { variant, call, requests: [], firstRequestBytes: 0, isOpen: true };
    this.streams.push(stream);
    this.opened(stream);
    call.on('data', (buffer: Buffer) => {
      stream.firstRequestBytes ||= buffer.length;
      stream.requests.push(decodeTestRequest(buffer, variant));
    });
    call.on('end', () => call.end());
    for (const end of ['end', 'cancelled', 'close']) {
      call.on(end, () => {
        stream.isOpen = false;
      });
    }
  }
}
