import type { Field } from '../proto/catalog.ts';
import type { Content, ProtoMessage, ProtoValue } from '../proto/proto-message.ts';
import { decodeMessage } from '../proto/wire.ts';
import { clusterType, endpointType, memberType, routeType, secretType } from '../xds/type-urls.ts';
import { envoyMessages } from './messages.ts';
import { messageNameOf, openResource } from './resource.ts';

/** That one resource needs another. */
export interface ResourceReference {
  readonly typeUrl: string;
  /** Of the resource; of virtual hosts on demand (VHDS) the pattern `ROUTE/*`, since their names are made of what clients ask for. */
  readonly name: string;
  /** First place where it stands, in field names as of the `.proto` files: `filter_chains[0].filters[1].typed_config.rds.route_config_name`. */
  readonly where: string;
  /** It is fetched from a file or over a stream of its own, such as the socket of Istio's agent; the control plane of this one may know nothing of it. */
  readonly isElsewhere: boolean;
}

const prefix = 'type.googleapis.com/';
const extensionType = `${prefix}envoy.config.core.v3.TypedExtensionConfig`;
const virtualHostType = `${prefix}envoy.config.route.v3.VirtualHost`;
const scopedRouteType = `${prefix}envoy.config.route.v3.ScopedRouteConfiguration`;

/** Fields that name a cluster, by message. Where a header or a plugin names it there is no reference to follow. */
const clusterFields: ReadonlyMap<string, readonly string[]> = new Map([
  ['envoy.config.route.v3.RouteAction', ['cluster']],
  ['envoy.config.route.v3.RouteAction.RequestMirrorPolicy', ['cluster']],
  ['envoy.config.route.v3.WeightedCluster.ClusterWeight', ['name']],
  ['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', ['cluster']],
  ['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight', ['name']],
  ['envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route', ['cluster']],
  ['envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy', ['cluster']],
  ['envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig', ['cluster']],
  ['envoy.extensions.filters.udp.udp_proxy.v3.Route', ['cluster']],
  ['envoy.extensions.clusters.aggregate.v3.ClusterConfig', ['clusters']],
  ['envoy.config.core.v3.GrpcService.EnvoyGrpc', ['cluster_name']],
  ['envoy.config.core.v3.ApiConfigSource', ['cluster_names']],
  ['envoy.config.core.v3.HttpUri', ['cluster']],
  ['envoy.config.trace.v3.ZipkinConfig', ['collector_cluster']],
  ['envoy.config.trace.v3.DatadogConfig', ['collector_cluster']],
]);

/** `Any` inside of each other that are looked into. */
const anysMax = 8;
/** References told of one resource. */
const referencesMax = 10_000;

/**
 * The resources that a resource needs, each once, in the order in which they stand in it. Empty where its type is not known or it cannot be decoded.
 * A cluster that is named may stand in Envoy's bootstrap.
 *
 * @param typeUrl that it is held under
 * @param any encoded `google.protobuf.Any`
 */
export function referencesIn(typeUrl: string, any: Buffer): readonly ResourceReference[] {
  const opened = openResource(any);
  if (!('type' in opened) || opened.message.type.name !== messageNameOf(typeUrl)) return [];
  const search = new Search();
  search.message(opened.message, '', 0);
  return search.found;
}

class Search {
  readonly found: ResourceReference[] = [];
  readonly #seen = new Set<string>();

  /** Looks at a message and all that is in it. @param at its path, empty or with a dot behind */
  message(message: ProtoMessage, at: string, anys: number): void {
    if (message.type.name === 'google.protobuf.Any') {
      this.#any(message, at, anys);
      return;
    }
    this.#ownReferences(message, at);
    for (const field of message.type.fields) {
      const held = field.type.kind === 'message' ? message.fields.get(field) : undefined;
      if (held) this.#content(field, held, at, anys);
    }
  }

  #content({ name }: Field, held: Content, at: string, anys: number): void {
    const inside = (value: ProtoValue, where: string): void => {
      if (isMessage(value)) this.message(value, `${at}${where}.`, anys);
    };
    switch (held.form) {
      case 'one':
        inside(held.value, name);
        break;
      case 'list':
        for (const [index, value] of held.values.entries()) inside(value, `${name}[${index}]`);
        break;
      case 'map':
        for (const [key, value] of held.entries) inside(value, `${name}['${key}']`);
    }
  }

  #any(any: ProtoMessage, at: string, anys: number): void {
    const type = envoyMessages.find(messageNameOf(text(any, 'type_url')));
    const value = get(any, 'value');
    if (!type || anys >= anysMax || !Buffer.isBuffer(value)) return;
    const read = decodeMessage(type, value);
    if ('type' in read) this.message(read, at, anys + 1);
  }

  /** What the fields of this very message name. */
  #ownReferences(message: ProtoMessage, at: string): void {
    const { name } = message.type;
    for (const field of clusterFields.get(name) ?? []) {
      for (const cluster of texts(message, field)) this.#add(clusterType, cluster, at + field);
    }
    if (get(message, 'config_discovery') !== undefined) {
      const source = inner(inner(message, 'config_discovery'), 'config_source');
      this.#add(extensionType, text(message, 'name'), `${at}config_discovery`, isElsewhere(source));
    }
    switch (name) {
      case 'envoy.config.cluster.v3.Cluster':
        this.#endpoints(message, at);
        break;
      case 'envoy.config.endpoint.v3.LedsClusterLocalityConfig':
        this.#add(memberType, text(message, 'leds_collection_name'), `${at}leds_collection_name`);
        break;
      case 'envoy.config.route.v3.RouteConfiguration':
        if (get(message, 'vhds')) this.#add(virtualHostType, `${text(message, 'name')}/*`, `${at}vhds`);
        break;
      case 'envoy.config.route.v3.ScopedRouteConfiguration':
        this.#add(routeType, text(message, 'route_configuration_name'), `${at}route_configuration_name`);
        break;
      case 'envoy.extensions.filters.network.http_connection_manager.v3.Rds':
        this.#named(message, routeType, 'route_config_name', 'config_source', at);
        break;
      case 'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds':
        this.#named(message, scopedRouteType, 'srds_resources_locator', 'scoped_rds_config_source', at);
        break;
      case 'envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig':
        // Without a source it is one of the secrets in the bootstrap.
        if (get(message, 'sds_config')) this.#named(message, secretType, 'name', 'sds_config', at);
    }
  }

  #named(message: ProtoMessage, typeUrl: string, field: string, source: string, at: string): void {
    this.#add(typeUrl, text(message, field), at + field, isElsewhere(inner(message, source)));
  }

  #endpoints(cluster: ProtoMessage, at: string): void {
    const eds = inner(cluster, 'eds_cluster_config');
    if (!eds || get(cluster, 'type') !== edsType) return;
    const service = text(eds, 'service_name');
    const where = service === '' ? 'name' : 'eds_cluster_config.service_name';
    this.#add(endpointType, service || text(cluster, 'name'), at + where, isElsewhere(inner(eds, 'eds_config')));
  }

  #add(typeUrl: string, name: string, where: string, elsewhere = false): void {
    const key = `${typeUrl} ${elsewhere} ${name}`;
    if (name === '' || this.#seen.has(key) || this.found.length >= referencesMax) return;
    this.#seen.add(key);
    this.found.push({ typeUrl, name, where, isElsewhere: elsewhere });
  }
}

/** `Cluster.DiscoveryType.EDS`. */
const edsType = 3;

/** Whether a ConfigSource is something else than the stream that its resource came on. */
function isElsewhere(source: ProtoMessage | undefined): boolean {
  return ['path', 'path_config_source', 'api_config_source'].some(field => source && get(source, field) !== undefined);
}

function isMessage(value: unknown): value is ProtoMessage {
  return typeof value === 'object' && value !== null && 'fields' in value;
}

function content(message: ProtoMessage, name: string): Content | undefined {
  const field = message.type.byName.get(name);
  return field && message.fields.get(field);
}

function get(message: ProtoMessage, name: string): ProtoValue | undefined {
  const held = content(message, name);
  return held?.form === 'one' ? held.value : undefined;
}

function inner(message: ProtoMessage | undefined, name: string): ProtoMessage | undefined {
  const value = message && get(message, name);
  return isMessage(value) ? value : undefined;
}

function text(message: ProtoMessage, name: string): string {
  const value = get(message, name);
  return typeof value === 'string' ? value : '';
}

function texts(message: ProtoMessage, name: string): readonly string[] {
  const held = content(message, name);
  if (held?.form === 'list') return held.values.filter(value => typeof value === 'string');
  return [text(message, name)];
}
