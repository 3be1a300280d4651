import { invariant } from '../xds/assert.ts';
import { type StreamGroup, traitsOf } from '../xds/type-urls.ts';
import { grpcCode, type Nonce, type RpcStatus, type TypeUrl } from '../xds/types.ts';
import { encodeDeltaRequest, encodeSotwRequest } from '../xds/wire-request.ts';
import { decodeResponse } from '../xds/wire-response.ts';
import { AnswerTracker, type Verdicts } from './answer-tracker.ts';
import { asideNames } from './aside-names.ts';
import { Backoff, type Random } from './backoff.ts';
import { DeltaSubscription } from './delta-subscription.ts';
import type { HeldState, Interest } from './interest.ts';
import type { Received, SessionNote, UpstreamEffect } from './session-events.ts';
import { fitting, linkConfirmedAtMs, type Phase, type SessionSettings, type TypeLink } from './session-state.ts';
import { SotwSubscription } from './sotw-subscription.ts';
import type { Subscription } from './subscription.ts';
import { suspectOf } from './suspect.ts';
import { VariantChoice } from './variant-choice.ts';

/**
 * One stream to the control plane for one (view, group): phases, variant, reconnection, and one subscription per type.
 *
 * Phases: idle → connecting → open → backoff → connecting …; idle only before something is wanted.
 */
export class Session {
  readonly group: StreamGroup;
  readonly #settings: SessionSettings;
  readonly #backoff: Backoff;
  readonly #variant: VariantChoice;
  #node: Buffer;
  readonly #newStreamId: () => number;
  readonly #types = new Map<TypeUrl, TypeLink>();
  readonly #notes: SessionNote[] = [];
  #phase: Phase = { kind: 'idle' };
  #addressIndex = 0;
  #phaseSinceWallMs = 0;
  #identifier = '';
  #lastError: string | undefined;
  /** Types asked for on the present stream. */
  #asked = 0;
  #mustRenew = false;

  /**
   * @param node encoded Node for the first request of each stream (R1)
   * @param newStreamId gives numbers never used before
   */
  constructor(group: StreamGroup, settings: SessionSettings, node: Buffer, newStreamId: () => number, random: Random) {
    this.group = group;
    this.#settings = settings;
    this.#node = node;
    this.#newStreamId = newStreamId;
    this.#backoff = new Backoff(settings.reconnectBaseMs, settings.reconnectMaxMs, random);
    this.#variant = new VariantChoice(settings.variant);
  }

  get phase(): 'idle' | 'connecting' | 'open' | 'backoff' {
    return this.#phase.kind;
  }

  /** The phase as people see it: a stream counts as connected once it was opened to a reached server. */
  get status() {
    return {
      phase: this.#phase.kind,
      variant: this.#variant.current,
      address: this.#address,
      identifier: this.#identifier,
      sinceWallMs: this.#phaseSinceWallMs,
      lastError: this.#lastError,
    };
  }

  get isOpen(): boolean {
    return this.#phase.kind === 'open';
  }

  /** Number of the stream that events may come from; undefined while there is none. */
  get streamId(): number | undefined {
    return this.#phase.kind === 'open' || this.#phase.kind === 'connecting' ? this.#phase.streamId : undefined;
  }

  /** How long the present stream has stood, in ms; 0 without one. */
  openForMs(nowMs: number): number {
    return this.#phase.kind === 'open' ? nowMs - this.#phase.sinceMs : 0;
  }

  /** Whether the session has to ask for anything of the type. */
  isAsked(typeUrl: TypeUrl): boolean {
    const interest = this.#types.get(typeUrl)?.interest;
    return interest !== undefined && (interest.isWildcard || interest.size > 0);
  }

  /** When what is held of a type counts as what upstream has, monotonic in ms: Infinity while it cannot, in the past when it does. */
  confirmedAtMs(typeUrl: TypeUrl): number {
    const link = this.#types.get(typeUrl);
    return this.#phase.kind === 'open' && link ? linkConfirmedAtMs(link) : Infinity;
  }

  /** The client that came has another Node than the one remembered: streams carry it from now on (R65, R68). */
  introduce(node: Buffer): void {
    if (this.#node.equals(node)) return;
    this.#node = node;
    this.#mustRenew = this.#phase.kind === 'open';
  }

  /** Notes since the last call. */
  takeNotes(): SessionNote[] {
    return this.#notes.splice(0);
  }

  /** Makes a type known. What is wanted of it is read from `interest` whenever a request is written (R74). */
  addType(typeUrl: TypeUrl, interest: Interest, held: HeldState): void {
    if (this.#types.has(typeUrl)) return;
    this.#types.set(typeUrl, {
      typeUrl,
      interest,
      held,
      subscription: this.#newSubscription(typeUrl, interest, held),
      tracker: new AnswerTracker(this.#settings),
      refused: undefined,
      askedAs: undefined,
      askedAtMs: Infinity,
      isResumed: false,
      wasAnswered: false,
      isAnswered: false,
    });
  }

  /** Forgets a type that another session takes over, while no stream is open. */
  removeType(typeUrl: TypeUrl): void {
    this.#types.delete(typeUrl);
  }

  added(typeUrl: TypeUrl, names: readonly string[], nowMs: number): void {
    this.#link(typeUrl).subscription.added(names, nowMs);
  }

  /** Whether upstream can be told that the wildcard of a type is not wanted any more. */
  canEndWildcard(typeUrl: TypeUrl): boolean {
    return this.#link(typeUrl).subscription.canEndWildcard;
  }

  /** Names, and maybe the wildcard, are not wanted any more; what was held of them is dropped. */
  dropped(typeUrl: TypeUrl, names: readonly string[], isWildcardEnded: boolean, nowMs: number): void {
    const link = this.#link(typeUrl);
    if (isWildcardEnded) link.subscription.wildcardEnded();
    link.subscription.dropped(names, nowMs);
    for (const name of names) link.tracker.dropped(name);
  }

  /** A subscribed name was lost from the cache: upstream has to send it again. */
  refetch(typeUrl: TypeUrl, name: string, nowMs: number): void {
    this.#link(typeUrl).subscription.refetch(name, nowMs);
  }

  /**
   * Brings the stream on: opens it when something is wanted, writes the next request when the last one has left.
   * To be called after every event; it does at most one of these.
   */
  advance(nowMs: number, wallMs: number): UpstreamEffect[] {
    switch (this.#phase.kind) {
      case 'idle':
        return this.#isAnythingWanted() ? this.#open(wallMs) : [];
      case 'backoff':
        if (this.#phase.untilMs > nowMs) return [];
        return this.#isAnythingWanted() ? this.#open(wallMs) : [];
      case 'connecting':
        return [];
      case 'open':
        return this.#write(this.#phase, nowMs, wallMs);
    }
  }

  /** The stream stands: the server was reached and requests can be written. */
  opened(streamId: number, nowMs: number, wallMs: number): void {
    if (this.#phase.kind !== 'connecting' || this.#phase.streamId !== streamId) return;
    this.#phase = {
      kind: 'open',
      streamId,
      sinceMs: nowMs,
      isWriting: false,
      isNodeSent: false,
      hasResponse: false,
    };
    this.#mustRenew = false;
    this.#phaseSinceWallMs = wallMs;
    for (const link of this.#types.values()) {
      link.subscription = this.#newSubscription(link.typeUrl, link.interest, link.held);
      link.tracker = new AnswerTracker(this.#settings);
      link.askedAs = undefined;
      link.isAnswered = false;
    }
    this.#asked = 0;
  }

  /** The last request has left. */
  writable(streamId: number): void {
    if (this.#phase.kind === 'open' && this.#phase.streamId === streamId) this.#phase.isWriting = false;
  }

  /**
   * The stream ended, for whatever cause. The back-off decides when the next one opens.
   *
   * @returns the type that the server seems to have ended it over, if any
   */
  closed(streamId: number, status: RpcStatus, nowMs: number, wallMs: number): TypeUrl | undefined {
    if (this.streamId !== streamId) return undefined;
    const hadResponse = this.#phase.kind === 'open' && this.#phase.hasResponse;
    this.#lastError = `${status.code}: ${status.message}`;
    if (!hadResponse) {
      const outcome = this.#variant.failed(status.code, nowMs);
      // The server is there, and clients wait for what it says in the other variant.
      if (outcome !== 'kept') this.#backoff.reset();
      if (outcome === 'changed') this.#noteVariant(`${this.#address} answers Delta with UNIMPLEMENTED`);
      this.#addressIndex++;
    }
    const delay = this.#backoff.nextDelayMs();
    this.#phase = { kind: 'backoff', untilMs: nowMs + delay };
    this.#phaseSinceWallMs = wallMs;
    this.#notes.push({ kind: 'stream_lost', code: status.code, message: status.message, retryInMs: delay });
    return suspectOf(status.code, this.#types.values());
  }

  /**
   * Takes in one response: decoding, structural checks (R77), nonce.
   *
   * @param bytes shared by the result
   */
  received(
    streamId: number,
    bytes: Buffer,
    nowMs: number,
    wallMs: number,
  ): { received: Received; effects: UpstreamEffect[] } {
    if (this.#phase.kind !== 'open' || this.#phase.streamId !== streamId) {
      return { received: { kind: 'stale' }, effects: [] };
    }
    if (!this.#phase.hasResponse) {
      this.#phase.hasResponse = true;
      this.#backoff.reset();
      this.#variant.confirmed();
    }
    const read = decodeResponse(bytes, this.#variant.current, this.#settings.resourcesMax);
    // An answer to a type never asked for on this stream would subscribe to it, and a NACK there crashes istiod (R131).
    const known = read.typeUrl === '' ? undefined : this.#types.get(read.typeUrl);
    const link = known?.subscription.isAsked ? known : undefined;
    if (link) link.wasAnswered = true;
    const decoded = link ? fitting(link, read, this.#variant.current) : read;
    if ('error' in decoded) {
      if (!link || decoded.nonce === '') {
        // Nothing to refuse it by: only the stream itself can say no.
        this.closed(streamId, { code: grpcCode.internal, message: decoded.error }, nowMs, wallMs);
        const effects: UpstreamEffect[] = [{ kind: 'close_upstream', streamId }];
        return { received: { kind: 'broken', error: decoded.error }, effects };
      }
      link.subscription.refused(decoded.nonce, decoded.versionInfo);
      // Whatever version it bears now: a server that sends refused content again may count up.
      const isRepeat = link.refused === decoded.error;
      link.refused = decoded.error;
      const status = { code: grpcCode.invalidArgument, message: decoded.error };
      link.subscription.answer(decoded.nonce, status, isRepeat, nowMs);
      return { received: { kind: 'refused', typeUrl: link.typeUrl, error: decoded.error }, effects: [] };
    }
    if (decoded.controlPlane !== '') this.#identifier = decoded.controlPlane;
    if (!link) return { received: { kind: 'unasked', typeUrl: decoded.typeUrl }, effects: [] };
    link.refused = undefined;
    link.isAnswered = true;
    const names = decoded.resources.map(resource => resource.name);
    const { nonce, versionInfo, heartbeats } = decoded;
    const { isWhole, removed } = link.subscription.received(nonce, versionInfo, names, heartbeats.length === 0);
    link.tracker.answered(names, nowMs);
    link.tracker.answered(decoded.removed, nowMs);
    link.tracker.answeredAside(asideNames(decoded), nowMs);
    const gone = [...decoded.removed, ...removed];
    return { received: { kind: 'accepted', response: decoded, isWhole, removed: gone }, effects: [] };
  }

  /** Queues the verdict on a response: ACK without status, else NACK. Returns false when upstream cannot be told about this one any more. */
  answer(typeUrl: TypeUrl, nonce: Nonce, status: RpcStatus | undefined, isRepeat: boolean, nowMs: number): boolean {
    return this.#link(typeUrl).subscription.answer(nonce, status, isRepeat, nowMs);
  }

  /** Refuses what was ACKed before, where that is possible (R100). */
  refuseLate(typeUrl: TypeUrl, nonce: Nonce, status: RpcStatus): boolean {
    return this.#link(typeUrl).subscription.refuseLate(nonce, status);
  }

  /** Names of the whole first wildcard answer, once; undefined if it came as a difference. */
  takeSeen(typeUrl: TypeUrl): Set<string> | undefined {
    return this.#link(typeUrl).tracker.takeSeen();
  }

  /**
   * What silence has told since the last call, type by type. Only an open stream's silence says anything (R115), and not on a name that
   * upstream may believe to have sent: then a new stream is opened instead.
   */
  *due(nowMs: number, isKnownMissing: (typeUrl: TypeUrl, name: string) => boolean): Generator<[TypeUrl, Verdicts]> {
    if (this.#phase.kind !== 'open') return;
    for (const { typeUrl, tracker, subscription } of this.#types.values()) {
      if (tracker.nextDeadlineMs() > nowMs) continue;
      const verdicts = tracker.due(nowMs, name => isKnownMissing(typeUrl, name));
      const isCertain = (name: string): boolean => !subscription.isDoubtful(name);
      const { isComplete } = verdicts;
      const [inferred, presumed, timedOut] = [
        verdicts.inferred.filter(isCertain),
        verdicts.presumed.filter(isCertain),
        verdicts.timedOut.filter(isCertain),
      ];
      const judged = verdicts.inferred.length + verdicts.presumed.length + verdicts.timedOut.length;
      if (inferred.length + presumed.length + timedOut.length < judged) subscription.renew();
      yield [typeUrl, { inferred, presumed, timedOut, isComplete }];
    }
  }

  nextDeadlineMs(): number {
    if (this.#phase.kind === 'backoff') return this.#isAnythingWanted() ? this.#phase.untilMs : Infinity;
    if (this.#phase.kind !== 'open') return Infinity;
    let deadline = this.#variant.deltaRetryAtMs;
    for (const { subscription, tracker } of this.#types.values()) {
      deadline = Math.min(deadline, tracker.nextDeadlineMs());
      if (!this.#phase.isWriting) deadline = Math.min(deadline, subscription.nextDeadlineMs());
    }
    return deadline;
  }

  get #address(): string {
    const { addresses } = this.#settings;
    return addresses[this.#addressIndex % addresses.length] ?? '';
  }

  #isAnythingWanted(): boolean {
    for (const { interest } of this.#types.values()) if (interest.isWildcard || interest.size > 0) return true;
    return false;
  }

  #open(wallMs: number): UpstreamEffect[] {
    const streamId = this.#newStreamId();
    this.#phase = { kind: 'connecting', streamId };
    this.#phaseSinceWallMs = wallMs;
    this.#notes.push({ kind: 'stream_opening', variant: this.#variant.current, address: this.#address });
    return [{ kind: 'open_upstream', streamId, variant: this.#variant.current, address: this.#address }];
  }

  #write(phase: Phase & { kind: 'open' }, nowMs: number, wallMs: number): UpstreamEffect[] {
    if (this.#variant.deltaRetryAtMs <= nowMs) {
      this.#variant.retryDelta();
      this.#noteVariant('an hour has passed in the SotW fallback');
      return this.#recycle(phase.streamId, 'to try the Delta variant again', wallMs);
    }
    if (phase.isWriting) return [];
    if (this.#mustRenew) return this.#recycle(phase.streamId, 'for the node of the client that came', wallMs);
    for (const link of this.#types.values()) {
      if (link.subscription.needsNewStream) {
        const { shortName } = traitsOf(link.typeUrl);
        return this.#recycle(phase.streamId, `to ask for ${shortName} from the beginning`, wallMs);
      }
    }
    for (const link of this.#types.values()) {
      const next = link.subscription.next(nowMs);
      if (!next) continue;
      phase.isWriting = true;
      if (link.askedAs === undefined) {
        link.askedAs = ++this.#asked;
        link.askedAtMs = nowMs;
        link.isResumed = next.wildcard === 'resumed';
      }
      if (next.wildcard) link.tracker.wildcardAsked(next.wildcard === 'resumed', nowMs);
      const unknown = next.asked.filter(name => !link.held.has(name));
      if (unknown.length > 0) link.tracker.asked(unknown, nowMs);
      const node = phase.isNodeSent ? undefined : this.#node;
      phase.isNodeSent = true;
      const { request } = next;
      const bytes =
        request.variant === 'sotw' ? encodeSotwRequest({ ...request, node }) : encodeDeltaRequest({ ...request, node });
      return [{ kind: 'send_upstream', streamId: phase.streamId, bytes }];
    }
    return [];
  }

  /** Ends a healthy stream in order to open another one at once. */
  #recycle(streamId: number, reason: string, wallMs: number): UpstreamEffect[] {
    this.#notes.push({ kind: 'stream_recycled', reason });
    return [{ kind: 'close_upstream', streamId }, ...this.#open(wallMs)];
  }

  #noteVariant(reason: string): void {
    this.#notes.push({ kind: 'variant_changed', variant: this.#variant.current, reason });
  }

  #newSubscription(typeUrl: TypeUrl, interest: Interest, held: HeldState): Subscription {
    const traits = traitsOf(typeUrl);
    return this.#variant.current === 'sotw'
      ? new SotwSubscription(typeUrl, traits, interest, held)
      : new DeltaSubscription(typeUrl, traits, interest, held, this.#settings.isResuming);
  }

  #link(typeUrl: TypeUrl): TypeLink {
    const link = this.#types.get(typeUrl);
    invariant(link, `type ${typeUrl} was added to the session before it is used`);
    return link;
  }
}
