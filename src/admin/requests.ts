import { type IncomingMessage, request } from 'node:http';
import type { Address } from '../xds/address.ts';

/** A request to the admin pages of an agent. */
export interface AdminRequest {
  readonly method?: 'GET' | 'POST';
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest silence of the agent, in ms; without it there is none. */
  readonly silenceMs?: number;
  /** Ends the request and what is read of its answer. */
  readonly signal?: AbortSignal;
}

/**
 * Asks an agent. The connection is the request's own and ends with it.
 *
 * Node's own client: `weir status` and `weir wait` are to answer at once, and undici alone takes longer to load than all the rest (ADR 0010).
 *
 * @returns the answer, of whatever status; its body is to be read or destroyed
 * @throws Error of the connection, also while the body is read
 */
export function askAgent(
  address: Address,
  { method = 'GET', path, headers = {}, silenceMs, signal }: AdminRequest,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const place =
    address.kind === 'unix' ? { socketPath: address.path, host: 'weir' } : { host: address.host, port: address.port };
  const asked = request({ ...place, method, path, headers, agent: false, ...(signal && { signal }) });
  if (silenceMs !== undefined) {
    asked.setTimeout(silenceMs, () => asked.destroy(new Error(`no answer for ${silenceMs / 1000} s`)));
  }
  asked.once('response', resolve);
  asked.on('error', reject);
  asked.end();
  return promise;
}
