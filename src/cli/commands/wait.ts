import { AgentError, exitCodes } from '../../agent/errors.ts';
import { duration } from '../../agent/setting-values.ts';
import { type AgentOptions, agentClient } from '../agent-address.ts';
import type { StatusReport } from '../agent-report.ts';
import { isJson } from '../output.ts';

/** Options of `weir wait`. */
export interface WaitOptions extends AgentOptions {
  /** Until it listens is enough. */
  readonly started?: boolean | undefined;
  readonly timeout: string;
  readonly output: string;
}

/** How long the agent is left alone between two looks, in ms. */
const lookEveryMs = 100;
const dayMs = 86_400_000;

/** A span of time of a flag, in ms. @throws AgentError when it is none */
export function timeOf(flag: string, text: string): number {
  const time = duration(text, 0, dayMs);
  if ('error' in time) {
    const words = `${flag} must be a time such as 90s, 5m or 2h, 24h at most (given: '${text}')`;
    throw new AgentError(words, { exitCode: exitCodes.usage });
  }
  return time.value;
}

/** `weir wait`: until the agent is there and ready. Says on standard error what it waits for, once for each reason. Resolves to 0, or to 1 after the time. */
export async function waitUntilReady(options: WaitOptions): Promise<number> {
  const asJson = isJson(options.output);
  const timeoutMs = timeOf('--timeout', options.timeout);
  const aim = options.started ? 'started' : 'ready';
  const startMs = performance.now();
  let said = '';
  for (;;) {
    const { isOk, reason } = await look(options);
    const waitedMs = Math.round(performance.now() - startMs);
    const isOver = isOk || waitedMs >= timeoutMs;
    // Times in it change from look to look.
    const kind = reason.replace(/\d+/g, '#');
    // Who starts its Envoy after this waits for what that Envoy would ask for.
    const hint = /^no client and/.test(reason)
      ? '; does the client wait for this command? Then: weir wait --started'
      : '';
    if (!isOver && kind !== said) console.error(`waiting: ${reason}${hint}`);
    said = kind;
    if (isOver) {
      if (asJson) console.log(JSON.stringify({ isOk, reason, waitedMs }));
      else if (isOk) console.log(`${aim} after ${waitedMs} ms: ${reason}`);
      else console.error(`weir: not ${aim} after ${options.timeout}: ${reason} (weir status)`);
      return isOk ? exitCodes.ok : exitCodes.failed;
    }
    await new Promise(resolve => setTimeout(resolve, Math.min(lookEveryMs, timeoutMs - waitedMs)));
  }
}

/** The socket comes with the agent, so the way to it is looked for anew each time. */
async function look(options: WaitOptions): Promise<StatusReport['ready']> {
  try {
    const client = agentClient(options);
    return options.started ? await client.started() : await client.ready();
  } catch (error) {
    const known = AgentError.from(error);
    if (known.exitCode === exitCodes.usage) throw known;
    return { isOk: false, reason: `there is no agent yet: ${known.describe()}` };
  }
}
