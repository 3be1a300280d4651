import { existsSync } from 'node:fs';
import { AdminClient, AdminRefusal } from '../admin/client.ts';
import { AgentError, exitCodes } from '../agent/errors.ts';
import { adminSocketPath } from '../net/own-directory.ts';
import { parseAddress } from '../xds/address.ts';

/** How a command finds the agent. */
export interface AgentOptions {
  readonly admin?: string | undefined;
  readonly cacheDir?: string | undefined;
}

const defaultAdmin = '127.0.0.1:15920';

/** Path of the admin socket in a cache directory; undefined when there is none, since no agent runs on it. */
export function adminSocketOf(cacheDir: string): string | undefined {
  const path = adminSocketPath(cacheDir);
  return existsSync(path) ? path : undefined;
}

/**
 * A client for the agent that the options, or the agent's own environment variables, point at. The socket in the cache directory is
 * preferred, since it allows everything.
 *
 * @throws AgentError when the address is none, or when no agent runs on the directory that was named
 */
export function agentClient(options: AgentOptions): AdminClient {
  const admin = options.admin;
  const cacheDir = options.cacheDir ?? process.env['WEIR_CACHE_DIR'];
  const socket = admin === undefined && cacheDir ? adminSocketOf(cacheDir) : undefined;
  if (socket !== undefined) return new AdminClient({ kind: 'unix', path: socket });
  if (admin === undefined && options.cacheDir) {
    const path = adminSocketPath(options.cacheDir);
    throw new AgentError(`no agent runs on this cache directory (--cache-dir): there is no ${path}`);
  }
  const address = parseAddress(admin ?? (process.env['WEIR_ADMIN'] || defaultAdmin));
  if ('error' in address) throw new AgentError(`--admin ${address.error}`, { exitCode: exitCodes.usage });
  return new AdminClient(address);
}

/** What the agent answers. @throws AgentError as {@link noAgent} makes it when it does not, or refuses */
export function answered<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => {
    throw noAgent(error);
  });
}

/** Says what failed and what to do, where an agent did not answer. */
export function noAgent(error: unknown): AgentError {
  if (error instanceof AdminRefusal) {
    if (error.statusCode !== 403) return new AgentError('the agent refuses', { cause: error });
    const way = 'go by its admin socket: --cache-dir DIR, or --admin unix:/path if it was started with that';
    const why = 'the agent refuses over TCP what changes something or shows contents';
    return new AgentError(`${why}; ${way}`, { cause: error });
  }
  const hint = 'is weir running? Point at it with --admin ADDR or --cache-dir DIR';
  return new AgentError(`the agent does not answer; ${hint}`, { cause: error });
}
