import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { startWeir } from '../../src/demo/weir-process.ts';
import { boundedRun } from './bounded-run.ts';
import { Child } from './child.ts';
import type { SwarmCommand, SwarmConfig, SwarmReport } from './client-swarm.ts';
import { startPlane } from './plane.ts';
import { cpuMsOf, memoryOf } from './process-figures.ts';
import { fittedSlope, quantile } from './statistics.ts';
import { short, type Table } from './table.ts';
import { verifyNewest } from './updates.ts';

// Updates at a fixed rate for a long time: does the agent's memory stay where it is, and do its latencies?

/** Size of the scenario. */
export interface SoakOptions {
  readonly clients: number;
  readonly resources: number;
  /** Clusters in an update. */
  readonly changed: number;
  readonly updatesPerSecond: number;
  readonly minutes: number;
}

/** What was seen in one piece of the time. */
export interface SoakSample {
  /** Since the clients had everything, in minutes. */
  readonly minute: number;
  /** Mean of the piece. */
  readonly ownMiB: number;
  readonly rssMiB: number;
  /** Of one processor. */
  readonly cpuPercent: number;
  readonly openFiles: number;
  readonly updates: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What came of it. */
export interface SoakFigures {
  readonly samples: readonly SoakSample[];
  readonly updates: number;
  /** Fitted to the samples of the second half, in MiB an hour. */
  readonly ownMiBPerHour: number;
  readonly highestOwnMiB: number;
}

const lookMs = 1_000;
const samplesMax = 120;
/** For what is not the updates. */
const aroundMs = 60_000;

/** Runs it. @throws Error when a step fails, or a client does not end with the newest of everything */
export async function measureSoak(
  options: SoakOptions,
  bundle: string,
  tell: (line: string) => void,
): Promise<SoakFigures> {
  const { clients, resources, changed, updatesPerSecond, minutes } = options;
  return await boundedRun(minutes * 60_000 + aroundMs, async stops => {
    const { plane, address } = await startPlane({ resources, variants: ['delta'], own: 0 }, stops);
    const folder = makeFolder();
    stops.push(async () => removeFolder(folder));
    const command = [process.execPath, bundle];
    const flags = ['--cache-dir', folder];
    const weir = await startWeir({ command, upstream: address, folder, upstreamVariant: 'delta', flags });
    stops.push(() => weir.process.kill());
    const swarmConfig: SwarmConfig = {
      ...{ targets: [`127.0.0.1:${weir.port}`], clients, firstNode: 0, reached: clients },
      ...{ resources, changed, variant: 'delta' },
    };
    const swarm = new Child<SwarmCommand, SwarmReport>('the clients', 'client-swarm.ts', swarmConfig);
    stops.push(() => swarm.kill());
    await swarm.report('ready');
    swarm.send({ kind: 'start' });
    await swarm.report('synced');

    plane.send({ kind: 'churn', changed, node: 0, everyMs: 1_000 / updatesPerSecond });
    const samples = await watch(weir.process.pid, swarm, minutes, tell);
    plane.send({ kind: 'churn', changed, node: 0, everyMs: 0 });
    // What was on its way has arrived when an update of its own has.
    plane.send({ kind: 'update', changed, node: 0 });
    const { stampUs } = await plane.report('updated');
    while ((await swarm.report('updated')).stampUs !== stampUs);
    await verifyNewest(plane, swarm);
    plane.send({ kind: 'stats' });
    const { stats } = await plane.report('stats');
    const late = samples.filter(({ minute }) => minute > minutes / 2);
    return {
      samples,
      updates: stats.churned,
      ownMiBPerHour: 60 * fittedSlope(late.map(({ minute, ownMiB }) => [minute, ownMiB])),
      highestOwnMiB: Math.max(...samples.map(({ ownMiB }) => ownMiB)),
    };
  });
}

/** Takes the clients' reports and looks at the agent once a second; a sample is what was seen in one part of the time. */
async function watch(
  pid: number,
  swarm: Child<SwarmCommand, SwarmReport>,
  minutes: number,
  tell: (line: string) => void,
): Promise<readonly SoakSample[]> {
  const samples: SoakSample[] = [];
  const startMs = performance.now();
  const endMs = startMs + minutes * 60_000;
  const pieceMs = Math.max(2 * lookMs, (minutes * 60_000) / samplesMax);
  let piece = new Piece(pid, startMs);
  let nextLookMs = startMs + lookMs;
  while (performance.now() < endMs) {
    const { latenciesMs } = await swarm.report('updated');
    piece.latenciesMs.push(...latenciesMs);
    piece.updates += 1;
    const nowMs = performance.now();
    if (nowMs < nextLookMs) continue;
    nextLookMs = nowMs + lookMs;
    piece.look(pid);
    if (nowMs - piece.startMs < pieceMs && nowMs < endMs) continue;
    const sample = piece.sample(pid, nowMs, startMs);
    samples.push(sample);
    piece = new Piece(pid, nowMs);
    if (samples.length % 10 === 0) {
      tell(
        `minute ${short(sample.minute)}: own ${short(sample.ownMiB)} MiB, p50 ${short(sample.p50Ms)} ms, p99 ${short(sample.p99Ms)} ms, CPU ${short(sample.cpuPercent)} %`,
      );
    }
  }
  return samples;
}

/** One part of the time, while it lasts. */
class Piece {
  readonly startMs: number;
  readonly latenciesMs: number[] = [];
  updates = 0;
  readonly #cpuMs: number | undefined;
  readonly #own: number[] = [];
  readonly #rss: number[] = [];

  constructor(pid: number, startMs: number) {
    this.startMs = startMs;
    this.#cpuMs = cpuMsOf(pid);
  }

  look(pid: number): void {
    const memory = memoryOf(pid);
    if (!memory) throw new Error('the agent has no memory that could be read');
    this.#own.push(memory.ownMiB);
    this.#rss.push(memory.rssMiB);
  }

  sample(pid: number, nowMs: number, zeroMs: number): SoakSample {
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const cpuMs = (cpuMsOf(pid) ?? Number.NaN) - (this.#cpuMs ?? Number.NaN);
    return {
      minute: (nowMs - zeroMs) / 60_000,
      ownMiB: mean(this.#own),
      rssMiB: mean(this.#rss),
      cpuPercent: (100 * cpuMs) / (nowMs - this.startMs),
      openFiles: readdirSync(join('/proc', String(pid), 'fd')).length,
      updates: this.updates,
      p50Ms: quantile(this.latenciesMs, 0.5),
      p99Ms: quantile(this.latenciesMs, 0.99),
    };
  }
}

/** The figures as a table: a sixth of the time in a row. */
export function soakTable({ samples, ownMiBPerHour, highestOwnMiB, updates }: SoakFigures): Table {
  const parts = 6;
  const size = Math.max(1, Math.ceil(samples.length / parts));
  const rows = Array.from({ length: Math.ceil(samples.length / size) }, (_, part) => {
    const meant = samples.slice(part * size, (part + 1) * size);
    const median = (of: (sample: SoakSample) => number): string => short(quantile(meant.map(of), 0.5));
    return [
      `to minute ${short(meant.at(-1)?.minute ?? 0)}`,
      median(one => one.ownMiB),
      median(one => one.rssMiB),
      median(one => one.cpuPercent),
      median(one => one.openFiles),
      median(one => one.p50Ms),
      median(one => one.p99Ms),
    ];
  });
  return [
    ['', 'own MiB', 'RSS MiB', 'CPU %', 'open files', 'p50 ms', 'p99 ms'],
    ...rows,
    [`${updates} updates`, `highest ${short(highestOwnMiB)}`, `slope ${short(ownMiBPerHour)} MiB/h`, '', '', '', ''],
  ];
}
