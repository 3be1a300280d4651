import type { MetricSample } from '../admin/metric-sample.ts';
import type { LoadReport } from '../admin/reports.ts';
import type { DiskNote } from '../cache/disk-notes.ts';
import { grpcCode, type TypeUrl } from '../xds/types.ts';
import type { Note } from './events.ts';
import { codeLabelOf, driftOutcomes, labelOf, type MetricName, sampleOf, typedCounters } from './metric-table.ts';

/** What is counted here as one number. */
const plainCounters = [
  'upstream_streams_opened_total',
  'upstream_requests_total',
  'upstream_request_bytes_total',
  'upstream_switches_total',
  'client_streams_total',
  'client_messages_total',
  'client_bytes_total',
  'lrs_reports_dropped_total',
  'disk_changes_written_total',
  'disk_failures_total',
  'disk_set_aside_total',
] as const satisfies readonly MetricName[];

/** What clients are usually refused with. */
const refusalCodes = [
  grpcCode.unavailable,
  grpcCode.resourceExhausted,
  grpcCode.invalidArgument,
  grpcCode.permissionDenied,
  grpcCode.unauthenticated,
];

interface Counter {
  readonly name: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/**
 * Counts what the core notes. A counter that appears with its first step would hide that step from `increase()`, so what is sure to be of
 * interest is there from the begin, and all counters of a type from the first word of the type on.
 */
export class Counters {
  readonly #values = new Map<string, Counter>();
  readonly #types = new Set<string>();

  constructor() {
    for (const name of plainCounters) this.#add(name, 0);
    for (const code of refusalCodes) this.#addCode('client_streams_refused_total', code, 0);
    this.#addCode('upstream_stream_failures_total', grpcCode.unavailable, 0);
    for (const outcome of driftOutcomes) this.#addOutcome(outcome, 0);
  }

  observe(note: Note): void {
    switch (note.kind) {
      case 'client_attached':
        this.#add('client_streams_total');
        break;
      case 'client_refused':
        this.#addCode('client_streams_refused_total', note.code);
        break;
      case 'client_nack':
        this.#addType('client_rejections_total', note.typeUrl);
        break;
      case 'scope_denied':
        if (note.client) this.#addType('scope_denials_total', note.typeUrl, Math.max(1, note.names.length));
        break;
      case 'client_sent':
        this.#add('client_messages_total');
        this.#add('client_bytes_total', note.bytes);
        if (note.resent > 0) this.#addType('upstream_resends_avoided_total', note.typeUrl, note.resent);
        break;
      case 'upstream':
        if (note.note.kind === 'stream_opened') this.#add('upstream_streams_opened_total');
        else if (note.note.kind === 'stream_lost') this.#addCode('upstream_stream_failures_total', note.note.code);
        else if (note.note.kind === 'server_changed') this.#add('upstream_switches_total');
        break;
      case 'response_applied':
        this.#addType('upstream_responses_total', note.typeUrl);
        this.#addType('upstream_response_bytes_total', note.typeUrl, note.bytes);
        this.#addType('upstream_resources_total', note.typeUrl, note.resources);
        this.#addType('resource_changes_total', note.typeUrl, note.changes);
        this.#addType('resources_ignored_total', note.typeUrl, note.ignored);
        this.#addType('scope_resources_denied_total', note.typeUrl, note.denied);
        if (note.changes === 0) this.#addType('responses_unchanged_total', note.typeUrl);
        break;
      case 'response_refused':
        this.#addType('response_refused_total', note.typeUrl);
        break;
      case 'upstream_answered':
        this.#addType(note.verdict === 'ack' ? 'update_success_total' : 'update_rejected_total', note.typeUrl);
        break;
      case 'quarantined':
        this.#addType('quarantines_total', note.typeUrl, note.names.length);
        break;
      case 'guard_alarm':
        this.#addType('guard_alarms_total', note.typeUrl);
        break;
      case 'drift_checked':
        this.#addOutcome(note.check.outcome);
        break;
      case 'resources_expired':
        this.#addType('resources_expired_total', note.typeUrl, note.names.length);
        break;
      case 'type_restored':
        this.#addType('types_restored_total', note.typeUrl);
        break;
      default:
        break;
    }
  }

  /** A request of so many bytes was written upstream. */
  requested(bytes: number): void {
    this.#add('upstream_requests_total');
    this.#add('upstream_request_bytes_total', bytes);
  }

  /** What was saved for the control plane so far, in the words of {@link LoadReport}. */
  load(): LoadReport {
    return {
      upstreamStreams: this.#sum('upstream_streams_opened_total'),
      upstreamRequests: this.#sum('upstream_requests_total'),
      upstreamBytes: this.#sum('upstream_response_bytes_total'),
      clientStreams: this.#sum('client_streams_total'),
      clientBytes: this.#sum('client_bytes_total'),
      resendsAvoided: this.#sum('upstream_resends_avoided_total'),
    };
  }

  /** Load reports were dropped. */
  droppedReports(count: number): void {
    this.#add('lrs_reports_dropped_total', count);
  }

  observeDisk(note: DiskNote): void {
    if (note.kind === 'disk_failing') this.#add('disk_failures_total');
    else if (note.kind === 'disk_set_aside') this.#add('disk_set_aside_total');
    else if (note.kind === 'disk_rows_missing') this.#addType('disk_rows_missing_total', note.typeUrl, note.count);
  }

  /** So many changes went to disk. */
  wroteDisk(changes: number): void {
    this.#add('disk_changes_written_total', changes);
  }

  /** Current values, for `/metrics`. */
  *samples(): Generator<MetricSample> {
    for (const { name, labels, value } of this.#values.values()) yield sampleOf(name, value, labels);
  }

  #sum(name: MetricName): number {
    let sum = 0;
    for (const counter of this.#values.values()) if (counter.name === name) sum += counter.value;
    return sum;
  }

  #add(name: MetricName, amount = 1): void {
    this.#count(name, '', {}, amount);
  }

  #addCode(name: MetricName, code: number, amount = 1): void {
    const label = codeLabelOf(code);
    this.#count(name, label, { code: label }, amount);
  }

  #addOutcome(outcome: (typeof driftOutcomes)[number], amount = 1): void {
    this.#count('drift_checks_total', outcome, { outcome }, amount);
  }

  #addType(name: MetricName, typeUrl: TypeUrl, amount = 1): void {
    const type = labelOf(typeUrl);
    if (!this.#types.has(type)) {
      this.#types.add(type);
      for (const other of typedCounters) this.#count(other, type, { type }, 0);
    }
    this.#count(name, type, { type }, amount);
  }

  #count(name: MetricName, label: string, labels: Counter['labels'], amount: number): void {
    const key = `${name} ${label}`;
    const counter = this.#values.get(key);
    if (counter) counter.value += amount;
    else this.#values.set(key, { name, labels, value: amount });
  }
}
