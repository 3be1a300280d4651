import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import { makeFolder, waitFor } from '../../src/demo/processes.ts';
import { routeAllTo, typeUrls } from '../../src/demo/resources.ts';
import { encodeWorld, type WorldCluster } from '../../src/demo/world.ts';
import { startTestAgent, type TestAgent } from './agent.ts';
import { RawClient } from './raw-client.ts';

const waitMs = 10_000;

/** An agent with clients that an operator has questions about: clusters `web`, `reviews` and `ratings`, and a control plane that can go. */
export class OperatedAgent {
  readonly clusters = new Map<string, WorldCluster>();
  readonly cacheDir = join(makeFolder(), 'cache');
  readonly #context: TestContext;
  readonly #plane = new ControlPlane();
  #port = 0;
  #agent: TestAgent | undefined;

  constructor(context: TestContext) {
    this.#context = context;
    for (const [index, name] of ['web', 'reviews', 'ratings'].entries()) {
      this.clusters.set(name, { endpoints: [{ host: `10.1.2.${index + 3}`, port: 8080 }] });
    }
    context.after(() => this.#plane.stop());
  }

  get agent(): TestAgent {
    if (!this.#agent) throw new Error('the agent was not started yet');
    return this.#agent;
  }

  /** Serves what the map of clusters holds now. */
  publish(): void {
    this.#plane.publish(encodeWorld({ clusters: this.clusters, routes: routeAllTo('web') }));
  }

  /** The control plane goes. */
  stopPlane(): void {
    this.#plane.stop();
  }

  /** Starts the agent, after an earlier one in the same directory, and the control plane if it does not run. @param more settings as flags without the dashes */
  async start(more: Readonly<Record<string, string>> = {}): Promise<void> {
    this.publish();
    if (this.#port === 0) this.#port = await this.#plane.start();
    const flags = { 'cache-dir': this.cacheDir, 'node-sharing': 'shared', ...more };
    this.#agent = await startTestAgent(this.#context, `127.0.0.1:${this.#port}`, flags);
  }

  async stop(): Promise<void> {
    await this.agent.agent.drain('the test says so');
  }

  /** A client of everything, as Envoy asks. @param rejects words for each message of clusters; it accepts them without */
  client(nodeId: string, rejects?: string): RawClient {
    const client: RawClient = new RawClient(this.#context, this.agent.address, 'delta', {
      acks: false,
      heard: ({ typeUrl, nonce }) => {
        const error = typeUrl === typeUrls.cluster ? rejects : undefined;
        client.ask({ typeUrl, nonce, ...(error !== undefined && { error }) });
      },
    });
    client.ask({ typeUrl: typeUrls.cluster, nodeId, names: ['*'] });
    client.ask({ typeUrl: typeUrls.endpoints, names: ['web', 'reviews', 'ratings', 'gone'] });
    client.ask({ typeUrl: typeUrls.listener, names: ['*'] });
    client.ask({ typeUrl: typeUrls.routes, names: ['web-routes'] });
    return client;
  }

  /** Waits until so many clients have answered everything that they were sent, and it is on disk. */
  async settled(clients: number): Promise<void> {
    const page = async (path: string): Promise<unknown> => (await fetch(this.agent.adminUrl + path)).json();
    await waitFor(`${clients} clients to answer`, waitMs, async () => {
      const all = (await page('/clients')) as { types: { status: string }[] }[];
      const isAnswered = all.every(
        ({ types }) => types.length === 4 && types.every(type => ['SYNCED', 'REJECTED'].includes(type.status)),
      );
      const { views } = (await page('/cache')) as { views: { types: { resources: number }[] }[] };
      const stored = views[0]?.types.reduce((sum, type) => sum + type.resources, 0) ?? 0;
      return (all.length === clients && isAnswered && stored >= 2 * this.clusters.size + 2) || undefined;
    });
  }
}
