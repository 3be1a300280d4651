import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { waitFor } from '../../src/demo/processes.ts';
import { bytes, message, nested, text, texts } from '../../src/demo/proto.ts';
import { clusterType, secretType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import { encodeNode } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

/** A Node of Envoy with one metadata string. */
function envoyNode(id: string, metadata: string, userAgent = 'envoy'): Buffer {
  const entry = nested(1, text(1, 'team'), nested(2, text(3, metadata)));
  return encodeNode(id, [nested(3, entry), text(6, userAgent)]);
}

describe('identity', () => {
  test('T11 R67: the second of two different nodes is told what differs, and gets no data', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, log } = await startTestAgent(t, await controlPlane.start());
    const first = new RawClient(t, address, 'delta');
    first.ask({ typeUrl: clusterType, node: envoyNode('a', 'red') });
    await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    await first.next();
    const second = new RawClient(t, address, 'delta');
    second.ask({ typeUrl: clusterType, node: envoyNode('b', 'blue') });
    const refusal = await second.ended();
    assert.equal(refusal.code, status.PERMISSION_DENIED);
    assert.match(refusal.details, /differs in node\.id \('b', held: 'a'\), node\.metadata\['team'\];/);
    assert.doesNotMatch(refusal.details, /blue|\bred\b/, 'metadata values may be secret');
    assert.match(refusal.details, /--node-sharing shared/);
    assert.equal(second.inbox.length, 0);
    assert.ok(log.some(line => line.startsWith('warn client refused') && line.includes('differs in')));
    assert.equal(first.status, undefined, 'the first client is left alone');
  });

  test('T11 R66: another Envoy version of the same node is served beside the first', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start());
    const clients = ['envoy', 'envoy-next'].map(userAgent => {
      const client = new RawClient(t, address, 'delta');
      client.ask({ typeUrl: clusterType, node: envoyNode('a', 'red', userAgent) });
      return client;
    });
    await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    for (const client of clients) assert.equal((await client.next()).resources.length, 1);
    assert.equal(controlPlane.streams.length, 1);
  });

  test('T11 R67: once the first node has left, an Envoy with other metadata gets a view of its own', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, log } = await startTestAgent(t, await controlPlane.start());
    const first = new RawClient(t, address, 'sotw');
    first.ask({ typeUrl: clusterType, node: envoyNode('a', 'red') });
    const stream = await controlPlane.answer(clusterType, resources(clusterType, ['of-red']));
    assert.equal((await first.next()).resources.length, 1);
    first.close();
    await waitFor('the agent to notice', 5_000, () => log.find(line => line.startsWith('info client left')));
    const second = new RawClient(t, address, 'sotw');
    second.ask({ typeUrl: clusterType, node: envoyNode('a', 'blue') });
    // Another identity has another stream; the old one goes.
    const next = await waitFor('a second stream', 5_000, () => controlPlane.streams[1]);
    await waitFor('the end of the first', 5_000, () => !stream.isOpen || undefined);
    await controlPlane.request(clusterType);
    controlPlane.respond(next, clusterType, { resources: resources(clusterType, ['of-blue']) });
    assert.deepEqual(
      (await second.next()).resources.map(one => one.name),
      ['of-blue'],
    );
  });

  test('R65: shared: different nodes are served from one stream of the first one', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start(), { 'node-sharing': 'shared' });
    const first = new RawClient(t, address, 'delta');
    first.ask({ typeUrl: clusterType, nodeId: 'a' });
    const { stream, request } = await controlPlane.request(clusterType);
    assert.equal(request.nodeId, 'a');
    const second = new RawClient(t, address, 'sotw');
    second.ask({ typeUrl: clusterType, nodeId: 'b' });
    controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['one']) });
    for (const client of [first, second]) assert.equal((await client.next()).resources.length, 1);
    assert.equal(controlPlane.streams.length, 1);
  });

  test('R68: a configured identity is what the control plane sees', async t => {
    const controlPlane = new RawControlPlane(t);
    const flags = { 'node-id': 'pod-7', 'node-sharing': 'shared' };
    const { address } = await startTestAgent(t, await controlPlane.start(), flags);
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId: 'whoever' });
    assert.equal((await controlPlane.request(clusterType)).request.nodeId, 'pod-7');
  });

  for (const [mode, isShorter] of [
    ['keep', false],
    ['drop', true],
  ] as const) {
    test(`R68: node-extensions ${mode}: Envoy's extensions ${isShorter ? 'stay here' : 'go upstream'}`, async t => {
      const controlPlane = new RawControlPlane(t);
      const { address } = await startTestAgent(t, await controlPlane.start(), { 'node-extensions': mode });
      const extension = message(texts(1, ['envoy.filters.http.router']), bytes(2, Buffer.alloc(2_000)));
      const client = new RawClient(t, address, 'delta');
      client.ask({ typeUrl: clusterType, node: encodeNode('a', [bytes(9, extension)]) });
      const { stream } = await controlPlane.request(clusterType);
      // Of the whole request: the codec of the tests keeps the id of a Node only.
      assert.equal(stream.firstRequestBytes < 2_000, isShorter);
    });
  }

  test('R101: the rejection of a secret names the node, and its text goes nowhere', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, log } = await startTestAgent(t, await controlPlane.start());
    const client = new RawClient(t, address, 'delta', { acks: false });
    client.ask({ typeUrl: secretType, nodeId: 'a', names: ['key'] });
    const { stream } = await controlPlane.request(secretType);
    const upstreamNonce = controlPlane.respond(stream, secretType, { resources: resources(secretType, ['key']) });
    const { nonce } = await client.next();
    client.ask({ typeUrl: secretType, nonce, error: 'cannot parse hunter2' });
    const { request } = await controlPlane.request(secretType);
    assert.equal(request.nonce, upstreamNonce);
    assert.equal(request.error, 'node a: (text withheld: it may quote a secret)');
    assert.ok(log.some(line => line.includes('client rejected SDS')));
    assert.doesNotMatch(log.join('\n'), /hunter2/);
  });
});
