import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientConfigs } from '../../src/agent/client-status.ts';
import { bytes, type Field, message, nested, payloadsAt, text, uint } from '../../src/demo/proto.ts';
import { TypeScope } from '../../src/xds/type-scope.ts';
import { clusterType, endpointType, secretType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl } from '../../src/xds/types.ts';
import {
  clientStatus,
  configStatus,
  encodeClientStatus,
  readStatusRequest,
  type StatusRequest,
} from '../../src/xds/wire-status.ts';
import { body, CoreHarness, resources } from '../support/core-harness.ts';

const peer = { listener: 'test', names: [], way: 'private' } as const;
const everything: StatusRequest = { isAsked: () => true, excludesBodies: false };
const { synced, stale, notSent, error } = configStatus;
const { acked, nacked, requested, doesNotExist, receivedError } = clientStatus;

/** What is told of every client: node, type by its last word, name, the two states, and whether the body is shown. */
function told(harness: CoreHarness, request = everything, allowed: (nodeId: string) => boolean = () => true) {
  const source = {
    clients: () => harness.core.clients(),
    refusal: (_: unknown, nodeId: string) =>
      allowed(nodeId) ? undefined : { code: grpcCode.permissionDenied, message: 'no' },
    isSensitive: (typeUrl: TypeUrl) => typeUrl === secretType,
    scopeOf: () => TypeScope.open,
  };
  return [...clientConfigs(source, peer, request)].flatMap(({ nodeId, resources: all }) =>
    [...all()].map(one => [
      nodeId,
      one.typeUrl.split('.').at(-1),
      one.name,
      one.config,
      one.client,
      one.any !== undefined,
    ]),
  );
}

describe('client status', () => {
  test('R128: each client has its own state: one accepted, one rejected, one has not answered', () => {
    const harness = new CoreHarness();
    const clients = ['a', 'b', 'c'].map(id => harness.client('delta', id));
    for (const client of clients) client.send({ typeUrl: clusterType });
    assert.deepEqual(told(harness), []);
    harness.respond(clusterType, { resources: resources(clusterType, ['x']) });
    const [a, b] = clients;
    assert.ok(a && b);
    a.ack(a.only(clusterType));
    b.send({ typeUrl: clusterType, nonce: b.only(clusterType).nonce, error: 'x is bad' });
    assert.deepEqual(told(harness), [
      ['a', 'Cluster', 'x', synced, acked, true],
      ['b', 'Cluster', 'x', error, nacked, true],
      ['c', 'Cluster', 'x', stale, requested, true],
    ]);
  });

  test('R128: names that are not there are told as what is known of them', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta', 'a');
    client.send({ typeUrl: endpointType, names: ['waiting', 'gone', 'failed'] });
    harness.respond(endpointType, {
      removed: ['gone'],
      errors: [{ name: 'failed', code: grpcCode.permissionDenied, message: 'not for you' }],
    });
    assert.deepEqual(told(harness), [
      ['a', 'ClusterLoadAssignment', 'waiting', notSent, requested, false],
      ['a', 'ClusterLoadAssignment', 'gone', notSent, doesNotExist, false],
      ['a', 'ClusterLoadAssignment', 'failed', notSent, receivedError, false],
    ]);
  });

  test('R128 R67: a peer sees the nodes that it may be, and no keys; bodies only if asked for', () => {
    const harness = new CoreHarness({ nodeSharing: 'stream-per-node' });
    for (const id of ['a', 'b']) {
      const client = harness.client('sotw', id);
      client.send({ typeUrl: secretType, names: ['key'] });
      client.send({ typeUrl: clusterType });
      const upstream = harness.upstreamOf(id);
      harness.respond(secretType, { resources: resources(secretType, ['key']) }, upstream);
      harness.respond(clusterType, { resources: resources(clusterType, [`of-${id}`]) }, upstream);
      harness.advance(150);
      client.ack(client.only(secretType), ['key']);
      client.ack(client.only(clusterType));
    }
    assert.deepEqual(
      told(harness, everything, id => id === 'b'),
      [
        ['b', 'Secret', 'key', synced, acked, false],
        ['b', 'Cluster', 'of-b', synced, acked, true],
      ],
    );
    const lean = told(harness, { isAsked: id => id === 'a', excludesBodies: true });
    assert.deepEqual(
      lean.map(one => [one[0], one[5]]),
      [
        ['a', false],
        ['a', false],
      ],
    );
  });

  test('R128 R101: the words of a client on a secret are not shown', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta', 'a');
    client.send({ typeUrl: secretType, names: ['key'] });
    harness.respond(secretType, { resources: resources(secretType, ['key']) });
    client.send({ typeUrl: secretType, nonce: client.only(secretType).nonce, error: 'cannot load -----BEGIN KEY' });
    const source = {
      clients: () => harness.core.clients(),
      refusal: () => undefined,
      isSensitive: () => true,
      scopeOf: () => TypeScope.open,
    };
    const [config] = clientConfigs(source, peer, everything);
    const [one] = config?.resources() ?? [];
    assert.match(one?.error ?? '', /withheld/);
  });

  test('R123: an answer past its limit is none', () => {
    const one = {
      typeUrl: clusterType,
      name: 'x',
      version: '1',
      any: body(clusterType, 'x'),
      updatedWallMs: 1_500,
      config: synced,
      client: acked,
      error: undefined,
    };
    const config = {
      nodeId: 'a',
      nodeCluster: '',
      userAgentName: '',
      userAgentVersion: '',
      resources: () => [one, one],
    };
    const encoded = (bytesMax: number): Buffer | undefined => {
      const steps = encodeClientStatus([config, config], bytesMax);
      for (;;) {
        const { done, value } = steps.next();
        if (done) return value;
      }
    };
    const whole = encoded(10_000);
    assert.ok(whole && whole.length > 100);
    assert.deepEqual(payloadsAt(whole, 1, 4).map(String), ['a', 'a']);
    assert.equal(encoded(whole.length)?.length, whole.length);
    assert.equal(encoded(whole.length - 1), undefined);
  });
});

describe('client status requests', () => {
  const read = (...fields: readonly Field[]) => readStatusRequest(message(...fields));
  const matcher = (...fields: readonly Field[]) => nested(1, nested(1, ...fields));
  const matches = (request: ReturnType<typeof read>, id: string): boolean =>
    'isAsked' in request && request.isAsked(id);

  test('nodes are asked for by exact, prefix, suffix or contains; several matchers are alternatives', () => {
    assert.equal(matches(read(), 'anything'), true);
    assert.equal(matches(read(matcher(text(1, 'a'))), 'a'), true);
    assert.equal(matches(read(matcher(text(1, 'a'))), 'ab'), false);
    assert.equal(matches(read(matcher(text(2, 'pod-'))), 'pod-1'), true);
    assert.equal(matches(read(matcher(text(3, '.shop'))), 'pod-1.shop'), true);
    assert.equal(matches(read(matcher(text(7, 'OD'), uint(6, 1))), 'pod-1'), true);
    assert.equal(matches(read(matcher(text(1, 'a')), matcher(text(1, 'b'))), 'b'), true);
  });

  test('R123: what is not supported is said, and no bytes make it throw', () => {
    const regex = read(matcher(nested(5, text(2, '(a+)+$'))));
    assert.match('error' in regex ? regex.error : '', /must be exact, prefix, suffix or contains/);
    const metadata = read(nested(1, nested(2, text(1, 'x'))));
    assert.match('error' in metadata ? metadata.error : '', /node_metadatas/);
    assert.ok('error' in readStatusRequest(Buffer.from([0x0a, 0xff])));
    assert.ok('error' in read(...Array.from({ length: 101 }, () => matcher(text(1, 'a')))));
    assert.ok('isAsked' in read(bytes(99, Buffer.alloc(3))));
  });
});
