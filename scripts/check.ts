import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// `npm run check`: the gate before a commit, the same here and in CI. All steps run, so that one round shows every problem.

const repository = dirname(dirname(fileURLToPath(import.meta.url)));

interface Step {
  readonly title: string;
  /** A script and its arguments, for the Node.js that runs this one. */
  readonly command: readonly [script: string, ...args: string[]];
}

// Biome colours what it writes in CI even where nothing shows colours.
const colours = `--colors=${process.stdout.isTTY ? 'force' : 'off'}`;

const steps: readonly Step[] = [
  { title: 'format and lint', command: ['node_modules/.bin/biome', 'ci', '--error-on-warnings', colours, '.'] },
  { title: 'types', command: ['node_modules/.bin/tsc', '--noEmit'] },
  { title: 'types, dashboard', command: ['node_modules/.bin/tsc', '--noEmit', '--project', 'src/admin/dashboard'] },
  { title: 'generated documents', command: ['scripts/docs.ts', '--check'] },
  { title: 'tidy', command: ['scripts/test.ts', 'tidy'] },
  { title: 'unit', command: ['scripts/test.ts', 'unit'] },
  { title: 'property', command: ['scripts/test.ts', 'property'] },
];

const stepTimeoutMs = 180_000;

/** Runs a step and prints its line, and all it said when it failed. @returns whether it passed */
function runStep({ title, command: [script, ...args] }: Step): boolean {
  const startMs = performance.now();
  const result = spawnSync(process.execPath, [join(repository, script), ...args], {
    cwd: repository,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: stepTimeoutMs,
    maxBuffer: 64 * 1024 * 1024,
  });
  const seconds = `${((performance.now() - startMs) / 1000).toFixed(1)} s`.padStart(7);
  const isPassed = result.status === 0;
  // The closing line of the test script says how many tests there were.
  const counts = / s: (\d+ passed.*)\n$/.exec(result.stdout)?.[1];
  process.stdout.write(`${isPassed ? 'ok  ' : 'FAIL'} ${seconds}  ${title}${counts ? `: ${counts}` : ''}\n`);
  if (!isPassed) {
    const ending = result.error?.message ?? (result.signal ? `ended by ${result.signal}` : '');
    process.stdout.write(`${result.stdout}${result.stderr}${ending}\n`);
  }
  return isPassed;
}

const startMs = performance.now();
const failed = steps.filter(step => !runStep(step)).length;
const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
process.stdout.write(`check in ${seconds} s: ${steps.length - failed} steps passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
