import { formatAddress } from '../xds/address.ts';
import { AllowList } from './allow-list.ts';
import { Authorities } from './authorities.ts';
import type { CoreSettings } from './core.ts';
import { type ListenerSettings, listenerName } from './listener-settings.ts';
import { Scopes } from './scopes.ts';
import type { Settings } from './settings.ts';

/** Where local clients connect when nothing else is said. */
const defaultListener = { kind: 'tcp', host: '127.0.0.1', port: 15910 } as const;

/** Every address of the local endpoint with what is particular about it: those of `listen`, then those of `listeners`. */
export function localListeners(settings: Settings): readonly ListenerSettings[] {
  const { listenTlsCert: cert, listenTlsKey: key, listenTlsClientCa: ca } = settings;
  const tls = cert !== undefined && key !== undefined ? { cert, key, ca } : undefined;
  const isNothingSaid = settings.listen.length === 0 && settings.listeners.length === 0;
  const plain = isNothingSaid ? [defaultListener] : settings.listen;
  return [
    ...plain.map(address => ({
      address,
      tls: address.kind === 'tcp' ? tls : undefined,
      tokenReview: false,
      allow: [],
    })),
    ...settings.listeners,
  ];
}

/** Whether several identities are served apart from each other. */
export function hasManyViews(settings: Pick<Settings, 'nodeSharing' | 'nodeShareBy'>): boolean {
  return settings.nodeSharing === 'stream-per-node' || settings.nodeShareBy !== undefined;
}

/** Who may use which node ids at which listener. */
export function allowListOf(settings: Settings): AllowList {
  return new AllowList(
    localListeners(settings).map(listener => ({ listener: listenerName(listener), rules: listener.allow })),
  );
}

/** Who may see which of Istio's mesh configuration. */
export function scopesOf({ scopes: rules, rootNamespace }: Settings): Scopes {
  return new Scopes({ rules, rootNamespace });
}

/** Who is asked for the names of which authority. */
function authoritiesOf({ authorities }: Settings): Authorities {
  return new Authorities(new Map([...authorities].map(([name, addresses]) => [name, addresses.map(formatAddress)])));
}

/** The core's part of the settings, in its own words. */
export function coreSettings(settings: Settings): CoreSettings {
  return {
    addresses: settings.upstream.map(formatAddress),
    authorities: authoritiesOf(settings),
    isSingleStream: settings.upstreamStreams === 'single',
    failoverAfterMs: settings.failoverAfterMs,
    stagingTimeoutMs: settings.stagingTimeoutMs,
    recycleMs: settings.upstreamRecycleMs,
    startJitterMs: settings.startJitterMs,
    variant: settings.upstreamVariant,
    reconnectBaseMs: settings.reconnectBaseMs,
    reconnectMaxMs: settings.reconnectMaxMs,
    resourcesMax: settings.resourcesPerTypeMax,
    viewBytesMax: settings.viewBytesMax,
    completeQuietMs: settings.completeQuietMs,
    absentQuietMs: settings.absentQuietMs,
    absentTimeoutMs: settings.absentTimeoutMs,
    lingerMs: settings.lingerMs,
    restoredLingerMs: settings.restoredLingerMs,
    isResuming: settings.resume,
    isStoring: settings.cacheDir !== undefined,
    cacheMatch: settings.cacheMatch,
    guard: settings.guard,
    guardGraceMs: settings.guardGraceMs,
    guardWindowMs: settings.guardWindowMs,
    guardPercent: settings.guardPercent,
    maxAges: settings.maxAge,
    startup: settings.startup,
    startupGraceMs: settings.startupGraceMs,
    namesMax: settings.namesPerTypeMax,
    nameBytesMax: settings.nameBytesMax,
    nodeBytesMax: settings.nodeBytesMax,
    typesMax: settings.typesPerStreamMax,
    viewTypesMax: settings.typesPerViewMax,
    removalHoldMs: settings.removalHoldMs,
    warmHoldMs: settings.warmHoldMs,
    nodeSharing: settings.nodeSharing,
    shareBy: settings.nodeShareBy,
    nodesMax: settings.nodesMax,
    nodeLingerMs: settings.nodeLingerMs,
    allowList: allowListOf(settings),
    scopes: scopesOf(settings),
    listenerNames: localListeners(settings).map(listenerName),
    viewsPerNodeMax: settings.viewsPerNodeMax,
    namesPerPeerMax: settings.namesPerPeerMax ?? (settings.nodeSharing === 'stream-per-node' ? 500_000 : 4_000_000),
    clientStreamsPerPeerMax: settings.clientStreamsPerPeerMax,
    requestsPerSecondMax: settings.requestsPerSecondMax,
    requestBurstMax: settings.requestBurstMax,
    dropExtensions: settings.nodeExtensions === 'drop',
    node:
      settings.nodeId === undefined
        ? undefined
        : {
            id: settings.nodeId,
            cluster: settings.nodeCluster ?? '',
            region: settings.nodeRegion ?? '',
            zone: settings.nodeZone ?? '',
            subZone: settings.nodeSubZone ?? '',
            metadata: settings.nodeMetadata ?? {},
          },
    driftCheckMs: settings.driftCheckMs,
    ack: settings.ack,
    ackWaitMs: settings.ackWaitMs,
    clientStreamsMax: settings.clientStreamsMax,
    responseBytesInFlightMax: settings.responseBytesInFlightMax,
    clientProgressTimeoutMs: settings.clientProgressTimeoutMs,
    firstRequestTimeoutMs: settings.firstRequestTimeoutMs,
    grpcUnansweredTimeoutMs: settings.grpcUnansweredTimeoutMs,
  };
}
