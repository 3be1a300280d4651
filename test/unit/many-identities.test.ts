import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { message, text } from '../../src/demo/proto.ts';
import { clusterType, endpointType, secretType } from '../../src/xds/type-urls.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

/** A node `a` with these features. */
function nodeWith(features: readonly string[], id = 'a', cluster = 'test'): Buffer {
  return message(text(1, id), text(2, cluster), ...features.map(feature => text(10, feature)));
}

const separate = { nodeSharing: 'stream-per-node' } as const;

describe('stream-per-node', () => {
  test('R65 R67: every node has an upstream stream of its own and sees what came on it', () => {
    const harness = new CoreHarness(separate);
    const clients = ['a', 'b'].map(node => [node, harness.client('delta', node)] as const);
    for (const [, client] of clients) client.send({ typeUrl: clusterType });
    assert.equal(harness.upstreamIds().length, 2);
    for (const [node] of clients) {
      harness.respond(clusterType, { resources: resources(clusterType, [`of-${node}`]) }, harness.upstreamOf(node));
    }
    for (const [node, client] of clients) assert.deepEqual(namesOf(client.only(clusterType)), [`of-${node}`]);
    // A change of one is none of the other.
    harness.respond(clusterType, { resources: resources(clusterType, ['of-a'], 2) }, harness.upstreamOf('a'));
    assert.deepEqual(
      clients.map(([, client]) => client.take(clusterType).length),
      [1, 0],
    );
  });

  test('R67: a secret of the same name is another one for each node', () => {
    const harness = new CoreHarness(separate);
    const [a, b] = ['a', 'b'].map(node => harness.client('sotw', node));
    assert.ok(a && b);
    for (const client of [a, b]) client.send({ typeUrl: secretType, names: ['default'] });
    harness.respond(secretType, { resources: resources(secretType, ['default'], 1) }, harness.upstreamOf('a'));
    assert.equal(a.take(secretType).length, 1);
    assert.equal(b.take(secretType).length, 0);
  });

  test('R72: a node without clients keeps its stream for a while, then is put away, and starts from what it had', () => {
    const harness = new CoreHarness({ ...separate, nodeLingerMs: 60_000 });
    const first = harness.client('delta', 'a');
    first.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['x', 'y']) });
    harness.advance(1_000);
    first.ack(first.only(clusterType));
    first.leave();
    harness.advance(59_000);
    assert.equal(harness.upstreamIds().length, 1);
    harness.advance(2_000);
    assert.deepEqual(harness.upstreamIds(), []);
    assert.equal([...harness.core.views()].length, 0);

    harness.isUpstreamUp = false;
    const second = harness.client('delta', 'a');
    second.send({ typeUrl: clusterType });
    assert.deepEqual(namesOf(second.only(clusterType)), ['x', 'y']);
    const stranger = harness.client('delta', 'b');
    stranger.send({ typeUrl: clusterType });
    assert.deepEqual(stranger.inbox, []);
  });

  test('R72: in an outage nothing is put away', () => {
    const harness = new CoreHarness({ ...separate, nodeLingerMs: 10_000 });
    const client = harness.client('delta', 'a');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['x']) });
    client.leave();
    harness.isUpstreamUp = false;
    harness.cut();
    harness.advance(600_000);
    assert.equal([...harness.core.views()].length, 1);
    harness.isUpstreamUp = true;
    harness.advance(60_000);
    assert.equal([...harness.core.views()].length, 0);
  });

  test('R123: past nodesMax the node left longest ago gives way; when all are used a new one is refused', () => {
    const harness = new CoreHarness({ ...separate, nodesMax: 2 });
    const [a, b, c] = ['a', 'b', 'c'].map(node => harness.client('delta', node));
    assert.ok(a && b && c);
    a.send({ typeUrl: clusterType });
    b.send({ typeUrl: clusterType });
    c.send({ typeUrl: clusterType });
    assert.equal(c.closed?.code, grpcCode.resourceExhausted);
    assert.match(c.closed.message, /setting nodesMax/);
    a.leave();
    const again = harness.client('delta', 'c');
    again.send({ typeUrl: clusterType });
    assert.equal(again.closed, undefined);
    assert.equal(harness.upstreamOf('a'), undefined);
    assert.ok(harness.upstreamOf('b') && harness.upstreamOf('c'));
  });

  test('R123: one id with ever other metadata takes no place of another node', () => {
    const harness = new CoreHarness({ ...separate, nodesMax: 8, viewsPerNodeMax: 2 });
    const other = harness.client('delta', 'b');
    other.send({ typeUrl: clusterType });
    other.leave();
    const come = (serial: number): HarnessClient => {
      const client = harness.client('delta', 'a');
      client.send({ typeUrl: clusterType, node: nodeWith([], 'a', `cluster ${serial}`) });
      return client;
    };
    const [first, second] = [come(1), come(2)];
    const third = come(3);
    assert.equal(third.closed?.code, grpcCode.resourceExhausted);
    assert.match(third.closed.message, /2 nodes of this id .*setting viewsPerNodeMax/);
    for (const client of [first, second]) client.leave();
    for (let serial = 4; serial < 20; serial++) {
      const client = come(serial);
      assert.equal(client.closed, undefined);
      client.leave();
    }
    assert.ok(harness.upstreamOf('b'), 'the node that nobody uses at the moment keeps its stream');
    assert.equal([...harness.core.views()].length, 3);
  });

  test('R123: streams of one listener leave the others theirs, before their first request already', () => {
    const harness = new CoreHarness({ ...separate, clientStreamsMax: 6, listenerNames: ['a', 'b'] });
    const at = (listener: string): HarnessClient =>
      harness.client('delta', listener, { listener, names: [], way: 'private' });
    const refusals = (): string[] => harness.notes.flatMap(note => (note.kind === 'client_refused' ? note.reason : []));
    const silent = [1, 2, 3].map(() => at('a'));
    assert.deepEqual(refusals(), []);
    at('a');
    assert.match(refusals().join(), /kept for the other listeners \(setting clientStreamsMax\)/);
    at('b').send({ typeUrl: clusterType });
    silent[0]?.leave();
    at('a');
    assert.equal(refusals().length, 1);
  });

  test('R123: the names of all streams of one client have a limit together', () => {
    const harness = new CoreHarness({ ...separate, namesPerPeerMax: 5 });
    const [one, two] = [harness.client('delta', 'a'), harness.client('sotw', 'a')];
    one.send({ typeUrl: endpointType, names: ['x', 'y', 'z'] });
    two.send({ typeUrl: endpointType, names: ['x', 'y'] });
    assert.deepEqual([one.closed, two.closed], [undefined, undefined]);
    two.send({ typeUrl: endpointType, names: ['u', 'v', 'w'] });
    assert.match(two.closed?.message ?? '', /setting namesPerPeerMax/);
    one.send({ typeUrl: endpointType, names: ['v', 'w'] });
    assert.equal(one.closed, undefined);
    const stranger = harness.client('delta', 'b');
    stranger.send({ typeUrl: endpointType, names: ['1', '2', '3', '4', '5'] });
    assert.equal(stranger.closed, undefined);
  });

  test('R67 R69: after a restart each node starts with its own and nobody with another one’s', () => {
    const disk = new MemoryDisk();
    const before = new CoreHarness({ ...separate, cacheMatch: ['cluster'] }, disk);
    for (const node of ['a', 'b']) {
      before.client('delta', node).send({ typeUrl: clusterType });
      before.respond(clusterType, { resources: resources(clusterType, [`of-${node}`]) }, before.upstreamOf(node));
    }
    before.advance(5_000);
    // All nodes of a cluster match each other here, which must not be enough.
    for (const node of ['b', 'a', 'new']) {
      const after = new CoreHarness({ ...separate, cacheMatch: ['cluster'] }, disk.copy());
      after.isUpstreamUp = false;
      assert.equal([...after.core.views()].length, 0);
      const client = after.client('delta', node);
      client.send({ typeUrl: clusterType });
      const names = client.take(clusterType).flatMap(namesOf);
      assert.ok(
        names.every(name => name === `of-${node}`),
        `${node} got ${names.join(', ')}`,
      );
    }
  });

  test('R67 R69: ids that differ in more than an address are two nodes, also where they look like those of Istio', () => {
    const disk = new MemoryDisk();
    const [blue, green] = ['app~blue~web.shop~eu', 'app~green~web.shop~eu'];
    const before = new CoreHarness(separate, disk);
    before.client('delta', blue).send({ typeUrl: clusterType });
    before.respond(clusterType, { resources: resources(clusterType, ['of-blue']) }, before.upstreamOf(blue));
    before.advance(5_000);
    for (const harness of [before, new CoreHarness(separate, disk.copy())]) {
      harness.isUpstreamUp = false;
      const client = harness.client('delta', green);
      client.send({ typeUrl: clusterType });
      assert.deepEqual(client.take(clusterType), []);
    }
  });

  test('R67 R69: a new address of a pod finds what was stored; one that is there shares nothing with its double', () => {
    const disk = new MemoryDisk();
    const [pod, again] = ['sidecar~10.0.0.1~web.shop~local', 'sidecar~10.0.0.2~web.shop~local'];
    const before = new CoreHarness(separate, disk);
    const first = before.client('delta', pod);
    first.send({ typeUrl: clusterType });
    before.respond(clusterType, { resources: resources(clusterType, ['x']) }, before.upstreamOf(pod));
    before.advance(5_000);
    const restarted = new CoreHarness(separate, disk.copy());
    const both = new CoreHarness(separate, disk.copy());
    both.client('delta', pod).send({ typeUrl: clusterType });
    const served = (harness: CoreHarness): string[] => {
      harness.isUpstreamUp = false;
      const client = harness.client('delta', again);
      client.send({ typeUrl: clusterType });
      return client.take(clusterType).flatMap(namesOf);
    };
    assert.deepEqual(served(restarted), ['x']);
    assert.deepEqual(served(both), []);
    first.leave();
    assert.deepEqual(served(before), ['x'], 'nor does it wait until the old one is put away');
  });

  test('R68: clients of one node with other content features are kept apart, with other transport features not', () => {
    const harness = new CoreHarness(separate);
    const send = (features: readonly string[]): void => {
      const client = harness.client('delta', 'a');
      client.send({ typeUrl: clusterType, node: nodeWith(features) });
    };
    send([]);
    send(['xds.config.resource-in-sotw']);
    assert.equal(harness.upstreamIds().length, 1);
    send(['envoy.lb.does_not_support_overprovisioning']);
    assert.equal(harness.upstreamIds().length, 2);
  });
});

describe('shared by parts of the node', () => {
  test('R65: nodes equal in these parts share one stream, others have one of their own', () => {
    const harness = new CoreHarness({ nodeSharing: 'shared', shareBy: ['cluster'] });
    const [a, b] = ['a', 'b'].map(node => harness.client('delta', node));
    assert.ok(a && b);
    a.send({ typeUrl: clusterType });
    b.send({ typeUrl: clusterType });
    assert.equal(harness.upstreamIds().length, 1);
    const other = harness.client('delta', 'c');
    other.send({ typeUrl: clusterType, node: nodeWith([], 'c', 'elsewhere') });
    assert.equal(harness.upstreamIds().length, 2);
    harness.respond(clusterType, { resources: resources(clusterType, ['x']) }, harness.upstreamOf('a'));
    assert.deepEqual(
      [a, b, other].map(client => client.take(clusterType).length),
      [1, 1, 0],
    );
  });
});

describe('one stream of many', () => {
  test('R67: a broken stream of one node is no trouble of another', () => {
    const harness = new CoreHarness(separate);
    const [a, b] = ['a', 'b'].map(node => harness.client('delta', node));
    assert.ok(a && b);
    for (const client of [a, b]) client.send({ typeUrl: endpointType, names: ['e'] });
    const stream = harness.upstreamOf('a');
    assert.ok(stream);
    harness.cut(stream.streamId);
    harness.respond(endpointType, { resources: resources(endpointType, ['e']) }, harness.upstreamOf('b'));
    assert.equal(b.take(endpointType).length, 1);
    harness.advance(31_000);
    harness.respond(endpointType, { resources: resources(endpointType, ['e']) }, harness.upstreamOf('a'));
    assert.equal(a.take(endpointType).length, 1);
  });
});
