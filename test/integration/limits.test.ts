import assert from 'node:assert/strict';
import { connect, constants } from 'node:http2';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { waitFor } from '../../src/demo/processes.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import { Gate } from '../support/gate.ts';
import { encodeNode, encodeTestRequest, type TestRequest } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

const { INVALID_ARGUMENT, RESOURCE_EXHAUSTED } = status;
const custom = 'type.googleapis.com/example.Custom';
const first: TestRequest = { typeUrl: clusterType, nodeId: 'node' };

/** One way to be refused: requests, settings, and the end that follows. */
interface Refusal {
  readonly title: string;
  readonly flags?: Readonly<Record<string, string>>;
  readonly requests: readonly TestRequest[];
  readonly code: number;
  readonly why: RegExp;
}

const refusals: readonly Refusal[] = [
  {
    title: 'R1: a first request without node',
    requests: [{ typeUrl: clusterType }],
    code: INVALID_ARGUMENT,
    why: /carries no node/,
  },
  {
    title: 'R1: a node without id',
    requests: [{ typeUrl: clusterType, nodeId: '' }],
    code: INVALID_ARGUMENT,
    why: /node .* has no id/,
  },
  {
    title: 'R2: a request on ADS without type',
    requests: [{ typeUrl: '', nodeId: 'node' }],
    code: INVALID_ARGUMENT,
    why: /needs a type_url/,
  },
  {
    title: 'R123: more names than allowed',
    flags: { 'names-per-type-max': '3' },
    requests: [{ ...first, typeUrl: endpointType, names: ['a', 'b', 'c', 'd'] }],
    code: RESOURCE_EXHAUSTED,
    why: /more than 3 resources \(setting namesPerTypeMax\)/,
  },
  {
    title: 'R123: a name longer than allowed',
    requests: [{ ...first, typeUrl: endpointType, names: ['x'.repeat(10_000_000)] }],
    code: RESOURCE_EXHAUSTED,
    why: /a name has 10000000 bytes, 4096 are allowed \(setting nameBytesMax\)/,
  },
  {
    title: 'R123: more types on a stream than allowed',
    flags: { 'types-per-stream-max': '2' },
    requests: [first, { typeUrl: listenerType }, { typeUrl: custom }],
    code: RESOURCE_EXHAUSTED,
    why: /more than 2 types \(setting typesPerStreamMax\)/,
  },
  {
    title: 'R123: more types in a view than allowed',
    flags: { 'types-per-view-max': '2' },
    requests: [first, { typeUrl: listenerType }, { typeUrl: custom }],
    code: RESOURCE_EXHAUSTED,
    why: /more than 2 types \(setting typesPerViewMax\)/,
  },
  {
    title: 'R123: nothing said in time',
    flags: { 'first-request-timeout': '100ms' },
    requests: [],
    code: RESOURCE_EXHAUSTED,
    why: /no request came within 100 ms \(setting firstRequestTimeout\)/,
  },
  {
    title: 'R123: a node larger than allowed',
    flags: { 'node-bytes-max': '64kB' },
    requests: [{ typeUrl: clusterType, node: encodeNode('node', [bytes(9, Buffer.alloc(70_000))]) }],
    code: RESOURCE_EXHAUSTED,
    why: /the node has 70\d+ bytes, 64000 are allowed \(setting nodeBytesMax\)/,
  },
  {
    title: 'R123: a request larger than allowed',
    flags: { 'request-bytes-max': '64kB' },
    requests: [{ ...first, names: Array.from({ length: 2_000 }, (_, at) => `${'x'.repeat(60)}${at}`) }],
    code: RESOURCE_EXHAUSTED,
    why: /larger than max .*\(setting requestBytesMax\)/,
  },
];

describe('limits', () => {
  for (const { title, flags = {}, requests, code, why } of refusals) {
    for (const variant of ['sotw', 'delta'] as const) {
      test(`${title} (${variant})`, async t => {
        const controlPlane = new RawControlPlane(t);
        const { address } = await startTestAgent(t, await controlPlane.start(), flags);
        const client = new RawClient(t, address, variant);
        for (const request of requests) client.ask(request);
        const { code: actual, details } = await client.ended();
        assert.equal(actual, code, details);
        assert.match(details, why);
        // And the agent is there for the next one.
        const next = new RawClient(t, address, variant);
        next.ask(first);
        await controlPlane.answer(clusterType, resources(clusterType, ['one']));
        assert.equal((await next.next()).resources.length, 1);
      });
    }
  }

  test('R123: bytes that are no request are refused, and nobody else notices', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start());
    const good = new RawClient(t, address, 'delta');
    good.ask(first);
    const stream = await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    await good.next();
    const bad = new RawClient(t, address, 'delta');
    bad.write(encodeTestRequest(first, 'delta').subarray(0, -3));
    assert.match((await bad.ended()).details, /cannot be decoded/);
    controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['two']) });
    assert.deepEqual(
      (await good.next()).resources.map(one => one.name),
      ['two'],
    );
  });

  test('R123: one stream more than allowed is refused, and welcome when another has left', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, log } = await startTestAgent(t, await controlPlane.start(), { 'client-streams-max': '1' });
    const one = new RawClient(t, address, 'delta');
    one.ask(first);
    await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    await one.next();
    const more = new RawClient(t, address, 'delta');
    const { code, details } = await more.ended();
    assert.deepEqual(
      [code, details],
      [RESOURCE_EXHAUSTED, '1 client streams are open already (setting clientStreamsMax)'],
    );
    one.close();
    await waitFor('the agent to notice', 5_000, () => log.find(line => line.startsWith('info client left')));
    const last = new RawClient(t, address, 'delta');
    last.ask(first);
    assert.equal((await last.next()).resources.length, 1);
  });

  test('R122: a client that never reads is cut off, and the others go on meanwhile', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, log } = await startTestAgent(t, await controlPlane.start(), {
      'client-progress-timeout': '1s',
      'drain-timeout': '100ms',
    });
    const gate = await Gate.before(t, address);
    const [reader, stalled] = [new RawClient(t, address, 'delta'), new RawClient(t, gate.address, 'delta')];
    for (const client of [reader, stalled]) client.ask(first);
    const { stream } = await controlPlane.request(clusterType);
    controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['small']) });
    for (const client of [reader, stalled]) await client.next();
    gate.shut();
    let at = 0;
    do {
      at += 1;
      controlPlane.respond(stream, clusterType, {
        resources: [{ name: 'large', version: `${at}`, body: largeBody(at) }],
      });
      await reader.next();
    } while (!log.some(line => line.includes('client left')));
    assert.ok(at > 1, 'the reader was served while the other stood still');
    assert.equal(stalled.inbox.length, 0);
    assert.equal(reader.status, undefined);
    assert.ok(
      log.some(line => line.includes('setting clientProgressTimeout')),
      log.join('\n'),
    );
  });

  test('R122: what cannot be told to a client that does not read is given back when it is cut off', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start(), { 'client-progress-timeout': '200ms' });
    const session = connect(`http://${address}`, { settings: { initialWindowSize: 100 } });
    t.after(() => session.destroy());
    const stream = session.request({
      ':method': 'POST',
      ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {}); // Its code says the same.
    const request = encodeTestRequest(first, 'delta');
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(request.length, 1);
    stream.write(Buffer.concat([frame, request]));
    await controlPlane.answer(clusterType, [{ name: 'large', version: '1', body: largeBody(1) }]);
    await waitFor('the end of the stream', 5_000, () => stream.closed || undefined);
    assert.equal(stream.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    assert.equal(session.destroyed, false, 'others on the connection go on');
  });

  test('R123: a response larger than allowed ends the stream, names the setting, and loses nothing', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, log } = await startTestAgent(t, await controlPlane.start(), { 'response-bytes-max': '1MiB' });
    const client = new RawClient(t, address, 'delta');
    client.ask(first);
    const stream = await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    await client.next();
    await waitFor('the whole type', 5_000, () => log.find(line => line.startsWith('info type complete')));
    controlPlane.respond(stream, clusterType, { resources: [{ name: 'large', version: '2', body: largeBody(1) }] });
    await waitFor('the end of the stream', 5_000, () => !stream.isOpen || undefined);
    const again = await waitFor('the next stream', 5_000, () => controlPlane.openStreams[0]);
    const { request } = await controlPlane.request(clusterType);
    assert.deepEqual([...request.initialVersions.keys()], ['one']);
    controlPlane.respond(again, clusterType, { resources: resources(clusterType, ['two']) });
    assert.deepEqual(
      (await client.next()).resources.map(one => one.name),
      ['two'],
    );
    assert.ok(
      log.some(line => line.includes('responseBytesMax')),
      log.join('\n'),
    );
  });
});

/** A cluster `large` of 8 MiB: larger than every window and buffer on the way. */
function largeBody(fill: number): Buffer {
  return message(text(1, 'large'), bytes(90, Buffer.alloc(8 << 20, fill)));
}
