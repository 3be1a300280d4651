import { AdminRefusal } from '../../admin/client.ts';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { type AgentOptions, agentClient, answered } from '../agent-address.ts';
import { isJson } from '../output.ts';
import { timeOf } from './wait.ts';

/** Options of `weir drain`. */
export interface DrainOptions extends AgentOptions {
  readonly wait?: boolean | undefined;
  readonly timeout: string;
  readonly output: string;
}

const lookEveryMs = 50;

/** `weir drain`: has the agent end as SIGTERM does. Resolves to 0; with --wait to 1 when it has not ended in time. */
export async function drain(options: DrainOptions): Promise<number> {
  const asJson = isJson(options.output);
  const timeoutMs = timeOf('--timeout', options.timeout);
  const client = agentClient(options);
  await answered(client.drain());
  const startMs = performance.now();
  let isEnded = false;
  while (options.wait && !isEnded && performance.now() - startMs < timeoutMs) {
    isEnded = await client.live().then(
      () => false,
      // An agent that answers anything is one.
      (error: unknown) => !(error instanceof AdminRefusal),
    );
    if (!isEnded) await new Promise(resolve => setTimeout(resolve, lookEveryMs));
  }
  if (options.wait && !isEnded)
    throw new AgentError(`the agent has not ended after ${options.timeout} (setting drainTimeout)`);
  if (asJson) console.log(JSON.stringify({ isDraining: true, isEnded }));
  else console.log(isEnded ? 'The agent has ended.' : 'The agent drains: clients are told to go.');
  return exitCodes.ok;
}
