import type { Variant } from '../../../src/demo/envelopes.ts';

// What is measured of mesh configuration, and what is to come out.

/** Whose source: Weir's own, or LinearCaches of go-control-plane. */
export type Server = 'weir' | 'go';

/** What stands between source and clients: nothing, or Weir. */
export type Path = 'direct' | 'weir';

/** One column of the table. */
export interface Subject {
  readonly server: Server;
  readonly path: Path;
}

/** How much of it there is. */
export interface MeshSize {
  readonly clients: number;
  readonly resources: number;
  readonly namespaces: number;
  /** Changes a second in the phase with a fixed rate. */
  readonly rate: number;
  /** How many changes that phase has. */
  readonly changes: number;
  /** Changes that may be on their way in the saturated phase. */
  readonly window: number;
  /** Length in ms of the saturated phase, of the one with one change at a time, and of a saturated one before all that warms up and is not counted. */
  readonly saturatedMs: number;
  readonly singleMs: number;
  readonly warmUpMs: number;
}

/** A process, in one run. */
export interface ProcessFigures {
  /** Processor time at the fixed rate, in % of one processor. */
  readonly ratedCpu: number;
  /** The same while saturated, and in ms for 1,000 deliveries. */
  readonly saturatedCpu: number;
  readonly deliveryCpuMs: number;
  /** Mean over the phase with the fixed rate, in MiB: own is RssAnon. */
  readonly ownMiB: number;
  readonly rssMiB: number;
  /** The most it ever was. */
  readonly peakRssMiB: number;
}

/** Figures of one run. A delivery is one change, seen for the first time by one client. */
export interface MeshRun {
  readonly firstSyncMs: number;
  /** When saturated. */
  readonly deliveriesPerSecond: number;
  /** The same with one change at a time, so that each is a message of its own. */
  readonly singleDeliveriesPerSecond: number;
  /** How many changes a message brought when saturated, in the mean. */
  readonly changesPerMessage: number;
  readonly latencyMeanMs: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly source: ProcessFigures;
  /** undefined where clients are at the source. */
  readonly weir: ProcessFigures | undefined;
  readonly clients: ProcessFigures;
}

/** One column in one variant. */
export interface MeshColumn {
  readonly variant: Variant;
  readonly subject: Subject;
  /** By repetition; undefined where it failed. */
  readonly runs: readonly (MeshRun | undefined)[];
  /** Why repetitions failed. */
  readonly failures: readonly string[];
}

/** What a ratio, through Weir to direct, is to be. */
export interface Goal {
  readonly way: 'at least' | 'at most';
  readonly ratio: number;
}

/** A line of the table. */
export interface Figure {
  readonly title: string;
  readonly of: (run: MeshRun) => number | undefined;
  /** undefined where there is none. */
  readonly goal: Goal | undefined;
  /** Whether a ratio of it says anything. */
  readonly hasRatio: boolean;
}

const atMost = (ratio: number): Goal => ({ way: 'at most', ratio });
/** The source, and Weir where there is one. */
const together = (run: MeshRun, of: (figures: ProcessFigures) => number): number =>
  of(run.source) + (run.weir === undefined ? 0 : of(run.weir));

function line(title: string, of: Figure['of'], goal?: Goal): Figure {
  return { title, of, goal, hasRatio: true };
}

function note(title: string, of: Figure['of']): Figure {
  return { title, of, goal: undefined, hasRatio: false };
}

/** Less by 31 % and 29 %, and 2.3 times as fast. */
const [cpuGoal, memoryGoal, latencyGoal] = [atMost(0.69), atMost(0.71), atMost(1 / 2.3)];

const throughputGoal: Goal = { way: 'at least', ratio: 1.75 };

/** All figures, in the order of the table. */
export const figures: readonly Figure[] = [
  line('saturated: deliveries a second', run => run.deliveriesPerSecond, throughputGoal),
  note('saturated: changes in a message', run => run.changesPerMessage),
  line('one change at a time: deliveries a second', run => run.singleDeliveriesPerSecond),
  line('fixed rate: latency, mean ms', run => run.latencyMeanMs, latencyGoal),
  line('fixed rate: latency, p50 ms', run => run.latencyP50Ms),
  line('fixed rate: latency, p99 ms', run => run.latencyP99Ms),
  line('fixed rate: CPU of the source %', run => run.source.ratedCpu, cpuGoal),
  line('fixed rate: CPU of source + Weir %', run => together(run, ({ ratedCpu }) => ratedCpu)),
  line('saturated: CPU of the source, ms for 1,000 deliveries', run => run.source.deliveryCpuMs),
  line('saturated: CPU of source + Weir, ms for 1,000', run => together(run, ({ deliveryCpuMs }) => deliveryCpuMs)),
  line('own memory of the source (RssAnon) MiB', run => run.source.ownMiB, memoryGoal),
  line('RSS of the source MiB', run => run.source.rssMiB, memoryGoal),
  line('RSS of the source, highest MiB', run => run.source.peakRssMiB),
  line('own memory of source + Weir MiB', run => together(run, ({ ownMiB }) => ownMiB)),
  line('RSS of source + Weir MiB', run => together(run, ({ rssMiB }) => rssMiB)),
  line('RSS of source + Weir, highest MiB', run => together(run, ({ peakRssMiB }) => peakRssMiB)),
  line('first sync of all clients ms', run => run.firstSyncMs),
  note('saturated: CPU of the source %', run => run.source.saturatedCpu),
  note('saturated: CPU of Weir %', run => run.weir?.saturatedCpu),
  note('saturated: CPU of all clients %', run => run.clients.saturatedCpu),
  note('fixed rate: CPU of all clients %', run => run.clients.ratedCpu),
];

/** Columns in the order in which they take turns. @param hasGo whether there is Go to build the other source with */
export function subjectsOf(hasGo: boolean): readonly Subject[] {
  const servers: readonly Server[] = hasGo ? ['weir', 'go'] : ['weir'];
  return servers.flatMap(server => [
    { server, path: 'direct' },
    { server, path: 'weir' },
  ]);
}
