import { Child } from './child.ts';
import type { SwarmCommand, SwarmConfig, SwarmReport } from './client-swarm.ts';
import type { ControlPlaneConfig } from './lean-control-plane.ts';
import { type Plane, startPlane } from './plane.ts';
import { type ProbedMemory, startProbedWeir } from './probed-weir.ts';
import { quantile, spreadOf } from './statistics.ts';
import type { Table } from './table.ts';
import { short } from './table.ts';
import { updateOnce } from './updates.ts';

// Many identities behind one Weir, each with a stream of its own: what they cost together, and whether one that changes all the time slows
// the others. The same clients straight at the control plane say what of it is the machine's.

/** Size of the scenario. */
export interface IdentitiesOptions {
  readonly nodes: number;
  /** Clusters of each node, with as many endpoint lists; a tenth of them is the node's own. */
  readonly resources: number;
  /** Measured updates in each phase. */
  readonly updates: number;
  /** Clusters in an update. */
  readonly changed: number;
  /** Phases of each kind, taking turns. */
  readonly repetitions: number;
}

/** Share of the resources that is equal for all nodes. */
const ownShare = 0.1;
/** What the node does that changes all the time, its endpoints with its clusters: ten times a second, and as a storm. */
const churns = { brisk: { changed: 10, everyMs: 100 }, storm: { changed: 50, everyMs: 20 } };
/** Bytes of bodies that may be held, as a multiple of those that differ. */
const heldShareMax = 1.3;
const pauseMs = 5;
const settleMs = 400;
const verifyMs = 5_000;

/** How long each update took in ms, phase by phase. */
type Phases = Readonly<Record<'quiet' | keyof typeof churns, (readonly number[])[]>>;

/** What is reported. */
export interface IdentitiesFigures {
  readonly connections: number;
  readonly streams: number;
  /** Bytes of all bodies that differ, once each; and what Weir says that it holds. */
  readonly differingBytes: number;
  readonly heldBytes: number;
  /** What N copies would be. */
  readonly copiesBytes: number;
  readonly firstSyncMs: number;
  readonly memory: { readonly idle: ProbedMemory; readonly one: ProbedMemory; readonly all: ProbedMemory };
  readonly direct: Phases;
  readonly weir: Phases;
  readonly churned: number;
}

type Stop = () => Promise<void>;
type Swarm = Child<SwarmCommand, SwarmReport>;

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Runs the scenario. @throws Error when a step fails or a client does not end with the newest of everything */
export async function measureIdentities(
  options: IdentitiesOptions,
  bundle: string,
  tell: (line: string) => void,
): Promise<IdentitiesFigures> {
  const direct = await withProcesses(stops => measureDirect(options, stops, tell));
  return await withProcesses(stops => measureWeir(options, bundle, direct, stops, tell));
}

async function withProcesses<Result>(run: (stops: Stop[]) => Promise<Result>): Promise<Result> {
  const stops: Stop[] = [];
  try {
    return await run(stops);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** The lists that the control plane serves. */
function worldsOf({ resources }: IdentitiesOptions): ControlPlaneConfig {
  return { resources, variants: ['delta'], own: Math.round(resources * ownShare) };
}

/** Connects nodes and waits until they hold everything. */
async function join(
  { resources, changed }: IdentitiesOptions,
  target: string,
  firstNode: number,
  clients: number,
  stops: Stop[],
): Promise<{ swarm: Swarm; syncMs: number }> {
  const config: SwarmConfig = {
    targets: [target],
    clients,
    firstNode,
    reached: 1,
    resources,
    changed,
    variant: 'delta',
  };
  const swarm: Swarm = new Child('the clients', 'client-swarm.ts', config);
  stops.push(() => swarm.kill());
  await swarm.report('ready');
  swarm.send({ kind: 'start' });
  const { ms } = await swarm.report('synced');
  return { swarm, syncMs: ms };
}

async function statsOf(plane: Plane) {
  plane.send({ kind: 'stats' });
  return (await plane.report('stats')).stats;
}

/** Node 1 is the one that changes all the time, alone in its process; the others are the measured ones. */
async function measureDirect(options: IdentitiesOptions, stops: Stop[], tell: (line: string) => void): Promise<Phases> {
  const { plane, address } = await startPlane(worldsOf(options), stops);
  await join(options, address, 1, 1, stops);
  const { swarm } = await join(options, address, 2, options.nodes - 1, stops);
  return await takeTurns('direct', options, plane, swarm, tell);
}

async function measureWeir(
  options: IdentitiesOptions,
  bundle: string,
  direct: Phases,
  stops: Stop[],
  tell: (line: string) => void,
): Promise<IdentitiesFigures> {
  const { plane, address } = await startPlane(worldsOf(options), stops);
  const flags = ['--node-sharing', 'stream-per-node'];
  const weir = await startProbedWeir(bundle, address, flags);
  stops.push(() => weir.stop());
  const target = `127.0.0.1:${weir.port}`;
  const idle = await weir.memory();
  const first = await join(options, target, 1, 1, stops);
  await sleep(settleMs);
  const one = await weir.memory();
  const { swarm, syncMs } = await join(options, target, 2, options.nodes - 1, stops);
  await sleep(settleMs);
  const all = await weir.memory();
  const heldBytes = await weir.metric('weir_body_bytes');
  tell(`${options.nodes} nodes have everything after ${short(syncMs)} ms`);
  const synced = await statsOf(plane);
  const phases = await takeTurns('Weir', options, plane, swarm, tell);
  const { churned } = await statsOf(plane);
  await verify(plane, [first.swarm, swarm]);
  return {
    connections: synced.connections,
    streams: synced.streamsOpened,
    differingBytes: synced.bodyBytes,
    heldBytes,
    copiesBytes: (synced.bodyBytes / (1 + ownShare * (options.nodes - 1))) * options.nodes,
    firstSyncMs: syncMs,
    memory: { idle, one, all },
    direct,
    weir: phases,
    churned,
  };
}

async function takeTurns(
  label: string,
  options: IdentitiesOptions,
  plane: Plane,
  swarm: Swarm,
  tell: (line: string) => void,
): Promise<Phases> {
  const phases: Phases = { quiet: [], brisk: [], storm: [] };
  // The first one warms up what is compiled late, and is not counted.
  await phase(options, plane, swarm);
  for (let turn = 0; turn < options.repetitions; turn += 1) {
    phases.quiet.push(await phase(options, plane, swarm));
    for (const kind of ['brisk', 'storm'] as const) {
      plane.send({ kind: 'churn', node: 1, ...churns[kind] });
      phases[kind].push(await phase(options, plane, swarm));
      plane.send({ kind: 'churn', node: 1, changed: 0, everyMs: 0 });
      await sleep(settleMs);
    }
    const p99 = (of: Phases['quiet']): string => short(quantile(of.at(-1) ?? [], 0.99));
    const { quiet, brisk, storm } = phases;
    tell(`${label}: p99 ${p99(quiet)} ms, beside churn ${p99(brisk)} ms, beside a storm ${p99(storm)} ms`);
  }
  return phases;
}

/** Updates one node after the other, each when the last has its own. */
async function phase(
  { nodes, updates, changed }: IdentitiesOptions,
  plane: Plane,
  swarm: Swarm,
): Promise<readonly number[]> {
  const latenciesMs: number[] = [];
  for (let made = 0; made < updates; made += 1) {
    latenciesMs.push(...(await updateOnce(plane, swarm, { changed, node: 2 + ((made * 37) % (nodes - 1)) })));
    await sleep(pauseMs);
  }
  return latenciesMs;
}

/** @throws Error when a client does not come to hold the newest of everything */
async function verify(plane: Plane, swarms: readonly Swarm[]): Promise<void> {
  plane.send({ kind: 'stamps' });
  const { stampsUs } = await plane.report('stamps');
  const untilMs = performance.now() + verifyMs;
  for (const swarm of swarms) {
    for (;;) {
      swarm.send({ kind: 'verify', stampsUs });
      // Nobody waited for what was reported of the updates of the node that changes all the time.
      const { problems } = await swarm.report('verified', true);
      if (problems.length === 0) break;
      if (performance.now() > untilMs) throw new Error(problems.join('; '));
      await sleep(pauseMs);
    }
  }
}

/** What of the figures is a matter of right or wrong, and wrong; speed is not. */
export function identitiesFaults(figures: IdentitiesFigures, nodes: number): readonly string[] {
  const { connections, streams, heldBytes, differingBytes } = figures;
  const faults: string[] = [];
  if (connections !== 1) faults.push(`${connections} connections to the control plane, not one`);
  if (streams !== nodes) faults.push(`${streams} streams for ${nodes} nodes`);
  if (heldBytes > heldShareMax * differingBytes)
    faults.push(`${heldBytes} bytes of bodies for ${differingBytes} that differ`);
  return faults;
}

/** The figures as a table, each with its target where it has one. */
export function identitiesTable(figures: IdentitiesFigures): Table {
  const { memory, differingBytes, heldBytes, copiesBytes } = figures;
  const mebibytes = (bytes: number): string => `${short(bytes / 2 ** 20)} MiB`;
  const memoryCell = ({ heapMiB, buffersMiB, ownMiB }: ProbedMemory): string =>
    `heap ${short(heapMiB)}, buffers ${short(buffersMiB)}, own ${short(ownMiB)} MiB`;
  /** Over all phases of a kind: the p99 of one rests on a handful of samples. */
  const phaseCell = (phases: Phases, kind: keyof Phases): string => {
    const spread = spreadOf(phases[kind].map(one => quantile(one, 0.99)));
    const range = `${short(spread?.min ?? Number.NaN)}–${short(spread?.max ?? Number.NaN)}`;
    const [p50, p99] = [quantile(phases[kind].flat(), 0.5), quantile(phases[kind].flat(), 0.99)];
    const ratio = kind === 'quiet' ? '' : `: ${(p99 / quantile(phases.quiet.flat(), 0.99)).toFixed(2)}x`;
    return `p50 ${short(p50)}, p99 ${short(p99)} (${range}) ms${ratio}`;
  };
  return [
    ['what', 'measured', 'target'],
    ['connections to the control plane', String(figures.connections), '1'],
    ['streams', String(figures.streams), 'one a node'],
    ['bodies that differ', mebibytes(differingBytes), ''],
    [
      'bodies held',
      `${mebibytes(heldBytes)}, ${(heldBytes / differingBytes).toFixed(2)}x`,
      `≤ ${heldShareMax}x of what differs`,
    ],
    ['a copy for each node would be', mebibytes(copiesBytes), ''],
    ['first sync of all', `${short(figures.firstSyncMs)} ms`, ''],
    ['memory, no client', memoryCell(memory.idle), ''],
    ['memory, one node', memoryCell(memory.one), ''],
    ['memory, all nodes', memoryCell(memory.all), ''],
    ['an update, direct', phaseCell(figures.direct, 'quiet'), ''],
    ['  beside churn', phaseCell(figures.direct, 'brisk'), ''],
    ['  beside a storm', phaseCell(figures.direct, 'storm'), ''],
    ['an update, Weir', phaseCell(figures.weir, 'quiet'), ''],
    ['  beside churn', phaseCell(figures.weir, 'brisk'), '≤ 1.3x'],
    ['  beside a storm', phaseCell(figures.weir, 'storm'), ''],
    ['updates of the node that churns', String(figures.churned), ''],
  ];
}
