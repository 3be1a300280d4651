import type { Client } from './client.ts';
import type { CoreEffect } from './events.ts';

/**
 * Writes to the clients: one message in flight per stream, and a bounded number of bytes on their way to all of them together (R103,
 * R122). A stream past the bound waits for its turn, in order.
 */
export class Delivery {
  readonly #bytesMax: number;
  readonly #perform: (effect: CoreEffect) => void;
  readonly #waiting = new Set<Client>();
  #bytesInFlight = 0;

  /** @param bytesMax bytes on their way to all clients together */
  constructor(bytesMax: number, perform: (effect: CoreEffect) => void) {
    this.#bytesMax = bytesMax;
    this.#perform = perform;
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Writes the client's newest message if its last one has left and there is room. */
  flush(client: Client, nowMs: number): void {
    if (client.isWriting || !client.view) return;
    if (this.#bytesInFlight >= this.#bytesMax) {
      this.#waiting.add(client);
      client.isQueued = true;
      return;
    }
    const message = client.stream.next(nowMs);
    if (!message) return;
    const { bytes, typeUrl, resent, fromRevision } = message;
    const newsAtMs = client.view.types.get(typeUrl)?.arrivals.oldestAfter(fromRevision);
    client.writing(bytes.length, nowMs);
    this.#bytesInFlight += bytes.length;
    this.#perform({ kind: 'send_client', streamId: client.streamId, bytes });
    this.#perform({ kind: 'note', note: { kind: 'client_sent', typeUrl, bytes: bytes.length, resent, newsAtMs } });
  }

  /** The client's last message has left. Returns the clients that waited for the room. */
  written(client: Client): Client[] {
    this.#bytesInFlight -= client.written();
    const next: Client[] = [];
    if (this.#bytesInFlight < this.#bytesMax) {
      next.push(...this.#waiting);
      for (const one of next) one.isQueued = false;
      this.#waiting.clear();
    }
    return next;
  }

  /** The client is gone. Returns the clients that waited for its room. */
  left(client: Client): Client[] {
    this.#waiting.delete(client);
    return this.written(client);
  }
}
