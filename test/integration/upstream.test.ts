import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { waitFor } from '../../src/demo/processes.ts';
import { bytes, message, nested, text } from '../../src/demo/proto.ts';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

const waitMs = 5_000;
const virtualService = 'networking.istio.io/v1/VirtualService' as TypeUrl;
const nodeId = 'node';

describe('upstream', () => {
  test('R72 R107: a control plane that goes and comes back is invisible, and sends only what changed', async t => {
    const controlPlane = new RawControlPlane(t);
    const upstream = await controlPlane.start();
    const { address, log } = await startTestAgent(t, upstream);
    const client = new RawClient(t, address, 'sotw');
    client.ask({ typeUrl: clusterType, nodeId });
    await controlPlane.answer(clusterType, resources(clusterType, ['a', 'b']));
    await client.next();
    await waitFor('the whole type', waitMs, () => log.find(line => line.startsWith('info type complete')));
    controlPlane.stop();
    await waitFor('the loss', waitMs, () => log.find(line => line.includes("control plane's stream ended")));
    const newcomer = new RawClient(t, address, 'delta');
    newcomer.ask({ typeUrl: clusterType, nodeId });
    assert.deepEqual((await newcomer.next()).resources.map(one => one.name).sort(), ['a', 'b']);
    await controlPlane.start(upstream);
    const { stream, request } = await controlPlane.request(clusterType);
    assert.deepEqual([...request.initialVersions.keys()].sort(), ['a', 'b']);
    controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['b'], 2) });
    assert.deepEqual(
      (await newcomer.next()).resources.map(one => one.name),
      ['b'],
    );
    assert.equal((await client.next()).resources.length, 2, 'a whole list in SotW');
    assert.deepEqual([client.status, newcomer.status, controlPlane.openStreams.length], [undefined, undefined, 1]);
  });

  test('R70: auto falls back to SotW when the server does not know Delta, twice', async t => {
    const controlPlane = new RawControlPlane(t);
    controlPlane.refused.add('delta');
    const { address, log } = await startTestAgent(t, await controlPlane.start());
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    const stream = await controlPlane.answer(clusterType, resources(clusterType, ['a']));
    assert.equal(stream.variant, 'sotw');
    assert.equal(controlPlane.refusals, 2);
    assert.equal((await client.next()).resources.length, 1);
    assert.ok(log.some(line => line.includes('upstream variant is sotw now')));
  });

  test('R70: a server that cannot be reached is no reason to fall back', async t => {
    const controlPlane = new RawControlPlane(t);
    const upstream = await controlPlane.start();
    controlPlane.stop();
    const { address, log } = await startTestAgent(t, upstream);
    const client = new RawClient(t, address, 'sotw');
    client.ask({ typeUrl: clusterType, nodeId });
    const losses = () => log.filter(line => line.includes('cannot reach the control plane')).length;
    await waitFor('three attempts', waitMs, () => losses() >= 3 || undefined);
    assert.ok(
      log.some(line => line.includes(`ECONNREFUSED ${upstream}"`) || line.includes(`ECONNREFUSED ${upstream} `)),
      log.join('\n'),
    );
    await controlPlane.start(upstream);
    assert.equal((await controlPlane.request(clusterType)).stream.variant, 'delta');
  });

  for (const variant of ['sotw', 'delta'] as const) {
    test(`T24 R77: an MCP type passes unchanged on a stream of its own (${variant} client)`, async t => {
      const controlPlane = new RawControlPlane(t);
      const { address } = await startTestAgent(t, await controlPlane.start());
      const client = new RawClient(t, address, variant);
      client.ask({ typeUrl: clusterType, nodeId });
      client.ask({ typeUrl: virtualService });
      const main = await controlPlane.request(clusterType);
      const own = await controlPlane.request(virtualService);
      assert.notEqual(own.stream, main.stream);
      // Metadata.name is what names it; a negative time and an inner Any are Istio's, and none of our business.
      const inner = message(
        text(1, 'type.googleapis.com/istio.networking.v1.VirtualService'),
        bytes(2, Buffer.of(0xff)),
      );
      const sent = message(nested(1, text(1, 'default/reviews'), nested(3, bytes(9, Buffer.of(0)))), bytes(2, inner));
      const anyType = 'type.googleapis.com/istio.mcp.v1alpha1.Resource';
      controlPlane.respond(own.stream, virtualService, {
        resources: [{ name: 'default/reviews', version: '', body: sent, anyType }],
      });
      const { typeUrl, resources: found } = await client.next();
      assert.deepEqual([typeUrl, found.length, found[0]?.anyType], [virtualService, 1, anyType]);
      assert.ok(found[0]?.body.equals(sent), 'byte for byte');
      // The end of that stream is none of the other's.
      own.stream.call.emit('error', { code: status.PERMISSION_DENIED, details: 'not for you' });
      controlPlane.respond(main.stream, clusterType, { resources: resources(clusterType, ['a']) });
      assert.equal((await client.next()).typeUrl, clusterType);
      assert.equal(main.stream.isOpen, true);
    });

    test(`R77: a type nobody has heard of passes, and so does a name that objects know (${variant})`, async t => {
      const controlPlane = new RawControlPlane(t);
      const { address } = await startTestAgent(t, await controlPlane.start());
      const custom = 'type.googleapis.com/example.Custom' as TypeUrl;
      const names = ['__proto__', 'constructor'];
      const client = new RawClient(t, address, variant);
      client.ask({ typeUrl: custom, nodeId, names });
      const { request, stream } = await controlPlane.request(custom);
      assert.deepEqual([...request.names].sort(), names);
      controlPlane.respond(stream, custom, { resources: resources(custom, names) });
      const got = new Set<string>();
      while (got.size < names.length) for (const one of (await client.next()).resources) got.add(one.name);
      const again = new RawClient(t, address, variant);
      again.ask({ typeUrl: custom, nodeId, names });
      assert.deepEqual((await again.next()).resources.map(one => one.name).sort(), names, 'from memory');
    });

    test(`R129: the cluster service serves clusters alone (${variant})`, async t => {
      const controlPlane = new RawControlPlane(t);
      const { address } = await startTestAgent(t, await controlPlane.start());
      const service = '/envoy.service.cluster.v3.ClusterDiscoveryService';
      const method = variant === 'sotw' ? `${service}/StreamClusters` : `${service}/DeltaClusters`;
      const client = new RawClient(t, address, variant, { method });
      client.ask({ typeUrl: '', nodeId });
      await controlPlane.answer(clusterType, resources(clusterType, ['a']));
      assert.equal((await client.next()).typeUrl, clusterType);
      const wrong = new RawClient(t, address, variant, { method });
      wrong.ask({ typeUrl: listenerType, nodeId });
      const { code, details } = await wrong.ended();
      assert.equal(code, status.INVALID_ARGUMENT);
      assert.match(details, /this service serves .*Cluster, not .*Listener/);
    });
  }

  test('R77: a server that ends the stream over one type keeps serving the others, and that type tries on alone', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, log } = await startTestAgent(t, await controlPlane.start());
    const bad = 'type.googleapis.com/example.Forbidden' as TypeUrl;
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    const first = await controlPlane.answer(clusterType, resources(clusterType, ['a']));
    await client.next();
    client.ask({ typeUrl: bad, names: ['x'] });
    const end = { code: status.UNAUTHENTICATED, details: 'not this type' };
    (await controlPlane.request(bad)).stream.call.emit('error', end);
    await waitFor('the end of the stream', waitMs, () => !first.isOpen || undefined);
    const { stream: main } = await controlPlane.request(clusterType);
    // Again and again: it stays with its own stream.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const { stream: own } = await controlPlane.request(bad);
      assert.notEqual(own, main);
      own.call.emit('error', end);
      await waitFor('the end of its stream', waitMs, () => !own.isOpen || undefined);
    }
    controlPlane.respond(main, clusterType, { resources: resources(clusterType, ['b']) });
    assert.deepEqual(
      (await client.next()).resources.map(one => one.name),
      ['b'],
    );
    assert.equal(main.isOpen, true);
    assert.equal(client.status, undefined);
    assert.ok(log.some(line => line.includes('ends streams over') && line.includes('not this type')));
    // And when the server has learnt it, it is served.
    await controlPlane.answer(bad, resources(bad, ['x']));
    assert.equal((await client.next()).typeUrl, bad);
  });

  test('R22: bytes that are no response end the stream, lose nothing, and the next stream mends it', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, log } = await startTestAgent(t, await controlPlane.start());
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: endpointType, nodeId, names: ['a'] });
    const stream = await controlPlane.answer(endpointType, resources(endpointType, ['a']));
    await client.next();
    stream.call.write(Buffer.from([0x12, 0x7f, 0x00]));
    await waitFor('the end of the stream', waitMs, () => !stream.isOpen || undefined);
    assert.ok(log.some(line => line.startsWith("error control plane's stream closed")));
    const next = await waitFor('the next stream', waitMs, () => controlPlane.openStreams[0]);
    await controlPlane.request(endpointType);
    controlPlane.respond(next, endpointType, { resources: resources(endpointType, ['a'], 2) });
    assert.equal((await client.next()).resources[0]?.version, '2');
  });

  test('R126: a stop tells every client why, and ends within its deadline', async t => {
    const controlPlane = new RawControlPlane(t);
    const { agent, address } = await startTestAgent(t, await controlPlane.start());
    const clients = (['sotw', 'delta'] as const).map(variant => {
      const client = new RawClient(t, address, variant);
      client.ask({ typeUrl: clusterType, nodeId });
      return client;
    });
    await controlPlane.answer(clusterType, resources(clusterType, ['a']));
    for (const client of clients) await client.next();
    const drained = agent.drain('test');
    for (const client of clients) {
      const { code, details } = await client.ended();
      assert.deepEqual([code, details], [status.UNAVAILABLE, 'weir is shutting down']);
      client.close();
    }
    await drained;
    assert.equal(await agent.stopped, 0);
    assert.equal(controlPlane.openStreams.length, 0);
  });

  test('the admin pages show what is served and to whom', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, adminUrl } = await startTestAgent(t, await controlPlane.start());
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    await controlPlane.answer(clusterType, resources(clusterType, ['a']));
    await client.next();
    const get = async (path: string) => await (await fetch(adminUrl + path)).text();
    await waitFor('readiness', waitMs, async () => (await fetch(`${adminUrl}/healthz/ready`)).ok || undefined);
    assert.match(await get('/metrics'), /^weir_downstream_streams\{variant="delta"\} 1$/m);
    const dump = await get('/config_dump');
    assert.match(dump, /"a"/);
    assert.doesNotThrow(() => JSON.parse(dump));
    const [seen] = JSON.parse(await get('/clients')) as { nodeId?: string; variant?: string }[];
    assert.deepEqual([seen?.nodeId, seen?.variant], [nodeId, 'delta']);
  });
});
