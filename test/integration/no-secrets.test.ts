import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { credentials, Client as GrpcClient, status } from '@grpc/grpc-js';
import { waitFor } from '../../src/demo/processes.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { type AdminPlace, adminPage } from '../support/admin-pages.ts';
import type { RawClient } from '../support/raw-client.ts';
import { SecretNeedles } from '../support/secret-needles.ts';
import { SecretWorld } from '../support/secret-world.ts';
import { printedBy, type WeirCommand, weirCommands } from '../support/weir-commands.ts';

// No secret and no token in any output: everything that an agent prints, serves to people or writes is searched for everything that it must
// keep to itself. Pages and commands are found by the program's own lists, so that one that is added is searched, too.

const waitMs = 15_000;
/** A page that goes on is read until it says nothing for so long, and a command for so long, in ms. */
const quietMs = 300;
const longestMs = 4_000;

/** Outputs by where they are from. */
type Outputs = Map<string, Buffer>;

/** Commands that have nothing to do with a running agent, or need what a test of their own gives them. */
const apart = new Set(['run', 'demo', 'source', 'replay', 'bootstrap envoy', 'bootstrap grpc', 'drain', 'cache purge']);
/** Pages that end what the others need. */
const last = new Set(['/drain', '/cache/purge']);

/** Every page of an agent with whatever its query may ask for, those that change something included. */
async function readPages(world: SecretWorld, place: AdminPlace, outputs: Outputs): Promise<string[]> {
  const { body } = await adminPage(place, '/');
  const pages = [...body.toString().matchAll(/^(\/\S*) +(.*)$/gm)].map(([, path = '', what = '']) => ({ path, what }));
  const queries = ['', '?format=json&history&level=trace', '?type=nothing'];
  for (const [typeUrl, name] of world.secretNames) {
    const type = encodeURIComponent(typeUrl);
    queries.push(`?type=${type}&clients&bodies`, `?type=${type}&name=${name}&bodies&clients&history`);
  }
  const label = 'host' in place ? 'TCP' : 'socket';
  for (const { path, what } of pages) {
    if (last.has(path)) continue;
    const method = /; POST/.test(what) ? 'POST' : 'GET';
    for (const query of queries) {
      const answer = await adminPage(place, path + query, method, quietMs);
      outputs.set(`${method} ${path}${query} over ${label}: ${answer.status}`, answer.body);
    }
  }
  return pages.map(({ path }) => path);
}

/** Ways to call a command: with as little and with as much as its usage names. */
function callsOf(command: WeirCommand, world: SecretWorld): string[][] {
  const { words, flags } = command;
  const place = flags.includes('--cache-dir') ? ['--cache-dir', world.cacheDir] : [];
  const key = flags.includes('--secrets-key-file') ? ['--secrets-key-file', join(world.folder, 'secrets.key')] : [];
  const out = flags.includes('--out') ? ['--out', '-'] : [];
  const end = words[0] === 'record' ? ['--for', '1s'] : [];
  const fixed = [...words, ...place, ...key, ...out, ...end];
  const values = [...world.secretNames].map(([type, name]) =>
    command.arguments.map(argument => {
      if (/TYPE/.test(argument)) return type;
      if (/FILE/.test(argument)) return join(world.folder, 'secrets.key');
      return /LEVEL/.test(argument) ? 'trace' : name;
    }),
  );
  const isOptional = command.arguments.every(argument => argument.startsWith('['));
  const given = [...(isOptional ? [[]] : []), ...new Map(values.map(one => [one.join(' '), one])).values()];
  const formats = command.formats.length > 0 ? command.formats.map(format => ['-o', format]) : [[]];
  return given.flatMap(one => formats.map(format => [...fixed, ...one, ...format]));
}

async function runCommands(world: SecretWorld, outputs: Outputs, group?: string): Promise<string[]> {
  const all = (await weirCommands()).filter(({ words }) => !apart.has(words.join(' ')));
  const commands = all.filter(({ words }) => group === undefined || words[0] === group);
  for (const command of commands) {
    for (const call of callsOf(command, world)) {
      outputs.set(
        `weir ${call.join(' ')}${group === undefined ? '' : ', without an agent'}`,
        await printedBy(call, { WEIR_ADMIN: world.admin }, longestMs),
      );
    }
  }
  return commands.map(({ words }) => words.join(' '));
}

/** What the services beside discovery answer. */
async function askServices(t: TestContext, address: string, outputs: Outputs): Promise<void> {
  const client = new GrpcClient(address, credentials.createInsecure());
  t.after(() => client.close());
  const asIs = (buffer: Buffer): Buffer => buffer;
  const path = '/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus';
  const answer = await new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), (error, buffer) =>
      error || !buffer ? reject(error) : resolve(buffer),
    );
  });
  assert.ok(answer.includes('harmless'), 'CSDS tells what clients have');
  outputs.set('CSDS', answer);
}

/** A client rejects everything, and quotes it whole. */
async function rejectAll(world: SecretWorld, client: RawClient): Promise<void> {
  await world.askForAll(client, 'rejecting');
  for (const { typeUrl, nonce, resources } of client.inbox) {
    const error = `bad: ${resources.map(one => one.body.toString('utf8')).join(' and ')}`;
    client.ask({ typeUrl, nonce, error });
  }
  await waitFor('its words', waitMs, () => world.logged('client rejected').length >= 3 || undefined);
}

function leaksIn(needles: SecretNeedles, outputs: Outputs): string[] {
  return [...outputs].flatMap(([where, output]) => needles.foundIn(output).map(what => `${where}: ${what}`));
}

describe('no secret in any output', { concurrency: 1 }, () => {
  test('whoever searches finds a secret in every form that it is printed in', () => {
    const needles = new SecretNeedles();
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    const sec1 = key.export({ type: 'sec1', format: 'der' });
    const token = randomBytes(60).toString('base64url');
    needles.addKey('key', pem);
    needles.addText('token', token);
    const forms: (string | Buffer)[] = [
      pem,
      JSON.stringify(pem),
      JSON.stringify({ list: [JSON.stringify({ pem })] }),
      pem.replaceAll('\n', ''),
      sec1,
      sec1.toString('hex'),
      JSON.stringify(Buffer.concat([Buffer.from('ab'), sec1]).toString('base64')),
      Buffer.from(` ${pem}`).toString('base64'),
      JSON.stringify(sec1.subarray(7)),
      `token ${token.slice(0, 50)}…`,
      Buffer.from(`Bearer ${token}`).toString('base64url'),
      Buffer.from(token).toString('hex').toUpperCase(),
    ];
    for (const form of forms) assert.notDeepEqual(needles.foundIn(Buffer.from(form)), [], String(form));
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    assert.deepEqual(needles.foundIn(Buffer.from(other.export({ type: 'pkcs8', format: 'pem' }))), []);
  });

  test('R104: an agent with keys, certificates and tokens on every side', async t => {
    const world = new SecretWorld(t);
    const outputs: Outputs = new Map();
    await world.start();
    const client = world.client('mtls');
    await world.askForAll(client, 'mtls');
    assert.notDeepEqual(
      world.needles.foundIn(Buffer.concat(client.inbox.flatMap(one => one.resources.map(each => each.body)))),
      [],
      'clients are given the keys',
    );
    await world.askForAll(world.client('token', { token: world.clientToken }), 'token');
    const refused = world.client('token', { token: world.refusedToken });
    refused.ask({ typeUrl: clusterType, nodeId: 'refused' });
    assert.equal((await refused.ended()).code, status.UNAUTHENTICATED);
    outputs.set('what a refused client is told', Buffer.from(refused.status?.details ?? ''));
    await rejectAll(world, world.client('socket', { acks: false }));
    await askServices(t, world.listen('plain'), outputs);
    const places = [{ host: world.admin }, { cacheDir: world.cacheDir }];
    for (const place of places) {
      const pages = await readPages(world, place, outputs);
      assert.ok(pages.includes('/resources') && pages.includes('/record'), pages.join());
    }
    const held = outputs.get(`GET /resources?type=${encodeURIComponent(clusterType)}&clients&bodies over socket: 200`);
    assert.ok(held?.includes('"body"') && held.includes('"withheld"'), 'bodies are shown but those with keys');
    const commands = await runCommands(world, outputs);
    assert.ok(commands.includes('cache ls') && commands.includes('log-level'), commands.join());
    world.turnAway();
    await waitFor('the outage', waitMs, () => world.logged('who is').at(-1));
    for (const place of places) await readPages(world, place, outputs);
    await world.stop();
    await runCommands(world, outputs, 'cache');
    const disk = world.diskBytes();
    assert.ok(disk.includes('harmless'), 'the rest is on disk');
    outputs.set('the cache directory', disk);
    outputs.set('the log', world.output);
    assert.deepEqual(leaksIn(world.needles, outputs), []);
  });

  test('files and settings that are wrong are not quoted', async t => {
    const world = new SecretWorld(t);
    const { needles } = world;
    const secret = (name: string): string => {
      const text = randomBytes(45).toString('base64url');
      needles.addText(name, text);
      return text;
    };
    const file = (name: string, around = (text: string): string => text): string =>
      world.put(name, around(secret(name)));
    const outputs: Outputs = new Map();
    const ask = async (args: readonly string[], variables: Record<string, string> = {}): Promise<void> => {
      const printed = await printedBy(args, variables, longestMs);
      assert.ok(printed.length > 0, `${args.join(' ')} says what is wrong`);
      outputs.set(`${args.join(' ')} ${Object.keys(variables).join()}`, printed);
    };
    const base = ['--upstream', '127.0.0.1:1', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
    const cacheDir = join(world.folder, 'wrong');
    const wrongKey = ['--cache-dir', cacheDir, '--secrets', 'encrypted', '--secrets-key-file', file('no-key')];
    const pem = (text: string): string => `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----\n`;
    const settings: readonly (readonly [readonly string[], Record<string, string>?])[] = [
      [wrongKey],
      [['--cache-dir', cacheDir, '--secrets', 'encrypted'], { WEIR_SECRETS_KEY: secret('a key that is none') }],
      [['--upstream-headers', `x-key:${secret('a header without its sign')}`]],
      [['--upstream-headers', `x-key=ä${secret('a header that is no ASCII')}`]],
      [[], { WEIR_UPSTREAM_HEADERS: secret('headers that are none') }],
      [[], { WEIR_UPSTREAM_TOKEN: secret('a token in a variable that there is not') }],
      [['--upstream', `https://user:${secret('a password')}@cp:1`]],
      [['--listeners', `[{"address":"127.0.0.1:0","token":"${secret('a token in a list')}"}]`]],
      [['--seed', `https://user:${secret('the password of a seed')}@127.0.0.1:1/seed?sig=${secret('a signature')}`]],
      [['--seed-headers', `authorization ${secret('headers of a seed')}`]],
    ];
    for (const [args, variables] of settings) {
      await ask(['validate', ...base, ...args], variables);
      await ask(['run', ...base, ...args], variables);
    }
    const yaml = world.put(
      'weir.yaml',
      `upstreamToken: ${secret('a token in a file')}\nupstreamHeaders: [${secret('x')}\n`,
    );
    await ask(['validate', '--config', yaml]);
    for (const [flag, path] of [
      ['--sign-key', file('sign-key', pem)],
      ['--sign-key', file('sign-key-bare')],
      ['--encrypt-key', file('encrypt-key')],
    ] as const) {
      await ask(['cache', 'export', '--cache-dir', cacheDir, '--out', '-', flag, path]);
    }
    await ask(['cache', 'verify', '--cache-dir', cacheDir, '--secrets-key-file', file('verify-key')]);
    assert.deepEqual(leaksIn(needles, outputs), []);
  });

  test('neither are a key and a token that turn out to be none when they are used', async t => {
    const secret = randomBytes(45).toString('base64url');
    const broken = `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`;
    for (const [name, content] of [
      ['upstream-token-file', `${secret}\u0001\n${secret}\n`],
      ['upstream-tls-key', broken],
      ['token-review-token-file', `${secret}\u0001`],
      ['secrets-key-file', secret],
    ] as const) {
      const world = new SecretWorld(t);
      world.needles.addText('what is in the file', secret);
      const outputs: Outputs = new Map();
      const starting = world.start({ [name]: world.put(`wrong-${name}`, content) });
      if (name === 'secrets-key-file') await assert.rejects(starting, /the agent ended with [12]/);
      else {
        await starting;
        const client = world.client('token', { token: world.clientToken });
        client.ask({ typeUrl: clusterType, nodeId: 'node' });
        if (name === 'token-review-token-file') await client.ended();
        else await waitFor('the trouble', waitMs, () => world.logged('control plane').find(isTrouble));
        outputs.set('a client', Buffer.from(JSON.stringify(client.status ?? '')));
        await readPages(world, { host: world.admin }, outputs);
        await world.stop();
      }
      outputs.set('the log', world.output);
      assert.deepEqual(leaksIn(world.needles, outputs), [], name);
    }
  });
});

const isTrouble = ({ level }: Record<string, unknown>): boolean => level === 'warn' || level === 'error';
