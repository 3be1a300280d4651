import { type AdminClient, AdminRefusal } from '../../admin/client.ts';
import { countOf } from '../../admin/words.ts';
import { AgentError, exitCodes, usageError } from '../../agent/errors.ts';
import { type Address, parseAddress } from '../../xds/address.ts';
import { type AgentOptions, agentClient, answered, noAgent } from '../agent-address.ts';
import { drainEnvoy, type EnvoyDrain } from '../envoy-drain.ts';
import { isJson } from '../output.ts';
import { plain } from '../plain.ts';
import { timeOf } from './wait.ts';

/** Options of `weir drain`. */
export interface DrainOptions extends AgentOptions {
  /** Admin address of an Envoy that is to drain first. */
  readonly envoy?: string | undefined;
  /** All listeners of that Envoy, not only the inbound ones. */
  readonly allListeners?: boolean | undefined;
  /** The agent goes on. */
  readonly envoyOnly?: boolean | undefined;
  readonly afterClients?: boolean | undefined;
  readonly wait?: boolean | undefined;
  readonly timeout: string;
  readonly output: string;
}

/** What was done; JSON has it in this form. */
interface Drained {
  readonly isDraining: boolean;
  readonly isEnded: boolean;
  /** Where an Envoy was to drain. */
  readonly envoy?: EnvoyDrain;
  /** Client streams that were left when the agent was told to end; where it waited for them. */
  readonly clientsLeft?: number;
}

const lookEveryMs = 50;
/** A report of an agent with many clients is some work for it. */
const countEveryMs = 100;
const namesMax = 3;

/**
 * `weir drain`: has an Envoy drain, waits for the clients to go, and has the agent end as SIGTERM does, each as far as asked for.
 *
 * Made for preStop hooks: an Envoy that is not there and clients that stay are said on standard error, and are no failure. Resolves to 0; to 1 where something
 * else than an Envoy answers.
 *
 * @throws AgentError when no agent is there, when with --wait it has not ended in time, and for flags that do not go together
 */
export async function drain(options: DrainOptions): Promise<number> {
  const asJson = isJson(options.output);
  const timeoutMs = timeOf('--timeout', options.timeout);
  const address = envoyAddress(options);
  const envoy = address && (await drainEnvoy(address, options.allListeners ?? false));
  if (envoy?.kind === 'away') console.error(`no Envoy to drain (--envoy): ${envoy.reason}`);
  if (envoy?.kind === 'refused') console.error(`weir: that is no Envoy’s admin address (--envoy): ${envoy.reason}`);
  const agent = options.envoyOnly ? { isDraining: false, isEnded: false } : await drainAgent(options, timeoutMs);
  const drained: Drained = { ...agent, ...(envoy && { envoy }) };
  if (asJson) console.log(JSON.stringify(drained));
  else {
    if (envoy?.kind === 'draining') console.log('Envoy drains: its connections are told to go.');
    if (drained.isEnded) console.log('The agent has ended.');
    else if (drained.isDraining) console.log('The agent drains: clients are told to go.');
  }
  return envoy?.kind === 'refused' ? exitCodes.failed : exitCodes.ok;
}

/** Reads --envoy. @throws AgentError when it is no address, or when flags do not go together */
function envoyAddress({ envoy, allListeners, envoyOnly, afterClients, wait }: DrainOptions): Address | undefined {
  if (envoyOnly && (afterClients || wait)) {
    throw usageError(
      `--envoy-only lets the agent go on, so there is nothing that ${afterClients ? '--after-clients' : '--wait'} could wait for`,
    );
  }
  if (envoy === undefined) {
    if (envoyOnly || allListeners)
      throw usageError(`${envoyOnly ? '--envoy-only' : '--all-listeners'} needs --envoy ADDR`);
    return undefined;
  }
  const address = parseAddress(envoy);
  if ('error' in address) throw usageError(`--envoy ${address.error}`);
  return address;
}

async function drainAgent(options: DrainOptions, timeoutMs: number): Promise<Drained> {
  const client = agentClient(options);
  const clientsLeft = options.afterClients ? await clientsGone(client, options.timeout, timeoutMs) : undefined;
  const left = clientsLeft === undefined || clientsLeft === 'ended' ? {} : { clientsLeft };
  // Somebody else has told it to end.
  if (clientsLeft === 'ended') return { isDraining: true, isEnded: true };
  await answered(client.drain());
  if (!options.wait) return { isDraining: true, isEnded: false, ...left };
  const startMs = performance.now();
  let isEnded = false;
  while (!isEnded && performance.now() - startMs < timeoutMs) {
    isEnded = await client.live().then(
      () => false,
      // An agent that answers anything is one.
      (error: unknown) => !(error instanceof AdminRefusal),
    );
    if (!isEnded) await new Promise(resolve => setTimeout(resolve, lookEveryMs));
  }
  if (!isEnded) throw new AgentError(`the agent has not ended after ${options.timeout} (setting drainTimeout)`);
  return { isDraining: true, isEnded, ...left };
}

/**
 * Waits until no client is connected; says on standard error which ones it waits for whenever their number has changed.
 *
 * @returns how many are left after the time, or that the agent has ended meanwhile
 * @throws AgentError when there is no agent to begin with
 */
async function clientsGone(client: AdminClient, timeout: string, timeoutMs: number): Promise<number | 'ended'> {
  const startMs = performance.now();
  let before: number | undefined;
  for (;;) {
    let ids: readonly string[];
    try {
      ids = (await client.report()).clients.map(({ nodeId }) => nodeId);
    } catch (error) {
      // One that answered before and is silent now has ended; one that never did is not there.
      if (before === undefined || error instanceof AdminRefusal) throw noAgent(error);
      return 'ended';
    }
    const waitedMs = performance.now() - startMs;
    if (ids.length === 0) return 0;
    const connected = `${countOf(ids.length, 'client')} still connected: ${names(ids)}`;
    if (waitedMs >= timeoutMs) {
      console.error(`not waited for any longer (--timeout ${timeout}): ${connected}`);
      return ids.length;
    }
    if (ids.length !== before) console.error(`waiting: ${connected}`);
    before = ids.length;
    await new Promise(resolve => setTimeout(resolve, Math.min(countEveryMs, timeoutMs - waitedMs)));
  }
}

function names(ids: readonly string[]): string {
  const shown = plain([...new Set(ids)].slice(0, namesMax)).join(', ');
  const more = new Set(ids).size - namesMax;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
