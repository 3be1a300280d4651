import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startEnvoy } from '../src/demo/envoy-process.ts';
import { makeFolder, pickFreePort, removeFolder, waitFor } from '../src/demo/processes.ts';
import { Buildah, type ImageConfig, listFiles, makeBareBase, makeNodeBase } from '../test/support/buildah.ts';
import {
  type ContainerOptions,
  childrenOf,
  makeMountPoints,
  runContainer,
  startContainer,
} from '../test/support/container.ts';
import { E2eRig, flow, waitMs } from '../test/support/control-plane.ts';
import { testEnvoy } from '../test/support/envoy.ts';

const help = `npm run check-image -- [--install] [--pull]
  --install    install buildah with apt-get where it is not there
  --pull       build on the real base images, from their registries, in place of what is made here
Builds the Dockerfile with buildah and no Docker engine, looks at what is in the image, and runs it as a container runtime would, in front of a real
Envoy. Needs Linux, root (mounts, namespaces), buildah, Debian's own tools, npm and its registry, and an Envoy (npm run get-envoy). Where one of them
is missing it says so and ends with 0; with REQUIRE_IMAGE=1 it ends with 1.
`;

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const image = 'weir:check';
const bareImage = 'weir:check-bare';
const bareBase = 'localhost/weir-bare-base:1';
const ownUser = '1337:1337';
/** Of another user, and as OpenShift gives them: of no user, in group 0. */
const otherUsers = ['4711:4711', '1000650000:0'];
const bytesMax = 8_000_000;
const compiled = '/usr/local/share/weir/compiled';
const certificates = '/etc/ssl/certs';

const { values } = parseArgs({
  options: { install: { type: 'boolean' }, pull: { type: 'boolean' }, help: { type: 'boolean' } },
});

/** Runs a program to its end. @returns what it printed, or undefined when it cannot be run or fails */
function ask(command: string, ...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', timeout: 300_000 });
  return status === 0 ? stdout.trim() : undefined;
}

/** What is missing on this machine; undefined if nothing is. */
function missing(): string | undefined {
  if (process.platform !== 'linux') return 'containers run on Linux';
  if (process.getuid?.() !== 0) return 'mounts and namespaces need root';
  if (ask('buildah', '--version') === undefined && values.install) {
    process.stdout.write('installing buildah with apt-get …\n');
    const install = ['apt-get', '-q', '-y', '--no-install-recommends', 'install', 'buildah'];
    if (ask('env', 'DEBIAN_FRONTEND=noninteractive', ...install) === undefined) {
      ask('apt-get', '-q', 'update');
      ask('env', 'DEBIAN_FRONTEND=noninteractive', ...install);
    }
  }
  if (ask('buildah', '--version') === undefined) return 'there is no buildah: apt-get install buildah, or --install';
  for (const tool of ['unshare', 'nsenter', 'setpriv', 'chroot']) {
    if (ask(tool, '--version') === undefined) return `there is no ${tool}`;
  }
  if (ask('npm', '--version') === undefined) return 'there is no npm';
  if (testEnvoy() === undefined) return 'there is no Envoy: npm run get-envoy';
  return undefined;
}

/** Others may commit in the meantime. */
const revision = ask('git', '-C', repository, 'rev-parse', 'HEAD') ?? 'none';
let failed = 0;

async function check(title: string, body: () => Promise<void> | void): Promise<boolean> {
  const startMs = performance.now();
  try {
    await body();
    process.stdout.write(`ok    ${title}, ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`);
    return true;
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAIL  ${title}\n${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  }
}

/** Where npm's own package is. npm says where its program is to what it runs. */
function npmFolder(): string {
  const program = process.env['npm_execpath'] ?? ask('which', 'npm') ?? '';
  return dirname(dirname(realpathSync(program)));
}

/** The base that the Dockerfile names. */
function baseOf(dockerfile: string): string {
  const [, name] = /^ARG NODE_IMAGE=(\S+)$/m.exec(dockerfile) ?? [];
  if (name === undefined) throw new Error('the Dockerfile names no NODE_IMAGE');
  return name;
}

/** Flags that lend the build this machine's way to npm's registry: its configuration as a secret, its CA certificates as a volume. Neither is kept. */
function npmFlags(folder: string): string[] {
  const path = join(folder, 'npmrc');
  const userConfig = ask('npm', 'config', 'get', 'userconfig') ?? '';
  const lines = existsSync(userConfig) ? [readFileSync(userConfig, 'utf8')] : [];
  lines.push(`registry=${ask('npm', 'config', 'get', 'registry')}`);
  const isSystems = existsSync(join(certificates, 'ca-certificates.crt'));
  if (isSystems) lines.push(`cafile=${certificates}/ca-certificates.crt`);
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return ['--secret', `id=npmrc,src=${path}`, ...(isSystems ? ['--volume', `${certificates}:${certificates}:ro`] : [])];
}

const environment = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'NODE_VERSION=24'];
const baseConfig = environment.flatMap(variable => ['--env', variable]);

async function build(buildah: Buildah, folder: string, base: string): Promise<void> {
  const common = ['bud', '--isolation', 'chroot', '--network', 'host', ...(values.pull ? [] : ['--pull-never'])];
  // Layers that are kept: the second image differs in its base only.
  const flags = [...common, '--layers', ...npmFlags(folder)];
  const labels = ['--build-arg', `REVISION=${revision}`, '--build-arg', 'CREATED=2026-01-01T00:00:00Z'];
  const isBuilt = await check(`docker build on ${base}, npm ci included`, async () => {
    await buildah.run([...flags, ...labels, '--tag', image, repository]);
  });
  if (!isBuilt) return;
  const bare = ['--build-arg', `RUNTIME_IMAGE=${bareBase}`, '--build-arg', 'NODE_PATH=/nodejs/bin/node'];
  await check('the same on a base without a shell, Node.js in /nodejs/bin', async () => {
    await buildah.run([...flags, ...bare, '--tag', bareImage, repository]);
  });
}

/** What the image adds to its base. */
function contents(base: string, root: string): void {
  const before = listFiles(base);
  const after = listFiles(root);
  const changed = [...after].filter(([path, { word }]) => before.get(path)?.word !== word);
  const isFile = ([, { word }]: (typeof changed)[number]): boolean => word.startsWith('100');
  const files = changed.filter(isFile).map(([path]) => path.replace(new RegExp(`^${compiled}/.*`), compiled));
  assert.deepEqual(files.sort(), ['/usr/local/bin/weir', '/usr/local/share/weir/LICENSE', compiled]);
  assert.deepEqual(
    [...before.keys()].filter(path => !after.has(path)),
    [],
  );
  const writable = [...after].filter(([path, { word }]) => !before.has(path) && !/^\d+ 0:0/.test(word));
  assert.deepEqual(writable.map(([path]) => path).sort(), ['/run/weir', '/var/lib/weir']);
  const bytes = changed.reduce((sum, [, file]) => sum + file.bytes, 0);
  process.stdout.write(
    `      ${changed.filter(isFile).length} files more than the base, ${(bytes / 1e6).toFixed(2)} MB\n`,
  );
  assert.ok(bytes <= bytesMax, `${bytes} bytes more than the base`);
}

function saidOfItself(config: ImageConfig, base: string): void {
  const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const prefix = 'org.opencontainers.image.';
  const labels = Object.entries(config.Labels ?? {}).filter(([name]) => name.startsWith(prefix));
  assert.deepEqual(Object.fromEntries(labels.map(([name, value]) => [name.slice(prefix.length), value])), {
    title: manifest.name,
    description: manifest.description,
    licenses: manifest.license,
    version: manifest.version,
    revision,
    created: '2026-01-01T00:00:00Z',
    'base.name': base,
  });
  const { User, Entrypoint, Cmd, WorkingDir, StopSignal, ExposedPorts, Volumes } = config;
  assert.deepEqual(
    { User, Entrypoint, Cmd, WorkingDir, StopSignal, ExposedPorts, Volumes },
    {
      User: ownUser,
      Entrypoint: ['weir'],
      Cmd: ['--help'],
      WorkingDir: '/',
      StopSignal: 'SIGTERM',
      ExposedPorts: undefined,
      Volumes: undefined,
    },
  );
}

/** Short commands, as each user. */
function commands(container: ContainerOptions): void {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  for (const user of [ownUser, ...otherUsers]) {
    const { status, stdout, stderr } = runContainer({ ...container, args: ['--version'], user });
    assert.deepEqual([status, stdout, stderr], [0, `${version}\n`, ''], user);
    const variables = ['NODE_DEBUG_NATIVE=COMPILE_CACHE'];
    const { stderr: said } = runContainer({ ...container, args: ['--version'], user, variables });
    assert.equal(/was accepted/.test(said), user === ownUser, `${user}: ${said}`);
  }
  const { status, stdout } = runContainer(container);
  assert.equal(status, 0);
  assert.match(stdout, /^Usage: weir /);
}

/** What no command has a listener for ends it as process 1, too: `weir wait` as an init container must not hold up the end of a pod. */
async function waitEnds(container: ContainerOptions): Promise<void> {
  const waiting = await startContainer({ ...container, args: ['wait', '--timeout', '60s', '--admin', '127.0.0.1:1'] });
  try {
    await waitFor('its first word', waitMs, () => waiting.process.lastLines().length > 0 || undefined, [
      waiting.process,
    ]);
    process.kill(waiting.pid, 'SIGTERM');
    assert.equal(await waiting.process.exited, 128 + 15);
  } finally {
    await waiting.process.kill();
  }
}

/** A pod's life: an agent in the container, a control plane and an Envoy outside, an update, a look inside, the end. */
async function life(container: Omit<ContainerOptions, 'volumes'>, user: string): Promise<void> {
  const folder = makeFolder();
  await using rig = new E2eRig({ envoy: testEnvoy() ?? '', variant: 'delta', path: 'direct' });
  await rig.start();
  const folders = new Map(['/var/run/weir', '/var/lib/weir'].map((path, index) => [path, join(folder, `${index}`)]));
  for (const path of folders.values()) {
    mkdirSync(path);
    // As an emptyDir is: of root, and open to all.
    chmodSync(path, 0o777);
  }
  chownSync(folder, 0, 0);
  chmodSync(folder, 0o755);
  makeMountPoints(container.root, folders.keys());
  const before = listFiles(container.root, ['/dev', '/proc']);
  const health = await pickFreePort();
  const listen = ['--listen=unix:/var/run/weir/xds.sock', '--socket-mode=0666', `--health=127.0.0.1:${health}`];
  const agent = await startContainer({
    ...container,
    user,
    volumes: folders,
    variables: ['WEIR_CACHE_DIR=/var/lib/weir'],
    args: ['run', `--upstream=127.0.0.1:${rig.port}`, ...listen, `--admin=127.0.0.1:${await pickFreePort()}`],
  });
  try {
    const socket = join(folders.get('/var/run/weir') ?? '', 'xds.sock');
    await waitFor('the socket', waitMs, () => (existsSync(socket) ? true : undefined), [agent.process]);
    const envoy = await startEnvoy({
      binary: testEnvoy() ?? '',
      nodeId: 'in-a-pod',
      xds: { kind: 'unix', path: socket },
      variant: 'delta',
    });
    try {
      await envoy.waitLive(waitMs);
      const traffic = await rig.traffic(envoy, 50);
      rig.clusters.set('second', { endpoints: [rig.backend(1)] });
      rig.routedTo = 'second';
      rig.publish();
      const isTaken = async () => ((await envoy.clusters()).active.includes('second') ? true : undefined);
      await waitFor('the update', waitMs, isTaken, [envoy.process, agent.process]);
      await flow(traffic, 5);
      assert.equal(traffic.counts().failed, 0);
      const status = agent.exec('weir', 'status');
      assert.equal(status.status, 0, status.stdout + status.stderr);
      assert.match(status.stdout, /^OK/);
      assert.equal(status.stderr, '');
      assert.deepEqual(rights(agent.pid), [user.split(':')[0], '0000000000000000', '1']);
      assert.deepEqual(childrenOf(agent.pid), [], 'Weir has children, which process 1 would have to reap');
      await traffic.stop();
    } finally {
      await envoy.stop();
    }
    const startMs = performance.now();
    process.kill(agent.pid, 'SIGTERM');
    assert.equal(await agent.process.exited, 0, agent.process.lastLines().join('\n'));
    const endMs = performance.now() - startMs;
    assert.ok(endMs < 3000, `it took ${Math.round(endMs)} ms to end`);
    assert.ok(readdirSync(join(folders.get('/var/lib/weir') ?? '', 'weir')).includes('cache.db'));
    const left = [...listFiles(container.root, ['/dev', '/proc'])];
    assert.deepEqual(
      left.filter(([path, { word }]) => before.get(path)?.word !== word),
      [],
      'it wrote where nothing is mounted',
    );
  } finally {
    await agent.process.kill();
    removeFolder(folder);
  }
}

/** Uid, effective capabilities, and whether no new privileges can be had. */
function rights(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return [/^Uid:\s+(\d+)/m, /^CapEff:\s+(\w+)/m, /^NoNewPrivs:\s+(\d)/m].map(field => field.exec(text)?.[1] ?? '');
}

async function all(folder: string): Promise<void> {
  const buildah = await Buildah.open(folder);
  try {
    const base = baseOf(readFileSync(join(repository, 'Dockerfile'), 'utf8'));
    const bareFolder = join(folder, 'bare');
    mkdirSync(bareFolder);
    makeBareBase(bareFolder);
    await buildah.commit(bareBase, bareFolder, baseConfig);
    if (values.pull) await buildah.run(['pull', base]);
    else {
      await check(`a stand-in for ${base} of this machine's Node.js ${process.version}, npm and shell`, async () => {
        const made = join(folder, 'base');
        mkdirSync(made);
        makeNodeBase(made, npmFolder());
        await buildah.commit(base, made, [...baseConfig, '--entrypoint', '["docker-entrypoint.sh"]', '--cmd', 'node']);
      });
    }
    await build(buildah, folder, base);
    if (failed > 0) return;
    const config = await buildah.config(image);
    const { root } = await buildah.mount(image);
    const plain = await buildah.mount(base);
    await check(`adds to its base one program, its compiled form and the licence`, () => contents(plain.root, root));
    await check('labels, user, entry point', () => saidOfItself(config, base));
    const readOnly = { root, config, isReadOnly: true };
    await check(`weir --version as ${[ownUser, ...otherUsers].join(', ')}, read-only`, () => commands(readOnly));
    await check('weir wait as process 1 ends on SIGTERM', () => waitEnds(readOnly));
    for (const user of [ownUser, ...otherUsers]) {
      await check(`weir run before a real Envoy as ${user}, read-only, SIGTERM to process 1`, () =>
        life(readOnly, user),
      );
    }
    await check('the same on a file system that could be written: nothing is', () =>
      life({ ...readOnly, isReadOnly: false }, ownUser),
    );
    const bare = await buildah.mount(bareImage);
    const bareContainer = { root: bare.root, config: await buildah.config(bareImage), isReadOnly: true };
    await check('the same on the base without a shell', () => life(bareContainer, ownUser));
  } finally {
    await buildah.close();
  }
}

if (values.help) process.stdout.write(help);
else {
  const reason = missing();
  if (reason === undefined) {
    const folder = makeFolder();
    try {
      await all(folder);
    } finally {
      removeFolder(folder);
    }
    process.stdout.write(failed === 0 ? 'all as it should be\n' : `${failed} failed\n`);
    process.exitCode = failed > 0 ? 1 : 0;
  } else {
    process.stdout.write(`check-image: skipped, ${reason}\n`);
    process.exitCode = process.env['REQUIRE_IMAGE'] ? 1 : 0;
  }
}
