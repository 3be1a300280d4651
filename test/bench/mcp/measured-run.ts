import { join } from 'node:path';
import type { Variant } from '../../../src/demo/envelopes.ts';
import { makeFolder, removeFolder } from '../../../src/demo/processes.ts';
import { startWeir } from '../../../src/demo/weir-process.ts';
import { istioKinds, meshConfigTypeUrl } from '../../../src/istio/kinds.ts';
import { boundedRun, type Stop } from '../bounded-run.ts';
import { nowUs } from '../payload.ts';
import { cpuMsOf, memoryOf } from '../process-figures.ts';
import { quantile } from '../statistics.ts';
import type { MeshRun, MeshSize, Path, ProcessFigures, Server, Subject } from './figures.ts';
import { goLoad, type MeshLoad } from './go-load.ts';
import { LineChild } from './line-child.ts';
import type { McpSwarmCommand, McpSwarmConfig, McpSwarmReport } from './mcp-swarm.ts';
import type { MeshSourceCommand, MeshSourceConfig, MeshSourceReport } from './mesh-source.ts';
import { serviceKind } from './services.ts';

/** The programs that a run starts. */
export interface Programs {
  /** The bundle of Weir, and that of its source with the reader of the bench. */
  readonly weir: string;
  readonly source: string;
  /** The Go program; undefined where there is none. */
  readonly go: string | undefined;
  /** Which clients. */
  readonly swarm: 'go' | 'node';
}

/** Longest run in ms, from its first process to its last figure. */
const runMsMax = 60_000;
/** Between phases, so that late ACKs and collections of garbage are counted where they belong, in ms. */
const restMs = 200;
/** As istiod asks for them. */
const typeUrls = [meshConfigTypeUrl, ...istioKinds.map(({ typeUrl }) => typeUrl)];

type Source = LineChild<MeshSourceCommand | MeshLoad, MeshSourceReport>;
type Swarm = LineChild<McpSwarmCommand, McpSwarmReport>;

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, Math.max(0, ms)));
const program = (name: string): string => join(import.meta.dirname, name);

/**
 * Makes one run with processes of its own: a source, perhaps Weir, and all clients. Everybody gets everything; then come a while that warms up, the
 * phase with a fixed rate, and the saturated one.
 *
 * @throws Error when a step fails or takes too long, when a client misses a change, or the source saw other streams than it should
 */
export async function measureMesh(
  variant: Variant,
  subject: Subject,
  size: MeshSize,
  programs: Programs,
): Promise<MeshRun> {
  return await boundedRun(runMsMax, stops => measureSteps(variant, subject, size, programs, stops));
}

async function measureSteps(
  variant: Variant,
  { server, path }: Subject,
  size: MeshSize,
  programs: Programs,
  stops: Stop[],
): Promise<MeshRun> {
  const source = startSource(server, size, programs);
  stops.push(() => source.kill());
  const { port } = await source.report('listening');
  await compareClocks(source);
  const upstream = `127.0.0.1:${port}`;
  const weir = path === 'weir' ? await startAgent(upstream, programs.weir, stops) : undefined;
  const { clients, resources } = size;
  const config: McpSwarmConfig = {
    ...{ target: weir?.target ?? upstream, clients, variant, typeUrls },
    ...{ serviceTypeUrl: serviceKind.typeUrl, resources },
  };
  const swarm = startSwarm(config, programs);
  stops.push(() => swarm.kill());
  await swarm.report('ready');
  swarm.send({ kind: 'start' });
  const { ms: firstSyncMs } = await swarm.report('synced');

  const pids = { source: source.pid, weir: weir?.pid, clients: swarm.pid };
  const run = new Run(source, swarm, size, [
    pids.source,
    pids.clients,
    ...(pids.weir === undefined ? [] : [pids.weir]),
  ]);
  await run.saturate(size.warmUpMs, size.window);
  await sleep(restMs);
  const rated = await run.atRate();
  await sleep(restMs);
  const single = await run.saturate(size.singleMs, 1);
  const saturated = await run.saturate(size.saturatedMs, size.window);
  await verify(source, path, clients);

  const deliveries = saturated.changes * clients;
  const figuresOf = (pid: number): ProcessFigures => ({
    ratedCpu: (100 * cpuOf(rated, pid)) / rated.ms,
    saturatedCpu: (100 * cpuOf(saturated, pid)) / saturated.ms,
    deliveryCpuMs: (1000 * cpuOf(saturated, pid)) / deliveries,
    ownMiB: rated.ownMiB.get(pid) ?? Number.NaN,
    rssMiB: rated.rssMiB.get(pid) ?? Number.NaN,
    peakRssMiB: memoryOf(pid)?.peakRssMiB ?? Number.NaN,
  });
  return {
    firstSyncMs,
    deliveriesPerSecond: (1000 * deliveries) / saturated.ms,
    singleDeliveriesPerSecond: (1000 * single.changes * clients) / single.ms,
    changesPerMessage: saturated.changesPerMessage,
    latencyMeanMs: rated.latenciesMs.reduce((sum, ms) => sum + ms, 0) / rated.latenciesMs.length,
    latencyP50Ms: quantile(rated.latenciesMs, 0.5),
    latencyP99Ms: quantile(rated.latenciesMs, 0.99),
    source: figuresOf(pids.source),
    weir: pids.weir === undefined ? undefined : figuresOf(pids.weir),
    clients: figuresOf(pids.clients),
  };
}

function startSource(server: Server, size: MeshSize, { source, go }: Programs): Source {
  if (server === 'weir') {
    const config: MeshSourceConfig = { resources: size.resources, namespaces: size.namespaces };
    return new LineChild('the source', process.execPath, [source, JSON.stringify(config)]);
  }
  const child: Source = new LineChild('the source in Go', go ?? '', ['mesh-source']);
  child.send(goLoad(typeUrls, size.resources, size.namespaces));
  return child;
}

function startSwarm(config: McpSwarmConfig, { swarm, go }: Programs): Swarm {
  const text = JSON.stringify(config);
  return swarm === 'go'
    ? new LineChild('the clients in Go', go ?? '', ['mesh-swarm', text])
    : new LineChild('the clients', process.execPath, [program('mcp-swarm.ts'), text]);
}

async function startAgent(
  upstream: string,
  bundle: string,
  stops: Stop[],
): Promise<{ readonly target: string; readonly pid: number }> {
  const folder = makeFolder();
  stops.push(async () => removeFolder(folder));
  const flags = ['--cache-dir', join(folder, 'cache')];
  const weir = await startWeir({ command: [process.execPath, bundle], upstream, folder, flags });
  stops.push(() => weir.process.kill());
  return { target: `127.0.0.1:${weir.port}`, pid: weir.process.pid };
}

/** Stamps of one process are compared with times of another. @throws Error when they are not of the same clock */
async function compareClocks(source: Source): Promise<void> {
  const beforeUs = nowUs();
  source.send({ kind: 'stats' });
  const { nowUs: there } = await source.report('stats');
  if (there < beforeUs || there > nowUs()) throw new Error(`the clock of the source is off by ${there - beforeUs} µs`);
}

/** @throws Error when the source saw other streams than it should, or anything was rejected */
async function verify(source: Source, path: Path, clients: number): Promise<void> {
  source.send({ kind: 'stats' });
  const { streamsOpened, rejections } = await source.report('stats');
  const expected = path === 'direct' ? clients : 1;
  if (streamsOpened !== expected) throw new Error(`the source saw ${streamsOpened} streams, expected ${expected}`);
  if (rejections > 0) throw new Error(`the source was sent ${rejections} rejections`);
}

/** What a phase took. */
interface Phase {
  readonly ms: number;
  /** By process, in ms, at its beginning and end. */
  readonly cpuBefore: ReadonlyMap<number, number>;
  readonly cpuAfter: ReadonlyMap<number, number>;
}

interface RatedPhase extends Phase {
  readonly latenciesMs: readonly number[];
  readonly ownMiB: ReadonlyMap<number, number>;
  readonly rssMiB: ReadonlyMap<number, number>;
}

interface SaturatedPhase extends Phase {
  readonly changes: number;
  readonly changesPerMessage: number;
}

function cpuOf({ cpuBefore, cpuAfter }: Phase, pid: number): number {
  return (cpuAfter.get(pid) ?? Number.NaN) - (cpuBefore.get(pid) ?? Number.NaN);
}

/** The changes of a run: which was made last, and which was seen. */
class Run {
  readonly #source: Source;
  readonly #swarm: Swarm;
  readonly #size: MeshSize;
  readonly #pids: readonly number[];
  #made = 0;
  #seen = 0;

  constructor(source: Source, swarm: Swarm, size: MeshSize, pids: readonly number[]) {
    this.#source = source;
    this.#swarm = swarm;
    this.#size = size;
    this.#pids = pids;
  }

  /**
   * Lets the source make changes as fast as all clients together keep up, for some time.
   *
   * @param window how many there may be that some client has not seen
   */
  async saturate(ms: number, window: number): Promise<SaturatedPhase> {
    this.#make(this.#seen + window);
    await this.#see();
    // The window is in motion from here on.
    this.#swarm.send({ kind: 'measure', keepsLatencies: false });
    const [startMs, first, cpuBefore] = [performance.now(), this.#seen, this.#cpu()];
    let tookMs = 0;
    while (tookMs < ms) {
      this.#make(this.#seen + window);
      await this.#see();
      tookMs = performance.now() - startMs;
    }
    const [changes, cpuAfter] = [this.#seen - first, this.#cpu()];
    await this.#seeAll();
    this.#swarm.send({ kind: 'counts' });
    const { deliveries, messages } = await this.#swarm.report('counts');
    return { ms: tookMs, cpuBefore, cpuAfter, changes, changesPerMessage: deliveries / messages };
  }

  /** Lets the source make changes at a fixed rate, whether or not the last has arrived. */
  async atRate(): Promise<RatedPhase> {
    const { rate, changes } = this.#size;
    this.#swarm.send({ kind: 'measure', keepsLatencies: true });
    const [startMs, cpuBefore] = [performance.now(), this.#cpu()];
    const [own, rss] = [new Means(), new Means()];
    for (let change = 0; change < changes; change += 1) {
      await sleep(startMs + (change * 1000) / rate - performance.now());
      for (const pid of this.#pids) {
        const memory = memoryOf(pid);
        own.add(pid, memory?.ownMiB);
        rss.add(pid, memory?.rssMiB);
      }
      this.#make(this.#made + 1);
    }
    await this.#seeAll();
    // The last change has its share of the time, too.
    await sleep(startMs + (changes * 1000) / rate - performance.now());
    const [ms, cpuAfter] = [performance.now() - startMs, this.#cpu()];
    this.#swarm.send({ kind: 'counts' });
    const { latenciesUs, deliveries } = await this.#swarm.report('counts');
    const wanted = changes * this.#size.clients;
    if (deliveries !== wanted) throw new Error(`${deliveries} deliveries of ${wanted} came at the fixed rate`);
    const latenciesMs = latenciesUs.map(us => us / 1000);
    return { ms, cpuBefore, cpuAfter, latenciesMs, ownMiB: own.values(), rssMiB: rss.values() };
  }

  #make(serial: number): void {
    this.#made = serial;
    this.#source.send({ kind: 'until', serial });
  }

  async #see(): Promise<void> {
    this.#seen = (await this.#swarm.report('seen')).serial;
  }

  async #seeAll(): Promise<void> {
    while (this.#seen < this.#made) await this.#see();
  }

  #cpu(): ReadonlyMap<number, number> {
    return new Map(this.#pids.map(pid => [pid, cpuMsOf(pid) ?? Number.NaN]));
  }
}

/** Means of values by process. */
class Means {
  readonly #sums = new Map<number, { sum: number; count: number }>();

  add(pid: number, value: number | undefined): void {
    const { sum, count } = this.#sums.get(pid) ?? { sum: 0, count: 0 };
    this.#sums.set(pid, { sum: sum + (value ?? Number.NaN), count: count + 1 });
  }

  values(): ReadonlyMap<number, number> {
    return new Map([...this.#sums].map(([pid, { sum, count }]) => [pid, sum / count]));
  }
}
