import type { Variant } from '../../src/demo/envelopes.ts';

// What is measured, and what a measurement gives.

/**
 * What stands between clients and control plane: nothing, the byte relay, Weir with the clients' variant upstream, the same with clients on its Unix
 * socket, Weir with SotW clients and Delta upstream, or Istio's pilot-agent, one for each client since it serves one.
 */
export type Subject = 'direct' | 'relay' | 'weir' | 'weir-socket' | 'weir-delta' | 'pilot-agent';

/** One size of the bench. */
export interface BenchCase {
  /** What the clients speak. */
  readonly variant: Variant;
  /** Clusters; there are as many endpoint lists. */
  readonly resources: number;
  readonly clients: number;
  /** Clusters in each update. */
  readonly changed: number;
}

/** How every run of a bench is made. */
export interface RunOptions {
  readonly updates: number;
  /** Path of Istio's pilot-agent, undefined where it is not measured. */
  readonly pilotAgent: string | undefined;
}

/** Figures of the process in the middle; memory in MiB, processor time in ms. */
export interface AgentFigures {
  /** From exec until it says that it listens; undefined for the relay. */
  readonly startMs: number | undefined;
  readonly idleRssMiB: number | undefined;
  readonly idleOwnMiB: number | undefined;
  /** After the last update. */
  readonly rssMiB: number | undefined;
  readonly ownMiB: number | undefined;
  /** The most that RSS was from start to end. */
  readonly peakRssMiB: number | undefined;
  readonly syncCpuMs: number | undefined;
  readonly updateCpuMs: number | undefined;
}

/** Figures of one run. Bytes are those of gRPC messages with their five-byte prefix. */
export interface RunFigures {
  /** From the first connection attempt until all clients hold all. */
  readonly firstSyncMs: number;
  /** From the stamp until the last changed resource is there, over all clients and updates. */
  readonly propagationP50Ms: number;
  readonly propagationP99Ms: number;
  /** Updates made: fewer than asked for where they take long. */
  readonly updates: number;
  readonly streams: number;
  readonly syncBytes: number;
  readonly updateBytes: number;
  /** Processor time of the control plane for the first sync and for one update, in ms. */
  readonly controlPlaneSyncCpuMs: number | undefined;
  readonly controlPlaneUpdateCpuMs: number | undefined;
  readonly agent: AgentFigures | undefined;
}

/** One row: a case, what stood in the middle, and its repetitions. */
export interface Row {
  readonly benchCase: BenchCase;
  readonly subject: Subject;
  readonly runs: readonly RunFigures[];
  /** Why repetitions failed. */
  readonly failures: readonly string[];
}

/** More pilot-agents than this, one for each client, are not started: each has 30 MiB. */
const pilotAgentsMax = 20;
/** With more clients the socket makes no difference that could be seen. */
const socketClientsMax = 10;

/** Subjects of a case in the order in which they take turns. */
export function subjectsOf({ variant, clients }: BenchCase, pilotAgent: string | undefined): readonly Subject[] {
  const other: Subject = variant === 'delta' ? 'weir-socket' : 'weir-delta';
  const isOther = variant === 'sotw' || clients <= socketClientsMax;
  const isPilotAgent = pilotAgent !== undefined && variant === 'delta' && clients <= pilotAgentsMax;
  return ['direct', 'relay', 'weir', ...(isOther ? [other] : []), ...(isPilotAgent ? (['pilot-agent'] as const) : [])];
}

/** What the agent speaks upstream. */
export function upstreamVariantOf(subject: Subject, variant: Variant): Variant {
  return subject === 'weir-delta' ? 'delta' : variant;
}

/** The cases of a bench, the small ones first. */
export function casesOf(sizes: {
  readonly variants: readonly Variant[];
  readonly resources: readonly number[];
  readonly clients: readonly number[];
  readonly changed: readonly number[];
}): readonly BenchCase[] {
  const { variants, resources: counts, clients: manies, changed: parts } = sizes;
  return variants.flatMap(variant =>
    counts.flatMap(resources =>
      manies.flatMap(clients =>
        parts.flatMap(changed => (changed <= resources ? [{ variant, resources, clients, changed }] : [])),
      ),
    ),
  );
}
