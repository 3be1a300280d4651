import assert from 'node:assert/strict';
import { connect, constants } from 'node:http2';
import { describe, type TestContext, test } from 'node:test';
import {
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { bytes, fieldsOf, message, nested, payloadsAt, payloadsOf, text, textOf } from '../../src/demo/proto.ts';
import { type Address, formatAddress } from '../../src/xds/address.ts';
import { clusterType, secretType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import { LineProcess, textAt } from '../support/line-process.ts';
import { encodeNode } from '../support/messages.ts';
import { buildPeers } from '../support/peers.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

const waitMs = 10_000;
const asIs = (buffer: Buffer): Buffer => buffer;
const lrs = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';
const csds = '/envoy.service.status.v3.ClientStatusDiscoveryService';
const [serving, notServing, unknownService] = [1, 2, 3];

/** A stream to the agent that notes what comes. */
class Stream {
  readonly inbox: Buffer[] = [];
  status: { code: number; details: string } | undefined;
  readonly call: ClientDuplexStream<Buffer, Buffer>;

  constructor(t: TestContext, address: string, path: string) {
    const client = new GrpcClient(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    this.call = client.makeBidiStreamRequest(path, asIs, asIs, new Metadata());
    this.call.on('error', () => {}); // The status says the same.
    this.call.on('status', one => {
      this.status = one;
    });
    this.call.on('data', (buffer: Buffer) => this.inbox.push(buffer));
    t.after(() => {
      this.call.cancel();
      client.close();
    });
  }

  async next(): Promise<Buffer> {
    return await waitFor('an answer', waitMs, () => {
      if (this.status) throw new Error(`ended with ${this.status.code}: ${this.status.details}`);
      return this.inbox.shift();
    });
  }

  async ended(): Promise<{ code: number; details: string }> {
    return await waitFor('the end', waitMs, () => this.status);
  }
}

/** One unary call; its status as the error when it fails. */
function ask(t: TestContext, address: string, path: string, request: Buffer): Promise<Buffer> {
  const client = new GrpcClient(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  t.after(() => client.close());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, request, (error, answer) => {
      if (error || !answer) reject(error);
      else resolve(answer);
    });
  });
}

/** A control plane for load reports alone. */
class LoadPlane {
  readonly calls: {
    /** Label and node id of each report. */
    readonly heard: string[];
    readonly nodes: string[];
    readonly call: { write(bytes: Buffer): void; end(): void };
  }[] = [];
  #server: Server | undefined;

  async start(address = '127.0.0.1:0'): Promise<string> {
    const server = new Server();
    const method = {
      path: lrs,
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
    };
    server.addService(
      { load: { ...method, responseSerialize: asIs, responseDeserialize: asIs } },
      {
        load: (call: ServerDuplexStream<Buffer, Buffer>) => {
          const one = { heard: [] as string[], nodes: [] as string[], call };
          this.calls.push(one);
          call.on('error', () => {}); // Cut by the test.
          call.on('data', (request: Buffer) => {
            one.heard.push(textOf(fieldsOf(request), 99));
            one.nodes.push(payloadsAt(request, 1, 1).join('+'));
          });
        },
      },
    );
    this.#server = server;
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    return `127.0.0.1:${port}`;
  }

  stop(): void {
    this.#server?.forceShutdown();
  }
}

const report = (label: string, nodeId?: string): Buffer =>
  message(...(nodeId === undefined ? [] : [bytes(1, encodeNode(nodeId))]), text(99, label));

describe('services beside discovery', { concurrency: 1 }, () => {
  test('R127: health says whether configuration can be had here, and watchers hear of a change', async t => {
    const controlPlane = new RawControlPlane(t);
    const upstream = await controlPlane.start();
    const { address } = await startTestAgent(t, upstream, { 'ready-grace': '10m' });
    const check = async (service: string) =>
      fieldsOf(await ask(t, address, '/grpc.health.v1.Health/Check', message(text(1, service))))[0]?.value;
    assert.equal(await check(''), notServing, 'nobody has asked for anything');
    const watcher = new Stream(t, address, '/grpc.health.v1.Health/Watch');
    watcher.call.write(Buffer.alloc(0));
    watcher.call.end();
    assert.equal(fieldsOf(await watcher.next())[0]?.value, notServing);
    const odd = new Stream(t, address, '/grpc.health.v1.Health/Watch');
    odd.call.write(message(text(1, 'nonsense')));
    odd.call.end();
    assert.equal(fieldsOf(await odd.next())[0]?.value, unknownService);
    const list = await ask(t, address, '/grpc.health.v1.Health/List', Buffer.alloc(0));
    const listed = payloadsAt(list, 1).map(fieldsOf);
    assert.deepEqual(
      listed.map(entry => payloadsOf(entry, 2).map(state => fieldsOf(state)[0]?.value)),
      listed.map(() => [notServing]),
    );
    const names = listed.map(entry => textOf(entry, 1));
    for (const name of [
      '',
      'envoy.service.status.v3.ClientStatusDiscoveryService',
      'grpc.reflection.v1.ServerReflection',
    ]) {
      assert.ok(names.includes(name), name);
    }
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId: 'a' });
    await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    await client.next();
    assert.equal(fieldsOf(await watcher.next())[0]?.value, serving);
    assert.equal(await check('envoy.service.discovery.v3.AggregatedDiscoveryService'), serving);
    await assert.rejects(check('nonsense'), { code: status.NOT_FOUND });
    controlPlane.stop();
    client.close();
    assert.equal(await check(''), serving, 'in an outage what is held is served');
  });

  test('R128: load reports go to the control plane stream by stream, its words come back', async t => {
    const plane = new LoadPlane();
    t.after(() => plane.stop());
    const { address } = await startTestAgent(t, await plane.start());
    const [a, b] = [new Stream(t, address, lrs), new Stream(t, address, lrs)];
    a.call.write(report('a1', 'a'));
    b.call.write(report('b1', 'b'));
    await waitFor(
      'both',
      waitMs,
      () => (plane.calls.every(({ heard }) => heard.length === 1) && plane.calls.length === 2) || undefined,
    );
    for (const { heard, call } of plane.calls) call.write(message(text(1, `for ${heard[0]}`)));
    assert.equal(textOf(fieldsOf(await a.next()), 1), 'for a1');
    assert.equal(textOf(fieldsOf(await b.next()), 1), 'for b1');
    a.call.write(report('a2'));
    await waitFor('the next', waitMs, () => plane.calls.find(({ heard }) => heard.join() === 'a1,a2'));
    a.call.end();
    assert.equal((await a.ended()).code, status.OK);
    const nobody = new Stream(t, address, lrs);
    nobody.call.write(report('x'));
    const refused = await nobody.ended();
    assert.deepEqual([refused.code, plane.calls.length], [status.INVALID_ARGUMENT, 2]);
    assert.match(refused.details, /carries no node/);
  });

  test('R67 R128: whoever reports is the node that was let in, whatever the reports say', async t => {
    const plane = new LoadPlane();
    t.after(() => plane.stop());
    const listeners = JSON.stringify([{ address: '127.0.0.1:0', allow: [{ ids: ['a'] }] }]);
    const separate = { 'node-sharing': 'stream-per-node', listen: '', listeners };
    const upstream = await plane.start();
    const { address } = await startTestAgent(t, upstream, separate);
    const honest = new Stream(t, address, lrs);
    honest.call.write(report('a1', 'a'));
    await waitFor('the first', waitMs, () => plane.calls[0]?.heard.length);
    honest.call.write(report('a2', 'victim'));
    await waitFor('both', waitMs, () => plane.calls[0]?.heard.join() === 'a1,a2' || undefined);
    assert.deepEqual(plane.calls[0]?.nodes, ['a', '']);
    const [stranger, twofold] = [new Stream(t, address, lrs), new Stream(t, address, lrs)];
    stranger.call.write(report('x', 'victim'));
    assert.equal((await stranger.ended()).code, status.PERMISSION_DENIED);
    twofold.call.write(Buffer.concat([report('x', 'a'), report('x', 'victim')]));
    assert.match((await twofold.ended()).details, /more than one node/);
    assert.equal(plane.calls.length, 1);
    const { address: single } = await startTestAgent(t, upstream, { 'node-id': 'configured' });
    const other = new Stream(t, single, lrs);
    other.call.write(report('x', 'other'));
    assert.equal((await other.ended()).code, status.PERMISSION_DENIED, 'as for discovery');
  });

  test('R128: while the control plane is away the stream stays and reports are dropped and counted; the node goes first after', async t => {
    const plane = new LoadPlane();
    t.after(() => plane.stop());
    const upstream = await plane.start();
    const { address, adminUrl } = await startTestAgent(t, upstream);
    const client = new Stream(t, address, lrs);
    client.call.write(report('first', 'a'));
    await waitFor('the first', waitMs, () => plane.calls[0]?.heard.length);
    plane.stop();
    const dropped = async () =>
      /^weir_lrs_reports_dropped_total ([1-9]\d*)$/m.exec(await (await fetch(`${adminUrl}/metrics`)).text())?.[1];
    await waitFor('a report to be dropped', waitMs, async () => {
      client.call.write(report('lost'));
      return await dropped();
    });
    assert.equal(client.status, undefined);
    const back = new LoadPlane();
    t.after(() => back.stop());
    await back.start(upstream);
    await waitFor('the node again', waitMs, () => back.calls[0]?.heard[0] === 'first' || undefined);
    client.call.write(report('after'));
    await waitFor('what comes after', waitMs, () => back.calls[0]?.heard.includes('after') || undefined);
  });

  test('R128: a control plane without LRS is told to the client, HDS and Fetch are refused with a reason', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start());
    const reports = new Stream(t, address, lrs);
    reports.call.write(report('first', 'a'));
    assert.equal((await reports.ended()).code, status.UNIMPLEMENTED);
    const checks = new Stream(t, address, '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck');
    checks.call.write(Buffer.alloc(0));
    const { code, details } = await checks.ended();
    assert.equal(code, status.UNIMPLEMENTED);
    assert.match(details, /no health checks \(HDS\): point hds_config/);
    const fetched = ask(t, address, '/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters', Buffer.alloc(0));
    await assert.rejects(fetched, { code: status.UNIMPLEMENTED, details: /no unary Fetch methods/ });
  });

  test('R123: calls of side services have a limit at each listener, and do not hold up the end', async t => {
    const controlPlane = new RawControlPlane(t);
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const { address, agent } = await startTestAgent(t, await controlPlane.start(), {
      'side-streams-max': '2',
      listen: `127.0.0.1:0,unix:${folder}/sock`,
    });
    const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
    const question = message(text(7, '*'));
    for (const _ of [1, 2]) {
      const one = new Stream(t, address, path);
      one.call.write(question);
      await one.next();
    }
    const third = new Stream(t, address, path);
    third.call.write(question);
    const { code, details } = await third.ended();
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(details, /setting sideStreamsMax/);
    const elsewhere = new Stream(t, formatAddress(agent.listenAddresses[1] as Address), path);
    elsewhere.call.write(question);
    await elsewhere.next();
    const startMs = performance.now();
    await agent.drain('the test wants it');
    assert.ok(performance.now() - startMs < 4_000, 'no deadline was needed');
  });

  test('R128: client status over both methods, without keys; an answer that would be too large is refused with its setting', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start(), { 'status-bytes-max': '400' });
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: secretType, nodeId: 'a', names: ['key'] });
    await controlPlane.answer(secretType, resources(secretType, ['key']));
    await client.next();
    const stream = new Stream(t, address, `${csds}/StreamClientStatus`);
    // The second question is answered on the same stream.
    for (const _ of [1, 2]) {
      stream.call.write(Buffer.alloc(0));
      const answer = await stream.next();
      assert.deepEqual(payloadsAt(answer, 1, 3, 2).map(String), ['key']);
      assert.deepEqual(payloadsAt(answer, 1, 3, 4), [], 'no body');
      assert.deepEqual(payloadsAt(answer, 1, 4).map(String), ['a']);
    }
    client.ask({ typeUrl: clusterType });
    const names = ['one', 'two', 'three', 'four', 'five'];
    await controlPlane.answer(clusterType, resources(clusterType, names));
    await client.next();
    const whole = ask(t, address, `${csds}/FetchClientStatus`, Buffer.alloc(0));
    await assert.rejects(whole, { code: status.RESOURCE_EXHAUSTED, details: /setting statusBytesMax/ });
    const none = message(nested(1, nested(1, text(1, 'nobody'))));
    assert.equal((await ask(t, address, `${csds}/FetchClientStatus`, none)).length, 0);
  });

  test('R123: client status that nobody reads is bounded, and held up nobody else', async t => {
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start(), {
      'status-bytes-max': '8MiB',
      'client-progress-timeout': '1s',
    });
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId: 'a' });
    const body = (version: number): Buffer => message(text(1, 'large'), bytes(90, Buffer.alloc(3 << 20, version)));
    const stream = await controlPlane.answer(clusterType, [{ name: 'large', version: '1', body: body(1) }]);
    await client.next();
    const session = connect(`http://${address}`, { settings: { initialWindowSize: 1_000 } });
    t.after(() => session.destroy());
    const asked = Array.from({ length: 5 }, () => {
      const call = session.request({
        ':method': 'POST',
        ':path': `${csds}/FetchClientStatus`,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      call.on('error', () => {}); // Its code says the same.
      call.end(Buffer.alloc(5));
      const outcome = { code: undefined as string | undefined };
      call.on('response', headers => {
        outcome.code = headers['grpc-status'] as string | undefined;
      });
      call.on('close', () => {
        outcome.code ??= `reset ${call.rstCode}`;
      });
      return outcome;
    });
    controlPlane.respond(stream, clusterType, { resources: [{ name: 'large', version: '2', body: body(2) }] });
    assert.equal((await client.next()).resources[0]?.version, '2');
    const codes = await waitFor('every end', waitMs, () =>
      asked.every(({ code }) => code !== undefined) ? asked.map(({ code }) => code).toSorted() : undefined,
    );
    // Two fit together; the third does not, and comes again when those that were not read are given up.
    assert.ok(codes.includes(String(status.RESOURCE_EXHAUSTED)), codes.join());
    assert.ok(codes.filter(code => code === `reset ${constants.NGHTTP2_ENHANCE_YOUR_CALM}`).length >= 2, codes.join());
    const later = await ask(t, address, `${csds}/FetchClientStatus`, Buffer.alloc(0));
    assert.ok(later.length > 3 << 20);
  });

  const peers = buildPeers();
  test('R127 R128: a client of gRPC-Go finds every service by reflection, and reads health and client status', {
    skip: 'missing' in peers ? peers.missing : false,
  }, async t => {
    assert.ok('program' in peers);
    const controlPlane = new RawControlPlane(t);
    const { address } = await startTestAgent(t, await controlPlane.start());
    const good = new RawClient(t, address, 'delta');
    good.ask({ typeUrl: clusterType, nodeId: 'a' });
    await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    await good.next();
    const bad = new RawClient(t, address, 'delta', { acks: false });
    bad.ask({ typeUrl: clusterType, nodeId: 'a' });
    const { nonce } = await bad.next();
    bad.ask({ typeUrl: clusterType, nonce, error: 'this one is bad' });
    const go = new LineProcess(t, 'sides', [peers.program, 'sides', '--target', address]);
    await go.line('the end of it', line => (typeof line === 'object' && line && 'done' in line) || undefined);
    const [health, listed, ...states] = go.lines;
    assert.equal(textAt(health, 'health'), 'SERVING');
    const { services } = listed as { services: Record<string, string[]> };
    assert.deepEqual(services['envoy.service.discovery.v3.AggregatedDiscoveryService'], [
      'DeltaAggregatedResources',
      'StreamAggregatedResources',
    ]);
    assert.deepEqual(
      Object.keys(services)
        .filter(name => !name.startsWith('envoy.'))
        .sort(),
      ['grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'],
    );
    assert.equal(Object.keys(services).filter(name => name.startsWith('envoy.')).length, 13);
    const seen = states
      .slice(0, -1)
      .map(one => ['scope', 'name', 'config', 'client', 'error'].map(key => textAt(one, key)));
    assert.deepEqual(seen, [
      ['a', 'one', 'SYNCED', 'ACKED', ''],
      ['a', 'one', 'ERROR', 'NACKED', 'this one is bad'],
    ]);
  });
});
