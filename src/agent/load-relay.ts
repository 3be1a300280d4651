import type { Backoff } from '../upstream/backoff.ts';
import { grpcCode, type RpcStatus } from '../xds/types.ts';

/** What one client's load reports need done. */
export type RelayEffect =
  | { readonly kind: 'dial' }
  | { readonly kind: 'send'; readonly bytes: Buffer }
  /** A word of the control plane for the client. */
  | { readonly kind: 'deliver'; readonly bytes: Buffer }
  | { readonly kind: 'retry_in'; readonly ms: number }
  | { readonly kind: 'refuse'; readonly status: RpcStatus };

/**
 * Carries the load reports of one client on one stream of its own, so that nodes are never merged (R128). While the control plane is away the
 * client's stream stays: its reports are dropped and counted, and the first request, which holds the node, goes first when it is back.
 */
export class LoadRelay {
  /** Reports that nobody took. */
  dropped = 0;
  readonly #backoff: Backoff;
  #first: Buffer | undefined;
  #phase: 'idle' | 'dialling' | 'open' | 'waiting' = 'idle';
  #isWriting = false;
  /** The newest report that waits for the one before it to leave. */
  #pending: Buffer | undefined;

  constructor(backoff: Backoff) {
    this.#backoff = backoff;
  }

  /** The client sent a request. */
  report(bytes: Buffer): RelayEffect[] {
    if (!this.#first) {
      this.#first = bytes;
      this.#phase = 'dialling';
      return [{ kind: 'dial' }];
    }
    if (this.#phase !== 'open' || this.#pending) this.dropped++;
    if (this.#phase !== 'open') return [];
    if (!this.#isWriting) return this.#send(bytes);
    this.#pending = bytes;
    return [];
  }

  /** The upstream stream stands. */
  opened(): RelayEffect[] {
    this.#phase = 'open';
    return this.#first ? this.#send(this.#first) : [];
  }

  /** The last report has left. */
  left(): RelayEffect[] {
    this.#isWriting = false;
    const bytes = this.#pending;
    this.#pending = undefined;
    return bytes ? this.#send(bytes) : [];
  }

  /** The control plane said something. */
  heard(bytes: Buffer): RelayEffect[] {
    this.#backoff.reset();
    return [{ kind: 'deliver', bytes }];
  }

  /** The upstream stream ended. That a control plane takes no reports is for the client to know; anything else passes. */
  ended(code: number, message: string): RelayEffect[] {
    this.#phase = 'waiting';
    this.#isWriting = false;
    if (this.#pending) this.dropped++;
    this.#pending = undefined;
    if (code === grpcCode.unimplemented) return [{ kind: 'refuse', status: { code, message } }];
    return [{ kind: 'retry_in', ms: this.#backoff.nextDelayMs() }];
  }

  /** The pause is over. */
  retry(): RelayEffect[] {
    this.#phase = 'dialling';
    return [{ kind: 'dial' }];
  }

  #send(bytes: Buffer): RelayEffect[] {
    this.#isWriting = true;
    return [{ kind: 'send', bytes }];
  }
}
