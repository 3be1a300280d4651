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

  /** @param count number of servers, ≥ 1 */
  constructor(count: number, settings: ServerChoiceSettings, random: Random) {
    this.#count = count;
    this.#settings = settings;
    this.#random = random;
  }

  /** The server to be tried beside the one in use now; undefined for none. */
  next(active: ActiveServer, nowMs: number): number | undefined {
    if (this.#nextRoundAtMs > nowMs) return undefined;
    const isLeft = this.#mayLeave(active, nowMs);
    for (let index = 0; index < this.#count; index++) {
      if (index === active.index || this.#tried.has(index)) continue;
      if (isLeft || isAbove(index, active)) return index;
    }
    if (this.#tried.size > 0) this.#endRound(nowMs);
    return undefined;
  }

  /** A server that was tried gave no stream, or nothing on it. */
  failed(index: number, nowMs: number): void {
    this.#tried.add(index);
    if (this.#tried.size + 1 >= this.#count) this.#endRound(nowMs);
  }

  /** Another server is in use now. */
  switched(index: number, nowMs: number): void {
    this.#endRound(nowMs);
    // From the first one there is nothing to return to, and whoever loses it is not to wait for a round.
    if (index === 0) this.#nextRoundAtMs = -Infinity;
  }

  /** What kept servers from taking us may be over: no round is waited for. */
  hurry(nowMs: number): void {
    if (this.#nextRoundAtMs > nowMs) this.#nextRoundAtMs = nowMs;
  }

  /** When {@link next} may give a server that it does not give now, monotonic in ms. */
  nextDeadlineMs(active: ActiveServer): number {
    if (this.#count === 1 && active.index === 0) return Infinity;
    const leaveAtMs = this.#leaveAtMs(active);
    // With the first one in use there is nothing to return to.
    if (active.index === 0) return leaveAtMs === Infinity ? Infinity : Math.max(leaveAtMs, this.#nextRoundAtMs);
    return this.#nextRoundAtMs > -Infinity ? this.#nextRoundAtMs : leaveAtMs;
  }

  #mayLeave(active: ActiveServer, nowMs: number): boolean {
    return this.#leaveAtMs(active) <= nowMs;
  }

  #leaveAtMs({ index, downSinceMs, isWaiting, hasContent }: ActiveServer): number {
    if (index < 0) return -Infinity;
    if (downSinceMs === undefined) return Infinity;
    if (!hasContent && isWaiting) return -Infinity;
    return downSinceMs + dialAt * this.#settings.failoverAfterMs;
  }

  #endRound(nowMs: number): void {
    this.#tried.clear();
    this.#nextRoundAtMs = nowMs + retryMsMin + this.#random() * (retryMsMax - retryMsMin);
  }
}

function isAbove(index: number, active: ActiveServer): boolean {
  return active.index < 0 || index < active.index;
}
