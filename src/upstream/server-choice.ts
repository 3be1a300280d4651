import type { Random } from './backoff.ts';

/** Timing of a list of servers, in ms. */
export interface ServerChoiceSettings {
  /** How long the server in use may be without a stream before the next one takes its place. */
  readonly failoverAfterMs: number;
}

/** How the server in use stands. */
export interface ActiveServer {
  /** Its place in the list; -1 when what is held came from a server that is not listed any more. */
  readonly index: number;
  /** Since when it has been without a stream, monotonic in ms; undefined while it has one. */
  readonly downSinceMs: number | undefined;
  /** Its last attempt has failed, and it waits for the next. */
  readonly isWaiting: boolean;
  /** Something of it is held, which is served meanwhile. */
  readonly hasContent: boolean;
}

/** The next server is dialled at this part of the time, so that it is in place when the time is up. */
const dialAt = 0.9;
/** A server further up the list is tried again after so many ms at the least and at the most. */
const retryMsMin = 5_000;
const retryMsMax = 15_000;

/**
 * Which of several servers is tried beside the one in use (gRFC A71 with another rule): one further up the list all the time, so that the
 * primary is returned to soon after it is back; one further down once the one in use has been without a stream for a while, or at once when
 * there is nothing to serve meanwhile.
 */
export class ServerChoice {
  readonly #settings: ServerChoiceSettings;
  readonly #random: Random;
  readonly #count: number;
  /** Those tried in the present round. */
  readonly #tried = new Set<number>();
  #nextRoundAtMs = -Infinity;
  /** Since when the server in use may be left, in the present outage of it; undefined while it may not. */
  #leftAtMs: number | undefined;

  /** @param count number of servers, ≥ 1 */
  constructor(count: number, settings: ServerChoiceSettings, random: Random) {
    this.#count = count;
    this.#settings = settings;
    this.#random = random;
  }

  /** The server to be tried beside the one in use now; undefined for none. */
  next(active: ActiveServer, nowMs: number): number | undefined {
    const leaveAtMs = this.#leaveAtMs(active);
    const isLeft = leaveAtMs <= nowMs;
    // Whoever loses the one in use is not to wait for a round in which others were looked for.
    if (isLeft && this.#leftAtMs !== leaveAtMs) this.#beginRound();
    this.#leftAtMs = isLeft ? leaveAtMs : undefined;
    if (this.#nextRoundAtMs > nowMs) return undefined;
    for (let index = 0; index < this.#count; index++) {
      if (index === active.index || this.#tried.has(index)) continue;
      if (isLeft || isAbove(index, active)) return index;
    }
    if (this.#tried.size > 0) this.#endRound(nowMs);
    return undefined;
  }

  /** A server that was tried gave no stream, or nothing on it. */
  failed(index: number): void {
    this.#tried.add(index);
  }

  /** Another server is in use now. */
  switched(index: number, nowMs: number): void {
    this.#endRound(nowMs);
    // From the first one there is nothing to return to.
    if (index === 0) this.#beginRound();
  }

  /** What kept servers from taking us may be over: no round is waited for. */
  hurry(nowMs: number): void {
    if (this.#nextRoundAtMs > nowMs) this.#nextRoundAtMs = nowMs;
  }

  /** When {@link next} may give a server that it did not give at the last call, monotonic in ms. */
  nextDeadlineMs(active: ActiveServer): number {
    if (this.#count === 1 && active.index === 0) return Infinity;
    const leaveAtMs = this.#leaveAtMs(active);
    if (leaveAtMs === this.#leftAtMs) return this.#nextRoundAtMs;
    return active.index === 0 ? leaveAtMs : Math.min(leaveAtMs, this.#nextRoundAtMs);
  }

  #leaveAtMs({ index, downSinceMs, isWaiting, hasContent }: ActiveServer): number {
    if (index < 0) return -Infinity;
    if (downSinceMs === undefined) return Infinity;
    // At once, and for as long as it has not come to stand: its attempts go on meanwhile.
    if (!hasContent && (isWaiting || this.#leftAtMs === -Infinity)) return -Infinity;
    return downSinceMs + dialAt * this.#settings.failoverAfterMs;
  }

  #beginRound(): void {
    this.#tried.clear();
    this.#nextRoundAtMs = -Infinity;
  }

  #endRound(nowMs: number): void {
    this.#tried.clear();
    this.#nextRoundAtMs = nowMs + retryMsMin + this.#random() * (retryMsMax - retryMsMin);
  }
}

function isAbove(index: number, active: ActiveServer): boolean {
  return active.index < 0 || index < active.index;
}
