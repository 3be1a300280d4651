import { setImmediate, setTimeout } from 'node:timers/promises';
import { grpcCode, type RpcStatus } from '../xds/types.ts';
import { type ClientConfig, encodeClientStatus } from '../xds/wire-status.ts';

/** How long clients are kept waiting for a piece of an answer that is being made, in ms. */
const sliceMs = 4;
/** After an answer others come first, for so many times what it took, in ms at the most. */
const restFactor = 3;
const restMsMax = 2_000;

/**
 * Makes the answers of the client status service. One may be as large as everything that is held, so they are made one after the other, in slices,
 * with rests in between, and no more of them wait to be read than one of the largest.
 */
export class StatusAnswers {
  readonly #bytesMax: number;
  #bytesUnread = 0;
  #turn: Promise<void> = Promise.resolve();

  /** @param bytesMax largest answer, and the sum of those that have not left (setting statusBytesMax) */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @param isWanted whether the call is still there when its turn comes */
  async make(clients: () => Iterable<ClientConfig>, isWanted: () => boolean): Promise<Buffer | RpcStatus> {
    const { promise: done, resolve: end } = Promise.withResolvers<void>();
    const before = this.#turn;
    this.#turn = done;
    await before;
    let busyMs = 0;
    try {
      if (!isWanted()) return { code: grpcCode.cancelled, message: 'nobody waits for the answer' };
      const encoding = encodeClientStatus(clients(), this.#bytesMax - this.#bytesUnread);
      for (;;) {
        const startMs = performance.now();
        let step = encoding.next();
        while (!step.done && performance.now() - startMs < sliceMs) step = encoding.next();
        busyMs += performance.now() - startMs;
        if (step.done) return step.value ? this.#counted(step.value) : this.#tooLarge();
        await setImmediate();
      }
    } finally {
      void setTimeout(Math.min(restFactor * busyMs, restMsMax), undefined, { ref: false }).then(end);
    }
  }

  /** An answer has left, or its call is over. */
  left(answer: Buffer): void {
    this.#bytesUnread -= answer.length;
  }

  #counted(answer: Buffer): Buffer {
    this.#bytesUnread += answer.length;
    return answer;
  }

  #tooLarge(): RpcStatus {
    const beside = this.#bytesUnread > 0 ? `, with ${this.#bytesUnread} of others that nobody has read yet` : '';
    const message = `the answer would have more than ${this.#bytesMax} bytes${beside} (setting statusBytesMax); ask for one node, or set exclude_resource_contents`;
    return { code: grpcCode.resourceExhausted, message };
  }
}
