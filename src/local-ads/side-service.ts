import type {
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { RpcStatus } from '../xds/types.ts';
import type { Peer } from './peer.ts';

/** A call that streams both ways. */
export type DuplexCall = ServerDuplexStream<Buffer, Buffer>;

/** A call of any shape, messages as bytes. */
export type AnyCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerDuplexStream<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>;

/** Tells who calls, or why that cannot be said: the status to end the call with. Never rejects. */
export type WhoCalls = (call: AnyCall) => Promise<Peer | RpcStatus>;

/** The listener that a service is called at. */
export interface CalledAt {
  readonly listener: string;
  readonly who: WhoCalls;
}

/** What kind of call a method is. On the wire a unary one is a stream with one message each way, and may be handled as one. */
export type CallShape = 'unary' | 'server-stream' | 'bidi';

const asIs = (bytes: Buffer): Buffer => bytes;

/** The definition of a service whose messages stay bytes. @param name full name, such as `grpc.health.v1.Health` */
export function bytesService(name: string, methods: Readonly<Record<string, CallShape>>): ServiceDefinition {
  const definition: Record<string, ServiceDefinition[string]> = {};
  for (const [method, shape] of Object.entries(methods)) {
    definition[method] = {
      path: `/${name}/${method}`,
      requestStream: shape === 'bidi',
      responseStream: shape !== 'unary',
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
  }
  return definition;
}

/** A gRPC service of the local endpoint besides discovery. */
export interface SideService {
  readonly definition: ServiceDefinition;
  /** Its handlers for one listener. */
  handlers(at: CalledAt): UntypedServiceImplementation;
}
