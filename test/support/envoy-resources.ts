import assert from 'node:assert/strict';
import { envoyMessages } from '../../src/envoy/messages.ts';
import { encodeJson, problemText } from '../../src/proto/json-reader.ts';
import { bytesField, textField } from '../../src/xds/tag-walk.ts';
import type { TestResource } from './messages.ts';
import { types } from './resource-bodies.ts';

// Resources of Envoy as istiod sends them to a sidecar, written as JSON.

/** Body of a resource. @param json as `/config_dump` writes it, without `@type` */
export function envoyBody(typeUrl: string, json: unknown): Buffer {
  const bytes = encodeJson(envoyMessages, typeUrl.slice(typeUrl.lastIndexOf('/') + 1), json);
  assert.ok(Buffer.isBuffer(bytes), 'problems' in bytes ? bytes.problems.map(problemText).join('\n') : '');
  return bytes;
}

/** The same in its `Any`. */
export function envoyAny(typeUrl: string, json: unknown): Buffer {
  return anyOf(typeUrl, envoyBody(typeUrl, json));
}

/** An encoded `google.protobuf.Any`. */
export function anyOf(typeUrl: string, body: Buffer): Buffer {
  return Buffer.concat([textField(0x0a, typeUrl), bytesField(0x12, body)]);
}

/** A resource as a control plane sends it. */
export function envoyResource(typeUrl: string, name: string, json: unknown, version = '1'): TestResource {
  return { name, version, body: envoyBody(typeUrl, json) };
}

const prefix = 'type.googleapis.com/';
const ads = { ads: {}, resource_api_version: 'V3' };
/** Istio's own agent, beside the sidecar. */
const agentSds = (name: string) => ({
  name,
  sds_config: {
    api_config_source: {
      api_type: 'GRPC',
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      transport_api_version: 'V3',
    },
    resource_api_version: 'V3',
  },
});

/** `metadata` by which Istio says what a resource was made of. */
const madeOf = (kind: string, path: string) => ({
  filter_metadata: { istio: { config: `/apis/networking.istio.io/v1/namespaces/shop/${kind}/${path}` } },
});

/** A cluster of a service, such as `outbound|80|v1|reviews.shop.svc.cluster.local`. */
export function serviceCluster(port: number, subset: string, host: string): { readonly name: string } {
  const name = `outbound|${port}|${subset}|${host}`;
  return {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: ads, service_name: name },
    connect_timeout: '10s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: { thresholds: [{ max_connections: 4294967295, track_remaining: true }] },
    outlier_detection: { consecutive_5xx: 5, interval: '30s', enforcing_success_rate: 0 },
    metadata: madeOf('destination-rule', 'reviews'),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${prefix}envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 1073741824 } },
      },
    },
    transport_socket_matches: [
      {
        name: 'tlsMode-istio',
        match: { tlsMode: 'istio' },
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': `${prefix}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
            common_tls_context: {
              alpn_protocols: ['istio-peer-exchange', 'istio', 'h2'],
              tls_certificate_sds_secret_configs: [agentSds('default')],
              combined_validation_context: {
                default_validation_context: {
                  match_subject_alt_names: [{ exact: 'spiffe://cluster.local/ns/shop/sa/reviews' }],
                },
                validation_context_sds_secret_config: agentSds('ROOTCA'),
              },
            },
            sni: `outbound_.${port}_.${subset}_.${host}`,
          },
        },
      },
    ],
  } as { readonly name: string };
}

/** Endpoints of a cluster. */
export function serviceEndpoints(
  clusterName: string,
  addresses: readonly (readonly [address: string, port: number, health?: string])[],
): object {
  const endpoint = ([address, port_value, health_status = 'HEALTHY']: (typeof addresses)[number]) => ({
    health_status,
    endpoint: { address: { socket_address: { address, port_value } } },
    load_balancing_weight: 1,
  });
  const lb_endpoints = addresses.map(endpoint);
  return {
    cluster_name: clusterName,
    endpoints: [{ locality: { region: 'eu', zone: 'eu-1a' }, lb_endpoints, load_balancing_weight: 2 }],
  };
}

/** Routes of a port: a weighted route with a mirror, one that answers itself, one that redirects, and one that passes through. */
export const reviewsRoutes = {
  name: '80',
  virtual_hosts: [
    {
      name: 'reviews.shop.svc.cluster.local:80',
      domains: ['reviews.shop.svc.cluster.local', 'reviews', 'reviews.shop', '10.96.0.7'],
      routes: [
        {
          match: { prefix: '/', headers: [{ name: 'end-user', string_match: { exact: 'jason' } }] },
          metadata: madeOf('virtual-service', 'reviews'),
          decorator: { operation: 'reviews:80/*' },
          route: {
            weighted_clusters: {
              clusters: [
                { name: 'outbound|80|v1|reviews.shop.svc.cluster.local', weight: 90 },
                { name: 'outbound|80|v2|reviews.shop.svc.cluster.local', weight: 10 },
              ],
            },
            timeout: '0s',
            retry_policy: { retry_on: 'connect-failure,refused-stream', num_retries: 2 },
            request_mirror_policies: [{ cluster: 'outbound|80||shadow.shop.svc.cluster.local' }],
          },
        },
        { match: { path: '/healthz' }, direct_response: { status: 200, body: { inline_string: 'fine' } } },
      ],
      include_request_attempt_count: true,
    },
    {
      name: 'old.shop.svc.cluster.local:80',
      domains: ['old.shop.svc.cluster.local'],
      routes: [{ match: { safe_regex: { regex: '/v[0-9]+/.*' } }, redirect: { host_redirect: 'reviews.shop' } }],
    },
    {
      name: 'allow_any',
      domains: ['*'],
      routes: [{ name: 'allow_any', match: { prefix: '/' }, route: { cluster: 'PassthroughCluster' } }],
    },
  ],
  validate_clusters: false,
};

const connectionManager = (routes: object) => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': `${prefix}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'outbound_0.0.0.0_80',
    ...routes,
    http_filters: [
      {
        name: 'shop.wasm',
        config_discovery: { config_source: ads, type_urls: [`${prefix}envoy.extensions.filters.http.wasm.v3.Wasm`] },
      },
      {
        name: 'istio.alpn',
        typed_config: { '@type': `${prefix}istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`, value: 'CgA=' },
      },
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${prefix}envoy.extensions.filters.http.router.v3.Router` },
      },
    ],
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': `${prefix}envoy.extensions.access_loggers.file.v3.FileAccessLog`,
          path: '/dev/stdout',
        },
      },
    ],
  },
});

const tcpProxy = (cluster: string) => ({
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: {
    '@type': `${prefix}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: cluster,
    cluster,
  },
});

const address = (host: string, port: number) => ({ socket_address: { address: host, port_value: port } });

/** Listeners of a sidecar: HTTP with routes over RDS and a pass-through beside it, TCP, and the one that takes all that comes in. */
export const listeners = {
  http: {
    name: '0.0.0.0_80',
    address: address('0.0.0.0', 80),
    traffic_direction: 'OUTBOUND',
    filter_chains: [
      {
        filter_chain_match: { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'h2c'] },
        filters: [connectionManager({ rds: { config_source: ads, route_config_name: '80' } })],
      },
    ],
    default_filter_chain: { filters: [tcpProxy('PassthroughCluster')] },
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: { '@type': `${prefix}envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector` },
      },
    ],
  },
  tcp: {
    name: '10.96.0.9_5432',
    address: address('10.96.0.9', 5432),
    traffic_direction: 'OUTBOUND',
    filter_chains: [{ filters: [tcpProxy('outbound|5432||db.shop.svc.cluster.local')] }],
  },
  inbound: {
    name: 'virtualInbound',
    address: address('0.0.0.0', 15006),
    traffic_direction: 'INBOUND',
    filter_chains: [
      {
        name: '0.0.0.0_9080',
        filter_chain_match: { destination_port: 9080, transport_protocol: 'tls' },
        filters: [
          connectionManager({
            route_config: {
              name: 'inbound|9080||',
              virtual_hosts: [
                {
                  name: 'inbound|http|9080',
                  domains: ['*'],
                  routes: [{ match: { prefix: '/' }, route: { cluster: 'inbound|9080||' } }],
                },
              ],
            },
          }),
        ],
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': `${prefix}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
            common_tls_context: {
              tls_certificate_sds_secret_configs: [{ name: 'kubernetes://shop-cert', sds_config: ads }],
            },
            require_client_certificate: true,
          },
        },
      },
    ],
  },
} as const;

/** What a sidecar is given, by type. */
export function sidecarWorld(): Map<string, readonly TestResource[]> {
  const host = 'reviews.shop.svc.cluster.local';
  const clusters = [
    serviceCluster(80, 'v1', host),
    serviceCluster(80, 'v2', host),
    serviceCluster(5432, '', 'db.shop.svc.cluster.local'),
    { name: 'inbound|9080||', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '10s' },
    { name: 'PassthroughCluster', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '10s' },
  ];
  const v1 = `outbound|80|v1|${host}`;
  const v2 = `outbound|80|v2|${host}`;
  return new Map([
    [types.cluster, clusters.map(one => envoyResource(types.cluster, one.name, one))],
    [
      types.endpoints,
      [
        envoyResource(
          types.endpoints,
          v1,
          serviceEndpoints(v1, [
            ['10.0.0.1', 9080],
            ['10.0.0.2', 9080, 'UNHEALTHY'],
          ]),
        ),
        envoyResource(types.endpoints, v2, serviceEndpoints(v2, [['10.0.0.3', 9080, 'DRAINING']])),
      ],
    ],
    [types.listener, Object.values(listeners).map(one => envoyResource(types.listener, one.name, one))],
    [types.routes, [envoyResource(types.routes, '80', reviewsRoutes)]],
  ]);
}
