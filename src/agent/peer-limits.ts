import { grpcCode, type RpcStatus } from '../xds/types.ts';

/** What one peer may do: one node id that comes to one address with one proven name (R123). */
export interface PeerLimitSettings {
  /** Streams at once. */
  readonly clientStreamsPerPeerMax: number;
  /** Requests a second in the long run. */
  readonly requestsPerSecondMax: number;
  /** Requests at once beyond that. */
  readonly requestBurstMax: number;
  /** Names that all its streams may ask for together. */
  readonly namesPerPeerMax: number;
}

interface Account {
  streams: number;
  names: number;
  /** Requests that may still come, at `atMs`. */
  credit: number;
  atMs: number;
}

/** A new stream is given everything anew, so it counts as so many requests. */
const streamCost = 10;
/** Work that a request makes by its size: so many names in its lists, or so many that it adds or drops, count as one more. */
const listedPerCredit = 2_000;
const changedPerCredit = 50;
/** Accounts of peers that are gone, past which those that owe least are closed. */
const idleAccountsMax = 1_000;

/** Keeps account of what each peer asks for: an allowance that fills up with time, so a reconnect does not renew it. */
export class PeerLimits {
  readonly #settings: PeerLimitSettings;
  readonly #accounts = new Map<string, Account>();
  #idle = 0;

  constructor(settings: PeerLimitSettings) {
    this.#settings = settings;
  }

  /** A stream of this peer was let in; returns why it may not be, if so. Then it is not counted. */
  opened(peer: string, nowMs: number): RpcStatus | undefined {
    const { clientStreamsPerPeerMax, requestBurstMax } = this.#settings;
    let account = this.#accounts.get(peer);
    if (!account) {
      // A burst smaller than a stream's cost must not keep everybody out.
      account = { streams: 0, names: 0, credit: Math.max(requestBurstMax, 2 * streamCost), atMs: nowMs };
      this.#accounts.set(peer, account);
      this.#idle++;
    }
    const problem =
      account.streams >= clientStreamsPerPeerMax
        ? exhausted(`this client has ${clientStreamsPerPeerMax} streams open already (setting clientStreamsPerPeerMax)`)
        : this.#spend(account, streamCost, nowMs);
    if (problem) return problem;
    if (account.streams++ === 0) this.#idle--;
    return undefined;
  }

  /** A request of this peer came; returns why that is one too many, if so. @param listed names in its lists */
  asked(peer: string, listed: number, nowMs: number): RpcStatus | undefined {
    const account = this.#accounts.get(peer);
    return account && this.#spend(account, 1 + Math.floor(listed / listedPerCredit), nowMs);
  }

  /** How many names more its streams may ask for. */
  namesRoom(peer: string): number {
    return this.#settings.namesPerPeerMax - (this.#accounts.get(peer)?.names ?? 0);
  }

  /**
   * A request changed what a stream of this peer asks for; returns why that is too much, if so.
   *
   * @param gained names more than before, or fewer
   * @param changed names that were added or dropped
   */
  changed(peer: string, gained: number, changed: number, nowMs: number): RpcStatus | undefined {
    const account = this.#accounts.get(peer);
    if (!account) return undefined;
    account.names += gained;
    return this.#spend(account, Math.floor(changed / changedPerCredit), nowMs);
  }

  /** A stream that was counted ended. @param names that it asked for */
  closed(peer: string, names: number, nowMs: number): void {
    const account = this.#accounts.get(peer);
    if (!account) return;
    account.names -= names;
    if (--account.streams > 0) return;
    if (++this.#idle > idleAccountsMax) this.#closeIdle(nowMs);
  }

  #spend(account: Account, cost: number, nowMs: number): RpcStatus | undefined {
    this.#refill(account, nowMs);
    const { requestsPerSecondMax } = this.#settings;
    if (account.credit < cost) {
      return exhausted(
        `this client sends more than ${requestsPerSecondMax} requests a second (settings requestsPerSecondMax, requestBurstMax)`,
      );
    }
    account.credit -= cost;
    return undefined;
  }

  #refill(account: Account, nowMs: number): void {
    const { requestsPerSecondMax, requestBurstMax } = this.#settings;
    const earned = ((nowMs - account.atMs) * requestsPerSecondMax) / 1000;
    account.credit = Math.min(account.credit + earned, Math.max(requestBurstMax, 2 * streamCost));
    account.atMs = nowMs;
  }

  /** Closes half of the accounts of peers that are gone: those that owe least, so that no crowd of new ones renews an allowance that was used up. */
  #closeIdle(nowMs: number): void {
    const idle = [...this.#accounts].filter(([, { streams }]) => streams === 0);
    for (const [, account] of idle) this.#refill(account, nowMs);
    idle.sort(([, a], [, b]) => b.credit - a.credit);
    for (const [peer] of idle.slice(0, Math.ceil(idle.length / 2))) this.#accounts.delete(peer);
    this.#idle -= Math.ceil(idle.length / 2);
  }
}

function exhausted(message: string): RpcStatus {
  return { code: grpcCode.resourceExhausted, message };
}
