import { createServer } from 'node:http';
import type { Address } from '../xds/address.ts';
import { listen } from './listen.ts';
import type { MetricSample } from './metric-sample.ts';
import { renderMetrics } from './metrics.ts';

/** A health verdict with its reason. */
interface Verdict {
  readonly isOk: boolean;
  readonly reason: string;
}

/** What the pages show, asked anew at each request. */
export interface ProcessPages {
  readonly ready: () => Verdict;
  readonly metrics: () => Iterable<MetricSample>;
  /** Everything at one moment, as plain data. */
  readonly status: () => unknown;
}

/** Time a request may take to arrive, in ms. */
const requestTimeoutMs = 10_000;

/**
 * Serves `/healthz/live`, `/healthz/started`, `/healthz/ready`, `/metrics` and `/status`: names of kinds, numbers, and what cannot be read, with its place;
 * no contents of resources.
 *
 * @returns the address with the real port, and how to stop
 * @throws Error that names the address that cannot be used
 */
export async function servePages(
  address: Address,
  pages: ProcessPages,
): Promise<{ readonly address: Address; readonly close: () => void }> {
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    const path = request.url?.split('?')[0] ?? '/';
    const [status, type, body] = request.method === 'GET' ? answer(path, pages) : [405, 'text/plain', 'only GET\n'];
    response.writeHead(status, { 'content-type': `${type}; charset=utf-8` }).end(body);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  const listening = await listen(server, address);
  return {
    address: listening,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(path: string, pages: ProcessPages): [status: number, type: string, body: string] {
  const health = ({ isOk, reason }: Verdict): [number, string, string] => [
    isOk ? 200 : 503,
    'text/plain',
    `${isOk ? 'ok' : 'not ok'}: ${reason}\n`,
  ];
  switch (path) {
    case '/healthz/live':
      return health({ isOk: true, reason: 'the event loop answers' });
    case '/healthz/started':
      return health({ isOk: true, reason: 'it listens' });
    case '/healthz/ready':
      return health(pages.ready());
    case '/metrics':
      return [200, 'text/plain; version=0.0.4', renderMetrics(pages.metrics())];
    case '/status':
      return [200, 'application/json', `${JSON.stringify(pages.status(), undefined, 2)}\n`];
    default:
      return [404, 'text/plain', 'there are /healthz/live, /healthz/started, /healthz/ready, /metrics and /status\n'];
  }
}
