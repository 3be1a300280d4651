import type { Address } from '../xds/address.ts';
import type { Data } from './data.ts';

/** What an Envoy's bootstrap is made of. */
export interface EnvoyBootstrapOptions {
  readonly node: Data;
  /** Where the agent listens. */
  readonly listen: Address;
  readonly isDelta: boolean;
  /** `initial_fetch_timeout` in seconds, as protobuf's JSON has it; at most nine digits behind the point. */
  readonly fetchTimeout: string;
  /** Envoy's admin address: no name, which Envoy does not bind to. */
  readonly admin: Address;
  /** Where `GET /ready` answers 200 once Envoy has its configuration; undefined for nowhere. */
  readonly readyListen: Address | undefined;
  /** Whether an address of a socket is an IP address; a name has to be resolved. */
  readonly isNumeric: (host: string) => boolean;
}

/** Name by convention, also Istio's, of the cluster of the control plane. */
export const adsClusterName = 'xds-grpc';

/** A complete bootstrap (`envoy.config.bootstrap.v3.Bootstrap` as JSON) whose ADS is the agent. */
export function envoyBootstrap(options: EnvoyBootstrapOptions): Data {
  const { node, listen, isDelta, fetchTimeout, admin, readyListen, isNumeric } = options;
  // Two objects, since one that is written twice would become an alias in YAML.
  const source = (): Data => ({ ads: {}, resource_api_version: 'V3', initial_fetch_timeout: `${fetchTimeout}s` });
  return {
    node,
    dynamic_resources: {
      ads_config: {
        api_type: isDelta ? 'DELTA_GRPC' : 'GRPC',
        transport_api_version: 'V3',
        // The node is 61 kB and would be sent with every request otherwise (rulebook R40).
        set_node_on_first_message_only: true,
        grpc_services: [
          {
            envoy_grpc: {
              cluster_name: adsClusterName,
              // The agent is local and back at once after a restart; Envoy's own back-off grows to 30 s (R56).
              retry_policy: { retry_back_off: { base_interval: '0.2s', max_interval: '1s' } },
            },
          },
        ],
      },
      // 0 s: with a cache beside it Envoy need not start without configuration; with a timeout it would go live empty (R60), and a
      // listener whose secrets are not on disk (R105) with nothing to show.
      cds_config: source(),
      lds_config: source(),
    },
    static_resources: {
      ...(readyListen === undefined ? {} : { listeners: [readyListener(readyListen)] }),
      clusters: [
        {
          name: adsClusterName,
          // Envoy refuses a name in a static cluster.
          type: listen.kind === 'tcp' && !isNumeric(listen.host) ? 'STRICT_DNS' : 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: adsClusterName,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: envoyAddress(listen) } }] }],
          },
        },
      ],
    },
    admin: { address: envoyAddress(admin) },
  };
}

/** Envoy takes connections when it has its configuration, and not before: that it answers at all is the proof. The filter says 503 while Envoy drains. */
function readyListener(address: Address): Data {
  return {
    name: 'weir-ready',
    address: envoyAddress(address),
    // No part of the mesh: it goes on while inbound listeners drain.
    traffic_direction: 'OUTBOUND',
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              stat_prefix: 'weir_ready',
              route_config: {
                virtual_hosts: [
                  {
                    name: 'none',
                    domains: ['*'],
                    routes: [{ match: { prefix: '/' }, direct_response: { status: 404 } }],
                  },
                ],
              },
              http_filters: [
                {
                  name: 'envoy.filters.http.health_check',
                  typed_config: {
                    '@type': 'type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck',
                    pass_through_mode: false,
                    headers: [{ name: ':path', string_match: { exact: '/ready' } }],
                  },
                },
                {
                  name: 'envoy.filters.http.router',
                  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}

function envoyAddress(address: Address): Data {
  if (address.kind === 'unix') return { pipe: { path: address.path } };
  return { socket_address: { address: address.host, port_value: address.port } };
}
