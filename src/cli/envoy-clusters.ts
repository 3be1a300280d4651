import { at, listAt, textAt } from './envoy-json.ts';
import { cell, type EnvoyRow, type EnvoyTable, madeOf, type ShownResource } from './envoy-table.ts';

/** What Istio says by the name of a cluster; of other names all but `fqdn` is empty. */
export interface ClusterName {
  /** `outbound`, `inbound` … */
  readonly direction: string;
  readonly port: string;
  readonly subset: string;
  readonly fqdn: string;
}

/** Reads `outbound|80|v1|reviews.shop.svc.cluster.local`, and the form of it that gateways use as SNI, `outbound_.80_.v1_.reviews…`. */
export function readClusterName(name: string): ClusterName {
  const parts = name.split('|');
  const [direction, port, subset, fqdn] =
    parts.length > 3 ? parts : (/^(\w+)_\.(\d*)_\.(.*?)_\.(.*)$/.exec(name)?.slice(1) ?? []);
  if (direction === undefined || port === undefined || subset === undefined || fqdn === undefined) {
    return { direction: '', port: '', subset: '', fqdn: name };
  }
  return { direction, port, subset, fqdn };
}

/** As `istioctl proxy-config clusters` shows them. */
export const clusterTable: EnvoyTable = {
  heading: ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'],
  isReadableByName: true,
  rowsOf: clusterRows,
};

function clusterRows({ name, content }: ShownResource): readonly EnvoyRow[] {
  const { direction, port, subset, fqdn } = readClusterName(name);
  const type =
    content === undefined ? '' : textAt(content, 'type') || textAt(content, 'cluster_type', 'name') || 'STATIC';
  return [
    {
      cells: [fqdn, port, subset, direction, type, madeOf(content)].map(cell),
      facets: { name: [name], fqdn: [fqdn], port: [port], subset: [subset], direction: [direction] },
      sortKey: `${fqdn} ${port.padStart(5, '0')} ${subset} ${direction}`,
    },
  ];
}

/**
 * As `istioctl proxy-config endpoints` shows them, but for OUTLIER CHECK, which only Envoy knows. Endpoints come in assignments of their own,
 * in the clusters themselves, and one by one in collections.
 */
export const endpointTable: EnvoyTable = {
  heading: ['ENDPOINT', 'STATUS', 'CLUSTER'],
  isReadableByName: false,
  rowsOf: endpointRows,
};

function endpointRows({ typeUrl, name, content }: ShownResource): readonly EnvoyRow[] {
  const isCluster = typeUrl.endsWith('.Cluster');
  if (content === undefined) return isCluster ? [] : [endpointRow(undefined, name)];
  if (typeUrl.endsWith('.LbEndpoint')) return [endpointRow(content, name)];
  const localities = isCluster ? listAt(content, 'load_assignment', 'endpoints') : listAt(content, 'endpoints');
  const endpoints = localities.flatMap(locality => [
    ...listAt(locality, 'lb_endpoints'),
    ...listAt(locality, 'load_balancer_endpoints', 'lb_endpoints'),
  ]);
  const rows = endpoints.map(endpoint => endpointRow(endpoint, name));
  // That a cluster has none is what one looks for.
  return rows.length > 0 || isCluster ? rows : [endpointRow(undefined, name)];
}

function endpointRow(endpoint: unknown, cluster: string): EnvoyRow {
  const address = at(endpoint, 'endpoint', 'address');
  const [host, port] = hostAndPort(address);
  const shown = endpoint === undefined ? '' : textAt(endpoint, 'endpoint_name') || addressText(address);
  const status = endpoint === undefined ? '' : textAt(endpoint, 'health_status') || 'UNKNOWN';
  return {
    cells: [shown, status, cluster].map(cell),
    facets: { name: [cluster], address: [host], port: [port], cluster: [cluster], status: [status] },
    sortKey: cluster,
  };
}

/** Host and port of an Address, each empty where it has none. */
export function hostAndPort(address: unknown): readonly [host: string, port: string] {
  const socket = at(address, 'socket_address');
  if (socket === undefined) return ['', ''];
  return [textAt(socket, 'address'), textAt(socket, 'port_value') || textAt(socket, 'named_port') || '0'];
}

/** An Address in one word: `10.0.0.1:80`, `[::1]:80`, `unix:///path`, `envoy://listener/endpoint`. */
export function addressText(address: unknown): string {
  const [host, port] = hostAndPort(address);
  if (host !== '') return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const path = textAt(address, 'pipe', 'path');
  if (path !== '') return `unix://${path}`;
  const listener = textAt(address, 'envoy_internal_address', 'server_listener_name');
  return listener === '' ? '' : `envoy://${listener}/${textAt(address, 'envoy_internal_address', 'endpoint_id')}`;
}
