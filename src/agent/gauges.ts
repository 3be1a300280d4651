import type { MetricSample } from '../admin/metric-sample.ts';
import type { DiskFigures } from '../cache/disk-notes.ts';
import type { IdleFigures } from '../cache/idle-tier.ts';
import type { Expiries } from '../upstream/credentials.ts';
import { isTakenInSilence } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { Core } from './core.ts';
import { cacheStates, clientStates, driftDifferences, labelOf, phases, sampleOf, variants } from './metric-table.ts';
import type { TypeView } from './type-view.ts';

type CacheState = (typeof cacheStates)[number];
type ClientState = (typeof clientStates)[number];

/** Everything that is held or asked for of the types that share a label, in all views. */
interface TypeSums {
  resources: number;
  bytes: number;
  readonly states: Record<CacheState, number>;
  errors: number;
  incomplete: number;
  idle: number;
  quarantined: number;
  held: number;
  ageSeconds: number | undefined;
  isServingStale: boolean;
  isTooOld: boolean;
  isWithheld: boolean;
}

/**
 * Gauges of the core's state. They cost what there is of views, types and client streams, whatever is held: sizes and counts are kept by those
 * who hold it, and no resource is looked at.
 */
export function* coreGauges(core: Core, nowWallMs: number): Generator<MetricSample> {
  yield sampleOf('draining', flag(core.isDraining));
  yield* streamGauges(core);
  yield* typeGauges(core, nowWallMs);
  yield* clientGauges(core);
  yield* driftGauges(core);
  yield sampleOf('client_bytes_in_flight', core.bytesInFlight);
}

function* streamGauges(core: Core): Generator<MetricSample> {
  const byPhase = new Map<string, number>(phases.map(phase => [phase, 0]));
  let isUnauthenticated = false;
  let serverIndex: number | undefined;
  for (const view of core.views()) {
    const { mainIndex } = view.streams;
    // One that is not listed any more is worse than any that is.
    if (serverIndex !== -1) serverIndex = mainIndex === -1 ? -1 : Math.max(serverIndex ?? 0, mainIndex);
    for (const { phase, status } of view.sessions()) {
      byPhase.set(phase, (byPhase.get(phase) ?? 0) + 1);
      isUnauthenticated ||= status.unauthenticatedSinceWallMs !== undefined;
    }
  }
  yield sampleOf('control_plane_connected_state', flag((byPhase.get('open') ?? 0) > 0));
  for (const [phase, count] of byPhase) yield sampleOf('upstream_streams', count, { phase });
  if (serverIndex !== undefined) yield sampleOf('upstream_server_index', serverIndex);
  yield sampleOf('upstream_unauthenticated', flag(isUnauthenticated));
}

function* typeGauges(core: Core, nowWallMs: number): Generator<MetricSample> {
  const byLabel = new Map<string, TypeSums>();
  for (const view of core.views()) for (const type of view.types.values()) addTo(byLabel, type, nowWallMs);
  for (const [type, sums] of byLabel) {
    const labels = { type };
    yield sampleOf('cache_resources', sums.resources, labels);
    yield sampleOf('cache_bytes', sums.bytes, labels);
    for (const [state, count] of Object.entries(sums.states))
      yield sampleOf('resources', count, { type, cache_state: state });
    yield sampleOf('upstream_errors', sums.errors, labels);
    yield sampleOf('lists_incomplete', sums.incomplete, labels);
    yield sampleOf('idle_resources', sums.idle, labels);
    yield sampleOf('quarantined_resources', sums.quarantined, labels);
    yield sampleOf('guard_held_removals', sums.held, labels);
    yield sampleOf('serving_stale', flag(sums.isServingStale), labels);
    yield sampleOf('config_too_old', flag(sums.isTooOld), labels);
    yield sampleOf('config_withheld', flag(sums.isWithheld), labels);
    if (sums.ageSeconds !== undefined) yield sampleOf('config_age_seconds', sums.ageSeconds, labels);
  }
}

/** What the last drift check found, of all nodes together. */
function* driftGauges(core: Core): Generator<MetricSample> {
  const { last } = core.drift.report();
  if (!last) return;
  yield sampleOf('drift_last_check_timestamp_seconds', last.endedWallMs / 1000);
  const byType = new Map<string, Record<(typeof driftDifferences)[number], number>>();
  for (const { typeUrl, ...lists } of last.checks.flatMap(check => check.types)) {
    const label = labelOf(typeUrl as TypeUrl); // It comes from the core, as text for the report.
    const sums = byType.get(label) ?? zeros(driftDifferences);
    byType.set(label, sums);
    for (const difference of driftDifferences) sums[difference] += lists[difference].count;
  }
  for (const [type, sums] of byType) {
    for (const [difference, count] of Object.entries(sums))
      yield sampleOf('drift_resources', count, { type, difference });
  }
}

function newSums(): TypeSums {
  return {
    resources: 0,
    bytes: 0,
    states: zeros(cacheStates),
    errors: 0,
    incomplete: 0,
    idle: 0,
    quarantined: 0,
    held: 0,
    ageSeconds: undefined,
    isServingStale: false,
    isTooOld: false,
    isWithheld: false,
  };
}

function addTo(byLabel: Map<string, TypeSums>, type: TypeView, nowWallMs: number): void {
  const { typeUrl, store, interest, freshness, heldRemovals } = type;
  const label = labelOf(typeUrl);
  const sums = byLabel.get(label) ?? newSums();
  byLabel.set(label, sums);
  sums.resources += store.size;
  sums.bytes += store.served.bytes;
  addStates(sums.states, type);
  sums.errors += store.failures.count;
  if (interest.isWildcardServed && !store.isKnown) sums.incomplete++;
  sums.idle += interest.lingeringCount;
  sums.quarantined += store.quarantined.size;
  sums.held += heldRemovals.size;
  const ageMs = freshness.ageMs(nowWallMs);
  if (ageMs !== undefined) sums.ageSeconds = Math.max(sums.ageSeconds ?? 0, ageMs / 1000);
  if (freshness.provenance !== 'none' && !freshness.isCurrent) sums.isServingStale = true;
  if (freshness.isStale) sums.isTooOld = true;
  if (store.isWithheld) sums.isWithheld = true;
}

/** Adds each name that is served or asked for to one state. */
function addStates(states: Record<CacheState, number>, { store }: TypeView): void {
  const { absences } = store;
  const { presumed, accepted, replaced, refused } = store.standing.counts;
  states.requested += absences.awaited;
  states.presumed += presumed;
  states.acked += accepted;
  states.nacked += refused;
  states.nacked_but_cached += replaced;
  states.does_not_exist += absences.countOf('upstream') + absences.countOf('inferred');
  states.received_error += absences.countOf('error');
  states.timeout += absences.countOf('timeout');
}

function* clientGauges(core: Core): Generator<MetricSample> {
  const byVariant = new Map<string, number>(variants.map(variant => [variant, 0]));
  const byType = new Map<string, Record<ClientState, number>>();
  for (const { view, stream } of core.clients()) {
    if (!view) continue;
    byVariant.set(stream.variant, (byVariant.get(stream.variant) ?? 0) + 1);
    for (const { typeUrl, nonces } of stream.types()) {
      const label = labelOf(typeUrl);
      const counts = byType.get(label) ?? zeros(clientStates);
      byType.set(label, counts);
      counts[clientState(nonces.status, isTakenInSilence(typeUrl))]++;
    }
  }
  for (const [variant, count] of byVariant) yield sampleOf('downstream_streams', count, { variant });
  for (const [type, counts] of byType)
    for (const [state, count] of Object.entries(counts)) yield sampleOf('client_subscriptions', count, { type, state });
}

function clientState(status: 'SYNCED' | 'STALE' | 'NOT SENT' | 'REJECTED', isSilent: boolean): ClientState {
  switch (status) {
    case 'SYNCED':
      return 'synced';
    case 'STALE':
      return isSilent ? 'sent' : 'stale';
    case 'NOT SENT':
      return 'not_sent';
    case 'REJECTED':
      return 'rejected';
  }
}

/** Gauges of the disk cache. @param isFailing it cannot be written */
export function* diskGauges(isFailing: boolean, figures: DiskFigures): Generator<MetricSample> {
  yield sampleOf('disk_failing', flag(isFailing));
  yield sampleOf('disk_bytes', figures.bytes);
  yield sampleOf('disk_resources', figures.resources);
  yield sampleOf('disk_pending_changes', figures.pending);
  yield sampleOf('disk_oldest_pending_seconds', figures.oldestPendingMs / 1000);
}

/** Gauges of when credentials end: ours and the control plane's upstream, and those that clients are shown. @param listenerMs of the first to end */
export function* expiryGauges(
  { certificateMs, serverMs, tokenMs }: Expiries,
  listenerMs: number | undefined,
): Generator<MetricSample> {
  if (certificateMs !== undefined)
    yield sampleOf('upstream_certificate_expiry_timestamp_seconds', certificateMs / 1000);
  if (serverMs !== undefined) yield sampleOf('upstream_server_certificate_expiry_timestamp_seconds', serverMs / 1000);
  if (tokenMs !== undefined) yield sampleOf('upstream_token_expiry_timestamp_seconds', tokenMs / 1000);
  if (listenerMs !== undefined) yield sampleOf('listener_certificate_expiry_timestamp_seconds', listenerMs / 1000);
}

/** What the nodes of one agent share. */
export interface Shared {
  /** To control planes. */
  readonly connections: number;
  readonly idle: IdleFigures;
  /** Nodes that nobody uses and that are kept in memory. */
  readonly idleNodes: number;
  /** Undefined where there is one node, which has its own. */
  readonly bodies: { readonly bodies: number; readonly bytes: number } | undefined;
}

/** Gauges of what the nodes of one agent share. */
export function* sharedGauges({ connections, idle, idleNodes, bodies }: Shared): Generator<MetricSample> {
  yield sampleOf('upstream_connections', connections);
  yield sampleOf('idle_tier_resources', idle.size);
  yield sampleOf('idle_tier_refused_total', idle.refused);
  yield sampleOf('idle_nodes', idleNodes);
  if (!bodies) return;
  yield sampleOf('bodies', bodies.bodies);
  yield sampleOf('body_bytes', bodies.bytes);
}

function zeros<T extends string>(names: readonly T[]): Record<T, number> {
  // The keys are the names, each of them.
  return Object.fromEntries(names.map(name => [name, 0])) as Record<T, number>;
}

function flag(isSo: boolean): 0 | 1 {
  return isSo ? 1 : 0;
}
