import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Address, formatAddress } from '../xds/address.ts';
import { answer, type HealthSource } from './routes.ts';
import type { AdminSource } from './source.ts';

export interface AdminServerOptions {
  readonly source: AdminSource;
  /** Where all pages are. Loopback or sockets only: the settings see to that. */
  readonly addresses: readonly Address[];
  /** Where health and metrics are besides. */
  readonly healthAddresses: readonly Address[];
  readonly health: HealthSource;
  /** Told of a page that failed. */
  readonly onError: (error: unknown, url: string) => void;
}

export interface AdminServer {
  /** The addresses of all pages, with real ports. */
  readonly addresses: readonly Address[];
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
      const server = serve(options, false);
      servers.push(server);
      addresses.push(await listen(server, address));
    }
    for (const address of options.healthAddresses) {
      const server = serve(options, true);
      servers.push(server);
      await listen(server, address);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { addresses, close };
}

function serve(options: AdminServerOptions, isHealthOnly: boolean): Server {
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    respond(options, isHealthOnly, request, response).catch((error: unknown) => {
      options.onError(error, request.url ?? '');
      response.destroy();
    });
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

async function respond(
  { source, health }: AdminServerOptions,
  isHealthOnly: boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  const method = request.method ?? '';
  const page = answer({ method, url: request.url ?? '/', isHealthOnly }, source, health);
  response.writeHead(page.status, { 'content-type': page.contentType, 'cache-control': 'no-store', ...page.headers });
  if (method === 'HEAD') response.end();
  else await pipeline(Readable.from(page.body), response);
}

async function listen(server: Server, address: Address): Promise<Address> {
  // Only this agent's own directory holds its admin socket, so what is left there is its own.
  if (address.kind === 'unix' && lstatSync(address.path, { throwIfNoEntry: false })?.isSocket())
    unlinkSync(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(new Error(`cannot serve ${formatAddress(address)}`, { cause: error })));
    server.listen(
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port },
      resolve,
    );
  });
  if (address.kind === 'unix') {
    chmodSync(address.path, 0o600);
    return address;
  }
  const bound = server.address();
  return { ...address, port: typeof bound === 'object' && bound ? bound.port : address.port };
}

function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
