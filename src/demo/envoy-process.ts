import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Variant } from './envelopes.ts';
import { getJson } from './http-traffic.ts';
import { makeFolder, type RunningProcess, removeFolder, startProcess, waitFor } from './processes.ts';
import { xdsClusterName } from './resources.ts';

/** Where an xDS client finds its server. */
export type XdsAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Where to look for Envoy, best first. */
export interface EnvoySearch {
  /** `--envoy PATH` or `WEIR_ENVOY`: when given it is the only place, and it must be there. */
  readonly explicit: string | undefined;
  /** Folders in which, or above which, `npm run get-envoy` may have left `.envoy/envoy`. */
  readonly from: readonly string[];
  /** The `PATH` variable. */
  readonly searchPath: string;
}

/**
 * Finds an Envoy binary.
 *
 * @returns its path, or undefined when there is none
 * @throws Error when a path was given and nothing that can be run is there
 */
export function findEnvoy(search: EnvoySearch): string | undefined {
  if (search.explicit !== undefined) {
    if (isExecutable(search.explicit)) return search.explicit;
    throw new Error(`${search.explicit} is no program that can be run; give the path of an Envoy binary`);
  }
  const installed = search.from.flatMap(folder => [folder, dirname(folder), dirname(dirname(folder))]);
  const candidates = [
    ...installed.map(folder => join(folder, '.envoy', 'envoy')),
    ...search.searchPath
      .split(delimiter)
      .filter(folder => folder !== '')
      .map(folder => join(folder, 'envoy')),
  ];
  return candidates.find(isExecutable);
}

/** Whether there is a program that may be run. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there or not to be run: the same for a search.
    return false;
  }
}

/** How to start an Envoy. */
export interface EnvoyOptions {
  readonly binary: string;
  readonly nodeId: string;
  readonly xds: XdsAddress;
  readonly variant: Variant;
  /** Without ADS: clusters and listeners each by the service of their type. */
  readonly isPerType?: boolean;
  /** Metadata of the node, string values. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** How long Envoy waits for clusters and for listeners, in ms. Default: Envoy's 15 s. */
  readonly initialFetchTimeoutMs?: number;
  /** Members of the bootstrap that take the place of ours. */
  readonly bootstrap?: Readonly<Record<string, unknown>>;
}

/** A real Envoy with its admin interface on a port that the system chose. */
export interface RunningEnvoy {
  readonly process: RunningProcess;
  readonly adminPort: number;
  /** Resolves when Envoy says LIVE, with the ms since its start. @throws Error after `timeoutMs`, with its last lines */
  waitLive(timeoutMs: number): Promise<number>;
  /** Its version, such as `1.40.0`. */
  version(): Promise<string>;
  /** Whether Envoy says LIVE at the moment. */
  isLive(): Promise<boolean>;
  /** Values of all counters and gauges whose name matches; absent ones are absent. @param filter a regular expression */
  stats(filter: string): Promise<ReadonlyMap<string, number>>;
  /** One counter or gauge, 0 when Envoy does not have it yet. */
  stat(name: string): Promise<number>;
  /** Port of an active listener on TCP, or undefined. */
  listenerPort(name: string): Promise<number | undefined>;
  /** Names of active dynamic clusters, and those that are still warming. */
  clusters(): Promise<{ readonly active: readonly string[]; readonly warming: readonly string[] }>;
  /** Connect timeout in ms of an active dynamic cluster, or undefined. */
  connectTimeout(cluster: string): Promise<number | undefined>;
  /** `host:port` of the endpoints of a cluster. */
  endpoints(cluster: string): Promise<string[]>;
  stop(): Promise<void>;
}

/**
 * Starts Envoy with one worker, without the shared memory of hot restarts, and with a bootstrap that takes everything over ADS from `xds`. It does not wait
 * until Envoy is LIVE, only until its admin interface is there.
 *
 * @throws Error with Envoy's last lines when it does not come up
 */
export async function startEnvoy(options: EnvoyOptions): Promise<RunningEnvoy> {
  const folder = makeFolder();
  const configPath = join(folder, 'bootstrap.json');
  const adminFile = join(folder, 'admin');
  writeFileSync(configPath, JSON.stringify(bootstrapOf(options)));
  const startMs = performance.now();
  const args = ['-c', configPath, '--concurrency', '1', '--disable-hot-restart', '--admin-address-path', adminFile];
  const process = await startProcess(`Envoy ${options.nodeId}`, options.binary, [
    ...args,
    '--log-level',
    'warning',
    '--drain-time-s',
    '1',
  ]);
  void process.exited.then(() => removeFolder(folder));
  const readAdminPort = (): number | undefined => {
    if (!existsSync(adminFile)) return undefined;
    const port = /:(\d+)$/.exec(readFileSync(adminFile, 'utf8'))?.[1];
    return port === undefined ? undefined : Number(port);
  };
  let adminPort: number;
  try {
    adminPort = await waitFor('the admin port of Envoy', 15_000, readAdminPort, [process]);
  } catch (error) {
    await process.kill();
    throw error;
  }
  const isLive = async (): Promise<boolean> => (await getJson(adminPort, '/ready')).body.trim() === 'LIVE';
  const stats = async (filter: string): Promise<ReadonlyMap<string, number>> => {
    const { json } = await getJson(adminPort, `/stats?format=json&filter=${encodeURIComponent(filter)}`);
    const found = new Map<string, number>();
    for (const entry of listAt(json, 'stats')) {
      const [name, value] = [at(entry, 'name'), at(entry, 'value')];
      if (typeof name === 'string' && typeof value === 'number') found.set(name, value);
    }
    return found;
  };
  return {
    process,
    adminPort,
    isLive,
    stats,
    version: async () => {
      const { json } = await getJson(adminPort, '/server_info');
      return /\/([\d.]+[^/]*)\//.exec(String(at(json, 'version')))?.[1] ?? 'of unknown version';
    },
    waitLive: async timeoutMs => {
      await waitFor('Envoy to be LIVE', timeoutMs, async () => ((await isLive()) ? true : undefined), [process]);
      return performance.now() - startMs;
    },
    stat: async name => (await stats(`^${name.replaceAll('.', '\\.')}$`)).get(name) ?? 0,
    listenerPort: async name => {
      const { json } = await getJson(adminPort, '/listeners?format=json');
      const listener = listAt(json, 'listener_statuses').find(entry => at(entry, 'name') === name);
      const port = at(at(at(listener, 'local_address'), 'socket_address'), 'port_value');
      return typeof port === 'number' ? port : undefined;
    },
    clusters: async () => {
      const names = async (list: string): Promise<string[]> =>
        (await dumpedClusters(adminPort, list)).map(cluster => String(at(cluster, 'name')));
      return { active: await names('dynamic_active_clusters'), warming: await names('dynamic_warming_clusters') };
    },
    connectTimeout: async name => {
      const found = (await dumpedClusters(adminPort, 'dynamic_active_clusters')).find(
        cluster => at(cluster, 'name') === name,
      );
      const seconds = /^([\d.]+)s$/.exec(String(at(found, 'connect_timeout')))?.[1];
      return seconds === undefined ? undefined : Math.round(Number(seconds) * 1000);
    },
    endpoints: async cluster => {
      const { json } = await getJson(adminPort, '/clusters?format=json');
      const found = listAt(json, 'cluster_statuses').find(entry => at(entry, 'name') === cluster);
      return listAt(found, 'host_statuses').map(host => {
        const address = at(at(host, 'address'), 'socket_address');
        return `${at(address, 'address')}:${at(address, 'port_value')}`;
      });
    },
    stop: () => process.stop(),
  };
}

function bootstrapOf(options: EnvoyOptions): unknown {
  const { xds, initialFetchTimeoutMs } = options;
  const address =
    xds.kind === 'unix'
      ? { pipe: { path: xds.path } }
      : { socket_address: { address: xds.host, port_value: xds.port } };
  const http2 = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const api = {
    api_type: options.variant === 'delta' ? 'DELTA_GRPC' : 'GRPC',
    transport_api_version: 'V3',
    // The Node is 61 kB; once per stream is enough (R40).
    set_node_on_first_message_only: true,
    grpc_services: [
      // Envoy's own back-off reaches 30 s, far too long for a local agent (R56).
      {
        envoy_grpc: {
          cluster_name: xdsClusterName,
          retry_policy: { retry_back_off: { base_interval: '0.1s', max_interval: '0.5s' } },
        },
      },
    ],
  };
  const source = {
    ...(options.isPerType ? { api_config_source: api } : { ads: {} }),
    resource_api_version: 'V3',
    ...(initialFetchTimeoutMs === undefined ? {} : { initial_fetch_timeout: `${initialFetchTimeoutMs / 1000}s` }),
  };
  return {
    node: { id: options.nodeId, cluster: 'weir-demo', metadata: options.metadata ?? {} },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: {
      ...(options.isPerType ? {} : { ads_config: api }),
      cds_config: source,
      lds_config: source,
    },
    static_resources: {
      clusters: [
        {
          name: xdsClusterName,
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            [http2]: { '@type': `type.googleapis.com/${http2}`, explicit_http_config: { http2_protocol_options: {} } },
          },
          load_assignment: { cluster_name: xdsClusterName, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
        },
      ],
    },
    ...options.bootstrap,
  };
}

/** Clusters of one list of Envoy's own dump, as JSON. */
async function dumpedClusters(adminPort: number, list: string): Promise<unknown[]> {
  const { json } = await getJson(adminPort, '/config_dump');
  return listAt(json, 'configs').flatMap(config => listAt(config, list).map(entry => at(entry, 'cluster')));
}

/** Member of a JSON object, or undefined for anything else. */
function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}

/** Array member of a JSON object; empty for anything else. */
function listAt(value: unknown, key: string): readonly unknown[] {
  const list = at(value, key);
  return Array.isArray(list) ? list : [];
}
