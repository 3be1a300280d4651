import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/**
 * A TCP relay in front of an agent that can stop taking what the agent sends: to the agent its client then is one that does not
 * read. (A paused gRPC client is none: its library goes on reading from the socket.)
 */
export class Gate {
  /** Where the client is to connect. */
  readonly address: string;
  readonly #towardsAgent: Set<Socket>;

  private constructor(address: string, towardsAgent: Set<Socket>) {
    this.address = address;
    this.#towardsAgent = towardsAgent;
  }

  /** Starts a relay to `target`, `host:port`; the test's end closes it. */
  static async before(context: TestContext, target: string): Promise<Gate> {
    const [host = '', port = ''] = target.split(':');
    const towardsAgent = new Set<Socket>();
    const server = createServer(client => {
      const agent = connect(Number(port), host);
      towardsAgent.add(agent);
      for (const [one, other] of [
        [client, agent],
        [agent, client],
      ] as const) {
        // The far end sees a close; what caused it does not matter here.
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
        one.pipe(other);
      }
    });
    await new Promise<void>(resolve => {
      server.listen(0, '127.0.0.1', resolve);
    });
    context.after(() => {
      server.close();
      for (const agent of towardsAgent) agent.destroy();
    });
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('a TCP server has a port');
    return new Gate(`127.0.0.1:${bound.port}`, towardsAgent);
  }

  /** From now on nothing is taken from the agent. */
  shut(): void {
    for (const agent of this.#towardsAgent) {
      agent.unpipe();
      agent.pause();
    }
  }
}
