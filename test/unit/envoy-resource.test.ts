import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { envoyMessages } from '../../src/envoy/messages.ts';
import { referencesIn } from '../../src/envoy/references.ts';
import { decodeEnvoyResource } from '../../src/envoy/resource.ts';
import { dumpStyle, messageJson } from '../../src/proto/json-writer.ts';
import { decodeMessage } from '../../src/proto/wire.ts';
import { bytesField, textField } from '../../src/xds/tag-walk.ts';
import { anyOf, envoyAny, listeners, reviewsRoutes, serviceCluster } from '../support/envoy-resources.ts';
import { types } from '../support/resource-bodies.ts';

// Resources for people to read, and what they need. That the tables are Envoy's own is shown in test/e2e/envoy-types.test.ts.

const tls = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const reviews = serviceCluster(80, 'v1', 'reviews.shop.svc.cluster.local');
/** `type|name` of all that a resource needs. */
const needs = (typeUrl: string, json: unknown) =>
  referencesIn(typeUrl, envoyAny(typeUrl, json)).map(one => `${one.typeUrl.split('.').at(-1)} ${one.name}`);

describe('a resource of Envoy, decoded', () => {
  for (const [title, typeUrl, json] of [
    ['a cluster of Istio', types.cluster, reviews],
    ['routes', types.routes, reviewsRoutes],
    ...Object.entries(listeners).map(([name, one]) => [`the listener ${name}`, types.listener, one] as const),
  ] as const) {
    test(`${title} says what its author said, extensions included`, () => {
      const shown = decodeEnvoyResource(typeUrl, envoyAny(typeUrl, json));
      assert.deepEqual(shown, { '@type': typeUrl, ...json });
    });
  }

  test('an extension and a type that are not known stay readable as base64 with their type', () => {
    const body = Buffer.from([8, 150, 1]);
    const typed_config = { '@type': 'type.googleapis.com/acme.Filter', value: body.toString('base64') };
    const filter = { name: 'acme', typed_config };
    const any = envoyAny(types.listener, { name: 'l', filter_chains: [{ filters: [filter] }] });
    assert.deepEqual(decodeEnvoyResource(types.listener, any)['filter_chains'], [{ filters: [filter] }]);
    const acme = 'type.googleapis.com/acme.Thing';
    assert.deepEqual(decodeEnvoyResource(acme, anyOf(acme, body)), {
      '@type': acme,
      value: body.toString('base64'),
    });
  });

  test('fields that are not known are shown with their numbers, wherever they stand', () => {
    const bare = Buffer.concat([
      textField(0x0a, 'c'),
      // Field 15, a text; field 14, a number; field 4 (connect_timeout) as a number, which it is not.
      textField(0x7a, 'new'),
      Buffer.from([0x70, 0xac, 0x02]),
      Buffer.from([0x20, 0x05]),
    ]);
    const number = (field: number): boolean => envoyMessages.get('envoy.config.cluster.v3.Cluster').byNumber.has(field);
    assert.deepEqual([number(15), number(14), number(4)], [false, true, true], 'what the test rests on');
    const shown = decodeEnvoyResource(types.cluster, anyOf(types.cluster, bare));
    assert.equal(shown['name'], 'c');
    assert.deepEqual(shown['@unknown_fields'], [
      { number: 15, wire_type: 2, value: Buffer.from('new').toString('base64') },
      { number: 14, wire_type: 0, value: Buffer.from([0xac, 0x02]).toString('base64') },
      { number: 4, wire_type: 0, value: Buffer.from([0x05]).toString('base64') },
    ]);
  });

  test('keys and passwords are redacted as Envoy does it, deep inside as well', () => {
    const key = { inline_string: 'the secret of all secrets' };
    const typed_config = {
      '@type': tls,
      common_tls_context: { tls_certificates: [{ certificate_chain: { filename: '/c.pem' }, private_key: key }] },
    };
    const any = envoyAny(types.cluster, { name: 'c', transport_socket: { name: 'tls', typed_config } });
    const shown = JSON.stringify(decodeEnvoyResource(types.cluster, any));
    assert.doesNotMatch(shown, /secret of all/);
    assert.match(shown, /"certificate_chain":\{"filename":"\/c.pem"\},"private_key":"\[redacted\]"/);
    const token = { google_grpc: { target_uri: 'x', call_credentials: [{ access_token: 'hunter2' }] } };
    const source = { api_config_source: { api_type: 'GRPC', grpc_services: [token] } };
    const eds = envoyAny(types.cluster, { name: 'c', type: 'EDS', eds_cluster_config: { eds_config: source } });
    assert.doesNotMatch(JSON.stringify(decodeEnvoyResource(types.cluster, eds)), /hunter2/);
  });

  test('what is no such message is shown by its bytes, and says why', () => {
    const broken = anyOf(types.cluster, Buffer.from([0x0a, 0x7f, 0x01]));
    assert.deepEqual(decodeEnvoyResource(types.cluster, broken), {
      '@type': types.cluster,
      value: 'Cn8B',
      '@error': 'it is no envoy.config.cluster.v3.Cluster: a field runs over the end of its message',
    });
    const noAny = decodeEnvoyResource(types.cluster, Buffer.from([0xff]));
    assert.match(String(noAny['@error']), /^it is no google\.protobuf\.Any: /);
    assert.equal(noAny['value'], '/w==');
  });

  test('Any inside of Any ends, however deep it goes', () => {
    let any = anyOf('type.googleapis.com/google.protobuf.Empty', Buffer.alloc(0));
    for (let depth = 0; depth < 50; depth++) any = anyOf('type.googleapis.com/google.protobuf.Any', any);
    const text = JSON.stringify(decodeEnvoyResource('', bytesField(0x12, any)));
    assert.ok(text.length < 10_000);
  });
});

describe('what a resource needs', () => {
  test('a cluster needs its endpoints by their service name or its own, and secrets; where from is said', () => {
    const found = referencesIn(types.cluster, envoyAny(types.cluster, reviews));
    const tlsAt = 'transport_socket_matches[0].transport_socket.typed_config.common_tls_context';
    const sds = (at: string) => `${tlsAt}.${at}.sds_config.api_config_source.grpc_services[0].envoy_grpc.cluster_name`;
    assert.deepEqual(found, [
      { typeUrl: types.endpoints, name: reviews.name, where: 'eds_cluster_config.service_name', isElsewhere: false },
      {
        typeUrl: types.secret,
        name: 'default',
        where: `${tlsAt}.tls_certificate_sds_secret_configs[0].name`,
        isElsewhere: true,
      },
      {
        typeUrl: types.cluster,
        name: 'sds-grpc',
        where: sds('tls_certificate_sds_secret_configs[0]'),
        isElsewhere: false,
      },
      {
        typeUrl: types.secret,
        name: 'ROOTCA',
        where: `${tlsAt}.combined_validation_context.validation_context_sds_secret_config.name`,
        isElsewhere: true,
      },
    ]);
    const eds = { name: 'c', type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } } };
    assert.deepEqual(needs(types.cluster, eds), ['ClusterLoadAssignment c']);
    assert.deepEqual(needs(types.cluster, { ...eds, type: 'STATIC' }), []);
  });

  test('a listener needs routes, clusters of proxies and inline routes, filters and secrets', () => {
    assert.deepEqual(needs(types.listener, listeners.http), [
      'RouteConfiguration 80',
      'TypedExtensionConfig shop.wasm',
      'Cluster PassthroughCluster',
    ]);
    const [rds, filter] = referencesIn(types.listener, envoyAny(types.listener, listeners.http));
    assert.equal(rds?.where, 'filter_chains[0].filters[0].typed_config.rds.route_config_name');
    assert.equal(filter?.where, 'filter_chains[0].filters[0].typed_config.http_filters[0].config_discovery');
    assert.deepEqual(needs(types.listener, listeners.tcp), ['Cluster outbound|5432||db.shop.svc.cluster.local']);
    assert.deepEqual(needs(types.listener, listeners.inbound).sort(), [
      'Cluster inbound|9080||',
      'Secret kubernetes://shop-cert',
      'TypedExtensionConfig shop.wasm',
    ]);
  });

  test('routes need their clusters, weighted and mirrored ones included, and virtual hosts on demand', () => {
    const vhds = { config_source: { ads: {} } };
    assert.deepEqual(needs(types.routes, { ...reviewsRoutes, vhds }), [
      'VirtualHost 80/*',
      'Cluster outbound|80|v1|reviews.shop.svc.cluster.local',
      'Cluster outbound|80|v2|reviews.shop.svc.cluster.local',
      'Cluster outbound|80||shadow.shop.svc.cluster.local',
      'Cluster PassthroughCluster',
    ]);
    assert.deepEqual(needs(types.scope, { name: 's', route_configuration_name: 'r' }), ['RouteConfiguration r']);
  });

  test('an aggregate cluster needs its members, endpoints of a collection the collection', () => {
    const typed_config = {
      '@type': 'type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig',
      clusters: ['a', 'b'],
    };
    assert.deepEqual(needs(types.cluster, { name: 'c', cluster_type: { name: 'aggregate', typed_config } }), [
      'Cluster a',
      'Cluster b',
    ]);
    const leds_cluster_locality_config = { leds_config: { ads: {} }, leds_collection_name: 'xdstp://a/b/*' };
    const endpoints = { cluster_name: 'c', endpoints: [{ leds_cluster_locality_config }] };
    assert.deepEqual(needs(types.endpoints, endpoints), ['LbEndpoint xdstp://a/b/*']);
  });

  test('of what cannot be read nothing is said', () => {
    assert.deepEqual(referencesIn(types.cluster, Buffer.from([0xff])), []);
    assert.deepEqual(referencesIn('acme', anyOf('acme', Buffer.from([1]))), []);
    assert.deepEqual(referencesIn(types.listener, envoyAny(types.cluster, reviews)), []);
  });
});

test('a float is written with as few digits as tell it from all others, nine if need be, as Go writes it', () => {
  const type =
    'envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin';
  for (const written of [-0.000116004194, 0.1, 16777216, 1.1754944e-38, 3.4028235e38, 0.33333334]) {
    const bytes = Buffer.alloc(7);
    bytes.set([0x32, 5, 0x0d]); // error_utilization_penalty, a FloatValue of one float.
    bytes.writeFloatLE(written, 3);
    const decoded = decodeMessage(envoyMessages.get(type), bytes);
    assert.ok('type' in decoded);
    assert.deepEqual(messageJson(decoded, dumpStyle), { error_utilization_penalty: written });
  }
});
