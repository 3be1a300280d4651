import { isIP } from 'node:net';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { type Address, formatAddress, parseAddress } from '../../xds/address.ts';
import { toYaml } from '../yaml-text.ts';

interface EnvoyOptions {
  readonly listen: string;
  readonly format: string;
  readonly variant: string;
  readonly nodeId: string;
  readonly nodeCluster: string;
  readonly admin: string;
  readonly fetchTimeout: string;
}

/** `weir bootstrap envoy`: prints a complete bootstrap whose ADS is the agent. */
export async function printEnvoyBootstrap(options: EnvoyOptions): Promise<number> {
  const isDelta = pick('--variant', options.variant, ['delta', 'sotw']) === 'delta';
  const format = pick('--format', options.format, ['yaml', 'json']);
  // protobuf's JSON form of a Duration: at most nine digits behind the point.
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(options.fetchTimeout)) {
    throw usage(`--fetch-timeout must be a number of seconds (given: '${options.fetchTimeout}')`);
  }
  const listen = read('--listen', options.listen);
  const admin = read('--admin', options.admin);
  if (admin.kind === 'tcp' && isIP(admin.host) === 0) {
    throw usage(
      `--admin must be an IP address and port, or unix:/path: Envoy binds to no name (given: '${options.admin}')`,
    );
  }
  const source = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: `${options.fetchTimeout}s` };
  const bootstrap = {
    node: { id: options.nodeId, cluster: options.nodeCluster },
    dynamic_resources: {
      ads_config: {
        api_type: isDelta ? 'DELTA_GRPC' : 'GRPC',
        transport_api_version: 'V3',
        // The node is 61 kB and would be sent with every request otherwise (rulebook R40).
        set_node_on_first_message_only: true,
        grpc_services: [
          {
            envoy_grpc: {
              cluster_name: 'xds-grpc',
              // The agent is local and back at once after a restart; Envoy's own back-off grows to 30 s (R56).
              retry_policy: { retry_back_off: { base_interval: '0.2s', max_interval: '1s' } },
            },
          },
        ],
      },
      // 0 s: with a cache beside it Envoy need not start without configuration; with a timeout it would go live empty (R60).
      cds_config: source,
      lds_config: source,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds-grpc',
          // Envoy refuses a name in a static cluster.
          type: listen.kind === 'tcp' && isIP(listen.host) === 0 ? 'STRICT_DNS' : 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds-grpc',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: envoyAddress(listen) } }] }],
          },
        },
      ],
    },
    admin: { address: envoyAddress(admin) },
  };
  if (format === 'json') console.log(JSON.stringify(bootstrap, undefined, 2));
  else console.log((await toYaml(bootstrap)).trimEnd());
  return exitCodes.ok;
}

interface GrpcOptions {
  readonly listen: string;
  readonly nodeId: string;
  readonly nodeCluster: string;
}

/** `weir bootstrap grpc`: prints the bootstrap of gRPC's xDS clients. */
export async function printGrpcBootstrap(options: GrpcOptions): Promise<number> {
  const address = read('--listen', options.listen);
  const bootstrap = {
    xds_servers: [
      {
        // Three slashes for an absolute path; a relative one has no such form (gRPC "Name Resolution").
        server_uri: formatAddress(address).replace(/^unix:\//, 'unix:///'),
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    node: {
      id: options.nodeId,
      ...(options.nodeCluster === '' ? {} : { cluster: options.nodeCluster }),
      // grpc-js refuses a bootstrap without it, and then waits for ever without a word.
      locality: {},
    },
  };
  console.log(JSON.stringify(bootstrap, undefined, 2));
  return exitCodes.ok;
}

function envoyAddress(address: Address) {
  if (address.kind === 'unix') return { pipe: { path: address.path } };
  return { socket_address: { address: address.host, port_value: address.port } };
}

function read(flag: string, text: string): Address {
  const address = parseAddress(text);
  if ('error' in address) throw usage(`${flag} ${address.error}`);
  return address;
}

function pick<const T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find(one => one === text);
  if (found === undefined) throw usage(`${flag} must be one of ${allowed.join(', ')} (given: '${text}')`);
  return found;
}

function usage(message: string): AgentError {
  return new AgentError(message, { exitCode: exitCodes.usage });
}
