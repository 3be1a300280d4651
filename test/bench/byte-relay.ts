import {
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { adsMethod, type Variant } from '../../src/demo/envelopes.ts';
import { childConfig, onCommand, report } from './child.ts';

// The floor for any relay made of grpc-js: bytes in, the same bytes out, one upstream stream for each client, no cache, no
// decoding. What Weir costs above it is Weir's own.

/** Configuration of the program. */
export interface RelayConfig {
  /** host:port */
  readonly upstream: string;
  /** host:port; a free one without it. */
  readonly listen?: string;
}

/** What it tells the bench. */
export interface RelayReport {
  readonly kind: 'listening';
  readonly port: number;
}

type Stream = ServerDuplexStream<Buffer, Buffer> | ClientDuplexStream<Buffer, Buffer>;

const messageBytesMax = 256 * 1024 * 1024;
const asIs = (buffer: Buffer): Buffer => buffer;
const { upstream, listen = '127.0.0.1:0' } = childConfig<RelayConfig>();
const client = new GrpcClient(upstream, credentials.createInsecure(), {
  'grpc.max_receive_message_length': messageBytesMax,
  // As Weir's own upstream channel (perf-facts: 64 kB halves the speed of large lists).
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
});

/** Passes messages on; at most what the two streams buffer waits for a slow reader. */
function pass(from: Stream, to: Stream): void {
  from.on('data', (message: Buffer) => {
    if (to.write(message)) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
  from.on('end', () => to.end());
}

function relay(call: ServerDuplexStream<Buffer, Buffer>, variant: Variant): void {
  const above: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(adsMethod[variant], asIs, asIs);
  // The bench sees a broken stream at its clients; here each end only takes the other with it.
  above.on('error', () => call.end());
  call.on('error', () => above.cancel());
  call.on('cancelled', () => above.cancel());
  pass(call, above);
  pass(above, call);
}

const method = (variant: Variant) => ({
  path: adsMethod[variant],
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});
const server = new Server({ 'grpc.max_receive_message_length': messageBytesMax });
server.addService(
  { sotw: method('sotw'), delta: method('delta') },
  {
    sotw: (call: ServerDuplexStream<Buffer, Buffer>) => relay(call, 'sotw'),
    delta: (call: ServerDuplexStream<Buffer, Buffer>) => relay(call, 'delta'),
  },
);
server.bindAsync(listen, ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  report<RelayReport>({ kind: 'listening', port });
});
onCommand(() => {});
