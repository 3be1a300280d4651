import type { Random } from '../upstream/backoff.ts';
import type { ClientReports } from '../upstream/client-reports.ts';
import { type HeldState, type Interest, nothingHeld } from '../upstream/interest.ts';
import { type ActiveServer, ServerChoice, type ServerChoiceSettings } from '../upstream/server-choice.ts';
import { Session } from '../upstream/session.ts';
import type { SessionNote, UpstreamEffect } from '../upstream/session-events.ts';
import type { SessionSettings } from '../upstream/session-state.ts';
import { invariant } from '../xds/assert.ts';
import type { StreamGroup } from '../xds/type-urls.ts';
import { type Clock, grpcCode, type RpcStatus, type TypeUrl } from '../xds/types.ts';

/** What a lane is made with. */
export interface LaneSettings extends SessionSettings, ServerChoiceSettings {
  /** Servers in the order in which they are preferred; one at the least. */
  readonly addresses: readonly string[];
  /** How long the set of another server may take until it is whole, in ms. */
  readonly stagingTimeoutMs: number;
  /** `off` takes even a set with nothing in it, `hold` waits for {@link guardGraceMs} before it takes one that has shrunk (R79). */
  readonly guard: 'off' | 'warn' | 'hold';
  readonly guardGraceMs: number;
  /** Longest delay of the first stream where something is served already, in ms. */
  readonly startJitterMs: number;
}

/** What a type of a lane is: what is wanted of it, what is held of it, and how much. */
export interface LaneType {
  readonly interest: Interest;
  /** What is served of it, to resume from. */
  readonly served: HeldState;
  /** Whether anything is held of it. */
  readonly hasContent: () => boolean;
}

/** What another server has said before it takes over. */
export interface Staging {
  /** Whether it has said anything. */
  readonly isHeard: boolean;
  /** Whether it has nothing for us: a control plane that has just started, or that does not know the node. */
  readonly isEmpty: boolean;
  /** Whether it has so much less than what is served that its server may not know everything yet. */
  readonly isShrunken: boolean;
  /** Whether everything that clients hold was answered. */
  readonly isWhole: boolean;
  add(typeUrl: TypeUrl): void;
  remove(typeUrl: TypeUrl): void;
  /** The wildcard of a type is not wanted any more. */
  wildcardEnded(typeUrl: TypeUrl): void;
  /** What is held of a type of it. */
  heldOf(typeUrl: TypeUrl): HeldState | undefined;
}

/** Another server that is about to take the place of the one in use. */
interface Candidate<T> {
  readonly index: number;
  readonly session: Session;
  set: T;
  /** When its stream was opened, monotonic in ms; Infinity before. */
  openedAtMs: number;
}

/** UNIMPLEMENTED this often in a row is the question of the variant, which the session settles by itself. */
const unimplementedMax = 2;

/**
 * One stream group of a view and its servers: the one in use, whose content is served, and, while there are several, another one that is to take
 * its place. That one's content is staged apart until it is whole, so that nobody is given a part of each (R109).
 */
export class Lane<T extends Staging = Staging> {
  readonly group: StreamGroup;
  readonly #settings: LaneSettings;
  readonly #newSession: (address: string) => Session;
  readonly #newSet: (session: Session) => T;
  readonly #choice: ServerChoice;
  readonly #random: Random;
  readonly #sessions = new Map<string, Session>();
  readonly #types = new Map<TypeUrl, LaneType>();
  #active: Session;
  /** -1 while what is held comes from a server that is not listed: it is never dialled. */
  #activeIndex = 0;
  #candidate: Candidate<T> | undefined;
  #unimplemented = 0;
  /** Servers that had nothing for us since the last switch: it is said once. */
  readonly #passedOver = new Set<string>();
  readonly #notes: SessionNote[] = [];
  #isBegun = false;
  /** When the first stream may be opened, once something is wanted; monotonic in ms. */
  #startsAtMs: number | undefined;
  #nextMs = Infinity;

  /** @param newSet makes room for what a server says before its set is whole */
  constructor(
    group: StreamGroup,
    settings: LaneSettings,
    node: () => Buffer,
    newStreamId: () => number,
    random: Random,
    reports: ClientReports,
    newSet: (lane: Lane, session: Session) => T,
  ) {
    this.group = group;
    this.#settings = settings;
    this.#newSession = address => new Session(group, address, settings, node(), newStreamId, random, reports);
    this.#newSet = session => newSet(this, session);
    this.#random = random;
    this.#choice = new ServerChoice(settings.addresses.length, settings, random);
    this.#active = this.#sessionTo(settings.addresses[0] ?? '');
  }

  /** The stream whose content is served. */
  get active(): Session {
    return this.#active;
  }

  /** Place in the list of the server in use, 0 for the first; -1 for one that is not listed. */
  get activeIndex(): number {
    return this.#activeIndex;
  }

  /** The stream of the server that is to take its place, and what it has said so far. */
  get candidate(): { readonly session: Session; readonly set: T } | undefined {
    return this.#candidate;
  }

  /** The server that content must have come from of which nobody wrote that down; empty where it can be one of several. */
  get soleAddress(): string {
    const [first = '', second] = this.#settings.addresses;
    return second === undefined ? first : '';
  }

  /** Every stream: that of the server in use, then that of the one that is to take its place. */
  *sessions(): Generator<Session> {
    yield this.#active;
    if (this.#candidate) yield this.#candidate.session;
  }

  /** Notes since the last call, and whether they are of a server that is tried beside the one in use. */
  *takeNotes(): Generator<{ readonly note: SessionNote; readonly isTrial: boolean }> {
    for (const session of this.#sessions.values()) {
      for (const note of session.takeNotes()) yield { note, isTrial: session !== this.#active };
    }
    for (const note of this.#notes.splice(0)) yield { note, isTrial: false };
  }

  /** What was restored came from this server. To be called before the first stream. */
  restoredFrom(address: string): void {
    if (this.#isBegun || address === '' || address === this.#active.address) return;
    this.#activeIndex = this.#settings.addresses.indexOf(address);
    this.#active = this.#sessionTo(address);
  }

  addType(typeUrl: TypeUrl, type: LaneType): void {
    this.#types.set(typeUrl, type);
    for (const session of this.#sessions.values()) this.#tell(session, typeUrl, type);
    this.#candidate?.set.add(typeUrl);
  }

  /** Forgets a type that another lane takes over, or that nobody wants. */
  removeType(typeUrl: TypeUrl): void {
    this.#types.delete(typeUrl);
    for (const session of this.#sessions.values()) session.types.remove(typeUrl);
    this.#candidate?.set.remove(typeUrl);
  }

  typeUrls(): IterableIterator<TypeUrl> {
    return this.#types.keys();
  }

  /** What is wanted of a type that it has. */
  interestOf(typeUrl: TypeUrl): Interest | undefined {
    return this.#types.get(typeUrl)?.interest;
  }

  /** Names that nobody wanted before are wanted now. */
  added(typeUrl: TypeUrl, names: readonly string[], nowMs: number): void {
    if (!this.#types.has(typeUrl)) return;
    for (const session of this.sessions()) session.types.added(typeUrl, names, nowMs);
  }

  /** Names, and maybe the wildcard, are not wanted any more; what was held of them is dropped. */
  dropped(typeUrl: TypeUrl, names: readonly string[], isWildcardEnded: boolean, nowMs: number): void {
    if (!this.#types.has(typeUrl)) return;
    for (const session of this.sessions()) session.types.dropped(typeUrl, names, isWildcardEnded, nowMs);
    if (isWildcardEnded) this.#candidate?.set.wildcardEnded(typeUrl);
  }

  /** Streams carry another Node from now on. */
  introduce(node: Buffer): void {
    for (const session of this.#sessions.values()) session.introduce(node);
  }

  /** Brings the streams on; to be called after every event. */
  advance({ monotonicMs: nowMs, wallMs }: Clock): UpstreamEffect[] {
    if (!this.#mayStart(nowMs)) {
      this.#nextMs = this.#startsAtMs ?? Infinity;
      return [];
    }
    this.#isBegun = true;
    const effects = this.#activeIndex < 0 ? [] : this.#active.advance(nowMs, wallMs);
    effects.push(...this.#advanceCandidate(nowMs, wallMs));
    if (!this.#candidate && this.#active.types.isAnythingWanted) {
      const index = this.#choice.next(this.#state(nowMs), nowMs);
      if (index !== undefined) effects.push(...this.#begin(index, nowMs, wallMs));
    }
    this.#nextMs = this.#deadlineMs(nowMs);
    return effects;
  }

  /** Opens every stream anew, and has everything sent once more; see {@link Session.beginAnew}. */
  beginAnew(reason: string, { monotonicMs: nowMs, wallMs }: Clock): UpstreamEffect[] {
    const effects = [...this.sessions()].flatMap(session => session.beginAnew(reason, nowMs, wallMs));
    this.#restage();
    return effects;
  }

  /** The server's set can be served: it is whole, or its time is over, or there is nothing that it could be mixed with. */
  isReadyToSwitch(nowMs: number): boolean {
    if (!this.#candidate || this.#candidate.openedAtMs === Infinity) return false;
    const { index, set, openedAtMs } = this.#candidate;
    const { guard, guardGraceMs, stagingTimeoutMs } = this.#settings;
    // One that answers is not left for one further down, however often it was lost before.
    if (this.#isBelow(index) && this.#state(nowMs).downSinceMs === undefined) return false;
    const isOver = nowMs >= openedAtMs + stagingTimeoutMs;
    if (!this.#hasContent) return set.isHeard && (!set.isEmpty || guard === 'off' || isOver);
    if (!this.#isOfUse(set)) return false;
    if (guard === 'hold' && set.isShrunken && nowMs < openedAtMs + guardGraceMs) return false;
    return set.isWhole || isOver;
  }

  /** The other server takes its place. @returns what it has said, and what ends the stream of the one before */
  switchOver({ monotonicMs: nowMs, wallMs }: Clock): { readonly set: T; readonly effects: UpstreamEffect[] } {
    const candidate = this.#candidate;
    invariant(candidate, 'there is a server to switch to');
    const effects = this.#active.stop(nowMs, wallMs);
    this.#active = candidate.session;
    this.#activeIndex = candidate.index;
    this.#candidate = undefined;
    this.#choice.switched(candidate.index, nowMs);
    this.#passedOver.clear();
    return { set: candidate.set, effects };
  }

  /** The other server's stream was opened. */
  candidateOpened(nowMs: number): void {
    if (this.#candidate) this.#candidate.openedAtMs = nowMs;
  }

  /** The other server's stream ended before it took over. */
  candidateClosed({ code }: RpcStatus, nowMs: number, wallMs: number): void {
    if (!this.#candidate) return;
    if (code === grpcCode.unimplemented && this.#unimplemented++ < unimplementedMax) this.#restage();
    else this.#drop(nowMs, wallMs);
  }

  /** Certificates or tokens have changed. */
  credentialsChanged(nowMs: number): void {
    for (const session of this.#sessions.values()) session.credentialsChanged(nowMs);
    this.#choice.hurry(nowMs);
  }

  nextDeadlineMs(): number {
    let deadline = this.#nextMs;
    if (this.#activeIndex >= 0) deadline = Math.min(deadline, this.#active.nextDeadlineMs());
    return this.#candidate ? Math.min(deadline, this.#candidate.session.nextDeadlineMs()) : deadline;
  }

  #isOfUse(set: T): boolean {
    return set.isHeard && (!set.isEmpty || this.#settings.guard === 'off');
  }

  get #hasContent(): boolean {
    for (const { hasContent } of this.#types.values()) if (hasContent()) return true;
    return false;
  }

  #state(nowMs: number): ActiveServer {
    const isWaiting = this.#active.phase === 'backoff';
    const downSinceMs = this.#active.downSinceMs(nowMs);
    return { index: this.#activeIndex, downSinceMs, isWaiting, hasContent: this.#hasContent };
  }

  #deadlineMs(nowMs: number): number {
    if (!this.#active.types.isAnythingWanted) return Infinity;
    const state = this.#state(nowMs);
    if (!this.#candidate) return this.#choice.nextDeadlineMs(state);
    const { openedAtMs } = this.#candidate;
    const { stagingTimeoutMs, guardGraceMs } = this.#settings;
    // A server that has nothing for us is given up at the end of its time, too.
    const dueMs = [openedAtMs + stagingTimeoutMs, openedAtMs + guardGraceMs, this.#active.standsAtMs];
    return Math.min(...dueMs.map(ms => (ms > nowMs ? ms : Infinity)));
  }

  /** Who has something to serve need not be the first to ask for more: many agents may start at one moment. */
  #mayStart(nowMs: number): boolean {
    if (this.#startsAtMs === undefined) {
      if (!this.#active.types.isAnythingWanted) return true;
      const { startJitterMs } = this.#settings;
      this.#startsAtMs = startJitterMs > 0 && this.#hasContent ? nowMs + this.#random() * startJitterMs : nowMs;
    }
    return nowMs >= this.#startsAtMs;
  }

  /** Whether a server is further down the list than the one in use. */
  #isBelow(index: number): boolean {
    return index > this.#activeIndex && this.#activeIndex >= 0;
  }

  #begin(index: number, nowMs: number, wallMs: number): UpstreamEffect[] {
    const address = this.#settings.addresses[index];
    invariant(address !== undefined, `server ${index} is in the list`);
    const session = this.#sessionTo(address);
    this.#unimplemented = 0;
    this.#candidate = { index, session, set: this.#newSet(session), openedAtMs: Infinity };
    return session.advance(nowMs, wallMs);
  }

  #advanceCandidate(nowMs: number, wallMs: number): UpstreamEffect[] {
    if (!this.#candidate) return [];
    const { index, session, openedAtMs, set } = this.#candidate;
    const isBackAgain = this.#isBelow(index) && this.#active.standsAtMs <= nowMs;
    const isWaitedFor = this.#hasContent ? this.#isOfUse(set) : set.isHeard;
    const isOver = nowMs >= openedAtMs + this.#settings.stagingTimeoutMs && !isWaitedFor;
    if (isOver && !this.#passedOver.has(session.address)) {
      this.#passedOver.add(session.address);
      this.#notes.push({ kind: 'server_passed_over', address: session.address, isSilent: !set.isHeard });
    }
    if (isBackAgain || isOver || !session.types.isAnythingWanted) return this.#drop(nowMs, wallMs);
    const effects = session.advance(nowMs, wallMs);
    // It begins anew, and so does what it says.
    if (effects.some(effect => effect.kind === 'close_upstream')) this.#restage();
    return effects;
  }

  #restage(): void {
    if (!this.#candidate) return;
    this.#candidate.set = this.#newSet(this.#candidate.session);
    this.#candidate.openedAtMs = Infinity;
  }

  #drop(nowMs: number, wallMs: number): UpstreamEffect[] {
    if (!this.#candidate) return [];
    const { index, session } = this.#candidate;
    this.#candidate = undefined;
    this.#choice.failed(index);
    return session.stop(nowMs, wallMs);
  }

  #sessionTo(address: string): Session {
    const known = this.#sessions.get(address);
    if (known) return known;
    const session = this.#newSession(address);
    this.#sessions.set(address, session);
    for (const [typeUrl, type] of this.#types) this.#tell(session, typeUrl, type);
    return session;
  }

  /** What a session resumes from depends on whether its content is served: nothing of one server's is told to another (R109). */
  #tell(session: Session, typeUrl: TypeUrl, { interest, served }: LaneType): void {
    const held = (): HeldState => {
      if (session === this.#active) return served;
      return (session === this.#candidate?.session ? this.#candidate.set.heldOf(typeUrl) : undefined) ?? nothingHeld;
    };
    session.types.add(typeUrl, interest, {
      has: name => held().has(name),
      versions: () => held().versions(),
      get isComplete() {
        return held().isComplete;
      },
      get isContested() {
        return held().isContested;
      },
      refusal: (resources, isWhole) => held().refusal(resources, isWhole),
    });
  }
}
