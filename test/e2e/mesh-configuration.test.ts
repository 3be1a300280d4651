import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { readMeshResource } from '../../src/istio/mesh-resource.ts';
import { IstiodClient } from '../support/istiod-client.ts';
import { LineProcess } from '../support/line-process.ts';
import { buildPeers } from '../support/peers.ts';
import { RawClient } from '../support/raw-client.ts';
import { SourceProcess, WeirProcess } from '../support/weir-process.ts';

// A folder of manifests, `weir source`, `weir run`, and clients that ask as istiod does: one of grpc-js and one of gRPC-Go.

const services = 'networking.istio.io/v1/VirtualService';
const namespaces = 50;
const perNamespace = 20;

const manifest = (name: string, host: string): string =>
  [
    'apiVersion: networking.istio.io/v1',
    'kind: VirtualService',
    `metadata: {name: ${name}}`,
    'spec:',
    `  hosts: [${host}]`,
    '  http:',
    '  - route:',
    `    - destination: {host: ${host}, port: {number: 8080}}`,
    '---',
    '',
  ].join('\n');

/** A folder with 1,000 VirtualServices in 50 namespaces, a file for each namespace, and the configuration of the mesh. */
function meshFolder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-mesh-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  for (let at = 0; at < namespaces; at++) writeNamespace(directory, at, perNamespace);
  writeFileSync(join(directory, 'mesh.yaml'), 'rootNamespace: istio-system\naccessLogFile: /dev/stdout\n');
  return directory;
}

/** As an editor does it: a new file takes the place of the old one. */
function writeNamespace(directory: string, at: number, count: number, host = 'a.example'): void {
  const docs = Array.from({ length: count }, (_, index) =>
    manifest(`vs-${index}`, host).replace('{name:', `{namespace: ns-${at}, name:`),
  );
  const path = join(directory, `ns-${at}.yaml`);
  writeFileSync(`${path}.new`, docs.join(''));
  renameSync(`${path}.new`, path);
}

interface Chain {
  readonly source: SourceProcess;
  readonly sourceAddress: string;
  readonly weir: WeirProcess;
  readonly address: string;
  readonly cacheDir: string;
  readonly directory: string;
}

async function startWeir(
  context: TestContext,
  upstream: string,
  cacheDir: string,
  flags: Readonly<Record<string, string>> = {},
) {
  const weir = new WeirProcess(context, { upstream, 'cache-dir': cacheDir, 'node-sharing': 'shared', ...flags });
  const { listen } = await weir.line(/^listening$/);
  assert.ok(Array.isArray(listen));
  return { weir, address: String(listen[0]) };
}

async function startChain(context: TestContext, flags: Readonly<Record<string, string>> = {}): Promise<Chain> {
  const directory = meshFolder(context);
  const source = new SourceProcess(context, { from: directory });
  const { listen } = await source.line(/^serving mesh configuration$/);
  assert.ok(Array.isArray(listen));
  const sourceAddress = String(listen[0]);
  const cacheDir = mkdtempSync(join(tmpdir(), 'weir-cache-'));
  context.after(() => rmSync(cacheDir, { recursive: true, force: true }));
  return { source, sourceAddress, directory, cacheDir, ...(await startWeir(context, sourceAddress, cacheDir, flags)) };
}

const hostOf = (body: Buffer | undefined): string =>
  body?.includes('b.example') ? 'b' : body?.includes('a.example') ? 'a' : '';

describe('mesh configuration', () => {
  test('from a folder to istiod: ready within a second, changes and deletions arrive, and the rest is not sent again', async context => {
    const chain = await startChain(context);
    const istiod = new IstiodClient(context, chain.address);
    const readyMs = await istiod.ready();
    context.diagnostic(`ready after ${Math.round(readyMs)} ms`);
    assert.ok(readyMs < 1_000, `ready after ${Math.round(readyMs)} ms`);
    assert.equal(istiod.names(services).length, namespaces * perNamespace);
    assert.equal(istiod.held.get(meshConfigTypeUrl)?.size, 1);
    const before = new Map(istiod.messages);
    writeNamespace(chain.directory, 7, perNamespace, 'b.example');
    await istiod.until('a change', services, held => hostOf(held.get('ns-7/vs-3')) === 'b');
    writeNamespace(chain.directory, 7, 5, 'b.example');
    await istiod.until('a deletion', services, held => held.size === namespaces * perNamespace - 15);
    mkdirSync(join(chain.directory, 'more'));
    writeFileSync(join(chain.directory, 'more', 'gateway.yaml'), gateway);
    await istiod.until('an addition', 'networking.istio.io/v1/Gateway', held => held.has('ns-1/gw'));
    for (const [typeUrl, count] of istiod.messages) {
      if (![services, 'networking.istio.io/v1/Gateway'].includes(typeUrl))
        assert.equal(count, before.get(typeUrl), typeUrl);
    }
    const body = istiod.held.get('networking.istio.io/v1/Gateway')?.get('ns-1/gw');
    assert.ok(body);
  });

  test('a bad file keeps what was good, and the source says file and line', async context => {
    const chain = await startChain(context);
    const istiod = new IstiodClient(context, chain.address);
    await istiod.ready();
    writeFileSync(join(chain.directory, 'ns-3.yaml'), `${manifest('vs-0', 'c.example').replace('hosts:', 'hots:')}`);
    const line = await chain.source.line(/ns-3\.yaml:\d+/);
    assert.match(String(line['msg']), /ns-3\.yaml:5: .*hots.*hosts/);
    writeNamespace(chain.directory, 4, perNamespace, 'b.example');
    await istiod.until('a later change', services, held => hostOf(held.get('ns-4/vs-0')) === 'b');
    assert.equal(istiod.names(services).length, namespaces * perNamespace);
    assert.equal(hostOf(istiod.held.get(services)?.get('ns-3/vs-0')), 'a');
  });

  test('the source killed and Weir restarted: istiod is ready from disk, also as another pod, and hears of what comes later', async context => {
    const chain = await startChain(context, { 'node-sharing': 'refuse' });
    const first = new IstiodClient(context, chain.address);
    await first.ready();
    writeNamespace(chain.directory, 1, perNamespace, 'b.example');
    await first.until('a change', services, held => hostOf(held.get('ns-1/vs-0')) === 'b');
    await chain.source.kill();
    first.raw.close();
    await chain.weir.stop();
    const again = await startWeir(context, chain.sourceAddress, chain.cacheDir, { 'node-sharing': 'refuse' });
    const istiod = new IstiodClient(context, again.address, { pod: 'istiod-1' });
    const readyMs = await istiod.ready();
    context.diagnostic(`ready from disk after ${Math.round(readyMs)} ms`);
    assert.ok(readyMs < 1_000, `ready after ${Math.round(readyMs)} ms`);
    assert.equal(istiod.names(services).length, namespaces * perNamespace);
    assert.equal(hostOf(istiod.held.get(services)?.get('ns-1/vs-0')), 'b');
    assert.deepEqual(istiod.held.get(meshConfigTypeUrl), first.held.get(meshConfigTypeUrl));
    rmSync(join(chain.directory, 'ns-2.yaml'));
    const source = new SourceProcess(context, { from: chain.directory, listen: chain.sourceAddress });
    await source.line(/^serving mesh configuration$/);
    await istiod.until('what was deleted meanwhile', services, held => held.size === (namespaces - 1) * perNamespace);
  });

  test('a proxy of one namespace is given its own and the root, and names of others are refused', async context => {
    const chain = await startChain(context, { 'node-sharing': 'stream-per-node' });
    writeFileSync(
      join(chain.directory, 'root.yaml'),
      manifest('shared', 'a.example').replace('{name:', '{namespace: istio-system, name:'),
    );
    const all = new IstiodClient(context, chain.address);
    await all.until('the root namespace', services, held => held.has('istio-system/shared'));
    const proxy = new IstiodClient(context, chain.address, { namespace: 'ns-9', pod: 'app' });
    await proxy.ready();
    const own = Array.from({ length: perNamespace }, (_, at) => `ns-9/vs-${at}`);
    assert.deepEqual(proxy.names(services), [...own, 'istio-system/shared'].sort());
    const asking = new RawClient(context, chain.address, 'delta');
    asking.ask({ typeUrl: services, nodeId: 'sidecar~10.0.0.7~app.ns-9~ns-9.svc.cluster.local', names: ['ns-8/vs-0'] });
    const { errors, resources } = await asking.next();
    assert.deepEqual([errors?.map(({ name, code }) => [name, code]), resources], [[['ns-8/vs-0', 7]], []]);
  });

  test('what arrives is what was written', async context => {
    const chain = await startChain(context);
    const delta = new RawClient(context, chain.address, 'delta');
    delta.ask({ typeUrl: services, nodeId: 'plain', names: ['ns-5/vs-5'] });
    const { resources } = await delta.next();
    const [one] = resources;
    assert.ok(one && one.version !== '');
    const any = Buffer.concat([lengthDelimited(1, Buffer.from(one.anyType ?? '')), lengthDelimited(2, one.body)]);
    const read = readMeshResource(services, any);
    assert.ok(!('error' in read), 'error' in read ? read.error : '');
    assert.deepEqual(
      [read.metadata.namespace, read.metadata.name, read.metadata.version],
      ['ns-5', 'vs-5', one.version],
    );
    assert.deepEqual(read.spec, {
      hosts: ['a.example'],
      http: [{ route: [{ destination: { host: 'a.example', port: { number: 8080 } } }] }],
    });
  });

  test('gRPC-Go, asking as istiod does, holds the same, directly and through Weir', async context => {
    const peers = buildPeers();
    if ('missing' in peers) {
      context.skip(peers.missing);
      return;
    }
    const chain = await startChain(context);
    const go = (address: string) =>
      new LineProcess(context, 'mcp-client', [peers.program, 'mcp-client', '--address', address]);
    const [direct, through] = [go(chain.sourceAddress), go(chain.address)];
    for (const client of [direct, through])
      await client.line('ready', line => (at(line, 'ready') === true ? true : undefined));
    const readyMs = await through.line('ready', line =>
      at(line, 'ready') === true ? Number(at(line, 'ms')) : undefined,
    );
    context.diagnostic(`gRPC-Go ready after ${readyMs} ms`);
    assert.ok(readyMs < 1_000);
    const hashes = [direct, through].map(
      ({ lines }) =>
        new Map(
          lines.flatMap(line => (at(line, 'type') ? [[String(at(line, 'type')), at(line, 'hash')] as const] : [])),
        ),
    );
    assert.equal(hashes[0]?.size, 16);
    assert.deepEqual(hashes[0], hashes[1], 'byte for byte');
    const seen = through.lines.length;
    rmSync(join(chain.directory, 'ns-0.yaml'));
    const isShorter = (line: unknown): true | undefined => {
      const names = at(line, 'names');
      return at(line, 'type') === services && Array.isArray(names) && names.length === 980 ? true : undefined;
    };
    await through.line('a deletion', isShorter, seen);
  });
});

const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {namespace: ns-1, name: gw}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
`;

function at(line: unknown, key: string): unknown {
  return typeof line === 'object' && line !== null ? Object.getOwnPropertyDescriptor(line, key)?.value : undefined;
}

function lengthDelimited(field: number, payload: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = payload.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), payload]);
}
