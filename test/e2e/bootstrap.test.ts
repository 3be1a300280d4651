import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithout, testEnvoy, weirCommand } from '../support/envoy.ts';

const envoy = testEnvoy();

/** What `weir bootstrap envoy` prints. */
function bootstrap(flags: readonly string[]): string {
  const [node = '', ...script] = weirCommand;
  return spawnSync(node, [...script, 'bootstrap', 'envoy', ...flags], { encoding: 'utf8', timeout: 30_000 }).stdout;
}

test('R56 R60: the real Envoy accepts every form of the bootstrap', { skip: skipWithout(envoy) }, () => {
  const forms = [
    ['--format', 'yaml', '--fetch-timeout', '15'],
    ['--format', 'json', '--listen', 'unix:/run/weir.sock', '--variant', 'sotw'],
    ['--format', 'yaml', '--listen', 'localhost:15910', '--admin', 'unix:/run/envoy.sock'],
    ['--format', 'json', '--listen', '[::1]:15910', '--admin', '[::1]:15000'],
  ];
  const folder = mkdtempSync(join(tmpdir(), 'weir-cli-'));
  try {
    for (const form of forms) {
      const path = join(folder, `bootstrap.${form[1]}`);
      writeFileSync(path, bootstrap(form));
      const args = ['--mode', 'validate', '-c', path, '--use-dynamic-base-id', '--log-level', 'warn'];
      const { status, stdout, stderr } = spawnSync(envoy ?? '', args, { encoding: 'utf8', timeout: 60_000 });
      assert.equal(status, 0, `${form.join(' ')}: ${stdout}${stderr}`);
      assert.match(stdout, /OK/);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
