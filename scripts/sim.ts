import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/table.ts';
import { runFleet } from '../test/simulation/fleet.ts';
import { runMesh } from '../test/simulation/mesh.ts';
import { runScenario } from '../test/simulation/scenario.ts';

// Runs the simulation for many seeds, or for one with its log: `npm run sim -- --seeds 10000`, `npm run sim -- --seed 42`. With `--fleet 10000`,
// what so many agents do to a control plane that comes back.

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    fleet: { type: 'string' },
    mesh: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.help) {
  console.log(
    [
      'npm run sim -- [--seeds N] [--from N]   runs N seeds (default 1000)',
      'npm run sim -- --seed N                 replays one seed and prints its log',
      'npm run sim -- --mesh [--seeds N] …     Istio’s mesh configuration, with scopes',
      'npm run sim -- --fleet N                N agents reconnect after outages, or start: what the control plane sees',
    ].join('\n'),
  );
} else if (values.fleet !== undefined) {
  showFleet(Number(values.fleet));
} else if (values.mesh && values.seed !== undefined) {
  console.log(`seed ${values.seed}: held, ${runMesh(Number(values.seed))} messages`);
} else if (values.seed !== undefined) {
  const seed = Number(values.seed);
  const outcome = runScenario(seed, lines => console.log(lines.join('\n')));
  console.log(`seed ${seed}: held, ${outcome.messages} messages in ${outcome.virtualMs} virtual ms`);
} else {
  const run = values.mesh ? runMesh : (seed: number): number => runScenario(seed).messages;
  runMany(run, Number(values.from), Number(values.seeds));
}

function showFleet(agents: number): void {
  const outages = [1, 5, 30, 60, 300].map(seconds => ({ what: `outage of ${seconds} s`, outageMs: seconds * 1_000 }));
  const starts = [1, 30].map(seconds => ({
    what: `start, startJitter ${seconds} s`,
    outageMs: 0,
    startJitterMs: seconds * 1_000,
  }));
  const rows = [...outages, ...starts].map(({ what, ...options }) => {
    const figures = runFleet({ agents, ...options });
    const { peakAttempts, peakConnects, peakConnectsInTenth, medianMs, p99Ms, lastMs } = figures;
    const seconds = [medianMs, p99Ms, lastMs].map(ms => (ms / 1_000).toFixed(1));
    return [what, peakAttempts, peakConnects, peakConnectsInTenth, ...seconds].map(String);
  });
  const heading = ['', 'ATTEMPTS/S MEANWHILE', 'CONNECTS/S', 'IN 0.1 S', 'HALF AFTER S', '99 %', 'LAST'];
  process.stdout.write(formatTable([heading, ...rows]));
}

function runMany(run: (seed: number) => number, from: number, count: number): void {
  const started = performance.now();
  let failed = 0;
  let messages = 0;
  for (let seed = from; seed < from + count; seed++) {
    try {
      messages += run(seed);
    } catch (error) {
      failed++;
      if (failed <= 10) {
        console.error(`seed ${seed} failed: ${error instanceof Error ? error.message : String(error)}`);
        console.error(`  replay: npm run sim --${values.mesh ? ' --mesh' : ''} --seed ${seed}`);
      }
    }
    if (process.stderr.isTTY && seed % 500 === 0) process.stderr.write(`\r${seed - from + 1} of ${count} seeds`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${count} seeds, ${messages} messages to clients, ${seconds} s`);
  console.log(`${count - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
