import type { NameList } from '../admin/agent-event.ts';
import type { MetricSample } from '../admin/metric-sample.ts';
import type {
  AgentReport,
  CacheReport,
  ClientReport,
  LoadReport,
  QuarantineReport,
  ResourceReport,
  TypeReport,
  UpstreamReport,
} from '../admin/source.ts';
import { type Quarantined, suspectsOf } from '../cache/quarantine.ts';
import type { ClientType } from '../local-ads/client-type.ts';
import type { Expiries } from '../upstream/credentials.ts';
import { isTakenInSilence, traitsOf } from '../xds/type-urls.ts';
import type { Clock } from '../xds/types.ts';
import type { Client } from './client.ts';
import type { Core } from './core.ts';
import { labelOf } from './counters.ts';
import type { Latencies } from './latencies.ts';
import type { TrendLook } from './trend.ts';
import { isReachable, type TypeView } from './type-view.ts';
import type { View } from './view.ts';

/** State of the process that the core does not know. */
export interface ProcessState {
  readonly startedWallMs: number;
  readonly clock: Clock;
  readonly isListening: boolean;
  /** As {@link AgentReport} has it. */
  readonly servers: readonly string[];
  readonly cache: CacheReport | undefined;
  readonly isSeeded: boolean;
  readonly load: LoadReport;
  readonly idleNodes: AgentReport['idleNodes'];
}

/** Reads the core's state into a report; nothing of it is shared with the core. */
export function inspect(core: Core, { clock, ...state }: ProcessState): AgentReport {
  const views = [...core.views()];
  return {
    ...state,
    nowWallMs: clock.wallMs,
    isDraining: core.isDraining,
    upstreams: views.flatMap(upstreamsOf),
    types: views.flatMap(view => sorted(view).map(type => typeReport(view, type, clock))),
    clients: [...core.clients()].map(clientReport),
  };
}

/** How the agent is doing at this moment, for its {@link Trend}. */
export function trendLook(core: Core, latencies: Latencies, residentBytes: number, wallMs: number): TrendLook {
  let isConnected = false;
  let resources = 0;
  let oldestAgeMs: number | undefined;
  for (const view of core.views()) {
    for (const session of view.sessions()) isConnected ||= session.isOpen;
    for (const { store, freshness } of view.types.values()) {
      resources += store.size;
      const ageMs = freshness.ageMs(wallMs);
      if (ageMs !== undefined) oldestAgeMs = Math.max(oldestAgeMs ?? 0, ageMs);
    }
  }
  const clients = [...core.clients()].filter(client => client.view).length;
  const propagation = latencies.propagationCounts();
  return { wallMs, propagation, oldestAgeMs, isConnected, clients, resources, residentBytes };
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

interface Sums {
  resources: number;
  bytes: number;
  missing: number;
  idle: number;
  quarantined: number;
  held: number;
  ageSeconds: number;
  isServingStale: boolean;
}

/** Gauges of the core's state. All types that share a label, and all views, make one sample. */
export function* gauges(core: Core, nowWallMs: number, cache: CacheReport | undefined): Generator<MetricSample> {
  const sums = new Map<string, Sums>();
  let streams = 0;
  let isUnauthenticated = 0;
  let clients = 0;
  for (const view of core.views()) {
    for (const session of view.sessions()) {
      if (session.isOpen) streams++;
      if (session.status.unauthenticatedSinceWallMs !== undefined) isUnauthenticated = 1;
    }
    for (const type of view.types.values()) addTo(sums, type, nowWallMs);
  }
  for (const [label, sum] of sums) {
    const labels = [['type', label]] as const;
    yield gauge('resources', 'Resources that are served.', sum.resources, labels);
    yield gauge('cache_bytes', 'Encoded size of those resources.', sum.bytes, labels);
    yield gauge('names_missing', 'Names asked for that do not exist.', sum.missing, labels);
    yield gauge('idle_resources', 'Names that linger without a subscriber.', sum.idle, labels);
    yield gauge('quarantined_resources', 'Contents that every client rejected.', sum.quarantined, labels);
    yield gauge('guard_held_removals', 'Removals that the guard holds back.', sum.held, labels);
    const isStale = sum.isServingStale ? 1 : 0;
    yield gauge('serving_stale', '1 while what is served is not confirmed by the control plane.', isStale, labels);
    if (sum.ageSeconds >= 0) {
      const help = 'Time since the type was known to be current, of the oldest one.';
      yield gauge('config_age_seconds', help, sum.ageSeconds, labels);
    }
  }
  for (const client of core.clients()) if (client.view) clients++;
  const isConnected = streams > 0 ? 1 : 0;
  yield gauge('control_plane_connected_state', '1 while a stream to the control plane is open.', isConnected, []);
  yield gauge('upstream_streams', 'Streams to control planes that are open.', streams, []);
  const refused =
    '1 while a control plane ends our streams as UNAUTHENTICATED: it does not accept our certificate or token.';
  yield gauge('upstream_unauthenticated', refused, isUnauthenticated, []);
  yield gauge('downstream_streams', 'Client streams that are being served.', clients, []);
  yield gauge('client_bytes_in_flight', 'Bytes on their way to clients.', core.bytesInFlight, []);
  if (!cache) return;
  yield gauge('disk_failing', '1 while the disk cache cannot be written.', cache.state === 'failing' ? 1 : 0, []);
  yield gauge('disk_bytes', 'Size of the disk cache.', cache.bytes, []);
}

/** Gauges of when what we show the control plane ends. */
export function* expiryGauges({ certificateMs, serverMs, tokenMs }: Expiries): Generator<MetricSample> {
  const own = 'When the client certificate for the control plane ends, in seconds since the epoch.';
  if (certificateMs !== undefined)
    yield gauge('upstream_certificate_expiry_timestamp_seconds', own, certificateMs / 1000, []);
  const its = 'When the certificate that the control plane has shown last ends, in seconds since the epoch.';
  if (serverMs !== undefined)
    yield gauge('upstream_server_certificate_expiry_timestamp_seconds', its, serverMs / 1000, []);
  const help = 'When the token for the control plane ends, in seconds since the epoch.';
  if (tokenMs !== undefined) yield gauge('upstream_token_expiry_timestamp_seconds', help, tokenMs / 1000, []);
}

/** Gauges of what the nodes of one agent share. @param bodies undefined where there is one node, which has its own */
export function* sharingGauges(
  connections: number,
  bodies: { readonly bodies: number; readonly bytes: number } | undefined,
): Generator<MetricSample> {
  yield gauge('upstream_connections', 'Connections to control planes.', connections, []);
  if (!bodies) return;
  yield gauge('bodies', 'Different resource bodies that all nodes together hold.', bodies.bodies, []);
  yield gauge('body_bytes', 'Their size; cache_bytes counts each node that has them.', bodies.bytes, []);
}

function addTo(
  sums: Map<string, Sums>,
  { typeUrl, store, interest, freshness, heldRemovals }: TypeView,
  nowWallMs: number,
): void {
  const label = labelOf(typeUrl);
  const none = { resources: 0, bytes: 0, missing: 0, idle: 0, quarantined: 0, held: 0, ageSeconds: -1 };
  const sum = sums.get(label) ?? { ...none, isServingStale: false };
  sums.set(label, sum);
  sum.resources += store.size;
  sum.bytes += store.served.bytes;
  sum.missing += store.absences.count;
  sum.idle += interest.lingeringCount;
  sum.quarantined += store.quarantined.size;
  sum.held += heldRemovals.size;
  const ageMs = freshness.ageMs(nowWallMs);
  if (ageMs !== undefined) sum.ageSeconds = Math.max(sum.ageSeconds, ageMs / 1000);
  if (freshness.provenance !== 'none' && !freshness.isCurrent) sum.isServingStale = true;
}

function gauge(name: string, help: string, value: number, labels: MetricSample['labels']): MetricSample {
  return { name, kind: 'gauge', help, labels, value };
}

function upstreamsOf(view: View): UpstreamReport[] {
  return [...view.streams.placed()].map(({ session, isInUse }) => ({
    viewKey: view.key,
    group: session.group,
    isInUse,
    ...session.status,
  }));
}

/** One type of a view at one moment. */
export function typeReport(view: View, type: TypeView, clock: Clock): TypeReport {
  const { typeUrl, store, interest, freshness } = type;
  // In an outage nothing is given up, and neither is anything of a node that is put away as a whole.
  const lingersUntilMs = isReachable(type) && !view.isUnused ? interest.lingersUntilMs : undefined;
  return {
    viewKey: view.key,
    typeUrl,
    shortName: traitsOf(typeUrl).shortName,
    state: store.isKnown ? 'known' : 'unknown',
    source: freshness.provenance,
    isCurrent: freshness.isCurrent,
    ageMs: freshness.ageMs(clock.wallMs),
    isStale: freshness.isStale,
    isWithheld: store.isWithheld,
    versionInfo: store.versionInfo(),
    resources: store.size,
    bytes: store.served.bytes,
    updatedWallMs: store.updatedWallMs,
    isWildcardWanted: interest.isWildcard,
    namesWanted: interest.size,
    namesMissing: store.absences.count,
    idleResources: interest.lingeringCount,
    isListIdle: interest.isWildcard && !interest.isWildcardServed,
    idleUntilWallMs:
      lingersUntilMs === undefined ? undefined : Math.round(clock.wallMs + lingersUntilMs - clock.monotonicMs),
    quarantined: [...store.quarantined].map(([name, refused]) => quarantineOf(name, refused)),
    heldRemovals: type.heldRemovals.size,
  };
}

/** A refused content as people see it. */
export function quarantineOf(name: string, { entry, refusal, isServed }: Quarantined): QuarantineReport {
  const served = isServed ? 'all the same' : entry.good !== undefined ? 'last accepted' : 'nothing';
  return { name, words: refusal.words, sinceWallMs: refusal.sinceWallMs, served };
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
    listener: client.peer.listener,
    connectedWallMs: client.connectedWallMs,
    types: [...stream.types()].map(type => {
      const { typeUrl, traits, nonces, isComplete, lastError } = type;
      const status = nonces.status === 'STALE' && isTakenInSilence(typeUrl) ? 'SENT' : nonces.status;
      const { shortName } = traits;
      const { ackedVersion: lastAckedVersion } = nonces;
      return { typeUrl, shortName, status, isComplete, lastAckedVersion, lastError, rejected: rejectedBy(type) };
    }),
  };
}

/** Names told of a rejection. */
const rejectedMax = 5;

function rejectedBy(type: ClientType): NameList | undefined {
  if (type.lastError === undefined) return undefined;
  const { names } = suspectsOf(type.lastError, [...type.refusedNames()]);
  return { count: names.length, names: names.slice(0, rejectedMax) };
}

/** Types by their names, whoever asked for them first. */
function sorted(view: View): TypeView[] {
  return [...view.types.values()].sort((a, b) => (a.typeUrl < b.typeUrl ? -1 : 1));
}
