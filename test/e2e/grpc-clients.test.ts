import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import { makeFolder, pickFreePort, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { startWeir } from '../../src/demo/weir-process.ts';
import { weirCommand } from '../support/envoy.ts';
import { grpcKinds, reaches, startGrpcClient } from '../support/grpc-clients.ts';
import { grpcWorld, startGrpcBackend } from '../support/grpc-world.ts';
import { textAt } from '../support/line-process.ts';

// Real gRPC clients, started with what `weir bootstrap grpc` prints, calling a real backend that they find through Weir.

/** How many client streams the agent has ended. */
async function refusals(adminPort: number): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return Number(/^weir_client_streams_refused_total\{code="UNAVAILABLE"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}

/** A control plane that serves this backend, and an agent in front of it. */
async function rig(t: TestContext, backend: number) {
  const folder = makeFolder();
  const controlPlane = new ControlPlane();
  controlPlane.publish(grpcWorld(backend));
  const port = await controlPlane.start(await pickFreePort());
  const flags = ['--reconnect-max', '500ms', '--grpc-unanswered-timeout', '1s'];
  const weir = await startWeir({ command: weirCommand, upstream: `127.0.0.1:${port}`, folder, flags });
  t.after(async () => {
    await weir.process.stop();
    controlPlane.stop();
    removeFolder(folder);
  });
  return { controlPlane, port, weir };
}

describe('gRPC clients through Weir', { concurrency: 1 }, () => {
  for (const kind of grpcKinds) {
    const options = { skip: kind.skip };

    test(
      `R36: ${kind.name}: calls, follows a change, and a new process starts while the control plane is down`,
      options,
      async t => {
        const [one, two, three] = [await startGrpcBackend(t), await startGrpcBackend(t), await startGrpcBackend(t)];
        const { controlPlane, port, weir } = await rig(t, one);
        const first = startGrpcClient(t, kind, weir.port);
        await reaches(first, one);
        controlPlane.publish(grpcWorld(two));
        await reaches(first, two);
        controlPlane.stop();
        const second = startGrpcClient(t, kind, weir.port);
        await reaches(second, two);
        controlPlane.publish(grpcWorld(three));
        await controlPlane.start(port);
        for (const client of [first, second]) await reaches(client, three);
        for (const client of [first, second]) {
          assert.deepEqual(
            client.lines.filter(line => textAt(line, 'error') !== undefined),
            [],
            'no call failed',
          );
        }
        const { streamsOpened, rejections } = controlPlane.stats();
        assert.equal(streamsOpened, 2, 'one before the outage, one after');
        assert.deepEqual(rejections, []);
      },
    );

    test(
      `R37 R94 T12: ${kind.name}: started before anything is known, it is sent off, and calls once the control plane is there`,
      options,
      async t => {
        const backend = await startGrpcBackend(t);
        const { controlPlane, port, weir } = await rig(t, backend);
        controlPlane.stop();
        const client = startGrpcClient(t, kind, weir.port);
        const isSentOff = async () => (await refusals(weir.adminPort)) > 1 || undefined;
        await waitFor('the agent to have sent it off twice', 20_000, isSentOff, [weir.process]);
        await controlPlane.start(port);
        await reaches(client, backend);
      },
    );
  }

  test('both at once, over one upstream stream', {
    skip: grpcKinds.find(kind => kind.skip !== false)?.skip ?? false,
  }, async t => {
    const backend = await startGrpcBackend(t);
    const { controlPlane, weir } = await rig(t, backend);
    const clients = grpcKinds.map(kind => startGrpcClient(t, kind, weir.port));
    for (const client of clients) await reaches(client, backend);
    assert.equal(controlPlane.stats().streamsOpened, 1);
  });
});
