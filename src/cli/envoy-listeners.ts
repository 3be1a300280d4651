import { addressText, hostAndPort } from './envoy-clusters.ts';
import { at, listAt, textAt, textsAt } from './envoy-json.ts';
import { cell, type EnvoyRow, type EnvoyTable, type ShownResource, some } from './envoy-table.ts';

/** As `istioctl proxy-config listeners` shows them, and the name, by which a listener is asked for. */
export const listenerTable: EnvoyTable = {
  heading: ['ADDRESSES', 'PORT', 'MATCH', 'DESTINATION', 'NAME'],
  isReadableByName: false,
  rowsOf: listenerRows,
};

/** Texts of a list that are told in a cell; of the others the number. */
const textsMax = 5;
const connectionManager = '.http_connection_manager.v3.HttpConnectionManager';
const tcpProxy = '.tcp_proxy.v3.TcpProxy';

function listenerRows({ name, content }: ShownResource): readonly EnvoyRow[] {
  const addresses = [at(content, 'address'), ...listAt(content, 'additional_addresses').map(one => at(one, 'address'))]
    .filter(one => one !== undefined)
    .map(one => hostAndPort(one)[0] || addressText(one));
  const port = hostAndPort(at(content, 'address'))[1];
  const paths = content === undefined ? [] : pathsThrough(content);
  const kinds = paths.map(path => path.kind);
  const type = ['HTTP', 'TCP'].filter(kind => kinds.some(one => one === kind)).join('+') || 'UNKNOWN';
  const facets = { name: [name], address: addresses, port: [port], type: content === undefined ? [] : [type] };
  const shown = paths.length > 0 ? paths : [{ match: '', destination: '' }];
  return shown.map(({ match, destination }) => ({
    cells: [addresses.join(','), port, match, destination, name].map(cell),
    facets,
    sortKey: `${port.padStart(5, '0')} ${addresses.join(',')} ${name}`,
  }));
}

/** What a listener does with what comes in. */
interface Path {
  readonly match: string;
  readonly destination: string;
  readonly kind: 'HTTP' | 'TCP' | 'UNKNOWN';
}

function pathsThrough(listener: unknown): readonly Path[] {
  const paths = listAt(listener, 'filter_chains').map(chain => ({
    match: matchText(at(chain, 'filter_chain_match')),
    ...destinationOf(listAt(chain, 'filters')),
  }));
  const last = at(listener, 'default_filter_chain');
  if (last !== undefined) paths.push({ match: 'ALL', ...destinationOf(listAt(last, 'filters')) });
  // What gRPC clients are given: a connection manager without a socket.
  const api = at(listener, 'api_listener', 'api_listener');
  if (api !== undefined) paths.push({ match: 'ALL', ...destinationOf([{ typed_config: api }]) });
  // A UDP listener has filters of datagrams only.
  if (paths.length === 0) paths.push({ match: 'ALL', ...destinationOf(listAt(listener, 'listener_filters')) });
  return paths;
}

/** A FilterChainMatch in the words of istioctl, with what it leaves out. */
function matchText(match: unknown): string {
  const said = (label: string, texts: readonly string[]): string[] =>
    texts.length > 0 ? [`${label}: ${some(texts, textsMax)}`] : [];
  const port = textAt(match, 'destination_port');
  const ranges = (field: string): string[] => listAt(match, field).map(rangeText);
  const destinations = some(ranges('prefix_ranges'), textsMax);
  const transport = textAt(match, 'transport_protocol');
  const parts = [
    ...said('SNI', textsAt(match, 'server_names')),
    ...said('Trans', transport === '' ? [] : [transport]),
    ...said('App', textsAt(match, 'application_protocols')),
    ...(destinations !== '' || port !== '' ? [`Addr: ${destinations || '*'}${port === '' ? '' : `:${port}`}`] : []),
    ...said('Src', [...ranges('source_prefix_ranges'), ...ranges('direct_source_prefix_ranges')]),
    ...said('Src ports', listAt(match, 'source_ports').map(String)),
    ...said('Src type', textAt(match, 'source_type') === '' ? [] : [textAt(match, 'source_type')]),
  ];
  return parts.join('; ') || 'ALL';
}

function rangeText(range: unknown): string {
  const length = at(range, 'prefix_len');
  return `${textAt(range, 'address_prefix')}/${typeof length === 'number' ? length : 0}`;
}

/** Where the filters of a chain lead to. */
function destinationOf(filters: readonly unknown[]): Omit<Path, 'match'> {
  for (const filter of filters) {
    const config = at(filter, 'typed_config');
    const type = textAt(config, '@type');
    if (type.endsWith(connectionManager)) return { destination: routesOf(config), kind: 'HTTP' };
    if (type.endsWith(tcpProxy)) return { destination: clustersOf(config), kind: 'TCP' };
  }
  const names = filters.map(filter => textAt(filter, 'name') || textAt(filter, 'typed_config', '@type'));
  return { destination: names.length > 0 ? `Filters: ${names.join(', ')}` : '', kind: 'UNKNOWN' };
}

function routesOf(config: unknown): string {
  const name = textAt(config, 'rds', 'route_config_name');
  if (name !== '') return `Route: ${name}`;
  const scopes = at(config, 'scoped_routes');
  if (scopes !== undefined) return `Scoped routes: ${textAt(scopes, 'name')}`;
  const routes = listAt(config, 'route_config', 'virtual_hosts').flatMap(host => listAt(host, 'routes'));
  return `Inline Route: ${some(
    routes.map(route => routeMatchText(at(route, 'match'))),
    textsMax,
  )}`;
}

function clustersOf(config: unknown): string {
  const weighted = listAt(config, 'weighted_clusters', 'clusters');
  if (weighted.length === 0) return `Cluster: ${textAt(config, 'cluster')}`;
  return `Clusters: ${some(
    weighted.map(one => `${textAt(one, 'name')} (${textAt(one, 'weight')})`),
    textsMax,
  )}`;
}

/** A RouteMatch in the words of istioctl, and the names of headers and parameters that it looks at. */
export function routeMatchText(match: unknown): string {
  const forms = [
    ['prefix', (text: string) => `${text}*`],
    ['path_separated_prefix', (text: string) => `PathPrefix:${text}`],
    ['path', (text: string) => text],
  ] as const;
  let path = '';
  for (const [field, shown] of forms) {
    const text = textAt(match, field);
    if (text !== '') path = shown(text);
  }
  const regex = textAt(match, 'safe_regex', 'regex');
  if (regex !== '') path = `regex ${regex}`;
  if (at(match, 'connect_matcher') !== undefined) path = 'CONNECT';
  if (at(match, 'path_match_policy') !== undefined) path = textAt(match, 'path_match_policy', 'name');
  const names = (field: string) => listAt(match, field).map(one => textAt(one, 'name'));
  const headers = names('headers');
  const parameters = names('query_parameters');
  return [
    path,
    ...(headers.length > 0 ? [`headers: ${headers.join(', ')}`] : []),
    ...(parameters.length > 0 ? [`query: ${parameters.join(', ')}`] : []),
  ].join('; ');
}
