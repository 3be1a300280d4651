import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { parse } from 'yaml';
import { flagOf, settingSpecs } from '../../src/agent/settings.ts';
import { stopOnSignals } from '../../src/cli/commands/run.ts';
import { weirCommand } from '../support/envoy.ts';

const [node = '', ...script] = weirCommand;
// What the caller has set for Weir must not reach the processes under test.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WEIR_')));

/** Runs a command to its end. */
function weir(args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const env = { ...environment, ...variables };
  const { status, stdout, stderr } = spawnSync(node, [...script, ...args], { encoding: 'utf8', env, timeout: 30_000 });
  return { status, stdout, stderr };
}

test('help has a page for each command, the run page a flag for each setting', () => {
  const help = weir(['--help']);
  assert.equal(help.status, 0);
  for (const command of ['run', 'demo', 'validate', 'bootstrap', 'proxy-config\\|pc'])
    assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
  assert.match(help.stdout, /^Examples:\n {2}weir demo/m);
  assert.equal(help.stdout.includes('\u001b'), false, 'colours belong on a terminal only');
  for (const args of [
    ['proxy-config', 'mcp'],
    ['pc', 'mcp'],
    ['cache', 'ls'],
  ]) {
    const page = weir([...args, '--help']);
    assert.equal(page.status, 0);
    assert.match(page.stdout, /^ {2}TYPE +[\s\S]*VirtualService/m);
    assert.match(page.stdout, /^Examples:\n {2}weir (proxy-config mcp|cache ls) /m);
  }
  const run = weir(['run', '--help']);
  assert.equal(run.status, 0);
  for (const { key, isEnvironmentOnly } of settingSpecs) {
    assert.equal(run.stdout.includes(`${flagOf(key)} <`), !isEnvironmentOnly, flagOf(key));
  }
  assert.match(weir(['--version']).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('a reader who has seen enough ends a command in silence, output that cannot be written is told', () => {
  const { status, stdout, stderr } = spawnSync(
    '/bin/sh',
    ['-c', `"$@" bootstrap envoy | true; "$@" bootstrap envoy > /dev/full`, 'sh', ...weirCommand],
    { encoding: 'utf8', env: environment, timeout: 30_000 },
  );
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /^weir: cannot write to standard output: ENOSPC[^\n]*\n$/);
});

test('what is unknown ends with 2 and the nearest right word', () => {
  const wrong: [args: string[], why: RegExp][] = [
    [['rn'], /unknown command 'rn'\n.*run/],
    [['run', '--upstrem', 'a:1'], /unknown option '--upstrem'\n.*--upstream/],
    [['run', '--upstream', 'a:1', 'extra'], /too many arguments/],
    [['bootstrap', 'envoi'], /unknown command 'envoi'\n.*envoy/],
    [['bootstrap', 'envoy', '--formt', 'json'], /unknown option '--formt'\n.*--format/],
  ];
  for (const [args, why] of wrong) {
    const { status, stdout, stderr } = weir(args);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.match(stderr, why);
  }
});

test('run without a control plane ends with 2 and says what to set', () => {
  const { status, stderr } = weir(['run']);
  assert.equal(status, 2);
  assert.equal(stderr.match(/\n/g)?.length, 1);
  assert.match(stderr, /^weir: no control plane is given: set --upstream .*WEIR_UPSTREAM/);
});

test('validate lists all problems of file, environment and flags, as text or as JSON', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-cli-'));
  try {
    const path = join(folder, 'weir.yaml');
    writeFileSync(path, 'upstream: cp:1\nlistn: x\nack: maybe\n');
    const args = ['validate', '--config', path, '--log-level', 'loud'];
    const text = weir(args, { WEIR_LINGER: 'long' });
    assert.deepEqual([text.status, text.stdout], [2, '']);
    const json = weir([...args, '-o', 'json'], { WEIR_LINGER: 'long' });
    assert.deepEqual([json.status, json.stderr], [2, '']);
    const { valid, problems } = JSON.parse(json.stdout);
    assert.equal(valid, false);
    assert.equal(text.stderr, problems.map((problem: string) => `weir: ${problem}\n`).join(''));
    assert.equal(problems.length, 4);
    for (const start of [`${path}:2: listn`, `${path}:3: ack`, 'WEIR_LINGER', '--log-level'])
      assert.ok(
        problems.some((problem: string) => problem.startsWith(`${start} `)),
        start,
      );

    writeFileSync(path, 'upstream: cp:1\nnode: {id: n}\n');
    const good = weir(['validate', '-o', 'json'], { WEIR_CONFIG: path });
    assert.deepEqual([good.status, JSON.parse(good.stdout)], [0, { valid: true, problems: [], warnings: [] }]);
    const open = ['--upstream', '10.0.0.1:1', '--upstream-token-file', join(folder, 'no.token')];
    const warned = weir(['validate', ...open]);
    assert.deepEqual([warned.status, warned.stdout], [0, 'The configuration is valid.\n']);
    assert.match(warned.stderr, /^weir: warning: the token goes to 10\.0\.0\.1:1 in the clear/m);
    assert.match(warned.stderr, /^weir: warning: --upstream-token-file cannot be read here: ENOENT/m);
    const missingCa = weir(['validate', '--upstream', 'cp:1', '--upstream-tls-ca', join(folder, 'no.ca')]);
    assert.match(missingCa.stderr, /^weir: warning: --upstream-tls-ca cannot be read here: ENOENT/);
    assert.equal(weir(['validate', '--upstream', 'cp:1', '--upstream-tls-ca', 'system']).stderr, '');
    const missing = weir(['validate', '--config', join(folder, 'none.yaml'), '-o', 'json']);
    assert.equal(missing.status, 2);
    assert.match(JSON.parse(missing.stdout).problems[0], /cannot read the configuration .*none\.yaml.*ENOENT/);
    assert.equal(weir(['validate', '-o', 'xml']).status, 2);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('bootstrap grpc points at the agent in the form of gRPC', () => {
  const of = (...args: string[]) => JSON.parse(weir(['bootstrap', 'grpc', ...args]).stdout);
  const plain = of();
  assert.equal(plain.xds_servers[0].server_uri, '127.0.0.1:15910');
  assert.deepEqual(plain.xds_servers[0].channel_creds, [{ type: 'insecure' }]);
  assert.deepEqual(plain.xds_servers[0].server_features, ['xds_v3']);
  const socket = of('--listen', 'unix:/run/weir.sock', '--node-id', 'n', '--node-cluster', 'c');
  assert.equal(socket.xds_servers[0].server_uri, 'unix:///run/weir.sock');
  assert.deepEqual(socket.node, { id: 'n', cluster: 'c', locality: {} });
  assert.equal(of('--listen', 'unix:weir.sock').xds_servers[0].server_uri, 'unix:weir.sock');
});

test('bootstrap envoy is the same in YAML and JSON, and comes back to the agent within a second', () => {
  const args = ['bootstrap', 'envoy', '--listen', 'unix:/run/weir.sock', '--node-id', 'n'];
  const json = JSON.parse(weir([...args, '--format', 'json']).stdout);
  assert.deepEqual(parse(weir(args).stdout), json);
  assert.equal(json.node.id, 'n');
  const ads = json.dynamic_resources.ads_config;
  assert.equal(ads.api_type, 'DELTA_GRPC');
  assert.equal(ads.set_node_on_first_message_only, true);
  const grpc = ads.grpc_services[0].envoy_grpc;
  assert.deepEqual(grpc.retry_policy.retry_back_off, { base_interval: '0.2s', max_interval: '1s' });
  const [cluster] = json.static_resources.clusters;
  assert.equal(cluster.name, grpc.cluster_name);
  const [endpoint] = cluster.load_assignment.endpoints[0].lb_endpoints;
  assert.deepEqual(endpoint.endpoint.address, { pipe: { path: '/run/weir.sock' } });
});

test('bootstrap refuses what no client could use', () => {
  const wrong: [args: string[], why: RegExp][] = [
    [['envoy', '--listen', 'nowhere'], /--listen 'nowhere' is neither/],
    [['envoy', '--variant', 'both'], /--variant must be one of delta, sotw/],
    [['envoy', '--format', 'toml'], /--format must be one of yaml, json/],
    [['envoy', '--fetch-timeout', 'soon'], /--fetch-timeout must be a number of seconds/],
    [['envoy', '--admin', 'localhost:1'], /--admin must be an IP address/],
    [['grpc', '--listen', 'nowhere'], /--listen 'nowhere' is neither/],
  ];
  for (const [args, why] of wrong) {
    const { status, stdout, stderr } = weir(['bootstrap', ...args]);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.match(stderr, why);
  }
});

type LogLine = Readonly<Record<string, unknown>>;

/** Starts `weir run` with free ports and an upstream that is not there; ends it at the latest when the test is over. */
async function withAgent(use: (child: ChildProcess, lines: AsyncIterator<string>, first: LogLine) => Promise<void>) {
  const addresses = ['--upstream', '127.0.0.1:1', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const child = spawn(node, [...script, 'run', ...addresses, '--log-format', 'json'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await use(child, lines, await lineWith(lines, line => line['msg'] === 'listening'));
  } finally {
    child.kill('SIGKILL');
  }
}

async function lineWith(lines: AsyncIterator<string>, isWanted: (line: LogLine) => boolean): Promise<LogLine> {
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    const line: LogLine = JSON.parse(next.value);
    if (isWanted(line)) return line;
  }
  assert.fail('the process ended without the line');
}

test('run serves health without a control plane, and SIGTERM ends it with 0', { timeout: 30_000 }, async () => {
  await withAgent(async (child, lines, first) => {
    const get = (path: string) => fetch(`http://${first['admin']}${path}`);
    assert.equal((await get('/healthz/started')).status, 200);
    const strict = await get('/healthz/ready?strict');
    assert.equal(strict.status, 503);
    assert.match(await strict.text(), /no stream to the control plane/);
    const metrics = await (await get('/metrics')).text();
    assert.match(metrics, /^weir_control_plane_connected_state 0$/m);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await lineWith(lines, line => line['msg'] === 'stopping: SIGTERM received');
    assert.deepEqual(await exited, [0, null]);
  });
});

test('an address that is taken is named, and run ends with 1', { timeout: 30_000 }, async () => {
  await withAgent(async (_child, _lines, first) => {
    const admin = String(first['admin']);
    const listen = ['--listen', '127.0.0.1:0', '--log-level', 'silent'];
    const { status, stderr } = weir(['run', '--upstream', '127.0.0.1:1', ...listen, '--admin', admin]);
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`^weir: .*admin.*cannot serve ${admin}.*EADDRINUSE`));
  });
});

/** A process as `stopOnSignals` sees it, with what it is told. */
function stoppable(drain: (reason: string) => Promise<void>) {
  const said: string[] = [];
  const codes: number[] = [];
  const signals = new EventEmitter();
  const say = (level: string) => (_fields: unknown, message: string) => {
    said.push(`${level}: ${message}`);
  };
  const log = {
    level: 'debug' as const,
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
  };
  stopOnSignals({ signals, drain, exit: code => codes.push(code), log });
  const raise = (signal: NodeJS.Signals) => signals.emit(signal, signal);
  return { raise, said, codes };
}

test('the first signal drains, the second one ends the process at once with 1', () => {
  const reasons: string[] = [];
  const { raise, said, codes } = stoppable(reason => {
    reasons.push(reason);
    return new Promise(() => {});
  });
  raise('SIGTERM');
  assert.deepEqual([reasons, codes, said], [['SIGTERM received'], [], []]);
  raise('SIGINT');
  assert.deepEqual([reasons.length, codes], [1, [1]]);
  assert.deepEqual(said, ['warn: SIGINT while stopping: ending at once']);
});

test('a drain that fails ends the process with 1 and says so', async () => {
  const failure = Promise.reject(new Error('stuck'));
  const { raise, said, codes } = stoppable(() => failure);
  raise('SIGINT');
  await assert.rejects(failure, /stuck/);
  assert.deepEqual(codes, [1]);
  assert.deepEqual(said, ['error: could not stop in good order']);
});
