import { at, labWeir, runLab } from './lab.ts';
import type { BenchCase } from './plan.ts';
import { type Spread, spreadOf } from './statistics.ts';
import { cell, short, type Table } from './table.ts';

// What an agent is for, by the lab: it is started while the control plane is away, and the control plane comes back to clients that were served meanwhile.

/** Size of the scenarios. */
export interface OutageOptions {
  readonly resources: readonly number[];
  readonly clients: number;
  /** Starts of each kind; of returns the runs. */
  readonly repetitions: number;
  /** Clusters that change while the control plane is away. */
  readonly changed: number;
}

/** Starts without a control plane. Times in ms from exec. */
export interface ColdStart {
  readonly resources: number;
  readonly variant: BenchCase['variant'];
  /** How the agent before was ended. */
  readonly endedBy: 'term' | 'kill';
  readonly portMs: Spread | undefined;
  readonly firstAnswerMs: Spread | undefined;
  readonly everythingMs: Spread | undefined;
  readonly equal: number;
  readonly starts: number;
}

/** A return of the control plane, straight to clients or to an agent. */
export interface Return {
  readonly subject: 'direct' | 'weir';
  readonly variant: BenchCase['variant'];
  readonly resources: number;
  readonly sentBytes: number;
  readonly resentBytes: number;
  readonly settledMs: number;
  readonly disconnects: number;
  readonly removals: number;
}

const downFor = '3s';
/** Of one run of the lab, in ms: a hundred thousand resources are written to disk and read five times. */
const runMsMax = 240_000;

function spreadAt(result: unknown, key: string): Spread | undefined {
  const [median, max] = [at(result, key, 'p50'), at(result, key, 'max')];
  // The lab gives no least one.
  return typeof median === 'number' && typeof max === 'number' ? { median, min: median, max } : undefined;
}

/** Starts the agent again and again while there is no control plane. @throws Error when a run of the lab fails */
export async function measureColdStarts(
  { resources: sizes, repetitions }: OutageOptions,
  lab: string,
  bundle: string,
  tell: (line: string) => void,
): Promise<readonly ColdStart[]> {
  const all: ColdStart[] = [];
  for (const resources of sizes) {
    for (const variant of ['delta', 'sotw'] as const) {
      for (const endedBy of ['term', 'kill'] as const) {
        const args = ['--scenario', 'coldstart', '--resources', String(resources), '--runs', String(repetitions)];
        const result = await runLab(
          lab,
          [...args, '--mode-down', variant, '--kill', endedBy, '--relay-cmd', labWeir(bundle)],
          runMsMax,
        );
        const one: ColdStart = {
          ...{ resources, variant, endedBy, starts: repetitions },
          portMs: spreadAt(result, 'exec_to_port_ms'),
          firstAnswerMs: spreadAt(result, 'exec_to_first_response_ms'),
          everythingMs: spreadAt(result, 'exec_to_full_sync_ms'),
          equal: Number(at(result, 'equal_runs')),
        };
        tell(
          `${resources}, ${variant}, ${endedBy}: first answer after ${short(one.firstAnswerMs?.median ?? Number.NaN)} ms`,
        );
        all.push(one);
      }
    }
  }
  return all;
}

/** The figures as a table. Of the spread only the largest is known. */
export function coldStartTable(all: readonly ColdStart[]): Table {
  const largest = (spread: Spread | undefined): string =>
    spread === undefined ? '–' : `${short(spread.median)} (${short(spread.max)})`;
  return [
    ['resources', 'client', 'ended by', 'port open ms', 'first answer ms', 'everything ms', 'equal to before'],
    ...all.map(one => [
      ...[String(one.resources), one.variant, one.endedBy],
      ...[largest(one.portMs), largest(one.firstAnswerMs), largest(one.everythingMs)],
      `${one.equal} of ${one.starts}`,
    ]),
  ];
}

/** Takes the control plane away from clients and agents, and has it come back. @throws Error when a run of the lab fails */
export async function measureReturns(
  { resources: sizes, clients, repetitions, changed }: OutageOptions,
  lab: string,
  bundle: string,
  tell: (line: string) => void,
): Promise<readonly (readonly Return[])[]> {
  const all: Return[][] = [];
  for (const resources of sizes) {
    for (const variant of ['delta', 'sotw'] as const) {
      const subjects = (['direct', 'weir'] as const).map(subject => ({ subject, runs: [] as Return[] }));
      for (let repetition = 0; repetition < repetitions; repetition += 1) {
        for (const { subject, runs } of subjects) {
          const sizesArgs = [
            '--resources',
            String(resources),
            '--clients',
            String(clients),
            '--changed-down',
            String(changed),
          ];
          const middle = subject === 'direct' ? ['--direct'] : ['--relay-cmd', labWeir(bundle)];
          const result = await runLab(
            lab,
            ['--scenario', 'reconnect', '--down', downFor, '--mode-down', variant, ...sizesArgs, ...middle],
            runMsMax,
          );
          const number = (key: string): number => Number(at(result, key) ?? 0);
          if (at(result, 'all_equal') !== true)
            throw new Error(`${subject}, ${variant}: a client did not end with the newest of everything`);
          runs.push({
            ...{ subject, variant, resources },
            sentBytes: number('initial_cp_bytes'),
            resentBytes: number('resent_cp_bytes'),
            settledMs: number('settled_ms'),
            disconnects: number('client_disconnects'),
            removals: number('client_removals'),
          });
        }
      }
      for (const { subject, runs } of subjects) {
        tell(`${resources}, ${variant}, ${subject}: ${short((runs[0]?.resentBytes ?? 0) / 1_000)} kB sent again`);
        all.push(runs);
      }
    }
  }
  return all;
}

/** The figures as a table. */
export function returnTable(all: readonly (readonly Return[])[]): Table {
  const of = (runs: readonly Return[], figure: (run: Return) => number): string => cell(spreadOf(runs.map(figure)));
  return [
    [
      'resources',
      'clients speak',
      'through',
      'sent before kB',
      'sent again kB',
      'settled ms',
      'streams that ended',
      'removals',
    ],
    ...all.map(runs => [
      ...[String(runs[0]?.resources), runs[0]?.variant ?? '', runs[0]?.subject === 'weir' ? 'Weir' : 'direct'],
      ...[
        of(runs, run => run.sentBytes / 1_000),
        of(runs, run => run.resentBytes / 1_000),
        of(runs, run => run.settledMs),
      ],
      ...[of(runs, run => run.disconnects), of(runs, run => run.removals)],
    ]),
  ];
}
