import type { MetricSample } from '../admin/metric-sample.ts';
import type { LoadReport } from '../admin/source.ts';
import type { DiskNote } from '../cache/disk-notes.ts';
import { kindNameOf } from '../istio/kinds.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { Note } from './events.ts';

/** What is counted as one number, with the sentence that `/metrics` shows. */
const plainHelp = {
  upstream_streams_total: 'Streams opened towards control planes.',
  upstream_stream_failures_total: 'Streams towards control planes that ended, or could not be opened.',
  upstream_requests_total: 'Requests written to control planes.',
  upstream_request_bytes_total: 'Size of those requests in bytes.',
  upstream_switches_total: 'Times that another control plane took over.',
  client_messages_total: 'Messages written to clients.',
  client_bytes_total: 'Size of the messages written to clients, in bytes.',
  client_streams_total: 'Client streams that were accepted.',
  client_streams_refused_total: 'Client streams that were refused or cut off.',
  lrs_reports_dropped_total: 'Load reports of clients that the control plane could not be given.',
  disk_failures_total: 'Times that the disk cache became unwritable.',
  disk_set_aside_total: 'Cache files set aside as damaged.',
} as const;

/** What is counted by type. */
const helpByType = {
  upstream_responses_total: 'Responses of control planes that were applied.',
  upstream_response_bytes_total: 'Size of those responses in bytes.',
  upstream_resources_total: 'Resources in those responses.',
  upstream_resends_avoided_total:
    'Resources that clients were given and the control plane did not have to send again for them.',
  resource_changes_total: 'Changes of single resources that clients had to hear of.',
  responses_unchanged_total: 'Responses that changed nothing and reached no client.',
  update_rejected_total: 'Responses rejected to the control plane.',
  update_success_total: 'Responses acknowledged to the control plane.',
  response_refused_total: 'Responses refused for their form before any client saw them.',
  resources_ignored_total: 'Resources in responses that nobody had asked for.',
  client_rejections_total: 'Rejections by clients.',
  scope_denials_total: 'Names, types and parts of wildcards that clients asked for and no scope opens to them.',
  scope_resources_denied_total: 'Resources in responses that no client of the node may see; they are not kept.',
  quarantines_total: 'Contents put into quarantine because every client rejected them.',
  guard_alarms_total: 'Lists that shrank suspiciously right after a connect.',
  resources_expired_total: 'Resources that outlived their TTL.',
  types_restored_total: 'Types restored from disk or seed.',
  disk_rows_missing_total: 'Stored resources that could not be restored.',
} as const;

const helpOf = { ...plainHelp, ...helpByType };

type CounterName = keyof typeof helpOf;

/**
 * Counts what the core notes. Labels are the short names of Envoy's types and Istio's kinds; all others share `other`, since a client can ask
 * for any number of types.
 */
export class Counters {
  readonly #values = new Map<
    string,
    { readonly name: CounterName; readonly type: string | undefined; value: number }
  >();

  constructor() {
    for (const name of Object.keys(plainHelp) as CounterName[]) this.#add(name, undefined, 0);
  }

  observe(note: Note): void {
    switch (note.kind) {
      case 'client_attached':
        this.#add('client_streams_total');
        break;
      case 'client_refused':
        this.#add('client_streams_refused_total');
        break;
      case 'client_nack':
        this.#add('client_rejections_total', note.typeUrl);
        break;
      case 'scope_denied':
        if (note.client) this.#add('scope_denials_total', note.typeUrl, Math.max(1, note.names.length));
        break;
      case 'client_sent':
        this.#add('client_messages_total');
        this.#add('client_bytes_total', undefined, note.bytes);
        if (note.resent > 0) this.#add('upstream_resends_avoided_total', note.typeUrl, note.resent);
        break;
      case 'upstream':
        if (note.note.kind === 'stream_opened') this.#add('upstream_streams_total');
        else if (note.note.kind === 'stream_lost') this.#add('upstream_stream_failures_total');
        else if (note.note.kind === 'server_changed') this.#add('upstream_switches_total');
        break;
      case 'response_applied':
        this.#add('upstream_responses_total', note.typeUrl);
        this.#add('upstream_response_bytes_total', note.typeUrl, note.bytes);
        this.#add('upstream_resources_total', note.typeUrl, note.resources);
        this.#add('resource_changes_total', note.typeUrl, note.changes);
        this.#add('resources_ignored_total', note.typeUrl, note.ignored);
        this.#add('scope_resources_denied_total', note.typeUrl, note.denied);
        if (note.changes === 0) this.#add('responses_unchanged_total', note.typeUrl);
        break;
      case 'response_refused':
        this.#add('response_refused_total', note.typeUrl);
        break;
      case 'upstream_answered':
        this.#add(note.verdict === 'ack' ? 'update_success_total' : 'update_rejected_total', note.typeUrl);
        break;
      case 'quarantined':
        this.#add('quarantines_total', note.typeUrl, note.names.length);
        break;
      case 'guard_alarm':
        this.#add('guard_alarms_total', note.typeUrl);
        break;
      case 'resources_expired':
        this.#add('resources_expired_total', note.typeUrl, note.names.length);
        break;
      case 'type_restored':
        this.#add('types_restored_total', note.typeUrl);
        break;
      default:
        break;
    }
  }

  /** A request of so many bytes was written upstream. */
  requested(bytes: number): void {
    this.#add('upstream_requests_total');
    this.#add('upstream_request_bytes_total', undefined, bytes);
  }

  /** What was saved for the control plane so far, in the words of {@link LoadReport}. */
  load(): LoadReport {
    return {
      upstreamStreams: this.#sum('upstream_streams_total'),
      upstreamRequests: this.#sum('upstream_requests_total'),
      upstreamBytes: this.#sum('upstream_response_bytes_total'),
      clientStreams: this.#sum('client_streams_total'),
      clientBytes: this.#sum('client_bytes_total'),
      resendsAvoided: this.#sum('upstream_resends_avoided_total'),
    };
  }

  /** Load reports were dropped. */
  droppedReports(count: number): void {
    this.#add('lrs_reports_dropped_total', undefined, count);
  }

  observeDisk(note: DiskNote): void {
    if (note.kind === 'disk_failing') this.#add('disk_failures_total');
    else if (note.kind === 'disk_set_aside') this.#add('disk_set_aside_total');
    else if (note.kind === 'disk_rows_missing') this.#add('disk_rows_missing_total', note.typeUrl, note.count);
  }

  /** Current values, for `/metrics`. What has no label is there from the begin, so that its first increase is seen. */
  *samples(): Generator<MetricSample> {
    for (const { name, type, value } of this.#values.values()) {
      yield {
        name,
        kind: 'counter',
        help: helpOf[name],
        labels: type === undefined ? [] : [['type', type]],
        value,
      };
    }
  }

  #sum(name: CounterName): number {
    let sum = 0;
    for (const counter of this.#values.values()) if (counter.name === name) sum += counter.value;
    return sum;
  }

  #add(name: CounterName, typeUrl?: TypeUrl, amount = 1): void {
    const type = typeUrl === undefined ? undefined : labelOf(typeUrl);
    const key = `${name} ${type ?? ''}`;
    const counter = this.#values.get(key);
    if (counter) counter.value += amount;
    else this.#values.set(key, { name, type, value: amount });
  }
}

/** Label value of a type: bounded in number whatever clients ask for. Today's and older type URLs of one of Istio's kinds share theirs. */
export function labelOf(typeUrl: TypeUrl): string {
  const { shortName, isEnvoyType } = traitsOf(typeUrl);
  return isEnvoyType ? shortName : (kindNameOf(typeUrl) ?? 'other');
}
