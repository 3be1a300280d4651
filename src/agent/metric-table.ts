import type { HistogramSample, MetricSample, MetricSpec } from '../admin/metric-sample.ts';
import { istioKinds, kindNameOf, meshConfigTypeUrl } from '../istio/kinds.ts';
import { shortNames, traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { Histogram } from './histogram.ts';

/** The label of a type that has no name here. */
const otherType = 'other';
const meshConfig = kindNameOf(meshConfigTypeUrl) ?? otherType;

/** Envoy's types by their short names, Istio's kinds, and `other`, which all others share: a client can ask for any number of them. */
export const typeLabels: readonly string[] = [
  ...shortNames,
  ...istioKinds.map(({ kind }) => kind),
  meshConfig,
  otherType,
];

/** Label value of a type. Today's and older type URLs of one of Istio's kinds share theirs. */
export function labelOf(typeUrl: TypeUrl): string {
  const { shortName, isEnvoyType } = traitsOf(typeUrl);
  return isEnvoyType ? shortName : (kindNameOf(typeUrl) ?? otherType);
}

/** Names of gRPC's status codes, each at its number (grpc.github.io, "Status codes"). */
const codeNames: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];
const otherCode = 'OTHER';

/** Values of the label `code`: the names of gRPC's status codes, and `OTHER` for a number that is none. */
export const codeLabels: readonly string[] = [...codeNames, otherCode];

/** Label value of a gRPC status code. */
export function codeLabelOf(code: number): string {
  return codeNames[code] ?? otherCode;
}

/** Phases of an upstream stream. */
export const phases = ['idle', 'connecting', 'open', 'backoff'] as const;
/** Variants of xDS. */
export const variants = ['delta', 'sotw'] as const;
/** Values of the label `state`, as `weir status` has them, in lower case. */
export const clientStates = ['synced', 'stale', 'sent', 'not_sent', 'rejected'] as const;
/** Values of the label `cache_state`: what is known of a resource. Names are those of gRFC A78 where it has one. */
export const cacheStates = [
  'requested',
  'presumed',
  'acked',
  'nacked',
  'nacked_but_cached',
  'does_not_exist',
  'received_error',
  'timeout',
] as const;

/** What drift checks come to. */
export const driftOutcomes = ['same', 'differs', 'incomplete', 'failed'] as const;
/** How what is held may differ from what the control plane has. */
export const driftDifferences = ['missing', 'extra', 'different'] as const;

const byType = { type: typeLabels };
const withUpstream = 'a response of the type was answered';
const whileHeld = 'the type is asked for or held';
const onceSeen = 'from the first word of the type on, all of them at once';

/** One part of the table. */
interface Section {
  readonly title: string;
  readonly metrics: Readonly<Record<string, MetricSpec>>;
}

const counter = (help: string, more: Partial<MetricSpec> = {}): MetricSpec => ({ kind: 'counter', help, ...more });
const gauge = (help: string, more: Partial<MetricSpec> = {}): MetricSpec => ({ kind: 'gauge', help, ...more });
const typed = (help: string, more: Partial<MetricSpec> = {}): MetricSpec =>
  counter(help, { labels: byType, when: onceSeen, ...more });
const state = (help: string, more: Partial<MetricSpec> = {}): MetricSpec =>
  gauge(help, { labels: byType, when: whileHeld, ...more });

const ofProcess = {
  build_info: gauge('1, with the version of Weir and of Node.js.', { labels: { version: undefined, node: undefined } }),
  start_time_seconds: gauge('When the process started, since the epoch.', { unit: 'seconds' }),
  draining: gauge('1 once the agent is told to end and has its clients go.'),
  process_resident_memory_bytes: gauge('Memory that the process holds, shared pages included.', { unit: 'bytes' }),
  process_own_memory_bytes: gauge(
    'The part of it that no other process shares (RssAnon); the rest is mostly the text of Node.js, which all agents of a machine share.',
    { unit: 'bytes', when: 'on Linux' },
  ),
  process_heap_bytes: gauge('Memory in use on the JavaScript heap.', { unit: 'bytes' }),
  process_external_memory_bytes: gauge('Memory of buffers outside that heap, bodies of resources among them.', {
    unit: 'bytes',
  }),
  process_cpu_seconds_total: counter('Processor time, of all threads, in user and system mode.', { unit: 'seconds' }),
  process_event_loop_active_seconds_total: counter(
    'Time in which the event loop was not waiting; its rate is its load.',
    { unit: 'seconds' },
  ),
  process_event_loop_delay_seconds: {
    kind: 'histogram',
    help: 'How much later than due a timer came that looks twice a second.',
    unit: 'seconds',
  },
  log_lines_left_out_total: counter('Log lines that were one too many of their kind.'),
} as const satisfies Record<string, MetricSpec>;

const upstream = {
  control_plane_connected_state: gauge('1 while a stream to a control plane is open.'),
  upstream_streams: gauge('Streams to control planes, those included that are tried beside one in use, by phase.', {
    labels: { phase: phases },
  }),
  upstream_connections: gauge('Connections to control planes.'),
  upstream_server_index: gauge(
    'Place in the list of control planes of the one in use: 0 for the first, -1 for one that is not listed any more. Of several nodes, the one furthest down.',
    { when: 'there is a node' },
  ),
  upstream_unauthenticated: gauge(
    '1 while a control plane ends our streams as UNAUTHENTICATED: it does not accept our certificate or token.',
  ),
  upstream_streams_opened_total: counter('Streams opened towards control planes.'),
  upstream_stream_failures_total: counter(
    'Streams towards control planes that ended, or could not be opened, by gRPC status.',
    {
      labels: { code: codeLabels },
      when: 'UNAVAILABLE always, others from the first on',
    },
  ),
  upstream_switches_total: counter('Times that another control plane of the list took over.'),
  upstream_requests_total: counter('Requests written to control planes.'),
  upstream_request_bytes_total: counter('Size of those requests.', { unit: 'bytes' }),
  upstream_responses_total: typed('Responses of control planes that were applied.'),
  upstream_response_bytes_total: typed('Size of those responses.', { unit: 'bytes' }),
  upstream_resources_total: typed('Resources in those responses.'),
  responses_unchanged_total: typed('Responses that changed nothing and reached no client.'),
  resources_ignored_total: typed('Resources in responses that nobody had asked for.'),
  response_refused_total: typed('Responses refused for their form before any client saw them.'),
  update_success_total: typed('Responses acknowledged (ACK) to the control plane.'),
  update_rejected_total: typed('Responses rejected (NACK) to the control plane.'),
  verdict_seconds: {
    kind: 'histogram',
    help: 'Time from the receipt of a response to its ACK or NACK to the control plane.',
    unit: 'seconds',
    labels: byType,
    when: withUpstream,
  },
} as const satisfies Record<string, MetricSpec>;

const cache = {
  cache_resources: state('Resources that are served.'),
  cache_bytes: state('Encoded size of those resources.', { unit: 'bytes' }),
  resources: gauge(
    'Names that are served or asked for, by what is known of them (docs/metrics.md); each name is in one state.',
    {
      labels: { type: typeLabels, cache_state: cacheStates },
      when: whileHeld,
    },
  ),
  upstream_errors: state(
    'Names of which the control plane last sent an error in place of the resource, whether or not an older content is held.',
  ),
  lists_incomplete: state(
    'Nodes whose clients want all of the type while its list is not known to be whole, so that no whole list can be given.',
  ),
  serving_stale: state('1 while what is served is not confirmed by the control plane.'),
  config_age_seconds: state('Time since the type was known to be current, of the node for which that is longest ago.', {
    unit: 'seconds',
    when: 'the type was current once, also in an earlier process',
  }),
  config_too_old: state('1 while the type is older than the setting maxAge allows.'),
  config_withheld: state(
    '1 while clients that start are given nothing of the type: it is too old, or the control plane is still awaited.',
  ),
  resource_changes_total: typed('Changes of single resources that clients had to hear of.'),
  resources_expired_total: typed('Resources that outlived their TTL.'),
  idle_resources: state('Names that linger without a subscriber.'),
  idle_tier_resources: gauge('Resources of those names in the idle tier.'),
  idle_tier_refused_total: counter(
    'Resources that the idle tier had no room for (setting idleResourcesMax); they are fetched again when wanted.',
  ),
  idle_nodes: gauge('Nodes that nobody uses and whose configuration is kept in memory.'),
  bodies: gauge('Different resource bodies that all nodes together hold.', { when: 'there may be several nodes' }),
  body_bytes: gauge('Their size; cache_bytes counts each node that has them.', {
    unit: 'bytes',
    when: 'there may be several nodes',
  }),
} as const satisfies Record<string, MetricSpec>;

const clients = {
  downstream_streams: gauge('Client streams that are being served, by variant of xDS.', {
    labels: { variant: variants },
  }),
  client_subscriptions: gauge(
    'Types on client streams, by what the client has said: synced (it took the newest), stale (its answer is awaited), sent (it never answers for this type), not_sent, rejected.',
    { labels: { type: typeLabels, state: clientStates }, when: 'a client asks for the type' },
  ),
  client_streams_total: counter('Client streams that were accepted.'),
  client_streams_refused_total: counter('Client streams that were refused or cut off, by gRPC status.', {
    labels: { code: codeLabels },
    when: 'UNAVAILABLE, RESOURCE_EXHAUSTED, INVALID_ARGUMENT, PERMISSION_DENIED and UNAUTHENTICATED always, others from the first on',
  }),
  client_messages_total: counter('Messages written to clients.'),
  client_bytes_total: counter('Size of the messages written to clients.', { unit: 'bytes' }),
  client_bytes_in_flight: gauge('Bytes on their way to clients.', { unit: 'bytes' }),
  upstream_resends_avoided_total: typed(
    'Resources that clients were given and the control plane did not have to send again for them.',
  ),
  propagation_seconds: {
    kind: 'histogram',
    help: 'Time from the receipt of a response to the writing of its news to a client, for each client.',
    unit: 'seconds',
    labels: byType,
    when: 'news of the type were written to a client',
  },
  lrs_reports_dropped_total: counter('Load reports of clients that the control plane could not be given.'),
} as const satisfies Record<string, MetricSpec>;

const safety = {
  client_rejections_total: typed('Rejections (NACK) by clients.'),
  quarantines_total: typed('Contents put into quarantine because every client rejected them.'),
  quarantined_resources: state('Contents in quarantine now.'),
  guard_alarms_total: typed('Lists that shrank suspiciously right after a connect.'),
  guard_held_removals: state('Removals that the guard holds back.'),
  drift_checks_total: counter('Drift checks of single upstream streams, by what they came to.', {
    labels: { outcome: driftOutcomes },
  }),
  drift_resources: gauge(
    'Resources that the last drift check found to differ: missing here, extra here, or different.',
    { labels: { type: typeLabels, difference: driftDifferences }, when: 'a drift check compared the type' },
  ),
  drift_last_check_timestamp_seconds: gauge('When the last drift check ended, since the epoch.', {
    unit: 'seconds',
    when: 'there was one',
  }),
  scope_denials_total: typed('Names, types and parts of wildcards that clients asked for and no scope opens to them.'),
  scope_resources_denied_total: typed('Resources in responses that no client of the node may see; they are not kept.'),
  upstream_certificate_expiry_timestamp_seconds: gauge(
    'When the client certificate for the control plane ends, since the epoch.',
    { unit: 'seconds', when: 'a client certificate is used' },
  ),
  upstream_server_certificate_expiry_timestamp_seconds: gauge(
    'When the certificate that the control plane has shown last ends, since the epoch.',
    { unit: 'seconds', when: 'TLS is spoken and a control plane was reached' },
  ),
  upstream_token_expiry_timestamp_seconds: gauge('When the token for the control plane ends, since the epoch.', {
    unit: 'seconds',
    when: 'the token is a JWT that ends',
  }),
  listener_certificate_expiry_timestamp_seconds: gauge(
    'When the certificate that clients are shown ends, of several the first one, since the epoch.',
    { unit: 'seconds', when: 'a listener has a certificate (setting listeners)' },
  ),
} as const satisfies Record<string, MetricSpec>;

const withDisk = 'there is a disk cache (setting cacheDir)';
const disk = {
  disk_failing: gauge('1 while the disk cache cannot be written.', { when: withDisk }),
  disk_bytes: gauge('Size of the disk cache on disk.', { unit: 'bytes', when: withDisk }),
  disk_resources: gauge('Resources in the disk cache, of nodes that are not in use included.', { when: withDisk }),
  disk_pending_changes: gauge('Changes that are not on disk yet.', { when: withDisk }),
  disk_oldest_pending_seconds: gauge('Age of the oldest of those changes, 0 without any.', {
    unit: 'seconds',
    when: withDisk,
  }),
  disk_write_seconds: {
    kind: 'histogram',
    help: 'Time from the begin of a write to its commit, for each burst of changes.',
    unit: 'seconds',
    when: 'something was written to disk',
  },
  disk_changes_written_total: counter('Changes that went to disk.'),
  disk_failures_total: counter('Times that the disk cache became unwritable.'),
  disk_set_aside_total: counter('Cache files set aside as damaged.'),
  disk_rows_missing_total: typed('Stored resources that could not be restored.'),
  types_restored_total: typed('Types restored from disk or seed.'),
} as const satisfies Record<string, MetricSpec>;

const all = { ...ofProcess, ...upstream, ...cache, ...clients, ...safety, ...disk } as const;

/** Name of a metric, without the prefix `weir_`. */
export type MetricName = keyof typeof all;

/** All metrics of the agent by name. */
export const metricTable: Readonly<Record<MetricName, MetricSpec>> = all;

/** The same in the order of docs/metrics.md. */
export const metricSections: readonly Section[] = [
  { title: 'Process', metrics: ofProcess },
  { title: 'Control plane', metrics: upstream },
  { title: 'Cache', metrics: cache },
  { title: 'Clients', metrics: clients },
  { title: 'Rejections, guard, drift, scopes, credentials', metrics: safety },
  { title: 'Disk', metrics: disk },
];

/** The counters that have the label `type` alone. */
export const typedCounters: readonly MetricName[] = (Object.keys(all) as MetricName[]).filter(
  name => metricTable[name].kind === 'counter' && metricTable[name].labels?.['type'] !== undefined,
);

/** A sample of a counter or gauge of the table. @param labels all labels that the table gives the metric, in its order */
export function sampleOf(name: MetricName, value: number, labels: Readonly<Record<string, string>> = {}): MetricSample {
  const { kind, help } = metricTable[name];
  return { name, kind: kind === 'counter' ? kind : 'gauge', help, labels: Object.entries(labels), value };
}

/** A sample of a histogram of the table. */
export function histogramOf(
  name: MetricName,
  histogram: Histogram,
  labels: Readonly<Record<string, string>> = {},
): HistogramSample {
  const { bounds, sum } = histogram;
  const { help } = metricTable[name];
  return { name, kind: 'histogram', help, labels: Object.entries(labels), bounds, counts: histogram.counts(), sum };
}
