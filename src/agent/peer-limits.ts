import { grpcCode, type RpcStatus } from '../xds/types.ts';

/** What one peer may do: one node id that comes to one address with one proven name (R123). */
export interface PeerLimitSettings {
  /** Streams at once. */
  readonly clientStreamsPerPeerMax: number;
  /** Requests a second in the long run. */
  readonly requestsPerSecondMax: number;
  /** Requests at once beyond that. */
  readonly requestBurstMax: number;
}

interface Account {
  streams: number;
  /** Requests that may still come, at `atMs`. */
  credit: number;
  atMs: number;
}

/** A new stream is given everything anew, so it counts as so many requests. */
const streamCost = 10;
/** Accounts of peers that are gone, past which those that are in order again are closed. */
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
      account = { streams: 0, credit: Math.max(requestBurstMax, 2 * streamCost), atMs: nowMs };
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

  /** A request of this peer came; returns why that is one too many, if so. */
  asked(peer: string, nowMs: number): RpcStatus | undefined {
    const account = this.#accounts.get(peer);
    return account && this.#spend(account, 1, nowMs);
  }

  /** A stream that was counted ended. */
  closed(peer: string, nowMs: number): void {
    const account = this.#accounts.get(peer);
    if (!account || --account.streams > 0) return;
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

  /** Closes the accounts of peers that are gone and owe nothing; if none is in order, the oldest. */
  #closeIdle(nowMs: number): void {
    for (const [peer, account] of this.#accounts) {
      if (account.streams > 0) continue;
      this.#refill(account, nowMs);
      if (account.credit < this.#settings.requestBurstMax && this.#idle <= idleAccountsMax) continue;
      this.#accounts.delete(peer);
      this.#idle--;
    }
  }
}

function exhausted(message: string): RpcStatus {
  return { code: grpcCode.resourceExhausted, message };
}
