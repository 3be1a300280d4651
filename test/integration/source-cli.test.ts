import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { clientCertificate, selfSignedCertificate } from '../support/certificate.ts';
import { IstiodClient } from '../support/istiod-client.ts';
import { runWeir, SourceProcess, WeirProcess } from '../support/weir-process.ts';

const service = (name: string, spec = '{hosts: [a.example]}'): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {namespace: a, name: ${name}}\nspec: ${spec}\n`;

function folder(context: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-source-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}

describe('weir source', () => {
  test('names everything that is wrong with its options at once', async () => {
    const { status, stdout, stderr } = await runWeir([
      ...['source', '--from', 'kubernetes', '--listen', '0.0.0.0:1', '--kind', 'VirtualServices', '--kind', 'Gatway'],
      ...['--tls-cert', 'x', '--context', 'c', '--resync', 'soon', '--log-level', 'loud'],
    ]);
    assert.deepEqual([status, stdout], [2, '']);
    for (const what of [
      /--listen 0\.0\.0\.0:1 can be reached from outside: .*--tls-client-ca/,
      /--kind Gatway is no kind of Istio’s; did you mean Gateway\?/,
      /--tls-cert and --tls-key belong together/,
      /--context needs --kubeconfig/,
      /--namespace or --all-namespaces says what is read/,
      /--resync /,
      /--log-level /,
    ])
      assert.match(stderr, what);
    assert.match((await runWeir(['source'])).stderr, /--from says what is read/);
    assert.match(
      (await runWeir(['source', '--from', '/x', '--kind', 'Gateway'])).stderr,
      /--kind needs --from kubernetes/,
    );
  });

  test('--check says what is wrong in a folder, with file and line, in words and as JSON', async context => {
    const directory = folder(context, { 'good.yaml': service('x'), 'bad.yaml': service('y', '\n  hots: [a]') });
    const text = await runWeir(['source', '--from', directory, '--check']);
    assert.equal(text.status, 2);
    assert.match(text.stderr, /bad\.yaml:5: VirtualService a\/y: spec\.hots is no field/);
    assert.match(text.stdout, /problems 1\n$/);
    const json = await runWeir(['source', '--from', directory, '--check', '-o', 'json']);
    const { problems, counts } = JSON.parse(json.stdout);
    assert.deepEqual([problems.length, problems[0].line, counts.resources], [1, 5, 1]);
    rmSync(join(directory, 'bad.yaml'));
    assert.equal((await runWeir(['source', '--from', directory, '--check'])).status, 0);
    assert.equal((await runWeir(['source', '--from', join(directory, 'none'), '--check'])).status, 2);
  });

  test('its health pages say what is read and what is not, and it ends in good order', async context => {
    const directory = join(folder(context, {}), 'later');
    const source = new SourceProcess(context, { from: directory, health: '127.0.0.1:0', rescan: '100ms' });
    const { health } = await source.line(/^serving mesh configuration$/);
    assert.ok(Array.isArray(health));
    const page = async (path: string): Promise<{ status: number; body: string }> => {
      const response = await fetch(`http://${health[0]}${path}`);
      return { status: response.status, body: await response.text() };
    };
    assert.equal((await page('/healthz/live')).status, 200);
    const before = await page('/healthz/ready');
    assert.equal(before.status, 503);
    assert.match(before.body, /never read: .*VirtualService.*later/s);
    mkdirSync(directory);
    writeFileSync(join(directory, 'x.yaml'), service('x'));
    await source.line(/VirtualService: 1 read/);
    await source.line(/MeshConfig/);
    assert.equal((await page('/healthz/ready')).status, 200);
    const { kinds, troubles } = JSON.parse((await page('/status')).body);
    const found = kinds.find((one: { kind: string }) => one.kind === 'VirtualService');
    assert.deepEqual([found, troubles], [{ kind: 'VirtualService', isKnown: true, resources: 1 }, []]);
    assert.match((await page('/metrics')).body, /^weir_source_resources\{kind="VirtualService"\} 1$/m);
    assert.equal((await page('/nothing')).status, 404);
    await source.stop();
  });

  test('serves a socket, and over mTLS an agent that proves who it is', async context => {
    const ca = selfSignedCertificate();
    const proof = clientCertificate(ca, 'weir', ['spiffe://cluster.local/ns/istio-mcp/sa/weir']);
    const files = {
      'ca.pem': ca.cert,
      'tls.crt': ca.cert,
      'tls.key': ca.key,
      'weir.crt': proof.cert,
      'weir.key': proof.key,
    };
    const keys = folder(context, files);
    const mesh = folder(context, { 'x.yaml': service('x') });
    const source = new SourceProcess(context, {
      from: mesh,
      listen: `127.0.0.1:0,unix:${join(keys, 's.sock')}`,
      'tls-cert': join(keys, 'tls.crt'),
      'tls-key': join(keys, 'tls.key'),
      'tls-client-ca': join(keys, 'ca.pem'),
    });
    const { listen } = await source.line(/^serving mesh configuration$/);
    assert.ok(Array.isArray(listen));
    const direct = new IstiodClient(context, String(listen[1]));
    await direct.ready();
    const weir = new WeirProcess(context, {
      upstream: String(listen[0]),
      'upstream-tls-ca': join(keys, 'ca.pem'),
      'upstream-tls-cert': join(keys, 'weir.crt'),
      'upstream-tls-key': join(keys, 'weir.key'),
    });
    const { listen: addresses } = await weir.line(/^listening$/);
    assert.ok(Array.isArray(addresses));
    const istiod = new IstiodClient(context, String(addresses[0]));
    await istiod.ready();
    assert.deepEqual(istiod.held, direct.held);
    const stranger = new WeirProcess(context, { upstream: String(listen[0]), 'upstream-tls-ca': join(keys, 'ca.pem') });
    const { listen: own } = await stranger.line(/^listening$/);
    assert.ok(Array.isArray(own));
    new IstiodClient(context, String(own[0]));
    await stranger.line(/certificate required|handshake|refused|alert/i);
  });
});
