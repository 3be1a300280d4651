import { traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import { at, endpointsIn } from './contents.ts';
import type { Difference } from './difference.ts';

/** What an Envoy runs, by its own account (`/config_dump?include_eds`). */
export interface EnvoyDump {
  /** `node.id` of its bootstrap. */
  readonly nodeId: string;
  /** Resources that came over xDS, by type URL and name. */
  readonly resources: ReadonlyMap<string, ReadonlyMap<string, RunningResource>>;
}

/** One resource in an Envoy. */
export interface RunningResource {
  /** As Envoy was told; empty where its dump does not say. */
  readonly version: string;
  /** The resource as JSON with names as of the `.proto` files; undefined where only its name is told. */
  readonly content: unknown;
  /** It is not in use yet. */
  readonly isWarming: boolean;
  /** Why a newer one was refused, where Envoy remembers that. */
  readonly refusal: string | undefined;
}

const prefix = 'type.googleapis.com/envoy.';

/** Where in a dump the resources of a type are: the list, and in each of its elements the resource, its name, and its version. */
interface Place {
  readonly dump: string;
  readonly list: string;
  readonly typeUrl: string;
  readonly resource: readonly string[];
  readonly name: readonly string[];
  readonly version: readonly string[];
  readonly isWarming?: boolean;
}

const clusters = `${prefix}config.cluster.v3.Cluster`;
const listeners = `${prefix}config.listener.v3.Listener`;
const endpoints = `${prefix}config.endpoint.v3.ClusterLoadAssignment`;
const routes = `${prefix}config.route.v3.RouteConfiguration`;
const secrets = `${prefix}extensions.transport_sockets.tls.v3.Secret`;

function place(
  dump: string,
  list: string,
  typeUrl: string,
  resource: readonly string[],
  name = [...resource, 'name'],
): Place {
  const version = [...resource.slice(0, -1), 'version_info'];
  return { dump, list, typeUrl, resource, name, version, isWarming: list.includes('warming') };
}

const places: readonly Place[] = [
  place('ClustersConfigDump', 'dynamic_warming_clusters', clusters, ['cluster']),
  place('ClustersConfigDump', 'dynamic_active_clusters', clusters, ['cluster']),
  {
    ...place('ListenersConfigDump', 'dynamic_listeners', listeners, ['warming_state', 'listener'], ['name']),
    isWarming: true,
  },
  place('ListenersConfigDump', 'dynamic_listeners', listeners, ['active_state', 'listener'], ['name']),
  place('RoutesConfigDump', 'dynamic_route_configs', routes, ['route_config']),
  place(
    'EndpointsConfigDump',
    'dynamic_endpoint_configs',
    endpoints,
    ['endpoint_config'],
    ['endpoint_config', 'cluster_name'],
  ),
  place('SecretsConfigDump', 'dynamic_warming_secrets', secrets, ['secret'], ['name']),
  place('SecretsConfigDump', 'dynamic_active_secrets', secrets, ['secret'], ['name']),
  place('EcdsConfigDump', 'ecds_filters', `${prefix}config.core.v3.TypedExtensionConfig`, ['ecds_filter']),
];

/** Reads an Envoy's dump. @returns what is wrong where it is none */
export function readEnvoyDump(dump: unknown): EnvoyDump | { readonly error: string } {
  const configs = at(dump, 'configs');
  if (!Array.isArray(configs)) return { error: 'it has no configs: is this Envoy’s admin address?' };
  const resources = new Map<string, Map<string, RunningResource>>();
  let nodeId = '';
  for (const config of configs) {
    const kind = textAt(config, '@type').replace(`${prefix}admin.v3.`, '');
    if (kind === 'BootstrapConfigDump') nodeId = textAt(config, 'bootstrap', 'node', 'id');
    for (const one of places) {
      const list = one.dump === kind ? at(config, one.list) : undefined;
      if (!Array.isArray(list)) continue;
      const found = resources.get(one.typeUrl) ?? new Map<string, RunningResource>();
      resources.set(one.typeUrl, found);
      for (const element of list) addTo(found, one, element);
    }
  }
  if (nodeId === '') return { error: 'it names no node in a bootstrap: is this Envoy’s admin address?' };
  return { nodeId, resources };
}

function addTo(
  found: Map<string, RunningResource>,
  { resource, name, version, isWarming = false, typeUrl }: Place,
  element: unknown,
): void {
  const content = at(element, ...resource);
  const key = textAt(element, ...name);
  if (key === '' || (content === undefined && typeUrl !== secrets)) return;
  const details = textAt(element, 'error_state', 'details');
  // What is in use comes after what is warming, and is what counts.
  found.set(key, {
    version: textAt(element, ...version),
    content: typeUrl === secrets ? undefined : content,
    isWarming,
    refusal: details === '' ? undefined : details,
  });
}

function textAt(value: unknown, ...names: readonly string[]): string {
  const found = at(value, ...names);
  return typeof found === 'string' ? found : '';
}

/** A resource that an Envoy is to have. */
export interface ExpectedResource {
  readonly name: string;
  /** What it was told; undefined where that cannot be compared. */
  readonly version: string | undefined;
  /** Decoded; undefined where contents may not be read. */
  readonly content: unknown;
}

/** What an Envoy runs of a type, where it is not what it was given. */
export function envoyDifferences(
  { typeUrl, shortName }: { readonly typeUrl: string; readonly shortName: string },
  expected: readonly ExpectedResource[],
  { nodeId, resources }: EnvoyDump,
): Difference[] {
  const running = new Map(resources.get(typeUrl) ?? []);
  const found: Difference[] = [];
  const add = (name: string, what: string): void => {
    found.push({ typeUrl, shortName, name, where: `Envoy ${nodeId}`, what });
  };
  for (const one of expected) {
    const its = running.get(one.name);
    running.delete(one.name);
    if (!its) add(one.name, 'does not have it');
    else {
      if (its.refusal !== undefined) add(one.name, `refused a newer one: ${its.refusal}`);
      if (its.isWarming) add(one.name, 'has it, and is still warming it');
      const what = contentDifference(typeUrl, one, its);
      if (what !== undefined) add(one.name, what);
    }
  }
  // Envoy keeps endpoints and routes that were taken back until what refers to them goes.
  const isKept = !traitsOf(typeUrl as TypeUrl).isFullState; // It comes from the agent, as text.
  const what = isKept
    ? 'has it, and this agent does not serve it: it keeps what was removed until nothing refers to it'
    : 'has it, and was not given it by this agent';
  for (const name of running.keys()) add(name, what);
  return found;
}

function contentDifference(
  typeUrl: string,
  given: ExpectedResource,
  { version, content }: RunningResource,
): string | undefined {
  if (given.content === undefined || content === undefined) {
    if (given.version === undefined || version === '' || version === given.version) return undefined;
    return `has version ${version}, was given ${given.version}`;
  }
  // Envoy writes its own defaults into endpoints.
  if (typeUrl === endpoints) {
    const list = (value: unknown): string =>
      [...endpointsIn(value)]
        .map(one => `${one.address}:${one.port}`)
        .sort()
        .join(', ');
    const [its, ours] = [list(content), list(given.content)];
    return its === ours ? undefined : `has the endpoints ${its || 'none'}, was given ${ours || 'none'}`;
  }
  const path = firstDifference(content, given.content, '');
  return path === undefined ? undefined : `has another content: ${path || 'as a whole'} differs`;
}

/** The first place where two JSON values differ; undefined where they are equal, as far as both could be decoded. */
function firstDifference(a: unknown, b: unknown, path: string): string | undefined {
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return path;
    for (const [index, one] of a.entries()) {
      const found = firstDifference(one, b[index], `${path}[${index}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (isObject(a) && isObject(b)) {
    // One of the two knows the extension, the other has its bytes.
    if (a['@type'] === b['@type'] && isOpaque(a) !== isOpaque(b)) return undefined;
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const found = firstDifference(a[key], b[key], path === '' ? key : `${path}.${key}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return Object.is(a, b) || asTime(a) === asTime(b) ? undefined : path;
}

/** Durations have several spellings: `1s` and `1.000s`. */
function asTime(value: unknown): unknown {
  const [, seconds] = typeof value === 'string' ? (/^(-?\d+(?:\.\d+)?)s$/.exec(value) ?? []) : [];
  return seconds === undefined ? value : Number(seconds);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOpaque(value: Readonly<Record<string, unknown>>): boolean {
  return typeof value['@type'] === 'string' && typeof value['value'] === 'string';
}
