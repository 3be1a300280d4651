import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type RunningProcess, startProcess, waitFor } from '../../src/demo/processes.ts';
import type { ImageConfig } from './buildah.ts';

// What a container runtime does with an image, as far as Weir can see it: mounts, a process namespace in which it is process 1, no rights, the user,
// the variables and the entry point that the image names. The network is this machine's.

/** How to start a container. */
export interface ContainerOptions {
  /** Where the image's files are; they are this container's alone. */
  readonly root: string;
  readonly config: ImageConfig;
  /** Behind the entry point; the image's own if absent. */
  readonly args?: readonly string[];
  /** `uid:gid`; the image's own if absent. */
  readonly user?: string;
  readonly variables?: readonly string[];
  /** Folders of this machine by the path that they are mounted at. */
  readonly volumes?: ReadonlyMap<string, string>;
  readonly isReadOnly: boolean;
}

/** How a command in a container ended. */
export interface CommandEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A container that runs. */
export interface RunningContainer {
  /** Ends with the status of the container's process 1. */
  readonly process: RunningProcess;
  /** Its process 1, as this machine counts. */
  readonly pid: number;
  /** Runs a command in it as `kubectl exec` does: found on the PATH, no shell. */
  exec(...command: readonly string[]): CommandEnd;
}

const setUp = `set -e
root=$1; isReadOnly=$2; user=$3; shift 3
mount --bind "$root" "$root"
[ "$isReadOnly" = false ] || mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
while [ "$1" != -- ]; do
  mount --bind "$1" "$2"
  shift 2
done
shift
exec setpriv --no-new-privs chroot --groups= --userspec="$user" "$root" "$@"
`;

/** Where a path of the image is on this machine. Links are those of the image. */
export function placeIn(root: string, path: string): string {
  let place = root;
  for (const part of path.split('/').filter(name => name !== '')) {
    const next = join(place, part);
    const target = linkOf(next);
    if (target === undefined) place = next;
    else place = target.startsWith('/') ? placeIn(root, target) : join(place, target);
  }
  return place;
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // No link, or not there: the path as it stands.
    return undefined;
  }
}

/** Makes the folders that volumes are mounted at, as a runtime does before anything runs. */
export function makeMountPoints(root: string, paths: Iterable<string>): void {
  for (const path of ['/proc', '/dev', ...paths]) mkdirSync(placeIn(root, path), { recursive: true });
}

function commandLine(options: ContainerOptions): string[] {
  const { root, config, volumes = new Map(), isReadOnly } = options;
  const user = options.user ?? config.User ?? '0:0';
  const mounts = [...volumes].flatMap(([path, folder]) => [folder, placeIn(root, path)]);
  const command = [...(config.Entrypoint ?? []), ...(options.args ?? config.Cmd ?? [])];
  const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', setUp, 'sh'];
  return ['-i', ...variablesOf(options), ...unshare, root, String(isReadOnly), user, ...mounts, '--', ...command];
}

const variablesOf = ({ config, variables = [] }: ContainerOptions): string[] => [...(config.Env ?? []), ...variables];

/** Runs a container to its end, 30 s at most, and says what it printed. */
export function runContainer(options: ContainerOptions): CommandEnd {
  makeMountPoints(options.root, options.volumes?.keys() ?? []);
  return spawnSync('env', commandLine(options), { encoding: 'utf8', timeout: 30_000 });
}

/** Starts a container whose program goes on. @throws Error with its last lines when it does not come to run */
export async function startContainer(options: ContainerOptions): Promise<RunningContainer> {
  makeMountPoints(options.root, options.volumes?.keys() ?? []);
  const process = await startProcess('container', 'env', commandLine(options));
  const pid = await waitFor('the program of the container', 10_000, () => programUnder(process.pid), [process]);
  const [uid = '', gid = ''] = (options.user ?? options.config.User ?? '0:0').split(':');
  return {
    process,
    pid,
    exec: (...command) => {
      const enter = [
        '--target',
        `${pid}`,
        '--mount',
        '--pid',
        '--root',
        '--wd',
        '--setuid',
        uid,
        '--setgid',
        gid,
        '--',
      ];
      return spawnSync('env', ['-i', ...variablesOf(options), 'nsenter', ...enter, ...command], {
        encoding: 'utf8',
        timeout: 30_000,
      });
    },
  };
}

/** Pids of the children of a process. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter(text => text !== '')
    .map(Number);
}

/** The one child, once it is no longer what sets the container up: then its root is the image. */
function programUnder(pid: number): number | undefined {
  try {
    const [child] = childrenOf(pid);
    if (child === undefined) return undefined;
    return dirname(readlinkSync(`/proc/${child}/root`)) === '/' ? undefined : child;
  } catch {
    // It ended in between; the caller sees that.
    return undefined;
  }
}
