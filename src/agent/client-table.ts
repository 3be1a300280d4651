import type { NodeIdentity } from '../xds/node.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { Client } from './client.ts';
import type { View } from './view.ts';

/** The connected clients, and the questions about all of them that the core asks. */
export class ClientTable {
  readonly #clients = new Map<number, Client>();
  readonly #byView = new Map<View, Set<Client>>();

  get size(): number {
    return this.#clients.size;
  }

  [Symbol.iterator](): IterableIterator<Client> {
    return this.#clients.values();
  }

  get(streamId: number): Client | undefined {
    return this.#clients.get(streamId);
  }

  add(client: Client): void {
    this.#clients.set(client.streamId, client);
  }

  /** The client has been given its view. */
  attached(client: Client, view: View): void {
    const clients = this.#byView.get(view);
    if (clients) clients.add(client);
    else this.#byView.set(view, new Set([client]));
  }

  delete(client: Client): void {
    this.#clients.delete(client.streamId);
    const clients = client.view && this.#byView.get(client.view);
    if (!client.view || !clients?.delete(client)) return;
    if (clients.size === 0) this.#byView.delete(client.view);
  }

  isUsed(view: View): boolean {
    return this.#byView.has(view);
  }

  /** Identity of any client that is attached; under `refuse` all have the same. */
  attachedIdentity(): NodeIdentity | undefined {
    for (const { identity } of this.#clients.values()) if (identity) return identity;
    return undefined;
  }

  viewsInUse(): Set<View> {
    return new Set(this.#byView.keys());
  }

  /** Clients of the view that asked for the type. */
  *subscribed(view: View, typeUrl: TypeUrl): Generator<Client> {
    for (const client of this.#byView.get(view) ?? []) if (client.stream.type(typeUrl)) yield client;
  }

  isAskedFor(view: View, typeUrl: TypeUrl): boolean {
    return !this.subscribed(view, typeUrl).next().done;
  }

  /** Streams that will be sent something of a change of these names. */
  affected(view: View, typeUrl: TypeUrl, names: readonly string[]): number[] {
    const streamIds: number[] = [];
    for (const { streamId, stream } of this.subscribed(view, typeUrl)) {
      if (stream.type(typeUrl)?.isAffectedBy(names)) streamIds.push(streamId);
    }
    return streamIds;
  }

  /** Streams that have not answered something they were sent of the type. */
  undecided(view: View, typeUrl: TypeUrl): number[] {
    const streamIds: number[] = [];
    for (const { streamId, stream } of this.subscribed(view, typeUrl)) {
      if (stream.type(typeUrl)?.nonces.isAnswerAwaited) streamIds.push(streamId);
    }
    return streamIds;
  }

  /** The lowest revision of the type that a client of the view is level at; Infinity without clients. */
  lowestLevel(view: View, typeUrl: TypeUrl): number {
    let level = Infinity;
    for (const { stream } of this.subscribed(view, typeUrl))
      level = Math.min(level, stream.type(typeUrl)?.level ?? Infinity);
    return level;
  }
}
