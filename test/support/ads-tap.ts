import {
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js';
import { adsMethod } from '../../src/demo/envelopes.ts';
import { fieldsOf, payloadsAt, payloadsOf, textOf } from '../../src/demo/proto.ts';
import type { Variant } from '../../src/xds/types.ts';
import { decodeTestRequest, decodeTestResponse, type TestResponse } from './messages.ts';
import { bytesMethod, type HeardRequest } from './scripted-plane.ts';

/** A response of Weir as it passed the tap. */
export type SeenResponse = TestResponse & {
  readonly stream: number;
  /** Whether any resource carried a TTL. */
  readonly hasTtl: boolean;
};

/** Lies between Envoy and Weir, passes every message on as it is, and writes down both directions. */
export class AdsTap {
  /** What Envoy said, oldest first. */
  readonly requests: HeardRequest[] = [];
  /** What Weir said, oldest first. */
  readonly responses: SeenResponse[] = [];
  readonly #calls = new Set<ServerDuplexStream<Buffer, Buffer>>();
  readonly #server = new Server({ 'grpc.max_send_message_length': -1, 'grpc.max_receive_message_length': -1 });
  readonly #client: GrpcClient;
  #opened = 0;

  /** @param agent `host:port` of Weir */
  constructor(agent: string) {
    this.#client = new GrpcClient(agent, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** Listens on loopback. @returns the port */
  async start(): Promise<number> {
    this.#server.addService(
      { sotw: bytesMethod('sotw'), delta: bytesMethod('delta') },
      {
        sotw: (call: ServerDuplexStream<Buffer, Buffer>) => this.#pass(call, 'sotw'),
        delta: (call: ServerDuplexStream<Buffer, Buffer>) => this.#pass(call, 'delta'),
      },
    );
    return await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  }

  /** Ends every stream, so that Envoy opens a new one. */
  cut(): void {
    for (const call of this.#calls)
      call.emit('error', { code: status.UNAVAILABLE, details: 'the test cut the stream' });
  }

  /** Requests of a type. */
  requestsOf(typeUrl: string): HeardRequest[] {
    return this.requests.filter(request => request.typeUrl === typeUrl);
  }

  /** Responses of a type. */
  responsesOf(typeUrl: string): SeenResponse[] {
    return this.responses.filter(response => response.typeUrl === typeUrl);
  }

  stop(): void {
    this.#server.forceShutdown();
    this.#client.close();
  }

  #pass(call: ServerDuplexStream<Buffer, Buffer>, variant: Variant): void {
    this.#calls.add(call);
    this.#opened += 1;
    const stream = this.#opened;
    const asIs = (buffer: Buffer): Buffer => buffer;
    const onward: ClientDuplexStream<Buffer, Buffer> = this.#client.makeBidiStreamRequest(
      adsMethod[variant],
      asIs,
      asIs,
      new Metadata(),
    );
    onward.on('error', () => {}); // Its status follows in every case.
    onward.on('data', (buffer: Buffer) => {
      this.responses.push({ ...decodeTestResponse(buffer, variant), stream, hasTtl: hasTtlIn(buffer, variant) });
      call.write(buffer);
    });
    onward.on('status', ({ code, details }) => {
      this.#calls.delete(call);
      if (code === status.OK) call.end();
      else call.emit('error', { code, details });
    });
    call.on('error', () => onward.cancel());
    call.on('data', (buffer: Buffer) => {
      this.requests.push({ ...decodeTestRequest(buffer, variant), stream, variant });
      onward.write(buffer);
    });
    call.on('end', () => onward.end());
    call.on('cancelled', () => onward.cancel());
  }
}

const wrapperType = 'type.googleapis.com/envoy.service.discovery.v3.Resource';

function hasTtlIn(buffer: Buffer, variant: Variant): boolean {
  const outer = payloadsAt(buffer, 2);
  const wrappers =
    variant === 'delta'
      ? outer
      : outer.filter(any => textOf(fieldsOf(any), 1) === wrapperType).flatMap(any => payloadsAt(any, 2));
  return wrappers.some(wrapper => payloadsOf(fieldsOf(wrapper), 6).length > 0);
}
