import type { Peer } from '../local-ads/peer.ts';
import type { SideCalls } from '../local-ads/side-calls.ts';
import { bytesService, type CalledAt, type DuplexCall, type SideService } from '../local-ads/side-service.ts';
import type { Backoff } from '../upstream/backoff.ts';
import type { StreamListener } from '../upstream/connection.ts';
import type { PooledStream } from '../upstream/connection-pool.ts';
import { unreachable } from '../xds/assert.ts';
import { grpcCode, type RpcStatus, type ViewKey } from '../xds/types.ts';
import { LoadRelay, type RelayEffect } from './load-relay.ts';
import { encodeLoadReport, readLoadReport } from './load-report.ts';

const service = 'envoy.service.load_stats.v3.LoadReportingService';
const method = 'StreamLoadStats';

/** What the relay of load reports is made with. */
export interface LoadStatsOptions {
  /** Opens a stream to the control plane that this view is fed by at the moment. */
  readonly open: (viewKey: ViewKey, path: string, listener: StreamListener) => PooledStream;
  /** As whom a peer with this node reports upstream, or why it may not. */
  readonly admit: (node: Buffer | undefined, peer: Peer) => Reporter | RpcStatus;
  readonly newBackoff: () => Backoff;
  /** So many reports were dropped. */
  readonly dropped: (reports: number) => void;
}

/** Who reports. */
export interface Reporter {
  readonly viewKey: ViewKey;
  /** Encoded Node for the control plane. */
  readonly node: Buffer;
}

/** The load reporting service (LRS), relayed stream by stream (R128, ADR 0021). */
export function loadStatsService(options: LoadStatsOptions, calls: SideCalls): SideService {
  const handle = async (call: DuplexCall, { listener, who }: CalledAt): Promise<void> => {
    if (!calls.enter(call, listener)) return;
    call.on('error', () => {}); // A broken connection; the end follows.
    const peer = await who(call);
    if ('code' in peer) call.emit('error', { code: peer.code, details: peer.message });
    else relay(call, peer, options);
  };
  return {
    definition: bytesService(service, { [method]: 'bidi' }),
    handlers: at => ({ [method]: (call: DuplexCall) => void handle(call, at) }),
  };
}

function relay(call: DuplexCall, peer: Peer, options: LoadStatsOptions): void {
  const machine = new LoadRelay(options.newBackoff());
  let upstream: PooledStream | undefined;
  let timer: NodeJS.Timeout | undefined;
  let reporter: Reporter | undefined;
  let isOver = false;

  const end = (): void => {
    isOver = true;
    clearTimeout(timer);
    upstream?.cancel();
    upstream = undefined;
  };
  const refuse = ({ code, message }: RpcStatus): void => {
    end();
    call.emit('error', { code, details: message });
  };
  const perform = (effects: readonly RelayEffect[]): void => {
    for (const effect of effects) {
      if (isOver) return;
      switch (effect.kind) {
        case 'dial':
          if (reporter) upstream = options.open(reporter.viewKey, `/${service}/${method}`, listener);
          break;
        case 'send':
          // The client's window fills up meanwhile, so that no more than one report waits here.
          call.pause();
          upstream?.write(effect.bytes, () => {
            call.resume();
            perform(machine.left());
          });
          break;
        case 'deliver':
          upstream?.pause();
          call.write(effect.bytes, () => upstream?.resume());
          break;
        case 'retry_in':
          upstream = undefined;
          call.resume();
          timer = setTimeout(() => perform(machine.retry()), effect.ms);
          break;
        case 'refuse':
          refuse(effect.status);
          break;
        default:
          unreachable(effect);
      }
    }
  };
  // Not within the call that opens the stream: its result is not known yet.
  const soon = (next: () => readonly RelayEffect[]): void => {
    queueMicrotask(() => {
      if (!isOver) perform(next());
    });
  };
  const listener: StreamListener = {
    opened: () => soon(() => machine.opened()),
    message: bytes => soon(() => machine.heard(bytes)),
    ended: (code, message) => soon(() => machine.ended(code, message)),
  };

  call.on('data', (bytes: Buffer) => {
    if (isOver) return;
    const read = readLoadReport(bytes);
    if ('error' in read) {
      refuse({ code: grpcCode.invalidArgument, message: read.error });
      return;
    }
    // Whoever was let in as one node reports as that one to the end: what a later report says of it is left out.
    let report = read.rest;
    if (!reporter) {
      const admitted = options.admit(read.node, peer);
      if ('code' in admitted) {
        refuse(admitted);
        return;
      }
      reporter = admitted;
      report = encodeLoadReport(admitted.node, read.rest);
    }
    const before = machine.dropped;
    perform(machine.report(report));
    if (machine.dropped > before) options.dropped(machine.dropped - before);
  });
  call.on('end', () => {
    end();
    call.end();
  });
  for (const gone of ['cancelled', 'close', 'error']) call.on(gone, end);
}
