// The Grafana dashboard in deploy/observability, made of this table: places, ids and repetitions are worked out here, so that nobody has to keep them by hand.

interface Query {
  readonly expr: string;
  /** Name of each line, with labels as `{{pod}}`. */
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  readonly description: string;
  readonly kind: 'stat' | 'timeseries' | 'state-timeline' | 'heatmap';
  /** Of 24 columns. */
  readonly width: number;
  readonly unit: string;
  readonly queries: readonly Query[];
  readonly isStacked?: boolean;
  /** From this value on a stat is red, and below it green. */
  readonly badFrom?: number;
}

const datasource = { type: 'prometheus', uid: '$datasource' };
/** Of the agents that are chosen. */
const own = 'namespace=~"$namespace", pod=~"$pod"';
const ownOfType = `${own}, type=~"$type"`;
const byPod = 'by (namespace, pod)';
const podName = '{{namespace}}/{{pod}}';
const statWidth = 4;
const heights = { stat: 4, timeseries: 8, 'state-timeline': 8, heatmap: 8 } as const;

const query = (expr: string, legend = ''): Query => ({ expr, legend });
const stat = (title: string, description: string, expr: string, unit = 'short', badFrom?: number): Panel => ({
  kind: 'stat',
  title,
  description,
  unit,
  width: statWidth,
  queries: [query(expr)],
  ...(badFrom !== undefined && { badFrom }),
});
const graph = (title: string, description: string, unit: string, ...queries: Query[]): Panel => ({
  kind: 'timeseries',
  title,
  description,
  unit,
  width: 8,
  queries,
});
const stack = (...[title, description, unit, ...queries]: Parameters<typeof graph>): Panel => ({
  ...graph(title, description, unit, ...queries),
  isStacked: true,
});
/** The ten agents with the highest value. */
const top = (expr: string): Query => query(`topk(10, ${expr})`, podName);
const quantileOf = (part: number, histogram: string, labels: string, more = ''): string =>
  `histogram_quantile(${part}, sum by (le${more}) (rate(weir_${histogram}_bucket{${labels}}[$__rate_interval])))`;
const rate = (counter: string, labels: string): string => `rate(weir_${counter}{${labels}}[$__rate_interval])`;

const cutOff =
  `(sum ${byPod} (weir_upstream_streams{${own}, phase="open"}) == 0) ` +
  `and (sum ${byPod} (weir_upstream_streams{${own}, phase=~"connecting|backoff"}) > 0)`;
/** So many agents, 0 if none. */
const countOf = (expr: string): string => `count(${expr}) or vector(0)`;

const rows: ReadonlyMap<string, readonly Panel[]> = new Map([
  [
    'Health',
    [
      stat('Agents', 'Agents that are scraped.', `count(weir_build_info{${own}})`),
      stat('Cut off', 'Agents that want a stream to a control plane and have none.', countOf(cutOff), 'short', 1),
      stat(
        'Not confirmed',
        'Agents that serve something the control plane does not confirm at the moment.',
        countOf(`max ${byPod} (weir_serving_stale{${own}}) == 1`),
        'short',
        1,
      ),
      stat(
        'Oldest configuration',
        'Longest time since a type was known to be current.',
        `max(weir_config_age_seconds{${ownOfType}})`,
        's',
        3600,
      ),
      stat(
        'In quarantine',
        'Contents that every client rejected.',
        `sum(weir_quarantined_resources{${ownOfType}})`,
        'short',
        1,
      ),
      stat(
        'Disk failing',
        'Agents that cannot write their cache.',
        countOf(`weir_disk_failing{${own}} == 1`),
        'short',
        1,
      ),
      {
        ...graph(
          'Connected',
          'Whether any stream of an agent is open; an agent without clients wants none.',
          'short',
          query(`max ${byPod} (weir_control_plane_connected_state{${own}})`, podName),
        ),
        kind: 'state-timeline',
        width: 16,
      },
      graph(
        'Versions',
        'Agents by version of Weir and of Node.js.',
        'short',
        query(`count by (version, node) (weir_build_info{${own}})`, '{{version}} on Node.js {{node}}'),
      ),
    ],
  ],
  [
    'Control plane',
    [
      stack(
        'Streams by phase',
        'Of all agents. Backoff and connecting that last are an outage.',
        'short',
        query(`sum by (phase) (weir_upstream_streams{${own}})`, '{{phase}}'),
      ),
      graph(
        'Streams that ended, or did not come to be',
        'By gRPC status.',
        'ops',
        query(`sum by (code) (${rate('upstream_stream_failures_total', own)})`, '{{code}}'),
      ),
      graph(
        'Control plane in use',
        'Place in the list: 0 is the first, -1 one that is not listed any more.',
        'short',
        top(`max ${byPod} (weir_upstream_server_index{${own}})`),
        query(`sum(increase(weir_upstream_switches_total{${own}}[$__rate_interval]))`, 'switches'),
      ),
      graph(
        'Responses',
        'By type; unchanged ones reached no client.',
        'ops',
        query(`sum by (type) (${rate('upstream_responses_total', ownOfType)})`, '{{type}}'),
        query(`sum(${rate('responses_unchanged_total', ownOfType)})`, 'unchanged'),
      ),
      graph(
        'Answers to the control plane',
        'ACK, NACK, and responses refused for their form.',
        'ops',
        query(`sum(${rate('update_success_total', ownOfType)})`, 'ACK'),
        query(`sum by (type) (${rate('update_rejected_total', ownOfType)})`, 'NACK {{type}}'),
        query(`sum by (type) (${rate('response_refused_total', ownOfType)})`, 'refused {{type}}'),
      ),
      graph(
        'Time to the verdict',
        'From a response to its ACK or NACK, which waits for the clients.',
        's',
        query(quantileOf(0.5, 'verdict_seconds', ownOfType), 'p50'),
        query(quantileOf(0.99, 'verdict_seconds', ownOfType), 'p99'),
      ),
    ],
  ],
  [
    'Propagation',
    [
      graph(
        'From the control plane to the client',
        'From the receipt of a response to the writing of its news, for each client.',
        's',
        query(quantileOf(0.5, 'propagation_seconds', ownOfType), 'p50'),
        query(quantileOf(0.99, 'propagation_seconds', ownOfType), 'p99'),
      ),
      graph(
        'The same by type, p99',
        'Which type is slow.',
        's',
        query(quantileOf(0.99, 'propagation_seconds', ownOfType, ', type'), '{{type}}'),
      ),
      {
        ...graph(
          'All of it',
          'How many took how long.',
          's',
          query(`sum by (le) (increase(weir_propagation_seconds_bucket{${ownOfType}}[$__rate_interval]))`, '{{le}}'),
        ),
        kind: 'heatmap',
      },
    ],
  ],
  [
    'Types',
    [
      stack(
        'Resources by cache state',
        'Names that are served or asked for, by what is known of them (docs/metrics.md).',
        'short',
        query(`sum by (cache_state) (weir_resources{${ownOfType}})`, '{{cache_state}}'),
      ),
      graph(
        'Resources served',
        'By type, summed over agents.',
        'short',
        query(`sum by (type) (weir_cache_resources{${ownOfType}})`, '{{type}}'),
      ),
      graph(
        'Their size',
        'Encoded; body_bytes is what an agent with several nodes holds of it.',
        'bytes',
        query(`sum by (type) (weir_cache_bytes{${ownOfType}})`, '{{type}}'),
        query(`sum(weir_body_bytes{${own}})`, 'held once for all nodes'),
      ),
      graph(
        'Age',
        'Time since the type was known to be current, of the agent for which that is longest ago.',
        's',
        query(`max by (type) (weir_config_age_seconds{${ownOfType}})`, '{{type}}'),
      ),
      graph(
        'Missing, refused, held back',
        'Lists that no client can be given whole, contents in quarantine, errors of the control plane, removals that the guard holds, what the last drift check found.',
        'short',
        query(`sum by (type) (weir_lists_incomplete{${ownOfType}})`, 'incomplete {{type}}'),
        query(`sum by (type) (weir_quarantined_resources{${ownOfType}})`, 'quarantine {{type}}'),
        query(`sum by (type) (weir_upstream_errors{${ownOfType}})`, 'errors {{type}}'),
        query(`sum by (type) (weir_guard_held_removals{${ownOfType}})`, 'guard {{type}}'),
        query(`sum by (type) (weir_drift_resources{${ownOfType}})`, 'drift {{type}}'),
      ),
      graph(
        'Changes',
        'Single resources that clients had to hear of, and those that outlived their TTL.',
        'ops',
        query(`sum by (type) (${rate('resource_changes_total', ownOfType)})`, '{{type}}'),
        query(`sum by (type) (${rate('resources_expired_total', ownOfType)})`, 'expired {{type}}'),
      ),
      graph(
        'Idle',
        'What nobody subscribes at the moment: names, resources in the idle tier, nodes.',
        'short',
        query(`sum(weir_idle_resources{${ownOfType}})`, 'names'),
        query(`sum(weir_idle_tier_resources{${own}})`, 'resources'),
        query(`sum(weir_idle_nodes{${own}})`, 'nodes'),
        query(`sum(increase(weir_idle_tier_refused_total{${own}}[$__rate_interval]))`, 'no room'),
      ),
    ],
  ],
  [
    'Clients',
    [
      stack(
        'Client streams',
        'By variant of xDS.',
        'short',
        query(`sum by (variant) (weir_downstream_streams{${own}})`, '{{variant}}'),
      ),
      stack(
        'What clients say',
        'Types on client streams: synced, stale (an answer is awaited), sent (never answered), not_sent, rejected.',
        'short',
        query(`sum by (state) (weir_client_subscriptions{${ownOfType}})`, '{{state}}'),
      ),
      graph(
        'Rejections by clients',
        'By type.',
        'ops',
        query(`sum by (type) (${rate('client_rejections_total', ownOfType)})`, '{{type}}'),
      ),
      graph(
        'Streams refused or cut off',
        'By gRPC status. UNAVAILABLE is an agent that ends, or has nothing to say in an outage.',
        'ops',
        query(`sum by (code) (${rate('client_streams_refused_total', own)})`, '{{code}}'),
      ),
      graph(
        'Bytes to clients',
        'Written, and on their way.',
        'Bps',
        query(`sum(${rate('client_bytes_total', own)})`, 'written'),
        query(`sum(weir_client_bytes_in_flight{${own}})`, 'in flight (bytes)'),
      ),
      graph(
        'Clients of an agent',
        'The ten with the most.',
        'short',
        top(`sum ${byPod} (weir_downstream_streams{${own}})`),
      ),
    ],
  ],
  [
    'Disk',
    [
      graph(
        'Time of a write',
        'Of each burst of changes, until it is committed.',
        's',
        query(quantileOf(0.5, 'disk_write_seconds', own), 'p50'),
        query(quantileOf(0.99, 'disk_write_seconds', own), 'p99'),
      ),
      graph(
        'Oldest change that is not on disk',
        'The ten furthest behind.',
        's',
        top(`max ${byPod} (weir_disk_oldest_pending_seconds{${own}})`),
      ),
      graph(
        'Changes',
        'Written, and waiting.',
        'short',
        query(`sum(${rate('disk_changes_written_total', own)})`, 'written per second'),
        query(`sum(weir_disk_pending_changes{${own}})`, 'waiting'),
      ),
      graph('Size', 'The ten largest caches.', 'bytes', top(`max ${byPod} (weir_disk_bytes{${own}})`)),
      graph(
        'Resources on disk',
        'The ten caches with the most.',
        'short',
        top(`max ${byPod} (weir_disk_resources{${own}})`),
      ),
      graph(
        'Trouble',
        'Times that a cache became unwritable or was set aside, and rows that could not be restored.',
        'short',
        query(`sum(increase(weir_disk_failures_total{${own}}[$__rate_interval]))`, 'unwritable'),
        query(`sum(increase(weir_disk_set_aside_total{${own}}[$__rate_interval]))`, 'set aside'),
        query(`sum(increase(weir_disk_rows_missing_total{${ownOfType}}[$__rate_interval]))`, 'rows missing'),
      ),
    ],
  ],
  [
    'Security and expiry',
    [
      stat(
        'Refused credentials',
        'Agents whose certificate or token a control plane does not accept.',
        countOf(`weir_upstream_unauthenticated{${own}} == 1`),
        'short',
        1,
      ),
      stat(
        'First certificate to end',
        'Of those that agents show the control plane.',
        `min(weir_upstream_certificate_expiry_timestamp_seconds{${own}}) - time()`,
        's',
      ),
      stat(
        'First token to end',
        'Of those that agents show the control plane.',
        `min(weir_upstream_token_expiry_timestamp_seconds{${own}}) - time()`,
        's',
      ),
      stat(
        'Control plane’s certificate ends',
        'As it was shown last: a stream that stands for long may have seen an older one.',
        `min(weir_upstream_server_certificate_expiry_timestamp_seconds{${own}}) - time()`,
        's',
      ),
      stat(
        'Certificate for clients ends',
        'Of those that listeners show, the first one.',
        `min(weir_listener_certificate_expiry_timestamp_seconds{${own}}) - time()`,
        's',
      ),
      {
        ...graph(
          'Denied by scopes',
          'What clients asked for and no scope opens, and what the control plane sent that no client may see.',
          'ops',
          query(`sum by (type) (${rate('scope_denials_total', ownOfType)})`, 'asked {{type}}'),
          query(`sum by (type) (${rate('scope_resources_denied_total', ownOfType)})`, 'sent {{type}}'),
        ),
        width: 8,
      },
    ],
  ],
  [
    'Load saved',
    [
      graph(
        'Bytes',
        'What clients were given, and what the control plane had to send for it.',
        'Bps',
        query(`sum(${rate('client_bytes_total', own)})`, 'to clients'),
        query(`sum(${rate('upstream_response_bytes_total', own)})`, 'from the control plane'),
      ),
      graph(
        'Streams',
        'Of clients, and to the control plane.',
        'short',
        query(`sum(weir_downstream_streams{${own}})`, 'of clients'),
        query(`sum(weir_upstream_streams{${own}, phase="open"})`, 'to the control plane'),
      ),
      graph(
        'Resources not sent again',
        'Clients were given them from the cache.',
        'ops',
        query(`sum by (type) (${rate('upstream_resends_avoided_total', ownOfType)})`, '{{type}}'),
      ),
    ],
  ],
  [
    'Process',
    [
      graph(
        'Memory',
        'Resident, shared pages included: the ten largest; and the mean of what is shared with nobody.',
        'bytes',
        top(`max ${byPod} (weir_process_resident_memory_bytes{${own}})`),
        query(`avg(weir_process_own_memory_bytes{${own}})`, 'own, mean'),
      ),
      graph(
        'Heap and buffers',
        'Means over agents.',
        'bytes',
        query(`avg(weir_process_heap_bytes{${own}})`, 'heap'),
        query(`avg(weir_process_external_memory_bytes{${own}})`, 'buffers'),
      ),
      graph(
        'Processor',
        'Cores in use: the ten busiest.',
        'short',
        top(`max ${byPod} (${rate('process_cpu_seconds_total', own)})`),
      ),
      graph(
        'Event loop',
        'Part of the time in which it does something: the ten busiest.',
        'percentunit',
        top(`max ${byPod} (${rate('process_event_loop_active_seconds_total', own)})`),
      ),
      graph(
        'Delay of the event loop',
        'How late a timer comes.',
        's',
        query(quantileOf(0.5, 'process_event_loop_delay_seconds', own), 'p50'),
        query(quantileOf(0.99, 'process_event_loop_delay_seconds', own), 'p99'),
      ),
      graph(
        'Starts, and log lines left out',
        'Agents that started, and lines that were one too many of their kind.',
        'short',
        query(`sum(changes(weir_start_time_seconds{${own}}[$__rate_interval]))`, 'starts'),
        query(`sum(increase(weir_log_lines_left_out_total{${own}}[$__rate_interval]))`, 'lines left out'),
      ),
    ],
  ],
]);

/** deploy/observability/dashboard.json, to be imported into Grafana. */
export function dashboard(): string {
  const panels: unknown[] = [];
  let id = 0;
  let y = 0;
  for (const [title, inRow] of rows) {
    panels.push({ id: ++id, type: 'row', title, collapsed: false, gridPos: { x: 0, y: y++, w: 24, h: 1 }, panels: [] });
    let x = 0;
    let height = 0;
    for (const panel of inRow) {
      if (x + panel.width > 24) {
        y += height;
        [x, height] = [0, 0];
      }
      const h = heights[panel.kind];
      panels.push({ id: ++id, gridPos: { x, y, w: panel.width, h }, ...panelOf(panel) });
      x += panel.width;
      height = Math.max(height, h);
    }
    y += height;
  }
  const made = {
    title: 'Weir',
    uid: 'weir',
    description: 'Weir, the xDS sidecar agent: sidecars and agents of a node alike, by pod.',
    tags: ['weir', 'xds', 'envoy'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    time: { from: 'now-3h', to: 'now' },
    refresh: '30s',
    templating: { list: variables() },
    annotations: {
      list: [
        {
          name: 'Starts of agents',
          datasource,
          enable: true,
          hide: false,
          iconColor: 'orange',
          expr: `changes(weir_start_time_seconds{${own}}[1m]) > 0`,
          titleFormat: `${podName} started`,
        },
      ],
    },
    panels,
  };
  return `${JSON.stringify(made, undefined, 2)}\n`;
}

function variables(): unknown[] {
  const choice = (name: string, label: string, expr: string): unknown => ({
    name,
    label,
    type: 'query',
    datasource,
    query: { query: expr, refId: name },
    definition: expr,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  });
  return [
    { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {} },
    choice('namespace', 'Namespace', 'label_values(weir_build_info, namespace)'),
    choice('pod', 'Pod', 'label_values(weir_build_info{namespace=~"$namespace"}, pod)'),
    choice('type', 'Type', `label_values(weir_cache_resources{${own}}, type)`),
  ];
}

function panelOf({ kind, title, description, unit, queries, isStacked, badFrom }: Panel): object {
  const steps = [
    { color: badFrom === undefined && kind === 'stat' ? 'blue' : 'green', value: null },
    ...(badFrom === undefined ? [] : [{ color: 'red', value: badFrom }]),
  ];
  const stacking = { mode: isStacked ? 'normal' : 'none', group: 'A' };
  const isConnection = kind === 'state-timeline';
  return {
    type: kind,
    title,
    description,
    datasource,
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource,
      expr,
      legendFormat: legend,
      ...(kind === 'heatmap' && { format: 'heatmap' }),
      ...(kind === 'stat' && { instant: true }),
    })),
    fieldConfig: {
      defaults: {
        unit,
        min: kind === 'timeseries' && title !== 'Control plane in use' ? 0 : undefined,
        ...(kind === 'timeseries' && { custom: { fillOpacity: isStacked ? 40 : 10, stacking, showPoints: 'never' } }),
        color: { mode: kind === 'timeseries' ? 'palette-classic' : 'thresholds' },
        thresholds: {
          mode: 'absolute',
          steps: isConnection
            ? [
                { color: 'red', value: null },
                { color: 'green', value: 1 },
              ]
            : steps,
        },
        mappings: isConnection
          ? [{ type: 'value', options: { 0: { text: 'no stream' }, 1: { text: 'connected' } } }]
          : [],
      },
      overrides: [],
    },
    options:
      kind === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'area' }
        : kind === 'timeseries'
          ? { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } }
          : kind === 'heatmap'
            ? { calculate: false, yAxis: { unit: 's' }, color: { scheme: 'Blues', mode: 'scheme' } }
            : { showValue: 'never', mergeValues: true },
  };
}
