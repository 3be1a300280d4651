import type { Peer } from '../local-ads/peer.ts';
import type { SideCalls } from '../local-ads/side-calls.ts';
import { bytesService, type DuplexCall, type SideService, type WhoCalls } from '../local-ads/side-service.ts';
import type { Backoff } from '../upstream/backoff.ts';
import type { StreamListener } from '../upstream/connection.ts';
import type { PooledStream } from '../upstream/connection-pool.ts';
import { unreachable } from '../xds/assert.ts';
import { readNode } from '../xds/node.ts';
import { TagWalk, WireError } from '../xds/tag-walk.ts';
import { grpcCode, type RpcStatus } from '../xds/types.ts';
import { LoadRelay, type RelayEffect } from './load-relay.ts';

const service = 'envoy.service.load_stats.v3.LoadReportingService';
const method = 'StreamLoadStats';

/** What the relay of load reports is made with. */
export interface LoadStatsOptions {
  /** Opens a stream to the control plane. @param attempt counts from 0, so that addresses can be tried in turn */
  readonly open: (attempt: number, path: string, listener: StreamListener) => PooledStream;
  /** Why a peer may not report for this node, if so. */
  readonly refusal: (peer: Peer, nodeId: string) => RpcStatus | undefined;
  readonly newBackoff: () => Backoff;
  /** So many reports were dropped. */
  readonly dropped: (reports: number) => void;
}

/** The load reporting service (LRS), relayed stream by stream (R128, ADR 0021). */
export function loadStatsService(options: LoadStatsOptions, calls: SideCalls): SideService {
  const handle = async (call: DuplexCall, who: WhoCalls): Promise<void> => {
    if (!calls.enter(call)) return;
    call.on('error', () => {}); // A broken connection; the end follows.
    const peer = await who(call);
    if ('code' in peer) call.emit('error', { code: peer.code, details: peer.message });
    else relay(call, peer, options);
  };
  return {
    definition: bytesService(service, { [method]: 'bidi' }),
    handlers: who => ({ [method]: (call: DuplexCall) => void handle(call, who) }),
  };
}

function relay(call: DuplexCall, peer: Peer, options: LoadStatsOptions): void {
  const machine = new LoadRelay(options.newBackoff());
  let upstream: PooledStream | undefined;
  let timer: NodeJS.Timeout | undefined;
  let attempt = 0;
  let isFirst = true;
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
          upstream = options.open(attempt++, `/${service}/${method}`, listener);
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
    if (isFirst) {
      const problem = refusalOf(bytes, peer, options);
      if (problem) {
        refuse(problem);
        return;
      }
      isFirst = false;
    }
    const before = machine.dropped;
    perform(machine.report(bytes));
    if (machine.dropped > before) options.dropped(machine.dropped - before);
  });
  call.on('end', () => {
    end();
    call.end();
  });
  for (const gone of ['cancelled', 'close', 'error']) call.on(gone, end);
}

/** Why the first request cannot be relayed, if so. */
function refusalOf(first: Buffer, peer: Peer, options: LoadStatsOptions): RpcStatus | undefined {
  const node = nodeIn(first);
  const identity = node && readNode(node);
  if (!identity || 'error' in identity || identity.id === '') {
    return { code: grpcCode.invalidArgument, message: 'the first load report carries no node with an id' };
  }
  return options.refusal(peer, identity.id);
}

function nodeIn(request: Buffer): Buffer | undefined {
  try {
    const walk = new TagWalk(request);
    while (walk.next()) if (walk.field === 1 && walk.wireType === 2) return walk.slice();
    return undefined;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
