import type { Entry } from '../cache/entry.ts';
import type { TypeStore } from '../cache/store.ts';
import type { ResourceFailure } from '../xds/discovery.ts';
import { clusterType, endpointType, type TypeTraits } from '../xds/type-urls.ts';
import type { Nonce, RpcStatus, TypeUrl, Variant } from '../xds/types.ts';
import { verdictOn } from './client-words.ts';
import { DeniedNames } from './denied-names.ts';
import { dueFailure } from './due-failure.ts';
import { LeftOut } from './left-out.ts';
import { type MessageParts, MessageWriter } from './message-writer.ts';
import { NameForms } from './name-forms.ts';
import { NonceBook, type Verdict } from './nonce-book.ts';
import { OwedNames } from './owed-names.ts';
import { RefusedChanges } from './refused-changes.ts';
import { isGone, tombstoneOfSent } from './removals-told.ts';
import { SeenSet } from './seen-set.ts';
import { ClientSubscription, type SubscriptionChange } from './subscription.ts';
import type { Message, TypeOffer, TypeSource } from './type-source.ts';
import { WaitingRemovals } from './waiting-removals.ts';

/**
 * One type on one client stream: what the client wants, at which revision it was sent, and what it answered (R63). Instead of a
 * map of everything the client holds there is one revision and the few names that are owed besides.
 */
export class ClientType {
  readonly typeUrl: TypeUrl;
  readonly traits: TypeTraits;
  readonly subscription: ClientSubscription;
  /** What the client may see of the store. */
  readonly seen: SeenSet;
  readonly #variant: Variant;
  readonly #source: TypeSource;
  /** How the client spells names that have more than one spelling (R32). */
  readonly forms = new NameForms();
  readonly #writer: MessageWriter;
  /** Store revision the client was sent, -1 before anything. */
  #sentRevision: number;
  readonly #owed = new OwedNames();
  readonly #denied: DeniedNames;
  readonly #refused: RefusedChanges;
  readonly #leftOut: LeftOut;
  /** Delta: versions the client brought along, each until it was compared (R93). */
  #brought: Map<string, string> | undefined;
  /** Removals of clusters and endpoints waiting for the listeners and routes of the same batch (R86). */
  readonly #removals = new WaitingRemovals();
  readonly #nonces: NonceBook;
  #lastError: string | undefined;
  /** Delta: a wildcard was answered on this stream. */
  #isWildcardAnswered = false;

  constructor(typeUrl: TypeUrl, traits: TypeTraits, variant: Variant, offer: TypeOffer) {
    const { source, scope, controlPlane, isWildcardSticky } = offer;
    this.typeUrl = typeUrl;
    this.traits = traits;
    this.#variant = variant;
    this.#source = source;
    this.subscription = new ClientSubscription(traits, isWildcardSticky, scope);
    this.seen = new SeenSet(source.store, scope);
    this.#denied = new DeniedNames(scope);
    this.#sentRevision = source.store.revision;
    this.#nonces = new NonceBook(source.noncePrefix, variant === 'sotw');
    this.#writer = new MessageWriter(typeUrl, variant, source, this.seen, this.#nonces, this.forms, controlPlane);
    this.#refused = new RefusedChanges(source.store, this.isList);
    this.#leftOut = new LeftOut(source.store);
  }

  get store(): TypeStore {
    return this.#source.store;
  }

  /** Revision the client is level with, for trimming the store's history. */
  get level(): number {
    return this.#sentRevision;
  }

  get nonces(): Pick<NonceBook, 'hasSent' | 'ackedVersion' | 'isAnswerAwaited' | 'isAwaitedAt' | 'status'> {
    return this.#nonces;
  }

  /** Names that it has yet to be told that it may not see. */
  get deniedCount(): number {
    return this.#denied.size;
  }

  /** Words of the newest NACK as they may be shown, until an ACK follows. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** Names whose newest content the client rejected, with what stood in the same messages, and its words. */
  get refused(): Pick<RefusedChanges, 'has' | 'names' | 'size' | 'words'> {
    return this.#refused;
  }

  /** Whether all that was asked for has been answered, as far as it can be. */
  get isComplete(): boolean {
    if (this.#owed.isWildcardOwed || this.seen.isWithheld) return false;
    // Whoever looks at a hundred clients does not look at each of their names: nobody's is open where none is awaited.
    if (this.subscription.isWildcard || this.store.absences.awaited > 0) return this.#isAnswerable();
    return true;
  }

  /** Takes in the first request of the type on this stream. */
  begin(change: SubscriptionChange, versionInfo: string, versions: ReadonlyMap<string, string>): void {
    const { store, seen } = this;
    this.#denied.add(change.denied);
    this.#leftOut.begin(versionInfo === '');
    if (change.wildcard > 0) {
      const isLevel =
        this.#variant === 'sotw' &&
        this.traits.isFullState &&
        store.isKnown &&
        versionInfo !== '' &&
        versionInfo === seen.versionInfo();
      // Silence is allowed on identical content (R92). Named types may be warming, so they are always answered (R43).
      if (isLevel) this.#nonces.isLevelWith(versionInfo);
      else {
        this.#owed.isWildcardOwed = true;
        this.#sentRevision = -1;
      }
    }
    for (const name of change.added) this.#owed.add(name);
    if (versions.size > 0) this.#brought = new Map(versions);
    if (versions.size > 0 || versionInfo !== '') store.served.isContested = true;
  }

  /** Takes in a later change of the subscription. */
  changed(change: SubscriptionChange): void {
    this.#denied.add(change.denied);
    for (const name of change.removed) {
      this.#owed.delete(name);
      this.#brought?.delete(name);
      this.#removals.cancel(name);
      this.forms.forget(name);
    }
    for (const name of change.added) this.owe(name);
    for (const name of change.resubscribed) this.owe(name);
    for (const name of change.droppedUnderWildcard) {
      this.owe(name);
      this.#owed.oweRemoval(name);
    }
    if (change.wildcard > 0) {
      this.#owed.isWildcardOwed = true;
      for (const entry of this.seen.entries()) this.#owed.add(entry.name);
    } else if (change.wildcard < 0) {
      this.#owed.endWildcard(name => this.subscription.covers(name));
    }
  }

  /** Sends the name with the next message, whatever the client holds. */
  owe(name: string): void {
    this.#owed.add(name);
    this.#brought?.delete(name);
  }

  /** Takes in a request's nonce; returns the verdict it carries, if it answers a message that was not answered yet (R84, R85). */
  answered(nonce: Nonce | '', status: RpcStatus | undefined): Verdict | undefined {
    const sent = this.#nonces.answered(nonce, status !== undefined);
    if (!sent) return undefined;
    const verdict = verdictOn(this.store, sent, status);
    this.#lastError = verdict.status?.message;
    if (!status) this.#refused.accepted(sent);
    else if (this.#refused.refused(sent, this.#lastError ?? '')) this.#oweRefused();
    return verdict;
  }

  /** Endpoints to be sent again because an older list was refused after the accepted one had left. */
  takeLateWarms(): string[] {
    return this.#refused.takeLateWarms();
  }

  /** Whether it is sent a resource, by whichever of its names it was asked for (R18, R33). */
  covers(name: string): boolean {
    if (this.subscription.covers(name)) return true;
    if (!this.seen.scope.sees(name)) return false;
    const { aliases = [] } = this.store.get(name) ?? this.store.absences.tombstone(name)?.entry ?? {};
    return aliases.some(alias => this.subscription.covers(alias));
  }

  /** Whether a change of these names will be sent to this client. */
  isAffectedBy(names: readonly string[]): boolean {
    return names.some(name => this.covers(name));
  }

  /** When a waiting removal may go out, on the monotonic clock in ms; Infinity without one. */
  nextReleaseMs(): number {
    if (this.#removals.isEmpty || (this.isList && !this.#isAnswerable())) return Infinity;
    return this.#removals.nextReleaseMs();
  }

  /**
   * Builds the newest message that brings the client on, without removals that have to wait (R86).
   *
   * @param removalHoldMs how long removals of clusters and endpoints wait after upstream's
   */
  next(nowMs: number, removalHoldMs: number): Message | undefined {
    if (this.seen.isWithheld) return undefined;
    const isLevel = this.#sentRevision === this.#source.store.revision;
    if (isLevel && this.#owed.isEmpty && !this.#brought && this.#denied.size === 0) return undefined;
    if (this.#variant === 'delta') return this.#nextDelta(nowMs, removalHoldMs);
    return this.isList ? this.#nextList(removalHoldMs) : this.#nextNamed();
  }

  /** Builds the message with the removals whose wait is over. */
  release(nowMs: number): Message | undefined {
    // A list without a name that is not known yet would not be whole (R38, R62).
    if (this.nextReleaseMs() > nowMs) return undefined;
    const { names, fromRevision } = this.#removals.release(nowMs);
    if (this.#variant === 'sotw') return this.#list([], [], fromRevision);
    const removed = names.filter(name => !this.#source.store.get(name));
    if (removed.length === 0) return undefined;
    return this.#message({ entries: [], removed, fromRevision });
  }

  /** Whether every message is the whole list. */
  get isList(): boolean {
    return this.#variant === 'sotw' && this.traits.isFullState;
  }

  /** SotW, full-state: the whole list, as soon as it is certain to be whole (R62, R38). */
  #nextList(removalHoldMs: number): Message | undefined {
    const { store } = this.#source;
    if (!this.#isAnswerable()) return undefined;
    const names = store.changesSince(this.#sentRevision).filter(name => this.subscription.covers(name));
    const changed: Entry[] = [];
    const errors: ResourceFailure[] = [];
    let isRemovalDue = false;
    for (const name of this.#owed) this.#addFailure(name, errors);
    for (const name of names) {
      const entry = store.get(name);
      if (entry) {
        // A list with a resource has no room for an error of its name, so that is no reason for one.
        if (entry.revision > this.#sentRevision) changed.push(entry);
        this.#removals.cancel(name);
        continue;
      }
      if (!this.#owed.has(name)) this.#addFailure(name, errors);
      const gone = tombstoneOfSent(store, name, this.#sentRevision);
      if (gone && !this.#mayRemovalsWait) isRemovalDue = true;
      else if (gone) this.#removals.wait(name, gone.removedAtMs + removalHoldMs, gone.entry, this.#sentRevision);
    }
    errors.push(...this.#denied.take());
    if (!this.#owed.isWildcardOwed && this.#owed.size + changed.length + errors.length === 0 && !isRemovalDue) {
      this.#sentRevision = store.revision;
      return undefined;
    }
    this.#owed.isWildcardOwed = false;
    this.#owed.clear();
    return this.#list(changed, errors);
  }

  #list(news: readonly Entry[], errors: readonly ResourceFailure[] = [], fromRevision = this.#sentRevision): Message {
    const { store } = this.#source;
    const changes = new Set(news);
    for (const name of this.#refused.names()) {
      const entry = store.get(name);
      if (entry) changes.add(entry);
    }
    const changed = [...changes];
    const kept = this.#removals.kept();
    const refused = [...this.#leftOut.entries(name => this.subscription.covers(name))];
    if (this.subscription.isWildcard) {
      const isWhole = this.seen.scope.isOpen;
      const entries = isWhole ? [] : [...this.seen.entries()];
      return this.#message({ isWhole, entries, errors, kept, refused, changed, fromRevision });
    }
    const entries = new Set<Entry>();
    for (const name of this.subscription.names) for (const entry of this.seen.behind(name)) entries.add(entry);
    return this.#message({ entries: [...entries], errors, kept, refused, changed, fromRevision });
  }

  /** SotW, partial: what changed and what was asked for; removals cannot be told (R21). */
  #nextNamed(): Message | undefined {
    const { store } = this.#source;
    const entries = new Set<Entry>();
    const errors = this.#denied.take();
    for (const name of this.#candidates()) {
      if (!this.#addFailure(name, errors)) for (const entry of this.seen.behind(name)) entries.add(entry);
    }
    this.#owed.clear();
    const isWholeAnswered = this.#owed.isWildcardOwed && this.seen.isKnown;
    if (isWholeAnswered) this.#owed.isWildcardOwed = false;
    if (entries.size + errors.length > 0 || isWholeAnswered) return this.#message({ entries: [...entries], errors });
    this.#sentRevision = store.revision;
    return undefined;
  }

  /** Names to look at for the next difference. */
  #candidates(): Set<string> {
    const names = new Set(this.#owed);
    let isRefusedChanged = false;
    for (const name of this.#source.store.changesSince(this.#sentRevision)) {
      if (!this.covers(name)) continue;
      names.add(name);
      isRefusedChanged ||= this.#refused.has(name);
    }
    if (!isRefusedChanged) return names;
    this.#oweRefused();
    for (const name of this.#owed) names.add(name);
    return names;
  }

  #oweRefused(): void {
    const { store } = this.#source;
    for (const name of this.#refused.take()) {
      if (!this.subscription.covers(name)) continue;
      this.owe(name);
      // A removal was rejected along with the rest.
      if (!store.get(name) && !store.quarantined.has(name)) this.#owed.oweRemoval(name);
    }
  }

  #nextDelta(nowMs: number, removalHoldMs: number): Message | undefined {
    const { store } = this.#source;
    const names = this.#candidates();
    if (this.#brought && this.seen.isKnown && this.subscription.isWildcard)
      for (const name of this.#brought.keys()) names.add(name);
    const entries = new Set<Entry>();
    // What may not be seen does not exist, in words that every client understands.
    const errors = this.#denied.take();
    const removed = new Set(errors.map(({ name }) => name));
    for (const name of names) {
      // Where upstream said that it does not exist, that is told as a removal besides (R119).
      if (this.#addFailure(name, errors) && store.absences.reason(name) !== 'upstream') {
        this.#owed.delete(name);
        continue;
      }
      const members = store.served.membersOf(name);
      // The loop comes to them, too. What they were asked by has been answered then (R33).
      if (members.size > 0) for (const member of members) names.add(member);
      const entry = this.seen.find(name);
      const brought = this.#brought?.get(entry?.name ?? name);
      if (entry || members.size > 0) this.#owed.delete(name);
      if (entry) {
        this.#owed.delete(entry.name);
        this.#removals.cancel(entry.name);
        this.#brought?.delete(entry.name);
        // The empty version never proves equality (R90).
        if (brought === undefined || brought === '' || brought !== store.served.clientVersion(entry))
          entries.add(entry);
      } else if (members.size === 0 && isGone(this, this.#owed, name, brought !== undefined)) {
        this.#brought?.delete(name);
        const isAsked = this.#owed.delete(name);
        // Who asked for the name waits for the answer; who holds it may still use it, so its end waits for what refers to it.
        const tombstone = tombstoneOfSent(store, name, this.#sentRevision);
        if (isAsked) removed.add(name);
        else if (!this.#mayRemovalsWait) removed.add(name);
        else {
          const releaseAtMs = (tombstone?.removedAtMs ?? nowMs) + removalHoldMs;
          this.#removals.wait(name, releaseAtMs, tombstone?.entry, this.#sentRevision);
        }
      }
    }
    if (this.#brought?.size === 0) this.#brought = undefined;
    // The first wildcard request is answered even when there is nothing, or nothing new, to send (R117).
    const isWholeAnswered = this.#owed.isWildcardOwed && this.seen.isKnown;
    const isEmptyOwed = isWholeAnswered && !this.#isWildcardAnswered && this.seen.isEmpty;
    if (isWholeAnswered) {
      this.#owed.isWildcardOwed = false;
      this.#isWildcardAnswered = true;
    }
    if (entries.size + removed.size + errors.length === 0 && !isEmptyOwed) {
      this.#sentRevision = store.revision;
      // It came with all that there is, and needs no message to have it.
      if (!this.#nonces.hasSent && this.#owed.isEmpty && !this.#brought) this.#nonces.isLevelWith(store.versionInfo());
      return undefined;
    }
    return this.#message({ entries: [...entries], removed: [...removed], errors });
  }

  /** Adds what upstream said of a name instead of a resource, if it is news. Returns whether that is all there is to tell of the name. */
  #addFailure(name: string, errors: ResourceFailure[]): boolean {
    const isNamed = this.subscription.names.has(name);
    const due = isNamed && dueFailure(this.#source.store, name, this.#owed.has(name) ? -1 : this.#sentRevision);
    if (due) errors.push(due);
    return due !== undefined && due !== false;
  }

  /** Removals of clusters and endpoints go last (R28); nothing else refers to the other types from outside. */
  get #mayRemovalsWait(): boolean {
    return this.typeUrl === clusterType || this.typeUrl === endpointType;
  }

  /** Whether a SotW list would be whole: nothing it should hold is unknown. */
  #isAnswerable(): boolean {
    const { store, seen } = this;
    if (seen.isWithheld) return false;
    if (this.subscription.isWildcard) return seen.isKnown;
    for (const name of this.subscription.names) if (!store.isSettled(name)) return false;
    return true;
  }

  #message(parts: MessageParts): Message {
    const message = this.#writer.write(parts, this.#sentRevision);
    this.#sentRevision = this.#source.store.revision;
    return message;
  }
}
