import { AgentError, exitCodes } from '../../agent/errors.ts';
import { type AgentOptions, agentClient, answered } from '../agent-address.ts';
import { adviceFor, renderDrift } from '../drift-text.ts';
import { isJson, print } from '../output.ts';
import { paintFor } from '../paint.ts';
import { timeOf } from './wait.ts';

/** Options of `weir drift`. */
export interface DriftOptions extends AgentOptions {
  readonly last?: boolean | undefined;
  readonly timeout: string;
  readonly output: string;
}

const lookEveryMs = 200;

/**
 * `weir drift`: compares what the agent holds with a fresh fetch of everything. Resolves to 0 when it is the same, to 1 when something differs or could
 * not be compared.
 */
export async function checkDrift(options: DriftOptions): Promise<number> {
  const asJson = isJson(options.output);
  const timeoutMs = timeOf('--timeout', options.timeout);
  const client = agentClient(options);
  let { last, running } = await answered(client.drift());
  if (!options.last) {
    const before = last?.endedWallMs;
    // One that is under way may have begun before what it is asked about happened.
    if (running) await untilEnded();
    await answered(client.checkDrift());
    if (!asJson) console.error('asking the control plane for everything on a second stream …');
    await untilEnded();
    if (last?.endedWallMs === before) throw new AgentError('the drift check came to no end');
  }
  if (!last) throw new AgentError('no drift check was made since the agent started; weir drift makes one');
  if (asJson) await print(`${JSON.stringify(last, undefined, 2)}\n`);
  else {
    await print(renderDrift(last, paintFor(process.stdout, process.env)));
    const advice = adviceFor(last);
    if (advice !== '') await print(`\n${advice}`);
  }
  const isSame = last.checks.length > 0 && last.checks.every(check => check.outcome === 'same');
  return isSame ? exitCodes.ok : exitCodes.failed;

  async function untilEnded(): Promise<void> {
    const startMs = performance.now();
    for (;;) {
      await new Promise(resolve => setTimeout(resolve, lookEveryMs));
      ({ last, running } = await answered(client.drift()));
      if (!running) return;
      if (performance.now() - startMs > timeoutMs) {
        throw new AgentError(
          `the drift check has not ended after ${options.timeout}; weir drift --last shows it later`,
        );
      }
    }
  }
}
