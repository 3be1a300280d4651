import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { makeFolder, removeFolder, startProcess, waitFor } from '../../src/demo/processes.ts';
import { ApiClient } from '../../src/kube/api-client.ts';
import { makeSelfSigned } from '../../src/kube/certificate.ts';
import type { Data } from '../../src/kube/data.ts';
import { SelfSignedSource } from '../../src/kube/self-signed.ts';
import type { ServingCertificate } from '../../src/kube/webhook.ts';
import { selfSignedCertificate } from '../support/certificate.ts';
import { weirCommand } from '../support/envoy.ts';
import { type FakeApiServer, startFakeApiServer } from '../support/fake-api-server.ts';

const waitMs = 15_000;
const dayMs = 86_400_000;

function folderOf(t: TestContext): string {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  return folder;
}

/** A webhook as a process of its own, with its certificate in files. */
async function startWebhook(t: TestContext, flags: readonly string[] = []) {
  const folder = folderOf(t);
  const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  const identity = selfSignedCertificate();
  writeFileSync(cert, identity.cert);
  writeFileSync(key, identity.key);
  const [node = '', ...script] = weirCommand;
  const process = await startProcess('weir webhook', node, [
    ...script,
    ...['webhook', '--listen', '127.0.0.1:0', '--health', '127.0.0.1:0', '--tls-cert', cert, '--tls-key', key],
    ...['--upstream', 'cp:15012', '--drain-time', '0s', '--log-level', 'debug', '--log-format', 'json', ...flags],
  ]);
  t.after(() => process.stop());
  const started = await waitFor(
    'the webhook',
    waitMs,
    () => process.lastLines().find(line => line.includes('answering admission reviews')),
    [process],
  );
  // Written by the process under test.
  const { listen, health } = JSON.parse(started) as { listen: [string]; health: [string] };
  return { process, identity, cert, key, port: Number(listen[0].split(':')[1]), health: health[0] };
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function post(
  port: number,
  ca: string,
  path: string,
  body: string,
  more: { agent?: Agent; method?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { agent, method = 'POST' } = more;
    const asked = request({ host: 'localhost', port, path, method, ca, ...(agent ? { agent } : {}) }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', chunk => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

function review(labels: Record<string, string>, uid = 'u'): string {
  const object = { kind: 'Pod', metadata: { generateName: 'web-', labels }, spec: { containers: [{ name: 'app' }] } };
  const asked = { uid, kind: { kind: 'Pod' }, operation: 'CREATE', namespace: 'shop', object };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: asked });
}

describe('weir webhook', () => {
  test('injects who asks, or all but who refuses, by the path', async t => {
    const { port, identity, health } = await startWebhook(t);
    const patched = async (path: string, labels: Record<string, string>): Promise<boolean> => {
      const { status, text } = await post(port, identity.cert, path, review(labels));
      assert.equal(status, 200);
      return text.includes('"patchType":"JSONPatch"');
    };
    assert.equal(await patched('/inject', { 'weir.dev/inject': 'true' }), true);
    assert.equal(await patched('/inject?timeout=10s', { 'weir.dev/inject': 'true' }), true);
    assert.equal(await patched('/inject', {}), false);
    assert.equal(await patched('/inject/namespace', {}), true);
    assert.equal(await patched('/inject/namespace', { 'weir.dev/inject': 'false' }), false);
    const page = async (path: string): Promise<string> => (await fetch(`http://${health}${path}`)).text();
    assert.match(await page('/healthz/ready'), /^ok/);
    const metrics = await page('/metrics');
    assert.match(metrics, /^weir_webhook_reviews_total\{outcome="injected"\} 3$/m);
    assert.match(metrics, /^weir_webhook_reviews_total\{outcome="skipped"\} 2$/m);
    assert.match(metrics, /^weir_webhook_certificate_expiry_timestamp_seconds \d{10}$/m);
  });

  test('bad reviews are answered, and the next good one too', async t => {
    const { port, identity, process } = await startWebhook(t);
    const bad: readonly [path: string, body: string, status: number, method?: string][] = [
      ['/inject', '{"apiVersion"', 400],
      ['/inject', '', 400],
      ['/inject', 'null', 400],
      ['/inject', '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"u"}}', 400],
      ['/inject', '['.repeat(100_000), 400],
      ['/inject', ' '.repeat(9 * 1024 * 1024), 413],
      ['/elsewhere', review({}), 404],
      ['/inject', '', 405, 'GET'],
    ];
    for (const [path, body, status, method] of bad) {
      // Whoever sends too much may find the connection closed before it has read why.
      const answer = await post(port, identity.cert, path, body, method ? { method } : {}).catch(() => undefined);
      if (answer || status !== 413) assert.equal(answer?.status, status, body.slice(0, 60));
    }
    const odd = {
      uid: 'u',
      kind: { kind: 'Pod' },
      operation: 'CREATE',
      object: { metadata: 7, spec: { containers: 'x', volumes: [1, null] } },
    };
    const answer = await post(
      port,
      identity.cert,
      '/inject/namespace',
      JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: odd }),
    );
    assert.equal(answer.status, 200);
    const good = await post(port, identity.cert, '/inject', review({ 'weir.dev/inject': 'true' }));
    assert.match(good.text, /JSONPatch/);
    assert.equal(process.hasExited(), false);
  });

  test('200 reviews a second, from eight connections', async t => {
    const { port, identity } = await startWebhook(t, ['--log-level', 'info']);
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    t.after(() => agent.destroy());
    const count = 600;
    const startMs = performance.now();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        const uid = `u-${next++}`;
        const { text } = await post(port, identity.cert, '/inject', review({ 'weir.dev/inject': 'true' }, uid), {
          agent,
        });
        assert.ok(text.includes(`"uid":"${uid}"`) && text.includes('JSONPatch'));
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    const perSecond = count / ((performance.now() - startMs) / 1_000);
    t.diagnostic(`${Math.round(perSecond)} reviews a second`);
    assert.ok(perSecond >= 200, `${perSecond} reviews a second`);
  });

  test('a new certificate is shown without a restart', async t => {
    const { port, cert, key, identity, process } = await startWebhook(t);
    const shown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
          resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
          socket.destroy();
        });
        socket.on('error', reject);
      });
    assert.equal(await shown(), new X509Certificate(identity.cert).fingerprint256);
    const next = selfSignedCertificate();
    writeFileSync(key, next.key);
    writeFileSync(cert, next.cert);
    const wanted = new X509Certificate(next.cert).fingerprint256;
    await waitFor('the new certificate', waitMs, async () => (await shown()) === wanted || undefined, [process]);
  });

  test('wrong flags are said before anything starts', async t => {
    const [node = '', ...script] = weirCommand;
    for (const [flags, words] of [
      [[], /--tls-cert and --tls-key, or --self-signed/],
      [['--tls-cert', 'x'], /belong together/],
      [['--self-signed'], /outside of a pod needs --namespace/],
      [['--tls-cert', 'x', '--tls-key', 'y', '--invalid', 'no'], /--invalid must be one of allow, deny/],
      [['--tls-cert', 'x', '--tls-key', 'y', '--default', 'imag=x'], /imag is unknown/],
    ] as const) {
      const process = await startProcess('weir webhook', node, [...script, 'webhook', ...flags]);
      t.after(() => process.stop());
      assert.equal(await process.exited, 2, flags.join(' '));
      assert.match(process.lastLines().join('\n'), words);
    }
  });
});

describe('a certificate of its own making', () => {
  const secretPath = '/api/v1/namespaces/weir-system/secrets/weir-webhook-tls';
  const configurationPath = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/weir';

  async function setUp(t: TestContext): Promise<FakeApiServer> {
    const api = await startFakeApiServer(t, folderOf(t));
    const webhook = (name: string): Data => ({ name, clientConfig: { service: { name: 'weir-webhook' } } });
    api.objects.set(configurationPath, { metadata: { resourceVersion: '1' }, webhooks: [webhook('a'), webhook('b')] });
    return api;
  }

  async function source(t: TestContext, { kubeconfig }: FakeApiServer) {
    const troubles: (string | undefined)[] = [];
    const log: string[] = [];
    const own = new SelfSignedSource(await ApiClient.create({ kubeconfig, context: undefined }), {
      namespace: 'weir-system',
      secret: 'weir-webhook-tls',
      configuration: 'weir',
      names: ['weir-webhook.weir-system.svc', '127.0.0.1'],
      log: ({ message }) => log.push(message),
      trouble: text => troubles.push(text),
    });
    t.after(() => own.close());
    const ready = (): Promise<ServingCertificate> => waitFor('a certificate', waitMs, () => own.current);
    return { own, troubles, log, ready };
  }

  /** The CA bundles of both webhooks. */
  function bundles({ objects }: FakeApiServer): string[] {
    const webhooks = objects.get(configurationPath)?.['webhooks'] as { clientConfig: { caBundle?: string } }[];
    return webhooks.map(({ clientConfig }) => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString());
  }

  test('is made, kept in the Secret, and trusted', async t => {
    const api = await setUp(t);
    const { cert } = await (await source(t, api)).ready();
    const own = new X509Certificate(cert);
    for (const bundle of bundles(api)) assert.ok(own.verify(new X509Certificate(bundle).publicKey));
    assert.ok(own.checkHost('weir-webhook.weir-system.svc') && own.checkIP('127.0.0.1'));
    assert.ok(api.objects.has(secretPath));
  });

  test('two replicas that start together have one', async t => {
    const api = await setUp(t);
    const replicas = [await source(t, api), await source(t, api)];
    const [one, other] = await Promise.all(replicas.map(({ ready }) => ready()));
    await waitFor('the same', waitMs, () => String(one?.cert) === String(other?.cert) || undefined);
    assert.equal(new Set(bundles(api)).size, 1);
  });

  test('one that ends soon is made anew, and the old CA is trusted beside the new one', async t => {
    const api = await setUp(t);
    const old = await makeSelfSigned(['weir-webhook.weir-system.svc', '127.0.0.1'], Date.now(), 100 * dayMs);
    const encoded = (text: string): string => Buffer.from(text).toString('base64');
    const data = { 'ca.crt': encoded(old.ca), 'tls.crt': encoded(old.cert), 'tls.key': encoded(old.key) };
    api.objects.set(secretPath, { metadata: { name: 'weir-webhook-tls', resourceVersion: '9' }, data });
    const { cert, notAfterMs } = await (await source(t, api)).ready();
    assert.ok(notAfterMs > Date.now() + 300 * dayMs);
    const [bundle = ''] = bundles(api);
    const trusted =
      bundle.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)?.map(one => new X509Certificate(one)) ?? [];
    assert.equal(trusted.length, 2);
    for (const one of [String(cert), old.cert]) {
      assert.ok(trusted.some(({ publicKey }) => new X509Certificate(one).verify(publicKey)));
    }
  });

  test('what somebody else wrote into the Secret is made anew', async t => {
    const api = await setUp(t);
    api.objects.set(secretPath, {
      metadata: { name: 'weir-webhook-tls', resourceVersion: '9' },
      data: { 'tls.crt': 'eA==' },
    });
    const { cert } = await (await source(t, api)).ready();
    assert.ok(new X509Certificate(cert).checkIP('127.0.0.1'));
  });

  test('what the API server refuses is told, once, and tried again', async t => {
    const api = await setUp(t);
    api.faults.set(`GET ${secretPath}`, 403);
    const { troubles, log, ready } = await source(t, api);
    await waitFor('two attempts', waitMs, () => api.requests.length >= 2 || undefined);
    assert.match(String(troubles[0]), /Secret weir-system\/weir-webhook-tls: the API server answered 403: a fault/);
    assert.equal(log.length, 1);
    api.faults.clear();
    await ready();
    await waitFor('the end of the trouble', waitMs, () => (troubles.at(-1) === undefined ? true : undefined));
    assert.doesNotMatch(log.join(), /token-of-the-webhook/);
  });
});
