import { appendFileSync, chmodSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { lazyLoader, lazyPlugin, lazyText } from './lazy-packages.ts';

// `npm run build [-- --out FILE]`: all of Weir in one file, dist/weir.cjs, that needs Node.js 24 and nothing else. The bench makes one of another
// program in the same way, by `--entry FILE`.

const repository = dirname(dirname(fileURLToPath(import.meta.url)));

/** The version that package.json gives; it becomes part of the file, which has no package.json beside it. */
function ownVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  if (typeof parsed === 'object' && parsed !== null && 'version' in parsed && typeof parsed.version === 'string') {
    return parsed.version;
  }
  throw new Error('package.json has no version; the bundle cannot say which one it is');
}

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(repository, 'dist', 'weir.cjs') },
    entry: { type: 'string', default: join('src', 'cli', 'main.ts') },
  },
});
const outfile = resolve(values.out);
const startMs = performance.now();
const options = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  // CommonJS: grpc-js and pino use require() for parts of Node, which an ES module would need a shim for.
  format: 'cjs',
  // On one line an uncaught error would print the whole program; names stay, so that a stack can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 200,
  legalComments: 'none',
  logLevel: 'warning',
} as const;
await build({
  ...options,
  absWorkingDir: repository,
  entryPoints: [values.entry],
  outfile,
  define: { WEIR_VERSION: JSON.stringify(ownVersion()), 'import.meta.url': 'bundleUrl', 'import.meta.main': 'true' },
  plugins: [lazyPlugin],
  banner: {
    js: `#!/usr/bin/env node\n"use strict";const bundleUrl=require("node:url").pathToFileURL(__filename).href;\n${lazyLoader}`,
  },
});
appendFileSync(outfile, await lazyText(repository, options));
// One character beyond ASCII, and Node holds the whole text with two bytes for each: 4 MB more in every agent, and 10 ms more at each start.
const at = readFileSync(outfile, 'utf8').search(/[^\0-\x7f]/);
if (at >= 0) {
  const around = readFileSync(outfile, 'utf8').slice(Math.max(0, at - 60), at + 20);
  throw new Error(`the bundle is to be plain ASCII; write it as \\u…: ${around}`);
}
chmodSync(outfile, 0o755);
const kilobytes = Math.round(statSync(outfile).size / 1000);
const milliseconds = Math.round(performance.now() - startMs);
process.stdout.write(`${relative(process.cwd(), outfile)}: ${kilobytes} kB, built in ${milliseconds} ms\n`);
