import type {
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { RpcStatus } from '../xds/types.ts';
import type { Peer } from './peer.ts';

/** A call of any shape, messages as bytes. */
export type AnyCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerDuplexStream<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>;

/** Tells who calls, or why that cannot be said: the status to end the call with. Never rejects. */
export type WhoCalls = (call: AnyCall) => Promise<Peer | RpcStatus>;

/** A gRPC service of the local endpoint besides discovery. */
export interface SideService {
  readonly definition: ServiceDefinition;
  /** Its handlers for one listener. */
  handlers(who: WhoCalls): UntypedServiceImplementation;
}
