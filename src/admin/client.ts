import { type Address, formatAddress } from '../xds/address.ts';
import type { AgentReport, CachedResource, CachedView, HealthVerdict, HeldQuery, HeldResource } from './source.ts';

/** Longest wait for an answer, in ms: the agent is on the same machine. */
const timeoutMs = 10_000;

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

/** The admin pages of a running agent, over TCP or its socket. undici is loaded with the first request. */
export class AdminClient {
  readonly #address: Address;

  constructor(address: Address) {
    this.#address = address;
  }

  /** Everything that `/status` says. */
  async report(): Promise<AgentReport> {
    return (await this.#json('GET', '/status')) as AgentReport; // Written by the same program.
  }

  async ready(): Promise<HealthVerdict> {
    return (await this.#json('GET', '/healthz/ready?format=json', [200, 503])) as HealthVerdict; // As above.
  }

  /** @returns how many removals the guard held back */
  async passGuard(type: string | undefined): Promise<number> {
    const query = type === undefined ? '' : `?type=${encodeURIComponent(type)}`;
    const { released } = (await this.#json('POST', `/guard/pass${query}`)) as { released: number }; // As above.
    return released;
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
    const { Agent, request } = await import('undici');
    const agent = new Agent(this.#options());
    try {
      const path = isWhole ? '/record' : '/record?resumed';
      const { statusCode, body } = await request(this.#origin + path, { dispatcher: agent, signal, bodyTimeout: 0 });
      if (statusCode !== 200) throw new AdminRefusal(path, statusCode, await body.text());
      yield* body;
    } finally {
      await agent.destroy();
    }
  }

  /** Objects of a page that has one a line. */
  async *#lines<T>(path: string): AsyncGenerator<T> {
    const { Agent, request } = await import('undici');
    const agent = new Agent(this.#options());
    try {
      const { statusCode, body } = await request(this.#origin + path, {
        dispatcher: agent,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      if (statusCode !== 200) throw new AdminRefusal(path, statusCode, await body.text());
      let rest: Buffer = Buffer.alloc(0);
      for await (const piece of body as AsyncIterable<Buffer>) {
        const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
        let start = 0;
        for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
          yield JSON.parse(bytes.toString('utf8', start, end)) as T; // Written by the same program.
          start = end + 1;
        }
        rest = bytes.subarray(start);
      }
    } finally {
      await agent.destroy();
    }
  }

  get #origin(): string {
    return this.#address.kind === 'unix' ? 'http://weir' : `http://${formatAddress(this.#address)}`;
  }

  #options(): { readonly connect: { readonly socketPath?: string } } {
    return { connect: this.#address.kind === 'unix' ? { socketPath: this.#address.path } : {} };
  }

  async #json(method: 'GET' | 'POST', path: string, codes: readonly number[] = [200]): Promise<unknown> {
    return JSON.parse((await this.#request(method, path, codes)).toString());
  }

  async #request(method: 'GET' | 'POST', path: string, codes: readonly number[]): Promise<Buffer> {
    const { Agent, request } = await import('undici');
    const agent = new Agent(this.#options());
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const { statusCode, body } = await request(this.#origin + path, { method, dispatcher: agent, signal });
      const bytes = Buffer.from(await body.arrayBuffer());
      if (codes.includes(statusCode)) return bytes;
      throw new AdminRefusal(path, statusCode, bytes.toString());
    } finally {
      await agent.destroy();
    }
  }
}
