import assert from 'node:assert/strict';
import type { AckMode } from '../../src/agent/ack-ledger.ts';
import { AllowList } from '../../src/agent/allow-list.ts';
import { Authorities } from '../../src/agent/authorities.ts';
import type { CoreSettings } from '../../src/agent/core.ts';
import { Scopes } from '../../src/agent/scopes.ts';
import { matchKeyOf, readNode } from '../../src/xds/node.ts';
import { encodeNode } from '../support/messages.ts';
import type { Manner } from './model-control-plane.ts';

/** Settings of the simulated agent: those of production, with a linger short enough to end within a run. */
export const settings: CoreSettings = {
  authorities: new Authorities(new Map()),
  addresses: ['model:1'],
  variant: 'auto',
  isSingleStream: false,
  failoverAfterMs: 10_000,
  stagingTimeoutMs: 15_000,
  driftCheckMs: 0,
  recycleMs: 0,
  startJitterMs: 0,
  reconnectBaseMs: 500,
  reconnectMaxMs: 30_000,
  viewBytesMax: 1 << 30,
  resourcesMax: 10_000,
  completeQuietMs: 100,
  absentQuietMs: 200,
  absentTimeoutMs: 15_000,
  lingerMs: 5_000,
  restoredLingerMs: 300_000,
  isResuming: true,
  isStoring: false,
  cacheMatch: ['id', 'cluster', 'metadata'],
  guard: 'warn',
  guardGraceMs: 30_000,
  guardWindowMs: 60_000,
  guardPercent: 50,
  maxAges: new Map(),
  startup: 'prefer-cache',
  startupGraceMs: 5_000,
  namesMax: 1_000,
  nameBytesMax: 256,
  nodeBytesMax: 1 << 20,
  typesMax: 8,
  viewTypesMax: 256,
  removalHoldMs: 100,
  warmHoldMs: 1_000,
  nodeSharing: 'shared',
  shareBy: undefined,
  scopes: new Scopes({ rules: undefined, rootNamespace: 'istio-system' }),
  allowList: new AllowList([]),
  nodesMax: 16,
  nodeLingerMs: 20_000,
  clientStreamsPerPeerMax: 64,
  listenerNames: [],
  viewsPerNodeMax: 4,
  namesPerPeerMax: 1_000_000,
  requestsPerSecondMax: 500,
  requestBurstMax: 20_000,
  dropExtensions: false,
  node: undefined,
  ack: 'clients',
  ackWaitMs: 1_000,
  clientStreamsMax: 64,
  responseBytesInFlightMax: 4_096,
  clientProgressTimeoutMs: 30_000,
  firstRequestTimeoutMs: 10_000,
  grpcUnansweredTimeoutMs: 5_000,
};

/** How a run differs from the usual one. */
export interface WorldOptions {
  readonly manner: Manner;
  /** Control planes, the preferred one first. */
  readonly addresses: readonly string[];
  readonly isLogging: boolean;
  readonly hasDisk: boolean;
  readonly ack: AckMode;
  /** Nodes that are served apart, each with a control plane's state of its own; undefined where all share one. */
  readonly nodes: readonly string[] | undefined;
  /** Most nodes and most streams of one node at once; a client past them is sent away and comes again. */
  readonly limits: { readonly nodes: number; readonly streams: number } | undefined;
}

/** Where the disk has what a node was given. */
export function matchKeyOfNode(nodeId: string): string {
  const identity = readNode(encodeNode(nodeId));
  assert.ok(!('error' in identity));
  return matchKeyOf(identity, settings.cacheMatch);
}
