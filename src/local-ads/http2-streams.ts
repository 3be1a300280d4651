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

/** Gives up what has not left, and has the other side hear that it was too slow: gRPC makes RESOURCE_EXHAUSTED of it. */
export function resetStream(stream: ServerHttp2Stream | undefined): void {
  if (stream && !stream.closed) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}
