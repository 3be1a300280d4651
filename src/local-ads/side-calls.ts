import { grpcCode } from '../xds/types.ts';

/** What is needed of a call to end it and to see it end. */
interface Endable {
  once(event: string, listener: () => void): unknown;
  emit(event: 'error', error: { readonly code: number; readonly details: string }): boolean;
}

/**
 * The open calls of the services beside discovery: never more than a few at one listener, so that who comes there leaves the others their own, and
 * none that would hold up the end of the agent.
 */
export class SideCalls {
  readonly #max: number;
  readonly #open = new Map<string, Set<Endable>>();

  /** @param max calls at once at one listener (setting sideStreamsMax) */
  constructor(max: number) {
    this.#max = max;
  }

  /** Lets a call in until it ends; past the limit it is ended with RESOURCE_EXHAUSTED. Returns whether it may go on. */
  enter(call: Endable, listener: string): boolean {
    const open = this.#open.get(listener) ?? new Set();
    this.#open.set(listener, open);
    if (open.size >= this.#max) {
      const details = `${this.#max} calls of services beside discovery are open at ${listener} already (setting sideStreamsMax)`;
      call.emit('error', { code: grpcCode.resourceExhausted, details });
      return false;
    }
    open.add(call);
    const left = (): void => {
      open.delete(call);
    };
    for (const end of ['close', 'cancelled', 'error', 'finish']) call.once(end, left);
    return true;
  }

  closeAll(): void {
    for (const open of this.#open.values()) {
      for (const call of open) call.emit('error', { code: grpcCode.unavailable, details: 'weir is shutting down' });
      open.clear();
    }
  }
}
