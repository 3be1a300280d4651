import { exitCodes } from '../../agent/errors.ts';
import { logLevels } from '../../agent/log-levels.ts';
import { type AgentOptions, agentClient, answered } from '../agent-address.ts';
import { timeOf } from './wait.ts';

/** Options of `weir log-level`. */
export interface LogLevelOptions extends AgentOptions {
  readonly output?: string | undefined;
  readonly for?: string | undefined;
}

/** `weir log-level`: shows how much a running agent logs, or changes it. */
export async function logLevel(level: string | undefined, options: LogLevelOptions): Promise<number> {
  const { output, for: span } = options;
  if (output !== 'text' && output !== 'json') {
    console.error(`weir: --output must be text or json (given: '${String(output)}')`);
    return exitCodes.usage;
  }
  if (level === undefined && span !== undefined) {
    console.error('weir: --for needs a LEVEL: weir log-level debug --for 10m');
    return exitCodes.usage;
  }
  if (level !== undefined && !logLevels.some(one => one === level)) {
    console.error(`weir: LEVEL must be one of ${logLevels.join(', ')} (given: '${level}')`);
    return exitCodes.usage;
  }
  if (span !== undefined && !(timeOf('--for', span) >= 1_000)) {
    console.error(`weir: --for must be from 1s to 24h (given: '${span}')`);
    return exitCodes.usage;
  }
  const client = agentClient(options);
  const answer = level === undefined ? client.logLevel() : client.setLogLevel(level, span);
  const report = await answered(answer);
  if (output === 'json') console.log(JSON.stringify(report, undefined, 2));
  else console.log(sentence(report));
  return exitCodes.ok;
}

function sentence({ level, configured, untilWallMs }: Awaited<ReturnType<Client['logLevel']>>): string {
  if (untilWallMs !== undefined) {
    const until = new Date(untilWallMs).toISOString().replace(/\.\d+/, '');
    return `${level} until ${until}; then ${configured}, as it was started with`;
  }
  return level === configured ? `${level}, as it was started with` : `${level}; it was started with ${configured}`;
}

type Client = ReturnType<typeof agentClient>;
