import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentError, exitCodes } from './errors.ts';

/** How a seed is fetched. */
export interface FetchOptions {
  /** For everything together, retries included, in ms. */
  readonly timeoutMs: number;
  readonly bytesMax: number;
  /** CA certificates (PEM) in place of the system's. */
  readonly tlsCa: Buffer | undefined;
  /** ETag of the copy that is there already. */
  readonly etag: string | undefined;
  /** Allow http:// to other hosts than this one: a signature protects what comes. */
  readonly isSigned: boolean;
}

/** What was fetched; undefined when the copy with the ETag is still the newest. */
export type Fetched = { readonly bytes: Buffer; readonly etag: string | undefined } | undefined;

const retryBaseMs = 250;
const redirectsMax = 5;

/**
 * Reads a seed from a file, or fetches it from `http(s)://`.
 *
 * @throws AgentError that names the source (without credentials and query) and what failed
 */
export async function fetchSeed(source: string, options: FetchOptions): Promise<Fetched> {
  if (!/^https?:\/\//i.test(source)) return { bytes: await readSeedFile(source, options.bytesMax), etag: undefined };
  const url = URL.parse(source);
  if (!url) throw new AgentError('the seed’s address is no URL (setting seed)', { exitCode: exitCodes.usage });
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'http:' && !isHere && !options.isSigned) {
    throw new AgentError(
      `the seed ${shown} would come unprotected: use https, or set seedVerifyKeyFile (setting seed)`,
      { exitCode: exitCodes.usage },
    );
  }
  const signal = AbortSignal.timeout(options.timeoutMs);
  for (let attempt = 0; ; attempt++) {
    try {
      return await fetchOnce(url, options, signal);
    } catch (error) {
      const isFinal = error instanceof Refused || signal.aborted;
      if (isFinal)
        throw new AgentError(`cannot fetch the seed ${shown} (setting seed)`, { cause: causeOf(error, signal) });
      // Ended by the timeout above, not by a count.
      await sleep(retryBaseMs * 2 ** Math.min(attempt, 5), undefined, { signal }).catch(() => undefined);
    }
  }
}

/** An answer that trying again will not change. */
class Refused extends Error {
  override readonly name = 'Refused';
}

async function fetchOnce(url: URL, options: FetchOptions, signal: AbortSignal): Promise<Fetched> {
  // 13 MiB of own memory, so only where there is something to fetch.
  const { Agent, interceptors, request } = await import('undici');
  const connect = options.tlsCa ? { ca: options.tlsCa } : {};
  const agent = new Agent({ connect });
  try {
    const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: redirectsMax }));
    const headers = options.etag === undefined ? {} : { 'if-none-match': options.etag };
    const { statusCode, headers: answered, body } = await request(url, { dispatcher, signal, headers });
    if (statusCode === 304 && options.etag !== undefined) {
      await body.dump();
      return undefined;
    }
    if (statusCode >= 500) throw new Error(`HTTP status ${statusCode}`);
    if (statusCode !== 200) throw new Refused(`HTTP status ${statusCode}`);
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of body as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > options.bytesMax)
        throw new Refused(`it is larger than ${options.bytesMax} bytes (setting seedBytesMax)`);
      parts.push(part);
    }
    const { etag } = answered;
    return { bytes: Buffer.concat(parts), etag: typeof etag === 'string' ? etag : undefined };
  } finally {
    await agent.destroy();
  }
}

/** An aborted request only says that it was aborted. */
function causeOf(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || error instanceof Refused) return error;
  const last =
    error instanceof Error && error.name !== 'TimeoutError' && error.name !== 'AbortError' ? error : undefined;
  return new Error(`no answer in time (setting seedTimeout)${last ? `, at last: ${last.message}` : ''}`);
}

async function readSeedFile(path: string, bytesMax: number): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > bytesMax) throw new Error(`it has ${size} bytes, ${bytesMax} are allowed (setting seedBytesMax)`);
    return await readFile(path);
  } catch (error) {
    throw new AgentError(`cannot read the seed ${path} (setting seed)`, { cause: error });
  }
}

/** Reads an Ed25519 public key (PEM). */
export async function readVerifyKey(path: string): Promise<KeyObject> {
  const { usage: exitCode } = exitCodes;
  let key: KeyObject;
  try {
    key = createPublicKey(await readFile(path));
  } catch (error) {
    throw new AgentError(`cannot read the key ${path} (setting seedVerifyKeyFile)`, { cause: error, exitCode });
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new AgentError(`the key ${path} is ${key.asymmetricKeyType}, not Ed25519 (setting seedVerifyKeyFile)`, {
    exitCode,
  });
}
