import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { listen } from '../admin/listen.ts';
import { servePages } from '../admin/process-pages.ts';
import { type Address, formatAddress } from '../xds/address.ts';
import type { InjectionPolicy } from './injection.ts';
import { answerReview, type ReviewSettings } from './review.ts';
import type { WebhookStatus } from './webhook-status.ts';

/** A certificate with its key, PEM. */
export interface ServingCertificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** Wall time. */
  readonly notAfterMs: number;
}

/** Where a webhook has its certificate from. */
export interface CertificateSource {
  /** Undefined before there is one. */
  readonly current: ServingCertificate | undefined;
  /** Tells of each new one from now on. */
  onChange(listener: (certificate: ServingCertificate) => void): void;
  close(): void;
}

/** A line for the log. */
export interface WebhookLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** How a webhook is run. */
export interface WebhookOptions {
  readonly listen: readonly Address[];
  readonly health: readonly Address[];
  readonly reviews: ReviewSettings;
  readonly certificate: CertificateSource;
  /** How long new connections are still taken after it was told to stop: the API server hears late that a pod ends. */
  readonly drainMs: number;
  readonly status: WebhookStatus;
  readonly log: (line: WebhookLine) => void;
}

/** A webhook at work. */
export interface RunningWebhook {
  /** With real ports. */
  readonly listenAddresses: readonly Address[];
  readonly healthAddresses: readonly Address[];
  stop(reason: string): Promise<void>;
}

/** Largest review: an object that is created has 3 MiB at most. */
const bodyBytesMax = 4 * 1024 * 1024;
/** Of all reviews that are under way; past it one is refused, and its pod is made without Weir. */
const bytesInFlightMax = 32 * 1024 * 1024;
/** Silent connections would take the places of those that ask. */
const handshakeMsMax = 5_000;
/** Longer than the API server keeps one that is idle, so that it is the one that closes. */
const keepAliveMs = 120_000;
/** Time a request may take to arrive. The API server gives up after ten seconds by default. */
const requestMsMax = 10_000;
const connectionsMax = 1_024;

/** Path of pods that ask for Weir, and of namespaces in which all get it. */
const policies: ReadonlyMap<string, InjectionPolicy> = new Map([
  ['/inject', 'opt-in'],
  ['/mutate', 'opt-in'],
  ['/', 'opt-in'],
  ['/inject/namespace', 'opt-out'],
]);

/**
 * Starts an admission webhook that puts Weir into pods. It listens once there is a certificate.
 *
 * @throws Error that says which address cannot be used, or that a certificate cannot be
 */
export async function startWebhook(options: WebhookOptions): Promise<RunningWebhook> {
  const { certificate, status, log } = options;
  const closers: (() => void)[] = [() => certificate.close()];
  let isStopping = false;
  const ready = (): { isOk: boolean; reason: string } => {
    if (isStopping) return { isOk: false, reason: 'it is told to stop' };
    if (!certificate.current)
      return { isOk: false, reason: `there is no certificate yet: ${status.trouble ?? 'it is being made'}` };
    return { isOk: true, reason: 'reviews are answered' };
  };
  const servers: Server[] = [];
  try {
    const healthAddresses: Address[] = [];
    for (const address of options.health) {
      const pages = await servePages(address, {
        ready,
        metrics: () => status.samples(certificate.current?.notAfterMs),
        status: () => ({ ready: ready(), reviews: status.reviews, trouble: status.trouble }),
      });
      healthAddresses.push(pages.address);
      closers.push(pages.close);
    }
    const first = certificate.current ?? (await firstOf(certificate));
    const listenAddresses: Address[] = [];
    const budget: Budget = { bytes: 0 };
    for (const address of options.listen) {
      const { cert, key } = first;
      const server = createServer(
        {
          cert,
          key,
          requestTimeout: requestMsMax,
          headersTimeout: requestMsMax,
          handshakeTimeout: handshakeMsMax,
          keepAliveTimeout: keepAliveMs,
        },
        (request, response) => void answer(request, response, options, budget),
      );
      server.maxConnections = connectionsMax;
      server.on('tlsClientError', () => {}); // Whoever does not trust the certificate is not told more, and port scans are no news.
      server.on('clientError', (_error, socket) => socket.destroy());
      servers.push(server);
      listenAddresses.push(await listen(server, address));
    }
    certificate.onChange(({ cert, key }) => {
      for (const server of servers) server.setSecureContext({ cert, key });
    });
    const fields = { listen: listenAddresses.map(formatAddress), health: healthAddresses.map(formatAddress) };
    log({ level: 'info', message: 'answering admission reviews', fields });
    return {
      listenAddresses,
      healthAddresses,
      stop: async reason => {
        isStopping = true;
        log({ level: 'info', message: `stopping: ${reason}`, fields: { drainMs: options.drainMs } });
        await new Promise(resolve => setTimeout(resolve, options.drainMs));
        // bounded: by the addresses of --listen.
        await Promise.all(servers.map(closed));
        for (const close of closers) close();
        log({ level: 'info', message: 'stopped', fields: status.reviews });
      },
    };
  } catch (error) {
    for (const server of servers) server.close();
    for (const close of closers) close();
    throw error;
  }
}

function firstOf(certificate: CertificateSource): Promise<ServingCertificate> {
  const { promise, resolve } = Promise.withResolvers<ServingCertificate>();
  certificate.onChange(resolve);
  return promise;
}

/** Reviews under way are answered; connections that only wait are ended. */
function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), requestMsMax).unref();
  return promise;
}

/** Bytes of all reviews that are being read. */
interface Budget {
  bytes: number;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: WebhookOptions,
  budget: Budget,
): Promise<void> {
  const startMs = performance.now();
  const refuse = (status: number, problem: string): void => {
    options.status.count('malformed', (performance.now() - startMs) / 1_000);
    options.log({ level: 'warn', message: `a request was refused: ${problem}`, fields: { status } });
    response
      .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
      .end(`${problem}\n`);
  };
  const policy = policies.get(request.url?.split('?')[0] ?? '');
  if (policy === undefined) return refuse(404, 'reviews are taken at /inject and /inject/namespace');
  if (request.method !== 'POST') return refuse(405, 'reviews are sent by POST');
  let text: string | number;
  try {
    text = await bodyOf(request, budget);
  } catch {
    // The connection ended in the middle; nobody is there to be told.
    response.destroy();
    return undefined;
  }
  if (text === 413) return refuse(413, `the review has more than ${bodyBytesMax / 2 ** 20} MiB`);
  if (typeof text === 'number') return refuse(text, 'too many large reviews are under way');
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return refuse(400, 'the body is no JSON');
  }
  try {
    const answered = answerReview(body, policy, options.reviews);
    if ('problem' in answered) return refuse(400, answered.problem);
    const { outcome, pod, reason } = answered;
    options.status.count(outcome, (performance.now() - startMs) / 1_000);
    if (outcome === 'invalid')
      options.log({ level: 'warn', message: 'a pod cannot be injected as it asks', fields: { pod, reason } });
    else if (outcome === 'injected') options.log({ level: 'info', message: 'a pod is injected', fields: { pod } });
    else options.log({ level: 'debug', message: 'a pod is left as it is', fields: { pod, reason } });
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answered.body));
  } catch (error) {
    // A review that was not thought of must not end the process: pods of others are waiting.
    refuse(500, `the review cannot be answered: ${error instanceof Error ? error.message : String(error)}`);
  }
  return undefined;
}

/** @returns the text, or the status with which it is refused @throws Error when the connection breaks off */
async function bodyOf(request: IncomingMessage, budget: Budget): Promise<string | 413 | 503> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      size += chunk.length;
      budget.bytes += chunk.length;
      if (size > bodyBytesMax) return 413;
      if (budget.bytes > bytesInFlightMax) return 503;
      chunks.push(chunk);
    }
  } finally {
    budget.bytes -= size;
  }
  return Buffer.concat(chunks).toString('utf8');
}
