import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Address } from '../xds/address.ts';
import { listen } from './listen.ts';
import { answer, type HealthSource, type PageRequest } from './routes.ts';
import { inSlices } from './slices.ts';
import type { AdminControl, AdminSource } from './source.ts';

/** What the admin pages show, and where. */
export interface AdminServerOptions {
  readonly source: AdminSource;
  readonly control: AdminControl;
  /** Where all pages are. Loopback or sockets only: the settings see to that. */
  readonly addresses: readonly Address[];
  /** The socket for privileged requests. An agent without it is not as handy and works all the same. */
  readonly socketPath: string | undefined;
  /** Where health and metrics are besides. */
  readonly healthAddresses: readonly Address[];
  readonly health: HealthSource;
  /** Told of a page that failed. */
  readonly onError: (error: unknown, url: string) => void;
  /** Told that there is no such socket. */
  readonly onNoSocket: (path: string, error: unknown) => void;
}

/** Admin pages that are being served. */
export interface AdminServer {
  /** The addresses of all pages, with real ports. */
  readonly addresses: readonly Address[];
  /** Stops listening and cuts open connections; may be called again. */
  close(): Promise<void>;
}

/** Time a request may take to arrive, in ms: the pages are local, so a slow one is broken. */
const requestTimeoutMs = 10_000;

/**
 * Starts the admin pages.
 *
 * @throws Error that names the address that cannot be used
 */
export async function createAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const servers: Server[] = [];
  const addresses: Address[] = [];
  const close = async (): Promise<void> => {
    // bounded: one server per configured address.
    await Promise.all(servers.map(closeServer));
  };
  try {
    for (const address of options.addresses) {
      const server = serve(options, false, address.kind === 'unix');
      servers.push(server);
      addresses.push(await listen(server, address));
    }
    if (options.socketPath !== undefined) {
      const server = serve(options, false, true);
      try {
        await listen(server, { kind: 'unix', path: options.socketPath });
        servers.push(server);
      } catch (error) {
        options.onNoSocket(options.socketPath, error);
      }
    }
    for (const address of options.healthAddresses) {
      const server = serve(options, true, false);
      servers.push(server);
      await listen(server, address);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { addresses, close };
}

function serve(options: AdminServerOptions, isHealthOnly: boolean, isPrivileged: boolean): Server {
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    respond(options, { isHealthOnly, isPrivileged }, request, response).catch((error: unknown) => {
      options.onError(error, request.url ?? '');
      response.destroy();
    });
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

async function respond(
  { source, health, control }: AdminServerOptions,
  rights: Pick<PageRequest, 'isHealthOnly' | 'isPrivileged'>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  const method = request.method ?? '';
  const accept = request.headers.accept ?? '';
  const lastEventId = [request.headers['last-event-id']].flat()[0];
  const asked = { method, url: request.url ?? '/', accept, lastEventId, ...rights };
  const page = answer(asked, source, health, control);
  response.writeHead(page.status, { 'content-type': page.contentType, 'cache-control': 'no-store', ...page.headers });
  if (method === 'HEAD') response.end();
  else {
    await pipeline(page.body instanceof Readable ? page.body : inSlices(page.body), response).catch(
      (error: NodeJS.ErrnoException) => {
        // Whoever asked has gone: that is how a recording ends.
        if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
      },
    );
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
