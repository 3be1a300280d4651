import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { makeFolder, waitFor } from '../../src/demo/processes.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { startTestAgent, type TestAgent } from './agent.ts';
import type { TestResource } from './messages.ts';
import { RawClient } from './raw-client.ts';
import { RawControlPlane } from './raw-control-plane.ts';

/** How long a pod is waited for, in ms. */
export const waitMs = 10_000;

/** An agent with a cache, which can end and start again, and a control plane on one port. */
export class Pod {
  /** Goes with the test process: the agent, which ends after hooks of this place, would make it anew. */
  readonly folder = makeFolder();
  readonly controlPlane: RawControlPlane;
  readonly #context: TestContext;
  readonly #flags: Readonly<Record<string, string>>;
  #port = '';
  #agent: TestAgent | undefined;
  /** Everything that every agent logged. */
  readonly log: string[] = [];

  constructor(context: TestContext, flags: Readonly<Record<string, string>> = {}) {
    this.#context = context;
    this.#flags = flags;
    this.controlPlane = new RawControlPlane(context);
  }

  get agent(): TestAgent {
    assert.ok(this.#agent, 'the agent was started');
    return this.#agent;
  }

  get cacheDir(): string {
    return join(this.folder, 'cache');
  }

  async plane(): Promise<void> {
    this.#port = await this.controlPlane.start(this.#port || '127.0.0.1:0');
  }

  async start(flags: Readonly<Record<string, string>> = {}): Promise<void> {
    const all = { 'cache-dir': this.cacheDir, ...this.#flags, ...flags };
    this.#agent = await startTestAgent(this.#context, this.#port, all);
  }

  async stop(): Promise<void> {
    await this.agent.agent.drain('the test says so');
    this.log.push(...this.agent.log);
  }

  client(variant: Variant): RawClient {
    return new RawClient(this.#context, this.agent.address, variant);
  }

  /** Answers the agent's first request of a type as control planes do: what is listed and is not there is gone. */
  async answer(typeUrl: TypeUrl, held: readonly TestResource[]): Promise<void> {
    const { stream, request } = await this.controlPlane.request(typeUrl);
    const removed = [...request.initialVersions.keys()].filter(name => !held.some(one => one.name === name));
    this.controlPlane.respond(stream, typeUrl, { resources: held, removed });
  }

  /** Waits until so many resources of a type are on disk. */
  async written(typeUrl: string, count: number): Promise<void> {
    await waitFor(`${count} of ${typeUrl} on disk`, waitMs, async () => {
      const { views } = (await (await fetch(`${this.agent.adminUrl}/cache`)).json()) as {
        views: { types: { typeUrl: string; resources: number; isKnown: boolean }[] }[];
      };
      return views[0]?.types.some(type => type.typeUrl === typeUrl && type.resources === count) || undefined;
    });
  }
}

/** Names that a client holds of a type, as soon as they are these. */
export async function holds(client: RawClient, held: Set<string>, names: readonly string[]): Promise<void> {
  await waitFor(`the names ${names.join(' ')}`, waitMs, () => {
    for (let response = client.inbox.shift(); response; response = client.inbox.shift()) {
      if (response.removed.length === 0 && response.resources.length > 0 && response.version.startsWith('w'))
        held.clear();
      for (const { name } of response.resources) held.add(name);
      for (const name of response.removed) held.delete(name);
    }
    return [...held].sort().join(' ') === names.join(' ') ? true : undefined;
  });
}
