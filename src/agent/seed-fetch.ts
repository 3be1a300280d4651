import { Buffer } from 'node:buffer';
import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { Backoff } from '../upstream/backoff.ts';
import { AgentError, exitCodes } from './errors.ts';

/** How {@link fetchSeed} fetches. */
export interface SeedOptions {
  /** Longest time of one attempt with its redirects, from the connection to the last byte, in ms. */
  readonly timeoutMs: number;
  /** Largest bundle in bytes; a longer answer is cut off at that point. */
  readonly bytesMax: number;
  /** Attempts after the first, made on network errors and on status 5xx only. */
  readonly retries: number;
  /** ETag of the bundle that is held; the server may then say that it is still the newest. */
  readonly etag?: string | undefined;
  /** PEM certificates to trust instead of the system's. */
  readonly tlsCa?: Buffer | undefined;
  /** Allows `http:` to other machines. Only for bundles whose signature is verified: anyone on the way may change them. */
  readonly allowPlainHttp?: boolean | undefined;
  /** Gives up at once, also while waiting for the next attempt. */
  readonly signal?: AbortSignal | undefined;
  /** Takes a line for the log about each failed attempt that is repeated. */
  readonly note: (text: string) => void;
}

/** A fetched bundle. `bytes` belong to the caller. */
export interface FetchedSeed {
  readonly bytes: Buffer;
  /** The server's name for this very content; undefined for files and where it gave none. */
  readonly etag: string | undefined;
}

/** Waiting time between attempts: random up to this bound, which doubles each time (R111). */
const retryBaseMs = 500;
const retryMaxMs = 10_000;
const redirectsMax = 5;

/**
 * Fetches a seed bundle from a file or by HTTP(S). Nothing of it is checked here: that is decodeBundle's part.
 *
 * @param source a path, `https://…`, or `http://…` on loopback. User and password in a URL go to its own host as basic credentials.
 * @returns the bundle, or that the one named by `etag` is still the newest
 * @throws AgentError naming the source, without credentials and query, and the cause
 */
export async function fetchSeed(source: string, options: SeedOptions): Promise<FetchedSeed | 'not modified'> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined) return readSeedFile(source, options);
  const url = URL.parse(source);
  if (url === null || (scheme !== 'https' && scheme !== 'http')) {
    // The text itself may hold a password.
    throw new AgentError(`the seed is no file, https:// or http:// address (its scheme: ${scheme})`, {
      exitCode: exitCodes.usage,
    });
  }
  return fetchSeedUrl(url, options);
}

async function readSeedFile(path: string, { bytesMax, signal }: SeedOptions): Promise<FetchedSeed> {
  try {
    // Before opening: to open a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) throw new AgentError('it is no regular file');
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > bytesMax) throw new AgentError(`it has ${size} bytes, the most is ${bytesMax}`);
    const bytes = Buffer.alloc(size);
    let length = 0;
    while (length < size) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(bytes, length, size - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    // A file that shrank while it was read ends here; its digests say so.
    return { bytes: bytes.subarray(0, length), etag: undefined };
  } catch (error) {
    throw new AgentError(`cannot read the seed ${path}`, { cause: error });
  }
}

async function fetchSeedUrl(url: URL, options: SeedOptions): Promise<FetchedSeed | 'not modified'> {
  const { note, retries, signal, tlsCa } = options;
  const name = nameOf(url);
  checkProtocol(url, undefined, options);
  // Loaded here, since it costs memory that an agent without seed does not need.
  const { Agent } = await import('undici');
  const dispatcher = new Agent({ connect: tlsCa === undefined ? {} : { ca: tlsCa } });
  const backoff = new Backoff(retryBaseMs, retryMaxMs, Math.random);
  try {
    for (let attempt = 0; ; attempt++) {
      const timeout = AbortSignal.timeout(options.timeoutMs);
      const both = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
      try {
        return await attemptFetch(url, options, dispatcher, both);
      } catch (error) {
        if (signal?.aborted) throw new AgentError(`fetching the seed ${name} was given up`, { cause: signal.reason });
        const failure = timeout.aborted
          ? new AgentError(`no complete answer within ${options.timeoutMs} ms`)
          : AgentError.from(error);
        if (attempt >= retries || !isTransient(error)) {
          throw new AgentError(`cannot fetch the seed ${name}`, { cause: failure });
        }
        const delayMs = backoff.nextDelayMs();
        note(`cannot fetch the seed ${name}, trying again in ${delayMs} ms: ${failure.describe()}`);
        // Whoever aborts the waiting is answered by the next attempt, which fails at once.
        await sleep(delayMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      }
    }
  } finally {
    await dispatcher.destroy();
  }
}

/** An answer that will be the same next time, so nobody asks again. */
class FinalError extends AgentError {}

/** Certificates and names do not mend themselves within seconds, and our own refusals never do. */
function isTransient(error: unknown): boolean {
  if (error instanceof FinalError) return false;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return !/CERT|^ERR_TLS|^ERR_SSL|^UNABLE_TO/.test(code);
}

async function attemptFetch(
  first: URL,
  options: SeedOptions,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<FetchedSeed | 'not modified'> {
  let url = first;
  for (let redirects = 0; redirects <= redirectsMax; redirects++) {
    const { statusCode, headers, body } = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: requestHeaders(url, first, options.etag),
      signal,
    });
    const isRedirect = [301, 302, 303, 307, 308].includes(statusCode);
    if (statusCode === 200) {
      checkEncoding(headers['content-encoding']);
      return { bytes: await readBody(body, headers['content-length'], options.bytesMax), etag: oneOf(headers['etag']) };
    }
    // The rest of the answer is not wanted. To destroy it makes it fail, which is no news.
    body.on('error', () => undefined).destroy();
    if (statusCode === 304 && options.etag !== undefined) return 'not modified';
    if (!isRedirect) {
      const refusal = `${url === first ? 'the server' : nameOf(url)} answered ${statusCode}`;
      throw statusCode >= 500 ? new AgentError(refusal) : new FinalError(`${refusal}; check address and credentials`);
    }
    const location = oneOf(headers['location']);
    const target = location === undefined ? null : URL.parse(location, url.href);
    if (target === null) throw new FinalError(`${nameOf(url)} answered ${statusCode} without a usable location`);
    checkProtocol(target, url, options);
    url = target;
  }
  throw new FinalError(`it redirects more than ${redirectsMax} times`);
}

function requestHeaders(url: URL, first: URL, etag: string | undefined): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/octet-stream, */*', 'accept-encoding': 'identity' };
  if (etag !== undefined) headers['if-none-match'] = etag;
  const { username, password } = url.origin === first.origin ? first : url;
  if (username !== '' || password !== '') {
    const pair = [username, password].map(part => withoutPercents(part)).join(':');
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  return headers;
}

/** Undoes percent signs as far as they are an encoding. */
function withoutPercents(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone percent sign stands for itself.
    return text;
  }
}

/** A bundle decides where traffic goes: it comes encrypted, or from this machine, or is verified by its signature. */
function checkProtocol(url: URL, from: URL | undefined, { allowPlainHttp }: SeedOptions): void {
  if (url.protocol === 'https:') return;
  const origin = from === undefined ? `the seed ${nameOf(url)}` : `${nameOf(from)} redirects to ${nameOf(url)}, which`;
  if (url.protocol !== 'http:') throw new FinalError(`${origin} is neither https:// nor http://`);
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (allowPlainHttp === true || (isLoopback && from?.protocol !== 'https:')) return;
  throw new FinalError(`${origin} is not encrypted; use https://, or have a signature verified`, {
    exitCode: exitCodes.usage,
  });
}

function checkEncoding(encoding: string | string[] | undefined): void {
  const value = oneOf(encoding) ?? 'identity';
  if (value !== 'identity') throw new FinalError(`its content encoding is '${value.slice(0, 40)}'; serve it as it is`);
}

async function readBody(
  body: Dispatcher.ResponseData['body'],
  announced: string | string[] | undefined,
  bytesMax: number,
): Promise<Buffer> {
  const tooLong = (): FinalError => new FinalError(`it has more than ${bytesMax} bytes, which is the most`);
  const chunks: Buffer[] = [];
  let length = 0;
  if (Number(oneOf(announced) ?? 0) > bytesMax) {
    body.on('error', () => undefined).destroy(); // As above.
    throw tooLong();
  }
  // To leave the loop destroys the stream, and with it the connection.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** The first value of a header. */
function oneOf(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** A URL for people: user, password and query stay out, since they may be credentials. */
function nameOf(url: URL): string {
  const name = `${url.protocol}//${url.host}${url.pathname}`;
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}
