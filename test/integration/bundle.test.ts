import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));

describe('the one-file bundle', { concurrency: 1 }, () => {
  // Outside the clone: nothing that the bundle forgot to take along can be found from there.
  const folder = mkdtempSync(join(tmpdir(), 'weir-bundle-'));
  const bundle = join(folder, 'weir.cjs');
  after(() => rmSync(folder, { recursive: true, force: true }));

  function runNode(...args: string[]) {
    return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 60_000 });
  }

  before(() => {
    const { status, stderr } = runNode(join(repository, 'scripts', 'build.ts'), '--out', bundle);
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '', 'the bundler warned');
  });

  test('can be executed and has no line that would bury an error message', () => {
    accessSync(bundle, constants.X_OK);
    const lines = readFileSync(bundle, 'utf8').split('\n');
    assert.equal(lines[0], '#!/usr/bin/env node');
    // The bundler breaks near its limit, between tokens; long strings of libraries pass it. Minified it would be 60,000 and more.
    assert.ok(Math.max(...lines.map(line => line.length)) < 4000, 'an uncaught error would print a line without end');
  });

  test('says the version of package.json', () => {
    const manifest: unknown = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
    const { status, stdout, stderr } = runNode(bundle, '--version');
    assert.equal(status, 0, stderr);
    assert.ok(typeof manifest === 'object' && manifest !== null && 'version' in manifest);
    assert.equal(stdout, `${manifest.version}\n`);
  });

  test('validate accepts a configuration file, which needs what is loaded only then', () => {
    const file = join(folder, 'good.yaml');
    writeFileSync(file, 'upstream: 127.0.0.1:18000\n');
    const { status, stdout, stderr } = runNode(bundle, 'validate', '--config', file);
    assert.equal(status, 0, stdout + stderr);
  });

  test('source reads manifests, and a kubeconfig, by packages that are loaded only then', () => {
    const manifests = join(folder, 'mesh');
    mkdirSync(manifests);
    writeFileSync(join(manifests, 'a.yaml'), 'apiVersion: networking.istio.io/v1\nkind: Gatway\nmetadata: {name: a}\n');
    const folderRun = runNode(bundle, 'source', '--from', manifests, '--check');
    assert.equal(folderRun.status, 2, folderRun.stdout + folderRun.stderr);
    assert.match(folderRun.stderr, /a\.yaml:2: .*Gatway.*Gateway/);
    const kubeconfig = join(folder, 'kubeconfig');
    const file = {
      clusters: [{ name: 'k', cluster: { server: 'http://127.0.0.1:1' } }],
      users: [{ name: 'u', user: {} }],
    };
    const context = { contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }], 'current-context': 'c' };
    writeFileSync(kubeconfig, JSON.stringify({ ...file, ...context }));
    const from = [
      'source',
      '--from',
      'kubernetes',
      '--kubeconfig',
      kubeconfig,
      '--namespace',
      'a',
      '--listen',
      '127.0.0.1:0',
    ];
    const kubernetes = runNode(bundle, ...from);
    assert.equal(kubernetes.status, 1, kubernetes.stdout + kubernetes.stderr);
    assert.match(kubernetes.stderr, /the server of cluster k is plain http/);
  });

  test('carries the dashboard, which is read when it is asked for', async () => {
    const agent = spawn(process.execPath, [
      bundle,
      'run',
      '--upstream',
      '127.0.0.1:1',
      '--listen',
      '127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
      '--log-format',
      'json',
    ]);
    try {
      let admin: string | undefined;
      for await (const line of createInterface({ input: agent.stdout })) {
        admin = JSON.parse(line).admin;
        if (admin !== undefined) break;
      }
      const page = async (path: string) => await fetch(`http://${admin}${path}`, { headers: { accept: 'text/html' } });
      const index = await (await page('/')).text();
      const files = [...index.matchAll(/"(\/dashboard\/[a-z.-]+)"/g)].map(([, path]) => path ?? '');
      assert.ok(files.includes('/dashboard/main.js') && files.includes('/dashboard/base.css'), index);
      const main = await (await page('/dashboard/main.js')).text();
      files.push(...[...main.matchAll(/"\.(\/[a-z-]+\.js)"/g)].map(([, path]) => `/dashboard${path}`));
      assert.ok(files.length > 10, files.join());
      for (const file of files) assert.equal((await page(file)).status, 200, file);
    } finally {
      agent.kill('SIGKILL');
    }
  });

  test('validate names an unknown key and ends with 2', () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, 'upstream: 127.0.0.1:18000\nlisen: 127.0.0.1:15910\n');
    const { status, stdout, stderr } = runNode(bundle, 'validate', '--config', file);
    assert.equal(status, 2, stdout + stderr);
    assert.match(stdout + stderr, /lisen/);
  });
});
