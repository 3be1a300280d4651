import { type IncomingMessage, request as requestHttp } from 'node:http';
import { type RequestOptions, request as requestHttps } from 'node:https';
import type { Answer, Failure } from './kubernetes-answers.ts';
import {
  type Access,
  accessLoader,
  addCredentials,
  type LoadedAccess,
  systemMessage,
  withoutSecrets,
} from './kubernetes-config.ts';
import { LineSplitter, type tooLong } from './line-splitter.ts';

/** Reads a watch. */
export interface WatchListener {
  /** Called once, with the body unless the status is 200. */
  opened(answer: Answer): void;
  /** Called one after the other, nothing is read meanwhile. @returns whether to read on */
  lines(lines: readonly (Buffer | typeof tooLong)[]): boolean;
}

/** From the request to the end of a page, or to the head of a watch. */
const requestMsMax = 30_000;
/** A watch without even a bookmark for so long is opened again: its connection may be long dead. API servers send one each minute. */
const silenceMsMax = 150_000;
const keepAliveMs = 30_000;
/** Of an answer that is not 200; only its message is read. */
const refusalBytesMax = 64 * 1024;

const noBody = Buffer.alloc(0);

/** A head that has come. */
interface Head {
  readonly response: IncomingMessage;
  readonly options: RequestOptions;
}

/** The Kubernetes API, asked with the credentials of a kubeconfig or of the pod's service account. */
export class KubernetesApi {
  readonly #load: () => LoadedAccess;
  #access: LoadedAccess;

  private constructor(load: () => LoadedAccess) {
    this.#load = load;
    this.#access = load();
  }

  /**
   * Reads the kubeconfig. The API server is not asked yet.
   *
   * @throws Error when there is none, or it names no cluster and user
   */
  static async open(access: Access): Promise<KubernetesApi> {
    return new KubernetesApi(await accessLoader(access));
  }

  /**
   * Asks for what is answered whole.
   *
   * @param bytesMax of an answer with 200
   * @param signal ends it early, as a failure
   */
  async get(path: string, bytesMax: number, signal: AbortSignal): Promise<Answer | Failure | 'too large'> {
    const alarm = new Alarm(requestMsMax, signal);
    try {
      const head = await this.#send(path, alarm.signal);
      return 'kind' in head ? head : ((await readAnswer(head, bytesMax)) ?? 'too large');
    } catch (error) {
      return broken(error, alarm);
    } finally {
      alarm.stop();
    }
  }

  /**
   * Watches until it ends, is silent for too long, or the listener has enough.
   *
   * @param ms at most
   * @param lineBytesMax of a line; a longer one is told as such
   * @param signal ends it early
   * @returns why it was not answered; undefined when it was and is over
   */
  async watch(
    path: string,
    { ms, lineBytesMax }: { readonly ms: number; readonly lineBytesMax: number },
    listener: WatchListener,
    signal: AbortSignal,
  ): Promise<Failure | undefined> {
    const alarm = new Alarm(requestMsMax, signal);
    let isOpen = false;
    try {
      const head = await this.#send(path, alarm.signal);
      if ('kind' in head) return head;
      isOpen = head.response.statusCode === 200;
      listener.opened(isOpen ? answerOf(head, noBody) : ((await readAnswer(head, 0)) ?? answerOf(head, noBody)));
      if (!isOpen) return undefined;
      const endsMs = performance.now() + ms;
      const splitter = new LineSplitter(lineBytesMax);
      alarm.set(Math.min(ms, silenceMsMax));
      for await (const chunk of head.response) {
        const lines = splitter.push(chunk);
        if (lines.length > 0 && !listener.lines(lines)) break;
        alarm.set(Math.min(endsMs - performance.now(), silenceMsMax));
      }
      return undefined;
    } catch (error) {
      // A bug of whoever listens is no broken connection.
      if (!isFromOutside(error, alarm)) throw error;
      // However an open watch ends, the next one goes on where it was.
      return isOpen ? undefined : broken(error, alarm);
    } finally {
      alarm.stop();
    }
  }

  /** Sends a request, and once more with what was read anew where what was known is refused. */
  async #send(path: string, signal: AbortSignal): Promise<Head | Failure> {
    const used = this.#access;
    const head = await sendWith(used, path, signal);
    if ('kind' in head) {
      // What is wrong may stand in the kubeconfig, and may have been mended there.
      if (head.kind !== 'broken') this.#renew(used);
      return head;
    }
    if (head.response.statusCode !== 401 || !this.#renew(used)) return head;
    head.response.destroy();
    return sendWith(this.#access, path, signal);
  }

  /** @returns whether something else than this is used now */
  #renew(used: LoadedAccess): boolean {
    if (this.#access !== used) return true;
    try {
      this.#access = this.#load();
      return true;
    } catch {
      // It was good once and is being written, or is gone: what it said stays, and the failure that led here is told.
      return false;
    }
  }
}

async function sendWith(access: LoadedAccess, path: string, signal: AbortSignal): Promise<Head | Failure> {
  const options: RequestOptions = { headers: { accept: 'application/json', 'user-agent': 'weir' } };
  const url = new URL(`${access.cluster.server}${path}`);
  const problem = await unlessAborted(addCredentials(access, options), signal);
  if (problem !== undefined) return { kind: 'credentials', text: problem };
  const { response, wasConnected } = send(url, { ...options, signal });
  try {
    return { response: await response, options };
  } catch (error) {
    if (codeOf(error) === 'ERR_INVALID_CHAR')
      return { kind: 'credentials', text: 'the token holds characters that no token has; is it the right file?' };
    if (wasConnected()) throw error;
    const reason = signal.aborted ? `no connection in ${requestMsMax / 1000} s` : messageOf(error);
    const text = `the API server ${url.origin} cannot be reached: ${reason}; what was read stays, and it is tried again`;
    return { kind: 'unreachable', text: withoutSecrets(text, options) };
  }
}

function send(url: URL, options: RequestOptions): { response: Promise<IncomingMessage>; wasConnected: () => boolean } {
  const isPlain = url.protocol === 'http:';
  let isConnected = false;
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    const request = (isPlain ? requestHttp : requestHttps)(url, options, resolve);
    request.on('error', reject);
    request.on('socket', socket => {
      socket.setKeepAlive(true, keepAliveMs);
      socket.once(isPlain ? 'connect' : 'secureConnect', () => {
        isConnected = true;
      });
    });
    request.end();
  });
  return { response, wasConnected: () => isConnected };
}

/** @param bytesMax of an answer with 200 @returns undefined when such a one is larger */
async function readAnswer(head: Head, bytesMax: number): Promise<Answer | undefined> {
  const isGood = head.response.statusCode === 200;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of head.response) {
    size += chunk.length;
    if (size > (isGood ? bytesMax : refusalBytesMax)) return isGood ? undefined : answerOf(head, noBody);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  return answerOf(head, isGood ? body : Buffer.from(withoutSecrets(body.toString('utf8'), head.options)));
}

function answerOf({ response }: Head, body: Buffer): Answer {
  const seconds = Number(response.headers['retry-after'] ?? Number.NaN);
  return { status: response.statusCode ?? 0, body, retryAfterMs: seconds > 0 ? seconds * 1000 : undefined };
}

function broken(error: unknown, alarm: Alarm): Failure {
  if (!isFromOutside(error, alarm)) throw error;
  const reason = alarm.isRung
    ? `there was no whole answer in ${requestMsMax / 1000} s`
    : `the answer broke off (${messageOf(error)})`;
  return { kind: 'broken', text: reason };
}

function isFromOutside(error: unknown, alarm: Alarm): boolean {
  return alarm.signal.aborted || codeOf(error) !== undefined;
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const certificateAdvice: ReadonlyMap<string, string> = new Map(
  [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'CERT_SIGNATURE_FAILURE',
  ].map(code => [code, ' (its certificate is not of the CA that the kubeconfig names)']),
);

function messageOf(error: unknown): string {
  const code = codeOf(error) ?? '';
  const message = systemMessage(error) ?? (error instanceof Error ? error.message : String(error));
  return `${message}${certificateAdvice.get(code) ?? ''}`;
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const give = (): void => resolve(`they did not come in ${requestMsMax / 1000} s`);
  signal.addEventListener('abort', give, { once: true });
  if (signal.aborted) give();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', give);
  }
}

/** Aborts when its time is over, or with another signal. */
class Alarm {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  #timer: NodeJS.Timeout;
  #isRung = false;

  constructor(ms: number, outer: AbortSignal) {
    this.#outer = outer;
    this.#timer = setTimeout(this.#ring, ms);
    outer.addEventListener('abort', this.#abort, { once: true });
    if (outer.aborted) this.#abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether its time was over. */
  get isRung(): boolean {
    return this.#isRung;
  }

  /** Sets it anew. */
  set(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#ring, Math.max(0, ms));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#abort);
  }

  readonly #ring = (): void => {
    this.#isRung = true;
    this.#controller.abort();
  };

  readonly #abort = (): void => this.#controller.abort();
}
