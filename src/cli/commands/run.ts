import { exitCodes } from '../../agent/errors.ts';
import { createLogger } from '../../agent/log.ts';
import { startAgent } from '../../agent/run.ts';
import { readSettings } from '../options.ts';

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
  const agent = await startAgent(settings, log);
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      log.warn({}, `${signal} again: ending at once`);
      process.exit(exitCodes.failed);
    }
    isStopping = true;
    void agent.drain(`${signal} received`);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const code = await agent.stopped;
  // A half-closed connection of a client must not keep the process.
  process.exit(code);
}
