import { getJson } from './http-traffic.ts';
import { pickFreePort, type RunningProcess, startProcess, waitFor } from './processes.ts';

/** An agent in a process of its own, driven by its command line only. */
export interface RunningWeir {
  readonly process: RunningProcess;
  /** Where clients connect over TCP. */
  readonly port: number;
  /** The same over a Unix socket. */
  readonly socketPath: string;
  readonly adminPort: number;
  /** From spawn until it said that it listens, in ms. */
  readonly startMs: number;
}

/** How to start the agent. */
export interface WeirOptions {
  /** Program and arguments that come before `run`. */
  readonly command: readonly string[];
  readonly upstream: string;
  /** Folder that exists and is ours, for the socket. */
  readonly folder: string;
  readonly upstreamVariant?: 'auto' | 'delta' | 'sotw';
  /** An agent that has ended, whose addresses this one takes over. */
  readonly inPlaceOf?: RunningWeir | undefined;
  readonly logLevel?: string;
  /** Further flags of `weir run`. */
  readonly flags?: readonly string[];
}

/**
 * Starts `weir run` with a TCP port and a Unix socket for clients and waits until it listens. Clients share one identity,
 * because Envoys of different node ids are to share one stream.
 *
 * @throws Error with the agent's last lines when it does not start within 15 s
 */
export async function startWeir(options: WeirOptions): Promise<RunningWeir> {
  const [program, ...first] = options.command;
  if (program === undefined) throw new Error('no command was given to start the agent with');
  const port = options.inPlaceOf?.port ?? (await pickFreePort());
  const adminPort = options.inPlaceOf?.adminPort ?? (await pickFreePort());
  const socketPath = `${options.folder}/weir.sock`;
  const listen = [
    '--listen',
    `127.0.0.1:${port}`,
    '--listen',
    `unix:${socketPath}`,
    '--admin',
    `127.0.0.1:${adminPort}`,
  ];
  const flags = [...listen, '--node-sharing', 'shared', '--log-level', options.logLevel ?? 'warn'];
  if (options.upstreamVariant !== undefined) flags.push('--upstream-variant', options.upstreamVariant);
  const startMs = performance.now();
  const args = [...first, 'run', '--upstream', options.upstream, ...flags, ...(options.flags ?? [])];
  const process = await startProcess('weir run', program, args);
  try {
    const isStarted = async () =>
      (await getJson(adminPort, '/healthz/started')).statusCode === 200 ? true : undefined;
    await waitFor('the agent to listen', 15_000, isStarted, [process]);
  } catch (error) {
    await process.kill();
    throw error;
  }
  return { process, port, socketPath, adminPort, startMs: performance.now() - startMs };
}
