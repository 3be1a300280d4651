import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { credentials as grpcCredentials, ServerCredentials } from '@grpc/grpc-js';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { bytes, message, nested, text } from '../../src/demo/proto.ts';
import { clusterType, listenerType, routeType, secretType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { clientCertificate, selfSignedCertificate, serverCertificate } from './certificate.ts';
import { weirCommand } from './envoy.ts';
import { meshResource } from './mesh-resources.ts';
import { decodeTestRequest, encodeNode, type TestResource } from './messages.ts';
import { RawClient, type RawClientOptions } from './raw-client.ts';
import { RawControlPlane, type UpstreamStream } from './raw-control-plane.ts';
import { SecretNeedles } from './secret-needles.ts';

const ways = ['mtls', 'plain', 'socket', 'token'] as const;
type Way = (typeof ways)[number];
/** Longest wait for one thing to happen, in ms. */
const waitMs = 15_000;
const filterType = 'networking.istio.io/v1alpha3/EnvoyFilter' as TypeUrl;
const ecKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const random = (size = 60): string => randomBytes(size).toString('base64url');
/** A token none of whose parts could be guessed, as people recognise one. */
const token = (): string => `${random()}.${random(90)}.${random(48)}`;

/** An agent with every kind of secret that it can meet, its control plane, and what it has printed so far. */
export class SecretWorld {
  readonly folder = makeFolder();
  readonly cacheDir = join(this.folder, 'cache');
  readonly needles = new SecretNeedles();
  readonly upstreamToken = token();
  readonly clientToken = token();
  readonly refusedToken = token();
  readonly reviewToken = token();
  readonly header = random();
  readonly sdsKey = ecKey();
  readonly genericSecret = random();
  readonly inlineKey = ecKey();
  readonly listenerKey = ecKey();
  readonly filterKey = ecKey();
  readonly secretsKey = randomBytes(32);
  readonly #context: TestContext;
  readonly #ca = selfSignedCertificate();
  readonly #own = clientCertificate(this.#ca, 'weir', ['spiffe://mesh/weir']);
  readonly #plane: RawControlPlane;
  readonly #resources: ReadonlyMap<string, readonly TestResource[]>;
  readonly #output: Buffer[] = [];
  #agent: ChildProcess | undefined;
  /** Addresses of the agent: mTLS, plain, a socket, TLS with tokens. */
  #listen: readonly string[] = [];
  /** Host and port of its admin pages. */
  admin = '';

  constructor(context: TestContext) {
    this.#context = context;
    context.after(() => removeFolder(this.folder));
    this.#plane = new RawControlPlane(context);
    this.#resources = this.#made();
    for (const [name, secret] of Object.entries({
      'the upstream token': this.upstreamToken,
      'a client’s token': this.clientToken,
      'a client’s refused token': this.refusedToken,
      'the token for reviews': this.reviewToken,
      'an upstream header': this.header,
      'a generic secret': this.genericSecret,
    })) {
      this.needles.addText(name, secret);
    }
    for (const [name, key] of Object.entries({
      'the SDS key': this.sdsKey,
      'the key inside a cluster': this.inlineKey,
      'the key inside a listener': this.listenerKey,
      'the key inside an EnvoyFilter': this.filterKey,
      'the upstream client key': this.#own.key,
      'the CA key': this.#ca.key,
    })) {
      this.needles.addKey(name, key);
    }
    this.needles.addBytes('the secrets key', this.secretsKey);
  }

  /** Types that it holds, and a name of each that has a secret in it. */
  get secretNames(): ReadonlyMap<TypeUrl, string> {
    return new Map([
      [secretType, 'tls'],
      [clusterType, 'keyed'],
      [listenerType, 'keyed'],
      [filterType, 'shop/keyed'],
    ]);
  }

  /** Everything that the agent has printed. */
  get output(): Buffer {
    return Buffer.concat(this.#output);
  }

  put(name: string, content: string | Buffer): string {
    const path = join(this.folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  /** Starts the control plane, the reviewer of tokens, and the agent. */
  async start(flags: Readonly<Record<string, string>> = {}): Promise<void> {
    const server = serverCertificate(this.#ca, ['localhost']);
    this.needles.addKey('the control plane’s key', server.key);
    const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) };
    this.#plane.authenticate = headers => {
      const said = String(headers.get('authorization')[0]);
      if (said === `Bearer ${this.upstreamToken}` && String(headers.get('x-key')[0]) === this.header) return undefined;
      return `not good: ${said} and ${String(headers.get('x-key')[0])}`;
    };
    this.#plane.opened = stream => this.#answer(stream);
    const credentials = ServerCredentials.createSsl(Buffer.from(this.#ca.cert), [pair], true);
    const address = await this.#plane.start('127.0.0.1:0', credentials);
    const tls = {
      cert: this.put('ca.pem', this.#ca.cert),
      key: this.put('listen.key', this.#ca.key),
      clientCa: join(this.folder, 'ca.pem'),
    };
    const { clientCa: _, ...plainTls } = tls;
    const listeners = [
      { address: '127.0.0.1:0', tls },
      { address: '127.0.0.1:0' },
      { address: `unix:${join(this.folder, 'xds.sock')}` },
      { address: '127.0.0.1:0', tls: plainTls, tokenReview: true },
    ];
    await this.run({
      upstream: `localhost:${address.split(':')[1]}`,
      'upstream-tls-ca': tls.cert,
      'upstream-tls-cert': this.put('own.pem', this.#own.cert),
      'upstream-tls-key': this.put('own.key', this.#own.key),
      'upstream-token-file': this.put('token', `${this.upstreamToken}\n`),
      'upstream-headers': `x-key=${this.header}`,
      listeners: JSON.stringify(listeners),
      admin: '127.0.0.1:0',
      'token-review-url': await this.#reviewer(),
      'token-review-ca': tls.cert,
      'token-review-token-file': this.put('review-token', this.reviewToken),
      'cache-dir': this.cacheDir,
      secrets: 'encrypted',
      'secrets-key-file': this.put('secrets.key', this.secretsKey),
      'node-sharing': 'shared',
      'reconnect-base': '50ms',
      'reconnect-max': '100ms',
      guard: 'hold',
      ...flags,
    });
  }

  /** Runs an agent with these settings until the test ends or {@link stop} is called. */
  async run(flags: Readonly<Record<string, string>>): Promise<void> {
    const [program = '', ...script] = weirCommand;
    const all = { 'log-format': 'json', 'log-level': 'trace', ...flags };
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn(program, [...script, 'run', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#agent = child;
    this.#context.after(() => child.kill('SIGKILL'));
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => this.#output.push(piece));
    const listening = await waitFor('the agent', waitMs, () => {
      if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}`);
      return this.logged('listening').at(-1);
    });
    this.#listen = listening['listen'] as string[]; // As it logs it.
    this.admin = String(listening['admin']);
  }

  /** Ends the agent, and waits until it has ended. */
  async stop(): Promise<void> {
    const child = this.#agent;
    assert.ok(child);
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    await closed;
  }

  /** Log lines whose message holds this. */
  logged(what: string): Record<string, unknown>[] {
    const lines = this.output.toString().split('\n');
    // The last one may not be whole yet.
    return lines.slice(0, -1).flatMap(line => {
      if (!line.startsWith('{')) return [];
      const read = JSON.parse(line) as Record<string, unknown>; // The agent was told to log JSON.
      return String(read['msg']).includes(what) ? [read] : [];
    });
  }

  /** Where clients of a kind connect. */
  listen(way: Way): string {
    return this.#listen[ways.indexOf(way)] ?? '';
  }

  /** A client by mTLS, plainly, over the socket, or with a token. */
  client(way: Way, options: RawClientOptions = {}): RawClient {
    const ca = Buffer.from(this.#ca.cert);
    const credentials =
      way === 'mtls'
        ? grpcCredentials.createSsl(ca, Buffer.from(this.#own.key), Buffer.from(this.#own.cert))
        : grpcCredentials.createSsl(ca);
    const isTls = way === 'mtls' || way === 'token';
    const address = this.listen(way).replace('127.0.0.1', 'localhost');
    return new RawClient(this.#context, address, 'delta', { ...(isTls && { credentials }), ...options });
  }

  /** Asks for everything as a client does. */
  async askForAll(client: RawClient, nodeId: string): Promise<void> {
    let isFirst = true;
    for (const [typeUrl, resources] of this.#resources) {
      const isByName = typeUrl === secretType || typeUrl === routeType;
      const names = isByName ? resources.map(one => one.name) : [];
      client.ask({ typeUrl, names, ...(isFirst && { node: encodeNode(nodeId) }) });
      isFirst = false;
    }
    await waitFor('an answer for each type', waitMs, () => {
      const answered = new Set(client.inbox.map(one => one.typeUrl));
      if (client.status) throw new Error(`the stream ended with ${client.status.code}: ${client.status.details}`);
      return [...this.#resources.keys()].every(typeUrl => answered.has(typeUrl)) || undefined;
    });
  }

  /** The control plane accepts no token from now on, says so with what it was shown, and ends its streams. */
  turnAway(): void {
    this.#plane.authenticate = headers => {
      const said = `${String(headers.get('authorization')[0])} ${String(headers.get('x-key')[0])}`;
      return `who is ${said}, or ${Buffer.from(said).toString('base64')}?`;
    };
    for (const { call } of this.#plane.openStreams) {
      call.emit('error', { code: 14, details: `leave, ${this.upstreamToken}` });
    }
  }

  /** All bytes of all files in the cache directory. */
  diskBytes(): Buffer {
    const files = readdirSync(this.cacheDir, { recursive: true, withFileTypes: true }).filter(one => one.isFile());
    return Buffer.concat(files.map(one => readFileSync(join(one.parentPath, one.name))));
  }

  #made(): ReadonlyMap<string, readonly TestResource[]> {
    const keyed = (name: string, key: string): TestResource => ({
      name,
      version: '1',
      body: message(text(1, name), nested(24, text(1, 'tls'), nested(2, bytes(1, Buffer.from(key))))),
    });
    const harmless: TestResource = { name: 'harmless', version: '1', body: message(text(1, 'harmless')) };
    const secret = (name: string, body: Buffer): TestResource => ({ name, version: '1', body });
    const inFilter = { configPatches: [{ applyTo: 'CLUSTER', patch: { value: { key: this.filterKey } } }] };
    return new Map<string, readonly TestResource[]>([
      [clusterType, [keyed('keyed', this.inlineKey), harmless]],
      [listenerType, [keyed('keyed', JSON.stringify({ key: this.listenerKey })), harmless]],
      [routeType, [harmless]],
      [
        secretType,
        [
          secret('tls', message(text(1, 'tls'), nested(2, nested(2, text(2, this.sdsKey))))),
          secret('generic', message(text(1, 'generic'), nested(5, nested(1, text(2, this.genericSecret))))),
        ],
      ],
      [filterType, [meshResource(filterType, 'shop/keyed', inFilter), meshResource(filterType, 'shop/harmless', {})]],
    ]);
  }

  #answer(stream: UpstreamStream): void {
    stream.call.on('data', (buffer: Buffer) => {
      const { typeUrl, nonce } = decodeTestRequest(buffer, stream.variant);
      const resources = this.#resources.get(typeUrl);
      if (resources && nonce === '') this.#plane.respond(stream, typeUrl, { resources });
    });
  }

  /** A Kubernetes API server that accepts one token, and quotes each that it does not accept. */
  async #reviewer(): Promise<string> {
    const server = createServer({ cert: this.#ca.cert, key: this.#ca.key }, (request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const said = JSON.parse(Buffer.concat(pieces).toString()).spec.token as string; // As the agent asks.
        const user = { username: 'system:serviceaccount:shop:cart' };
        const good = { authenticated: true, user };
        response.statusCode = 201;
        const status =
          said === this.clientToken ? good : { authenticated: false, error: `no ${said} for ${this.reviewToken}` };
        response.end(JSON.stringify({ status }));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#context.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return `https://localhost:${(server.address() as AddressInfo).port}`; // It listens on TCP.
  }
}
