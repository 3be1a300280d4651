import { type TypeTraits, traitsOf } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { type CoreHarness, resources } from './core-harness.ts';
import type { decodeTestRequest } from './messages.ts';

type Request = ReturnType<typeof decodeTestRequest>;

/** What the server knows of one type on one stream. */
interface Subscription {
  isWildcard: boolean;
  /** SotW: something was named on this stream, so an empty list means nothing any more (R12). */
  wasNamed: boolean;
  names: Set<string>;
  /** Payloads that the client holds by name; `gone` when it was told that there is nothing. */
  readonly sent: Map<string, number | 'gone'>;
  nonce: string;
  /** An answer is due whether or not anything is news. */
  isDue: boolean;
}

/**
 * A control plane for {@link CoreHarness} that keeps to the letter of the protocol: it answers what has to be answered, says nothing
 * that it need not say, and sends a resource once.
 */
export class HonestServer {
  /** Payload by name and type: change it, then {@link serve}. */
  readonly world = new Map<TypeUrl, Map<string, number>>();
  readonly #harness: CoreHarness;
  readonly #variant: Variant;
  #streamId: number | undefined;
  #subscriptions = new Map<TypeUrl, Subscription>();
  #nonces = 0;

  constructor(harness: CoreHarness, variant: Variant) {
    this.#harness = harness;
    this.#variant = variant;
  }

  /** Reads what the agent has written and says what there is to say, until there is nothing more. */
  serve(): void {
    while (this.#harness.upstream) {
      if (this.#harness.upstream.streamId !== this.#streamId) {
        this.#streamId = this.#harness.upstream.streamId;
        this.#subscriptions = new Map();
      }
      for (const request of this.#harness.requests.splice(0)) this.#receive(request);
      if (![...this.#subscriptions].some(([typeUrl, subscription]) => this.#push(typeUrl, subscription))) return;
    }
  }

  #receive(request: Request): void {
    const typeUrl = request.typeUrl as TypeUrl;
    const traits = traitsOf(typeUrl);
    let subscription = this.#subscriptions.get(typeUrl);
    const isFirst = subscription === undefined;
    if (!subscription) {
      const fresh = { isWildcard: false, wasNamed: false, names: new Set<string>(), sent: new Map(), nonce: '' };
      subscription = { ...fresh, isDue: true };
      this.#subscriptions.set(typeUrl, subscription);
    }
    if (this.#variant === 'sotw') receiveSotw(subscription, request, traits, isFirst);
    else receiveDelta(subscription, request, traits, isFirst);
  }

  #push(typeUrl: TypeUrl, subscription: Subscription): boolean {
    const { sent, names, isWildcard } = subscription;
    const all = this.world.get(typeUrl) ?? new Map<string, number>();
    const covered = [...all].filter(([name]) => isWildcard || names.has(name));
    const fresh = covered.filter(([name, payload]) => sent.get(name) !== payload);
    const gone = [...sent].filter(([name, payload]) => payload !== 'gone' && !all.has(name)).map(([name]) => name);
    const isDelta = this.#variant === 'delta';
    const missing = isDelta ? [...names].filter(name => !all.has(name) && !sent.has(name)) : [];
    const removed = isDelta ? [...gone, ...missing] : [];
    const { isFullState } = traitsOf(typeUrl);
    // A first wildcard is answered even with nothing; else an answer needs something to say.
    const isOwed = subscription.isDue && (isDelta ? isWildcard && sent.size === 0 : isFullState);
    subscription.isDue = false;
    const isNews = fresh.length + removed.length > 0 || (!isDelta && isFullState && gone.length > 0);
    if (!isNews && !isOwed) return false;
    for (const name of gone) sent.delete(name);
    for (const name of removed) sent.set(name, 'gone');
    for (const [name, payload] of fresh) sent.set(name, payload);
    const listed = !isDelta && isFullState ? covered : fresh;
    this.#nonces += 1;
    subscription.nonce = `s${this.#nonces}`;
    const bodies = listed.flatMap(([name, payload]) => resources(typeUrl, [name], payload));
    this.#harness.respond(typeUrl, {
      nonce: subscription.nonce,
      version: `${this.#nonces}`,
      resources: bodies,
      removed,
    });
    return true;
  }
}

function receiveSotw(subscription: Subscription, request: Request, traits: TypeTraits, isFirst: boolean): void {
  // A superseded nonce: its names come again with the answer to the newest (R8).
  if (!isFirst && request.nonce !== '' && request.nonce !== subscription.nonce) return;
  const names = new Set(request.names);
  const hasStar = names.delete('*');
  if (request.names.length > 0) subscription.wasNamed = true;
  subscription.isWildcard = hasStar || (!subscription.wasNamed && traits.hasLegacyWildcard);
  // A name that is added is sent, also for the second time (R15).
  for (const name of names) {
    if (subscription.names.has(name)) continue;
    subscription.sent.delete(name);
    subscription.isDue = true;
  }
  if (!subscription.isWildcard) {
    for (const name of subscription.sent.keys()) if (!names.has(name)) subscription.sent.delete(name);
  }
  subscription.names = names;
}

function receiveDelta(subscription: Subscription, request: Request, traits: TypeTraits, isFirst: boolean): void {
  const { sent, names } = subscription;
  if (isFirst) {
    for (const [name, version] of request.initialVersions) sent.set(name, Number(version));
    if (request.names.length === 0) subscription.isWildcard = traits.hasLegacyWildcard;
  }
  for (const name of request.names) {
    if (name === '*') subscription.isWildcard = true;
    else {
      if (!isFirst) sent.delete(name);
      names.add(name);
    }
  }
  for (const name of request.unsubscribe) {
    if (name === '*') subscription.isWildcard = false;
    else names.delete(name);
  }
  if (subscription.isWildcard) return;
  for (const name of sent.keys()) if (!names.has(name)) sent.delete(name);
}
