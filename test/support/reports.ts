import type {
  AgentReport,
  ClientReport,
  ClientTypeReport,
  LoadReport,
  TypeReport,
  UpstreamReport,
} from '../../src/admin/reports.ts';
import { type StatusReport, verdictOf } from '../../src/admin/verdict.ts';
import { clusterType } from '../../src/xds/type-urls.ts';

/** Nothing has happened yet. */
export const noLoad: LoadReport = {
  upstreamStreams: 0,
  upstreamRequests: 0,
  upstreamBytes: 0,
  clientStreams: 0,
  clientBytes: 0,
  resendsAvoided: 0,
};

/** A report of an agent that has listened for a second and has neither client nor upstream. */
export function reportWith(change: Partial<AgentReport>): AgentReport {
  return {
    startedWallMs: 1_000_000,
    nowWallMs: 1_001_000,
    isListening: true,
    memory: { residentBytes: 80_000_000, ownBytes: 30_000_000 },
    isDraining: false,
    upstreams: [],
    servers: [],
    types: [],
    clients: [],
    refusals: [],
    cache: undefined,
    isSeeded: false,
    load: noLoad,
    idleNodes: { count: 0, keptMs: 0 },
    ...change,
  };
}

/** A stream to the control plane that has stood for a minute. */
export function upstreamReport(change: Partial<UpstreamReport> = {}): UpstreamReport {
  return {
    viewKey: 'v',
    group: 'main',
    isInUse: true,
    phase: 'open',
    variant: 'delta',
    address: 'cp:18000',
    identifier: 'istiod',
    sinceWallMs: 941_000,
    lastError: undefined,
    unauthenticatedSinceWallMs: undefined,
    ...change,
  };
}

/** Three clusters that the control plane confirms. */
export function clustersReport(change: Partial<TypeReport> = {}): TypeReport {
  return {
    viewKey: 'v',
    typeUrl: clusterType,
    shortName: 'CDS',
    state: 'known',
    source: 'upstream',
    isCurrent: true,
    ageMs: 0,
    isStale: false,
    isWithheld: false,
    versionInfo: 'w3-abc',
    resources: 3,
    bytes: 300,
    updatedWallMs: 990_000,
    isWildcardWanted: true,
    namesWanted: 0,
    namesMissing: 0,
    missingNames: [],
    idleResources: 0,
    isListIdle: false,
    idleUntilWallMs: undefined,
    quarantined: [],
    heldRemovals: 0,
    ...change,
  };
}

/** A client that has taken all clusters. */
export function clientReport(
  nodeId: string,
  change: Partial<ClientTypeReport> = {},
  about: Partial<ClientReport> = {},
): ClientReport {
  const type: ClientTypeReport = {
    typeUrl: clusterType,
    shortName: 'CDS',
    status: 'SYNCED',
    isComplete: true,
    lastAckedVersion: '7',
    lastError: undefined,
    ...change,
  };
  return {
    streamId: 1,
    viewKey: 'v',
    nodeId,
    nodeCluster: 'c',
    userAgent: 'envoy 1.40',
    variant: 'delta',
    listener: '127.0.0.1:15910',
    connectedWallMs: 995_000,
    types: [type],
    ...about,
  };
}

/** What `/status` says of it, where the agent is ready. */
export function statusWith(change: Partial<AgentReport>): StatusReport {
  const report = reportWith(change);
  const ready = { isOk: true, reason: 'fine' };
  return { verdict: verdictOf(report, ready), ready, ...report };
}
