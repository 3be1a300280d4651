import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';

/**
 * Makes way for a Unix socket: a stale file is removed, but only if nobody answers on it (R112).
 *
 * @returns a sentence that says why the path cannot be used, or undefined when it can
 */
export async function claimSocketPath(path: string): Promise<string | undefined> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found)
    return existsSync(dirname(path)) ? undefined : 'its directory does not exist; create it or choose another path';
  if (!found.isSocket()) return 'the path exists and is no socket; choose another or remove it';
  if (await isAnswered(path)) return 'another process serves it; stop that one or choose another path';
  unlinkSync(path);
  return undefined;
}

/** Runs `bind` with a umask that keeps a new socket private from its first moment, then gives it `mode`. */
export async function bindPrivately<T>(path: string, mode: number, bind: () => Promise<T>): Promise<T> {
  const previous = process.umask(0o177);
  let bound: T;
  try {
    bound = await bind();
  } finally {
    process.umask(previous);
  }
  chmodSync(path, mode);
  return bound;
}

/** Whether a process accepts connections on a socket. */
export function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // ECONNREFUSED is what a socket without a listener answers; any other failure does not prove that it is stale.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
