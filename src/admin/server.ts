import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Address } from '../xds/address.ts';
import { dashboardFile, refusalOf } from './browser.ts';
import { listen } from './listen.ts';
import { answer, type HealthSource, type Page, type PageRequest } from './routes.ts';
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

/** On every page: no other origin may read it, and its type is what it says. */
const shieldHeaders = { 'cross-origin-resource-policy': 'same-origin', 'x-content-type-options': 'nosniff' };

async function respond(
  options: AdminServerOptions,
  rights: Pick<PageRequest, 'isHealthOnly' | 'isPrivileged'>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  const page = await pageFor(options, rights, request);
  response.writeHead(page.status, {
    'content-type': page.contentType,
    'cache-control': 'no-store',
    ...shieldHeaders,
    ...page.headers,
  });
  if (request.method === 'HEAD') {
    // A stream that nobody reads would be held open for ever.
    if (page.body instanceof Readable) page.body.destroy();
    response.end();
  } else {
    await pipeline(page.body instanceof Readable ? page.body : inSlices(page.body), response).catch(
      (error: NodeJS.ErrnoException) => {
        // Whoever asked has gone: that is how a recording ends.
        if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
      },
    );
  }
}

async function pageFor(
  { source, health, control }: AdminServerOptions,
  rights: Pick<PageRequest, 'isHealthOnly' | 'isPrivileged'>,
  { method = '', url = '/', headers }: IncomingMessage,
): Promise<Page> {
  const { accept = '', host } = headers;
  const header = (name: string): string | undefined => [headers[name]].flat()[0];
  // No browser reaches a socket, and probes call a pod by any name.
  if (!rights.isHealthOnly && !rights.isPrivileged) {
    const [site, mode, destination] = ['site', 'mode', 'dest'].map(what => header(`sec-fetch-${what}`));
    const refusal = refusalOf({ host, site, mode, destination });
    if (refusal !== undefined) return { status: 403, contentType: 'text/plain; charset=utf-8', body: [`${refusal}\n`] };
  }
  const file = rights.isHealthOnly ? undefined : dashboardFile(method, url, accept);
  if (file !== undefined) return (await import('./dashboard.ts')).dashboardPage(file);
  const lastEventId = header('last-event-id');
  return answer({ method, url, accept, lastEventId, ...rights }, source, health, control);
}

function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
