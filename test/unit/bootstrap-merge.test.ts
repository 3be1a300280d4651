import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mergeBootstrap } from '../../src/kube/bootstrap-merge.ts';
import { bootstrapNode, mergedNode, parseLabels } from '../../src/kube/bootstrap-node.ts';
import type { Data } from '../../src/kube/data.ts';
import { envoyBootstrap } from '../../src/kube/envoy-bootstrap.ts';
import { grpcBootstrap } from '../../src/kube/grpc-bootstrap.ts';

const listen = { kind: 'unix', path: '/var/run/weir/xds.sock' } as const;
const ours = envoyBootstrap({
  node: { id: 'pod', cluster: 'web' },
  listen,
  isDelta: true,
  fetchTimeout: '0',
  admin: { kind: 'tcp', host: '127.0.0.1', port: 15_000 },
  readyListen: { kind: 'tcp', host: '0.0.0.0', port: 15_922 },
  isNumeric: () => true,
});

/** What a bootstrap says at a path of keys and places. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  // Looked up one by one; what is none gives undefined.
  return path.reduce<unknown>((one, key) => (one as Record<string | number, unknown> | undefined)?.[key], value);
}

describe('a bootstrap of one’s own', () => {
  test('nothing of its own: all of ours', () => {
    assert.deepEqual(mergeBootstrap({}, ours).merged, ours);
  });

  test('a second time changes nothing', () => {
    const own = {
      node: { id: 'me', metadata: { a: 1 } },
      staticResources: { clusters: [{ name: 'xds-grpc', type: 'STATIC' }], listeners: [{ name: 'own' }] },
      dynamicResources: { adsConfig: { apiType: 'GRPC', grpcServices: [{ envoyGrpc: { clusterName: 'cp' } }] } },
    };
    const { merged } = mergeBootstrap(own, ours);
    assert.deepEqual(mergeBootstrap(merged, ours), { merged, notes: [] });
  });

  test('everything else stays, in either spelling', () => {
    const own = {
      node: { id: 'me', locality: { zone: 'z' } },
      staticResources: { clusters: [{ name: 'zipkin' }], secrets: [{ name: 's' }] },
      dynamicResources: { ldsResourcesLocator: 'xdstp://x', adsConfig: { rateLimitSettings: { maxTokens: 5 } } },
      layeredRuntime: { layers: [] },
      admin: { address: { pipe: { path: '/admin' } } },
      stats_sinks: [{ name: 'statsd' }],
    };
    const { merged, notes } = mergeBootstrap(own, ours);
    assert.match(notes.join(), /^its admin address stays; in a pod name it by weir\.dev\/envoy-admin/);
    for (const key of ['layeredRuntime', 'admin', 'stats_sinks'] as const) assert.deepEqual(merged[key], own[key]);
    assert.deepEqual(merged['node'], { id: 'me', cluster: 'web', locality: { zone: 'z' } });
    assert.deepEqual(at(merged, 'staticResources', 'secrets'), [{ name: 's' }]);
    assert.deepEqual(at(merged, 'staticResources', 'clusters', 0), { name: 'zipkin' });
    assert.equal(at(merged, 'staticResources', 'clusters', 1, 'name'), 'xds-grpc');
    assert.deepEqual(at(merged, 'dynamicResources', 'adsConfig', 'rateLimitSettings'), { maxTokens: 5 });
    assert.equal(at(merged, 'dynamicResources', 'ldsResourcesLocator'), 'xdstp://x');
    assert.equal(merged['static_resources'] ?? merged['dynamic_resources'], undefined);
  });

  test('its control plane gives way, and that is said', () => {
    const own = {
      dynamic_resources: { ads_config: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'cp' } }] } },
    };
    const { merged, notes } = mergeBootstrap(own, ours);
    assert.match(notes.join(), /ADS comes from Weir now, not from cp/);
    assert.equal(
      at(merged, 'dynamic_resources', 'ads_config', 'grpc_services', 0, 'envoy_grpc', 'cluster_name'),
      'xds-grpc',
    );
    assert.equal(at(merged, 'dynamic_resources', 'ads_config', 'api_type'), 'GRPC', 'which variant was its choice');
  });

  test('what goes along with a stream of ADS stays, and a source or a listener that gives way is said', () => {
    const own = {
      static_resources: { listeners: [{ name: 'weir-ready', address: {} }] },
      dynamic_resources: {
        cds_config: { api_config_source: { api_type: 'GRPC' } },
        ads_config: {
          grpc_services: [
            {
              envoy_grpc: { cluster_name: 'xds-grpc' },
              timeout: '9s',
              initial_metadata: [{ key: 'x-tenant', value: 'a' }],
            },
          ],
        },
      },
    };
    const { merged, notes } = mergeBootstrap(own, ours);
    assert.match(notes.join('\n'), /its listener weir-ready gives way/);
    assert.match(notes.join('\n'), /cds_config comes over ADS from Weir now/);
    const service = at(merged, 'dynamic_resources', 'ads_config', 'grpc_services', 0);
    assert.equal(at(service, 'timeout'), '9s');
    assert.deepEqual(at(service, 'initial_metadata'), [{ key: 'x-tenant', value: 'a' }]);
  });

  test('a cluster of our name stays, and ours has another one', () => {
    const own = { static_resources: { clusters: [{ name: 'xds-grpc', type: 'EDS' }] } };
    const { merged, notes } = mergeBootstrap(own, ours);
    assert.match(notes.join(), /that of Weir is called xds-grpc-weir/);
    assert.deepEqual(at(merged, 'static_resources', 'clusters', 0), { name: 'xds-grpc', type: 'EDS' });
    assert.equal(at(merged, 'static_resources', 'clusters', 1, 'load_assignment', 'cluster_name'), 'xds-grpc-weir');
    assert.equal(
      at(merged, 'dynamic_resources', 'ads_config', 'grpc_services', 0, 'envoy_grpc', 'cluster_name'),
      'xds-grpc-weir',
    );
  });

  test('clusters from a file stay there, and its own timeout holds', () => {
    const own = {
      dynamic_resources: {
        cds_config: { path_config_source: { path: '/cds.yaml' } },
        lds_config: { ads: {}, initial_fetch_timeout: '7s' },
      },
    };
    const { merged, notes } = mergeBootstrap(own, ours);
    assert.match(notes.join(), /cds_config reads a file/);
    assert.deepEqual(at(merged, 'dynamic_resources', 'cds_config'), own.dynamic_resources.cds_config);
    assert.equal(at(merged, 'dynamic_resources', 'lds_config', 'initial_fetch_timeout'), '7s');
  });
});

describe('the node of a bootstrap', () => {
  test('empty texts are not given, labels become metadata.LABELS', () => {
    const node = bootstrapNode({
      nodeId: 'a',
      nodeCluster: '',
      nodeRegion: '',
      nodeZone: 'z',
      metadata: { A: 1 },
      labels: { app: 'web' },
    });
    assert.deepEqual(node, { id: 'a', metadata: { A: 1, LABELS: { app: 'web' } }, locality: { zone: 'z' } });
  });

  test('what one has written down holds', () => {
    const added = { id: 'pod', cluster: 'c', metadata: { A: 1, B: 2 } };
    assert.deepEqual(mergedNode({ id: 'me', metadata: { A: 3 } }, added), {
      id: 'me',
      cluster: 'c',
      metadata: { A: 3, B: 2 },
    });
    assert.deepEqual(mergedNode(undefined, added), added);
  });

  test('labels of the downward API', () => {
    assert.deepEqual(parseLabels('app="web"\nx.y/z="a\\"b"\n'), { labels: { app: 'web', 'x.y/z': 'a"b' } });
    assert.deepEqual(parseLabels(''), { labels: {} });
    for (const wrong of ['app=web', 'app="web', '="x"', 'a b="c"']) {
      assert.deepEqual(parseLabels(`x="y"\n${wrong}`), { error: 'line 2 is no label key="value"' });
    }
  });

  test('gRPC’s has three slashes for a socket, and a locality', () => {
    const bootstrap: Data = grpcBootstrap(listen, { id: 'a' }, ['xds_v3', 'fail_on_data_errors']);
    assert.deepEqual(bootstrap, {
      xds_servers: [
        {
          server_uri: 'unix:///var/run/weir/xds.sock',
          channel_creds: [{ type: 'insecure' }],
          server_features: ['xds_v3', 'fail_on_data_errors'],
        },
      ],
      node: { locality: {}, id: 'a' },
    });
  });
});
