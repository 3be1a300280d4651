import { request as requestHttp } from 'node:http';
import { type RequestOptions, request as requestHttps } from 'node:https';
import {
  type Access,
  accessLoader,
  addCredentials,
  type LoadedAccess,
  withoutSecrets,
} from '../source/kubernetes-config.ts';
import { type Data, objectOf, textIn } from './data.ts';

/** An answer of the API server. */
export interface ApiAnswer {
  readonly status: number;
  /** The object, or the Status that says what was wrong. */
  readonly body: Data;
}

const requestMsMax = 10_000;
const answerBytesMax = 4 * 1024 * 1024;

/** Single requests to the API server of the pod, or of a kubeconfig. */
export class ApiClient {
  readonly #load: () => LoadedAccess;
  #access: LoadedAccess | undefined;

  private constructor(load: () => LoadedAccess) {
    this.#load = load;
  }

  static async create(access: Access): Promise<ApiClient> {
    return new ApiClient(await accessLoader(access));
  }

  /**
   * @param type of the body, when there is one
   * @throws Error with the path, when there is no answer, or none that can be read
   */
  async ask(method: string, path: string, body?: unknown, type = 'application/json'): Promise<ApiAnswer> {
    // A kubeconfig or service account that cannot be read may be mended while this runs.
    this.#access ??= this.#load();
    const options: RequestOptions = { method, headers: { accept: 'application/json' }, timeout: requestMsMax };
    const problem = await addCredentials(this.#access, options);
    if (problem !== undefined) throw new Error(problem);
    const text = body === undefined ? '' : JSON.stringify(body);
    if (text !== '')
      options.headers = { ...options.headers, 'content-type': type, 'content-length': Buffer.byteLength(text) };
    const url = new URL(path, this.#access.cluster.server);
    try {
      return await answerTo(url, { ...options, signal: AbortSignal.timeout(requestMsMax) }, text);
    } catch (error) {
      // Where the server or its CA has changed, the next request finds out.
      this.#access = undefined;
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${method} ${path}: ${withoutSecrets(message, options)}`);
    }
  }
}

/** What an answer says that is no success. */
export function refusalOf({ status, body }: ApiAnswer): string {
  return `the API server answered ${status}: ${textIn(body, 'message') ?? 'without a word'}`;
}

function answerTo(url: URL, options: RequestOptions, text: string): Promise<ApiAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
  const request = url.protocol === 'http:' ? requestHttp : requestHttps;
  const asked = request(url, options, response => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > answerBytesMax) response.destroy(new Error(`the answer has more than ${answerBytesMax} bytes`));
      else chunks.push(chunk);
    });
    response.on('error', reject);
    response.on('end', () => {
      try {
        const body = objectOf(JSON.parse(Buffer.concat(chunks).toString('utf8'))) ?? {};
        resolve({ status: response.statusCode ?? 0, body });
      } catch {
        reject(new Error(`the answer (${response.statusCode}) is no JSON`));
      }
    });
  });
  asked.on('error', reject);
  asked.end(text);
  return promise;
}
