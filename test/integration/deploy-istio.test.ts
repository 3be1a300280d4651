import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { grpcCode } from '../../src/xds/types.ts';
import { selfSignedCertificate } from '../support/certificate.ts';
import {
  compose,
  containersOf,
  entriesAt,
  find,
  istioFolder,
  nameOf,
  parseDocuments,
  textAt,
} from '../support/deployment.ts';
import { IstiodClient } from '../support/istiod-client.ts';
import { gateway, virtualService } from '../support/kubernetes-objects.ts';
import { KubernetesServer } from '../support/kubernetes-server.ts';
import { SourceProcess, WeirProcess } from '../support/weir-process.ts';

// The arguments and files of deploy/istio, with nothing changed but addresses and folders: what a cluster would run, as processes here.

const services = 'networking.istio.io/v1/VirtualService';
const gateways = 'networking.istio.io/v1/Gateway';
const pathOf = (namespace: string, plural: string): string =>
  `/apis/networking.istio.io/v1/namespaces/${namespace}/${plural}`;
const openssl = spawnSync('openssl', ['version'], { encoding: 'utf8' });
const skip = openssl.status === 0 ? false : 'no openssl here to make certificates with';

/** The Secrets that certificates.sh prints, each as a folder of files as in a pod. */
function certificates(folder: string): string[] {
  const made = spawnSync(join(istioFolder, 'certificates.sh'), { encoding: 'utf8', timeout: 60_000 });
  assert.equal(made.status, 0, made.stderr);
  return parseDocuments(made.stdout, 'certificates.sh').map(secret => {
    const path = join(folder, nameOf(secret));
    mkdirSync(path);
    for (const [key, value] of entriesAt(secret, 'data'))
      writeFileSync(join(path, key), Buffer.from(String(value), 'base64'));
    return nameOf(secret);
  });
}

/** The flags of a list of arguments such as `--from=kubernetes`, but for addresses, and with the certificates where they are here. */
function flagsOf(args: unknown, tls: string): Record<string, string> {
  assert.ok(Array.isArray(args));
  const flags = new Map<string, string>();
  for (const arg of args.slice(1)) {
    const [, name = '', value = ''] = /^--([a-z-]+)=(.*)$/.exec(String(arg)) ?? [];
    flags.set(name, [flags.get(name) ?? [], value.replace('/etc/weir/tls', tls)].flat().join(','));
  }
  return Object.fromEntries(flags);
}

/** An API server with two kinds in two namespaces, and what has to be known of it. */
async function cluster(
  context: TestContext,
  folder: string,
): Promise<{ server: KubernetesServer; kubeconfig: string }> {
  const identity = selfSignedCertificate();
  const server = new KubernetesServer(identity);
  context.after(() => server.stop());
  await server.start();
  for (const namespace of ['istio-mcp', 'shop']) {
    server.put(pathOf(namespace, 'gateways'), gateway('front', 0, { namespace }));
    server.put(pathOf(namespace, 'virtualservices'), virtualService('reviews', 0, namespace));
  }
  const kubeconfig = join(folder, 'kubeconfig');
  const ca = Buffer.from(identity.cert).toString('base64');
  const content = {
    'current-context': 'here',
    clusters: [{ name: 'local', cluster: { server: server.url, 'certificate-authority-data': ca } }],
    users: [{ name: 'weir', user: { token: 't' } }],
    contexts: [{ name: 'here', context: { cluster: 'local', user: 'weir' } }],
  };
  writeFileSync(kubeconfig, stringify({ apiVersion: 'v1', kind: 'Config', ...content }));
  return { server, kubeconfig };
}

function folderOf(context: TestContext): string {
  const folder = makeFolder();
  context.after(() => removeFolder(folder));
  return folder;
}

describe('the deployment beside istiod', { skip }, () => {
  test('its certificates are for their names and one use each, and share a CA that is in no Secret with its key', context => {
    const folder = folderOf(context);
    assert.deepEqual(certificates(folder), ['mcp-source-tls', 'weir-mcp-tls']);
    const read = (secret: string, key: string): string => readFileSync(join(folder, secret, key), 'utf8');
    const ca = new X509Certificate(read('mcp-source-tls', 'ca.crt'));
    assert.equal(ca.fingerprint256, new X509Certificate(read('weir-mcp-tls', 'ca.crt')).fingerprint256);
    assert.equal(ca.ca, true);
    const said = ['mcp-source-tls', 'weir-mcp-tls'].map(secret => {
      const certificate = new X509Certificate(read(secret, 'tls.crt'));
      assert.ok(certificate.verify(ca.publicKey) && !certificate.ca);
      return [certificate.subjectAltName, certificate.keyUsage];
    });
    assert.deepEqual(said, [
      ['DNS:mcp-source.istio-mcp.svc, DNS:mcp-source.istio-mcp.svc.cluster.local', ['1.3.6.1.5.5.7.3.1']],
      ['DNS:weir.istio-mcp.svc', ['1.3.6.1.5.5.7.3.2']],
    ]);
  });

  test('istiod gets what lies in its namespace, a change too, and all of it again with the source gone and Weir restarted', async context => {
    const folder = folderOf(context);
    certificates(folder);
    const { server, kubeconfig } = await cluster(context, folder);
    const objects = compose('overlays/namespace');
    const [sourceContainer] = containersOf(find(objects, 'Deployment', 'mcp-source'));
    const flags = flagsOf(sourceContainer?.['args'], join(folder, 'mcp-source-tls'));
    const source = new SourceProcess(context, { ...flags, listen: '127.0.0.1:0', health: '127.0.0.1:0', kubeconfig });
    const { listen } = await source.line(/^serving mesh configuration$/);
    assert.ok(Array.isArray(listen));

    const text = textAt(find(objects, 'ConfigMap', 'weir-mcp'), 'data', 'weir.yaml');
    const host = /mcp-source\.[a-z.-]+(?=:)/.exec(text)?.[0] ?? '';
    const config = join(folder, 'weir.yaml');
    // The one socket of a test takes the place of the loopback address, in the listeners and in the scopes.
    const socket = `unix:${join(folder, 'istiod.sock')}`;
    writeFileSync(
      config,
      text
        .replace(/^upstream: .*$/m, `upstream: ${String(listen[0])}\nupstreamTlsServerName: ${host}`)
        .replaceAll('127.0.0.1:15910', socket)
        .replaceAll('/etc/weir/tls', join(folder, 'weir-mcp-tls'))
        .replace('/var/lib/weir', join(folder, 'cache'))
        .replace('0.0.0.0:15921', '127.0.0.1:0')
        .replace('127.0.0.1:15920', '127.0.0.1:0'),
    );
    const startWeir = async (): Promise<WeirProcess> => {
      const weir = new WeirProcess(context, { config });
      await weir.line(/^listening$/);
      return weir;
    };
    const weir = await startWeir();
    const istiod = new IstiodClient(context, socket, { namespace: 'istio-mcp', pod: 'istiod-5f-a' });
    await istiod.ready();
    assert.deepEqual([istiod.names(services), istiod.names(gateways)], [['istio-mcp/reviews'], ['istio-mcp/front']]);
    const stranger = new IstiodClient(context, socket, { namespace: 'shop' });
    assert.equal((await stranger.raw.ended()).code, grpcCode.permissionDenied);

    server.put(pathOf('istio-mcp', 'virtualservices'), virtualService('ratings', 0, 'istio-mcp'));
    await istiod.until('an addition', services, held => held.has('istio-mcp/ratings'));
    await source.kill();
    istiod.raw.close();
    await weir.stop();
    await startWeir();
    const next = new IstiodClient(context, socket, { namespace: 'istio-mcp', pod: 'istiod-5f-b' });
    await next.ready();
    assert.deepEqual(next.names(services), ['istio-mcp/ratings', 'istio-mcp/reviews']);
    assert.deepEqual(next.names(gateways), ['istio-mcp/front']);
  });
});
