import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Passes TCP connections on, and holds new ones back when told so. */
export class HeldProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];
  /** Connections that are still let through while others are held; undefined while nothing is held. */
  #passes: number | undefined;

  private constructor(targetPort: number) {
    this.#server = createServer(socket => {
      const pass = (): void => this.#pass(socket, targetPort);
      this.#keep(socket);
      if (this.#passes === undefined) pass();
      else if (this.#passes > 0) {
        this.#passes--;
        pass();
      } else {
        this.#waiting.push(pass);
        this.#heldOne?.();
      }
    });
  }

  #heldOne: (() => void) | undefined;

  static async start(targetPort: number): Promise<HeldProxy> {
    const proxy = new HeldProxy(targetPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Holds back all new connections but the next `passes`. @returns when the first one is held */
  hold(passes = 0): Promise<void> {
    this.#passes = passes;
    return new Promise(resolve => {
      this.#heldOne = resolve;
    });
  }

  /** Cuts all connections that are open. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets go of what is held. */
  release(): void {
    this.#passes = undefined;
    this.#heldOne = undefined;
    for (const pass of this.#waiting.splice(0)) pass();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(socket: Socket, port: number): void {
    if (socket.destroyed) return;
    const target = connect(port, '127.0.0.1');
    this.#keep(target);
    socket.pipe(target).pipe(socket);
    socket.on('close', () => target.destroy());
    target.on('close', () => socket.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A connection that breaks is what this is for; 'close' follows.
    socket.on('error', () => socket.destroy());
  }
}
