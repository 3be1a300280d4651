import { parseArgs } from 'node:util';
import { runScenario } from '../test/simulation/scenario.ts';

// Runs the simulation for many seeds, or for one with its log: `npm run sim -- --seeds 10000`, `npm run sim -- --seed 42`.

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.help) {
  console.log(
    'npm run sim -- [--seeds N] [--from N]   runs N seeds (default 1000)\nnpm run sim -- --seed N                 replays one seed and prints its log',
  );
} else if (values.seed !== undefined) {
  const seed = Number(values.seed);
  const outcome = runScenario(seed, lines => console.log(lines.join('\n')));
  console.log(`seed ${seed}: held, ${outcome.messages} messages in ${outcome.virtualMs} virtual ms`);
} else {
  runMany(Number(values.from), Number(values.seeds));
}

function runMany(from: number, count: number): void {
  const started = performance.now();
  let failed = 0;
  let messages = 0;
  for (let seed = from; seed < from + count; seed++) {
    try {
      messages += runScenario(seed).messages;
    } catch (error) {
      failed++;
      if (failed <= 10) {
        console.error(`seed ${seed} failed: ${error instanceof Error ? error.message : String(error)}`);
        console.error(`  replay: npm run sim -- --seed ${seed}`);
      }
    }
    if (process.stderr.isTTY && seed % 500 === 0) process.stderr.write(`\r${seed - from + 1} of ${count} seeds`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${count} seeds, ${messages} messages to clients, ${seconds} s`);
  console.log(`${count - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
