import type { Entry } from '../cache/entry.ts';
import type { TypeStore } from '../cache/store.ts';
import type { ResourceFailure } from '../xds/discovery.ts';
import type { Variant } from '../xds/types.ts';
import { type AnswerHeader, encodeDeltaAnswer, encodeSotwAnswer, encodeSotwResources } from '../xds/wire-answer.ts';
import type { NameForms } from './name-forms.ts';

/** One message to a client, by its content. */
export interface AnswerPlan {
  readonly variant: Variant;
  readonly header: AnswerHeader;
  /** Resources in the order of sending; `whole` stands for every entry of the store, followed by `entries`. */
  readonly isWhole: boolean;
  readonly entries: readonly Entry[];
  readonly removed: readonly string[];
  readonly errors: readonly ResourceFailure[];
  /** Delta: how this client is told names; undefined where all are in their canonical form. */
  readonly forms: NameForms | undefined;
}

const slots = 4;
/** SotW has no way to say that of a name there are only aliases. */
const hasBody = (any: Buffer): boolean => any.length > 0;

/**
 * Encodes answers of one type, and shares the bytes between clients that are told the same: encode once, write N times. What is
 * shared is kept alive by the writes alone (weak references), so a full list costs memory only while it is on its way.
 */
export class AnswerShelf {
  readonly #store: TypeStore;
  #recent: { readonly plan: AnswerPlan; readonly generation: number; readonly bytes: WeakRef<Buffer> }[] = [];
  #whole: { readonly generation: number; readonly resources: WeakRef<Buffer> } | undefined;

  constructor(store: TypeStore) {
    this.#store = store;
  }

  /** Encoded response for the plan; not to be changed by the caller. */
  encode(plan: AnswerPlan): Buffer {
    // A whole list is named by its revision alone, which names that are dropped without a word do not move.
    const { generation } = this.#store.served;
    for (const { plan: known, generation: made, bytes } of this.#recent) {
      const shared = made === generation && isSame(known, plan) ? bytes.deref() : undefined;
      if (shared) return shared;
    }
    const encoded = this.#encode(plan);
    this.#recent = [{ plan, generation, bytes: new WeakRef(encoded) }, ...this.#recent.slice(0, slots - 1)];
    return encoded;
  }

  #encode(plan: AnswerPlan): Buffer {
    const { forms } = plan;
    const spelled = (name: string): string => forms?.of(name) ?? name;
    const errors = plan.errors.map(({ name, status }) => ({ name: spelled(name), status }));
    if (plan.variant === 'delta') {
      const resources = plan.entries.map(entry => ({
        name: spelled(entry.name),
        version: this.#store.served.clientVersion(entry),
        any: entry.any,
        extra: entry.extra,
      }));
      return encodeDeltaAnswer(plan.header, resources, forms ? plan.removed.map(spelled) : plan.removed, errors);
    }
    const parts = plan.isWhole ? [this.#wholeResources()] : [];
    const anys = plan.entries.map(entry => entry.any).filter(hasBody);
    if (anys.length > 0) parts.push(encodeSotwResources(anys));
    return encodeSotwAnswer(plan.header, parts, errors);
  }

  #wholeResources(): Buffer {
    const { generation } = this.#store.served;
    const held = this.#whole?.generation === generation ? this.#whole.resources.deref() : undefined;
    if (held) return held;
    const anys: Buffer[] = [];
    for (const { any } of this.#store.entries()) if (hasBody(any)) anys.push(any);
    const resources = encodeSotwResources(anys);
    this.#whole = { generation, resources: new WeakRef(resources) };
    return resources;
  }
}

/** Entries are immutable in their bodies, so the same entries under the same nonce and version are the same bytes. */
function isSame(a: AnswerPlan, b: AnswerPlan): boolean {
  return (
    a.variant === b.variant &&
    a.header.nonce === b.header.nonce &&
    a.header.versionInfo === b.header.versionInfo &&
    a.header.controlPlane === b.header.controlPlane &&
    a.isWhole === b.isWhole &&
    areSame(a.entries, b.entries) &&
    areSame(a.removed, b.removed) &&
    // Rare, and made anew for each client.
    a.errors.length + b.errors.length === 0 &&
    a.forms === b.forms
  );
}

function areSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
