import { AgentError, exitCodes } from '../../agent/errors.ts';
import { type Address, formatAddress, parseAddress } from '../../xds/address.ts';

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
  if (!/^\d+(\.\d+)?$/.test(options.fetchTimeout)) {
    throw usage(`--fetch-timeout must be a number of seconds (given: '${options.fetchTimeout}')`);
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
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds-grpc',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: envoyAddress(read('--listen', options.listen)) } }] }],
          },
        },
      ],
    },
    admin: { address: envoyAddress(read('--admin', options.admin)) },
  };
  if (format === 'json') console.log(JSON.stringify(bootstrap, undefined, 2));
  else console.log((await import('yaml')).stringify(bootstrap, { aliasDuplicateObjects: false }).trimEnd());
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
        // Three slashes: the form with an absolute path of gRPC's naming document.
        server_uri: address.kind === 'unix' ? `unix://${address.path}` : formatAddress(address),
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    node: { id: options.nodeId, ...(options.nodeCluster === '' ? {} : { cluster: options.nodeCluster }) },
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
