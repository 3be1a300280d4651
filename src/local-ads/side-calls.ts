import { grpcCode } from '../xds/types.ts';

/** What is needed of a call to end it and to see it end. */
interface Endable {
  once(event: string, listener: () => void): unknown;
  emit(event: 'error', error: { readonly code: number; readonly details: string }): boolean;
}

/** The open calls of the services beside discovery: never more than a few, and none that would hold up the end of the agent. */
export class SideCalls {
  readonly #max: number;
  readonly #open = new Set<Endable>();

  /** @param max calls at once (setting sideStreamsMax) */
  constructor(max: number) {
    this.#max = max;
  }

  /** Lets a call in until it ends; past the limit it is ended with RESOURCE_EXHAUSTED. Returns whether it may go on. */
  enter(call: Endable): boolean {
    if (this.#open.size >= this.#max) {
      const details = `${this.#max} streams of side services are open already (setting sideStreamsMax)`;
      call.emit('error', { code: grpcCode.resourceExhausted, details });
      return false;
    }
    this.#open.add(call);
    const left = (): void => {
      this.#open.delete(call);
    };
    for (const end of ['close', 'cancelled', 'error', 'finish']) call.once(end, left);
    return true;
  }

  closeAll(): void {
    for (const call of this.#open) {
      call.emit('error', { code: grpcCode.unavailable, details: 'weir is shutting down' });
    }
    this.#open.clear();
  }
}
