import { objectOf, textIn } from './data.ts';
import { type InjectionContext, type InjectionPolicy, inject } from './injection.ts';
import type { SettingsLayer } from './injection-settings.ts';
import { jsonPatch } from './json-patch.ts';

/** How a review ended, for metrics and the log. */
export const reviewOutcomes = ['injected', 'unchanged', 'skipped', 'invalid', 'malformed'] as const;

/** What holds for all reviews. */
export interface ReviewSettings {
  readonly defaults: readonly SettingsLayer[];
  readonly version: string;
  /** What becomes of a pod whose annotations are wrong: it is created without Weir and with a warning, or refused. */
  readonly invalid: 'allow' | 'deny';
}

/** An answer to an admission review. */
export interface ReviewAnswer {
  readonly outcome: Exclude<(typeof reviewOutcomes)[number], 'malformed'>;
  /** The pod, for the log. */
  readonly pod: string;
  /** Why it is not injected; empty where it is. */
  readonly reason: string;
  /** The AdmissionReview that is sent back. */
  readonly body: unknown;
}

/** A warning may be cut by the API server, and longer than 256 it should not be (KEP-1693). */
const warningLengthMax = 250;

/**
 * Answers an AdmissionReview of `admission.k8s.io/v1`. The same review gets the same answer, and nothing else is done, so a dry run needs no care.
 *
 * @param body the parsed request
 * @returns the answer, or a sentence that says why there can be none
 */
export function answerReview(
  body: unknown,
  policy: InjectionPolicy,
  { defaults, version, invalid }: ReviewSettings,
): ReviewAnswer | { readonly problem: string } {
  const review = objectOf(body);
  if (textIn(review, 'kind') !== 'AdmissionReview') return { problem: 'the body is no AdmissionReview' };
  const apiVersion = textIn(review, 'apiVersion');
  if (apiVersion !== 'admission.k8s.io/v1') {
    return { problem: `the review is of ${apiVersion ?? 'no version'}; only admission.k8s.io/v1 is spoken` };
  }
  const request = objectOf(review?.['request']);
  const uid = textIn(request, 'uid');
  if (!request || uid === undefined || uid === '') return { problem: 'the review has no request with a uid' };
  const answer = (outcome: ReviewAnswer['outcome'], pod: string, reason: string, more: object): ReviewAnswer => ({
    outcome,
    pod,
    reason,
    body: { apiVersion, kind: 'AdmissionReview', response: { uid, allowed: true, ...more } },
  });
  const object = objectOf(request['object']);
  if (!object || textIn(objectOf(request['kind']), 'kind') !== 'Pod' || textIn(request, 'operation') !== 'CREATE') {
    return answer('skipped', '', 'it is not the creation of a pod', {});
  }
  const metadata = objectOf(object['metadata']);
  const name = textIn(metadata, 'name') ?? `${textIn(metadata, 'generateName') ?? ''}*`;
  const pod = `${textIn(request, 'namespace') ?? ''}/${name}`;
  const context: InjectionContext = {
    policy,
    defaults,
    version,
    kind: 'Pod',
    ownAnnotations: {},
    leavesInjected: true,
  };
  const outcome = inject(object, context);
  switch (outcome.kind) {
    case 'injected': {
      const patch = Buffer.from(JSON.stringify(jsonPatch(object, outcome.template))).toString('base64');
      return answer('injected', pod, '', { patchType: 'JSONPatch', patch });
    }
    case 'unchanged':
      return answer('unchanged', pod, 'it has Weir already', {});
    case 'skipped':
      return answer('skipped', pod, outcome.reason, {});
    case 'invalid': {
      const reason = outcome.problems.join('; ');
      const message = `weir was not injected: ${reason}`;
      if (invalid === 'deny') {
        return answer('invalid', pod, reason, { allowed: false, status: { code: 422, reason: 'Invalid', message } });
      }
      return answer('invalid', pod, reason, { warnings: [message.slice(0, warningLengthMax)] });
    }
  }
}
