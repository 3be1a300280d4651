import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { environmentOf, fileKeyOf, flagOf, type Settings, settingSpecs } from '../../src/agent/settings.ts';
import { settingsReference } from '../../src/cli/options.ts';

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Reads a text by the row of a setting: its value, or the error. */
function read(key: keyof Settings, text: string): unknown {
  const spec = settingSpecs.find(one => one.key === key);
  assert.ok(spec, `${key} has a row`);
  const parsed = spec.parse(text);
  return 'error' in parsed ? parsed.error : parsed.value;
}

function refuses(key: keyof Settings, text: string, why: RegExp): void {
  const got = read(key, text);
  assert.ok(typeof got === 'string', `${key} must refuse '${text}', not read it as ${JSON.stringify(got)}`);
  assert.match(got, why);
}

test('every default is a value that its own setting accepts', () => {
  for (const { key, fallback, parse } of settingSpecs) {
    if (fallback === undefined) continue;
    const parsed = parse(fallback);
    assert.ok(!('error' in parsed), `default of ${key}: ${'error' in parsed ? parsed.error : ''}`);
  }
});

test('no two settings share a flag, a variable or a key, and no key is the folder of another', () => {
  for (const nameOf of [flagOf, environmentOf, fileKeyOf]) {
    const names = settingSpecs.map(spec => nameOf(spec.key));
    assert.equal(new Set(names).size, settingSpecs.length);
  }
  const keys = settingSpecs.map(spec => fileKeyOf(spec.key));
  for (const key of keys) assert.ok(!keys.some(other => other.startsWith(`${key}.`)), key);
});

test('the names that tools outside the project use do not change', () => {
  const names = (key: keyof Settings) => [flagOf(key), environmentOf(key), fileKeyOf(key)];
  assert.deepEqual(names('nodeId'), ['--node-id', 'WEIR_NODE_ID', 'node.id']);
  assert.deepEqual(names('nodeSharing'), ['--node-sharing', 'WEIR_NODE_SHARING', 'nodeSharing']);
  assert.deepEqual(names('nodeSubZone'), ['--node-sub-zone', 'WEIR_NODE_SUB_ZONE', 'node.locality.subZone']);
  assert.deepEqual(names('cacheDir'), ['--cache-dir', 'WEIR_CACHE_DIR', 'cacheDir']);
  assert.deepEqual(names('ackWaitMs'), ['--ack-wait', 'WEIR_ACK_WAIT', 'ackWait']);
  assert.deepEqual(names('upstreamVariant'), ['--upstream-variant', 'WEIR_UPSTREAM_VARIANT', 'upstreamVariant']);
});

test('times carry a unit or are milliseconds, within their range', () => {
  assert.equal(read('ackWaitMs', '500ms'), 500);
  assert.equal(read('ackWaitMs', '1.5s'), 1_500);
  assert.equal(read('ackWaitMs', '250'), 250);
  assert.equal(read('ackWaitMs', '10s'), 10_000);
  assert.equal(read('lingerMs', '1h'), 3_600_000);
  refuses('ackWaitMs', '10001', /from 0 ms to 10000 ms/);
  refuses('reconnectBaseMs', '0', /from 1 ms/);
  for (const text of ['', '-1s', '5 s', '5sec', '1e3', 's']) refuses('lingerMs', text, /no time/);
});

test('sizes carry a unit or are bytes, within what a buffer can hold', () => {
  assert.equal(read('requestBytesMax', '64MiB'), 64 * 1024 * 1024);
  assert.equal(read('requestBytesMax', '1kB'), 1_000);
  assert.equal(read('requestBytesMax', '4096'), 4_096);
  refuses('requestBytesMax', '0', /from 1 byte/);
  refuses('requestBytesMax', '2GiB', /from 1 byte to 2147483647/);
  for (const text of ['', '1.5MiB', '16mib', '16M']) refuses('requestBytesMax', text, /no size/);
});

test('numbers are whole and within their range', () => {
  assert.equal(read('clientStreamsMax', '1'), 1);
  for (const text of ['0', '1.5', '-1', '0x10', '1000001', ''])
    refuses('clientStreamsMax', text, /whole number from 1/);
});

test('a file mode is octal, however it is written', () => {
  for (const text of ['0660', '660', '0o660']) assert.equal(read('socketMode', text), 0o660);
  for (const text of ['0888', '432a', '66', 'rw-rw----']) refuses('socketMode', text, /no file mode/);
});

test('addresses come as a list, each one once', () => {
  assert.deepEqual(read('upstream', 'cp:1, unix:/run/cp.sock'), [
    { kind: 'tcp', host: 'cp', port: 1 },
    { kind: 'unix', path: '/run/cp.sock' },
  ]);
  refuses('upstream', 'cp:1,cp', /'cp' is neither host:port nor unix:\/path/);
  refuses('upstream', 'cp:1,cp:1', /names cp:1 twice/);
  refuses('upstream', '', /neither/);
  assert.deepEqual(read('health', ''), []);
  // Port 0 is another port each time.
  const free = { kind: 'tcp', host: '127.0.0.1', port: 0 };
  assert.deepEqual(read('listen', '127.0.0.1:0,127.0.0.1:0'), [free, free]);
});

test('only health and metrics may be reached from other machines', () => {
  for (const address of ['0.0.0.0:1', '10.0.0.1:1', '[::]:1', 'example.test:1', '127.0.0.1.example.test:1']) {
    refuses('admin', address, /must be loopback or a socket/);
    assert.ok(Array.isArray(read('health', address)), address);
  }
  for (const address of ['127.0.0.1:1', '127.1.2.3:1', '[::1]:1', 'localhost:1', 'unix:/run/x.sock']) {
    assert.ok(Array.isArray(read('listen', address)), address);
    assert.equal(typeof read('admin', address), 'object', address);
  }
});

test('a choice names what is allowed', () => {
  assert.equal(read('ack', 'receipt'), 'receipt');
  refuses('ack', 'Receipt', /must be one of clients, first, quorum, all, receipt/);
  refuses('nodeSharing', 'per-node', /must be one of refuse, shared, stream-per-node/);
});

test('metadata is a JSON object, and an error does not repeat it', () => {
  assert.deepEqual(read('nodeMetadata', '{"a":{"b":[1]}}'), { a: { b: [1] } });
  for (const text of ['[1]', 'null', '"s3cret"', '{s3cret}', ''])
    refuses('nodeMetadata', text, /^(?!.*s3cret).*no JSON object/);
});

test('every setting that an error names is one that can be set', () => {
  const root = join(repository, 'src');
  const keys = new Set(settingSpecs.map(spec => fileKeyOf(spec.key)));
  const folders = new Set(['node']);
  const named: string[] = [];
  for (const path of globSync('**/*.ts', { cwd: root })) {
    for (const [, list = ''] of readFileSync(join(root, path), 'utf8').matchAll(/\(settings? ([a-zA-Z, ]+)\)/g)) {
      named.push(...list.split(', '));
    }
  }
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter(name => !keys.has(name) && !folders.has(name)),
    [],
  );
});

test('every setting says what it takes, what it does, and when to change it', () => {
  for (const { key, placeholder, help, when } of settingSpecs) {
    assert.match(placeholder, /^[A-Za-z][^ ]*$/, key);
    assert.match(help, /^\S.{5,}[^ ,]$/, key);
    assert.match(when, /^\S.{5,}[^ ,]$/, key);
  }
});

test('docs/configuration.md says what the table says', () => {
  const page = readFileSync(join(repository, 'docs', 'configuration.md'), 'utf8');
  assert.ok(page === settingsReference(), 'it is stale: run `npm run docs`');
  for (const { key, isEnvironmentOnly } of settingSpecs) {
    const names = isEnvironmentOnly ? [environmentOf(key)] : [flagOf(key), environmentOf(key), fileKeyOf(key)];
    assert.ok(page.includes(`| ${names.map(name => `\`${name}\``).join('<br>')} |`), key);
  }
  execFileSync(process.execPath, [join(repository, 'scripts', 'docs.ts'), '--check'], { stdio: 'ignore' });
});
