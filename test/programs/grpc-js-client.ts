import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';

// A gRPC client that finds its service by xDS: `grpc-js-client.ts TARGET`. It calls over and over and says how each call ended, one JSON
// object a line, until it is killed.

const intervalMs = 50;
const deadlineMs = 10_000;
const asIs = (buffer: Buffer): Buffer => buffer;

register();
const client = new Client(process.argv[2] ?? '', credentials.createInsecure());

function call(): void {
  const options = { deadline: Date.now() + deadlineMs };
  const metadata = new Metadata({ waitForReady: true });
  const request = client.makeUnaryRequest(
    '/grpc.health.v1.Health/Check',
    asIs,
    asIs,
    Buffer.alloc(0),
    metadata,
    options,
    error => {
      const line = error ? { error: error.message } : { backend: request.getPeer() };
      process.stdout.write(`${JSON.stringify(line)}\n`);
      setTimeout(call, intervalMs);
    },
  );
}

call();
