import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BuiltinClient } from '../../src/demo/builtin-client.ts';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import { pickFreePort, waitFor } from '../../src/demo/processes.ts';
import { routeAllTo, typeUrls } from '../../src/demo/resources.ts';
import { encodeWorld, listenerName } from '../../src/demo/world.ts';

const waitMs = 5000;

const worldOf = (cluster: string, port: number) =>
  encodeWorld({
    clusters: new Map([[cluster, { endpoints: [{ host: '127.0.0.1', port }] }]]),
    routes: routeAllTo(cluster),
  });

/** Waits until the client would send requests to this port, and returns how often it did not know a way meanwhile. */
async function arrival(client: BuiltinClient, port: number): Promise<number> {
  let blind = 0;
  await waitFor(`port ${port}`, waitMs, () => {
    const endpoint = client.endpointFor(listenerName);
    if (endpoint === undefined) blind += 1;
    return endpoint?.port === port ? true : undefined;
  });
  return blind;
}

describe('the built-in client and the demo control plane over a real socket', () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`${variant}: the client follows listener, routes, cluster and endpoints, and never loses its way in a change`, async () => {
      const controlPlane = new ControlPlane();
      controlPlane.publish(worldOf('one', 24));
      const port = await controlPlane.start(await pickFreePort());
      const client = new BuiltinClient('client', variant, { kind: 'tcp', host: '127.0.0.1', port });
      try {
        await arrival(client, 24);
        controlPlane.publish(worldOf('two', 6168));
        assert.equal(await arrival(client, 6168), 0);
        const isGone = () => (client.names(typeUrls.cluster).includes('one') ? undefined : true);
        await waitFor('the old cluster to go', waitMs, isGone);
        const { openStreams, streamsOpened, nodeIds, rejections } = controlPlane.stats();
        assert.deepEqual(
          { openStreams, streamsOpened, nodeIds, rejections },
          { openStreams: 1, streamsOpened: 1, nodeIds: ['client'], rejections: [] },
        );

        controlPlane.stop();
        controlPlane.publish(worldOf('three', 65_535));
        await controlPlane.start(port);
        // A SotW control plane cannot know what a client of a new stream held, so only Delta is free of gaps from here on.
        const changedAway = await arrival(client, 65_535);
        if (variant === 'delta') assert.equal(changedAway, 0);
        controlPlane.dropStreams();
        controlPlane.publish(worldOf('four', 1));
        const changedDropped = await arrival(client, 1);
        if (variant === 'delta') assert.equal(changedDropped, 0);
        await waitFor('removals that happened while away', waitMs, () =>
          client.names(typeUrls.cluster).join() === 'four' ? true : undefined,
        );
      } finally {
        client.stop();
        controlPlane.stop();
      }
    });
  }

  test('Delta streams can be refused', async () => {
    const controlPlane = new ControlPlane({ refusesDelta: true });
    controlPlane.publish(worldOf('one', 24));
    const port = await controlPlane.start();
    const xds = { kind: 'tcp', host: '127.0.0.1', port } as const;
    const [delta, sotw] = [new BuiltinClient('delta', 'delta', xds), new BuiltinClient('sotw', 'sotw', xds)];
    try {
      await arrival(sotw, 24);
      assert.deepEqual(delta.names(typeUrls.cluster), []);
      assert.equal(controlPlane.stats().streamsOpened, 1);
    } finally {
      delta.stop();
      sotw.stop();
      controlPlane.stop();
    }
  });
});
