import type { Entry } from '../cache/entry.ts';
import { sensitivityOf } from '../cache/sensitivity.ts';
import { statusService } from '../local-ads/csds.ts';
import { healthService } from '../local-ads/health.ts';
import type { Peer } from '../local-ads/peer.ts';
import { reflectionServices } from '../local-ads/reflection.ts';
import { refusedServices } from '../local-ads/refused-services.ts';
import { discoveryServices } from '../local-ads/services.ts';
import { SideCalls } from '../local-ads/side-calls.ts';
import type { SideService } from '../local-ads/side-service.ts';
import { Backoff } from '../upstream/backoff.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import { formatAddress } from '../xds/address.ts';
import { grpcCode, type RpcStatus, type TypeUrl, type ViewKey } from '../xds/types.ts';
import { clientConfigs, type StatusSource } from './client-status.ts';
import type { Core } from './core.ts';
import { allowListOf, scopesOf } from './core-settings.ts';
import type { Counters } from './counters.ts';
import { loadStatsService } from './load-stats.ts';
import { isServing } from './readiness.ts';
import type { Settings } from './settings.ts';

/** The services of the local endpoint besides discovery. */
export interface SideServices {
  readonly services: readonly SideService[];
  /** Ends their open calls: the agent is shutting down. */
  close(): void;
}

/** Puts the services beside discovery together (ADR 0021). */
export function sideServices(
  settings: Settings,
  core: Core,
  connections: ConnectionPool,
  counters: Counters,
): SideServices {
  const calls = new SideCalls(settings.sideStreamsMax);
  const { upstream, reconnectBaseMs, reconnectMaxMs } = settings;
  const [preferred] = upstream.map(formatAddress);
  const allowed = allowListOf(settings);
  const scopes = scopesOf(settings);
  const isSingleStream = settings.upstreamStreams === 'single';
  const controlPlaneOf = (viewKey: ViewKey): string => {
    for (const view of core.views()) if (view.key === viewKey) return view.streams.mainAddress;
    return preferred ?? '';
  };
  const loadStats = loadStatsService(
    {
      open: (viewKey, path, listener) => connections.open(controlPlaneOf(viewKey), path, listener),
      admit: (node, peer) => (isSingleStream ? noLoadReports : core.admit(node, peer)),
      newBackoff: () => new Backoff(reconnectBaseMs, reconnectMaxMs, Math.random),
      dropped: reports => counters.droppedReports(reports),
    },
    calls,
  );
  const status = statusService(
    {
      statusBytesMax: settings.statusBytesMax,
      clientProgressTimeoutMs: settings.clientProgressTimeoutMs,
      clients: (peer, request) => {
        const refusal = (one: Peer, nodeId: string): RpcStatus | undefined => allowed.refusal(one, nodeId);
        const isSensitive = (typeUrl: TypeUrl, entry: Entry): boolean => sensitivityOf(typeUrl, entry) !== undefined;
        const scopeOf: StatusSource['scopeOf'] = (asker, node, typeUrl) => scopes.ofClient(asker, node, typeUrl);
        return clientConfigs({ clients: () => core.clients(), refusal, isSensitive, scopeOf }, peer, request);
      },
    },
    calls,
  );
  const reflection = reflectionServices(calls, settings.clientProgressTimeoutMs);
  const graceEndMs = performance.now() + settings.readyGraceMs;
  // As for readiness: whoever waits for health before it starts its Envoy would else wait for ever, since nothing is asked for before.
  const isIdle = (): boolean => performance.now() >= graceEndMs && core.clients().next().done === true;
  const isHealthy = (): boolean => isServing(core) || (!core.isDraining && isIdle());
  const served = [...discoveryServices.map(({ name }) => name), ...[...reflection, status, loadStats].map(serviceName)];
  const health = healthService({ isServing: isHealthy, services: new Set(served) }, calls);
  return {
    services: [health, ...reflection, status, loadStats, ...refusedServices()],
    close: () => calls.closeAll(),
  };
}

function serviceName({ definition }: SideService): string {
  const [method] = Object.values(definition);
  return method?.path.split('/')[1] ?? '';
}

/** A second stream could end the first one. */
const noLoadReports: RpcStatus = {
  code: grpcCode.unimplemented,
  message: 'load reports are not relayed, since the upstream allows one stream only (setting upstreamStreams)',
};
