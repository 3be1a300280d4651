import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pilotAgentCommand, pilotAgentSocket } from './pilot-agents.ts';
import type { BenchCase, RunOptions, Subject } from './plan.ts';

// The same cases by `xdslab bench`: another control plane (go-control-plane, which works for every stream) and other
// clients. The targets are stated in its figures.

/** Longest run of the lab, in ms. */
const labMsMax = 90_000;
/** The lab's clock gives an update whether or not the last has arrived, so there are fewer of them, further apart. */
const labUpdatesMax = 20;
const labInterval = '250ms';

/** Figures of one run of the lab; see its README. */
export interface LabFigures {
  readonly firstSyncMs: number;
  readonly propagationP50Ms: number;
  readonly propagationP99Ms: number;
  readonly streams: number;
  /** Bytes that the control plane sent after the first sync, for one update. */
  readonly updateBytes: number;
  readonly syncBytes: number;
  /** Processor time of the control plane, in ms. */
  readonly controlPlaneSyncCpuMs: number;
  readonly controlPlaneUpdateCpuMs: number;
  /** Of the agent, in ms for one update; undefined without one. */
  readonly agentUpdateCpuMs: number | undefined;
  readonly agentRssMiB: number | undefined;
}

/** One row of the lab. Weir as its users run it: with a cache, and whatever the clients speak, Delta upstream. */
export interface LabRow {
  readonly benchCase: BenchCase;
  readonly subject: Subject;
  readonly runs: readonly LabFigures[];
  readonly failures: readonly string[];
}

/** What stands there in a result of the lab, undefined for nothing. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? new Map(Object.entries(inner)).get(key) : undefined),
    value,
  );
}

function figuresIn(result: unknown, updates: number): LabFigures {
  const optional = (...path: readonly string[]): number | undefined => {
    const value = at(result, ...path);
    return typeof value === 'number' ? value : undefined;
  };
  const required = (...path: readonly string[]): number => {
    const value = optional(...path);
    if (value === undefined) throw new Error(`the lab's result has no ${path.join('.')}`);
    return value;
  };
  if (at(result, 'all_equal') !== true) throw new Error('the lab found a client without the newest of everything');
  const agentSeconds = optional('relay_update_cpu_s');
  return {
    firstSyncMs: required('first_sync_ms', 'max'),
    propagationP50Ms: required('latency_ms', 'p50'),
    propagationP99Ms: required('latency_ms', 'p99'),
    streams: required('cp_streams_opened'),
    syncBytes: required('sync_cp_bytes'),
    updateBytes: required('cp_update_bytes') / updates,
    controlPlaneSyncCpuMs: required('sync_cp_cpu_s') * 1000,
    controlPlaneUpdateCpuMs: (required('cp_update_cpu_s') * 1000) / updates,
    agentUpdateCpuMs: agentSeconds === undefined ? undefined : (agentSeconds * 1000) / updates,
    agentRssMiB: optional('relay_rss_mib'),
  };
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** How the lab starts Weir: with a cache, as its users do. */
export function labWeir(bundle: string): string {
  return (
    `exec ${quoted(process.execPath)} ${quoted(bundle)} run --upstream {upstream} --listen {listen} --cache-dir {dir} ` +
    '--admin unix:{dir}/admin.sock --node-sharing shared --log-level warn'
  );
}

/**
 * Runs the lab's bench once.
 *
 * @returns what it prints
 * @throws Error when it fails or takes longer than that
 */
export async function runLab(lab: string, args: readonly string[], msMax: number): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const limits = { timeout: msMax, maxBuffer: 16 * 1024 * 1024 };
    execFile(lab, ['bench', ...args], limits, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout));
      else if (error.killed) reject(new Error(`the lab was not done after ${msMax / 1000} s`));
      else reject(new Error(`the lab failed: ${(stderr.trim() || error.message).slice(-300)}`));
    });
  });
}

const relayProgram = fileURLToPath(new URL('byte-relay.ts', import.meta.url));

/** The flags of the lab for what stands in the middle. */
async function labMiddle(subject: Subject, bundle: string, pilotAgent: string | undefined): Promise<readonly string[]> {
  const node = `exec ${quoted(process.execPath)}`;
  switch (subject) {
    case 'direct':
      return ['--direct'];
    case 'relay':
      return ['--relay-cmd', `${node} ${quoted(relayProgram)} '{"upstream":"{upstream}","listen":"{listen}"}'`];
    case 'pilot-agent':
      return [
        ...['--relay-cmd', await pilotAgentCommand(pilotAgent ?? '', '{upstream}', '{dir}', '{listen_port}')],
        ...['--relay-target', `unix:${pilotAgentSocket('{dir}')}`],
      ];
    default:
      return ['--relay-cmd', labWeir(bundle)];
  }
}

/** What the lab measures. pilot-agent serves one client, and the lab starts one. */
export function labSubjects({ variant, clients }: BenchCase, pilotAgent: string | undefined): readonly Subject[] {
  const weir = variant === 'delta' ? 'weir' : 'weir-delta';
  return ['direct', 'relay', weir, ...(pilotAgent !== undefined && clients === 1 ? (['pilot-agent'] as const) : [])];
}

/**
 * Makes one run of the lab, straight at its control plane or through Weir.
 *
 * @param lab path of the built xdslab
 * @param bundle path of the built Weir
 * @throws Error when it fails, takes too long, or a client did not end with the newest of everything
 */
export async function measureWithLab(
  lab: string,
  { variant, resources, clients, changed }: BenchCase,
  subject: Subject,
  options: RunOptions,
  bundle: string,
): Promise<LabFigures> {
  const updates = Math.min(options.updates, labUpdatesMax);
  const sizes = { resources, clients, updates, changed };
  const args = [
    ...(await labMiddle(subject, bundle, options.pilotAgent)),
    ...Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...['--mode-down', variant, '--interval', labInterval],
  ];
  return figuresIn(await runLab(lab, args, labMsMax), updates);
}
