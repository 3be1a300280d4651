import { bytes, duration, type Field, message, nested, text, texts, uint } from '../../src/demo/proto.ts';
import type { HostPort } from '../../src/demo/resources.ts';

// Bodies of every type that the e2e tests serve beyond those of the demo. The real Envoy checks the field numbers.

const prefix = 'type.googleapis.com/';

/** Type URLs. */
export const types = {
  cluster: `${prefix}envoy.config.cluster.v3.Cluster`,
  endpoints: `${prefix}envoy.config.endpoint.v3.ClusterLoadAssignment`,
  endpoint: `${prefix}envoy.config.endpoint.v3.LbEndpoint`,
  listener: `${prefix}envoy.config.listener.v3.Listener`,
  scope: `${prefix}envoy.config.route.v3.ScopedRouteConfiguration`,
  routes: `${prefix}envoy.config.route.v3.RouteConfiguration`,
  virtualHost: `${prefix}envoy.config.route.v3.VirtualHost`,
  secret: `${prefix}envoy.extensions.transport_sockets.tls.v3.Secret`,
  runtime: `${prefix}envoy.service.runtime.v3.Runtime`,
  extension: `${prefix}envoy.config.core.v3.TypedExtensionConfig`,
} as const;

const any = (number: number, typeName: string, body: Buffer): Field =>
  nested(number, text(1, prefix + typeName), bytes(2, body));

/** `ConfigSource` for ADS, as the field of this number. */
export const ads = (number: number): Field => nested(number, nested(3), uint(6, 2));

/** An unset default that must be written all the same, because the field is one of a oneof. */
const zero =
  (number: number): Field =>
  writer => {
    writer.uint32(number << 3).uint32(0);
  };

const socketAddress = ({ host, port }: HostPort): Field =>
  nested(1, text(2, host), port === 0 ? zero(3) : uint(3, port));

const lbEndpoint = (address: HostPort): Field[] => [nested(1, nested(1, socketAddress(address)))];

/** A static cluster with one endpoint. */
export function staticCluster(name: string, address: HostPort, connectTimeoutMs = 1000): Buffer {
  return message(text(1, name), uint(2, 0), duration(4, connectTimeoutMs), bytes(33, endpointsOf(name, address)));
}

/** A cluster that takes its endpoints over ADS, or by an `xdstp://` name from the source of its authority. */
export function edsCluster(name: string, connectTimeoutMs: number, serviceName?: string): Buffer {
  const source = serviceName === undefined ? ads(1) : text(2, serviceName);
  return message(text(1, name), uint(2, 3), nested(3, source), duration(4, connectTimeoutMs));
}

/** A `ClusterLoadAssignment` with one endpoint. */
export function endpointsOf(clusterName: string, address: HostPort): Buffer {
  return message(text(1, clusterName), nested(2, nested(2, ...lbEndpoint(address))));
}

/** `LbEndpoint`, a member of a LEDS collection. */
export function memberEndpoint(address: HostPort): Buffer {
  return message(...lbEndpoint(address));
}

/** A `ClusterLoadAssignment` whose one locality takes its endpoints from a LEDS collection. */
export function endpointsByCollection(clusterName: string, collection: string): Buffer {
  const locality = [nested(1, text(1, 'local')), nested(3, uint(1, 1)), nested(8, ads(1), text(2, collection))];
  return message(text(1, clusterName), nested(2, ...locality));
}

/** Where a connection manager finds its routes. */
export type RoutesBy =
  | { readonly by: 'rds'; readonly name: string }
  | { readonly by: 'scopes'; readonly header: string }
  | { readonly by: 'inline'; readonly body: Buffer };

function routesField(routes: RoutesBy): Field {
  if (routes.by === 'rds') return nested(3, ads(1), text(2, routes.name));
  if (routes.by === 'inline') return bytes(4, routes.body);
  const builder = nested(2, nested(1, nested(1, text(1, routes.header), zero(3))));
  return nested(31, text(1, 'scopes'), builder, ads(3), nested(5, ads(1)));
}

/** Parts of a listener. */
export interface ListenerParts {
  readonly routes: RoutesBy;
  /** Filters before the router, each from {@link filter} or {@link discoveredFilter}. */
  readonly filters?: readonly Field[];
  /** Name of a secret with the certificate, taken over ADS. */
  readonly certificate?: string;
}

const router = 'envoy.extensions.filters.http.router.v3.Router';
const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const tlsType = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

/** A listener on a free port of loopback with an HTTP connection manager. */
export function httpListener(name: string, parts: ListenerParts): Buffer {
  const filters = [...(parts.filters ?? []), filter('envoy.filters.http.router', router, message())];
  const manager = message(text(2, name), routesField(parts.routes), ...filters);
  const tls = parts.certificate;
  const chain = [
    nested(3, text(1, 'envoy.filters.network.http_connection_manager'), any(4, managerType, manager)),
    ...(tls === undefined
      ? []
      : [
          nested(
            6,
            text(1, 'envoy.transport_sockets.tls'),
            any(3, tlsType, message(nested(1, nested(6, text(1, tls), ads(2))))),
          ),
        ]),
  ];
  return message(text(1, name), nested(2, socketAddress({ host: '127.0.0.1', port: 0 })), nested(3, ...chain));
}

/** An HTTP filter with its configuration. */
export function filter(name: string, typeName: string, body: Buffer): Field {
  return nested(5, text(1, name), any(4, typeName, body));
}

/** An HTTP filter that takes its configuration by ECDS. */
export function discoveredFilter(name: string, typeName: string): Field {
  return nested(5, text(1, name), nested(5, ads(1), texts(4, [prefix + typeName])));
}

/** Type of {@link responseHeader}. */
export const headerMutationType = 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation';

/** A `TypedExtensionConfig` of a filter that sets a header of every response. */
export function responseHeader(name: string, key: string, value: string): Buffer {
  const option = [nested(1, text(1, key), text(2, value)), uint(3, 2)];
  return message(text(1, name), any(2, headerMutationType, message(nested(1, nested(2, nested(2, ...option))))));
}

/** The filter that fetches clusters or virtual hosts when a request needs them. */
export function onDemandFilter(hasClusters: boolean): Field {
  const body = hasClusters ? message(nested(1, ads(1), duration(3, 20_000))) : message();
  return filter('envoy.filters.http.on_demand', 'envoy.extensions.filters.http.on_demand.v3.OnDemand', body);
}

/** What a virtual host does with every request. */
export type Action = { readonly answer: string } | { readonly cluster: string } | { readonly clusterHeader: string };

function route(action: Action): Field {
  const match = nested(1, text(1, '/'));
  if ('answer' in action) return nested(3, match, nested(7, uint(1, 200), nested(2, text(3, action.answer))));
  return nested(3, match, nested(2, 'cluster' in action ? text(1, action.cluster) : text(2, action.clusterHeader)));
}

/** A `VirtualHost`. */
export function virtualHost(name: string, domains: readonly string[], action: Action): Buffer {
  return message(text(1, name), texts(2, domains), route(action));
}

/** A `RouteConfiguration` with one virtual host for everything. */
export function routes(name: string, action: Action): Buffer {
  return message(text(1, name), bytes(2, virtualHost('all', ['*'], action)));
}

/** A `RouteConfiguration` whose virtual hosts come by VHDS. */
export function routesByHost(name: string): Buffer {
  return message(text(1, name), nested(9, ads(1)));
}

/** A `ScopedRouteConfiguration` for requests whose header has this value. */
export function scope(name: string, routeName: string, value: string): Buffer {
  return message(text(1, name), text(2, routeName), nested(3, nested(1, text(1, value))));
}

/** A `Runtime` layer of string values. */
export function runtime(name: string, values: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(values).map(([key, value]) => nested(1, text(1, key), nested(2, text(3, value))));
  return message(text(1, name), nested(2, ...entries));
}

/** A `Secret` with a certificate and its key, both PEM. */
export function certificateSecret(name: string, pair: { readonly cert: string; readonly key: string }): Buffer {
  return message(text(1, name), nested(2, nested(1, text(3, pair.cert)), nested(2, text(3, pair.key))));
}
