import type { Variant } from './envelopes.ts';
import { bytes, duration, type Field, fieldsOf, message, nested, payloadsAt, text, texts, uint } from './proto.ts';

// Encoders for the few Envoy resources that the demo and the e2e tests serve (field numbers: rulebook 1.2 and 1.3 and
// Envoy's v3 API). The real Envoy is what checks them: the e2e tests fail on any NACK.

const prefix = 'type.googleapis.com/';

/** Type URLs of the resources below. */
export const typeUrls = {
  cluster: `${prefix}envoy.config.cluster.v3.Cluster`,
  endpoints: `${prefix}envoy.config.endpoint.v3.ClusterLoadAssignment`,
  listener: `${prefix}envoy.config.listener.v3.Listener`,
  routes: `${prefix}envoy.config.route.v3.RouteConfiguration`,
} as const;

/** A TCP address that Envoy can dial or listen on. */
export interface HostPort {
  readonly host: string;
  /** 0 lets the system choose, for listeners. */
  readonly port: number;
}

/** Name of the static cluster in Envoy's bootstrap that leads to its xDS server. */
export const xdsClusterName = 'xds';

/** Where Envoy is to get what a resource refers to: over ADS, or with the service of its type in one of the variants. */
export type ConfigOrigin = 'ads' | Variant;

const apiType: Readonly<Record<Variant, number>> = { sotw: 2, delta: 3 };

const originField = (origin: ConfigOrigin): Field =>
  origin === 'ads'
    ? nested(3)
    : nested(2, uint(1, apiType[origin]), nested(4, nested(1, text(1, xdsClusterName))), uint(7, 1), uint(8, 2));

const configSource = (origin: ConfigOrigin = 'ads', fetchTimeoutMs?: number): Field[] => [
  originField(origin),
  ...(fetchTimeoutMs === undefined ? [] : [duration(4, fetchTimeoutMs)]),
  uint(6, 2),
];

const socketAddress = ({ host, port }: HostPort): Field =>
  // A port of zero is a value here, not a default: the oneof must be there.
  nested(1, text(2, host), port === 0 ? writer => writer.uint32(3 << 3).uint32(0) : uint(3, port));

const extension = (number: number, name: string, typeUrl: string, config: Buffer): Field =>
  nested(number, text(1, name), nested(4, text(1, prefix + typeUrl), bytes(2, config)));

/** Settings of {@link encodeCluster}. */
export interface ClusterOptions {
  /** Changing only this makes Envoy warm the cluster anew (rulebook 3.3). Default 1000. */
  readonly connectTimeoutMs?: number;
  /** Name under which endpoints are asked for. Default: the cluster's name. */
  readonly serviceName?: string;
  /** Default: ADS. */
  readonly origin?: ConfigOrigin;
}

/** A `Cluster` that gets its endpoints by EDS. */
export function encodeCluster(name: string, options: ClusterOptions = {}): Buffer {
  return message(
    text(1, name),
    uint(2, 3),
    nested(3, nested(1, ...configSource(options.origin)), text(2, options.serviceName ?? '')),
    duration(4, options.connectTimeoutMs ?? 1000),
  );
}

/** A `ClusterLoadAssignment` with all endpoints in one locality. */
export function encodeEndpoints(clusterName: string, endpoints: readonly HostPort[]): Buffer {
  const lbEndpoints = endpoints.map(endpoint => nested(2, nested(1, nested(1, socketAddress(endpoint)))));
  return message(text(1, clusterName), nested(2, nested(1, text(1, 'local')), ...lbEndpoints, nested(3, uint(1, 1))));
}

/** Settings of {@link encodeListener}. */
export interface ListenerOptions {
  /** How long Envoy waits for the routes before it goes on without them, in ms. Default: Envoy's 15 s. */
  readonly routeFetchTimeoutMs?: number;
  /** Default: ADS. */
  readonly origin?: ConfigOrigin;
}

/** A `Listener` with an HTTP connection manager that takes its routes by RDS. */
export function encodeListener(
  name: string,
  address: HostPort,
  routeName: string,
  options: ListenerOptions = {},
): Buffer {
  const manager = httpManager(name, routeName, options);
  return message(
    text(1, name),
    nested(2, socketAddress(address)),
    nested(3, extension(3, 'envoy.filters.network.http_connection_manager', managerType, manager)),
  );
}

const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

function httpManager(name: string, routeName: string, options: ListenerOptions): Buffer {
  const routerType = 'envoy.extensions.filters.http.router.v3.Router';
  return message(
    text(2, name),
    nested(3, nested(1, ...configSource(options.origin, options.routeFetchTimeoutMs)), text(2, routeName)),
    extension(5, 'envoy.filters.http.router', routerType, message()),
  );
}

/** The `Listener` that a gRPC client asks for under the name of its target; it binds no port (A27). */
export function encodeApiListener(name: string, routeName: string): Buffer {
  const manager = httpManager(name, routeName, {});
  return message(text(1, name), nested(19, nested(1, text(1, prefix + managerType), bytes(2, manager))));
}

/** Where requests with a path prefix go: one cluster, or several by weight. */
export interface Route {
  readonly prefix: string;
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
}

/** A `RouteConfiguration` for all hosts. Prefixes are tried in the order given. */
export function encodeRoutes(name: string, routes: readonly Route[]): Buffer {
  const encoded = routes.map(route => {
    const [only] = route.clusters;
    const weighted = route.clusters.map(cluster =>
      nested(1, text(1, cluster.name), nested(2, uint(1, cluster.weight))),
    );
    const action = only !== undefined && route.clusters.length === 1 ? text(1, only.name) : nested(3, ...weighted);
    return nested(3, nested(1, text(1, route.prefix)), nested(2, action));
  });
  return message(text(1, name), nested(2, text(1, 'all'), texts(2, ['*']), ...encoded));
}

/** A route of everything to one cluster. */
export function routeAllTo(cluster: string): readonly Route[] {
  return [{ prefix: '/', clusters: [{ name: cluster, weight: 1 }] }];
}

const utf8 = (payload: Buffer): string => payload.toString('utf8');

/** Name under which the endpoints of an encoded EDS cluster are asked for: its `service_name` if set, else its own. */
export function endpointsNameOf(cluster: Buffer): string {
  return payloadsAt(cluster, 3, 2).map(utf8)[0] ?? payloadsAt(cluster, 1).map(utf8)[0] ?? '';
}

/** Route names that an encoded listener of {@link encodeListener}'s form waits for. */
export function routeNamesOf(listener: Buffer): string[] {
  return payloadsAt(listener, 3, 3, 4, 2, 3, 2).map(utf8);
}

/** Clusters of the first route of an encoded route configuration, single ones only. */
export function firstClusterOf(routes: Buffer): string | undefined {
  return payloadsAt(routes, 2, 3, 2, 1).map(utf8)[0];
}

/** Addresses in an encoded `ClusterLoadAssignment`. */
export function addressesOf(endpoints: Buffer): HostPort[] {
  return payloadsAt(endpoints, 2, 2, 1, 1, 1).map(address => ({
    host: utf8(payloadsAt(address, 2)[0] ?? Buffer.alloc(0)),
    port: fieldsOf(address).find(field => field.number === 3)?.value ?? 0,
  }));
}
