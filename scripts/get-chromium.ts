import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromiumFolder } from '../test/support/chromium.ts';

// `npm run get-chromium`: puts a Chromium at .chromium/chromium, for the tests of the dashboard. It is Debian's, by apt's ordinary client, which
// checks what it gets by Debian's signatures. Nothing is installed: the packages that the machine lacks are unpacked into that folder, so no
// rights are needed, and removing the folder removes it all.

const packageName = 'chromium-headless-shell';
const dataPackage = 'chromium-common';
const program = join(chromiumFolder, 'chromium');
/** Where the package has its program. */
const programInPackage = 'usr/lib/chromium/chromium-headless-shell';

/** A failure that the user can do something about; printed as one line. */
class GetChromiumError extends Error {}

function run(command: string, args: readonly string[], onFailure: string, cwd = chromiumFolder): string {
  const result = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
  });
  if (result.error) throw new GetChromiumError(`${onFailure}: cannot run ${command} (${result.error.message})`);
  if (result.status !== 0) {
    const reason = result.stderr.trim().split('\n').slice(-3).join(' / ');
    throw new GetChromiumError(`${onFailure}: ${reason || `${command} ended with ${result.status}`}`);
  }
  return result.stdout;
}

function install(): void {
  const elsewhere = 'install a Chromium yourself, or set CHROMIUM to the path of one';
  if (process.platform !== 'linux') throw new GetChromiumError(`apt is on Debian only: ${elsewhere}`);
  mkdirSync(chromiumFolder, { recursive: true });
  const work = mkdtempSync(join(chromiumFolder, 'download-'));
  try {
    // Lists and cache of our own: the machine's need rights, and may be empty in an image.
    for (const folder of ['state/lists/partial', 'cache/archives/partial', 'debs'])
      mkdirSync(join(work, folder), { recursive: true });
    const folders = [`Dir::State=${work}/state`, 'Dir::State::status=/var/lib/dpkg/status', `Dir::Cache=${work}/cache`];
    const apt = [...folders, 'APT::Sandbox::User='].flatMap(option => ['-o', option]);
    process.stdout.write('reading Debian’s lists of packages with apt …\n');
    run('apt-get', [...apt, '-q', 'update'], `apt cannot read its lists; ${elsewhere}`);
    const plan = run(
      'apt-get',
      [...apt, '-q', '--simulate', '--no-install-recommends', 'install', packageName],
      `apt does not know ${packageName}; ${elsewhere}`,
    );
    const lacking = [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+)/gm)].map(([, name = '', version = '']) => ({
      name,
      version,
    }));
    const own = lacking.find(({ name }) => name === packageName);
    if (!own) throw new GetChromiumError(`${packageName} is installed on this machine already; put it on PATH`);
    // Its data is looked for beside the program, so another copy of it elsewhere is of no use.
    const all = [...lacking.filter(({ name }) => name !== dataPackage), { name: dataPackage, version: own.version }];
    const wanted = all.map(({ name, version }) => `${name}=${version}`);
    process.stdout.write(`downloading ${wanted.length} packages (about 65 MB, more where libraries are missing) …\n`);
    run('apt-get', [...apt, '-q', 'download', ...wanted], 'apt could not download them', join(work, 'debs'));
    const unpacked = join(work, 'files');
    for (const file of readdirSync(join(work, 'debs'))) {
      run('dpkg-deb', ['--extract', join(work, 'debs', file), unpacked], `${file} cannot be unpacked`);
    }
    const target = join(chromiumFolder, 'files');
    rmSync(target, { recursive: true, force: true });
    renameSync(unpacked, target);
    writeFileSync(`${program}.new`, launcher());
    chmodSync(`${program}.new`, 0o755);
    const complaint = 'the Chromium that was unpacked does not start here';
    run(`${program}.new`, ['--no-sandbox', '--headless', '--dump-dom', 'about:blank'], complaint);
    const version = run(`${program}.new`, ['--version'], complaint).trim();
    renameSync(`${program}.new`, program);
    process.stdout.write(`installed ${version}: ${program}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Starts the program with the libraries that came with it, wherever the clone is. */
function launcher(): string {
  return `#!/bin/sh
files=$(dirname -- "$(readlink -f -- "$0")")/files
for folder in "$files"/usr/lib/*-linux-gnu "$files"/lib/*-linux-gnu "$files"/usr/lib/*-linux-gnu/pulseaudio; do
  [ -d "$folder" ] && LD_LIBRARY_PATH=$folder\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
if [ ! -e /etc/fonts/fonts.conf ] && [ -e "$files/etc/fonts/fonts.conf" ]; then
  export FONTCONFIG_SYSROOT="$files"
fi
exec "$files/${programInPackage}" "$@"
`;
}

try {
  if (existsSync(program)) process.stdout.write(`there is a Chromium already: ${program}\n`);
  else install();
} catch (error) {
  if (!(error instanceof GetChromiumError)) throw error;
  process.stderr.write(`get-chromium: ${error.message}\n`);
  process.exitCode = 1;
}
