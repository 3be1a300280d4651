import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

// Images without a Docker engine: buildah as root, with a store of its own in a folder, and bases that are made of this machine's files.

/** What an image says of itself, as OCI has it. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly ExposedPorts?: unknown;
  readonly Volumes?: unknown;
}

/** A container made of an image, with its files mounted on this machine. Nothing runs in it yet. */
export interface MountedImage {
  readonly name: string;
  readonly root: string;
}

const buildTimeoutMs = 300_000;
const outputCharsMax = 4000;

/** Buildah on a store in a folder of ours: the machine's own images are neither seen nor touched. */
export class Buildah {
  readonly #store: readonly string[];

  private constructor(store: readonly string[]) {
    this.#store = store;
  }

  /** @param folder exists, is ours, and is removed by the caller after {@link close} */
  static async open(folder: string): Promise<Buildah> {
    const store = (driver: string): string[] => {
      const places = ['--root', join(folder, driver, 'store'), '--runroot', join(folder, driver, 'run')];
      return [...places, '--storage-driver', driver];
    };
    const overlay = new Buildah(store('overlay'));
    try {
      await overlay.mount('scratch');
      await overlay.close();
      return overlay;
    } catch {
      // Overlay does not lie on overlay, as in a container. vfs works everywhere; it costs a copy of all files a layer.
      return new Buildah(store('vfs'));
    }
  }

  /** Runs a command of buildah. @returns its stdout, trimmed @throws Error with what it said last, when it fails */
  async run(args: readonly string[]): Promise<string> {
    const child = spawn('buildah', [...this.#store, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: buildTimeoutMs,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const status = await new Promise<number | string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(signal ?? code ?? 1));
    });
    if (status === 0) return stdout.trim();
    throw new Error(`buildah ${args[0]} ended with ${status}:\n${`${stdout}${stderr}`.slice(-outputCharsMax)}`);
  }

  /** Makes an image of a folder. @param config flags of `buildah config` */
  async commit(name: string, folder: string, config: readonly string[]): Promise<void> {
    const container = await this.run(['from', 'scratch']);
    await this.run(['copy', '--quiet', container, folder, '/']);
    await this.run(['config', ...config, container]);
    await this.run(['commit', '--quiet', '--rm', container, name]);
  }

  /** Makes a container of an image and mounts its files. */
  async mount(image: string): Promise<MountedImage> {
    const name = await this.run(['from', '--pull-never', image]);
    return { name, root: await this.run(['mount', name]) };
  }

  /** What the image says of itself. */
  async config(image: string): Promise<ImageConfig> {
    const all: unknown = JSON.parse(await this.run(['inspect', '--type', 'image', image]));
    const config = (all as { OCIv1?: { config?: ImageConfig } }).OCIv1?.config;
    if (config === undefined) throw new Error(`buildah says nothing of the configuration of ${image}`);
    return config;
  }

  /** Removes every container, so that no mount keeps the folder of the store. */
  async close(): Promise<void> {
    await this.run(['rm', '--all']);
  }
}

/** Files that a program of this machine needs at run time, as the loader names them. */
function librariesOf(program: string): string[] {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  return [...(stdout ?? '').matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
}

/** Copies a program, what links lead to, with its libraries at the places where the loader looks. */
function addProgram(folder: string, program: string, target: string): void {
  for (const [from, to] of [[program, target], ...librariesOf(program).map(path => [path, path])] as const) {
    // Debian's /lib is a link to usr/lib: the same place under both names.
    const place = join(folder, from === program ? to : join(realpathSync(dirname(to)), basename(to)));
    mkdirSync(dirname(place), { recursive: true });
    copyFileSync(realpathSync(from), place);
    chmodSync(place, 0o755);
  }
}

function addLinks(folder: string): void {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(folder, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(folder, name));
  }
  for (const name of ['etc', 'var', 'var/lib', 'run', 'proc', 'sys', 'dev', 'tmp']) mkdirSync(join(folder, name));
  symlinkSync('/run', join(folder, 'var', 'run'));
  chmodSync(join(folder, 'tmp'), 0o1777);
}

/**
 * What stands in for docker.io/library/node: this Node.js, the npm of this machine, and of Debian a shell and the three programs that the
 * Dockerfile calls.
 *
 * @param folder exists and is empty
 * @param npm folder of the npm package
 * @throws Error when one of these programs is not on this machine
 */
export function makeNodeBase(folder: string, npm: string): void {
  addLinks(folder);
  addProgram(folder, process.execPath, '/usr/local/bin/node');
  for (const name of ['dash', 'env', 'sed', 'mkdir']) addProgram(folder, join('/usr/bin', name), `/usr/bin/${name}`);
  symlinkSync('dash', join(folder, 'usr/bin/sh'));
  cpSync(npm, join(folder, 'usr/local/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(folder, 'usr/local/bin/npm'));
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\nnode:x:1000:1000::/:/bin/sh\n');
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
}

/** Likewise for a distroless base: Node.js at another place and nothing else that could be started. @param folder exists and is empty */
export function makeBareBase(folder: string): void {
  addLinks(folder);
  addProgram(folder, process.execPath, '/nodejs/bin/node');
}

/** A file of a tree, in one text: kind, mode, owner, size or target, time of the last change. */
export type FileWord = string;

/** All below a folder by path; folders in `without` are left out with what is in them. Times of folders do not count: a mount may touch them. */
export function listFiles(
  root: string,
  without: readonly string[] = [],
): Map<string, { word: FileWord; bytes: number }> {
  const found = new Map<string, { word: FileWord; bytes: number }>();
  const pending = [root];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      const shown = `/${relative(root, path)}`;
      if (without.includes(shown)) continue;
      const stats = lstatSync(path);
      const isFolder = stats.isDirectory();
      const who = `${stats.mode.toString(8)} ${stats.uid}:${stats.gid}`;
      found.set(shown, {
        word: isFolder ? who : `${who} ${stats.size} ${stats.mtimeMs}`,
        bytes: isFolder ? 0 : stats.size,
      });
      if (isFolder) pending.push(path);
    }
  }
  return found;
}
