import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ServerCredentials } from '@grpc/grpc-js';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { startTestAgent, type TestAgent } from '../support/agent.ts';
import { clientCertificate, type Identity, selfSignedCertificate, serverCertificate } from '../support/certificate.ts';
import { resources } from '../support/core-harness.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

// The way to the control plane with real certificates and tokens (issue 7).

const waitMs = 20_000;
const nodeId = 'node';
const ca = selfSignedCertificate();
const otherCa = selfSignedCertificate();

function folderOf(t: TestContext): string {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  return folder;
}

function serverWith(identity: Identity, clientCa?: Identity): ServerCredentials {
  const pair = { private_key: Buffer.from(identity.key), cert_chain: Buffer.from(identity.cert) };
  return ServerCredentials.createSsl(clientCa ? Buffer.from(clientCa.cert) : null, [pair], clientCa !== undefined);
}

/** Writes an identity as Kubernetes does: into a folder of its own, which a link is then swapped to at one moment. */
function publish(folder: string, generation: number, files: Readonly<Record<string, string>>): void {
  const own = join(folder, `..generation-${generation}`);
  mkdirSync(own);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(own, name), content);
  symlinkSync(own, join(folder, '..next'));
  renameSync(join(folder, '..next'), join(folder, '..data'));
  for (const name of Object.keys(files)) {
    if (generation === 0) symlinkSync(join('..data', name), join(folder, name));
  }
}

const portOf = (address: string): string => address.split(':')[1] ?? '';

async function logged(agent: TestAgent, what: RegExp): Promise<string> {
  return await waitFor(`a log line like ${what}`, waitMs, () => agent.log.find(line => what.test(line)));
}

describe('TLS towards the control plane', { concurrency: 1 }, () => {
  test('the control plane is known by its certificate, and the agent by its own', async t => {
    const folder = folderOf(t);
    const own = clientCertificate(ca, 'weir', ['spiffe://mesh/weir']);
    publish(folder, 0, { 'ca.pem': ca.cert, 'tls.crt': own.cert, 'tls.key': own.key });
    const plane = new RawControlPlane(t);
    const address = await plane.start('127.0.0.1:0', serverWith(serverCertificate(ca, ['localhost']), ca));
    const agent = await startTestAgent(t, `localhost:${portOf(address)}`, {
      'upstream-tls-ca': join(folder, 'ca.pem'),
      'upstream-tls-cert': join(folder, 'tls.crt'),
      'upstream-tls-key': join(folder, 'tls.key'),
      'upstream-tls-min-version': 'TLSv1.3',
    });
    const client = new RawClient(t, agent.address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    await plane.answer(clusterType, resources(clusterType, ['a']));
    assert.equal((await client.next()).resources.length, 1);
    const metrics = await (await fetch(`${agent.adminUrl}/metrics`)).text();
    assert.match(metrics, /^weir_upstream_certificate_expiry_timestamp_seconds 2524607999$/m);
    assert.match(metrics, /^weir_upstream_server_certificate_expiry_timestamp_seconds 2524607999$/m);
  });

  test('with a CA that knows nothing of it: one line says what was presented and what was expected', async t => {
    const folder = folderOf(t);
    writeFileSync(join(folder, 'ca.pem'), otherCa.cert);
    const plane = new RawControlPlane(t);
    const address = await plane.start('127.0.0.1:0', serverWith(serverCertificate(ca, ['localhost', 'cp.example'])));
    const agent = await startTestAgent(t, `localhost:${portOf(address)}`, {
      'upstream-tls-ca': join(folder, 'ca.pem'),
    });
    new RawClient(t, agent.address, 'delta').ask({ typeUrl: clusterType, nodeId });
    const line = await logged(agent, /cannot reach the control plane/);
    assert.match(line, /presented: DNS:localhost, DNS:cp\.example, issued by localhost, valid until/);
    assert.ok(line.includes(`vouched for by ${join(folder, 'ca.pem')}: CN=localhost`), line);
  });

  test('for another name: one line says which, and the setting for it; a name that is set is enough', async t => {
    const folder = folderOf(t);
    writeFileSync(join(folder, 'ca.pem'), ca.cert);
    const plane = new RawControlPlane(t);
    const uris = ['spiffe://mesh/ns/istio-system/sa/istiod'];
    const identity = serverWith(serverCertificate(ca, ['istiod.istio-system.svc'], { uris }));
    const upstream = `localhost:${portOf(await plane.start('127.0.0.1:0', identity))}`;
    const tls = { 'upstream-tls-ca': join(folder, 'ca.pem') };
    const wrong = await startTestAgent(t, upstream, tls);
    new RawClient(t, wrong.address, 'delta').ask({ typeUrl: clusterType, nodeId });
    assert.match(
      await logged(wrong, /cannot reach the control plane/),
      /is for dns:istiod\.istio-system\.svc, spiffe:\S+, expected localhost \(settings upstreamTlsServerName, upstreamTlsSan\) \{/,
    );
    const unwanted = await startTestAgent(t, upstream, { ...tls, 'upstream-tls-san': 'spiffe://mesh/other' });
    new RawClient(t, unwanted.address, 'delta').ask({ typeUrl: clusterType, nodeId });
    assert.match(
      await logged(unwanted, /cannot reach the control plane/),
      /expected spiffe:\/\/mesh\/other \(setting upstreamTlsSan\)/,
    );
    for (const flags of [
      { 'upstream-tls-server-name': 'istiod.istio-system.svc' },
      { 'upstream-tls-san': `spiffe://mesh/other,${uris[0]}` },
    ]) {
      const agent = await startTestAgent(t, upstream, { ...tls, ...flags });
      const client = new RawClient(t, agent.address, 'delta');
      client.ask({ typeUrl: clusterType, nodeId });
      await plane.answer(clusterType, resources(clusterType, ['a']));
      assert.equal((await client.next()).resources.length, 1);
      await agent.agent.drain('the next one is asked');
    }
  });

  test('an address is a name as well, and needs no server name', async t => {
    const folder = folderOf(t);
    writeFileSync(join(folder, 'ca.pem'), ca.cert);
    const plane = new RawControlPlane(t);
    const upstream = await plane.start('127.0.0.1:0', serverWith(ca));
    const agent = await startTestAgent(t, upstream, { 'upstream-tls-ca': join(folder, 'ca.pem') });
    const client = new RawClient(t, agent.address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    await plane.answer(clusterType, resources(clusterType, ['a']));
    assert.equal((await client.next()).resources.length, 1);
  });

  test('files that come later are enough, and so is a server that begins to speak TLS', async t => {
    const folder = folderOf(t);
    const plane = new RawControlPlane(t);
    const address = await plane.start('127.0.0.1:0', serverWith(serverCertificate(ca, ['localhost'])));
    const agent = await startTestAgent(t, `localhost:${portOf(address)}`, {
      'upstream-tls-ca': join(folder, 'ca.pem'),
      'reconnect-base': '30s',
      'reconnect-max': '60s',
    });
    const client = new RawClient(t, agent.address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    assert.match(
      await logged(agent, /cannot reach the control plane/),
      /cannot read \S+ca\.pem: ENOENT.*\(settings upstreamTlsCa/,
    );
    writeFileSync(join(folder, 'ca.pem'), ca.cert);
    await plane.answer(clusterType, resources(clusterType, ['a']));
    assert.equal((await client.next()).resources.length, 1, 'long before the back-off is over');
  });
});

/** A token that ends at a time, as far as anybody can tell without verifying it. */
function jwt(endsMs: number, serial = 0): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ exp: Math.round(endsMs / 1000), serial })}.c2ln`;
}

describe('tokens for the control plane', { concurrency: 1 }, () => {
  test('an expired token, then a fresh file: healed long before the back-off is over, and never in a log', async t => {
    const file = join(folderOf(t), 'token');
    const [old, fresh] = [jwt(Date.now() - 60_000), jwt(Date.now() + 3_600_000)];
    writeFileSync(file, `${old}\n`);
    const plane = new RawControlPlane(t);
    plane.authenticate = headers => {
      const [authorization] = headers.get('authorization');
      return authorization === `Bearer ${fresh}` ? undefined : `the token has expired: ${authorization}`;
    };
    const agent = await startTestAgent(t, await plane.start(), {
      'upstream-token-file': file,
      'upstream-headers': 'clusterid=east',
      'reconnect-base': '30s',
      'reconnect-max': '60s',
    });
    const client = new RawClient(t, agent.address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    await waitFor('a second attempt at once', 1_000, () => plane.unauthenticated === 2 || undefined);
    const status = (await (await fetch(`${agent.adminUrl}/status`)).json()) as {
      upstreams: { unauthenticatedSinceWallMs?: number }[];
    };
    assert.ok(Date.now() - (status.upstreams[0]?.unauthenticatedSinceWallMs ?? 0) < 10_000);
    await logged(agent, /token for the control plane has expired/);
    await logged(agent, /the token has expired: Bearer \(withheld\)/);
    writeFileSync(file, fresh);
    const stream = await plane.answer(clusterType, resources(clusterType, ['a']));
    assert.equal((await client.next()).resources.length, 1);
    assert.deepEqual(stream.call.metadata.get('clusterid'), ['east']);
    const metrics = await (await fetch(`${agent.adminUrl}/metrics`)).text();
    assert.match(metrics, /^weir_upstream_token_expiry_timestamp_seconds \d+$/m);
    const said = [...agent.log, metrics, await (await fetch(`${agent.adminUrl}/status`)).text()].join('\n');
    for (const token of [old, fresh]) assert.ok(!said.includes(token.split('.')[1] ?? ''), 'no token is told');
  });

  test('a token file that is missing or no token: the stream waits, the line names the file', async t => {
    const file = join(folderOf(t), 'token');
    const plane = new RawControlPlane(t);
    const agent = await startTestAgent(t, await plane.start(), { 'upstream-token-file': file });
    const client = new RawClient(t, agent.address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId });
    await logged(agent, /cannot read the token \S+token: ENOENT.*\(setting upstreamTokenFile\)/);
    writeFileSync(file, 'two words');
    await logged(agent, /token holds no token/);
    assert.ok(!agent.log.some(line => line.includes('two words')));
    writeFileSync(file, 'opaque');
    await plane.answer(clusterType, resources(clusterType, ['a']));
    assert.equal((await client.next()).resources.length, 1);
  });
});

test('certificates and token rotated twenty times under load: no update fails, and no stream is dropped for it', async t => {
  const folder = folderOf(t);
  const rotations = 20;
  const files = (generation: number): Record<string, string> => {
    const own = clientCertificate(ca, `weir ${generation}`, []);
    return {
      'ca.pem': ca.cert,
      'tls.crt': own.cert,
      'tls.key': own.key,
      token: jwt(Date.now() + 3_600_000, generation),
    };
  };
  publish(folder, 0, files(0));
  const plane = new RawControlPlane(t);
  const credentials = serverWith(serverCertificate(ca, ['localhost']), ca);
  const address = await plane.start('127.0.0.1:0', credentials);
  const agent = await startTestAgent(t, `localhost:${portOf(address)}`, {
    'upstream-tls-ca': join(folder, 'ca.pem'),
    'upstream-tls-cert': join(folder, 'tls.crt'),
    'upstream-tls-key': join(folder, 'tls.key'),
    'upstream-token-file': join(folder, 'token'),
  });
  const client = new RawClient(t, agent.address, 'delta');
  client.ask({ typeUrl: clusterType, nodeId });
  const stream = await plane.answer(clusterType, resources(clusterType, ['a'], 1));
  let payload = 1;
  const update = async (): Promise<void> => {
    payload++;
    const current = plane.openStreams[0] ?? stream;
    plane.respond(current, clusterType, { resources: resources(clusterType, ['a'], payload) });
    await waitFor(`update ${payload}`, waitMs, () =>
      client.inbox.splice(0).some(one => one.resources.some(({ version }) => version === String(payload)))
        ? true
        : undefined,
    );
  };
  for (let generation = 1; generation <= rotations; generation++) {
    publish(folder, generation, files(generation));
    await update();
    if (generation % 5 !== 0) continue;
    // Long enough for the files to be looked at, while updates go on.
    const seen = agent.log.filter(line => line.includes('read anew')).length;
    await waitFor('the rotation to be noticed', waitMs, async () => {
      await update();
      return agent.log.filter(line => line.includes('read anew')).length >= seen + 2 ? true : undefined;
    });
  }
  assert.equal(plane.streams.length, 1, 'a stream that stands is not dropped for a rotation');
  // Whoever dials from now on shows what is current.
  const serials: unknown[] = [];
  plane.authenticate = headers => {
    const payloadPart = String(headers.get('authorization')[0]).split('.')[1] ?? '';
    serials.push(JSON.parse(Buffer.from(payloadPart, 'base64url').toString()).serial);
    return undefined;
  };
  stream.call.end();
  const next = await waitFor('another stream', waitMs, () => plane.streams[1]);
  assert.deepEqual(serials, [rotations]);
  assert.match(String(next.call.getAuthContext().sslPeerCertificate?.subject.CN), new RegExp(`weir ${rotations}$`));
  assert.equal(client.status, undefined);
});
