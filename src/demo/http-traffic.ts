import { Agent, createServer, request, type Server } from 'node:http';
import type { HostPort } from './resources.ts';

/** Longest wait for one answer in ms; after that the request counts as failed. */
const requestTimeoutMs = 5000;
/** Most requests under way at once; a slot that finds them all busy counts as failed, never as "not sent". */
const inFlightMax = 64;
const failureTextsMax = 5;
const bodyBytesMax = 64 * 1024 * 1024;

/** An answer read whole. A connection that failed is status 0 with the reason as body. */
export interface HttpAnswer {
  readonly statusCode: number;
  readonly body: string;
}

/** One GET, at most `requestTimeoutMs` long. Never throws: what went wrong is in the answer. */
export function get(target: HostPort, path: string, agent?: Agent): Promise<HttpAnswer> {
  return new Promise(resolve => {
    const outgoing = request({ ...target, path, agent: agent ?? false, timeout: requestTimeoutMs }, response => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > bodyBytesMax) outgoing.destroy(new Error(`the answer is larger than ${bodyBytesMax} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () =>
        resolve({ statusCode: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
      response.on('error', error => resolve({ statusCode: 0, body: error.message }));
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${requestTimeoutMs} ms`)));
    outgoing.on('error', error => resolve({ statusCode: 0, body: error.message }));
    outgoing.end();
  });
}

/** GET of a page of an admin endpoint on loopback. `json` is undefined when the answer is none. */
export async function getJson(port: number, path: string): Promise<HttpAnswer & { readonly json: unknown }> {
  const answer = await get({ host: '127.0.0.1', port }, path);
  try {
    return { ...answer, json: JSON.parse(answer.body) };
  } catch {
    // Health pages answer in plain text; the caller looks at the status then.
    return { ...answer, json: undefined };
  }
}

/** An HTTP server that answers every request with its name. */
export interface Backend {
  readonly name: string;
  readonly address: HostPort;
  stop(): void;
}

/** Starts a backend on a free port of loopback. @throws Error when the system has no port */
export async function startBackend(name: string): Promise<Backend> {
  const server: Server = createServer((_, response) => response.end(name));
  // Longer than any run: a connection closed for idleness while a request is on its way would look like a lost request.
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`the backend ${name} got no TCP port`);
  return {
    name,
    address: { host: '127.0.0.1', port: address.port },
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** What a load generator has counted. */
export interface TrafficCounts {
  readonly ok: number;
  readonly failed: number;
  /** Longest time to an answer, in ms. */
  readonly worstMs: number;
  /** Answers by backend name. */
  readonly byBackend: ReadonlyMap<string, number>;
  /** What the first failures said. */
  readonly failures: readonly string[];
}

/** A load generator at work. */
export interface Traffic {
  counts(): TrafficCounts;
  /** Stops sending, waits for the requests under way, and returns the final counts. */
  stop(): Promise<TrafficCounts>;
}

/**
 * Sends GET requests at a steady rate over kept connections until it is stopped.
 *
 * @param target asked before each request; undefined means that the client knows no way, and counts as failed
 * @param ratePerSecond 1 to 1000
 * @param path path of each request
 */
export function startTraffic(target: () => HostPort | undefined, ratePerSecond: number, path = '/'): Traffic {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlightMax });
  const inFlight = new Set<Promise<void>>();
  const byBackend = new Map<string, number>();
  const failures: string[] = [];
  let ok = 0;
  let failed = 0;
  let worstMs = 0;
  const fail = (text: string): void => {
    failed += 1;
    if (failures.length < failureTextsMax) failures.push(text.slice(0, 200));
  };
  const sendOne = async (): Promise<void> => {
    const to = target();
    if (to === undefined) return fail('the client knows no endpoint for the request');
    const startMs = performance.now();
    const answer = await get(to, path, agent);
    worstMs = Math.max(worstMs, performance.now() - startMs);
    if (answer.statusCode !== 200) return fail(`status ${answer.statusCode}: ${answer.body}`);
    ok += 1;
    byBackend.set(answer.body, (byBackend.get(answer.body) ?? 0) + 1);
  };
  const timer = setInterval(() => {
    if (inFlight.size >= inFlightMax) return fail(`${inFlightMax} requests are already waiting`);
    const sending = sendOne().finally(() => inFlight.delete(sending));
    inFlight.add(sending);
  }, 1000 / ratePerSecond);
  const counts = (): TrafficCounts => ({ ok, failed, worstMs, byBackend: new Map(byBackend), failures: [...failures] });
  return {
    counts,
    stop: async () => {
      clearInterval(timer);
      // bounded: at most inFlightMax, and each ends by its own timeout.
      await Promise.all(inFlight);
      agent.destroy();
      return counts();
    },
  };
}
