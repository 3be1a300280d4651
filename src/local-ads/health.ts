import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { grpcCode } from '../xds/types.ts';
import { encodeHealth, encodeHealthList, readHealthRequest, servingStatus } from '../xds/wire-health.ts';
import type { SideCalls } from './side-calls.ts';
import { bytesService, type SideService } from './side-service.ts';

/** How often watchers' state is looked at, in ms. Whoever asks for health looks every few seconds at best. */
const lookMs = 1_000;

/** Who can say whether the agent serves. */
export interface HealthSource {
  readonly isServing: () => boolean;
  /** Services that there are, besides `''`, which stands for all of them. */
  readonly services: ReadonlySet<string>;
}

type Watcher = ServerWritableStream<Buffer, Buffer>;

/** gRPC health checking (R127): SERVING while configuration can be had here, from the control plane or from the cache. */
export function healthService(source: HealthSource, calls: SideCalls): SideService {
  const watchers = new Map<Watcher, number>();
  let timer: NodeJS.Timeout | undefined;

  const now = (): number => (source.isServing() ? servingStatus.serving : servingStatus.notServing);
  const isKnown = (service: string): boolean => service === '' || source.services.has(service);

  const look = (): void => {
    const current = now();
    for (const [watcher, told] of watchers) {
      if (told === current || told === servingStatus.serviceUnknown) continue;
      watchers.set(watcher, current);
      watcher.write(encodeHealth(current));
    }
  };

  const leave = (watcher: Watcher): void => {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  const check = (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
    const service = readHealthRequest(call.request);
    if (service === undefined) answer({ code: grpcCode.invalidArgument, details: 'the request cannot be decoded' });
    else if (isKnown(service)) answer(null, encodeHealth(now()));
    else answer({ code: grpcCode.notFound, details: `no service '${service.slice(0, 200)}' is served here` });
  };

  const watch = (call: Watcher, listener: string): void => {
    const service = readHealthRequest(call.request);
    if (service === undefined) {
      call.emit('error', { code: grpcCode.invalidArgument, details: 'the request cannot be decoded' });
      return;
    }
    if (!calls.enter(call, listener)) return;
    // A service may come later, so the stream stays open.
    const current = isKnown(service) ? now() : servingStatus.serviceUnknown;
    watchers.set(call, current);
    timer ??= setInterval(look, lookMs).unref();
    for (const end of ['cancelled', 'close', 'error']) call.once(end, () => leave(call));
    call.write(encodeHealth(current));
  };

  return {
    definition: bytesService('grpc.health.v1.Health', { Check: 'unary', Watch: 'server-stream', List: 'unary' }),
    handlers: ({ listener }) => ({
      Check: check,
      Watch: (call: Watcher) => watch(call, listener),
      List: (_: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
        answer(null, encodeHealthList(['', ...source.services], now())),
    }),
  };
}
