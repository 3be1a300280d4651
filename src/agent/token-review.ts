import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Agent } from 'undici';
import type { ReviewToken } from '../local-ads/server.ts';
import { grpcCode, type RpcStatus } from '../xds/types.ts';
import { AgentError } from './errors.ts';

/** Where tokens are reviewed. */
export interface TokenReviewSettings {
  /** Address of the Kubernetes API server, `https://host:port`. */
  readonly tokenReviewUrl: string;
  /** CA bundle (PEM) of the API server. */
  readonly tokenReviewCa: string;
  /** Token that Weir itself uses there; read again at each review, since it is rotated. */
  readonly tokenReviewTokenFile: string;
  /** Audience that clients' tokens have to be for; undefined for the API server's own. */
  readonly tokenReviewAudience: string | undefined;
}

/** Names that a token proves, or why it proves none. */
type Verdict = readonly string[] | RpcStatus;

interface Remembered {
  readonly verdict: Verdict;
  readonly untilMs: number;
}

const timeoutMs = 5_000;
/** How long a verdict is remembered. A pod that is deleted loses its token within minutes at the API server as well. */
const acceptedMs = 60_000;
const refusedMs = 5_000;
const rememberedMax = 10_000;
/** Reviews under way at once, and tokens that wait for theirs: anybody may bring any number of tokens. */
const reviewsMax = 8;
const waitingMax = 256;
const answerBytesMax = 1024 * 1024;
const tokenBytesMax = 64 * 1024;

/**
 * Has tokens of clients reviewed by a Kubernetes API server (`authentication.k8s.io/v1` TokenReview). A token proves `serviceaccount:NAMESPACE/NAME` and, if
 * it is bound to a pod, `pod:NAMESPACE/NAME`.
 */
export function createTokenReviewer(settings: TokenReviewSettings): ReviewToken {
  const api = new ReviewApi(settings);
  // Apart from each other: whoever brings bad tokens must not have the good ones forgotten.
  const accepted = new Verdicts(acceptedMs);
  const refused = new Verdicts(refusedMs);
  const underWay = new Map<string, Promise<Verdict>>();
  const turns = new Turns(reviewsMax);

  const reviewed = async (key: string, token: string): Promise<Verdict> => {
    await turns.take();
    try {
      const verdict = namesOf(await api.review(token), settings.tokenReviewAudience);
      ('code' in verdict ? refused : accepted).remember(key, verdict);
      return verdict;
    } catch (error) {
      const reason = AgentError.from(error).describe();
      return unavailable(`the token cannot be reviewed at ${settings.tokenReviewUrl}: ${reason}`);
    } finally {
      turns.giveBack();
      underWay.delete(key);
    }
  };

  return async token => {
    if (token === '') return unauthenticated('a bearer token is needed here (header authorization)');
    if (token.length > tokenBytesMax) return unauthenticated('the token is too long');
    const key = createHash('sha256').update(token).digest('base64');
    const known = accepted.recall(key) ?? refused.recall(key) ?? underWay.get(key);
    if (known) return known;
    if (turns.waiting >= waitingMax)
      return unavailable(`${waitingMax} tokens wait for their review already; try again`);
    const review = reviewed(key, token);
    underWay.set(key, review);
    return review;
  };
}

/** Verdicts of the last so many ms, by the digest of the token. */
class Verdicts {
  readonly #forMs: number;
  readonly #known = new Map<string, Remembered>();

  constructor(forMs: number) {
    this.#forMs = forMs;
  }

  recall(key: string): Verdict | undefined {
    const known = this.#known.get(key);
    return known && known.untilMs > performance.now() ? known.verdict : undefined;
  }

  remember(key: string, verdict: Verdict): void {
    this.#known.delete(key);
    const oldest = this.#known.size >= rememberedMax ? this.#known.keys().next().value : undefined;
    if (oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(key, { verdict, untilMs: performance.now() + this.#forMs });
  }
}

/** Lets so many go at once, the others in their order. */
class Turns {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(max: number) {
    this.#free = max;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>(resolve => this.#queue.push(resolve));
  }

  giveBack(): void {
    const next = this.#queue.shift();
    if (next) next();
    else this.#free++;
  }
}

/** The API server, on connections that are kept. */
class ReviewApi {
  readonly #settings: TokenReviewSettings;
  #dispatcher: { readonly ca: Buffer; readonly agent: Agent } | undefined;

  constructor(settings: TokenReviewSettings) {
    this.#settings = settings;
  }

  async review(token: string): Promise<unknown> {
    const { tokenReviewUrl, tokenReviewTokenFile, tokenReviewAudience } = this.#settings;
    const own = (await readFile(tokenReviewTokenFile, 'utf8')).trim();
    const agent = await this.#agent();
    const url = new URL('/apis/authentication.k8s.io/v1/tokenreviews', tokenReviewUrl);
    const { statusCode, body } = await agent.request({
      origin: url.origin,
      path: url.pathname,
      method: 'POST',
      headers: { authorization: `Bearer ${own}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, ...(tokenReviewAudience === undefined ? {} : { audiences: [tokenReviewAudience] }) },
      }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > answerBytesMax) throw new AgentError(`its answer has more than ${answerBytesMax} bytes`);
    }
    if (statusCode !== 200 && statusCode !== 201) {
      throw new AgentError(
        `it answered ${statusCode}; Weir's service account needs the ClusterRole system:auth-delegator`,
      );
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  }

  async #agent(): Promise<Agent> {
    const ca = await readFile(this.#settings.tokenReviewCa);
    if (this.#dispatcher?.ca.equals(ca)) return this.#dispatcher.agent;
    // Loaded here, since it costs memory that an agent without token review does not need.
    const { Agent } = await import('undici');
    const agent = new Agent({ connect: { ca }, connections: reviewsMax });
    // Reviews that are under way on the old one come to their end.
    void this.#dispatcher?.agent.close();
    this.#dispatcher = { ca, agent };
    return agent;
  }
}

/** What a reviewed token proves. @param audience that it has to be for; a server that does not know of audiences names none */
function namesOf(answer: unknown, audience: string | undefined): Verdict {
  const status = field(answer, 'status');
  const user = field(status, 'user');
  const username = field(user, 'username');
  if (field(status, 'authenticated') !== true || typeof username !== 'string') {
    return unauthenticated('the API server does not accept the token');
  }
  const audiences = field(status, 'audiences');
  if (audience !== undefined && !(Array.isArray(audiences) && audiences.includes(audience))) {
    return unauthenticated(`the token is not for ${audience} (setting tokenReviewAudience)`);
  }
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
  if (namespace === undefined) return [`user:${username}`];
  const pods = field(field(user, 'extra'), 'authentication.kubernetes.io/pod-name');
  const names = [`serviceaccount:${namespace}/${account}`];
  if (Array.isArray(pods) && typeof pods[0] === 'string') names.push(`pod:${namespace}/${pods[0]}`);
  return names;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function unauthenticated(message: string): RpcStatus {
  return { code: grpcCode.unauthenticated, message };
}

function unavailable(message: string): RpcStatus {
  return { code: grpcCode.unavailable, message };
}
