import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Resolution, resolveSettings } from '../../src/agent/config.ts';
import { localListeners } from '../../src/agent/core-settings.ts';
import { AgentError, exitCodes } from '../../src/agent/errors.ts';
import type { Settings } from '../../src/agent/settings.ts';
import { upstreamWarnings } from '../../src/agent/upstream-check.ts';
import { readConfigFile } from '../../src/cli/config-file.ts';
import { nearest } from '../../src/xds/nearest.ts';

interface Given {
  readonly flags?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Content of the file, as the parser gives it. */
  readonly file?: unknown;
}

/** Resolves with an upstream, unless one is given. */
function resolve({ flags = {}, environment = {}, file }: Given): Resolution {
  return resolveSettings({
    flags: new Map(Object.entries({ '--upstream': 'cp:1', ...flags })),
    environment: new Map(Object.entries(environment)),
    file: file === undefined ? undefined : { name: 'weir.yaml', content: file, lineOf: () => undefined },
  });
}

function settingsOf(given: Given): Settings {
  const resolved = resolve(given);
  assert.ok('settings' in resolved, 'problems' in resolved ? resolved.problems.join('\n') : '');
  return resolved.settings;
}

function problemsOf(given: Given): readonly string[] {
  const resolved = resolve(given);
  assert.ok('problems' in resolved, 'nothing was found wrong');
  return resolved.problems;
}

test('an upstream that is an address of the agent itself is a problem, however it is spelled', () => {
  for (const flags of [
    { '--upstream': 'localhost:15910' },
    { '--upstream': 'cp:1,unix:/run/xds', '--listen': 'unix:/run/xds' },
    { '--authorities': 'a=127.0.0.1:7', '--listen': '[::1]:7' },
  ]) {
    const [problem, ...more] = problemsOf({ flags });
    assert.match(problem ?? '', /^\S+ is where the agent itself listens: a control plane has another address$/);
    assert.deepEqual(more, []);
  }
  settingsOf({ flags: { '--upstream': '127.0.0.1:15911' } });
});

test('a token that goes over the network in the clear is warned of, to control planes of authorities, too', () => {
  const flags = { '--upstream': 'unix:/run/istiod,127.0.0.1:1', '--authorities': 'away=10.0.0.1:18000' };
  const token = { '--upstream-token-file': '/token' };
  assert.deepEqual(upstreamWarnings(settingsOf({ flags: { ...flags, ...token } })), [
    'the token goes to 10.0.0.1:18000 in the clear, where others may read it (setting upstreamTlsCa)',
  ]);
  for (const harmless of [
    flags,
    { ...flags, ...token, '--upstream-tls-ca': 'system' },
    { ...flags, ...token, '--authorities': '' },
  ]) {
    assert.deepEqual(upstreamWarnings(settingsOf({ flags: harmless })), []);
  }
});

test('headers that cannot be sent are problems, and no value is quoted', () => {
  for (const [text, problem] of [
    ['authorization=Bearer x', /must not hold authorization; a token belongs into the file of --upstream-token-file$/],
    ['trace-bin=x', /must not hold trace-bin: values of headers that end in -bin are binary$/],
    ['te=x', /must not hold te, which is gRPC’s own$/],
    ['a=x,A=y', /has a twice$/],
  ] as const) {
    assert.match(problemsOf({ flags: { '--upstream-headers': text } }).join(), problem);
  }
});

test('defaults are those of the design', () => {
  const { upstream, ...settings } = settingsOf({});
  assert.deepEqual(upstream, [{ kind: 'tcp', host: 'cp', port: 1 }]);
  const listeners = localListeners(settingsOf({}));
  assert.deepEqual(
    listeners.map(listener => listener.address),
    [{ kind: 'tcp', host: '127.0.0.1', port: 15910 }],
  );
  assert.deepEqual(settings.admin, { kind: 'tcp', host: '127.0.0.1', port: 15920 });
  assert.deepEqual(settings.health, []);
  assert.equal(settings.socketMode, 0o600);
  assert.equal(settings.nodeId, undefined);
  assert.equal(settings.nodeSharing, 'refuse');
  assert.equal(settings.ack, 'clients');
  assert.equal(settings.ackWaitMs, 1_000);
  assert.equal(settings.absentTimeoutMs, 15_000);
  assert.equal(settings.responseBytesMax, 256 * 1024 * 1024);
});

test('a flag beats the environment, which beats the file, which beats the default', () => {
  const file = { nodeSharing: 'shared', ack: 'receipt', logLevel: 'debug' };
  const environment = { WEIR_ACK: 'clients', WEIR_LOG_LEVEL: 'warn' };
  const settings = settingsOf({ flags: { '--log-level': 'error' }, environment, file });
  assert.equal(settings.logLevel, 'error');
  assert.equal(settings.ack, 'clients');
  assert.equal(settings.nodeSharing, 'shared');
  assert.equal(settings.logFormat, 'auto');
});

test('an empty variable counts as not set', () => {
  assert.equal(settingsOf({ environment: { WEIR_NODE_ID: '' }, file: { node: { id: 'n' } } }).nodeId, 'n');
});

test('the file takes lists, nested keys and a mapping as metadata', () => {
  const node = { id: 'n', locality: { zone: 'z', subZone: 's' }, metadata: { labels: { app: 'a' }, count: 2 } };
  const settings = settingsOf({ file: { listen: ['unix:/run/a', '127.0.0.1:1'], health: [], node } });
  assert.deepEqual(settings.listen, [
    { kind: 'unix', path: '/run/a' },
    { kind: 'tcp', host: '127.0.0.1', port: 1 },
  ]);
  assert.deepEqual(settings.health, []);
  assert.equal(settings.nodeZone, 'z');
  assert.equal(settings.nodeSubZone, 's');
  assert.deepEqual(settings.nodeMetadata, { labels: { app: 'a' }, count: 2 });
});

test('all problems come at once, each with its source and value', () => {
  const problems = problemsOf({
    flags: { '--upstream': 'nowhere', '--ack': 'maybe' },
    environment: { WEIR_LINGER: 'long' },
    file: { warmHold: '1d', nodeSharing: null },
  });
  assert.equal(problems.length, 5);
  const expected = [
    /^--upstream 'nowhere' is neither host:port nor unix:\/path$/,
    /^--ack must be one of clients, first, quorum, all, receipt \(given: 'maybe'\)$/,
    /^WEIR_LINGER is no time .* \(given: 'long'\)$/,
    /^weir\.yaml: warmHold is no time .* \(given: '1d'\)$/,
    /^weir\.yaml: nodeSharing has no usable value$/,
  ];
  for (const pattern of expected)
    assert.ok(
      problems.some(problem => pattern.test(problem)),
      `${pattern}`,
    );
});

test('no control plane is a problem beside others, and an unreadable one is not a missing one', () => {
  const resolved = resolveSettings({
    flags: new Map([['--ack', 'maybe']]),
    environment: new Map(),
    file: undefined,
  });
  assert.ok('problems' in resolved);
  assert.equal(resolved.problems.length, 2);
  assert.match(resolved.problems.join('\n'), /^no control plane is given: set --upstream/m);
  assert.doesNotMatch(problemsOf({ flags: { '--upstream': 'nowhere' } }).join('\n'), /no control plane/);
});

test('unknown keys and variables name the nearest right one', () => {
  const problems = problemsOf({
    environment: { WEIR_NODE_IDD: 'x', OTHER: 'x' },
    file: { listn: '127.0.0.1:1', node: { idd: 'x', locality: { zoen: 'x' } }, qqqqqq: 1 },
  });
  assert.deepEqual(problems, [
    'weir.yaml: listn is no setting; did you mean listen?',
    'weir.yaml: node.idd is no setting; did you mean node.id?',
    'weir.yaml: node.locality.zoen is no setting; did you mean node.locality.zone?',
    'weir.yaml: qqqqqq is no setting',
    'WEIR_NODE_IDD is no setting; did you mean WEIR_NODE_ID?',
  ]);
});

test('variables that Kubernetes makes of a Service called weir… are not ours', () => {
  const settings = settingsOf({
    environment: {
      WEIR_SERVICE_HOST: '10.0.0.1',
      WEIR_SERVICE_PORT: '15910',
      WEIR_SERVICE_PORT_GRPC_XDS: '15910',
      WEIR_PORT: 'tcp://10.0.0.1:15910',
      WEIR_PORT_15910_TCP: 'tcp://10.0.0.1:15910',
      WEIR_PORT_15910_TCP_ADDR: '10.0.0.1',
      WEIR_WEBHOOK_SERVICE_HOST: '10.0.0.2',
      WEIR_WEBHOOK_PORT_443_TCP_PROTO: 'tcp',
    },
  });
  assert.equal(settings.nodeId, undefined);
  assert.equal(problemsOf({ environment: { WEIR_PORTS: '1' } }).length, 1);
});

test('a file that is no mapping, and a value where settings should be, are said', () => {
  assert.deepEqual(problemsOf({ file: 'text' }), ['weir.yaml: is no mapping of settings']);
  assert.deepEqual(problemsOf({ file: { node: 'n' } }), ['weir.yaml: node has no settings below it, such as node.id']);
  assert.equal(settingsOf({ file: null }).ack, 'clients');
});

test('settings that only make sense together are checked together', () => {
  assert.match(problemsOf({ flags: { '--node-zone': 'z' } }).join(), /^--node-zone needs --node-id/);
  const bounds = { '--reconnect-base': '2s', '--reconnect-max': '1s' };
  assert.match(problemsOf({ flags: bounds }).join(), /^--reconnect-base must not be above --reconnect-max$/);
  // The id is there, if wrong: one problem, not two.
  assert.deepEqual(problemsOf({ flags: { '--node-id': '', '--node-zone': 'z' } }), ['--node-id is empty']);
});

test('a key is taken from the environment only, and never repeated in a problem', () => {
  const key = 'ab'.repeat(32);
  const settings = settingsOf({ flags: { '--secrets': 'encrypted' }, environment: { WEIR_SECRETS_KEY: key } });
  assert.deepEqual(settings.secretsKey, Buffer.from(key, 'hex'));
  const file = { secrets: 'encrypted', secretsKey: key };
  assert.deepEqual(problemsOf({ file }), [
    'weir.yaml: secretsKey is no setting; it is taken from the variable WEIR_SECRETS_KEY only',
    '--secrets encrypted needs --secrets-key-file, or the variable WEIR_SECRETS_KEY',
  ]);
  assert.deepEqual(problemsOf({ environment: { WEIR_SECRETS_KEY: 's3cret' } }), [
    'WEIR_SECRETS_KEY must be 64 hex digits',
  ]);
  const both = problemsOf({ environment: { WEIR_SECRETS_KEY: key, WEIR_SECRETS_KEY_FILE: 'key' } });
  assert.deepEqual(both, ['--secrets-key-file and WEIR_SECRETS_KEY both give the key; set one of them']);
});

test('a seed is a file or comes over HTTP, and its address is not repeated', () => {
  assert.equal(settingsOf({ flags: { '--seed': '/etc/weir/seed.bundle' } }).seed, '/etc/weir/seed.bundle');
  const [problem, ...others] = problemsOf({ flags: { '--seed': 'ftp://user:s3cret@host/seed' } });
  assert.deepEqual(others, []);
  assert.equal(problem?.startsWith('--seed is no file, https:// or http:// address, but ftp://'), true, problem);
  assert.doesNotMatch(problem ?? '', /s3cret/);
});

test('metadata is never repeated in a problem', () => {
  const [problem, ...others] = problemsOf({ flags: { '--node-id': 'n', '--node-metadata': '{"token":"s3cret"' } });
  assert.deepEqual(others, []);
  assert.match(problem ?? '', /^--node-metadata is no JSON object/);
  assert.doesNotMatch(problem ?? '', /s3cret/);
});

test('the nearest name is near: nothing is suggested for what resembles nothing', () => {
  assert.equal(nearest('--Listen', ['--linger', '--listen']), '--listen');
  assert.equal(nearest('--upstreem', ['--upstream', '--upstream-variant']), '--upstream');
  assert.equal(nearest('banana', ['listen', 'admin']), undefined);
  assert.equal(nearest('listen'.repeat(100_000), ['listen'.repeat(1000)]), undefined, 'nor compared for ever');
});

function withFile<T>(text: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-config-'));
  const path = join(folder, 'weir.yaml');
  writeFileSync(path, text);
  return use(path).finally(() => rmSync(folder, { recursive: true }));
}

test('a YAML file is read as written, and problems name its lines', async () => {
  const text =
    'socketMode: 0o660\nnode:\n  id: 007\n  metadata: {count: 0x10}\n\nadmin: unix:/a\nlistn: [x]\n  # end\n';
  await withFile(text, async path => {
    const file = await readConfigFile(path);
    assert.deepEqual(file.content, {
      socketMode: '0o660',
      node: { id: '007', metadata: { count: 16 } },
      admin: 'unix:/a',
      listn: ['x'],
    });
    const resolved = resolveSettings({ flags: new Map(), environment: new Map([['WEIR_UPSTREAM', 'cp:1']]), file });
    assert.deepEqual(resolved, { problems: [`${path}:7: listn is no setting; did you mean listen?`] });
    assert.equal(file.lineOf('node.id'), 3);
  });
});

test('an empty YAML file is no problem, a broken one says where, a missing one is a usage error', async () => {
  await withFile('# nothing\n', async path => assert.equal((await readConfigFile(path)).content ?? null, null));
  const isUsage = (why: RegExp) => (error: unknown) => {
    assert.ok(error instanceof AgentError);
    assert.equal(error.exitCode, exitCodes.usage);
    assert.match(error.describe(), why);
    return true;
  };
  await withFile('a: 1\nb: [\n', path => assert.rejects(readConfigFile(path), isUsage(/no valid YAML.*at line \d/)));
  await withFile('a: 1\na: 2\n', path => assert.rejects(readConfigFile(path), isUsage(/no valid YAML.*unique/)));
  await withFile('a: *b\n', path => assert.rejects(readConfigFile(path), isUsage(/no usable YAML.*alias/)));
  await assert.rejects(readConfigFile('/nonexistent/weir.yaml'), isUsage(/cannot read the configuration .*ENOENT/));
});

test('anything thrown becomes an AgentError that tells its causes', () => {
  const cause = new Error('inner');
  const error = AgentError.from(new Error('outer', { cause }));
  assert.equal(error.exitCode, exitCodes.failed);
  assert.equal(error.describe().includes('inner'), true);
  assert.equal(AgentError.from(error), error);
  assert.equal(AgentError.from('text').describe(), 'text');
});
