import type {
  AgentReport,
  CacheReport,
  ClientReport,
  ClientTypeReport,
  LoadReport,
  QuarantineReport,
  ResourceReport,
  TypeReport,
  UpstreamReport,
} from '../admin/reports.ts';
import { type Quarantined, suspectsOf } from '../cache/quarantine.ts';
import type { ClientType } from '../local-ads/client-type.ts';
import { isTakenInSilence, traitsOf } from '../xds/type-urls.ts';
import type { Clock } from '../xds/types.ts';
import type { Client } from './client.ts';
import type { Core } from './core.ts';
import type { Latencies } from './latencies.ts';
import type { TrendLook } from './trend.ts';
import { isReachable, type TypeView } from './type-view.ts';
import type { View } from './view.ts';

/** State of the process that the core does not know. */
export interface ProcessState {
  readonly startedWallMs: number;
  readonly clock: Clock;
  readonly isListening: boolean;
  readonly memory: AgentReport['memory'];
  /** As {@link AgentReport} has it. */
  readonly servers: readonly string[];
  readonly cache: CacheReport | undefined;
  readonly isSeeded: boolean;
  readonly load: LoadReport;
  readonly refusals: AgentReport['refusals'];
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
    missingNames: store.absences.first(missingNamesMax),
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
      const { typeUrl, traits, nonces, isComplete } = type;
      const { shortName } = traits;
      const { ackedVersion: lastAckedVersion } = nonces;
      return { typeUrl, shortName, status: statusOf(type), isComplete, lastAckedVersion, ...rejectionOf(type) };
    }),
  };
}

/** Names told of a rejection. */
/** Names told that do not exist. */
const missingNamesMax = 3;
const rejectedMax = 5;

function statusOf({ typeUrl, nonces: { status }, refused }: ClientType): ClientTypeReport['status'] {
  if (status === 'STALE' && isTakenInSilence(typeUrl)) return 'SENT';
  // It has taken other changes since.
  return status === 'SYNCED' && refused.size > 0 ? 'REJECTED' : status;
}

/** The client's words of its newest message, else of one whose changes it has not taken since, and what they are about. */
function rejectionOf({ lastError: newest, refused }: ClientType): Pick<ClientTypeReport, 'lastError' | 'rejected'> {
  const [first = ''] = refused.names();
  const lastError = newest ?? refused.words(first);
  if (lastError === undefined) return { lastError };
  const { names } = suspectsOf(
    lastError,
    [...refused.names()].filter(name => refused.words(name) === lastError),
  );
  return { lastError, rejected: { count: names.length, names: names.slice(0, rejectedMax) } };
}

/** Types by their names, whoever asked for them first. */
function sorted(view: View): TypeView[] {
  return [...view.types.values()].sort((a, b) => (a.typeUrl < b.typeUrl ? -1 : 1));
}
