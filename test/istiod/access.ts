import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startEnvoy } from '../../src/demo/envoy-process.ts';
import { pickFreePort } from '../../src/demo/processes.ts';
import { encodeNode } from '../../src/xds/wire-request.ts';
import { clientCertificate, selfSignedCertificate, serverCertificate } from '../support/certificate.ts';
import { testEnvoy } from '../support/envoy.ts';
import type { Istiod } from '../support/istiod-process.ts';
import { ofEachKind } from '../support/manifest-folder.ts';
import { RawClient } from '../support/raw-client.ts';
import { assertSame, type LabWeir, MeshLab, waitMs } from './lab.ts';
import type { Report } from './report.ts';

const clusters = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const authOn = { ENABLE_XDS_API_GENERATOR_AUTH: 'true' };

const mtlsOff = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default', namespace: 'istio-system' },
  spec: { mtls: { mode: 'DISABLE' } },
};

/** Who is given mesh configuration: by istiod as it is by default, and by Weir's isolation by namespace. */
export async function checkAccess(report: Report, binary: string): Promise<void> {
  await report.part('access, plain text', () => checkPlain(report, binary));
  await report.part('access, mTLS', () => checkMtls(report, binary));
  await report.part('access, TLS of istiod', () => checkListenerTls(report, binary));
  await report.part('access, isolation', () => checkIsolation(report, binary));
}

async function checkPlain(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  lab.manifests.put(...ofEachKind('shop').map(({ before }) => before));
  // Without what needs certificates and Istio's own filters, so that a plain Envoy takes it.
  lab.manifests.put(mtlsOff);
  const environment = { ...authOn, PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false' };
  const server = await lab.server({ environment, meshConfig: { enableAutoMtls: false } });
  await server.ready();
  const above = await lab.tap(server.address);
  const weir = await lab.weir(above.address, ['--node-sharing', 'stream-per-node']);
  await report.check(
    'plain text, istiod as it is by default: MCP is refused, Envoy’s types are not touched',
    async () => {
      const metadata = { NAMESPACE: 'shop', ISTIO_VERSION: '1.28.0' };
      const id = 'sidecar~10.0.0.7~web.shop~shop.svc.cluster.local';
      const node = encodeNode({ id, cluster: '', region: '', zone: '', subZone: '', metadata });
      const envoy = new RawClient(lab, weir.address, 'delta');
      envoy.ask({ typeUrl: clusters, node });
      assert.ok((await envoy.next()).resources.length > 0);
      const istiod = await lab.client(weir.address);
      await weir.until('three refusals', async () => (await weir.metric('weir_upstream_stream_failures_total')) >= 3);
      assert.equal(await istiod.isReady(), false);
      assert.equal(new Set(above.tap.requestsOf(clusters).map(request => request.stream)).size, 1);
      assert.equal(envoy.status, undefined);
      const status = await weir.says('status');
      assert.match(status, /mcp +backoff, credentials refused/);
      assert.match(status, /the api generator requires an authenticated control-plane identity/);
      return 'Envoy’s stream stands, weir status says why istiod waits';
    },
  );
  const envoyPath = testEnvoy();
  if (envoyPath === undefined) return;
  await report.check('plain text, with MCP refused: a real Envoy is served', () => besideEnvoy(lab, envoyPath, weir));
}

async function checkMtls(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  lab.manifests.put(...ofEachKind('shop').map(({ before }) => before));
  const ca = selfSignedCertificate();
  const files = {
    ca,
    server: serverCertificate(ca, ['istiod.istio-system.svc']),
    own: clientCertificate(ca, 'istiod', ['spiffe://cluster.local/ns/istio-system/sa/istiod']),
    other: clientCertificate(ca, 'web', ['spiffe://cluster.local/ns/shop/sa/web']),
  };
  const path = (name: keyof typeof files, end: 'pem' | 'key'): string => join(lab.folder, `${name}.${end}`);
  for (const name of ['ca', 'server', 'own', 'other'] as const) {
    writeFileSync(path(name, 'pem'), files[name].cert);
    writeFileSync(path(name, 'key'), files[name].key);
  }
  const securePort = await pickFreePort();
  const tls = [
    `--tlsCertFile=${path('server', 'pem')}`,
    `--tlsKeyFile=${path('server', 'key')}`,
    `--caCertFile=${path('ca', 'pem')}`,
  ];
  const server = await lab.server({ environment: authOn, flags: [`--secureGRPCAddr=127.0.0.1:${securePort}`, ...tls] });
  await server.ready();
  const as = async (name: 'own' | 'other'): Promise<readonly [LabWeir, Istiod]> => {
    const certificate = ['--upstream-tls-cert', path(name, 'pem'), '--upstream-tls-key', path(name, 'key')];
    const known = ['--upstream-tls-ca', path('ca', 'pem'), '--upstream-tls-server-name', 'istiod.istio-system.svc'];
    const weir = await lab.weir(`127.0.0.1:${securePort}`, [...known, ...certificate]);
    return [weir, await lab.client(weir.address, { label: name })];
  };
  await report.check(
    'mTLS, istiod as it is by default: Weir with a certificate of the root namespace is given everything',
    async () => {
      const [, client] = await as('own');
      const ms = await client.ready();
      await assertSame(server, client);
      return `ready in ${ms} ms`;
    },
  );
  await report.check(
    'mTLS, istiod as it is by default: a certificate of another namespace is refused, and Weir says so',
    async () => {
      const [weir, client] = await as('other');
      await weir.until('three refusals', async () => (await weir.metric('weir_upstream_stream_failures_total')) >= 3);
      assert.equal(await client.isReady(), false);
      assert.match(
        await weir.says('status'),
        /no identities \(\[spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web\]\) matched/,
      );
      return 'in weir status';
    },
  );
}

/** istiod has no certificate to show to an MCP server; that it checks the server's is all that it can. */
async function checkListenerTls(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  lab.manifests.put(...ofEachKind('shop').map(({ before }) => before));
  const server = await lab.server();
  await server.ready();
  const ca = selfSignedCertificate();
  const own = serverCertificate(ca, ['weir.istio-system.svc']);
  const [cert, key] = [join(lab.folder, 'weir.pem'), join(lab.folder, 'weir.key')];
  writeFileSync(cert, own.cert);
  writeFileSync(key, own.key);
  const weir = await lab.weir(server.address, ['--listen-tls-cert', cert, '--listen-tls-key', key]);
  await report.check('TLS between istiod and Weir, as far as istiod knows it (SIMPLE)', async () => {
    const sourceTls = { mode: 'SIMPLE', sni: 'weir.istio-system.svc', caCertificates: ca.cert };
    const client = await lab.client(weir.address, { sourceTls });
    const ms = await client.ready();
    await assertSame(server, client);
    return `ready in ${ms} ms`;
  });
}

/** A real Envoy beside it, where there is one. */
async function besideEnvoy(lab: MeshLab, binary: string, weir: LabWeir): Promise<string> {
  const { port } = weir;
  const envoy = await startEnvoy({
    binary,
    nodeId: 'sidecar~10.0.0.8~web.shop~shop.svc.cluster.local',
    variant: 'delta',
    xds: { kind: 'tcp', host: '127.0.0.1', port },
    metadata: { NAMESPACE: 'shop', ISTIO_VERSION: '1.28.0', INSTANCE_IPS: '10.0.0.8' },
  });
  lab.after(() => envoy.stop());
  const ms = await envoy.waitLive(waitMs);
  lab.manifests.put(
    ...ofEachKind('shop')
      .filter(({ after }) => after.kind === 'ServiceEntry')
      .map(({ after }) => after),
  );
  await weir.until('the new endpoint in Envoy', async () =>
    (await envoy.endpoints('outbound|8080||a.example')).includes('10.1.1.2:8080'),
  );
  const rejected = [...(await envoy.stats('update_rejected')).values()].reduce((sum, count) => sum + count, 0);
  assert.equal(rejected, 0);
  return `LIVE in ${Math.round(ms)} ms, a change arrives`;
}

async function checkIsolation(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  const kinds = ofEachKind('shop').length;
  for (const namespace of ['istio-system', 'team-a', 'team-b'])
    lab.manifests.put(...ofEachKind(namespace).map(({ before }) => before));
  const server = await lab.server();
  await server.ready();
  const scopes = [
    { clientNamespaces: ['team-a'], namespaces: ['$own'] },
    { clientNamespaces: ['istio-system'], namespaces: ['*'], types: ['VirtualService', 'MeshConfig'] },
  ];
  const cases = [
    { what: 'by default', flags: [], namespace: 'istio-system', sees: [kinds, kinds, kinds] },
    { what: 'by default', flags: [], namespace: 'team-a', sees: [kinds, kinds, 0] },
    { what: 'with scopes', flags: ['--scopes', JSON.stringify(scopes)], namespace: 'istio-system', sees: [1, 1, 1] },
    { what: 'with scopes', flags: ['--scopes', JSON.stringify(scopes)], namespace: 'team-a', sees: [0, kinds, 0] },
  ];
  for (const { what, flags, namespace, sees } of cases) {
    await report.check(`isolation ${what}: an istiod in ${namespace}`, async () => {
      const weir = await lab.weir(server.address, flags);
      const client = await lab.client(weir.address, { label: namespace, namespace });
      const ms = await client.ready();
      const held = [...(await client.held()).keys()];
      const counts = ['istio-system', 'team-a', 'team-b'].map(of => held.filter(key => key.includes(` ${of}/`)).length);
      assert.deepEqual(counts, sees);
      await client.stop();
      await weir.process.stop();
      return `ready in ${ms} ms, sees ${counts.join(', ')} of istio-system, team-a, team-b`;
    });
  }
}
