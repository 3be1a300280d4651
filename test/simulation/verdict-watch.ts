import assert from 'node:assert/strict';
import type { AckMode } from '../../src/agent/ack-ledger.ts';
import type { Variant } from '../../src/xds/types.ts';
import { decodeTestRequest, decodeTestResponse } from '../support/messages.ts';
import { decodeSim } from './resources.ts';

interface Response {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  /** Serials that the agent had never seen before. */
  readonly news: readonly number[];
  isRefused: boolean;
  /** The agent has its verdict, be the request still on its way. */
  isDecided: boolean;
}

/** Watches what the clients say of new content, and what the agent tells the control plane of it (R98): a rejection is not made an acceptance. */
export class VerdictWatch {
  readonly #ack: AckMode;
  /** By stream and nonce. */
  readonly #responses = new Map<string, Response>();
  readonly #broughtBy = new Map<number, Response>();
  /** Serials that any client has rejected. */
  readonly #rejected = new Set<number>();

  constructor(ack: AckMode) {
    this.#ack = ack;
  }

  /** A response reached the agent. */
  response(streamId: number, bytes: Buffer, variant: Variant): void {
    const { typeUrl, nonce, version, resources } = decodeTestResponse(bytes, variant);
    const serials = resources.map(one => decodeSim(one.body).serial);
    const news = serials.filter(serial => !this.#broughtBy.has(serial));
    const response = { typeUrl, nonce, version, news, isRefused: false, isDecided: false };
    for (const serial of news) this.#broughtBy.set(serial, response);
    this.#responses.set(`${streamId} ${nonce}`, response);
  }

  /** A client's rejection of these contents reached the agent. */
  rejected(serials: readonly number[]): void {
    for (const serial of serials) {
      this.#rejected.add(serial);
      const response = this.#broughtBy.get(serial);
      if (response && !response.isDecided) response.isRefused = true;
    }
  }

  /** The agent decided on a response; a word that comes later is another matter (R100). */
  decided(typeUrl: string, nonce: string): void {
    for (const response of this.#responses.values()) {
      if (response.typeUrl === typeUrl && response.nonce === nonce) response.isDecided = true;
    }
  }

  /** The agent sent a request upstream. */
  request(streamId: number, bytes: Buffer, variant: Variant): void {
    const { nonce, version, error } = decodeTestRequest(bytes, variant);
    const response = this.#responses.get(`${streamId} ${nonce}`);
    if (!response) return;
    if (error !== undefined) {
      assert.ok(this.#rejected.size > 0, 'R98: upstream hears a rejection, and no client has rejected anything');
      return;
    }
    // In SotW a change of names repeats the nonce, with the version accepted last.
    if (variant === 'sotw' && version !== response.version) return;
    if (this.#ack === 'clients') assert.ok(!response.isRefused, `R98: a client's rejection became an ACK of ${nonce}`);
  }
}
