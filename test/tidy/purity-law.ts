import { matchesGlob } from 'node:path';
import { findAll, type Law, type Repository, type TidyFile, type Violation } from './repository.ts';

// The core decides, shells act. Everything in these folders is pure unless it stands in the list of shells, so a new file is
// pure until somebody says here that it is not.

const pureFolders = [
  'xds',
  'cache',
  'upstream',
  'local-ads',
  'admin',
  'recording',
  'agent',
  'proto',
  'istio',
  'envoy',
  'source',
  'kube',
];

/** What does input and output, keeps time or logs. */
const shells: readonly string[] = [
  'src/cache/{disk,disk-file,disk-load,disk-open,disk-tables,secrets,seed-bundle,idle}.ts',
  'src/upstream/{channel,connection,connection-pool,credentials}.ts',
  'src/local-ads/{server,http2-streams,tls-credentials,answered-calls,status-answers,csds,health,reflection}.ts',
  'src/net/**',
  'src/admin/{server,listen,client,process-pages,requests,dashboard,dashboard-files,event-stream,slices}.ts',
  // In the browser.
  'src/admin/dashboard/{main,charts,clients,connection,dom,search,timeline,types,upstream,verdict-view}.js',
  'src/recording/replay-server.ts',
  'src/agent/{cache-tools,control,load-stats,loop,log,log-level,observer,recording-stream,process-watch,run,side-services,small-heap,seed,seed-fetch,storage,token-review}.ts',
  'src/source/{folder,folder-files,folder-watch,kubernetes,kubernetes-{api,config},run}.ts',
  'src/kube/{webhook,certificate,self-signed,api-client}.ts',
];

/** Modules whose functions give the same for the same, or that are loaded only by the shell's wish. */
const pureModules: ReadonlyMap<string, readonly string[]> = new Map([
  ['node:crypto', ['src/xds/digest.ts']],
  ['node:zlib', ['src/cache/disk-rows.ts']],
  ['protobufjs/minimal.js', ['src/{xds,proto}/wire*.ts']],
  ['yaml', ['src/agent/config.ts', 'src/kube/yaml-*.ts']],
  ['js-yaml', ['src/source/manifest-text.ts']],
  ['zod', ['src/agent/config.ts']],
]);

const impure =
  /(?<![.\w$#])(Date\.now|new Date(\s*\(\s*\)|(?!\s*\()\b)|performance\s*\.|Math\.random|set(Timeout|Interval|Immediate)|queueMicrotask|process\s*[.[]|console\s*\.|crypto\s*\.|fetch\s*\()/;

/** Whether a file must be pure. */
function isPure(path: string): boolean {
  return (
    pureFolders.some(folder => path.startsWith(`src/${folder}/`)) && !shells.some(shell => matchesGlob(path, shell))
  );
}

function purity(files: Repository): Violation[] {
  return [...files.values()]
    .filter(file => isPure(file.path))
    .flatMap(file => [...impureUse(file), ...impureImports(file)]);
}

function impureUse(file: TidyFile): Violation[] {
  return findAll(
    file,
    file.source?.code ?? '',
    impure,
    'time, chance and the outside come to a pure file with the event',
  );
}

function impureImports(file: TidyFile): Violation[] {
  return file.imports.flatMap(({ specifier, path, kind, line }) => {
    if (kind === 'type') return [];
    if (path !== undefined) {
      return isPure(path) ? [] : [{ path: file.path, line, what: `a pure file must not use ${path}, which is none` }];
    }
    const isAllowed = pureModules.get(specifier)?.some(place => matchesGlob(file.path, place)) ?? false;
    return isAllowed ? [] : [{ path: file.path, line, what: `a pure file must not use ${specifier}` }];
  });
}

const sample = (line: string): Record<string, string> => ({ 'src/agent/core.ts': `export const at = 1;\n${line}\n` });

/** The law that keeps the core deterministic. */
export const purityLaw: Law = {
  title: 'pure files use no clock, timer, chance, input or output',
  reason:
    'the whole agent runs in a simulation from one seed only as long as nothing in the core depends on anything else',
  check: purity,
  broken: [
    sample('const now = Date.now();'),
    sample('const now = new Date();'),
    sample('const now = new Date;'),
    sample('const now = performance.now();'),
    sample('const chance = Math.random();'),
    sample('setTimeout(() => {}, 1);'),
    sample('setInterval(() => {}, 1);'),
    sample('queueMicrotask(() => {});'),
    sample("const home = process.env['HOME'];"),
    sample("import { readFileSync } from 'node:fs';"),
    sample("import { createHash } from 'node:crypto';"),
    sample("import { pino } from 'pino';"),
    sample("const yaml = await import('yaml');"),
    sample("import { startServer } from '../local-ads/server.ts';"),
    { 'src/xds/brand-new.ts': 'const now = Date.now();' },
  ],
  sound: {
    'src/agent/core.ts':
      "// Never Date.now() here.\nimport type { S } from '../local-ads/server.ts';\nconst text = 'Math.random()';\n" +
      'const time = new Date(event.wallMs); this.process.stop(); this.#setTimeout(1);',
    'src/agent/loop.ts': 'setTimeout(() => {}, Date.now());',
    'src/agent/config.ts': "const yaml = await import('yaml');",
    'src/xds/digest.ts': "import { hash } from 'node:crypto';",
  },
};
