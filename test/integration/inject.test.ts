import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { weirCommand } from '../support/envoy.ts';
import { runWeir } from '../support/weir-process.ts';

// `weir inject` as it is typed: files, pipes, exit codes.

const pod = `apiVersion: v1
kind: Pod
metadata:
  name: web # ours
spec:
  containers:
  - name: app
    image: app:1
`;
const upstream = ['--upstream', 'cp:15012'];

function folderOf(t: TestContext): string {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  return folder;
}

function written(folder: string, text: string | Buffer = pod): string {
  const file = join(folder, 'pod.yaml');
  writeFileSync(file, text);
  return file;
}

describe('weir inject', { concurrency: 1 }, () => {
  test('reads standard input, writes manifests to standard output and words to standard error', async () => {
    const [node = '', ...script] = weirCommand;
    const done = spawnSync(node, [...script, 'inject', '-f', '-', ...upstream], { input: pod, encoding: 'utf8' });
    assert.equal(done.status, 0);
    assert.match(done.stdout, /^apiVersion: v1\nkind: Pod\nmetadata:\n {2}name: web # ours\n/);
    assert.equal(done.stderr, 'weir: Pod web is injected\n');
  });

  test('a dry run is a diff, and as JSON a report', async t => {
    const file = written(folderOf(t));
    const diff = await runWeir(['inject', '-f', file, ...upstream, '--dry-run']);
    assert.match(diff.stdout, /^\+ {2}initContainers:$/m);
    assert.doesNotMatch(diff.stdout, /^-[^-]/m, 'nothing is taken away');
    const report = await runWeir(['inject', '-f', file, ...upstream, '--dry-run', '-o', 'json']);
    const { files } = JSON.parse(report.stdout) as { files: { templates: unknown[]; isChanged: boolean }[] };
    assert.deepEqual(files[0]?.templates, [{ owner: 'Pod web', outcome: 'injected' }]);
    assert.equal(readFileSync(file, 'utf8'), pod);
  });

  test('in place follows a link and keeps the mode', async t => {
    const folder = folderOf(t);
    const file = written(folder);
    chmodSync(file, 0o640);
    const link = join(folder, 'link.yaml');
    symlinkSync(file, link);
    assert.equal((await runWeir(['inject', '-f', link, ...upstream, '--in-place'])).status, 0);
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.match(readFileSync(file, 'utf8'), /weir-bootstrap/);
    assert.equal(statSync(file).mode & 0o777, 0o640);
  });

  test('writes into a pipe without taking its place', async t => {
    const folder = folderOf(t);
    const [file, pipe] = [written(folder), join(folder, 'pipe')];
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
    const reader = spawn('cat', [pipe]);
    let text = '';
    reader.stdout.on('data', chunk => {
      text += chunk;
    });
    const ended = new Promise(resolve => reader.on('close', resolve));
    assert.equal((await runWeir(['inject', '-f', file, ...upstream, '--out', pipe])).status, 0);
    await ended;
    assert.match(text, /weir-bootstrap/);
    assert.ok(statSync(pipe).isFIFO());
  });

  test('writes nothing when a pod cannot be injected as it asks', async t => {
    const folder = folderOf(t);
    const file = written(
      folder,
      `${pod}---\n${pod.replace('name: web # ours', 'name: odd\n  annotations:\n    weir.dev/cache: x')}`,
    );
    const before = readFileSync(file, 'utf8');
    const done = await runWeir(['inject', '-f', file, ...upstream, '--in-place']);
    assert.equal(done.status, 1);
    assert.match(done.stderr, /Pod odd cannot be injected: annotation weir\.dev\/cache must be emptyDir/);
    assert.match(done.stderr, /nothing was written/);
    assert.equal(readFileSync(file, 'utf8'), before);
  });

  test('says what is wrong with flags and files, with 2', async t => {
    const folder = folderOf(t);
    const file = written(folder);
    const defaults = join(folder, 'defaults.yaml');
    writeFileSync(defaults, 'imag: x\n');
    mkdirSync(join(folder, 'directory'));
    for (const [args, words] of [
      [[], /-f FILE says which manifests/],
      [['-f', join(folder, 'none')], /cannot read .*none/],
      [['-f', join(folder, 'directory')], /cannot read .*directory/],
      [['-f', '-', '--in-place'], /--in-place needs a file/],
      [['-f', file, '--in-place', '--out', 'x'], /not both/],
      [['-f', file, '--default', 'image'], /--default must be NAME=VALUE/],
      [['-f', file, '--default', 'imag=x'], /--default imag is unknown; did you mean weir\.dev\/image\?/],
      [['-f', file, '--defaults', defaults], /defaults\.yaml: imag is unknown/],
      [['-f', file, '--upstream', 'cp'], /--upstream .*host:port/],
    ] as const) {
      const done = await runWeir(['inject', ...args]);
      assert.equal(done.status, 2, args.join(' '));
      assert.match(done.stderr, words);
    }
    written(folder, Buffer.from([0x23, 0xe9, 0x0a]));
    assert.match((await runWeir(['inject', '-f', file, ...upstream])).stderr, /pod\.yaml is not UTF-8/);
  });
});
