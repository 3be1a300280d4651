import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, listAt } from '../../src/cli/envoy-json.ts';
import { decodeEnvoyResource } from '../../src/envoy/resource.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { envoyAny, envoyBody, reviewsRoutes, serviceCluster, serviceEndpoints } from '../support/envoy-resources.ts';
import { types } from '../support/resource-bodies.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

// `weir proxy-config` shows a resource as Envoy's own /config_dump does: the same bytes, given to a real Envoy.

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);
const prefix = 'type.googleapis.com/envoy.extensions';

const reviews = serviceCluster(80, 'v1', 'reviews.shop.svc.cluster.local');
/** A cluster whose secrets Envoy can have without Istio's agent. */
const cluster = {
  ...reviews,
  name: 'reviews',
  transport_socket_matches: [
    {
      name: 'tls',
      match: { tlsMode: 'istio', weight: 1.5, list: [true, null] },
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': `${prefix}.transport_sockets.tls.v3.UpstreamTlsContext`,
          common_tls_context: { tls_params: { tls_minimum_protocol_version: 'TLSv1_3' } },
          sni: 'reviews',
        },
      },
    },
  ],
  outlier_detection: { consecutive_5xx: 5, interval: '30s', base_ejection_time: '0.250s', enforcing_success_rate: 0 },
  health_checks: [
    {
      timeout: '1s',
      interval: '60s',
      unhealthy_threshold: 2,
      healthy_threshold: 1,
      http_health_check: { path: '/healthz', expected_statuses: [{ start: '200', end: '300' }] },
    },
  ],
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: {
          name: 'envoy.load_balancing_policies.ring_hash',
          typed_config: {
            '@type': `${prefix}.load_balancing_policies.ring_hash.v3.RingHash`,
            minimum_ring_size: '1024',
          },
        },
      },
    ],
  },
};
const routes = {
  ...reviewsRoutes,
  name: 'reviews',
  virtual_hosts: [
    {
      ...reviewsRoutes.virtual_hosts[0],
      typed_per_filter_config: {
        'envoy.filters.http.fault': {
          '@type': `${prefix}.filters.http.fault.v3.HTTPFault`,
          abort: { http_status: 503, percentage: { numerator: 5, denominator: 'TEN_THOUSAND' } },
        },
      },
      request_headers_to_add: [{ header: { key: 'x', value: 'y' }, append_action: 'ADD_IF_ABSENT' }],
    },
  ],
};
const listener = {
  name: 'web',
  address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  filter_chains: [
    {
      filter_chain_match: { application_protocols: ['h2c'] },
      filters: [
        {
          name: 'envoy.filters.network.http_connection_manager',
          typed_config: {
            '@type': `${prefix}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
            stat_prefix: 'web',
            rds: { config_source: { ads: {}, resource_api_version: 'V3' }, route_config_name: 'reviews' },
            http_filters: [
              {
                name: 'envoy.filters.http.rbac',
                typed_config: {
                  '@type': `${prefix}.filters.http.rbac.v3.RBAC`,
                  rules: {
                    policies: {
                      'ns[shop]': {
                        permissions: [{ and_rules: { rules: [{ any: true }] } }],
                        principals: [{ authenticated: { principal_name: { suffix: '/sa/a' } } }],
                      },
                    },
                  },
                },
              },
              {
                name: 'envoy.filters.http.basic_auth',
                typed_config: {
                  '@type': `${prefix}.filters.http.basic_auth.v3.BasicAuth`,
                  users: { inline_string: 'a:{SHA}qZk+NkcGgWq6PiVxeFDCbJzQ2J0=' },
                },
              },
              {
                name: 'envoy.filters.http.router',
                typed_config: { '@type': `${prefix}.filters.http.router.v3.Router` },
              },
            ],
            local_reply_config: { body_format: { json_format: { a: ['%REQ(X)%', 1, null] } } },
            access_log: [
              {
                name: 'envoy.access_loggers.stdout',
                filter: {
                  status_code_filter: { comparison: { op: 'GE', value: { default_value: 500, runtime_key: 'k' } } },
                },
                typed_config: { '@type': `${prefix}.access_loggers.stream.v3.StdoutAccessLog` },
              },
            ],
          },
        },
      ],
    },
  ],
};
const endpoints = serviceEndpoints(reviews.name, [
  ['127.0.0.1', 1],
  ['127.0.0.1', 2, 'DRAINING'],
]);

/** What we redact stands in Envoy's dump with `[redacted]` inside of it. */
function withoutUsers(json: unknown): unknown {
  return JSON.parse(JSON.stringify(json), (name, value) => (name === 'users' ? '[redacted]' : value));
}

test('a resource is shown as the real Envoy shows it', { skip }, async () => {
  await using world = new ScriptedWorld({ envoy, variant: 'delta' });
  await world.start();
  const given = [
    [types.cluster, 'reviews', cluster],
    [types.routes, 'reviews', routes],
    [types.listener, 'web', listener],
  ] as const;
  // Of endpoints Envoy dumps what it has made of them, with its own health checks.
  world.plane.put(types.endpoints, { [reviews.name]: envoyBody(types.endpoints, endpoints) });
  for (const [typeUrl, name, json] of given) world.plane.put(typeUrl, { [name]: envoyBody(typeUrl, json) });
  await world.startEnvoy();
  await world.until('the routes', async () =>
    JSON.stringify(await world.admin('/config_dump')).includes('TEN_THOUSAND'),
  );
  assert.deepEqual(world.plane.rejections, []);
  const dump = listAt(await world.admin('/config_dump'), 'configs');
  const places: readonly (readonly [list: string, ...path: string[]])[] = [
    ['dynamic_active_clusters', 'cluster'],
    ['dynamic_route_configs', 'route_config'],
    ['dynamic_listeners', 'active_state', 'listener'],
  ];
  for (const [index, [typeUrl, name, json]] of given.entries()) {
    const [list = '', ...path] = places[index] ?? [];
    const shown = dump
      .flatMap(config => listAt(config, list))
      .map(one => at(one, ...path))
      .find(one => at(one, 'name') === name);
    assert.ok(shown, `${name} in ${list}`);
    assert.deepEqual(withoutUsers(decodeEnvoyResource(typeUrl, envoyAny(typeUrl, json))), withoutUsers(shown), list);
    assert.ok(!JSON.stringify(shown).includes('qZk+'), 'Envoy redacts it as well');
  }
});
