import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BuiltinClient } from '../../src/demo/builtin-client.ts';
import type { Variant } from '../../src/demo/envelopes.ts';
import { waitFor } from '../../src/demo/processes.ts';
import { typeUrls } from '../../src/demo/resources.ts';
import { listenerName } from '../../src/demo/world.ts';
import { E2eRig, type Path, waitMs } from '../support/control-plane.ts';

// What the control plane sees of many local clients (issue 3): one stream, and hardly more bytes than of one direct client.

const clusterCount = 50;
const bytesShareMax = 1.1;

/** Serves a world and one change of it to this many clients, and returns what the control plane has seen. */
async function serve(path: 'direct' | 'through Weir', variant: Variant, clientCount: number) {
  await using rig = new E2eRig({
    envoy: '',
    variant,
    path: path === 'direct' ? 'direct' : 'tcp',
    upstreamVariant: variant,
  });
  for (let index = 0; index < clusterCount; index += 1) rig.clusters.set(`cluster-${index}`, { endpoints: [] });
  await rig.start();
  const transports: readonly Path[] = path === 'direct' ? ['direct'] : ['tcp', 'unix'];
  const clients: BuiltinClient[] = [];
  try {
    for (let index = 0; index < clientCount; index += 1) {
      // Through Weir every second client speaks the other form, and every second uses the socket.
      const form = path === 'direct' || index % 4 < 2 ? variant : variant === 'sotw' ? 'delta' : 'sotw';
      clients.push(new BuiltinClient(`client-${index}`, form, rig.xds(transports[index % transports.length])));
    }
    const allHave = (clusters: number, port: number) => () => {
      const isServed = (client: BuiltinClient): boolean =>
        client.endpointFor(listenerName)?.port === port &&
        client.names(typeUrls.cluster).length === clusters &&
        client.names(typeUrls.endpoints).length >= clusters;
      return clients.every(isServed) ? true : undefined;
    };
    await waitFor('every client to hold everything', waitMs, allHave(clusterCount + 1, rig.backend(0).port));
    rig.clusters.set('added', { endpoints: [rig.backend(1)] });
    rig.routedTo = 'added';
    rig.publish();
    await waitFor('every client to hold the change', waitMs, allHave(clusterCount + 2, rig.backend(1).port));
    return rig.controlPlane.stats();
  } finally {
    for (const client of clients) client.stop();
  }
}

describe('many local clients', { concurrency: 1 }, () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`${variant} upstream: 1, 10 and 100 clients are one stream, within ${bytesShareMax} of the bytes of one direct client`, async () => {
      const direct = await serve('direct', variant, 1);
      assert.ok(direct.responseBytes > 0);
      for (const clientCount of [1, 10, 100]) {
        const seen = await serve('through Weir', variant, clientCount);
        assert.equal(seen.streamsOpened, 1, `${clientCount} clients`);
        const share = seen.responseBytes / direct.responseBytes;
        assert.ok(share <= bytesShareMax, `${clientCount} clients cost ${share.toFixed(2)} of one direct client`);
      }
    });
  }
});
