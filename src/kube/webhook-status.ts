import type { MetricSample, MetricSpec } from '../admin/metric-sample.ts';
import { reviewOutcomes } from './review.ts';

/** All metrics of `weir webhook` but the histogram, by name without the prefix `weir_`. */
export const webhookMetrics = {
  webhook_reviews_total: {
    kind: 'counter',
    help: 'Admission reviews by how they ended: injected, unchanged (has Weir already), skipped, invalid (annotations that cannot be meant), malformed.',
    labels: { outcome: reviewOutcomes },
  },
  webhook_review_seconds_total: {
    kind: 'counter',
    help: 'Time spent on answers.',
    unit: 'seconds',
  },
  webhook_certificate_expiry_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the certificate in use ends.',
    unit: 'seconds',
  },
  webhook_certificate_trouble: {
    kind: 'gauge',
    help: '1 while the certificate or the CA bundle of the webhook configuration cannot be kept up.',
  },
} as const satisfies Record<string, MetricSpec>;

type Outcome = (typeof reviewOutcomes)[number];

/** Counts what a webhook does. */
export class WebhookStatus {
  readonly #reviews = new Map<Outcome, number>(reviewOutcomes.map(outcome => [outcome, 0]));
  #seconds = 0;
  /** What is wrong with the certificate or the CA bundle; undefined for nothing. */
  trouble: string | undefined;

  count(outcome: Outcome, seconds: number): void {
    this.#reviews.set(outcome, (this.#reviews.get(outcome) ?? 0) + 1);
    this.#seconds += seconds;
  }

  get reviews(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#reviews);
  }

  /** @param notAfterMs when the certificate in use ends, wall time; undefined before there is one */
  *samples(notAfterMs: number | undefined): Iterable<MetricSample> {
    const sample = (
      name: keyof typeof webhookMetrics,
      value: number,
      labels: MetricSample['labels'] = [],
    ): MetricSample => {
      const { kind, help } = webhookMetrics[name];
      return { name, kind, help, labels, value };
    };
    for (const [outcome, value] of this.#reviews) yield sample('webhook_reviews_total', value, [['outcome', outcome]]);
    yield sample('webhook_review_seconds_total', this.#seconds);
    if (notAfterMs !== undefined) {
      yield sample('webhook_certificate_expiry_timestamp_seconds', Math.floor(notAfterMs / 1_000));
    }
    yield sample('webhook_certificate_trouble', this.trouble === undefined ? 0 : 1);
  }
}
