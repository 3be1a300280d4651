import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { buildBundle } from './bundle.ts';
import { documentOf, machineLine } from './document.ts';
import { identitiesFaults, identitiesTable, measureIdentities } from './identities.ts';
import { type LabFigures, labSubjects, measureWithLab } from './lab.ts';
import { measure } from './measured-run.ts';
import { measureNeighbours, neighboursTable } from './neighbours.ts';
import { measureObserved, observedTable } from './observed.ts';
import { type BenchOptions, benchHelp, readOptions } from './options.ts';
import { coldStartTable, measureColdStarts, measureReturns, returnTable } from './outages.ts';
import { type BenchCase, type RunFigures, type Subject, subjectsOf } from './plan.ts';
import { plotOf } from './plot.ts';
import { Progress } from './progress.ts';
import { regressionsIn } from './regressions.ts';
import { measureSoak, soakTable } from './soak.ts';
import { soakPlotOf } from './soak-plot.ts';
import { measureStorm, stormTable } from './storm.ts';
import { figureTable, labTable, short, type Table, textOf } from './table.ts';
import type { Measured } from './targets.ts';

/** A row that is filled as its repetitions end. */
interface OpenRow<Figures> {
  readonly benchCase: BenchCase;
  readonly subject: Subject;
  readonly runs: Figures[];
  readonly failures: string[];
}

/** Runs all subjects of one case in turn, `repetitions` times. @param isPointless whether a row needs no further run */
async function alternate<Figures extends RunFigures | LabFigures>(
  rows: readonly OpenRow<Figures>[],
  repetitions: number,
  label: string,
  progress: Progress,
  run: (row: OpenRow<Figures>) => Promise<Figures>,
  isPointless: (row: OpenRow<Figures>) => boolean,
): Promise<void> {
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    for (const row of rows) {
      const { variant, resources, clients, changed } = row.benchCase;
      const what = `${label}${variant}, ${changed} of ${resources} resources, ${clients} clients, ${row.subject}`;
      progress.begin(what);
      if (isPointless(row)) {
        progress.end(what, 'left out, it failed before');
        continue;
      }
      try {
        const figures = await run(row);
        row.runs.push(figures);
        progress.end(what, `p50 ${short(figures.propagationP50Ms)} ms, p99 ${short(figures.propagationP99Ms)} ms`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        row.failures.push(reason);
        progress.end(what, `FAILED: ${reason}`);
      }
    }
  }
}

async function measureAll(options: BenchOptions, bundle: string): Promise<Measured> {
  const { lab, repetitions, pilotAgent } = options;
  const open = <Figures>(benchCase: BenchCase, subjects: readonly Subject[]): OpenRow<Figures>[] =>
    subjects.map(subject => ({ benchCase, subject, runs: [], failures: [] }));
  const groups = options.cases.map(benchCase => ({
    own: open<RunFigures>(benchCase, subjectsOf(benchCase, pilotAgent)),
    // Whatever its clients speak, Weir chooses Delta upstream when it is left to choose.
    lab: open<LabFigures>(benchCase, lab === undefined ? [] : labSubjects(benchCase, pilotAgent)),
  }));
  const rowCount = groups.reduce((sum, group) => sum + group.own.length + group.lab.length, 0);
  const progress = new Progress(rowCount * repetitions);
  for (const group of groups) {
    await alternate(
      group.own,
      repetitions,
      '',
      progress,
      row => measure(row.benchCase, row.subject, options, bundle),
      () => false,
    );
    if (lab === undefined) continue;
    await alternate(
      group.lab,
      repetitions,
      'lab: ',
      progress,
      row => measureWithLab(lab, row.benchCase, row.subject, options, bundle),
      // What does not end in time will not the next time.
      row => row.failures.length > 0,
    );
  }
  progress.close();
  return { rows: groups.flatMap(group => group.own), lab: groups.flatMap(group => group.lab) };
}

function write(measured: Measured, options: BenchOptions, now: Date): void {
  if (options.output === 'json') {
    process.stdout.write(`${JSON.stringify({ machine: machineLine(now), options, ...measured }, null, 2)}\n`);
  } else {
    process.stdout.write(`${machineLine(now)}\n\n${textOf(figureTable(measured.rows))}`);
    if (measured.lab.length > 0) process.stdout.write(`\nxdslab bench\n${textOf(labTable(measured.lab))}`);
  }
  if (options.out === undefined) return;
  mkdirSync(options.out, { recursive: true });
  const path = join(options.out, 'PERFORMANCE.md');
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  writeFileSync(path, documentOf(measured, options, now, before));
  writeFileSync(join(options.out, 'performance.svg'), plotOf(measured.rows));
}

/** A small run whose ratios must be near those of the document. */
async function check(options: BenchOptions, bundle: string): Promise<number> {
  const measured = await measureAll(options, bundle);
  write(measured, options, new Date());
  const failures = measured.rows.flatMap(row => row.failures.map(failure => `${row.subject}: ${failure}`));
  const faults = [...failures, ...regressionsIn(measured.rows)];
  for (const fault of faults) process.stderr.write(`bench: ${fault}\n`);
  return faults.length > 0 ? 1 : 0;
}

/** Runs one of the other scenarios and prints its figures. Its failures are thrown. */
async function runScenario(options: BenchOptions, bundle: string): Promise<number> {
  const { scenario, updates, repetitions } = options;
  const [clients = 0, resources = 0, changed = 0] = [options.clients[0], options.resources[0], options.changed[0]];
  const size = { clients, resources, updates, changed, repetitions };
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  const print = <Figures>(figures: Figures, tableOf: (figures: Figures) => Table): void => {
    const now = machineLine(new Date());
    if (options.output === 'json') {
      process.stdout.write(`${JSON.stringify({ machine: now, scenario, size, ...figures }, null, 2)}\n`);
    } else process.stdout.write(`${now}\n\n${textOf(tableOf(figures))}`);
  };
  if (scenario === 'check') return await check(options, bundle);
  const outage = { ...size, resources: options.resources };
  if (scenario === 'coldstart') {
    const starts = await measureColdStarts(outage, options.lab ?? '', bundle, tell);
    print({ starts }, figures => coldStartTable(figures.starts));
    return starts.every(({ equal, starts: all }) => equal === all) ? 0 : 1;
  }
  if (scenario === 'reconnect') {
    const returns = await measureReturns(outage, options.lab ?? '', bundle, tell);
    print({ returns }, figures => returnTable(figures.returns));
    return 0;
  }
  if (scenario === 'identities') {
    const figures = await measureIdentities({ ...size, nodes: clients }, bundle, tell);
    print(figures, identitiesTable);
    const faults = identitiesFaults(figures, clients);
    for (const fault of faults) process.stderr.write(`bench: ${fault}\n`);
    return faults.length > 0 ? 1 : 0;
  }
  if (scenario === 'storm') {
    const cases = await measureStorm(size, options.lab ?? '', bundle, tell);
    print({ cases }, figures => stormTable(figures.cases));
    return 0;
  }
  if (scenario === 'soak') {
    const { minutes, rate, out } = options;
    const figures = await measureSoak({ ...size, minutes, updatesPerSecond: rate }, bundle, tell);
    print(figures, soakTable);
    if (out !== undefined) {
      mkdirSync(out, { recursive: true });
      writeFileSync(join(out, 'soak.svg'), soakPlotOf(figures.samples));
    }
    return 0;
  }
  if (scenario === 'observed') {
    print(await measureObserved(size, bundle, tell), observedTable);
    return 0;
  }
  print(await measureNeighbours(size, bundle, tell), neighboursTable);
  return 0;
}

/**
 * The program.
 *
 * @param args without program and script
 * @returns the exit code
 */
export async function runBench(args: readonly string[]): Promise<number> {
  let options: BenchOptions | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(benchHelp);
    return 0;
  }
  if (options.lab !== undefined && !existsSync(options.lab)) {
    process.stderr.write(`bench: --lab: there is no ${options.lab}; build xdslab and give its path\n`);
    return 2;
  }
  // What is started is ended by the hooks on 'exit', which a signal alone would not run.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const folder = makeFolder();
  try {
    const bundle = await buildBundle(folder);
    if (options.scenario !== 'propagation') return await runScenario(options, bundle);
    const measured = await measureAll(options, bundle);
    write(measured, options, new Date());
    const failures = [...measured.rows, ...measured.lab].flatMap(row => row.failures);
    const ownFailures = measured.rows.flatMap(row => row.failures);
    for (const failure of failures) process.stderr.write(`bench: a run failed: ${failure}\n`);
    return ownFailures.length > 0 ? 1 : 0;
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    removeFolder(folder);
  }
}
