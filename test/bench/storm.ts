import type { Variant } from '../../src/demo/envelopes.ts';
import { pickFreePort } from '../../src/demo/processes.ts';
import { runLab } from './lab.ts';
import { short, type Table } from './table.ts';

// Many agents lose the control plane at one moment and come back, each with a client behind it; and as many clients without agents. By the
// lab, which has a control plane that works for each stream, and whose counters are read all the while.

/** Size of the scenario. */
export interface StormOptions {
  /** Agents, or clients without them. */
  readonly clients: number;
  readonly resources: number;
  /** Clusters that change while the control plane is away. */
  readonly changed: number;
}

/** Who comes back. */
export type StormSubject = 'direct' | 'weir';

/** What the control plane saw of it. */
export interface StormFigures {
  readonly subject: StormSubject;
  /** What the clients speak. Weir speaks Delta upstream. */
  readonly variant: Variant;
  readonly resentBytes: number;
  readonly controlPlaneCpuMs: number;
  /** Most within one second. */
  readonly peakConnects: number;
  readonly peakRequests: number;
  readonly peakBytes: number;
  /** From its return until it sent nothing more. */
  readonly settledMs: number;
  /** Streams of clients that ended. */
  readonly disconnects: number;
  readonly areAllEqual: boolean;
}

/** Longest time of one run, in ms: a hundred processes start on few cores. */
const runMsMax = 580_000;
const stepLimit = '5m';
const awayFor = '5s';
const pollMs = 50;

/** Counters of the lab's control plane at one moment. */
interface Sample {
  readonly atMs: number;
  readonly streams: number;
  readonly requests: number;
  readonly bytes: number;
}

/**
 * Runs all four cases.
 *
 * @throws Error when one fails or a client did not end with the newest of everything
 */
export async function measureStorm(
  options: StormOptions,
  lab: string,
  bundle: string,
  tell: (line: string) => void,
): Promise<readonly StormFigures[]> {
  const all: StormFigures[] = [];
  for (const subject of ['direct', 'weir'] as const) {
    for (const variant of ['sotw', 'delta'] as const) {
      const figures = await run(options, lab, bundle, subject, variant);
      if (!figures.areAllEqual)
        throw new Error(`${subject}, ${variant}: a client did not end with the newest of everything`);
      tell(
        `${subject}, ${variant} clients: ${figures.peakConnects} connects and ${figures.peakRequests} requests in a second`,
      );
      all.push(figures);
    }
  }
  return all;
}

async function run(
  { clients, resources, changed }: StormOptions,
  lab: string,
  bundle: string,
  subject: StormSubject,
  variant: Variant,
): Promise<StormFigures> {
  const admin = `127.0.0.1:${await pickFreePort()}`;
  // Sockets for everything: a hundred ports that are free now may not be a moment later.
  const weir =
    `exec '${process.execPath}' '${bundle}' run --upstream {upstream} --listen unix:{uds} ` +
    '--admin unix:{dir}/admin.sock --cache-dir {dir} --log-level warn';
  const args = [
    ...['--scenario', 'storm', '--relays', String(clients), '--resources', String(resources)],
    ...['--changed-down', String(changed), '--down', awayFor, '--mode-down', variant, '--limit', stepLimit],
    ...['--serve-args', `--admin ${admin}`],
    ...(subject === 'direct' ? ['--direct'] : ['--relay-cmd', weir, '--relay-target', 'unix:{uds}']),
  ];
  const ending = new AbortController();
  const counting = watch(admin, ending.signal);
  try {
    const output = await runLab(lab, args, runMsMax);
    ending.abort();
    return figuresIn(output, await counting, subject, variant);
  } finally {
    ending.abort();
  }
}

/** Reads the control plane's counters until told to end. While it does not answer there are no samples. */
async function watch(admin: string, signal: AbortSignal): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  while (!signal.aborted) {
    const sample = await read(admin);
    if (sample) samples.push(sample);
    await new Promise(resolve => setTimeout(resolve, pollMs));
  }
  return samples;
}

async function read(admin: string): Promise<Sample | undefined> {
  try {
    const atMs = performance.now();
    const stats: unknown = await (await fetch(`http://${admin}/stats`)).json();
    const [streams, requests, bytes] = ['streams_opened', 'requests', 'response_bytes_total'].map(key =>
      sumOf(stats, key),
    );
    return { atMs, streams: streams ?? 0, requests: requests ?? 0, bytes: bytes ?? 0 };
  } catch {
    return undefined;
  }
}

/** A number of the lab's answer, or the sum of those in it. */
function sumOf(value: unknown, key: string): number {
  const found: unknown =
    typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(key) : undefined;
  if (typeof found === 'number') return found;
  if (typeof found !== 'object' || found === null) return 0;
  return Object.values(found).reduce<number>((sum, one) => sum + (typeof one === 'number' ? one : 0), 0);
}

function figuresIn(output: unknown, samples: readonly Sample[], subject: StormSubject, variant: Variant): StormFigures {
  // The lab sets its counters to zero once all clients have everything.
  const begin = samples.findLastIndex((sample, at) => sample.requests < (samples[at - 1]?.requests ?? 0));
  const after = samples.slice(Math.max(0, begin));
  const isEqual = typeof output === 'object' && output !== null && 'all_equal' in output && output.all_equal === true;
  return {
    subject,
    variant,
    resentBytes: sumOf(output, 'resent_cp_bytes'),
    controlPlaneCpuMs: sumOf(output, 'resent_cp_cpu_s') * 1_000,
    peakConnects: peakOf(after, 'streams'),
    peakRequests: peakOf(after, 'requests'),
    peakBytes: peakOf(after, 'bytes'),
    settledMs: sumOf(output, 'settled_ms'),
    disconnects: sumOf(output, 'client_disconnects'),
    areAllEqual: isEqual,
  };
}

/** The largest growth of a counter within a second. */
export function peakOf(samples: readonly Sample[], counter: 'streams' | 'requests' | 'bytes'): number {
  let most = 0;
  let first = 0;
  for (const sample of samples) {
    while ((samples[first]?.atMs ?? 0) < sample.atMs - 1_000) first++;
    most = Math.max(most, sample[counter] - (samples[first]?.[counter] ?? 0));
  }
  return most;
}

/** The figures as a table. */
export function stormTable(all: readonly StormFigures[]): Table {
  const kilobytes = (bytes: number): string => `${short(bytes / 1_000)} kB`;
  return [
    [
      'who comes back',
      'clients speak',
      'connects in a second',
      'requests in a second',
      'bytes in a second',
      'bytes in all',
      'control plane ms',
      'settled after s',
      'client streams that ended',
    ],
    ...all.map(one => [
      one.subject === 'direct' ? 'clients' : 'Weir',
      one.variant,
      String(one.peakConnects),
      String(one.peakRequests),
      kilobytes(one.peakBytes),
      kilobytes(one.resentBytes),
      short(one.controlPlaneCpuMs),
      short(one.settledMs / 1_000),
      String(one.disconnects),
    ]),
  ];
}
