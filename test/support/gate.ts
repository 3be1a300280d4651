import { connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A TCP relay in front of a server whose network can fail. (A paused gRPC client is none that does not read: its library goes on reading from
 * the socket.)
 */
export class Gate {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #links = new Set<Link>();
  #server: Server | undefined;
  #port = 0;
  /** Connections made so far. */
  connections = 0;

  private constructor(target: string) {
    const [host = '', port = ''] = target.split(':');
    this.#target = { host, port: Number(port) };
  }

  /** Starts a relay to `target`, `host:port`; the test's end closes it. */
  static async before(context: TestContext, target: string): Promise<Gate> {
    const gate = new Gate(target);
    context.after(() => gate.cut());
    await gate.open();
    return gate;
  }

  /** Where clients are to connect. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Lets clients connect; after {@link cut} on the same port. */
  async open(): Promise<void> {
    if (this.#server) return;
    const server = createServer(client => this.#link(client));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('a TCP server has a port');
    this.#port = bound.port;
  }

  /** Cuts every connection and refuses new ones. */
  cut(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const { client, server } of this.#links) {
      client.destroy();
      server.destroy();
    }
  }

  /** From now on nothing is taken from the server. */
  shut(): void {
    for (const { server } of this.#links) {
      server.unpipe();
      server.pause();
    }
  }

  /** Takes from the server again what waits there. */
  reopen(): void {
    for (const { client, server } of this.#links) server.pipe(client);
  }

  /** The connections that stand lose every packet and tell nobody, as if a cable were cut; new ones are as they should be. */
  loseAll(): void {
    for (const { client, server } of this.#links) {
      for (const one of [client, server]) {
        one.unpipe();
        one.removeAllListeners('close');
        one.resume();
      }
    }
  }

  #link(client: Socket): void {
    this.connections += 1;
    const server = connect(this.#target.port, this.#target.host);
    const link = { client, server };
    this.#links.add(link);
    client.once('close', () => this.#links.delete(link));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      // The far end sees a close; what caused it does not matter here.
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  }
}
