import { exitCodes } from '../../agent/errors.ts';
import { type AgentOptions, agentClient, answered, noAgent } from '../agent-address.ts';
import { isJson } from '../output.ts';
import { paintFor } from '../paint.ts';
import { renderStatus } from '../status-text.ts';

/** Options of `weir status` and `weir guard pass`. */
export interface StatusOptions extends AgentOptions {
  readonly output?: string | undefined;
  /** Shows it again and again. */
  readonly watch?: boolean | undefined;
}

/** How often a status that is watched is looked at, in ms. */
const watchEveryMs = 2_000;

/** `weir status`: what works, since when not, and what to do. Resolves to 0 when the agent is ready, else to 1. */
export async function showStatus(options: StatusOptions): Promise<number> {
  const asJson = isJson(options.output);
  const client = agentClient(options);
  const paint = paintFor(process.stdout, process.env);
  const look = async (): Promise<{ readonly text: string; readonly isOk: boolean }> => {
    const report = await client.report();
    const { isOk } = report.ready;
    return { text: asJson ? `${JSON.stringify(report, undefined, 2)}\n` : renderStatus(report, paint), isOk };
  };
  try {
    const first = await look();
    process.stdout.write(first.text);
    if (!options.watch) return first.isOk ? exitCodes.ok : exitCodes.failed;
  } catch (error) {
    throw noAgent(error);
  }
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, watchEveryMs));
    const next = await look().catch((error: unknown) => ({ text: `${noAgent(error).describe()}\n` }));
    // From the top, and nothing of what stood there before.
    process.stdout.write(process.stdout.isTTY ? `\u001b[H\u001b[2J${next.text}` : `\n${next.text}`);
  }
}

/** `weir guard pass`: lets pass what the guard holds back. */
export async function passGuard(type: string | undefined, options: StatusOptions): Promise<number> {
  const released = await answered(agentClient(options).passGuard(type));
  if (isJson(options.output)) console.log(JSON.stringify({ released }));
  else console.log(released === 0 ? 'The guard holds nothing back.' : `Removals let pass: ${released}.`);
  return exitCodes.ok;
}
