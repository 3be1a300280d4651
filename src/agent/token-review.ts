import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
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

interface Remembered {
  readonly verdict: readonly string[] | RpcStatus;
  readonly untilMs: number;
}

const timeoutMs = 5_000;
/** How long a verdict is remembered. A pod that is deleted loses its token within minutes at the API server as well. */
const acceptedMs = 60_000;
const refusedMs = 5_000;
const rememberedMax = 10_000;
const answerBytesMax = 1024 * 1024;
const tokenBytesMax = 64 * 1024;

/**
 * Has tokens of clients reviewed by a Kubernetes API server (`authentication.k8s.io/v1` TokenReview). A token proves `serviceaccount:NAMESPACE/NAME` and, if
 * it is bound to a pod, `pod:NAMESPACE/NAME`.
 */
export function createTokenReviewer(settings: TokenReviewSettings): ReviewToken {
  const remembered = new Map<string, Remembered>();
  return async token => {
    if (token === '') return unauthenticated('a bearer token is needed here (header authorization)');
    if (token.length > tokenBytesMax) return unauthenticated('the token is too long');
    const key = createHash('sha256').update(token).digest('base64');
    const known = remembered.get(key);
    if (known && known.untilMs > performance.now()) return known.verdict;
    let verdict: readonly string[] | RpcStatus;
    try {
      verdict = namesOf(await review(settings, token));
    } catch (error) {
      const reason = AgentError.from(error).describe();
      return {
        code: grpcCode.unavailable,
        message: `the token cannot be reviewed at ${settings.tokenReviewUrl}: ${reason}`,
      };
    }
    remembered.delete(key);
    const oldest = remembered.size >= rememberedMax ? remembered.keys().next().value : undefined;
    if (oldest !== undefined) remembered.delete(oldest);
    remembered.set(key, { verdict, untilMs: performance.now() + ('code' in verdict ? refusedMs : acceptedMs) });
    return verdict;
  };
}

async function review(settings: TokenReviewSettings, token: string): Promise<unknown> {
  const { tokenReviewUrl, tokenReviewCa, tokenReviewTokenFile, tokenReviewAudience } = settings;
  // Loaded here, since it costs memory that an agent without token review does not need.
  const { Agent } = await import('undici');
  const own = (await readFile(tokenReviewTokenFile, 'utf8')).trim();
  const dispatcher = new Agent({ connect: { ca: await readFile(tokenReviewCa) } });
  try {
    const url = new URL('/apis/authentication.k8s.io/v1/tokenreviews', tokenReviewUrl);
    const { statusCode, body } = await dispatcher.request({
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
  } finally {
    await dispatcher.destroy();
  }
}

/** What a reviewed token proves. */
function namesOf(answer: unknown): readonly string[] | RpcStatus {
  const status = field(answer, 'status');
  const user = field(status, 'user');
  const username = field(user, 'username');
  if (field(status, 'authenticated') !== true || typeof username !== 'string') {
    return unauthenticated('the API server does not accept the token');
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
