import type { Suspects } from '../cache/quarantine.ts';
import type { Nonce, RpcStatus, TypeUrl } from '../xds/types.ts';

/** A message as the client will speak of it. */
export interface SentMessage {
  readonly fromRevision: number;
  readonly toRevision: number;
  readonly versionInfo: string;
  /** Names whose content was news in this message. */
  readonly names: readonly string[];
  readonly removed: readonly string[];
  /** The list still holds what upstream removed, so a rejection may be about that. */
  readonly isProvisional: boolean;
  /** Epoch of the store when the message was made (R102). */
  readonly epoch: number;
}

/** A message that was answered. */
export interface AnsweredMessage extends SentMessage {
  /** Names that were news in lists that were refused since the last one that was not: they may be the reason again. */
  readonly refusedBefore: readonly string[];
}

/** A client's word on content between two store revisions. */
export interface Verdict {
  readonly typeUrl: TypeUrl;
  readonly fromRevision: number;
  readonly toRevision: number;
  /** Undefined for an ACK; its words may be kept and shown. */
  readonly status: RpcStatus | undefined;
  /** What a rejection is about: those of the names that its words name, or all where they name none (R102). */
  readonly suspects: Suspects;
  /** The message held what upstream had removed already; the next one, without it, gets the verdict that counts. */
  readonly isProvisional: boolean;
  /** Names whose content was news in the message. */
  readonly names: readonly string[];
  /** Epoch of the store when the message was made (R102). */
  readonly epoch: number;
}

/** Unanswered messages remembered; a client that answers none of so many is odd enough to be forgotten about. */
const unansweredMax = 64;

/**
 * The nonces of one type on one client stream, and what the client answered to them (R83–R85). Nonces are made of the store's revision, so
 * that streams that are told the same can share the encoded bytes; a repetition at one revision gets a suffix.
 */
export class NonceBook {
  readonly #prefix: string;
  /** SotW: an answer to one message speaks for those before it, since a client may answer the newest only (R42). */
  readonly #isNewestOnly: boolean;
  readonly #unanswered = new Map<string, SentMessage>();
  #newest: string | undefined;
  #revision = -1;
  #repeats = 0;
  #ackedVersion = '';
  #isNewestRefused = false;
  /** News of the lists that were refused since the last one that was accepted. */
  readonly #refused = new Set<string>();

  /** @param prefix makes this type's nonces differ from those of the others on a stream */
  constructor(prefix: string, isNewestOnly: boolean) {
    this.#prefix = prefix;
    this.#isNewestOnly = isNewestOnly;
  }

  get hasSent(): boolean {
    return this.#newest !== undefined;
  }

  /** Version the client accepted last, or brought along. */
  get ackedVersion(): string {
    return this.#ackedVersion;
  }

  /** Whether a message waits for the client's answer. */
  get isAnswerAwaited(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Whether the client has been sent what changed at this revision and has not answered. */
  isAwaitedAt(revision: number): boolean {
    for (const { fromRevision, toRevision } of this.#unanswered.values()) {
      if (fromRevision < revision && revision <= toRevision) return true;
    }
    return false;
  }

  get status(): 'SYNCED' | 'STALE' | 'NOT SENT' | 'REJECTED' {
    if (this.#isNewestRefused) return 'REJECTED';
    if (!this.hasSent) return this.#ackedVersion === '' ? 'NOT SENT' : 'SYNCED';
    return this.#unanswered.size === 0 ? 'SYNCED' : 'STALE';
  }

  /** The client came with the current version and needs nothing (R92). */
  isLevelWith(versionInfo: string): void {
    this.#ackedVersion = versionInfo;
  }

  /** Nonce for the next message, never used on this stream before. */
  next(toRevision: number): string {
    this.#repeats = this.#revision === toRevision ? this.#repeats + 1 : 0;
    this.#revision = toRevision;
    const nonce = this.#prefix + toRevision.toString(36);
    return this.#repeats === 0 ? nonce : `${nonce}.${this.#repeats.toString(36)}`;
  }

  sent(nonce: string, message: SentMessage): void {
    this.#unanswered.set(nonce, message);
    this.#newest = nonce;
    this.#isNewestRefused = false;
    if (this.#unanswered.size <= unansweredMax) return;
    const oldest = this.#unanswered.keys().next();
    if (!oldest.done) this.#unanswered.delete(oldest.value);
  }

  /**
   * Takes in an answer.
   *
   * @returns the revisions it speaks of; undefined when the nonce is unknown or was answered before (R84, R85)
   */
  answered(nonce: Nonce | '', isRefused: boolean): AnsweredMessage | undefined {
    const sent = this.#unanswered.get(nonce);
    if (!sent) return undefined;
    let { fromRevision, names, removed } = sent;
    for (const [older, message] of this.#unanswered) {
      if (older === nonce || !this.#isNewestOnly) break;
      fromRevision = Math.min(fromRevision, message.fromRevision);
      names = names.concat(message.names);
      removed = removed.concat(message.removed);
      this.#unanswered.delete(older);
    }
    this.#unanswered.delete(nonce);
    if (!isRefused) this.#ackedVersion = sent.versionInfo;
    if (nonce === this.#newest) this.#isNewestRefused = isRefused;
    const refusedBefore = [...this.#refused];
    if (!isRefused) this.#refused.clear();
    // A Delta message is taken or refused for itself.
    else if (this.#isNewestOnly) for (const name of names) this.#refused.add(name);
    return { ...sent, fromRevision, names, removed, refusedBefore };
  }
}
