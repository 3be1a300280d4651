import type { Verdict } from '../local-ads/nonce-book.ts';
import { grpcCode, type Nonce, type RpcStatus } from '../xds/types.ts';

/**
 * Whose word the control plane is given (R98, R99). `clients`: a rejection by anybody; `first`: whatever the first one says; `quorum`: what most of
 * those that answer say; `all`: a rejection only if all that answer reject; `receipt`: an ACK at once.
 */
export type AckMode = 'clients' | 'first' | 'quorum' | 'all' | 'receipt';

/** An upstream response whose verdict is due. */
export interface Decision {
  readonly nonce: Nonce;
  /** Undefined for an ACK. */
  readonly status: RpcStatus | undefined;
  /** When the response was taken up, monotonic in ms. */
  readonly heardAtMs: number;
}

/** A response whose verdict is to be found. */
export interface HeardResponse {
  readonly nonce: Nonce;
  /** Store revisions before and after it. */
  readonly fromRevision: number;
  readonly toRevision: number;
  /** What it changed. */
  readonly names: ReadonlySet<string>;
  /** Streams that are sent something of it. */
  readonly concerned: ReadonlySet<number>;
  /** When it was taken up, and until when their words are waited for, monotonic in ms. */
  readonly heardAtMs: number;
  readonly deadlineMs: number;
  /** A rejection that stands whatever the clients say: of content in it that is in quarantine. */
  readonly standing: RpcStatus | undefined;
}

interface OpenResponse extends HeardResponse {
  /** Streams whose word is awaited. */
  readonly voters: Set<number>;
  /** How many there were at first, but for those that left without a word. */
  asked: number;
  readonly refusals: Refusal[];
  /** Rejections of a list that still held what goes, by stream: they count if the word on the final list does not come in time. */
  readonly objections: Map<number, Refusal>;
  readonly accepted: Set<number>;
  /** Who has left since: its rejection is told, but nobody stands by it any more. */
  readonly gone: Set<number>;
  /** Whether the first word was a rejection; undefined before it. */
  isFirstRefusal: boolean | undefined;
}

interface Refusal {
  readonly streamId: number;
  readonly nodeId: string;
  readonly status: RpcStatus;
}

/** Clients quoted in one NACK upstream, and the length of its text (R101). */
const quotedMax = 4;
const textMax = 4096;

/**
 * Gathers the clients' words on upstream responses of one type, and says when the control plane is to be answered and how (R98): when
 * everyone who was sent something of it has answered, at the latest when the wait is over. What a client says later may still become
 * a late NACK (R100).
 */
export class AckLedger {
  readonly #mode: AckMode;
  #open: OpenResponse[] = [];
  /** The response decided last, for a late NACK. */
  #decided: { readonly response: HeardResponse; readonly isAck: boolean } | undefined;
  /** The newest NACK and who still stands by it, to notice that upstream sent the same again (R130). */
  #refused:
    | {
        readonly status: RpcStatus;
        readonly toRevision: number;
        readonly names: ReadonlySet<string>;
        readonly refusers: Set<number>;
      }
    | undefined;

  constructor(mode: AckMode) {
    this.#mode = mode;
  }

  /** The NACK that content at this revision got, if upstream has sent nothing new since, and sends some of it again now. */
  refusalAt(revision: number, names: readonly string[]): RpcStatus | undefined {
    const refused = this.#refused;
    if (refused?.toRevision !== revision) return undefined;
    return names.some(name => refused.names.has(name)) ? refused.status : undefined;
  }

  /** A response was applied; its verdict waits for those that it concerns, but for `receipt`. */
  open(response: HeardResponse): void {
    const voters = this.#mode === 'receipt' ? [] : response.concerned;
    this.#open.push({
      ...response,
      voters: new Set(voters),
      asked: response.concerned.size,
      refusals: [],
      objections: new Map(),
      accepted: new Set(),
      gone: new Set(),
      isFirstRefusal: undefined,
    });
  }

  /** A client answered a message. Its word counts for every response that the message held something of (R98). */
  vote(streamId: number, nodeId: string, verdict: Verdict): void {
    for (const response of this.#open) {
      const isTouched = isAbout(response, streamId, verdict);
      const isLast = verdict.toRevision >= response.toRevision;
      if (verdict.status && isTouched) response.refusals.push({ streamId, nodeId, status: verdict.status });
      // Who was sent nothing of it has no say in it.
      else if (!verdict.status && isLast && response.voters.has(streamId)) response.accepted.add(streamId);
      if (isTouched) response.isFirstRefusal ??= verdict.status !== undefined;
      if (isTouched) response.objections.delete(streamId);
      if (isLast) response.voters.delete(streamId);
    }
    // Who refused and then accepts what is current refuses nothing any more.
    if (!verdict.status && this.#refused && verdict.toRevision >= this.#refused.toRevision) this.#relent(streamId);
  }

  /** A client rejected a list that still held what upstream has removed. The word on the next one, without it, counts in its place (R86). */
  objected(streamId: number, nodeId: string, verdict: Verdict): void {
    const { status } = verdict;
    for (const response of this.#open) {
      if (status && isAbout(response, streamId, verdict)) {
        response.objections.set(streamId, { streamId, nodeId, status });
      }
    }
  }

  /** The response already ACKed that a late refusal is about, if it is still the newest. */
  lateTarget(streamId: number, verdict: Verdict): Nonce | undefined {
    const decided = this.#decided;
    if (!verdict.status || !decided?.isAck || this.#open.length > 0) return undefined;
    return isAbout(decided.response, streamId, verdict) ? decided.response.nonce : undefined;
  }

  /** Upstream is told late that a client rejects what {@link lateTarget} gave: the same content again is refused from then on (R130). */
  refusedLate(streamId: number, status: RpcStatus): void {
    if (!this.#decided) return;
    const { response } = this.#decided;
    const { toRevision, names } = response;
    this.#decided = { response, isAck: false };
    this.#refused = { status, toRevision, names, refusers: new Set([streamId]) };
  }

  /** A client left: nobody waits for its word. */
  left(streamId: number): void {
    for (const response of this.#open) {
      response.gone.add(streamId);
      if (response.voters.delete(streamId)) response.asked--;
    }
    this.#relent(streamId);
  }

  /** The newest response whose verdict is open. */
  get newestNonce(): Nonce | undefined {
    return this.#open.at(-1)?.nonce;
  }

  /** The upstream stream ended: its nonces died with it (R131). */
  clear(): void {
    this.#open = [];
    this.#decided = undefined;
  }

  nextDeadlineMs(): number {
    return this.#open[0]?.deadlineMs ?? Infinity;
  }

  /** Takes the verdicts that are due, in the order of the responses. */
  take(nowMs: number): Decision[] {
    const decisions: Decision[] = [];
    while (this.#open[0] && (this.#open[0].deadlineMs <= nowMs || isDecided(this.#mode, this.#open[0]))) {
      const [response] = this.#open.splice(0, 1);
      if (!response) break;
      // Their time is over, so this is the last word there is.
      for (const objection of response.objections.values()) response.refusals.push(objection);
      const status = isRefused(this.#mode, response) ? quote(response.refusals) : response.standing;
      const { nonce, toRevision, names, heardAtMs } = response;
      this.#decided = { response, isAck: !status };
      if (status && isRefused(this.#mode, response)) {
        const refusers = new Set([...refusersOf(response.refusals)].filter(streamId => !response.gone.has(streamId)));
        this.#refused = refusers.size > 0 ? { status, toRevision, names, refusers } : undefined;
      }
      decisions.push({ nonce, status, heardAtMs });
    }
    return decisions;
  }

  #relent(streamId: number): void {
    this.#refused?.refusers.delete(streamId);
    if (this.#refused?.refusers.size === 0) this.#refused = undefined;
  }
}

/** Whether a client's word is about a response: it was concerned by it, or has been sent something of it since (R98). */
function isAbout(
  { fromRevision, toRevision, names, concerned }: HeardResponse,
  streamId: number,
  verdict: Verdict,
): boolean {
  if (verdict.toRevision <= fromRevision || verdict.fromRevision >= toRevision) return false;
  return concerned.has(streamId) || verdict.names.some(name => names.has(name));
}

/** Whether more words would change nothing. */
function isDecided(mode: AckMode, { voters, asked, accepted, refusals, isFirstRefusal }: OpenResponse): boolean {
  if (voters.size === 0) return true;
  if (mode === 'first') return isFirstRefusal !== undefined;
  if (mode === 'all') return accepted.size > 0;
  return mode === 'quorum' && (2 * accepted.size >= asked || 2 * refusersOf(refusals).size > asked);
}

function isRefused(mode: AckMode, { accepted, refusals, isFirstRefusal }: OpenResponse): boolean {
  if (refusals.length === 0) return false;
  if (mode === 'first') return isFirstRefusal === true;
  if (mode === 'all') return accepted.size === 0;
  return mode !== 'quorum' || refusersOf(refusals).size > accepted.size;
}

function refusersOf(refusals: readonly Refusal[]): ReadonlySet<number> {
  return new Set(refusals.map(refusal => refusal.streamId));
}

/** One status out of several clients' (R101). */
export function quote(refusals: readonly Refusal[]): RpcStatus {
  const texts = refusals.slice(0, quotedMax).map(({ nodeId, status }) => `node ${nodeId}: ${status.message}`);
  if (refusals.length > quotedMax) texts.push(`and ${refusals.length - quotedMax} more clients`);
  const message = texts.join('; ');
  return {
    code: refusals[0]?.status.code || grpcCode.invalidArgument,
    message: message.length > textMax ? `${message.slice(0, textMax)}…` : message,
  };
}
