import { grpcCode, type RpcStatus } from '../xds/types.ts';
import { currentStream, resetStream } from './http2-streams.ts';
import type { DuplexCall } from './side-service.ts';

/** A stream that asks nothing for so long is ended, in ms: whoever asks again opens another one. */
const idleMs = 300_000;

/** An answer, or the status to end the call with. */
export type Answer =
  | {
      readonly bytes: Buffer;
      /** Called when it has left, or cannot leave any more. */
      readonly left?: () => void;
    }
  | RpcStatus;

/** Answers the only question of a call. @param progressMs how long the answer may take to leave, in ms */
export function answerOnce(call: DuplexCall, progressMs: number, answer: (question: Buffer) => Promise<Answer>): void {
  const writer = new AnswerWriter(call, progressMs);
  let isAsked = false;
  call.on('data', (question: Buffer) => {
    if (isAsked) return;
    isAsked = true;
    void answer(question)
      .then(made => writer.write(made))
      .then(goesOn => {
        if (goesOn) call.end();
      });
  });
  call.on('end', () => {
    if (!isAsked) writer.end({ code: grpcCode.invalidArgument, message: 'the call has no request' });
  });
}

/**
 * Answers the questions of a stream one after the other, so that nobody can have answers pile up.
 *
 * @param progressMs how long an answer may take to leave, in ms
 */
export function answerInTurn(
  call: DuplexCall,
  progressMs: number,
  answer: (question: Buffer) => Promise<Answer>,
): void {
  const writer = new AnswerWriter(call, progressMs);
  const expect = (): NodeJS.Timeout => {
    const words = `nothing was asked for ${idleMs / 1000} s`;
    return setTimeout(() => writer.end({ code: grpcCode.resourceExhausted, message: words }), idleMs).unref();
  };
  let idle = expect();
  const next = async (question: Buffer): Promise<void> => {
    clearTimeout(idle);
    call.pause();
    if (!(await writer.write(await answer(question)))) return;
    idle = expect();
    call.resume();
  };
  call.on('data', (question: Buffer) => void next(question));
  call.on('end', () => call.end());
  call.once('close', () => clearTimeout(idle));
}

/** Writes the answers of one call, and gives it up when one of them does not leave. */
class AnswerWriter {
  readonly #call: DuplexCall;
  readonly #stream = currentStream();
  readonly #progressMs: number;
  #isOver = false;

  constructor(call: DuplexCall, progressMs: number) {
    this.#call = call;
    this.#progressMs = progressMs;
    for (const gone of ['cancelled', 'close', 'error']) {
      call.on(gone, () => {
        this.#isOver = true;
      });
    }
  }

  end({ code, message }: RpcStatus): void {
    if (!this.#isOver) this.#call.emit('error', { code, details: message });
  }

  /** Resolves when the answer has left, to whether the call goes on. */
  async write(answer: Answer): Promise<boolean> {
    if ('code' in answer) {
      this.end(answer);
      return false;
    }
    if (!this.#isOver) await this.#send(answer.bytes);
    answer.left?.();
    return !this.#isOver;
  }

  async #send(bytes: Buffer): Promise<void> {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    const late = setTimeout(() => {
      const message = `the answer was not taken within ${this.#progressMs} ms (setting clientProgressTimeout)`;
      this.end({ code: grpcCode.resourceExhausted, message });
      resetStream(this.#stream);
      resolve();
    }, this.#progressMs).unref();
    this.#call.once('close', resolve);
    this.#call.write(bytes, () => resolve());
    await left;
    clearTimeout(late);
    this.#call.off('close', resolve);
  }
}
