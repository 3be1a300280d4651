import { AgentError, exitCodes } from '../../agent/errors.ts';
import { createLogger, type Logger } from '../../agent/log.ts';
import { startAgent } from '../../agent/run.ts';
import { readSettings } from '../options.ts';
import { weirVersion } from '../version.ts';

/** `weir run`: runs until a signal ends it; resolves to the exit code. */
export async function runAgent(options: Readonly<Record<string, unknown>>): Promise<number> {
  const resolved = await readSettings(options);
  if ('problems' in resolved) {
    for (const problem of resolved.problems) console.error(`weir: ${problem}`);
    return exitCodes.usage;
  }
  const { settings } = resolved;
  const log = await createLogger({
    level: settings.logLevel,
    format: settings.logFormat,
    isTty: process.stdout.isTTY === true,
  });
  const starting = startAgent(settings, log, weirVersion);
  // Before the agent is up: as pid 1 of a container, a process without a handler does not hear SIGTERM at all.
  stopOnSignals({
    signals: process,
    drain: async reason => (await starting).drain(reason),
    exit: code => process.exit(code),
    log,
  });
  const agent = await starting;
  const code = await agent.stopped;
  // A half-closed connection of a client must not keep the process.
  process.exit(code);
}

/** What stops an agent, and what it is told of. */
export interface StopOptions {
  readonly signals: { on(signal: 'SIGTERM' | 'SIGINT', listener: (signal: NodeJS.Signals) => void): unknown };
  /** Ends the agent in good order; called once. */
  readonly drain: (reason: string) => Promise<void>;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
  readonly log: Logger;
}

/** SIGTERM and SIGINT drain; whichever comes as the second one ends the process at once with exit code 1, and so does a drain that fails. */
export function stopOnSignals({ signals, drain, exit, log }: StopOptions): void {
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      log.warn({}, `${signal} while stopping: ending at once`);
      exit(exitCodes.failed);
      return;
    }
    isStopping = true;
    drain(`${signal} received`).catch((thrown: unknown) => {
      log.error({ error: AgentError.from(thrown).describe() }, 'could not stop in good order');
      exit(exitCodes.failed);
    });
  };
  signals.on('SIGTERM', onSignal);
  signals.on('SIGINT', onSignal);
}
