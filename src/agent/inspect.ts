import type {
  AgentReport,
  ClientReport,
  MetricSample,
  ResourceReport,
  TypeReport,
  UpstreamReport,
} from '../admin/source.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { Client } from './client.ts';
import type { Core } from './core.ts';
import { labelOf } from './counters.ts';
import type { TypeView, View } from './view.ts';

/** State of the process that the core does not know. */
export interface ProcessState {
  readonly startedWallMs: number;
  readonly nowWallMs: number;
  readonly isListening: boolean;
}

/** Reads the core's state into a report; nothing of it is shared with the core. */
export function inspect(core: Core, state: ProcessState): AgentReport {
  const views = [...core.views()];
  return {
    ...state,
    isDraining: core.isDraining,
    upstreams: views.flatMap(upstreamsOf),
    types: views.flatMap(view => [...view.types.values()].map(type => typeReport(view, type))),
    clients: [...core.clients()].map(clientReport),
  };
}

/** The cached resources of a type, without bodies. */
export function* resourcesOf(core: Core, viewKey: string, typeUrl: string): Generator<ResourceReport> {
  for (const view of core.views()) {
    if (view.key !== viewKey) continue;
    for (const type of view.types.values()) {
      if (type.typeUrl !== typeUrl) continue;
      for (const { name, version, any, digest } of type.store.entries())
        yield { name, version, bytes: any.length, digest };
    }
  }
}

/** Gauges of the core's state. */
export function* gauges(core: Core, nowWallMs: number): Generator<MetricSample> {
  let isConnected = 0;
  let clients = 0;
  for (const view of core.views()) {
    for (const session of view.sessions()) if (session.isOpen) isConnected = 1;
    for (const { typeUrl, store, interest } of view.types.values()) {
      const labels = [['type', labelOf(typeUrl)]] as const;
      yield gauge('resources', 'Resources that are served.', store.size, labels);
      yield gauge('cache_bytes', 'Encoded size of those resources.', store.bytes, labels);
      yield gauge('names_missing', 'Names asked for that do not exist.', store.absentCount, labels);
      yield gauge('idle_resources', 'Names that linger without a subscriber.', interest.lingeringCount, labels);
      if (store.updatedWallMs !== undefined) {
        const age = (nowWallMs - store.updatedWallMs) / 1000;
        yield gauge('config_age_seconds', 'Time since the newest response of the type.', age, labels);
      }
    }
  }
  for (const client of core.clients()) if (client.view) clients++;
  yield gauge('control_plane_connected_state', '1 while a stream to the control plane is open.', isConnected, []);
  yield gauge('downstream_streams', 'Client streams that are being served.', clients, []);
  yield gauge('client_bytes_in_flight', 'Bytes on their way to clients.', core.bytesInFlight, []);
}

function gauge(name: string, help: string, value: number, labels: MetricSample['labels']): MetricSample {
  return { name, kind: 'gauge', help, labels, value };
}

function upstreamsOf(view: View): UpstreamReport[] {
  return [...view.sessions()].map(session => ({ viewKey: view.key, group: session.group, ...session.status }));
}

function typeReport(view: View, { typeUrl, store, interest }: TypeView): TypeReport {
  return {
    viewKey: view.key,
    typeUrl,
    shortName: traitsOf(typeUrl).shortName,
    state: store.isKnown ? 'known' : 'unknown',
    source: store.updatedWallMs === undefined ? 'none' : 'upstream',
    versionInfo: store.versionInfo(),
    resources: store.size,
    bytes: store.bytes,
    updatedWallMs: store.updatedWallMs,
    isWildcardWanted: interest.isWildcard,
    namesWanted: interest.size,
    namesMissing: store.absentCount,
    idleResources: interest.lingeringCount,
  };
}

function clientReport(client: Client): ClientReport {
  const { identity, stream } = client;
  return {
    streamId: client.streamId,
    viewKey: client.view?.key,
    nodeId: identity?.id ?? '',
    nodeCluster: identity?.cluster ?? '',
    userAgent: [identity?.userAgentName, identity?.userAgentVersion].filter(Boolean).join(' '),
    variant: stream.variant,
    listener: client.listener,
    connectedWallMs: client.connectedWallMs,
    types: [...stream.types()].map(({ typeUrl, traits, nonces, isComplete }) => ({
      typeUrl,
      shortName: traits.shortName,
      status: nonces.status,
      isComplete,
      lastAckedVersion: nonces.ackedVersion,
      lastError: nonces.lastError,
    })),
  };
}
