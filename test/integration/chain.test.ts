import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import type { TestResponse } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';
import { WeirProcess } from '../support/weir-process.ts';

// Upstreams that are not the usual one: another Weir, a server that allows one stream only, a name with several addresses.

const waitMs = 10_000;
const nodeId = 'node';
const virtualService = 'networking.istio.io/v1/VirtualService' as TypeUrl;

/** The next response of a type, answered; those of other types before it are accepted. */
async function hear(client: RawClient, typeUrl: string, error: string | undefined): Promise<TestResponse> {
  for (;;) {
    const response = await client.next();
    const { version, nonce } = response;
    if (response.typeUrl === typeUrl) {
      client.ask({ typeUrl, version, nonce, error });
      return response;
    }
    client.ask({ typeUrl: response.typeUrl, version, nonce, names: ['e'] });
  }
}

describe('Weir behind Weir, over a socket', { concurrency: 1 }, () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`content, verdicts and an outage pass through both (${variant} between them)`, async t => {
      const folder = makeFolder();
      t.after(() => removeFolder(folder));
      const controlPlane = new RawControlPlane(t);
      const upstream = await controlPlane.start();
      const between = `unix:${join(folder, 'xds.sock')}`;
      const near = await startTestAgent(t, upstream, { listen: between });
      const far = await startTestAgent(t, between, { 'upstream-variant': variant });
      const clients = (['delta', 'sotw'] as const).map(form => new RawClient(t, far.address, form, { acks: false }));
      for (const client of clients) {
        client.ask({ typeUrl: clusterType, nodeId });
        client.ask({ typeUrl: endpointType, names: ['e'] });
      }
      const stream = await controlPlane.answer(clusterType, resources(clusterType, ['a', 'b']));
      await controlPlane.answer(endpointType, resources(endpointType, ['e']));
      for (const client of clients) await hear(client, clusterType, undefined);
      const verdict = async (nonce: string, error: RegExp | undefined) => {
        const { request } = await waitFor(`the verdict on ${nonce}`, waitMs, async () => {
          const found = await controlPlane.request(clusterType);
          return found.request.nonce === nonce ? found : undefined;
        });
        if (error) assert.match(request.error ?? '', error);
        else assert.equal(request.error, undefined);
      };
      const bad = controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['a', 'b'], 2) });
      for (const client of clients) await hear(client, clusterType, 'a is bad');
      await verdict(bad, /a is bad/);
      const good = controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['a', 'b'], 3) });
      for (const client of clients) await hear(client, clusterType, undefined);
      await verdict(good, undefined);

      controlPlane.stop();
      await waitFor('the loss', waitMs, () => near.log.find(line => line.includes("control plane's stream ended")));
      const late = new RawClient(t, far.address, 'delta');
      late.ask({ typeUrl: clusterType, nodeId });
      assert.equal((await late.next()).resources.length, 2);
      await controlPlane.start(upstream);
      const { stream: second, request } = await controlPlane.request(clusterType);
      assert.equal(request.initialVersions.size, 2);
      controlPlane.respond(second, clusterType, { resources: resources(clusterType, ['b'], 4) });
      for (const client of [...clients, late]) {
        const { resources: heard } = await hear(client, clusterType, undefined);
        assert.ok(heard.some(one => one.name === 'b'));
      }
      assert.deepEqual(
        [...clients, late].map(client => client.status),
        [undefined, undefined, undefined],
      );
      assert.equal(controlPlane.openStreams.length, 1);
    });
  }

  test('the near one restarts: the far one’s clients hear of nothing', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const controlPlane = new RawControlPlane(t);
    const upstream = await controlPlane.start();
    const between = `unix:${join(folder, 'xds.sock')}`;
    const flags = { listen: between, 'cache-dir': join(folder, 'cache') };
    const near = await startTestAgent(t, upstream, flags);
    const far = await startTestAgent(t, between);
    const client = new RawClient(t, far.address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    await controlPlane.answer(clusterType, resources(clusterType, ['a', 'b']));
    assert.equal((await client.next()).resources.length, 2);
    await near.agent.drain('the test says so');
    controlPlane.stop();
    await startTestAgent(t, upstream, flags);
    const open = () => far.log.filter(line => line.includes('connecting to the control plane')).length;
    await waitFor('the far one to come back', waitMs, () => (open() > 1 ? true : undefined));
    await controlPlane.start(upstream);
    const { stream } = await controlPlane.request(clusterType);
    controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['a'], 2) });
    const heard = await client.next();
    assert.deepEqual([heard.resources.map(one => one.name), heard.removed], [['a'], []]);
    assert.equal(client.status, undefined);
  });
});

describe('a server that allows one stream only', () => {
  test('single: everything goes over that one, types that would have had their own included', async t => {
    const controlPlane = new RawControlPlane(t);
    // As the socket of Istio's pilot-agent does it: whoever comes takes the place of whoever was there.
    let evicted = 0;
    controlPlane.opened = stream => {
      for (const other of controlPlane.openStreams) {
        if (other === stream) continue;
        evicted += 1;
        other.call.emit('error', { code: 10, details: 'another stream has come' });
      }
    };
    const { address } = await startTestAgent(t, await controlPlane.start(), { 'upstream-streams': 'single' });
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    client.ask({ typeUrl: virtualService });
    const stream = await controlPlane.answer(clusterType, resources(clusterType, ['a']));
    assert.equal((await controlPlane.request(virtualService)).stream, stream);
    controlPlane.respond(stream, virtualService, { resources: resources(virtualService, ['default/x']) });
    const types = [(await client.next()).typeUrl, (await client.next()).typeUrl];
    assert.deepEqual(new Set(types), new Set([clusterType, virtualService]));
    const again = new RawClient(t, address, 'sotw');
    again.ask({ typeUrl: clusterType, nodeId });
    await again.next();
    assert.deepEqual([controlPlane.streams.length, evicted], [1, 0]);
  });
});

const namespace = ['unshare', '--map-root-user', '--mount'];
const canMount = spawnSync(namespace[0] ?? '', [...namespace.slice(1), 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
const skip = canMount.status === 0 ? false : `no hosts file can be put here: ${canMount.stderr ?? canMount.error}`;

describe('a name with several addresses', { skip }, () => {
  test('is reached at whichever answers, and again after that one is gone', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const hosts = join(folder, 'hosts');
    writeFileSync(hosts, '127.0.0.1 localhost\n127.0.0.2 replicas\n127.0.0.3 replicas\n127.0.0.4 replicas\n');
    const [first, second] = [new RawControlPlane(t), new RawControlPlane(t)];
    const port = (await first.start('127.0.0.3:0')).split(':')[1];
    const wrapper = [...namespace, 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', hosts];
    const agent = new WeirProcess(t, { upstream: `replicas:${port}`, 'reconnect-base': '20ms' }, wrapper);
    const { listen } = await agent.line(/^listening$/);
    const client = new RawClient(t, String((listen as string[])[0]), 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    await first.answer(clusterType, resources(clusterType, ['a']));
    await client.next();
    await second.start(`127.0.0.4:${port}`);
    first.stop();
    const { stream } = await second.request(clusterType);
    second.respond(stream, clusterType, { resources: resources(clusterType, ['b']) });
    assert.deepEqual(
      (await client.next()).resources.map(one => one.name),
      ['b'],
    );
    assert.equal(client.status, undefined);
  });
});
