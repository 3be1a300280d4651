import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findEnvoy } from '../src/demo/envoy-process.ts';
import { findChromium } from '../test/support/chromium.ts';
import { type Suite, suites } from './suites.ts';

// `npm test [-- SUITE…] [--name REGEXP]`: runs the suites on the TypeScript sources, with the Node.js that runs this script.

const repository = dirname(dirname(fileURLToPath(import.meta.url)));

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs one suite, its report to stdout. A suite without files, and a file in which no test ran, count as failed. */
async function runSuite(suite: Suite, names: readonly string[]): Promise<Counts> {
  const files = globSync(suite.glob, { cwd: repository })
    .toSorted()
    .map(path => join(repository, path));
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  if (files.length === 0) {
    process.stdout.write(`✖ suite ${suite.name}: no file matches ${suite.glob}\n`);
    return { ...counts, failed: 1 };
  }
  const events = run({
    files,
    cwd: repository,
    concurrency: suite.concurrency,
    timeout: suite.timeoutMs,
    ...(names.length > 0 ? { testNamePatterns: names.map(name => new RegExp(name)) } : {}),
  });
  const ran = new Set<string>();
  events.on('test:summary', ({ file, counts: seen, success }) => {
    if (file === undefined) {
      // Of the whole run, and last: a hook can fail where no test did, and a file as a whole.
      if (!success && counts.failed === 0) counts.failed = 1;
      return;
    }
    if (seen.tests > 0) ran.add(file);
    const skipped = seen.skipped + seen.todo;
    counts.passed += seen.passed;
    counts.skipped += skipped;
    counts.failed += seen.tests - seen.passed - skipped;
  });
  for await (const text of events.compose(spec)) process.stdout.write(text);
  // With a name given, files without such a test are expected.
  const silent = names.length > 0 ? [] : files.filter(file => !ran.has(file));
  for (const file of silent) process.stdout.write(`✖ ${relative(repository, file)}: no test in it came to an end\n`);
  return { ...counts, failed: counts.failed + silent.length };
}

/** Sees to it that there is a Chromium, as {@link provideEnvoy} does for Envoy (REQUIRE_CHROMIUM). */
function provideChromium(): boolean {
  if (findChromium() !== undefined) return true;
  process.stdout.write('e2e: there is no Chromium here yet, so `npm run get-chromium` runs first\n');
  spawnSync(process.execPath, [join(repository, 'scripts', 'get-chromium.ts')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (findChromium() !== undefined) return true;
  const isRequired = Boolean(process.env['REQUIRE_CHROMIUM']);
  const consequence = isRequired ? 'REQUIRE_CHROMIUM is set, so this is a failure' : 'its tests are skipped';
  process.stdout.write(`e2e: no Chromium could be had (the reason is above); ${consequence}\n`);
  return !isRequired;
}

/** Sees to it that there is an Envoy. @returns false when there must be one (WEIR_REQUIRE_ENVOY) and it cannot be had */
function provideEnvoy(): boolean {
  const explicit = process.env['WEIR_ENVOY'] || undefined;
  const isFound = () =>
    findEnvoy({ explicit, from: [repository], searchPath: process.env['PATH'] ?? '' }) !== undefined;
  if (isFound()) return true;
  process.stdout.write('e2e: there is no Envoy here yet, so `npm run get-envoy` runs first\n');
  spawnSync(process.execPath, [join(repository, 'scripts', 'get-envoy.ts')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (isFound()) return true;
  const isRequired = Boolean(process.env['WEIR_REQUIRE_ENVOY']);
  const consequence = isRequired
    ? 'WEIR_REQUIRE_ENVOY is set, so this is a failure'
    : 'the tests that need it are skipped';
  process.stdout.write(`e2e: no Envoy could be had (the reason is above); ${consequence}\n`);
  return !isRequired;
}

function chosenSuites(wanted: readonly string[]): readonly Suite[] {
  const unknown = wanted.filter(name => suites.every(suite => suite.name !== name));
  if (unknown.length > 0) {
    const known = suites.map(suite => suite.name).join(', ');
    process.stderr.write(`there is no suite ${unknown.join(', ')}; the suites are ${known}\n`);
    process.exit(2);
  }
  return wanted.length === 0 ? suites : suites.filter(suite => wanted.includes(suite.name));
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', multiple: true, default: [] } },
});
const chosen = chosenSuites(positionals);
const startMs = performance.now();
const total: Counts = { passed: 0, failed: 0, skipped: 0 };
for (const suite of chosen) {
  if (suite.name === 'e2e' && !(provideEnvoy() && provideChromium())) {
    total.failed += 1;
    continue;
  }
  const counts = await runSuite(suite, values.name);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}
if (total.passed + total.failed === 0) {
  process.stdout.write('✖ no test ran\n');
  total.failed = 1;
}
const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
const title = chosen.map(suite => suite.name).join(', ');
process.stdout.write(
  `${title} in ${seconds} s: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
);
process.exitCode = total.failed > 0 ? 1 : 0;
