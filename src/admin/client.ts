import type { IncomingMessage } from 'node:http';
import type { Address } from '../xds/address.ts';
import type { AgentEvent } from './agent-event.ts';
import type { DriftReport } from './drift-report.ts';
import { EventParser } from './event-parser.ts';
import type { ExplainQuery, Explanation } from './explanation.ts';
import type { CachedResource, CachedView, HeldResource } from './reports.ts';
import { type AdminRequest, askAgent } from './requests.ts';
import type { HealthVerdict, HeldQuery, LogLevelReport } from './source.ts';
import type { StatusReport } from './verdict.ts';

/** Longest silence of an agent that was asked, in ms: it is on the same machine. */
const silenceMs = 10_000;
/** The same of one whose events are followed, in ms: it says that it is alive every 15 s. */
const followSilenceMs = 40_000;

/** The agent has answered, and not with what was asked for. */
export class AdminRefusal extends Error {
  override readonly name = 'AdminRefusal';
  /** The HTTP status that it answered with. */
  readonly statusCode: number;

  constructor(path: string, statusCode: number, body: string) {
    super(`${path} answered ${statusCode}: ${body.slice(0, 200).trim()}`);
    this.statusCode = statusCode;
  }
}

/** Which events are asked for; all without it. */
export interface EventsAsked {
  /** A time span back from now, like `5m`. */
  readonly since?: string | undefined;
  readonly type?: string | undefined;
  readonly name?: string | undefined;
  readonly kinds?: readonly string[] | undefined;
}

/** What comes on a stream of events: first which process of the agent it is, then what happens. */
export type FollowedEvent =
  | { readonly kind: 'hello'; readonly process: string }
  | { readonly kind: 'happened'; readonly id: string; readonly event: AgentEvent };

function eventsQuery({ since, type, name, kinds = [] }: EventsAsked): URLSearchParams {
  const query = new URLSearchParams();
  if (since !== undefined) query.set('since', since);
  if (type !== undefined) query.set('type', type);
  if (name !== undefined) query.set('name', name);
  for (const kind of kinds) query.append('kind', kind);
  return query;
}

/** The admin pages of a running agent, over TCP or its socket. */
export class AdminClient {
  readonly #address: Address;

  constructor(address: Address) {
    this.#address = address;
  }

  /** Everything that `/status` says. */
  async report(): Promise<StatusReport> {
    return (await this.#json('GET', '/status')) as StatusReport; // Written by the same program.
  }

  async ready(): Promise<HealthVerdict> {
    return (await this.#json('GET', '/healthz/ready?format=json', [200, 503])) as HealthVerdict; // As above.
  }

  /** Whether it listens. */
  async started(): Promise<HealthVerdict> {
    return (await this.#json('GET', '/healthz/started?format=json', [200, 503])) as HealthVerdict; // As above.
  }

  /** Whether there is an agent that answers. @throws Error when there is none */
  async live(): Promise<HealthVerdict> {
    return (await this.#json('GET', '/healthz/live?format=json')) as HealthVerdict; // As above.
  }

  /** @returns how many removals the guard held back */
  async passGuard(type: string | undefined): Promise<number> {
    const query = type === undefined ? '' : `?type=${encodeURIComponent(type)}`;
    const { released } = (await this.#json('POST', `/guard/pass${query}`)) as { released: number }; // As above.
    return released;
  }

  async logLevel(): Promise<LogLevelReport> {
    return (await this.#json('GET', '/log_level')) as LogLevelReport; // As above.
  }

  /** @param span such as `10m`, after which the configured level is back */
  async setLogLevel(level: string, span: string | undefined): Promise<LogLevelReport> {
    const query = new URLSearchParams({ level, ...(span !== undefined && { for: span }) });
    return (await this.#json('POST', `/log_level?${query}`)) as LogLevelReport; // As above.
  }

  async listCache(): Promise<readonly CachedView[]> {
    return ((await this.#json('GET', '/cache')) as { views: readonly CachedView[] }).views; // As above.
  }

  /** What is held of a type, one by one as it comes; bodies are base64. */
  async *resources({
    typeUrl,
    viewKey,
    namespace,
    names = [],
    hasClients,
    hasBodies,
  }: HeldQuery): AsyncGenerator<Omit<HeldResource, 'body'> & { readonly body?: string }> {
    const query = new URLSearchParams({ type: typeUrl });
    if (viewKey !== undefined) query.set('view', viewKey);
    if (namespace !== undefined) query.set('namespace', namespace);
    for (const name of names) query.append('name', name);
    if (hasClients) query.set('clients', 'true');
    if (hasBodies) query.set('bodies', 'true');
    yield* this.#lines(`/resources?${query}`);
  }

  /** What is on disk of a type, one by one as it comes. */
  cachedResources(typeUrl: string, viewKey?: string): AsyncGenerator<CachedResource> {
    const query = new URLSearchParams({ type: typeUrl, ...(viewKey === undefined ? {} : { view: viewKey }) });
    return this.#lines(`/cache/resources?${query}`);
  }

  /** @returns a seed bundle of all that is on disk of the node used last */
  async exportCache(): Promise<Buffer> {
    return this.#request('GET', '/cache/export', [200]);
  }

  /** @returns the number of nodes dropped */
  async purgeCache(): Promise<number> {
    return ((await this.#json('POST', '/cache/purge')) as { dropped: number }).dropped; // As above.
  }

  /**
   * What is said upstream from now on, as lines of a recording in pieces of any length, until the signal ends it.
   *
   * @param isWhole the agent opens its streams anew, so that everything is in it
   */
  async *record(isWhole: boolean, signal: AbortSignal): AsyncGenerator<Buffer> {
    yield* await this.#open({ path: isWhole ? '/record' : '/record?resumed', signal });
  }

  /** What happened lately, oldest first. */
  async events(asked: EventsAsked): Promise<AgentEvent[]> {
    const query = eventsQuery(asked);
    query.set('history', 'true');
    const events: AgentEvent[] = [];
    for await (const event of this.#lines<AgentEvent>(`/events?${query}`)) events.push(event);
    return events;
  }

  /**
   * What happened and happens, as it happens, until the agent or the signal ends it.
   *
   * @param lastEventId of the last event that is known already, as it came with it; of no use to another process of the agent
   */
  async *follow(
    asked: EventsAsked,
    lastEventId: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<FollowedEvent> {
    const path = `/events?${eventsQuery(asked)}`;
    const headers = { accept: 'text/event-stream', ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
    const answer = await this.#open({ path, headers, silenceMs: followSilenceMs, signal });
    answer.setEncoding('utf8');
    const parser = new EventParser();
    for await (const piece of answer as AsyncIterable<string>) {
      for (const { id, event, data } of parser.push(piece)) {
        // Written by the same program.
        if (event === 'hello') yield { kind: 'hello', process: (JSON.parse(data) as { process: string }).process };
        else yield { kind: 'happened', id, event: JSON.parse(data) as AgentEvent };
      }
    }
  }

  /** All that the agent knows of a resource. */
  async explain({ name, typeUrl }: ExplainQuery): Promise<Explanation> {
    const query = new URLSearchParams({ name, ...(typeUrl !== undefined && { type: typeUrl }) });
    return (await this.#json('GET', `/explain?${query}`)) as Explanation; // As above.
  }

  /** Has the clients go and the agent end. */
  /** Begins a drift check. */
  async checkDrift(): Promise<void> {
    await this.#request('POST', '/drift/check', [200]);
  }

  /** Drift checks: whether one is under way, and what the last one found. */
  async drift(): Promise<DriftReport> {
    return (await this.#json('GET', '/drift')) as DriftReport; // As above.
  }

  async drain(): Promise<void> {
    await this.#request('POST', '/drain', [200]);
  }

  /** Objects of a page that has one a line. */
  async *#lines<T>(path: string): AsyncGenerator<T> {
    let rest: Buffer = Buffer.alloc(0);
    for await (const piece of (await this.#open({ path, silenceMs })) as AsyncIterable<Buffer>) {
      const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
      let start = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
        yield JSON.parse(bytes.toString('utf8', start, end)) as T; // Written by the same program.
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
  }

  async #json(method: 'GET' | 'POST', path: string, codes: readonly number[] = [200]): Promise<unknown> {
    return JSON.parse((await this.#request(method, path, codes)).toString());
  }

  async #request(method: 'GET' | 'POST', path: string, codes: readonly number[]): Promise<Buffer> {
    return bytesOf(await this.#open({ method, path, silenceMs }, codes));
  }

  /** @returns an answer that is what was asked for; leaving it early ends it */
  async #open(asked: AdminRequest, codes: readonly number[] = [200]): Promise<IncomingMessage> {
    const answer = await askAgent(this.#address, asked);
    const { statusCode = 0 } = answer;
    if (codes.includes(statusCode)) return answer;
    throw new AdminRefusal(asked.path, statusCode, (await bytesOf(answer)).toString());
  }
}

async function bytesOf(answer: IncomingMessage, bytesMax = Infinity): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > bytesMax) throw new Error(`the answer has more than ${bytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/**
 * What another admin server, such as Envoy's, says under a path.
 *
 * @throws Error when it does not answer with JSON, or with more than so many bytes
 */
export async function readJson(address: Address, path: string, bytesMax: number): Promise<unknown> {
  const answer = await askAgent(address, { path, silenceMs });
  const bytes = await bytesOf(answer, bytesMax);
  if (answer.statusCode !== 200) throw new AdminRefusal(path, answer.statusCode ?? 0, bytes.toString());
  return JSON.parse(bytes.toString());
}
