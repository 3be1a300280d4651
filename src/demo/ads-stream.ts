import type { Request, Resource, Response, Variant } from './envelopes.ts';
import { typeUrls } from './resources.ts';

/** What the control plane serves: per type URL, resources by name. */
export type Snapshot = ReadonlyMap<string, ReadonlyMap<string, Resource>>;

/** One response; the shell gives it a nonce. */
export type Outgoing = Omit<Response, 'nonce'>;

/** What one step of an update brings, and for which types a verdict must be in before it. */
interface SendStep {
  readonly typeUrl: string | 'others';
  readonly isRemoval: boolean;
  readonly after: readonly string[];
}

const { cluster, endpoints, listener, routes } = typeUrls;

/**
 * The order in which a new snapshot goes out: make before break (R28). What is no longer wanted of clusters and endpoints
 * leaves in the last steps, when no route points at it any more.
 */
const steps: readonly SendStep[] = [
  { typeUrl: cluster, isRemoval: false, after: [] },
  { typeUrl: endpoints, isRemoval: false, after: [] },
  { typeUrl: listener, isRemoval: false, after: [cluster, endpoints] },
  { typeUrl: routes, isRemoval: false, after: [cluster, endpoints] },
  { typeUrl: 'others', isRemoval: false, after: [] },
  { typeUrl: cluster, isRemoval: true, after: [cluster, endpoints, listener, routes] },
  { typeUrl: endpoints, isRemoval: true, after: [cluster, endpoints, listener, routes] },
];

/** Types with a removal step of their own. */
const removedLast: ReadonlySet<string> = new Set([cluster, endpoints]);

/** Types whose SotW responses are complete lists and whose first empty request means everything (R12, R20). */
const fullStateTypes: ReadonlySet<string> = new Set([typeUrls.cluster, typeUrls.listener]);

const wildcard = '*';

interface Subscription {
  isWildcard: boolean;
  /** Whether a request on this stream ever named something: the legacy wildcard is dead then (R12). */
  hasNamed: boolean;
  readonly names: Set<string>;
  /** What the client holds, by name. */
  readonly sent: Map<string, Resource>;
  /** Names owed an answer even if nothing changed (R15, R16). */
  readonly owed: Set<string>;
  isFirstAnswer: boolean;
}

/**
 * One client's ADS stream as the demo's control plane sees it: what it asked for, what it was sent, what comes next.
 * No I/O here; the shell feeds requests in and takes responses out.
 */
export class AdsStream {
  readonly #variant: Variant;
  /** Most resources of a first Delta answer in one message; a control plane may split it (R116). */
  readonly #splitAt: number;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(variant: Variant, splitAt: number) {
    this.#variant = variant;
    this.#splitAt = splitAt;
  }

  /** Type URLs asked for so far. */
  get typeUrls(): string[] {
    return [...this.#subscriptions.keys()];
  }

  /** Takes the subscription part of a request; verdicts are the shell's. */
  subscribe(request: Request): void {
    let subscription = this.#subscriptions.get(request.typeUrl);
    const isFirst = subscription === undefined;
    if (subscription === undefined) {
      subscription = {
        isWildcard: false,
        hasNamed: false,
        names: new Set(),
        sent: new Map(),
        owed: new Set(),
        isFirstAnswer: true,
      };
      this.#subscriptions.set(request.typeUrl, subscription);
    }
    if (this.#variant === 'sotw') subscribeSotw(subscription, request);
    else subscribeDelta(subscription, request, isFirst);
  }

  /**
   * Builds the next response that this stream should get, or undefined when it is level with the snapshot or has to
   * wait. What is returned counts as sent.
   *
   * @param isUnanswered whether the newest response of a type still lacks a verdict and may be waited for
   */
  next(
    snapshot: Snapshot,
    versions: ReadonlyMap<string, string>,
    isUnanswered: (typeUrl: string) => boolean,
  ): Outgoing | undefined {
    for (const step of steps) {
      if (step.after.some(isUnanswered)) continue;
      const types = step.typeUrl === 'others' ? this.typeUrls.filter(url => !knownTypes.has(url)) : [step.typeUrl];
      for (const typeUrl of types) {
        const subscription = this.#subscriptions.get(typeUrl);
        if (!subscription) continue;
        const all = snapshot.get(typeUrl) ?? new Map<string, Resource>();
        const version = versions.get(typeUrl) ?? '0';
        const withRemovals = step.isRemoval || !removedLast.has(typeUrl);
        const build = this.#variant === 'sotw' ? nextSotw : nextDelta;
        const answer = build(typeUrl, subscription, all, version, withRemovals, this.#splitAt);
        if (answer) return answer;
      }
    }
    return undefined;
  }
}

const knownTypes: ReadonlySet<string> = new Set(steps.map(step => step.typeUrl));

function subscribeSotw(subscription: Subscription, request: Request): void {
  const wanted = new Set(request.names);
  const wasWildcard = subscription.isWildcard;
  subscription.isWildcard =
    wanted.delete(wildcard) || (request.names.length === 0 && isLegacyWildcard(subscription, request.typeUrl));
  if (request.names.length > 0) subscription.hasNamed = true;
  for (const name of subscription.names) {
    if (wanted.has(name)) continue;
    subscription.names.delete(name);
    subscription.owed.delete(name);
    // A dropped name is forgotten, so that asking again sends again (R15).
    if (!subscription.isWildcard) subscription.sent.delete(name);
  }
  if (wasWildcard && !subscription.isWildcard) {
    for (const name of subscription.sent.keys()) if (!wanted.has(name)) subscription.sent.delete(name);
  }
  for (const name of wanted) {
    if (subscription.names.has(name)) continue;
    subscription.names.add(name);
    subscription.owed.add(name);
  }
}

function isLegacyWildcard(subscription: Subscription, typeUrl: string): boolean {
  return !subscription.hasNamed && fullStateTypes.has(typeUrl);
}

function subscribeDelta(subscription: Subscription, request: Request, isFirst: boolean): void {
  if (isFirst) {
    if (request.names.length === 0 && fullStateTypes.has(request.typeUrl)) subscription.isWildcard = true;
    for (const [name, version] of request.initialVersions) {
      subscription.sent.set(name, { name, version, body: Buffer.alloc(0) });
    }
  }
  for (const name of request.names) {
    if (name === wildcard) {
      subscription.isWildcard = true;
      continue;
    }
    subscription.names.add(name);
    // What the client says it has needs no answer while that is current (R16).
    if (!isFirst || !request.initialVersions.has(name)) subscription.owed.add(name);
  }
  for (const name of request.unsubscribe) {
    if (name === wildcard) {
      subscription.isWildcard = false;
      for (const held of subscription.sent.keys()) if (!subscription.names.has(held)) subscription.sent.delete(held);
    } else if (subscription.names.delete(name)) {
      subscription.owed.delete(name);
      if (subscription.isWildcard) subscription.owed.add(name);
      else subscription.sent.delete(name);
    }
  }
}

function visible(subscription: Subscription, all: ReadonlyMap<string, Resource>): Resource[] {
  if (subscription.isWildcard) return [...all.values()];
  return [...subscription.names].flatMap(name => all.get(name) ?? []);
}

function nextSotw(
  typeUrl: string,
  subscription: Subscription,
  all: ReadonlyMap<string, Resource>,
  version: string,
  withRemovals: boolean,
): Outgoing | undefined {
  const { sent, owed, isFirstAnswer } = subscription;
  const current = visible(subscription, all);
  const fresh = current.filter(
    resource => sent.get(resource.name)?.version !== resource.version || owed.has(resource.name),
  );
  if (!fullStateTypes.has(typeUrl)) {
    if (fresh.length === 0) return undefined;
    for (const resource of fresh) {
      sent.set(resource.name, resource);
      owed.delete(resource.name);
    }
    return { typeUrl, version, resources: fresh, removed: [] };
  }
  const names = new Set(current.map(resource => resource.name));
  const leftover = [...sent.values()].filter(resource => !names.has(resource.name));
  const isDue = fresh.length > 0 || isFirstAnswer || (withRemovals && leftover.length > 0);
  if (!isDue) return undefined;
  const list = withRemovals ? current : [...current, ...leftover];
  subscription.isFirstAnswer = false;
  owed.clear();
  sent.clear();
  for (const resource of list) sent.set(resource.name, resource);
  // The list that still holds what is about to go is other content, so it has another version.
  const suffix = list.length > current.length ? `+${leftover.length}` : '';
  return { typeUrl, version: version + suffix, resources: list, removed: [] };
}

function nextDelta(
  typeUrl: string,
  subscription: Subscription,
  all: ReadonlyMap<string, Resource>,
  version: string,
  withRemovals: boolean,
  splitAt: number,
): Outgoing | undefined {
  const { sent, owed } = subscription;
  const fresh = visible(subscription, all).filter(
    resource => sent.get(resource.name)?.version !== resource.version || owed.has(resource.name),
  );
  const resources = fresh.slice(0, splitAt);
  for (const name of owed) {
    const resource = all.get(name);
    if (resource && !subscription.names.has(name) && resources.length < splitAt && !resources.includes(resource))
      resources.push(resource);
  }
  // A subscribed name that does not exist is told as removed (R23), once.
  const absent = [...owed].filter(name => !all.has(name));
  const gone = [...sent.keys()].filter(name => !all.has(name));
  const removed = withRemovals ? [...new Set([...gone, ...absent])] : absent;
  const isEmptyFirst = subscription.isFirstAnswer && subscription.isWildcard;
  if (resources.length === 0 && removed.length === 0 && !isEmptyFirst) return undefined;
  subscription.isFirstAnswer = false;
  for (const resource of resources) {
    sent.set(resource.name, resource);
    owed.delete(resource.name);
  }
  for (const name of removed) {
    sent.delete(name);
    owed.delete(name);
  }
  return { typeUrl, version, resources, removed };
}
