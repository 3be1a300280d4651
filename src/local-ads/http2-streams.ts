import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { constants, type ServerHttp2Stream } from 'node:http2';

/**
 * The HTTP/2 stream of the call that is being handled. grpc-js ends a call only after its last message has left, so one that nobody reads would
 * be held for ever; it gives no way to reset one, but Node.js tells of each stream before grpc-js handles it.
 */
const current = new AsyncLocalStorage<ServerHttp2Stream>();
let isWatching = false;

/** Makes {@link currentStream} know the streams that are opened from now on. */
export function watchServerStreams(): void {
  if (isWatching) return;
  isWatching = true;
  subscribe('http2.server.stream.created', message => {
    if (typeof message !== 'object' || message === null || !('stream' in message)) return;
    current.enterWith(message.stream as ServerHttp2Stream); // By the documentation of the diagnostics channel.
  });
}

/** The stream whose call is being handled; to be asked at the begin of its handler. */
export function currentStream(): ServerHttp2Stream | undefined {
  return current.getStore();
}

/** Before each gRPC message: one byte that says it is not compressed, four for its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const prefixBytes = 5;

/**
 * Writes one gRPC message whose headers have been sent. grpc-js would first copy it behind its prefix, for each client anew; what is encoded once for
 * all of them is here written as it is.
 *
 * @param bytes nobody may change them until they have left
 * @param left called when they have
 */
export function writeMessage(stream: ServerHttp2Stream, bytes: Buffer, left: () => void): void {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(bytes.length, 1);
  stream.cork();
  stream.write(prefix);
  stream.write(bytes, left);
  stream.uncork();
}

/** Gives up what has not left, and has the other side hear that it was too slow: gRPC makes RESOURCE_EXHAUSTED of it. */
export function resetStream(stream: ServerHttp2Stream | undefined): void {
  if (stream && !stream.closed) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}
