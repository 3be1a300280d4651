import { type StreamGroup, traitsOf } from '../xds/type-urls.ts';
import { grpcCode, type RpcStatus, type TypeUrl } from '../xds/types.ts';
import { encodeDeltaRequest, encodeSotwRequest } from '../xds/wire-request.ts';
import { decodeResponse } from '../xds/wire-response.ts';
import type { Verdicts } from './answer-tracker.ts';
import { asideNames } from './aside-names.ts';
import { Backoff, type Random } from './backoff.ts';
import { type ClientReports, reportRequest, ToldReports } from './client-reports.ts';
import { LivenessProbe } from './liveness-probe.ts';
import { Renewal } from './renewal.ts';
import type { Received, SessionNote, UpstreamEffect } from './session-events.ts';
import { fitting, type Phase, type SessionSettings } from './session-state.ts';
import { type Standing, StreamHistory, standingAfterMs } from './stream-history.ts';
import type { UpstreamRequest } from './subscription.ts';
import { isSuspicious, suspectOf } from './suspect.ts';
import { TypeLinks } from './type-links.ts';
import { VariantChoice } from './variant-choice.ts';

/** A server that ends streams so soon after it has answered may do so over what is asked of it, in ms. */
const briefMs = 1_000;
/** Whoever waited for other certificates or tokens tries again within so many ms. */
const renewedSpreadMs = 1_000;

/**
 * One stream to one server for one (view, group): phases, variant, reconnection, and one subscription per type.
 *
 * Phases: idle → connecting → open → backoff → connecting …; idle only before something is wanted.
 */
export class Session {
  readonly group: StreamGroup;
  /** Server that it is to, as configured. */
  readonly address: string;
  readonly types: TypeLinks;
  readonly #settings: SessionSettings;
  readonly #random: Random;
  readonly #backoff: Backoff;
  readonly #variant: VariantChoice;
  #node: Buffer;
  readonly #newStreamId: () => number;
  readonly #reports: ClientReports;
  #told: ToldReports;
  readonly #notes: SessionNote[] = [];
  #phase: Phase = { kind: 'idle' };
  readonly #history = new StreamHistory();
  #renewal: Renewal;
  /** The last stream may have ended over one of its types. */
  #isCautious = false;
  /** The next stream asks for everything, whatever is held. */
  #isNextWhole = false;

  /**
   * @param node encoded Node for the first request of each stream (R1)
   * @param newStreamId gives numbers never used before
   * @param reports what clients say of themselves besides what they ask for
   */
  constructor(
    group: StreamGroup,
    address: string,
    settings: SessionSettings,
    node: Buffer,
    newStreamId: () => number,
    random: Random,
    reports: ClientReports,
  ) {
    this.group = group;
    this.address = address;
    this.#settings = settings;
    this.#random = random;
    this.#node = node;
    this.#newStreamId = newStreamId;
    this.#reports = reports;
    this.#told = new ToldReports(reports);
    this.#renewal = new Renewal(0, random, 0);
    this.#backoff = new Backoff(settings.reconnectBaseMs, settings.reconnectMaxMs, random);
    this.#variant = new VariantChoice(settings.variant);
    this.types = new TypeLinks(settings, () => this.#variant.current);
  }

  get phase(): 'idle' | 'connecting' | 'open' | 'backoff' {
    return this.#phase.kind;
  }

  /** The phase as people see it: a stream counts as connected once it was opened to a reached server. */
  get status() {
    const { identifier, openedWallMs, downSinceWallMs, lastError, unauthenticatedSinceWallMs } = this.#history;
    return {
      phase: this.#phase.kind,
      variant: this.#variant.current,
      address: this.address,
      identifier,
      sinceWallMs: this.#phase.kind === 'open' ? openedWallMs : downSinceWallMs,
      lastError,
      unauthenticatedSinceWallMs,
    };
  }

  get isOpen(): boolean {
    return this.#phase.kind === 'open';
  }

  /** Number of the stream that events may come from; undefined while there is none. */
  get streamId(): number | undefined {
    return this.#phase.kind === 'open' || this.#phase.kind === 'connecting' ? this.#phase.streamId : undefined;
  }

  /** When the present stream counts as one that stands, whatever became of those before; monotonic in ms, Infinity without one. */
  get standsAtMs(): number {
    return this.#phase.kind === 'open' ? this.#phase.sinceMs + standingAfterMs : Infinity;
  }

  /** How long the present stream has stood, in ms; 0 without one. */
  openForMs(nowMs: number): number {
    return this.#phase.kind === 'open' ? nowMs - this.#phase.sinceMs : 0;
  }

  /** Whether the server has answered on the present stream. */
  get hasResponse(): boolean {
    return this.#phase.kind === 'open' && this.#phase.hasResponse;
  }

  /** Silence is about to be read as an end: asks whether the connection is alive, or has only lost the rest. */
  probe(): void {
    if (this.#phase.kind === 'open') this.#phase.probe.want();
  }

  /** It is. */
  alive(streamId: number, nowMs: number): void {
    if (this.#phase.kind === 'open' && this.#phase.streamId === streamId) this.#phase.probe.answered(nowMs);
  }

  /** Since when there has been no stream that stands, monotonic in ms; undefined while there is one, and before the first attempt. */
  downSinceMs(nowMs: number): number | undefined {
    return this.#isStanding(nowMs) ? undefined : this.#history.downSinceMs;
  }

  /** When what is held of a type counts as what upstream has, monotonic in ms: Infinity while it cannot, in the past when it does. */
  confirmedAtMs(typeUrl: TypeUrl): number {
    return this.#phase.kind === 'open' ? this.types.confirmedAtMs(typeUrl, this.#phase.probe.aliveAtMs) : Infinity;
  }

  /** The client that came has another Node than the one remembered: streams carry it from now on (R65, R68). */
  introduce(node: Buffer): void {
    if (this.#node.equals(node)) return;
    this.#node = node;
    if (this.#phase.kind === 'open') this.#renewal.nodeChanged();
  }

  /** The server has said that it is about to close the connection: another stream takes this one's place before it ends. */
  serverLeaves(streamId: number, nowMs: number): void {
    if (this.#phase.kind === 'open' && this.#phase.streamId === streamId) this.#renewal.serverLeaves(nowMs);
  }

  /** Certificates or tokens have changed: whoever waits to try again need not wait any longer. */
  credentialsChanged(nowMs: number): void {
    if (this.#phase.kind !== 'backoff') return;
    this.#backoff.reset();
    const delayMs = this.#random() * Math.min(this.#settings.reconnectBaseMs, renewedSpreadMs);
    this.#phase = { kind: 'backoff', untilMs: Math.min(this.#phase.untilMs, nowMs + delayMs) };
  }

  /** Opens another stream in place of the present one, and has everything sent on it once more: for whoever must see it whole. */
  beginAnew(reason: string, nowMs: number, wallMs: number): UpstreamEffect[] {
    this.#isNextWhole = true;
    const { streamId } = this;
    return streamId === undefined ? [] : this.#recycle(streamId, reason, nowMs, wallMs);
  }

  /** Ends the stream, and opens no other one before {@link advance} is called again. */
  stop(nowMs: number, wallMs: number): UpstreamEffect[] {
    const { streamId } = this;
    this.#history.left(this.#standing(nowMs), nowMs, wallMs);
    this.#phase = { kind: 'idle' };
    return streamId === undefined ? [] : [{ kind: 'close_upstream', streamId }];
  }

  /** Notes since the last call. */
  takeNotes(): SessionNote[] {
    return this.#notes.splice(0);
  }

  /**
   * Brings the stream on: opens it when something is wanted, writes the next request when the last one has left.
   * To be called after every event; it does at most one of these.
   */
  advance(nowMs: number, wallMs: number): UpstreamEffect[] {
    switch (this.#phase.kind) {
      case 'idle':
        return this.types.isAnythingWanted ? this.#open(nowMs, wallMs) : [];
      case 'backoff':
        if (this.#phase.untilMs > nowMs) return [];
        return this.types.isAnythingWanted ? this.#open(nowMs, wallMs) : [];
      case 'connecting':
        return [];
      case 'open':
        return this.#go(this.#phase, nowMs, wallMs);
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
      probe: new LivenessProbe(),
    };
    this.#renewal = new Renewal(this.#settings.recycleMs, this.#random, nowMs);
    this.#history.openedWallMs = wallMs;
    this.#notes.push({ kind: 'stream_opened', variant: this.#variant.current, address: this.address });
    this.#told = new ToldReports(this.#reports);
    const isResuming = this.#settings.isResuming && !this.#isNextWhole;
    this.#isNextWhole = false;
    this.types.restart(isResuming, this.#isCautious ? nowMs + standingAfterMs : -Infinity);
  }

  /** The last request has left. */
  writable(streamId: number, nowMs: number): void {
    if (this.#phase.kind !== 'open' || this.#phase.streamId !== streamId) return;
    this.#phase.isWriting = false;
    this.types.left(nowMs);
  }

  /**
   * The stream ended, for whatever cause. The back-off decides when the next one opens.
   *
   * @returns the type that the server seems to have ended it over, if any
   */
  closed(streamId: number, status: RpcStatus, nowMs: number, wallMs: number): TypeUrl | undefined {
    if (this.streamId !== streamId) return undefined;
    const hadResponse = this.#phase.kind === 'open' && this.#phase.hasResponse;
    if (!hadResponse) {
      const outcome = this.#variant.failed(status.code, nowMs);
      // The server is there, and clients wait for what it says in the other variant.
      if (outcome !== 'kept') this.#backoff.reset();
      if (outcome === 'changed') this.#noteVariant(`${this.address} answers Delta with UNIMPLEMENTED`);
    }
    const { isServerLeaving: isPlanned } = this.#renewal;
    const { isOpen: wasOpen, address } = this;
    const standing = this.#standing(nowMs);
    if (standing !== 'none') this.#backoff.ended(!isPlanned && this.openForMs(nowMs) < briefMs);
    const isFirstRefusal = this.#history.ended(status, standing, nowMs, wallMs);
    // Tokens are read at each stream, and a fresh one may be there already.
    const delay = isFirstRefusal ? 0 : this.#backoff.nextDelayMs();
    this.#phase = { kind: 'backoff', untilMs: nowMs + delay };
    const { code, message } = status;
    this.#isCautious = isSuspicious(code) && !this.types.isAnyAnswered;
    this.#notes.push({ kind: 'stream_lost', address, code, message, retryInMs: delay, wasOpen, isPlanned });
    return suspectOf(code, this.types.values(), nowMs);
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
      this.#history.heard();
      this.#notes.push({ kind: 'stream_answered', variant: this.#variant.current, address: this.address });
    }
    const read = decodeResponse(bytes, this.#variant.current, this.#settings.resourcesMax);
    // An answer to a type never asked for on this stream would subscribe to it, and a NACK there crashes istiod (R131).
    const known = read.typeUrl === '' ? undefined : this.types.get(read.typeUrl);
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
      this.types.answer(link.typeUrl, decoded.nonce, status, isRepeat, nowMs);
      return { received: { kind: 'refused', typeUrl: link.typeUrl, error: decoded.error }, effects: [] };
    }
    if (decoded.controlPlane !== '') this.#history.identifier = decoded.controlPlane;
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

  /**
   * What silence has told since the last call, type by type. Only an open stream's silence says anything (R115), and not on a name that
   * upstream may believe to have sent: then a new stream is opened instead.
   */
  *due(nowMs: number, isKnownMissing: (typeUrl: TypeUrl, name: string) => boolean): Generator<[TypeUrl, Verdicts]> {
    if (this.#phase.kind === 'open') yield* this.types.due(nowMs, isKnownMissing);
  }

  nextDeadlineMs(): number {
    if (this.#phase.kind === 'backoff') return this.types.isAnythingWanted ? this.#phase.untilMs : Infinity;
    if (this.#phase.kind !== 'open') return Infinity;
    const { isWriting, probe } = this.#phase;
    const silenceMs = probe.isUnderWay ? Infinity : this.types.nextSilenceMs(probe.aliveAtMs);
    const ownMs = Math.min(this.#variant.deltaRetryAtMs, this.#renewal.nextDeadlineMs(), probe.nextDeadlineMs());
    return Math.min(ownMs, silenceMs, this.types.nextDeadlineMs(isWriting));
  }

  /** Whether the server is there at the moment. */
  #isStanding(nowMs: number): boolean {
    if (this.#phase.kind !== 'open') return false;
    return this.#phase.hasResponse || nowMs >= this.standsAtMs;
  }

  /** What the present stream was worth if it ended now; one whose end was announced need not have lasted. */
  #standing(nowMs: number): Standing {
    if (!this.#isStanding(nowMs)) return 'none';
    return nowMs >= this.standsAtMs || this.#renewal.isServerLeaving ? 'long' : 'brief';
  }

  #open(nowMs: number, wallMs: number): UpstreamEffect[] {
    const streamId = this.#newStreamId();
    const { address } = this;
    const { current: variant } = this.#variant;
    this.#phase = { kind: 'connecting', streamId };
    this.#history.opening(nowMs, wallMs);
    this.#notes.push({ kind: 'stream_opening', variant, address });
    return [{ kind: 'open_upstream', streamId, variant, address }];
  }

  #go(phase: Phase & { kind: 'open' }, nowMs: number, wallMs: number): UpstreamEffect[] {
    const effects = this.#write(phase, nowMs, wallMs);
    const { probe } = phase;
    if (this.types.nextSilenceMs(probe.aliveAtMs) <= nowMs) probe.want();
    if (this.#phase !== phase || !probe.take(nowMs)) return effects;
    return [...effects, { kind: 'probe_upstream', streamId: phase.streamId }];
  }

  #write(phase: Phase & { kind: 'open' }, nowMs: number, wallMs: number): UpstreamEffect[] {
    if (this.#variant.deltaRetryAtMs <= nowMs) {
      this.#variant.retryDelta();
      this.#noteVariant('an hour has passed in the SotW fallback');
      return this.#recycle(phase.streamId, 'to try the Delta variant again', nowMs, wallMs);
    }
    const reason = this.#renewal.dueReason(nowMs);
    if (reason !== undefined) return this.#recycle(phase.streamId, reason, nowMs, wallMs);
    // A server that does not read is not asked for more.
    if (phase.isWriting) return [];
    const blocked = this.types.needingNewStream();
    if (blocked !== undefined) {
      const { shortName } = traitsOf(blocked);
      return this.#recycle(phase.streamId, `to ask for ${shortName} from the beginning`, nowMs, wallMs);
    }
    const request = this.types.next(nowMs)?.request ?? this.#nextReport();
    if (!request) return [];
    phase.isWriting = true;
    const node = phase.isNodeSent ? undefined : this.#node;
    phase.isNodeSent = true;
    const bytes =
      request.variant === 'sotw' ? encodeSotwRequest({ ...request, node }) : encodeDeltaRequest({ ...request, node });
    return [{ kind: 'send_upstream', streamId: phase.streamId, bytes }];
  }

  #nextReport(): UpstreamRequest | undefined {
    const report = this.#told.next(typeUrl => this.types.get(typeUrl)?.subscription.isAsked ?? false);
    return report && reportRequest(report, this.#variant.current);
  }

  /** Ends a healthy stream in order to open another one at once. */
  #recycle(streamId: number, reason: string, nowMs: number, wallMs: number): UpstreamEffect[] {
    this.#notes.push({ kind: 'stream_recycled', reason });
    this.#history.left(this.#standing(nowMs), nowMs, wallMs);
    return [{ kind: 'close_upstream', streamId }, ...this.#open(nowMs, wallMs)];
  }

  #noteVariant(reason: string): void {
    this.#notes.push({ kind: 'variant_changed', variant: this.#variant.current, reason });
  }
}
