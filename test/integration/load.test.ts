import assert from 'node:assert/strict';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { type ClientDuplexStream, credentials, Client as GrpcClient, Metadata, status } from '@grpc/grpc-js';
import { waitFor } from '../../src/demo/processes.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import { decodeTestResponse, encodeNode, encodeTestRequest } from '../support/messages.ts';
import { parseMetrics } from '../support/metrics-text.ts';
import { SeededRandom } from '../support/random.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

const waitMs = 30_000;
const nodeId = 'node';
const ads = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
const asIs = (buffer: Buffer): Buffer => buffer;

describe('load', { concurrency: 1 }, () => {
  test('T17 R50 R121: a thousand streams of the endpoint service on one connection, each with a node of 20 kB', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start());
    const names = Array.from({ length: 1_000 }, (_, at) => `cluster-${at}`);
    const client = new GrpcClient(address, credentials.createInsecure());
    t.after(() => client.close());
    const node = encodeNode(nodeId, [bytes(9, Buffer.alloc(20_000))]);
    const served = new Set<string>();
    const method = '/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints';
    const calls: ClientDuplexStream<Buffer, Buffer>[] = [];
    for (const name of names) {
      const call = client.makeBidiStreamRequest(method, asIs, asIs, new Metadata());
      call.on('error', () => {}); // Cancelled at the end of the test.
      call.on('data', (buffer: Buffer) => {
        for (const one of decodeTestResponse(buffer, 'sotw').resources) if (one.name === name) served.add(name);
      });
      call.write(encodeTestRequest({ typeUrl: '', node, names: [name] }, 'sotw'));
      calls.push(call);
    }
    t.after(() => {
      for (const call of calls) call.cancel();
    });
    const answered = new Set<string>();
    while (answered.size < names.length) {
      const { stream, request } = await controlPlane.request(endpointType);
      const asked = request.names.filter(name => !answered.has(name));
      for (const name of asked) answered.add(name);
      if (asked.length > 0) controlPlane.respond(stream, endpointType, { resources: resources(endpointType, asked) });
    }
    await waitFor('every stream to be served', waitMs, () => (served.size === names.length ? true : undefined));
    assert.equal(controlPlane.streams.length, 1);
  });

  for (const variant of ['sotw', 'delta'] as const) {
    test(`T18 R120: a response of 50 MB and a node of 100 kB pass (${variant})`, async t => {
      const controlPlane = new RawControlPlane(t);
      const { address } = await startTestAgent(t, await controlPlane.start());
      const client = new RawClient(t, address, variant);
      client.ask({ typeUrl: clusterType, node: encodeNode(nodeId, [bytes(9, Buffer.alloc(100_000))]) });
      const { stream } = await controlPlane.request(clusterType);
      assert.ok(stream.firstRequestBytes > 100_000);
      const body = (name: string, fill: number) => message(text(1, name), bytes(90, Buffer.alloc(500_000, fill)));
      const sent = Array.from({ length: 100 }, (_, at) => ({ name: `c${at}`, version: '1', body: body(`c${at}`, at) }));
      controlPlane.respond(stream, clusterType, { resources: sent });
      const { resources: got } = await client.next();
      assert.equal(got.length, sent.length);
      const byName = new Map(got.map(one => [one.name, one.body]));
      for (const one of sent) assert.ok(byName.get(one.name)?.equals(one.body), one.name);
    });
  }

  for (const variant of ['sotw', 'delta'] as const) {
    test(`R123: a hundred thousand names are served, one more is refused by name (${variant})`, async t => {
      const controlPlane = new RawControlPlane(t);
      const { address } = await startTestAgent(t, await controlPlane.start());
      const names = Array.from({ length: 100_000 }, (_, at) => `endpoint-${at}`);
      const client = new RawClient(t, address, variant);
      client.ask({ typeUrl: endpointType, nodeId, names });
      const { stream, request } = await controlPlane.request(endpointType);
      assert.equal(request.names.length, names.length);
      controlPlane.respond(stream, endpointType, { resources: resources(endpointType, names) });
      assert.equal((await client.next()).resources.length, names.length);
      const more = new RawClient(t, address, variant);
      more.ask({ typeUrl: endpointType, nodeId, names: [...names, 'one-more'] });
      const { code, details } = await more.ended();
      assert.equal(code, status.RESOURCE_EXHAUSTED);
      assert.match(details, /more than 100000 resources \(setting namesPerTypeMax\)/);
    });
  }

  test('R123: two thousand connections are served at once, and nothing of them stays', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, agent, adminUrl } = await startTestAgent(t, await controlPlane.start(), { 'log-level': 'silent' });
    void agent;
    const clients = Array.from({ length: 2_000 }, () => new RawClient(t, address, 'delta'));
    for (const client of clients) client.ask({ typeUrl: clusterType, nodeId });
    await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    const areServed = () => (clients.every(client => client.inbox.length > 0) ? true : undefined);
    await waitFor('all of them to be served', waitMs, areServed);
    for (const client of clients) client.close();
    const served = async () => {
      const page = await (await fetch(`${adminUrl}/metrics`)).text();
      return parseMetrics(page)
        .get('weir_downstream_streams')
        ?.samples.reduce((sum, { value }) => sum + value, 0);
    };
    await waitFor('all of them to be gone', waitMs, async () => ((await served()) === 0 ? true : undefined));
  });

  test('R123: connections that say nothing, and bytes that are no HTTP/2, disturb nobody', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start());
    const [host = '', port = ''] = address.split(':');
    const random = new SeededRandom(7);
    const noise = (size: number) => Buffer.from(Array.from({ length: size }, () => Math.floor(random.next() * 256)));
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    let closed = 0;
    for (let at = 0; at < 200; at += 1) {
      const socket = connect(Number(port), host);
      socket.resume();
      socket.on('error', () => {}); // A reset is what such a client deserves.
      socket.on('close', () => {
        closed += 1;
      });
      // Every fourth says nothing; the others lie in different ways.
      if (at % 4 > 0) socket.write(Buffer.concat([at % 4 > 1 ? preface : noise(3), noise(64 + (at % 300))]));
      t.after(() => socket.destroy());
    }
    await waitFor('the liars to be thrown out', waitMs, () => (closed >= 150 ? true : undefined));
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    assert.equal((await client.next()).resources.length, 1);
  });

  test('R123: gRPC frames that are cut off, compressed, or announce more than there is, end their own stream only', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start());
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    const stream = await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    await client.next();
    const frames: readonly Buffer[] = [
      Buffer.from([0, 0, 0]),
      Buffer.from([0, 0, 0, 0, 9, 1]),
      Buffer.from([1, 0, 0, 0, 2, 1, 2]),
      Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0]),
      Buffer.from([7, 0, 0, 0, 0]),
      Buffer.from([0, 0, 0, 0, 2, 0x0a, 0xff]),
    ];
    const session = connectHttp2(`http://${address}`);
    session.on('error', assert.ifError);
    t.after(() => session.destroy());
    const ends = frames.map(
      frame =>
        new Promise<void>(resolve => {
          const request = session.request({
            [constants.HTTP2_HEADER_METHOD]: 'POST',
            [constants.HTTP2_HEADER_PATH]: `${ads}/DeltaAggregatedResources`,
            'content-type': 'application/grpc',
            te: 'trailers',
          });
          request.on('error', () => {}); // A reset is an end as well.
          request.on('close', resolve);
          request.resume();
          request.end(frame);
        }),
    );
    await Promise.all(ends); // bounded: one for each of the frames above.
    controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['two']) });
    assert.deepEqual(
      (await client.next()).resources.map(one => one.name),
      ['two'],
    );
  });
});
