import type { AgentReport, LoadReport } from '../../src/admin/source.ts';

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
    isDraining: false,
    upstreams: [],
    types: [],
    clients: [],
    cache: undefined,
    isSeeded: false,
    load: noLoad,
    idleNodes: { count: 0, keptMs: 0 },
    ...change,
  };
}
