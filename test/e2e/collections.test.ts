import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EnvoyOptions } from '../../src/demo/envoy-process.ts';
import { xdsClusterName } from '../../src/demo/resources.ts';
import type { Variant } from '../../src/xds/types.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import {
  edsCluster,
  endpointsByCollection,
  endpointsOf,
  httpListener,
  memberEndpoint,
  routes,
  staticCluster,
  types,
} from '../support/resource-bodies.ts';
import { ScriptedPlane } from '../support/scripted-plane.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

// `xdstp://` names and collections, as the real Envoy asks for them: clusters and listeners by the locators of its bootstrap, endpoints by LEDS.

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);
const named = (type: string, id: string): string => `xdstp://weir.test/${type}/${id}`;
const cluster = (id: string): string => named('envoy.config.cluster.v3.Cluster', `group/${id}`);
const listener = (id: string): string => named('envoy.config.listener.v3.Listener', `group/${id}`);
const member = (id: string): string => named('envoy.config.endpoint.v3.LbEndpoint', `members/${id}`);
/** Context parameters of the node, in another order than Envoy's. */
const query = '?xds.node.id=envoy-0&xds.node.cluster=weir-demo';

/** A bootstrap that takes all clusters and all listeners from collections of this node. */
function locators(): Partial<EnvoyOptions> {
  const source = { ads: {}, resource_api_version: 'V3' };
  const ads = {
    api_type: 'DELTA_GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: xdsClusterName } }],
  };
  return {
    bootstrap: {
      node_context_params: ['id', 'cluster'],
      dynamic_resources: {
        ads_config: ads,
        cds_config: source,
        lds_config: source,
        cds_resources_locator: cluster('*'),
        lds_resources_locator: listener('*'),
      },
    },
  };
}

/** A bootstrap with a source of its own for names of the authority, which Envoy 1.40 has for endpoints behind this switch. */
function authoritySource(variant: Variant): Readonly<Record<string, unknown>> {
  const source = {
    api_type: variant === 'delta' ? 'AGGREGATED_DELTA_GRPC' : 'AGGREGATED_GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: xdsClusterName } }],
  };
  const guard = 'envoy.reloadable_features.xdstp_based_config_singleton_subscriptions';
  return {
    config_sources: [{ authorities: [{ name: 'weir.test' }], api_config_source: source, resource_api_version: 'V3' }],
    layered_runtime: { layers: [{ name: 'guards', static_layer: { [guard]: true } }] },
  };
}

const clusterNamed = (name: string, world: ScriptedWorld, connectTimeoutMs = 1000): Record<string, Buffer> => ({
  [name]: staticCluster(name, world.backend, connectTimeoutMs),
});

describe('collections with the real Envoy', { skip, concurrency: 1 }, () => {
  test('R32 R33 R35 T25: clusters and listeners of a collection come, change and go, in the spelling of the control plane', async () => {
    await using world = new ScriptedWorld({ envoy, variant: 'delta' });
    await world.start();
    const [one, two] = [cluster('one') + query, cluster('two') + query];
    const inline = routes('all', { cluster: one });
    world.plane.put(types.cluster, {
      ...clusterNamed(one, world),
      // Its parameters are not the node's, so it is no member.
      ...clusterNamed(cluster('stranger'), world),
    });
    world.plane.put(types.listener, {
      [listener('web') + query]: httpListener('web', { routes: { by: 'inline', body: inline } }),
    });
    const running = await world.startEnvoy(locators());
    const active = async (): Promise<string> => (await running.clusters()).active.toSorted().join(' ');
    await world.until('the listener of the collection', async () => (await world.get('web')).body === 'backend');
    const sorted = '?xds.node.cluster=weir-demo&xds.node.id=envoy-0';
    assert.deepEqual(world.tap.requestsOf(types.cluster)[0]?.names, [cluster('*') + sorted]);
    assert.deepEqual(world.plane.requests(types.cluster)[0]?.names, [cluster('*') + sorted]);

    world.plane.put(types.cluster, clusterNamed(two, world));
    await world.until('a new member', async () => (await active()) === `${one} ${two}`, active);
    world.plane.put(types.cluster, clusterNamed(two, world, 3000));
    await world.until('a changed member', async () => (await running.connectTimeout(two)) === 3000);
    // Envoy says again what it wants and nothing of what it has; all of it comes again, and nothing goes.
    world.tap.cut();
    const again = (): boolean => world.tap.responsesOf(types.cluster).some(({ stream }) => stream === 2);
    await world.until('the members on a new stream', again);
    world.plane.remove(types.cluster, two);
    await world.until('a member to go', async () => (await active()) === one, active);
    assert.equal((await world.get('web')).body, 'backend');
    assert.equal(await running.stat('cluster_manager.cluster_removed'), 1);
    assert.deepEqual(world.plane.rejections, []);

    world.plane.stop();
    await running.stop();
    await world.startEnvoy(locators());
    await world.until('the listener without a control plane', async () => (await world.get('web')).body === 'backend');
  });

  test('LEDS: endpoints are members of a collection; a changed cluster warms by those that are known', async () => {
    await using world = new ScriptedWorld({ envoy, variant: 'delta' });
    await world.start();
    world.plane.put(types.cluster, { one: edsCluster('one', 1000) });
    world.plane.put(types.endpoints, { one: endpointsByCollection('one', member('*')) });
    world.plane.put(types.endpoint, { [member('a')]: memberEndpoint(world.backend) });
    const inline = routes('all', { cluster: 'one' });
    world.plane.put(types.listener, { web: httpListener('web', { routes: { by: 'inline', body: inline } }) });
    const running = await world.startEnvoy();
    await world.until('the first member', async () => (await world.get('web')).body === 'backend');
    const { host, port } = world.backend;
    const endpoints = async (): Promise<string> => (await running.endpoints('one')).join(' ');

    const other = { host: '127.0.0.1', port: 9 };
    world.plane.put(types.endpoint, { [member('b')]: memberEndpoint(other) });
    await world.until('a new member', async () => (await endpoints()) === `${host}:${port} 127.0.0.1:9`, endpoints);
    world.plane.remove(types.endpoint, member('b'));
    await world.until('the member to go', async () => (await endpoints()) === `${host}:${port}`, endpoints);

    const asked = (): number =>
      world.plane.requests(types.endpoint).filter(({ names = [] }) => names.length > 0).length;
    assert.equal(asked(), 1);
    world.plane.put(types.cluster, { one: edsCluster('one', 3000) });
    await world.until('the changed cluster', async () => (await running.connectTimeout('one')) === 3000);
    assert.deepEqual((await running.clusters()).warming, []);
    assert.equal((await world.get('web')).body, 'backend');
    assert.equal(asked(), 1, 'the control plane was asked again');
    assert.deepEqual(world.plane.rejections, []);
  });

  for (const variant of ['delta', 'sotw'] as const) {
    test(`R34: ${variant}: endpoints of an authority come from the control plane of that authority, on a stream of its own`, async () => {
      const other = new ScriptedPlane();
      const flags = ['--authorities', `weir.test=${await other.start()}`];
      try {
        await using world = new ScriptedWorld({ envoy, variant, flags });
        await world.start();
        const name = `${named('envoy.config.endpoint.v3.ClusterLoadAssignment', 'some/one')}?a=1&b=2`;
        world.plane.put(types.cluster, { one: edsCluster('one', 1000, name) });
        const inline = routes('all', { cluster: 'one' });
        world.plane.put(types.listener, { web: httpListener('web', { routes: { by: 'inline', body: inline } }) });
        other.put(types.endpoints, { [name]: endpointsOf(name, world.backend) });
        const running = await world.startEnvoy({ bootstrap: authoritySource(variant) });
        await world.until('the backend', async () => (await world.get('web')).body === 'backend');
        const streams = world.tap.requestsOf(types.endpoints).map(({ stream }) => stream);
        assert.ok(!world.tap.requestsOf(types.cluster).some(({ stream }) => streams.includes(stream)));
        assert.deepEqual(world.plane.requests(types.endpoints), [], 'the other control plane was asked');
        assert.deepEqual(other.requests(types.endpoints)[0]?.names, [name]);

        other.put(types.endpoints, { [name]: endpointsOf(name, { host: '127.0.0.1', port: 9 }) });
        const moved = async (): Promise<boolean> => (await running.endpoints('one')).join(' ') === '127.0.0.1:9';
        await world.until('other endpoints', moved);
        assert.deepEqual([...world.plane.rejections, ...other.rejections], []);
      } finally {
        other.stop();
      }
    });
  }
});
