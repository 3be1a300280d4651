import type { Placement } from '../cache/applied.ts';
import type { StoredTypeState } from '../cache/stored.ts';
import type { TypeInterest } from '../cache/watch-map.ts';
import type { TypeSource } from '../local-ads/type-source.ts';
import type { WireResource } from '../xds/discovery.ts';
import { aliasesIn } from '../xds/resource-fields.ts';
import { globOf } from '../xds/resource-name.ts';
import type { TypeScope } from '../xds/type-scope.ts';
import type { Nonce, TypeUrl } from '../xds/types.ts';
import type { Arrivals } from './arrivals.ts';
import type { DiskLog } from './disk-log.ts';
import type { Feed } from './feed.ts';
import type { Freshness } from './freshness.ts';
import type { HeldRemovals } from './guard.ts';
import type { Trials } from './trials.ts';

/** One resource type of a view, from the upstream subscription to what clients are given. */
export interface TypeView extends TypeSource {
  readonly typeUrl: TypeUrl;
  /** What may be kept of it here; no client sees more. */
  readonly scope: TypeScope;
  /** Resources that upstream has sent and that may not be kept here have been told of. */
  isDenialTold: boolean;
  readonly interest: TypeInterest;
  /** The control plane of all names but those of listed authorities. */
  readonly main: Feed;
  /** All of them, the main one first. */
  readonly feeds: readonly Feed[];
  readonly trials: Trials;
  readonly heldRemovals: HeldRemovals;
  /** Undefined when nothing is kept on disk. */
  readonly disk: DiskLog | undefined;
  readonly freshness: Freshness;
  /** When upstream's latest news came. */
  readonly arrivals: Arrivals;
  /** Nothing is served of it before upstream has spoken, at most until then; monotonic in ms (startup `prefer-upstream`). */
  awaitedUntilMs: number | undefined;
  /** Nonce of the newest response, whichever feed it came from. */
  newestNonce: Nonce | undefined;
  /** It is the set of another server, which is not served yet. */
  readonly isStaged: boolean;
  /**
   * Names that a first answer lacks, whose end only silence has told: they go, and the list counts as whole, once the connection has proven to be
   * alive, since the rest of the answer may be lost on the way. Undefined while there is no such answer.
   */
  unproven: readonly string[] | undefined;
  /** When rows of names that nobody wants go from the disk, monotonic in ms; Infinity for not at all. */
  leftoversUntilMs: number;
}

/** What the verdict on a response is known by: two control planes may use the same nonce. */
export function verdictKey({ group }: Feed, nonce: Nonce): Nonce {
  return group === undefined ? nonce : (`${group} ${nonce}` as Nonce); // Not for the wire: it only has to be unique.
}

/** When a verdict is due without further words, on the monotonic clock in ms. */
export function verdictsDueMs({ feeds }: TypeView): number {
  let deadline = Infinity;
  for (const { ledger } of feeds) deadline = Math.min(deadline, ledger.nextDeadlineMs());
  return deadline;
}

/** When a type is to be looked at by time alone, on the monotonic clock in ms. @param mayGiveUp what nobody wants may be dropped */
export function typeDueMs(type: TypeView, mayGiveUp: boolean): number {
  const { interest, trials, store, heldRemovals, freshness, leftoversUntilMs, awaitedUntilMs = Infinity } = type;
  const unwantedMs = mayGiveUp ? Math.min(interest.nextDeadlineMs(), leftoversUntilMs) : Infinity;
  const heardMs = Math.min(verdictsDueMs(type), trials.nextDeadlineMs(), awaitedUntilMs);
  return Math.min(unwantedMs, heardMs, store.deadlines.nextMs, heldRemovals.untilMs, freshness.nextDeadlineMs);
}

/** Whether upstream could be told of everything: whoever is asked for something has an open stream. */
export function isReachable({ main, feeds }: TypeView): boolean {
  if (feeds.length === 1) return main.session.isOpen;
  return feeds.every(({ session }) => session.isOpen || session.phase === 'idle');
}

/** When what is held counts as what upstream has, of all control planes that are asked for something of it; see {@link Session.confirmedAtMs}. */
export function confirmedAtMs({ typeUrl, main, feeds }: TypeView): number {
  if (feeds.length === 1) return main.session.confirmedAtMs(typeUrl);
  let atMs = -Infinity;
  for (const { session } of feeds) {
    if (session.types.isWanted(typeUrl)) atMs = Math.max(atMs, session.confirmedAtMs(typeUrl));
  }
  return atMs === -Infinity ? Infinity : atMs;
}

/** Where a resource of upstream's belongs. */
export function placement({ interest, store, isStaged, scope }: TypeView, { name, extra }: WireResource): Placement {
  if (!scope.sees(name)) return 'ignore';
  if (interest.isWildcard || interest.isNamed(name)) return 'serve';
  // Of a set that is to be whole nothing may lie where it could be lost.
  if (isStaged && interest.has(name)) return 'serve';
  // What is asked for by another name stays with it: a collection without one of its members would be none.
  const glob = globOf(name);
  if (glob !== undefined && interest.has(glob)) return 'serve';
  if (extra && aliasesIn(extra).some(alias => interest.has(alias))) return 'serve';
  if (!interest.isLingering(name)) return 'ignore';
  // What was restored is in the served set although nobody has asked for it yet.
  return store.traits.isFullState || store.get(name) ? 'serve' : 'idle';
}

/** Whether a held resource is still asked for, by one name or another. */
export function isWanted({ interest, store }: TypeView, name: string): boolean {
  if (interest.isWildcard || interest.has(name)) return true;
  const glob = globOf(name);
  return (
    (glob !== undefined && interest.has(glob)) || (store.get(name)?.aliases.some(alias => interest.has(alias)) ?? false)
  );
}

/** Whether the disk may be written name by name: an unfinished wildcard set would stand there as a mixture of old and new. */
export function isWrittenByName({ interest, store }: TypeView): boolean {
  return store.isKnown || !interest.isWildcard;
}

/** Tells the disk that contents have another standing now: accepted, refused, given another TTL. */
export function touchDisk(type: TypeView, names: readonly string[]): void {
  // An unfinished set is written when it is whole, with the standing of then.
  if (names.length > 0 && isWrittenByName(type)) type.disk?.touch(names);
}

/**
 * What nobody wants any more must not come back from the disk beside what is wanted. But a type that is not wanted at all, of an Envoy that
 * is away, stays as it was: it may come back during an outage.
 */
export function forgetOnDisk(type: TypeView, names: readonly string[], isWildcardEnded: boolean): void {
  const { disk, interest, store } = type;
  if (!disk || interest.isWildcard) return;
  if (interest.size === 0) {
    disk.hasLeftovers = true;
    return;
  }
  if (isWildcardEnded) disk.reset(undefined, stateOf(type));
  else {
    const gone = names.filter(name => !store.get(name));
    disk.add(
      undefined,
      gone.map(name => [name, undefined]),
      undefined,
    );
  }
}

/** The disk has lost everything. */
export function rewriteOnDisk(type: TypeView): void {
  // An unfinished set is written when it is whole.
  if (isWrittenByName(type)) type.disk?.rewrite(stateOf(type));
}

/** Tells the disk how current the type is. Of one that nobody wants it keeps what it has, completeness included. */
export function writeState(type: TypeView): void {
  const { disk, interest } = type;
  const isWanted = interest.isWildcard || interest.size > 0;
  if (isWanted && isWrittenByName(type)) disk?.add(undefined, [], stateOf(type));
}

/** To be called when somebody may want something of the type again: what nobody has asked for a linger from now goes from the disk. */
export function wantedAgain(type: TypeView, nowMs: number, lingerMs: number): void {
  const { disk, interest } = type;
  if (!disk?.hasLeftovers || type.leftoversUntilMs !== Infinity) return;
  if (interest.isWildcard || interest.size > 0) type.leftoversUntilMs = nowMs + lingerMs;
}

/** Rows that were kept for an Envoy that was away, and that none has asked for since, go from the disk. */
export function dropLeftovers(type: TypeView): void {
  type.leftoversUntilMs = Infinity;
  // A whole list replaces everything when it is complete.
  if (type.disk?.hasLeftovers && isWrittenByName(type)) type.disk.reset(undefined, stateOf(type));
}

/** What the disk keeps of a type besides its resources. */
export function stateOf({ store, freshness, upstreamVersion, main, scope }: TypeView): StoredTypeState {
  const { confirmedWallMs } = freshness;
  const server = main.origin.stored;
  return { isKnown: store.isKnown, confirmedWallMs, upstreamVersion, server, scope: scope.key };
}
