import type { Variant } from '../../src/demo/envelopes.ts';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { startWeir } from '../../src/demo/weir-process.ts';
import { boundedRun, type Stop } from './bounded-run.ts';
import type { RelayConfig, RelayReport } from './byte-relay.ts';
import { Child } from './child.ts';
import type { SwarmCommand, SwarmConfig, SwarmReport } from './client-swarm.ts';
import type { Message } from './inbox.ts';
import { startPilotAgents } from './pilot-agents.ts';
import {
  type AgentFigures,
  type BenchCase,
  type RunFigures,
  type RunOptions,
  type Subject,
  upstreamVariantOf,
} from './plan.ts';
import { type Plane, startPlane } from './plane.ts';
import { cpuMsOf, cpuMsOfAll, memoryOfAll } from './process-figures.ts';
import { quantile } from './statistics.ts';
import { updateOnce, verifyNewest } from './updates.ts';

/** Longest run in ms, from its first process to its last figure. */
const runMsMax = 120_000;
/** After this many ms no further update is begun, if there were `updatesMin`. */
const updatesMsMax = 12_000;
const updatesMin = 5;
/** Rest after the first sync and after the last update, so that late ACKs and clean-up are counted where they belong, in ms. */
const restMs = 400;
/** Between an update that all clients have and the next one, in ms. */
const pauseMs = 25;

/** What stands in the middle of a run. */
interface Middle {
  /** Addresses for the clients. */
  readonly targets: readonly string[];
  /** Processes of it; none where there is nothing in the middle. */
  readonly pids: readonly number[];
  readonly startMs: number | undefined;
}

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

async function startMiddle(
  subject: Subject,
  { clients, pilotAgent }: { readonly clients: number; readonly pilotAgent: string | undefined },
  bundle: string,
  upstream: string,
  upstreamVariant: Variant,
  stops: Stop[],
): Promise<Middle> {
  if (subject === 'direct') return { targets: [upstream], pids: [], startMs: undefined };
  if (subject === 'pilot-agent') {
    const agents = await startPilotAgents(pilotAgent ?? '', upstream, clients, stops);
    return { ...agents, startMs: undefined };
  }
  if (subject === 'relay') {
    const config: RelayConfig = { upstream };
    const relay = new Child<Message, RelayReport>('the relay', 'byte-relay.ts', config);
    stops.push(() => relay.kill());
    const { port } = await relay.report('listening');
    return { targets: [`127.0.0.1:${port}`], pids: [relay.pid], startMs: undefined };
  }
  const folder = makeFolder();
  stops.push(async () => removeFolder(folder));
  const command = [process.execPath, bundle];
  const flags = ['--cache-dir', folder];
  const weir = await startWeir({ command, upstream, folder, upstreamVariant, flags });
  stops.push(() => weir.process.kill());
  const target = subject === 'weir-socket' ? `unix:${weir.socketPath}` : `127.0.0.1:${weir.port}`;
  return { targets: [target], pids: [weir.process.pid], startMs: weir.startMs };
}

/**
 * Makes one run with processes of its own: control plane, what is in the middle, clients. First all clients get
 * everything, then come updates, one at a time: the next begins when every client has the last.
 *
 * @param bundle path of the built Weir
 * @throws Error when a step fails or takes too long, or when in the end a client does not hold the newest of everything
 */
export async function measure(
  benchCase: BenchCase,
  subject: Subject,
  options: RunOptions,
  bundle: string,
): Promise<RunFigures> {
  return await boundedRun(runMsMax, stops => measureSteps(benchCase, subject, options, bundle, stops));
}

async function measureSteps(
  { variant, resources, clients, changed }: BenchCase,
  subject: Subject,
  { updates, pilotAgent }: RunOptions,
  bundle: string,
  stops: Stop[],
): Promise<RunFigures> {
  const upstreamVariant = upstreamVariantOf(subject, variant);
  const planeConfig = { resources, variants: [upstreamVariant], own: 0 };
  const { plane: controlPlane, address: upstream } = await startPlane(planeConfig, stops);
  const middle = await startMiddle(subject, { clients, pilotAgent }, bundle, upstream, upstreamVariant, stops);
  const swarmConfig: SwarmConfig = {
    ...{ targets: middle.targets, clients, firstNode: 0, reached: clients },
    ...{ resources, changed, variant },
  };
  const swarm = new Child<SwarmCommand, SwarmReport>('the clients', 'client-swarm.ts', swarmConfig);
  stops.push(() => swarm.kill());
  await swarm.report('ready');

  const idle = memoryOfAll(middle.pids);
  const look = async () => {
    await sleep(restMs);
    controlPlane.send({ kind: 'stats' });
    const { stats } = await controlPlane.report('stats');
    return { stats, controlPlane: cpuMsOf(controlPlane.pid), agent: cpuMsOfAll(middle.pids) };
  };
  const started = await look();
  swarm.send({ kind: 'start' });
  const synced = await swarm.report('synced');
  const afterSync = await look();

  const latenciesMs: number[] = [];
  const startMs = performance.now();
  let made = 0;
  while (made < updates && (made < updatesMin || performance.now() - startMs < updatesMsMax)) {
    latenciesMs.push(...(await updateOnce(controlPlane, swarm, { changed, node: 0 })));
    made += 1;
    await sleep(pauseMs);
  }
  const ended = await look();
  const memory = memoryOfAll(middle.pids);
  await verify(controlPlane, swarm, subject, clients, ended.stats);

  const perUpdate = (after: number | undefined, before: number | undefined): number | undefined =>
    after === undefined || before === undefined ? undefined : (after - before) / made;
  const agent: AgentFigures | undefined =
    middle.pids.length === 0
      ? undefined
      : {
          startMs: middle.startMs,
          idleRssMiB: idle?.rssMiB,
          idleOwnMiB: idle?.ownMiB,
          rssMiB: memory?.rssMiB,
          ownMiB: memory?.ownMiB,
          peakRssMiB: memory?.peakRssMiB,
          syncCpuMs: difference(afterSync.agent, started.agent),
          updateCpuMs: perUpdate(ended.agent, afterSync.agent),
        };
  return {
    firstSyncMs: synced.ms,
    propagationP50Ms: quantile(latenciesMs, 0.5),
    propagationP99Ms: quantile(latenciesMs, 0.99),
    updates: made,
    streams: ended.stats.streamsOpened,
    syncBytes: afterSync.stats.responseBytes,
    updateBytes: (ended.stats.responseBytes - afterSync.stats.responseBytes) / made,
    controlPlaneSyncCpuMs: difference(afterSync.controlPlane, started.controlPlane),
    controlPlaneUpdateCpuMs: perUpdate(ended.controlPlane, afterSync.controlPlane),
    agent,
  };
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}

/** @throws Error when a client lacks something, anything was rejected, or the control plane saw other than the streams expected */
async function verify(
  controlPlane: Plane,
  swarm: Child<SwarmCommand, SwarmReport>,
  subject: Subject,
  clients: number,
  stats: { readonly streamsOpened: number; readonly rejections: number },
): Promise<void> {
  await verifyNewest(controlPlane, swarm);
  if (stats.rejections > 0) throw new Error(`the control plane was sent ${stats.rejections} rejections`);
  const streams = subject.startsWith('weir') ? 1 : clients;
  if (stats.streamsOpened !== streams) {
    throw new Error(`the control plane saw ${stats.streamsOpened} streams, expected ${streams}`);
  }
}
