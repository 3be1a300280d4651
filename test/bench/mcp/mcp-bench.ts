import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { makeFolder, removeFolder } from '../../../src/demo/processes.ts';
import { buildPeers } from '../../support/peers.ts';
import { buildBundle } from '../bundle.ts';
import { machineLine } from '../document.ts';
import { Progress } from '../progress.ts';
import { short, textOf } from '../table.ts';
import { type MeshColumn, type MeshRun, subjectsOf } from './figures.ts';
import { comparisonsOf } from './judge.ts';
import { measureMesh, type Programs } from './measured-run.ts';
import { type MeshOptions, meshHelp, readMeshOptions } from './options.ts';
import { meshTable, type Report, sectionOf, serverNames, summaryOf, variantNames, withSection } from './report.ts';

const documentPath = fileURLToPath(new URL('../../../docs/PERFORMANCE.md', import.meta.url));
const sourceProgram = 'test/bench/mcp/mesh-source.ts';

const tell = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function makePrograms({ swarm }: MeshOptions, folder: string): Promise<Programs> {
  const peers = buildPeers();
  if ('missing' in peers) tell(`${peers.missing}: the columns of LinearCache are left out`);
  const go = 'program' in peers ? peers.program : undefined;
  if (swarm === 'go' && go === undefined) throw new Error('--swarm go: there is no Go to build the clients with');
  return {
    weir: await buildBundle(folder),
    source: await buildBundle(folder, sourceProgram),
    go,
    swarm: swarm ?? (go === undefined ? 'node' : 'go'),
  };
}

/** A column that is filled as its repetitions end. */
type OpenColumn = MeshColumn & { readonly runs: (MeshRun | undefined)[]; readonly failures: string[] };

/** Runs all columns in turn, again and again. */
async function measureColumns(options: MeshOptions, programs: Programs): Promise<readonly MeshColumn[]> {
  const { variants, repetitions, size } = options;
  const columns: OpenColumn[] = variants.flatMap(variant =>
    subjectsOf(programs.go !== undefined).map(subject => ({ variant, subject, runs: [], failures: [] })),
  );
  const progress = new Progress(columns.length * repetitions);
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    for (const { variant, subject, runs, failures } of columns) {
      const what = `${variant}, ${serverNames[subject.server]}, ${subject.path === 'weir' ? 'through Weir' : 'direct'}`;
      progress.begin(what);
      try {
        const run = await measureMesh(variant, subject, size, programs);
        runs.push(run);
        const { deliveriesPerSecond, latencyMeanMs } = run;
        progress.end(
          what,
          `${short(deliveriesPerSecond)} deliveries a second, mean latency ${short(latencyMeanMs)} ms`,
        );
      } catch (error) {
        runs.push(undefined);
        failures.push(`${what}: ${reasonOf(error)}`);
        progress.end(what, `FAILED: ${reasonOf(error)}`);
      }
    }
  }
  progress.close();
  return columns;
}

function print(report: Report, columns: readonly MeshColumn[], options: MeshOptions): void {
  const { comparisons, machine, swarm, failures } = report;
  if (options.output === 'json') {
    const all = { machine, ...options, swarm, comparisons, columns, failures };
    process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
    return;
  }
  process.stdout.write(`${machine}, clients in ${swarm === 'go' ? 'Go' : 'Node.js'}\n`);
  for (const variant of options.variants) {
    process.stdout.write(`\n${variantNames[variant]}\n${textOf(meshTable(comparisons, variant))}`);
  }
  process.stdout.write(`\n${summaryOf(comparisons)}\n`);
}

async function measureAndTell(options: MeshOptions, args: readonly string[], folder: string): Promise<number> {
  const programs = await makePrograms(options, folder);
  const columns = await measureColumns(options, programs);
  const failures = columns.flatMap(column => column.failures);
  const report: Report = {
    comparisons: comparisonsOf(columns),
    size: options.size,
    repetitions: options.repetitions,
    swarm: programs.swarm,
    command: args.join(' '),
    machine: machineLine(new Date()),
    failures,
  };
  print(report, columns, options);
  if (options.writes) {
    writeFileSync(documentPath, withSection(readFileSync(documentPath, 'utf8'), sectionOf(report)));
  }
  for (const failure of failures) tell(`a run failed: ${failure}`);
  return failures.length > 0 ? 1 : 0;
}

/**
 * The program.
 *
 * @param args without program and script
 * @returns the exit code
 */
export async function runMeshBench(args: readonly string[]): Promise<number> {
  let options: MeshOptions | undefined;
  try {
    options = readMeshOptions(args);
  } catch (error) {
    tell(reasonOf(error));
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(meshHelp);
    return 0;
  }
  // What is started is ended by the hooks on 'exit', which a signal alone would not run.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const folder = makeFolder();
  try {
    return await measureAndTell(options, args, folder);
  } catch (error) {
    tell(reasonOf(error));
    return 1;
  } finally {
    removeFolder(folder);
  }
}
