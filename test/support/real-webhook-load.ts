import assert from 'node:assert/strict';
import { Agent, request } from 'node:https';
import { at } from './deployment.ts';
import { plainPod } from './real-webhook.ts';

/** How long reviews took, from the moment each was due. */
export interface ReviewTimes {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const tickMs = 1;

/**
 * Sends reviews of pods at a steady rate, whether earlier ones were answered or not, as API servers would.
 *
 * @param ca what the webhook's certificate is checked by, PEM
 * @throws AssertionError when one is not answered with a patch
 */
export async function review(port: number, ca: string, perSecond: number, forMs: number): Promise<ReviewTimes> {
  const agent = new Agent({ ca, keepAlive: true, maxSockets: 16 });
  const { promise: isOver, resolve, reject } = Promise.withResolvers<void>();
  const times: number[] = [];
  const total = Math.round((perSecond * forMs) / 1000);
  const startMs = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) * perSecond) / 1000) + 1);
    for (; sent < due; sent++) {
      const dueMs = startMs + (sent * 1000) / perSecond;
      one(agent, port, sent).then(() => {
        times.push(performance.now() - dueMs);
        if (times.length === total) resolve();
      }, reject);
    }
    if (sent === total) clearInterval(timer);
  }, tickMs);
  try {
    await isOver;
  } finally {
    clearInterval(timer);
    agent.destroy();
  }
  times.sort((left, right) => left - right);
  const quantile = (part: number): number => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
  return { count: times.length, p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: times.at(-1) ?? 0 };
}

function one(agent: Agent, port: number, index: number): Promise<void> {
  const uid = `uid-${index}`;
  const object = plainPod('plain', `load-${index}`, { labels: { 'weir.dev/inject': 'true' } });
  const body = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      kind: { group: '', version: 'v1', kind: 'Pod' },
      operation: 'CREATE',
      namespace: 'plain',
      object,
      dryRun: false,
    },
  });
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        path: '/inject?timeout=5s',
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json' },
      },
      response => {
        let text = '';
        response.setEncoding('utf8').on('data', chunk => {
          text += chunk;
        });
        response.on('end', () => {
          try {
            const answer: unknown = JSON.parse(text);
            assert.deepEqual([at(answer, 'response', 'uid'), at(answer, 'response', 'allowed')], [uid, true]);
            assert.equal(at(answer, 'response', 'patchType'), 'JSONPatch');
            resolve();
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        });
        response.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}
