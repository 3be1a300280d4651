import type { BadClientsCommand, BadClientsConfig, BadClientsReport, Behaviour } from './bad-clients.ts';
import { Child } from './child.ts';
import type { SwarmCommand, SwarmConfig, SwarmReport } from './client-swarm.ts';
import { startPlane } from './plane.ts';
import { startProbedWeir } from './probed-weir.ts';
import { memoryOf } from './process-figures.ts';
import { quantile, spreadOf } from './statistics.ts';
import { cell, short, type Table } from './table.ts';
import { updateInTurn, verifyNewest } from './updates.ts';

// Clients that stop reading, reconnect without end, reject everything or send garbage, beside many that behave: what do those notice?

/** Size of the scenario. */
export interface NeighboursOptions {
  /** All of them; the last four are those that misbehave, or do not. */
  readonly clients: number;
  readonly resources: number;
  readonly updates: number;
  readonly changed: number;
  /** Runs of each kind, taking turns. */
  readonly repetitions: number;
}

/** One run. */
export interface NeighboursRun {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Anonymous memory of the agent after the last update, in MiB. */
  readonly ownMiB: number;
  readonly begun: Readonly<Record<string, number>>;
  readonly words: string;
}

/** Runs beside four that behave, and beside four of which each misbehaves in its way, or one alone. */
export interface NeighboursFigures {
  readonly kinds: readonly { readonly label: string; readonly runs: readonly NeighboursRun[] }[];
}

const misbehaviours = ['stalled', 'reconnecting', 'rejecting', 'garbage'] as const satisfies readonly Behaviour[];
const pauseMs = 25;
const settleMs = 400;

type Stop = () => Promise<void>;

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Runs the scenario. @throws Error when a step fails or a client that behaves does not end with the newest of everything */
export async function measureNeighbours(
  options: NeighboursOptions,
  bundle: string,
  tell: (line: string) => void,
): Promise<NeighboursFigures> {
  const well: readonly Behaviour[] = misbehaviours.map(() => 'well');
  const lone = (behaviour: Behaviour): readonly Behaviour[] => [behaviour, ...well.slice(1)];
  const kinds = [
    { label: 'all behave', behaviours: well },
    { label: 'all four', behaviours: misbehaviours },
    ...misbehaviours.map(behaviour => ({ label: behaviour, behaviours: lone(behaviour) })),
  ].map(kind => ({ ...kind, runs: [] as NeighboursRun[] }));
  for (let turn = 0; turn < options.repetitions; turn += 1) {
    for (const { label, behaviours, runs } of kinds) {
      const run = await runOnce(options, bundle, behaviours);
      runs.push(run);
      const notes = `own ${short(run.ownMiB)} MiB; ${JSON.stringify(run.begun)} ${run.words}`;
      tell(`${label}: p50 ${short(run.p50Ms)} ms, p99 ${short(run.p99Ms)} ms, ${notes}`);
    }
  }
  return { kinds };
}

async function runOnce(
  { clients, resources, updates, changed }: NeighboursOptions,
  bundle: string,
  behaviours: readonly Behaviour[],
): Promise<NeighboursRun> {
  const stops: Stop[] = [];
  try {
    const { plane, address } = await startPlane({ resources, variants: ['delta'], own: 0 }, stops);
    const weir = await startProbedWeir(bundle, address, []);
    stops.push(() => weir.stop());
    const target = `127.0.0.1:${weir.port}`;
    const measured = clients - behaviours.length;
    const swarmConfig: SwarmConfig = {
      ...{ targets: [target], clients: measured, firstNode: 0, reached: measured },
      ...{ resources, changed, variant: 'delta' },
    };
    const swarm = new Child<SwarmCommand, SwarmReport>('the clients', 'client-swarm.ts', swarmConfig);
    stops.push(() => swarm.kill());
    const badConfig: BadClientsConfig = { target, behaviours, resources, changed, variant: 'delta' };
    const bad = new Child<BadClientsCommand, BadClientsReport>('the neighbours', 'bad-clients.ts', badConfig);
    stops.push(() => bad.kill());
    await swarm.report('ready');
    await bad.report('ready');
    swarm.send({ kind: 'start' });
    await swarm.report('synced');
    bad.send({ kind: 'start' });
    await sleep(settleMs);

    const latenciesMs = await updateInTurn(plane, swarm, { updates, changed, pauseMs });
    const ownMiB = memoryOf(weir.process.pid)?.ownMiB ?? Number.NaN;
    bad.send({ kind: 'counts' });
    const { begun, words } = await bad.report('counts');
    await verifyNewest(plane, swarm);
    return { p50Ms: quantile(latenciesMs, 0.5), p99Ms: quantile(latenciesMs, 0.99), ownMiB, begun, words };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** The figures as a table: each kind beside the runs in which all behave, repetition by repetition. */
export function neighboursTable({ kinds }: NeighboursFigures): Table {
  const base = kinds[0]?.runs ?? [];
  const rows = kinds.map(({ label, runs }) => {
    const ratio = (of: (run: NeighboursRun) => number): string => {
      const [median, least] = [spreadOf(runs.map(of))?.median, spreadOf(base.map(of))?.median];
      return median === undefined || least === undefined ? '–' : `${(median / least).toFixed(2)}x`;
    };
    const begun = Object.entries(runs.at(-1)?.begun ?? {}).map(([kind, count]) => `${kind} ${count}`);
    return [
      label,
      cell(spreadOf(runs.map(run => run.p50Ms))),
      cell(spreadOf(runs.map(run => run.p99Ms))),
      ratio(run => run.p50Ms),
      ratio(run => run.p99Ms),
      cell(spreadOf(runs.map(run => run.ownMiB))),
      begun.join(', '),
    ];
  });
  return [['four neighbours', 'p50 ms', 'p99 ms', 'p50 ratio', 'p99 ratio', 'own MiB', 'streams begun'], ...rows];
}
