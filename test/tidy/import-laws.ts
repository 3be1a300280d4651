import { matchesGlob } from 'node:path';
import { type Law, type Repository, sourceFolder, type TidyFile, type Violation } from './repository.ts';

// Who may import whom: design.md section 2.

/** What a folder of src may import besides itself: folders, or single files where the folder is too much. */
const allowedImports: ReadonlyMap<string, readonly string[]> = new Map([
  ['xds', []],
  ['net', []],
  ['cache', ['xds']],
  ['upstream', ['net', 'xds']],
  ['local-ads', ['cache', 'net', 'xds']],
  ['admin', ['cache', 'net', 'xds']],
  ['recording', ['cache', 'net', 'xds']],
  ['agent', ['upstream', 'local-ads', 'admin', 'recording', 'cache', 'net', 'xds', 'istio/kinds.ts']],
  ['demo', ['xds']],
  ['proto', ['xds']],
  ['istio', ['proto', 'xds']],
  ['envoy', ['proto', 'xds']],
  [
    'source',
    [
      'istio',
      'proto/json-reader.ts',
      'local-ads',
      'cache',
      'net',
      'xds',
      'admin/listen.ts',
      'admin/metrics.ts',
      'admin/metric-sample.ts',
      'admin/process-pages.ts',
      'admin/source.ts',
    ],
  ],
  [
    'kube',
    [
      'xds',
      'net/tls-files.ts',
      'agent/settings.ts',
      'agent/setting-values.ts',
      'admin/listen.ts',
      'admin/metric-sample.ts',
      'admin/process-pages.ts',
      'source/kubernetes-config.ts',
    ],
  ],
  [
    'cli',
    [
      'agent',
      'demo',
      'envoy',
      'istio',
      'kube',
      'recording',
      'source',
      'net',
      'xds',
      'admin/client.ts',
      'admin/requests.ts',
      'admin/words.ts',
    ],
  ],
]);

function directions(files: Repository): Violation[] {
  return sources(files).flatMap(file => {
    const folder = sourceFolder(file.path) ?? '';
    const allowed = allowedImports.get(folder);
    if (allowed === undefined)
      return [{ path: file.path, what: 'its folder has no place among the import directions' }];
    return file.imports.flatMap(({ path, line }) => {
      if (path === undefined) return [];
      const target = sourceFolder(path);
      if (target === folder || (target !== undefined && allowed.includes(target))) return [];
      if (allowed.includes(path.replace(/^src\//, ''))) return [];
      return [{ path: file.path, line, what: `src/${folder} must not import ${path}, not even a type` }];
    });
  });
}

function cycles(files: Repository): Violation[] {
  const found: Violation[] = [];
  const finished = new Set<string>();
  const walk = (file: TidyFile, trail: readonly string[]): void => {
    if (finished.has(file.path)) return;
    const here = [...trail, file.path];
    for (const { path, kind, line } of file.imports) {
      const target = path === undefined ? undefined : files.get(path);
      if (target === undefined || kind === 'dynamic') continue;
      const start = here.indexOf(target.path);
      if (start === -1) walk(target, here);
      else found.push({ path: file.path, line, what: `a cycle: ${[...here.slice(start), target.path].join(' → ')}` });
    }
    finished.add(file.path);
  };
  for (const file of typescript(files)) walk(file, []);
  return found;
}

/** Where each package may be named. In src, apart from the demo, that is at most `filesMax` files. */
const packagePlaces: ReadonlyMap<string, readonly string[]> = new Map([
  [
    '@grpc/grpc-js',
    [
      'src/upstream/{connection,connection-pool,credentials}.ts',
      'src/local-ads/*.ts',
      'src/recording/replay-server.ts',
      'src/demo/*.ts',
      'test/**',
    ],
  ],
  // A client to test against, in a process of its own.
  ['@grpc/grpc-js-xds', ['test/programs/*.ts']],
  ['protobufjs', ['src/xds/wire*.ts', 'src/proto/wire.ts', 'src/demo/*.ts', 'test/support/*.ts']],
  ['undici', ['src/agent/seed-fetch.ts', 'src/agent/token-review.ts']],
  ['@kubernetes/client-node', ['src/source/kubernetes*.ts', 'test/**']],
  ['pino', ['src/agent/log.ts', 'src/source/*.ts']],
  ['pino-pretty', ['src/agent/log.ts']],
  ['node-cache', ['src/cache/idle.ts']],
  ['commander', ['src/cli/**']],
  ['yaml', ['src/agent/config.ts', 'src/kube/yaml-*.ts', 'src/cli/**', 'test/**']],
  // Ten times as fast, and its offsets give the lines; it comes with the Kubernetes client in any case.
  ['js-yaml', ['src/source/manifest-text.ts', 'test/unit/inject-golden.test.ts']],
  ['zod', ['src/agent/config.ts']],
  ['node-forge', ['src/kube/certificate.ts']],
  ['diff', ['src/cli/commands/inject.ts']],
  ['fast-check', ['test/**']],
  ['playwright-core', ['test/**', 'scripts/screenshots.ts']],
  ['esbuild', ['scripts/{build,lazy-packages}.ts']],
]);

const filesMax = 3;
/** Three wire forms of xDS, and one encoder for all that Istio and Envoy say; commands are made a group in a file; texts are read, found
 * one's way in and edited in one each. */
const moreFiles: ReadonlyMap<string, number> = new Map([
  ['protobufjs', 4],
  ['commander', 6],
  ['yaml', 5],
]);
/** The shells of the gRPC services are made of this package, one file for each service. */
const inEveryShell = new Set(['@grpc/grpc-js']);

function packages(files: Repository): Violation[] {
  const namedBy = new Map<string, Set<string>>();
  const found: Violation[] = [];
  for (const file of typescript(files)) {
    for (const { specifier, path, line } of file.imports) {
      if (path !== undefined || specifier.startsWith('node:')) continue;
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
      const places = packagePlaces.get(name) ?? [];
      if (!places.some(place => matchesGlob(file.path, place))) {
        const where = places.length === 0 ? 'nowhere yet; give it a place in this law' : places.join(', ');
        found.push({ path: file.path, line, what: `${name} may be named in: ${where}` });
      }
      if (file.path.startsWith('src/') && !file.path.startsWith('src/demo/')) {
        namedBy.set(name, (namedBy.get(name) ?? new Set()).add(file.path));
      }
    }
  }
  for (const [name, paths] of namedBy) {
    const most = moreFiles.get(name) ?? filesMax;
    if (paths.size <= most || inEveryShell.has(name)) continue;
    found.push({
      path: [...paths].join(', '),
      what: `${name} is named in ${paths.size} files, the most is ${most}`,
    });
  }
  return found;
}

function reachable(files: Repository): Violation[] {
  const isRoot = ({ path }: TidyFile): boolean =>
    path === 'src/cli/main.ts' ||
    path === 'src/admin/dashboard/main.js' ||
    /^(scripts|test\/bench|test\/programs)\/|\.test\.ts$/.test(path);
  const fromPrograms = new Set<string>();
  const fromTests = new Set<string>();
  const walk = (path: string, seen: Set<string>): void => {
    const file = files.get(path);
    if (file === undefined || seen.has(path)) return;
    seen.add(path);
    for (const imported of file.imports) if (imported.path !== undefined) walk(imported.path, seen);
  };
  for (const file of typescript(files).filter(isRoot))
    walk(file.path, file.path.endsWith('.test.ts') ? fromTests : fromPrograms);
  return typescript(files).flatMap(({ path }) => {
    if (fromPrograms.has(path) || (!path.startsWith('src/') && fromTests.has(path))) return [];
    const roots = path.startsWith('src/') ? 'src/cli/main.ts and the scripts' : 'the tests and the scripts';
    return [{ path, what: `no import leads to it from ${roots}; use it or delete it` }];
  });
}

function typescript(files: Repository): TidyFile[] {
  return [...files.values()].filter(file => file.source !== undefined);
}

function sources(files: Repository): TidyFile[] {
  return typescript(files).filter(file => file.path.startsWith('src/'));
}

/** Laws about which file may name which. */
export const importLaws: readonly Law[] = [
  {
    title: 'imports keep the directions of the design',
    reason: 'each side of the agent can then be read, tested and replaced without the others',
    check: directions,
    broken: [
      { 'src/xds/a.ts': "import { x } from '../cache/b.ts';" },
      { 'src/upstream/a.ts': "import type { X } from '../cache/b.ts';" },
      { 'src/agent/a.ts': "const { demo } = await import('../demo/b.ts');" },
      { 'src/cli/a.ts': "import '../admin/routes.ts';" },
      { 'src/admin/a.ts': "export { x } from '../../test/support/x.ts';" },
      { 'src/new-folder/a.ts': '' },
    ],
    sound: {
      'src/agent/a.ts': "import { x } from '../upstream/b.ts';\n// import { y } from '../cli/c.ts'",
      'src/cli/a.ts': "import { x } from '../admin/client.ts'; const text = `import { y } from '../cache/c.ts'`;",
    },
  },
  {
    title: 'no file imports itself over others',
    reason: 'a cycle means two files that cannot be understood apart, and an order of loading that decides',
    check: cycles,
    broken: [
      { 'src/a/a.ts': "import { b } from './b.ts';", 'src/a/b.ts': "import type { A } from './a.ts';" },
      { 'src/a/a.ts': "import './b.ts';", 'src/a/b.ts': "import './c.ts';", 'src/a/c.ts': "import './b.ts';" },
    ],
    sound: {
      'src/a/a.ts': "import { b } from './b.ts';\nimport { c } from './c.ts';",
      'src/a/b.ts': "import { c } from './c.ts';",
      'src/a/c.ts': '',
    },
  },
  {
    title: 'each package is named in few files, and only in its place',
    reason: 'replacing a library is then a change of its place alone',
    check: packages,
    broken: [
      { 'src/cache/store.ts': "import NodeCache from 'node-cache';" },
      { 'src/agent/run.ts': "const { stringify } = await import('yaml');" },
      { 'src/xds/a.ts': "import type { X } from '@some/package/deep.js';" },
      Object.fromEntries(
        ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(name => [`src/cli/${name}.ts`, "import { Command } from 'commander';"]),
      ),
    ],
    sound: {
      'src/cache/idle.ts': "import NodeCache from 'node-cache';\nimport { readFileSync } from 'node:fs';",
      'src/xds/wire-request.ts': "import protobuf from 'protobufjs/minimal.js';",
    },
  },
  {
    title: 'every file is used',
    reason: 'code that no program reaches is read, kept and believed for nothing',
    check: reachable,
    broken: [
      { 'src/cli/main.ts': '', 'src/xds/lost.ts': '' },
      { 'src/xds/only-tested.ts': '', 'test/unit/a.test.ts': "import '../../src/xds/only-tested.ts';" },
      { 'test/support/lost.ts': '' },
    ],
    sound: {
      'src/cli/main.ts': "const run = () => import('./commands/run.ts');",
      'src/cli/commands/run.ts': "import type { X } from '../../xds/types.ts';",
      'src/xds/types.ts': '',
      'test/unit/a.test.ts': "import '../support/b.ts';",
      'test/support/b.ts': '',
    },
  },
];
