import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressText, clusterTable, endpointTable, readClusterName } from '../../src/cli/envoy-clusters.ts';
import { at, listAt, textAt } from '../../src/cli/envoy-json.ts';
import { envoyKinds, nameTable } from '../../src/cli/envoy-kinds.ts';
import { listenerTable } from '../../src/cli/envoy-listeners.ts';
import { routeTable } from '../../src/cli/envoy-routes.ts';
import { type EnvoyTable, type Filters, isChosen, madeOf } from '../../src/cli/envoy-table.ts';
import { decodeEnvoyResource } from '../../src/envoy/resource.ts';
import { envoyAny } from '../support/envoy-resources.ts';
import { types } from '../support/resource-bodies.ts';

// The cells of the tables of `weir proxy-config`, made of resources as they come.

/** Rows of a resource, through bytes; without JSON, of one whose content is not known. */
function rows(table: EnvoyTable, typeUrl: string, name: string, json?: object) {
  const content = json && decodeEnvoyResource(typeUrl, envoyAny(typeUrl, json));
  return table.rowsOf({ typeUrl, name, version: '7', content });
}
const cells = (...args: Parameters<typeof rows>) => rows(...args).map(row => row.cells);
const prefix = 'type.googleapis.com/envoy.extensions';
const tcp = (config: object) => ({
  name: 'tcp',
  typed_config: { '@type': `${prefix}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 't', ...config },
});
const http = (config: object) => ({
  '@type': `${prefix}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
  stat_prefix: 'h',
  ...config,
});
const socket = (address: string, port_value: number) => ({ socket_address: { address, port_value } });

describe('a row for a cluster', () => {
  const names: readonly (readonly [name: string, direction: string, port: string, subset: string, fqdn: string])[] = [
    ['outbound|80|v1|reviews.shop.svc.cluster.local', 'outbound', '80', 'v1', 'reviews.shop.svc.cluster.local'],
    ['outbound_.80_.v1_.reviews.shop.svc', 'outbound', '80', 'v1', 'reviews.shop.svc'],
    ['outbound_.80_._.reviews.shop.svc', 'outbound', '80', '', 'reviews.shop.svc'],
    ['inbound|9080||', 'inbound', '9080', '', ''],
    ['BlackHoleCluster', '', '', '', 'BlackHoleCluster'],
    ['a|b|c', '', '', '', 'a|b|c'],
    ['', '', '', '', ''],
  ];
  for (const [name, direction, port, subset, fqdn] of names) {
    test(`Istio's parts of the name '${name}'`, () => {
      assert.deepEqual(readClusterName(name), { direction, port, subset, fqdn });
    });
  }

  test('its type is what it says, a custom one, or static; without content it is not known', () => {
    const typeOf = (json?: object) => cells(clusterTable, types.cluster, 'c', json)[0]?.[4];
    assert.equal(typeOf({ name: 'c', type: 'STRICT_DNS' }), 'STRICT_DNS');
    assert.equal(typeOf({ name: 'c', cluster_type: { name: 'envoy.clusters.aggregate' } }), 'envoy.clusters.aggregate');
    assert.equal(typeOf({ name: 'c', type: 99 }), '99');
    assert.equal(typeOf({ name: 'c' }), 'STATIC');
    assert.equal(typeOf(), '-');
  });

  test('its DESTINATION RULE is Istio’s metadata, whatever the version of the API', () => {
    const of = (config: unknown) => madeOf({ metadata: { filter_metadata: { istio: { config } } } });
    assert.equal(of('/apis/networking.istio.io/v1/namespaces/shop/destination-rule/reviews'), 'reviews.shop');
    assert.equal(of('/apis/networking.istio.io/v1alpha3/namespaces/a/virtual-service/b'), 'b.a');
    for (const other of ['/apis/x', '', 7, undefined, null]) assert.equal(of(other), '');
    assert.equal(madeOf(undefined), '');
  });
});

describe('rows for endpoints', () => {
  test('an address of any kind in one word', () => {
    assert.equal(addressText(socket('10.0.0.1', 80)), '10.0.0.1:80');
    assert.equal(addressText(socket('2001:db8::1', 80)), '[2001:db8::1]:80');
    assert.equal(addressText({ socket_address: { address: 'a', named_port: 'http' } }), 'a:http');
    assert.equal(addressText({ socket_address: { address: 'a' } }), 'a:0');
    assert.equal(addressText({ pipe: { path: '/run/x' } }), 'unix:///run/x');
    const internal = { server_listener_name: 'connect', endpoint_id: '10.0.0.1:80' };
    assert.equal(addressText({ envoy_internal_address: internal }), 'envoy://connect/10.0.0.1:80');
    assert.equal(addressText(undefined), '');
  });

  test('what nobody said of an endpoint is UNKNOWN, and a cluster without endpoints has a row that says so', () => {
    const one = { endpoint: { address: socket('10.0.0.1', 80) } };
    const assignment = { cluster_name: 'c', endpoints: [{ lb_endpoints: [one] }, { lb_endpoints: [] }] };
    assert.deepEqual(cells(endpointTable, types.endpoints, 'c', assignment), [['10.0.0.1:80', 'UNKNOWN', 'c']]);
    assert.deepEqual(cells(endpointTable, types.endpoints, 'c', { cluster_name: 'c' }), [['-', '-', 'c']]);
    assert.deepEqual(cells(endpointTable, types.endpoints, 'c'), [['-', '-', 'c']]);
  });

  test('those in a cluster are told, and of a cluster that has none nothing', () => {
    const load_assignment = { endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: '/x' } } } }] }] };
    assert.deepEqual(cells(endpointTable, types.cluster, 'c', { name: 'c', load_assignment }), [
      ['unix:///x', 'UNKNOWN', 'c'],
    ]);
    assert.deepEqual(cells(endpointTable, types.cluster, 'c', { name: 'c' }), []);
    assert.deepEqual(cells(endpointTable, types.cluster, 'c'), []);
  });

  test('a member of a collection is a row under its own name', () => {
    const member = { endpoint: { address: socket('10.0.0.1', 80) }, health_status: 'DEGRADED' };
    assert.deepEqual(cells(endpointTable, types.endpoint, 'xdstp://a/b/c', member), [
      ['10.0.0.1:80', 'DEGRADED', 'xdstp://a/b/c'],
    ]);
  });
});

describe('rows for a listener', () => {
  const destinations = (json: object) =>
    cells(listenerTable, types.listener, 'l', json).map(([, , match, destination]) => [match, destination]);

  test('each filter chain is a row, and each says what it matches', () => {
    const filter_chain_match = {
      server_names: ['a.example', 'b.example'],
      transport_protocol: 'tls',
      application_protocols: ['h2'],
      prefix_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }, { address_prefix: '::' }],
      destination_port: 443,
      source_prefix_ranges: [{ address_prefix: '192.168.0.0', prefix_len: 16 }],
      source_ports: [1, 2],
      source_type: 'EXTERNAL',
    };
    const chains = [
      { filter_chain_match, filters: [tcp({ cluster: 'c' })] },
      { filter_chain_match: { destination_port: 9080 }, filters: [tcp({ cluster: 'd' })] },
    ];
    assert.deepEqual(destinations({ filter_chains: chains }), [
      [
        'SNI: a.example, b.example; Trans: tls; App: h2; Addr: 10.0.0.0/8, ::/0:443; Src: 192.168.0.0/16; ' +
          'Src ports: 1, 2; Src type: EXTERNAL',
        'Cluster: c',
      ],
      ['Addr: *:9080', 'Cluster: d'],
    ]);
  });

  test('it leads to clusters with their weights, to routes by name, by scope or inline, or to other filters', () => {
    const weighted_clusters = {
      clusters: [
        { name: 'a', weight: 9 },
        { name: 'b', weight: 1 },
      ],
    };
    const through = (...filters: object[]) => destinations({ filter_chains: [{ filters }] })[0]?.[1];
    assert.equal(through(tcp({ weighted_clusters })), 'Clusters: a (9), b (1)');
    const manager = (config: object) => ({ name: 'http', typed_config: http(config) });
    assert.equal(through({ name: 'rbac' }, manager({ rds: { route_config_name: 'r' } })), 'Route: r');
    assert.equal(through(manager({ scoped_routes: { name: 's', scoped_rds: {} } })), 'Scoped routes: s');
    const routes = [{ match: { path: '/a' } }, { match: { path_separated_prefix: '/b' } }];
    assert.equal(
      through(manager({ route_config: { virtual_hosts: [{ routes }] } })),
      'Inline Route: /a, PathPrefix:/b',
    );
    assert.equal(through({ name: 'rbac' }, { name: 'redis' }), 'Filters: rbac, redis');
    assert.equal(through(), '-');
  });

  test('a listener for gRPC clients, one for datagrams, and one of several addresses', () => {
    assert.deepEqual(destinations({ api_listener: { api_listener: http({ rds: { route_config_name: 'r' } }) } }), [
      ['ALL', 'Route: r'],
    ]);
    assert.deepEqual(destinations({ listener_filters: [{ name: 'dns' }] }), [['ALL', 'Filters: dns']]);
    const many = { address: socket('::', 53), additional_addresses: [{ address: socket('0.0.0.0', 53) }] };
    const [row] = rows(listenerTable, types.listener, 'l', many);
    assert.deepEqual(row?.cells.slice(0, 2), ['::,0.0.0.0', '53']);
    assert.deepEqual(row?.facets, { name: ['l'], address: ['::', '0.0.0.0'], port: ['53'], type: ['UNKNOWN'] });
    assert.deepEqual(cells(listenerTable, types.listener, 'l'), [['-', '-', '-', '-', 'l']]);
  });
});

describe('rows for routes', () => {
  const matches = (match: object) =>
    cells(routeTable, types.routes, 'r', { virtual_hosts: [{ name: 'h', routes: [{ match }] }] })[0]?.[3];

  test('a match in the words of istioctl, with the names of headers and parameters that it looks at', () => {
    assert.equal(matches({ prefix: '/' }), '/*');
    assert.equal(matches({ path: '/x' }), '/x');
    assert.equal(matches({ safe_regex: { regex: '.*' } }), 'regex .*');
    assert.equal(matches({ connect_matcher: {} }), 'CONNECT');
    assert.equal(matches({ path_match_policy: { name: 'uri_template' } }), 'uri_template');
    const more = { headers: [{ name: 'a' }, { name: 'b' }], query_parameters: [{ name: 'q' }] };
    assert.equal(matches({ prefix: '/x', ...more }), '/x*; headers: a, b; query: q');
    assert.equal(matches({}), '-');
  });

  test('a virtual host without routes answers 404, or has a matcher; one on demand is a resource of its own', () => {
    const host = { name: 'h', domains: ['a', 'a:80', '[::1]:80'] };
    const shown = (one: object) => cells(routeTable, types.routes, 'r', { virtual_hosts: [one] });
    assert.deepEqual(shown(host), [['r', 'h', 'a, [::1]:80', '/*', '404']]);
    assert.deepEqual(shown({ ...host, matcher: {} }), [['r', 'h', 'a, [::1]:80', 'by a matcher', '-']]);
    assert.deepEqual(cells(routeTable, types.virtualHost, 'r/h', host), [['r/h', 'h', 'a, [::1]:80', '/*', '404']]);
    assert.deepEqual(cells(routeTable, types.routes, 'r', {}), [['r', '-', '-', '-', '-']]);
  });
});

describe('rows are chosen', () => {
  const [row] = rows(clusterTable, types.cluster, 'outbound|80|v1|a.b', { name: 'x' });
  const chosen = (filters: Filters): boolean | undefined => row && isChosen(row, filters);

  test('by all filters that are set, whatever the case; what is not known is not chosen', () => {
    assert.equal(chosen({}), true);
    assert.equal(chosen({ port: undefined }), true);
    assert.equal(chosen({ fqdn: 'A.b', port: '80', direction: 'OUTBOUND' }), true);
    assert.equal(chosen({ fqdn: 'a.b', port: '81' }), false);
    assert.equal(chosen({ fqdn: 'a' }), false, 'a part is not the whole');
    assert.equal(chosen({ status: 'HEALTHY' }), false);
  });
});

test('every kind says as many cells as its heading has, with content and without', () => {
  for (const { table, title } of [...envoyKinds, { table: nameTable, title: 'any' }]) {
    for (const json of [{}, undefined]) {
      for (const typeUrl of Object.values(types)) {
        for (const one of cells(table, typeUrl, 'n', json)) assert.equal(one.length, table.heading.length, title);
      }
    }
  }
});

test('no cell says anything to a terminal, and none holds a list of any length', () => {
  const name = 'a\u001b[31m\nb';
  assert.deepEqual(cells(nameTable, 'acme', name)[0], ['a [31m b', '7']);
  const clusters = Array.from({ length: 1_000 }, (_, index) => ({ name: `c${index}`, weight: 1 }));
  const json = { filter_chains: [{ filters: [tcp({ weighted_clusters: { clusters } })] }] };
  assert.match(cells(listenerTable, types.listener, 'l', json)[0]?.[3] ?? '', /^Clusters: .* \+ 995 more\.\.\.$/);
});

test('ways into data end in nothing where there is nothing', () => {
  assert.equal(at({ a: [{ b: 1 }] }, 'a', 0, 'b'), 1);
  assert.equal(at({ a: 1 }, 'a', 'b'), undefined);
  assert.equal(at(Object.create({ a: 1 }), 'a'), undefined, 'what is inherited is not there');
  assert.equal(textAt({ a: {} }, 'a'), '');
  assert.equal(textAt({ a: 0 }, 'a'), '0');
  assert.deepEqual(listAt({ a: 'x' }, 'a'), []);
});
