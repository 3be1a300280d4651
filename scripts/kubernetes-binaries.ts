import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where a Kubernetes API server and its store are. */
export interface KubernetesBinaries {
  readonly apiserver: string;
  readonly etcd: string;
}

const kubernetesVersion = '1.34.4';
const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), '.kubernetes', kubernetesVersion);
const buildMsMax = 45 * 60_000;

/**
 * Builds kube-apiserver and etcd from the modules that Go is set up to use, once; they stay in `.kubernetes`. It takes minutes.
 *
 * @throws Error when there is no Go, or the build fails
 */
export function buildKubernetes(): KubernetesBinaries {
  const binaries = { apiserver: join(folder, 'kube-apiserver'), etcd: join(folder, 'etcd') };
  const missing = [binaries.apiserver, binaries.etcd].some(path => !existsSync(path));
  if (!missing) return binaries;
  process.stdout.write(`building kube-apiserver ${kubernetesVersion} and etcd in ${folder}, which takes minutes …\n`);
  mkdirSync(folder, { recursive: true });
  const module = `k8s.io/kubernetes`;
  const downloaded = go(['mod', 'download', '-json', `${module}@v${kubernetesVersion}`], folder, false);
  const { GoMod } = JSON.parse(downloaded) as { readonly GoMod: string };
  writeFileSync(join(folder, 'go.mod'), goMod(readFileSync(GoMod, 'utf8'), module));
  const version = `-X k8s.io/component-base/version.gitVersion=v${kubernetesVersion}`;
  const builds = [
    [`${module}/cmd/kube-apiserver`, binaries.apiserver, `-s -w ${version}`],
    ['go.etcd.io/etcd/server/v3', binaries.etcd, '-s -w'],
  ] as const;
  for (const [what, to, linking] of builds) {
    go(
      ['build', '-mod=mod', '-buildvcs=false', '-trimpath', '-ldflags', linking, '-o', `${to}.new`, what],
      folder,
      true,
    );
    // A rename is atomic: a build that breaks off never leaves half a program behind.
    renameSync(`${to}.new`, to);
  }
  return binaries;
}

/**
 * The module that is built in. Kubernetes requires its own parts as v0.0.0 and finds them beside itself; elsewhere each has to be told
 * its version, which is that of Kubernetes with a 0 for the 1.
 */
function goMod(kubernetes: string, module: string): string {
  const parts = new Set([...kubernetes.matchAll(/^\s*(k8s\.io\/[a-z0-9-]+) v0\.0\.0$/gm)].map(([, part]) => part));
  const language = /^go .*$/m.exec(kubernetes)?.[0] ?? 'go 1.24.0';
  const version = `v0.${kubernetesVersion.replace(/^1\./, '')}`;
  return [
    'module kubernetes.invalid/build',
    language,
    `require ${module} v${kubernetesVersion}`,
    ...[...parts].map(part => `replace ${part} => ${part} ${version}`),
    '',
  ].join('\n');
}

function go(args: readonly string[], cwd: string, isShown: boolean): string {
  const environment = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' };
  const result = spawnSync('go', args, {
    cwd,
    encoding: 'utf8',
    env: environment,
    stdio: ['ignore', 'pipe', isShown ? 'inherit' : 'pipe'],
    timeout: buildMsMax,
    maxBuffer: 16 * 1024 * 1024,
  });
  if (result.error)
    throw new Error(`go cannot be run (${result.error.message}); install Go, or give --apiserver and --etcd`);
  if (result.status !== 0) throw new Error(`go ${args.slice(0, 2).join(' ')} failed: ${result.stderr ?? 'see above'}`);
  return result.stdout;
}
