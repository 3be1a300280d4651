import { Child } from './child.ts';
import type { SwarmCommand, SwarmConfig, SwarmReport } from './client-swarm.ts';
import type { OnlookerCommand, OnlookerConfig, OnlookerReport } from './onlooker.ts';
import { startPlane } from './plane.ts';
import { startProbedWeir } from './probed-weir.ts';
import { memoryOf } from './process-figures.ts';
import { quantile, spreadOf } from './statistics.ts';
import { cell, short, type Table } from './table.ts';
import { updateInTurn, verifyNewest } from './updates.ts';

// Updates while nobody looks, and while a dashboard is open and somebody reads the dump of everything again and again: do clients notice?

/** Size of the scenario. */
export interface ObservedOptions {
  readonly clients: number;
  readonly resources: number;
  readonly updates: number;
  readonly changed: number;
  /** Runs of each kind, taking turns. */
  readonly repetitions: number;
}

/** One run. */
export interface ObservedRun {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Anonymous memory of the agent after the last update, in MiB. */
  readonly ownMiB: number;
  /** What was seen; undefined where nobody looked. */
  readonly seen: { readonly events: number; readonly dumps: number; readonly slowestDumpMs: number } | undefined;
}

/** Runs of each kind. */
export interface ObservedFigures {
  readonly unseen: readonly ObservedRun[];
  readonly seen: readonly ObservedRun[];
}

const pauseMs = 25;
const settleMs = 400;

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Runs the scenario. @throws Error when a step fails, or a client does not end with the newest of everything */
export async function measureObserved(
  options: ObservedOptions,
  bundle: string,
  tell: (line: string) => void,
): Promise<ObservedFigures> {
  const figures = { unseen: [] as ObservedRun[], seen: [] as ObservedRun[] };
  for (let turn = 0; turn < options.repetitions; turn += 1) {
    for (const kind of ['unseen', 'seen'] as const) {
      const run = await runOnce(options, bundle, kind === 'seen');
      figures[kind].push(run);
      tell(`${kind}: p50 ${short(run.p50Ms)} ms, p99 ${short(run.p99Ms)} ms; ${JSON.stringify(run.seen ?? {})}`);
    }
  }
  return figures;
}

async function runOnce(
  { clients, resources, updates, changed }: ObservedOptions,
  bundle: string,
  isSeen: boolean,
): Promise<ObservedRun> {
  const stops: (() => Promise<void>)[] = [];
  try {
    const { plane, address } = await startPlane({ resources, variants: ['delta'], own: 0 }, stops);
    const weir = await startProbedWeir(bundle, address, []);
    stops.push(() => weir.stop());
    const swarmConfig: SwarmConfig = {
      ...{ targets: [`127.0.0.1:${weir.port}`], clients, firstNode: 0, reached: clients },
      ...{ resources, changed, variant: 'delta' },
    };
    const swarm = new Child<SwarmCommand, SwarmReport>('the clients', 'client-swarm.ts', swarmConfig);
    stops.push(() => swarm.kill());
    const onlookerConfig: OnlookerConfig = { port: weir.adminPort };
    const onlooker = new Child<OnlookerCommand, OnlookerReport>('the onlooker', 'onlooker.ts', onlookerConfig);
    stops.push(() => onlooker.kill());
    await swarm.report('ready');
    await onlooker.report('ready');
    swarm.send({ kind: 'start' });
    await swarm.report('synced');
    if (isSeen) {
      onlooker.send({ kind: 'start' });
      await onlooker.report('looking');
    }
    await sleep(settleMs);
    const latenciesMs = await updateInTurn(plane, swarm, { updates, changed, pauseMs });
    const ownMiB = memoryOf(weir.process.pid)?.ownMiB ?? Number.NaN;
    onlooker.send({ kind: 'counts' });
    const { events, dumps, slowestDumpMs } = await onlooker.report('counts');
    await verifyNewest(plane, swarm);
    if (isSeen && (events === 0 || dumps === 0)) throw new Error('the onlooker has seen nothing');
    const seen = isSeen ? { events, dumps, slowestDumpMs } : undefined;
    return { p50Ms: quantile(latenciesMs, 0.5), p99Ms: quantile(latenciesMs, 0.99), ownMiB, seen };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** The figures as a table. */
export function observedTable({ unseen, seen }: ObservedFigures): Table {
  const ratio = (of: (run: ObservedRun) => number): string => {
    const [median, base] = [spreadOf(seen.map(of))?.median, spreadOf(unseen.map(of))?.median];
    return median === undefined || base === undefined ? '–' : `${(median / base).toFixed(2)}x`;
  };
  const row = (label: string, runs: readonly ObservedRun[]): string[] => {
    const dumps = runs.flatMap(run => run.seen ?? []);
    return [
      label,
      cell(spreadOf(runs.map(run => run.p50Ms))),
      cell(spreadOf(runs.map(run => run.p99Ms))),
      cell(spreadOf(runs.map(run => run.ownMiB))),
      dumps.length > 0 ? cell(spreadOf(dumps.map(one => one.slowestDumpMs))) : '–',
    ];
  };
  return [
    ['', 'p50 ms', 'p99 ms', 'own MiB', 'slowest dump ms'],
    row('nobody looks', unseen),
    row('dashboard open, dump read', seen),
    ['ratio', ratio(run => run.p50Ms), ratio(run => run.p99Ms), ratio(run => run.ownMiB), ''],
  ];
}
