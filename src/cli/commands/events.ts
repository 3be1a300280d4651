import type { AdminClient, EventsAsked } from '../../admin/client.ts';
import { AgentError, exitCodes } from '../../agent/errors.ts';
import { nearest } from '../../xds/nearest.ts';
import { type AgentOptions, agentClient, answered, noAgent } from '../agent-address.ts';
import type { AgentEvent } from '../agent-report.ts';
import { eventLine } from '../event-text.ts';
import { isJson, print } from '../output.ts';
import { paintFor } from '../paint.ts';
import { typeUrlAsked } from '../type-names.ts';

/** Options of `weir events`. */
export interface EventsOptions extends AgentOptions {
  readonly since?: string | undefined;
  readonly follow?: boolean | undefined;
  readonly type?: string | undefined;
  readonly name?: string | undefined;
  readonly kind?: readonly string[] | undefined;
  readonly output: string;
}

/** Kinds of events; all of them, as the type sees to. */
const kinds: Readonly<Record<AgentEvent['kind'], true>> = {
  update: true,
  upstream: true,
  client: true,
  rejection: true,
  quarantine: true,
  guard: true,
  missing: true,
  restore: true,
  stale: true,
  disk: true,
  credential: true,
  scope: true,
  drift: true,
  agent: true,
};

/** How long after a lost connection the agent is looked for again, in ms; then after twice as long each time, up to the other. */
const againMs = 250;
const againMsMax = 2_000;

/** `weir events`: what happened, and with --follow what happens. Resolves to 0; to 1 where there is no agent. */
export async function showEvents(options: EventsOptions): Promise<number> {
  checkOptions(options);
  const client = agentClient(options);
  const asked = await askedOf(options, client);
  const write = writer(options);
  if (options.follow) return await follow(client, asked, write);
  const events = await answered(client.events(asked));
  for (const event of events) await write(event);
  if (events.length === 0 && options.output !== 'json') console.error(noneText(options));
  return exitCodes.ok;
}

/** @throws AgentError when one of them is wrong */
function checkOptions({ output, since, kind = [] }: EventsOptions): void {
  isJson(output);
  const wrong = (problem: string): AgentError => new AgentError(problem, { exitCode: exitCodes.usage });
  if (since !== undefined && !/^\d{1,9}(ms|s|m|h|d)$/.test(since)) {
    throw wrong(`--since must be a time span like 90s, 5m or 2h (given: '${since}')`);
  }
  const unknown = kind.find(one => !Object.hasOwn(kinds, one));
  if (unknown === undefined) return;
  const near = nearest(unknown, Object.keys(kinds));
  const hint = near === undefined ? '' : ` (did you mean '${near}'?)`;
  throw wrong(`there is no kind of events '${unknown}'${hint}; there is: ${Object.keys(kinds).join(', ')}`);
}

async function askedOf({ since, name, kind, type }: EventsOptions, client: AdminClient): Promise<EventsAsked> {
  if (type === undefined) return { since, name, kinds: kind };
  const { types } = await answered(client.report());
  return { since, name, kinds: kind, type: typeUrlAsked(type, types) };
}

function noneText({ since, type, name, kind }: EventsOptions): string {
  const isFiltered = type !== undefined || name !== undefined || kind !== undefined;
  const what = isFiltered ? 'nothing of that kind happened' : 'nothing happened';
  return since === undefined ? `${what} since the agent started` : `${what} in the last ${since}`;
}

function writer({ output }: EventsOptions): (event: AgentEvent) => Promise<void> {
  const paint = paintFor(process.stdout, process.env);
  return event => print(output === 'json' ? `${JSON.stringify(event)}\n` : eventLine(event, Date.now(), paint));
}

/** Goes on over lost connections and new processes of the agent, until a signal ends it. */
async function follow(
  client: AdminClient,
  asked: EventsAsked,
  write: (event: AgentEvent) => Promise<void>,
): Promise<number> {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  let lastEventId: string | undefined;
  let known: string | undefined;
  let waitMs = againMs;
  for (;;) {
    try {
      // After a restart everything is new, however long it is ago.
      const query = known === undefined ? asked : { ...asked, since: undefined };
      for await (const one of client.follow(query, lastEventId, ending.signal)) {
        waitMs = againMs;
        if (one.kind === 'happened') {
          lastEventId = one.id;
          await write(one.event);
        } else {
          if (known !== undefined && known !== one.process) console.error('the agent was started anew');
          known = one.process;
        }
      }
    } catch (error) {
      if (ending.signal.aborted) return exitCodes.ok;
      if (known === undefined) throw noAgent(error);
    }
    if (ending.signal.aborted) return exitCodes.ok;
    await pause(waitMs, ending.signal);
    if (ending.signal.aborted) return exitCodes.ok;
    waitMs = Math.min(2 * waitMs, againMsMax);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
  });
}
