import { join } from 'node:path';

/** Weir's own part of the cache directory, which only its owner may enter (R104). */
export function ownDirectory(cacheDir: string): string {
  return join(cacheDir, 'weir');
}

/** Where the admin socket of an agent with this cache directory is. */
export function adminSocketPath(cacheDir: string): string {
  return join(ownDirectory(cacheDir), 'admin.sock');
}
