import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { credentials, status } from '@grpc/grpc-js';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { formatAddress } from '../../src/xds/address.ts';
import { clusterType, secretType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { clientCertificate, type Identity, selfSignedCertificate } from '../support/certificate.ts';
import { namesOf, resources } from '../support/core-harness.ts';
import { metricValue, parseMetrics } from '../support/metrics-text.ts';
import { RawClient, type RawClientOptions } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

const waitMs = 10_000;
const cart = 'spiffe://cluster.local/ns/shop/sa/cart';

function folderOf(t: TestContext): string {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  return folder;
}

/** Writes a file as a rotation does, in one step. */
function put(folder: string, name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
  return path;
}

/** Files of a server identity, with the CA that clients are checked by. */
function tlsFiles(folder: string, { cert, key }: Identity, ca?: Identity) {
  const files = { cert: put(folder, 'cert.pem', cert), key: put(folder, 'key.pem', key) };
  return ca ? { ...files, clientCa: put(folder, 'ca.pem', ca.cert) } : files;
}

/** Credentials that trust a server's certificate and show one of the client's. */
const showing = (server: Identity, own?: Identity) =>
  credentials.createSsl(
    Buffer.from(server.cert),
    own ? Buffer.from(own.key) : null,
    own ? Buffer.from(own.cert) : null,
  );

/** An agent with listeners, each node apart, and a control plane that has one cluster for whoever asks. */
async function world(t: TestContext, listeners: readonly unknown[], flags: Readonly<Record<string, string>> = {}) {
  const controlPlane = new RawControlPlane(t);
  const upstream = await controlPlane.start();
  const one = { listeners: JSON.stringify(listeners), 'node-sharing': 'stream-per-node' };
  const started = await startTestAgent(t, upstream, { ...one, ...flags });
  // The first one is that of the test agent itself.
  const addresses = started.agent.listenAddresses.slice(1).map(formatAddress);
  const ask = (at: number, nodeId: string, options: RawClientOptions = {}, typeUrl = clusterType): RawClient => {
    const client = new RawClient(t, addresses[at] ?? '', 'delta', options);
    client.ask({ typeUrl, nodeId, ...(typeUrl === secretType && { names: ['key'] }) });
    return client;
  };
  return { ...started, addresses, controlPlane, ask };
}

/** The client is served what the control plane sends for it. */
async function assertServed(
  controlPlane: RawControlPlane,
  nodeId: string,
  client: RawClient,
  typeUrl = clusterType,
): Promise<void> {
  const stream = await waitFor('its stream', waitMs, () =>
    controlPlane.streams.find(({ requests }) => requests[0]?.nodeId === nodeId && requests[0].typeUrl === typeUrl),
  );
  stream.requests.shift();
  controlPlane.respond(stream, typeUrl, { resources: resources(typeUrl, ['key']) });
  assert.deepEqual(namesOf(await client.next()), ['key']);
}

/** Answers so many nodes, each on its stream. */
async function answerNodes(controlPlane: RawControlPlane, count: number, names: (nodeId: string) => string[]) {
  await waitFor('a stream of each node', waitMs, () =>
    controlPlane.streams.filter(({ requests }) => requests.length > 0).length === count ? true : undefined,
  );
  for (const stream of controlPlane.streams) {
    const [first] = stream.requests.splice(0, 1);
    const sent = resources(clusterType, names(first?.nodeId ?? 'nobody'));
    controlPlane.respond(stream, clusterType, { resources: sent });
  }
}

describe('access to the local endpoint', { concurrency: 1 }, () => {
  test('R123: client certificates bind names to node ids; without one, or with one of another CA, nobody comes in', async t => {
    const [server, ca, otherCa] = [selfSignedCertificate(), selfSignedCertificate(), selfSignedCertificate()];
    const tls = tlsFiles(folderOf(t), server, ca);
    const allow = [{ name: 'spiffe://cluster.local/ns/*/sa/*', ids: ['$2-*.$1'] }];
    const { controlPlane, ask, adminUrl } = await world(t, [{ address: '127.0.0.1:0', tls, allow }]);
    const own = clientCertificate(ca, 'client', [cart]);
    await assertServed(controlPlane, 'cart-1.shop', ask(0, 'cart-1.shop', { credentials: showing(server, own) }));
    const other = await ask(0, 'pay-1.shop', { credentials: showing(server, own) }).ended();
    assert.equal(other.code, status.PERMISSION_DENIED);
    assert.match(
      other.details,
      /node\.id 'pay-1\.shop' may not be used on 127\.0\.0\.1:.*'spiffe:.*cart'.*setting listeners/,
    );
    const metrics = parseMetrics(await (await fetch(`${adminUrl}/metrics`)).text());
    assert.equal(metricValue(metrics, 'weir_client_streams_refused_total', { code: 'PERMISSION_DENIED' }), 1);
    assert.equal(metricValue(metrics, 'weir_listener_certificate_expiry_timestamp_seconds'), 2524607999);
    const stranger = clientCertificate(otherCa, 'client', [cart]);
    for (const one of [showing(server), showing(server, stranger), credentials.createInsecure()]) {
      assert.equal((await ask(0, 'cart-1.shop', { credentials: one }).ended()).code, status.UNAVAILABLE);
    }
    assert.equal(controlPlane.streams.length, 1, 'nobody else was asked for upstream');
  });

  test('R124: a changed certificate is shown to who comes next, a broken one is not, and streams stay', async t => {
    const [first, second] = [selfSignedCertificate(), selfSignedCertificate()];
    const folder = folderOf(t);
    const tls = tlsFiles(folder, first);
    const { controlPlane, ask, addresses, log } = await world(t, [{ address: '127.0.0.1:0', tls }]);
    const shown = async (): Promise<string> => {
      const port = Number(addresses[0]?.split(':')[1]);
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
      await once(socket, 'secureConnect');
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      return `-----BEGIN CERTIFICATE-----\n${raw.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
    };
    const before = ask(0, 'a', { credentials: showing(first) });
    await assertServed(controlPlane, 'a', before);
    assert.equal(await shown(), first.cert);
    put(folder, 'key.pem', second.key);
    await waitFor('the half rotation to be noticed', waitMs, () =>
      log.find(line => line.startsWith('error a changed certificate cannot be used')),
    );
    assert.equal(await shown(), first.cert);
    put(folder, 'cert.pem', second.cert);
    await waitFor('the rotation', waitMs, () => log.find(line => line.startsWith('info certificate read anew')));
    assert.equal(await shown(), second.cert);
    const after = ask(0, 'a', { credentials: showing(second) });
    assert.deepEqual(namesOf(await after.next()), ['key']);
    assert.equal(before.status, undefined, 'its stream stands');
    assert.ok(!log.some(line => line.includes('PRIVATE KEY')));
  });

  test('R123: one socket for each node, and each is only who it may be', async t => {
    const folder = folderOf(t);
    const socket = (name: string) => ({ address: `unix:${join(folder, name)}`, allow: [{ ids: [name] }] });
    const { controlPlane, ask } = await world(t, [socket('a'), socket('b')]);
    const [a, b] = [ask(0, 'a'), ask(1, 'b')];
    await answerNodes(controlPlane, 2, nodeId => [`of-${nodeId}`]);
    assert.deepEqual([namesOf(await a.next()), namesOf(await b.next())], [['of-a'], ['of-b']]);
    assert.equal((await ask(0, 'b').ended()).code, status.PERMISSION_DENIED);
  });

  test('R123: a Kubernetes token is reviewed, once, and proves account and pod; no token is logged', async t => {
    const identity = selfSignedCertificate();
    const folder = folderOf(t);
    const reviewed: { token: string; audiences: unknown; authorization: string | undefined }[] = [];
    let isUp = true;
    const api = createServer({ cert: identity.cert, key: identity.key }, (incoming, outgoing) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const { spec } = JSON.parse(Buffer.concat(chunks).toString()) as {
          spec: { token: string; audiences: unknown };
        };
        reviewed.push({ ...spec, authorization: incoming.headers.authorization });
        const user = {
          username: 'system:serviceaccount:shop:cart',
          extra: { 'authentication.kubernetes.io/pod-name': ['cart-7'] },
        };
        const isGood = spec.token.startsWith('good');
        outgoing.statusCode = isUp ? 201 : 403;
        const audiences = spec.token.includes('elsewhere') ? ['elsewhere'] : spec.audiences;
        const status = isGood ? { authenticated: true, user, audiences } : { authenticated: false };
        outgoing.end(JSON.stringify({ status }));
      });
    });
    api.listen(0, '127.0.0.1');
    await once(api, 'listening');
    t.after(() => api.close());
    const tls = tlsFiles(folder, identity);
    const { controlPlane, ask, log, adminUrl } = await world(
      t,
      [{ address: '127.0.0.1:0', tls, tokenReview: true, allow: [{ name: 'pod:*/*', ids: ['$2.$1'] }] }],
      {
        'token-review-url': `https://localhost:${(api.address() as AddressInfo).port}`,
        'token-review-ca': put(folder, 'api-ca.pem', identity.cert),
        'token-review-token-file': put(folder, 'token', 'weirs-own\n'),
        'token-review-audience': 'weir',
      },
    );
    const one = { credentials: showing(identity) };
    const served = ask(0, 'cart-7.shop', { ...one, token: 'good-secret' });
    await assertServed(controlPlane, 'cart-7.shop', served);
    const again = ask(0, 'cart-7.shop', { ...one, token: 'good-secret' });
    assert.deepEqual(namesOf(await again.next()), ['key']);
    assert.deepEqual(reviewed, [{ token: 'good-secret', audiences: ['weir'], authorization: 'Bearer weirs-own' }]);
    const end = async (nodeId: string, token?: string) =>
      await ask(0, nodeId, token === undefined ? one : { ...one, token }).ended();
    assert.equal((await end('pay-1.shop', 'good-secret')).code, status.PERMISSION_DENIED);
    assert.equal((await end('cart-7.shop', 'bad-secret')).code, status.UNAUTHENTICATED);
    assert.match((await end('cart-7.shop')).details, /a bearer token is needed/);
    assert.match((await end('cart-7.shop', 'good-elsewhere')).details, /not for weir \(setting tokenReviewAudience\)/);
    const metrics = parseMetrics(await (await fetch(`${adminUrl}/metrics`)).text());
    const refused = metricValue(metrics, 'weir_client_streams_refused_total', { code: 'UNAUTHENTICATED' });
    assert.equal(refused, 3, 'those who were turned away before they said anything');
    isUp = false;
    const down = await end('cart-7.shop', 'good-other');
    assert.equal(down.code, status.UNAVAILABLE);
    assert.match(down.details, /answered 403; .*system:auth-delegator/);
    for (const secret of ['good-secret', 'bad-secret', 'good-other', 'weirs-own']) {
      assert.ok(![...log, down.details].some(line => line.includes(secret)), secret);
    }
  });

  test('R124: with sds-over-tcp refuse keys go over sockets and TLS only', async t => {
    const identity = selfSignedCertificate();
    const folder = folderOf(t);
    const { controlPlane, ask } = await world(
      t,
      [
        { address: '127.0.0.1:0' },
        { address: `unix:${join(folder, 's')}` },
        { address: '127.0.0.1:0', tls: tlsFiles(folder, identity) },
      ],
      { 'sds-over-tcp': 'refuse' },
    );
    const refused = await ask(0, 'a', {}, secretType).ended();
    assert.equal(refused.code, status.PERMISSION_DENIED);
    assert.match(refused.details, /sdsOverTcp/);
    await assertServed(controlPlane, 'a', ask(1, 'a', {}, secretType), secretType);
    const overTls = ask(2, 'a', { credentials: showing(identity) }, secretType);
    assert.deepEqual(namesOf(await overTls.next()), ['key']);
  });

  test('R123: a peer past its limits is told which one, and others are served', async t => {
    const { controlPlane, ask } = await world(t, [{ address: '127.0.0.1:0' }], {
      'client-streams-per-peer-max': '2',
      'requests-per-second-max': '1',
      'request-burst-max': '60',
    });
    const first = ask(0, 'a');
    await assertServed(controlPlane, 'a', first);
    const second = ask(0, 'a');
    await second.next();
    const third = await ask(0, 'a').ended();
    assert.equal(third.code, status.RESOURCE_EXHAUSTED);
    assert.match(third.details, /setting clientStreamsPerPeerMax/);
    for (let at = 0; at < 60; at++) second.ask({ typeUrl: clusterType });
    const noisy = await second.ended();
    assert.equal(noisy.code, status.RESOURCE_EXHAUSTED);
    assert.match(noisy.details, /requestsPerSecondMax/);
    await assertServed(controlPlane, 'b', ask(0, 'b'));
    assert.equal(first.status, undefined);
  });

  test('R67 R71: twenty nodes are found again after a restart, each with its own, and their equal bodies are counted once', async t => {
    const folder = folderOf(t);
    const nodes = Array.from({ length: 20 }, (_, at) => `node-${at}`);
    const controlPlane = new RawControlPlane(t);
    const upstream = await controlPlane.start();
    const flags = { 'node-sharing': 'stream-per-node', 'cache-dir': folder };
    const { agent, address, adminUrl, log } = await startTestAgent(t, upstream, flags);
    const clients = nodes.map(nodeId => {
      const client = new RawClient(t, address, 'delta');
      client.ask({ typeUrl: clusterType, nodeId });
      return client;
    });
    await answerNodes(controlPlane, nodes.length, nodeId => ['same', `of-${nodeId}`]);
    for (const client of clients) assert.equal((await client.next()).resources.length, 2);
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
    assert.match(metrics, /^weir_upstream_connections 1$/m);
    assert.match(metrics, /^weir_bodies 21$/m);
    assert.match(metrics, /^weir_body_bytes [1-9]\d*$/m);
    // The disk waits for whole sets and for the verdicts, and a clean end for the disk.
    const complete = () => log.filter(line => line.startsWith('info type complete')).length === nodes.length;
    await waitFor('whole sets', waitMs, () => complete() || undefined);
    await waitFor('the verdicts', waitMs, () =>
      controlPlane.streams.every(({ requests }) => requests.some(one => one.nonce !== '')) ? true : undefined,
    );
    await agent.drain('to start again');
    controlPlane.stop();
    const restarted = await startTestAgent(t, upstream, flags);
    for (const nodeId of nodes) {
      const client = new RawClient(t, restarted.address, 'delta');
      client.ask({ typeUrl: clusterType, nodeId });
      assert.deepEqual(namesOf(await client.next()), [`of-${nodeId}`, 'same'].sort());
    }
  });
});
