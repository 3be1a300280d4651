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
 * @param quietMs a page that goes on without end is read until it has said nothing for so long, in ms, or five times as long has passed
 */
export function adminPage(place: AdminPlace, path: string, method = 'GET', quietMs = 10_000): Promise<AdminAnswer> {
  const [host, port] = 'host' in place ? place.host.split(':') : [];
  const to = 'host' in place ? { host, port } : { socketPath: join(ownDirectory(place.cacheDir), 'admin.sock') };
  return new Promise((resolve, reject) => {
    const asked = request({ ...to, path, method }, response => {
      const pieces: Buffer[] = [];
      const done = (): void => {
        clearTimeout(timer);
        clearTimeout(longest);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) });
        asked.destroy();
      };
      const timer = setTimeout(done, quietMs);
      const longest = setTimeout(done, 5 * quietMs);
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        timer.refresh();
      });
      response.on('end', done);
      response.on('error', done);
    });
    asked.on('error', reject);
    asked.end();
  });
}
