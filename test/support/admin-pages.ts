import { request } from 'node:http';
import { join } from 'node:path';
import { ownDirectory } from '../../src/net/own-directory.ts';

/** An answer of an admin page. */
export interface AdminAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** Where admin pages are: a TCP address, or the socket in a cache directory. */
export type AdminPlace = { readonly host: string } | { readonly cacheDir: string };

/**
 * Asks for an admin page.
 *
 * @param openMs how long a page that goes on without end is read, in ms
 */
export function adminPage(place: AdminPlace, path: string, method = 'GET', openMs = 10_000): Promise<AdminAnswer> {
  const [host, port] = 'host' in place ? place.host.split(':') : [];
  const to = 'host' in place ? { host, port } : { socketPath: join(ownDirectory(place.cacheDir), 'admin.sock') };
  return new Promise((resolve, reject) => {
    const asked = request({ ...to, path, method }, response => {
      const pieces: Buffer[] = [];
      const done = (): void => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) });
        asked.destroy();
      };
      const timer = setTimeout(done, openMs);
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', done);
      response.on('error', done);
    });
    asked.on('error', reject);
    asked.end();
  });
}
