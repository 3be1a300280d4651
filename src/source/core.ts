import { ClientStream } from '../local-ads/client-stream.ts';
import type { ClientEvent } from '../local-ads/server.ts';
import type { TypeSource } from '../local-ads/type-source.ts';
import { unreachable } from '../xds/assert.ts';
import { readNode } from '../xds/node.ts';
import { TypeScope } from '../xds/type-scope.ts';
import { grpcCode, type TypeUrl } from '../xds/types.ts';
import { MeshStores } from './mesh-stores.ts';
import type { SourceSettings } from './settings.ts';
import type { SourceEvent } from './source-events.ts';

/** Everything that happens to the source. */
export type SourceCoreEvent = ClientEvent | SourceEvent | { readonly kind: 'tick' };

/** Everything that it wants done, in order. */
export type SourceEffect =
  | { readonly kind: 'send_client'; readonly streamId: number; readonly bytes: Buffer }
  | { readonly kind: 'close_client'; readonly streamId: number; readonly code: number; readonly message: string }
  | { readonly kind: 'note'; readonly note: SourceNote };

/** What it tells of itself. */
export type SourceNote =
  | { readonly kind: 'client_attached'; readonly streamId: number; readonly nodeId: string; readonly listener: string }
  | { readonly kind: 'client_detached'; readonly streamId: number; readonly nodeId: string }
  | { readonly kind: 'client_refused'; readonly streamId: number; readonly code: number; readonly reason: string }
  | {
      readonly kind: 'client_nack';
      readonly streamId: number;
      readonly nodeId: string;
      readonly typeUrl: TypeUrl;
      readonly message: string;
    }
  | { readonly kind: 'client_sent'; readonly typeUrl: TypeUrl; readonly bytes: number }
  | { readonly kind: 'read'; readonly event: SourceEvent };

/** One client stream. */
interface SourceClient {
  readonly streamId: number;
  readonly listener: string;
  readonly stream: ClientStream;
  nodeId: string | undefined;
  /** Bytes of the message on its way; undefined when none is. */
  writing: number | undefined;
  /** When it is cut off unless it does something, monotonic in ms; Infinity while nothing is waited for. */
  patienceEndsMs: number;
}

/** Types that nobody ever heard of may be asked for, but not without end. */
const typesMax = 16_384;

/**
 * The MCP server without its shell: what is read goes into the stores, and each client is told what it has not been told. The answers are made by
 * the same code as the agent's, with the same rules: one message in flight, the newest content, every type answered.
 */
export class SourceCore {
  readonly stores: MeshStores;
  readonly #settings: SourceSettings;
  readonly #clients = new Map<number, SourceClient>();
  readonly #waiting = new Set<SourceClient>();
  /** How many clients name what, by type. */
  readonly #names = new Map<TypeUrl, Map<string, number>>();
  #lastStreamId = 0;
  #bytesInFlight = 0;
  #effects: SourceEffect[] = [];

  constructor(settings: SourceSettings) {
    this.#settings = settings;
    this.stores = new MeshStores(settings.kinds, settings.readsMeshConfig);
  }

  /** A number for a stream that was never used before. */
  readonly newStreamId = (): number => ++this.#lastStreamId;

  get clients(): number {
    return this.#clients.size;
  }

  /** Takes in one event. @param nowMs monotonic */
  handle(event: SourceCoreEvent, nowMs: number): SourceEffect[] {
    switch (event.kind) {
      case 'client_opened':
        this.#opened(event, nowMs);
        break;
      case 'client_request':
        this.#request(event.streamId, event.bytes, nowMs);
        break;
      case 'client_writable':
        this.#written(event.streamId, nowMs);
        break;
      case 'client_closed':
        this.#gone(event.streamId, nowMs);
        break;
      case 'whole':
      case 'changed':
      case 'mesh_config':
      case 'trouble':
      case 'recovered':
        this.#note({ kind: 'read', event });
        for (const type of this.stores.apply(event, nowMs)) this.#changed(type, removedBy(event), nowMs);
        break;
      case 'tick':
        this.#tick(nowMs);
        break;
      default:
        unreachable(event);
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #opened({ streamId, variant, peer, fixedType }: ClientEvent & { kind: 'client_opened' }, nowMs: number): void {
    const { clientStreamsMax, firstRequestTimeoutMs } = this.#settings;
    if (this.#clients.size >= clientStreamsMax) {
      this.#refuse(streamId, grpcCode.resourceExhausted, `${clientStreamsMax} client streams are open already`);
      return;
    }
    const stream = new ClientStream(variant, this.#settings, fixedType);
    const patienceEndsMs = nowMs + firstRequestTimeoutMs;
    const { listener } = peer;
    this.#clients.set(streamId, { streamId, listener, stream, nodeId: undefined, writing: undefined, patienceEndsMs });
  }

  #request(streamId: number, bytes: Buffer, nowMs: number): void {
    const client = this.#clients.get(streamId);
    if (!client) return;
    const request = client.stream.decode(bytes);
    if ('close' in request) {
      this.#cut(client, request.close.code, request.close.message, nowMs);
      return;
    }
    const { typeUrl } = request;
    if (client.nodeId === undefined) this.#introduce(client, request.node);
    if (!this.#hasRoomFor(typeUrl)) {
      this.#cut(client, grpcCode.resourceExhausted, `clients have asked for ${typesMax} types`, nowMs);
      return;
    }
    const source = this.stores.of(typeUrl);
    const offer = { source, scope: TypeScope.open, controlPlane: () => 'weir-source', isWildcardSticky: false };
    const outcome = client.stream.accept(request, offer, this.#settings.namesMax, nowMs);
    if ('close' in outcome) {
      this.#cut(client, outcome.close.code, outcome.close.message, nowMs);
      return;
    }
    const { status } = outcome.verdict ?? {};
    if (status) {
      const { nodeId = '' } = client;
      this.#note({ kind: 'client_nack', streamId, nodeId, typeUrl, message: status.message });
    }
    // Of a whole state it is clear what it lacks, so that whoever names it is answered.
    for (const name of outcome.change.added) if (source.store.isKnown) source.store.setAbsent(name, 'upstream');
    this.#named(typeUrl, outcome.change.added);
    this.#unnamed(typeUrl, outcome.change.removed);
    this.#flush(client, nowMs);
  }

  #introduce(client: SourceClient, node: Buffer | undefined): void {
    const identity = node && readNode(node);
    client.nodeId = identity && !('error' in identity) ? identity.id : '';
    client.patienceEndsMs = Infinity;
    const { streamId, nodeId, listener } = client;
    this.#note({ kind: 'client_attached', streamId, nodeId, listener });
  }

  #changed(type: TypeSource, removed: readonly string[] | 'maybe', nowMs: number): void {
    const { typeUrl } = type.store;
    let lowest = Infinity;
    for (const client of this.#clients.values()) {
      const asked = client.stream.type(typeUrl);
      if (!asked) continue;
      for (const name of removed === 'maybe' ? asked.subscription.names : removed) {
        if (asked.subscription.names.has(name) && !type.store.get(name)) type.store.setAbsent(name, 'upstream');
      }
      this.#flush(client, nowMs);
      lowest = Math.min(lowest, asked.level);
    }
    type.store.trim(lowest);
  }

  /** That a name does not exist is remembered while somebody names it. */
  #unnamed(typeUrl: TypeUrl, names: Iterable<string>): void {
    const counts = this.#names.get(typeUrl);
    if (!counts) return;
    const { absences } = this.stores.of(typeUrl).store;
    for (const name of names) {
      const count = (counts.get(name) ?? 1) - 1;
      if (count > 0) counts.set(name, count);
      else {
        counts.delete(name);
        absences.forget(name);
      }
    }
    if (counts.size === 0) this.#names.delete(typeUrl);
  }

  #named(typeUrl: TypeUrl, names: readonly string[]): void {
    if (names.length === 0) return;
    const counts = this.#names.get(typeUrl) ?? new Map<string, number>();
    this.#names.set(typeUrl, counts);
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  /** Whether a type is there, or can be. Those that are read are there from the begin. */
  #hasRoomFor(typeUrl: TypeUrl): boolean {
    if (this.stores.has(typeUrl) || this.stores.size < typesMax) return true;
    this.stores.dropUnread(one => this.#isAskedFor(one));
    return this.stores.size < typesMax;
  }

  #isAskedFor(typeUrl: TypeUrl): boolean {
    for (const { stream } of this.#clients.values()) if (stream.type(typeUrl)) return true;
    return false;
  }

  #flush(client: SourceClient, nowMs: number): void {
    if (client.writing !== undefined || client.nodeId === undefined) return;
    if (this.#bytesInFlight >= this.#settings.responseBytesInFlightMax) {
      this.#waiting.add(client);
      return;
    }
    const message = client.stream.next(nowMs);
    if (!message) return;
    const { bytes, typeUrl } = message;
    client.writing = bytes.length;
    client.patienceEndsMs = nowMs + this.#settings.clientProgressTimeoutMs;
    this.#bytesInFlight += bytes.length;
    this.#effects.push({ kind: 'send_client', streamId: client.streamId, bytes });
    this.#note({ kind: 'client_sent', typeUrl, bytes: bytes.length });
  }

  #written(streamId: number, nowMs: number): void {
    const client = this.#clients.get(streamId);
    if (!client) return;
    this.#giveBack(client);
    client.patienceEndsMs = Infinity;
    this.#flush(client, nowMs);
    this.#serveWaiting(nowMs);
  }

  #giveBack(client: SourceClient): void {
    this.#bytesInFlight -= client.writing ?? 0;
    client.writing = undefined;
  }

  #serveWaiting(nowMs: number): void {
    for (const client of [...this.#waiting]) {
      if (this.#bytesInFlight >= this.#settings.responseBytesInFlightMax) return;
      this.#waiting.delete(client);
      this.#flush(client, nowMs);
    }
  }

  #gone(streamId: number, nowMs: number): void {
    const client = this.#clients.get(streamId);
    if (!client) return;
    this.#clients.delete(streamId);
    this.#waiting.delete(client);
    this.#giveBack(client);
    for (const { typeUrl, subscription } of client.stream.types()) this.#unnamed(typeUrl, subscription.names);
    const { nodeId } = client;
    if (nodeId !== undefined) this.#note({ kind: 'client_detached', streamId, nodeId });
    this.#serveWaiting(nowMs);
  }

  #tick(nowMs: number): void {
    const { firstRequestTimeoutMs, clientProgressTimeoutMs } = this.#settings;
    for (const client of [...this.#clients.values()]) {
      if (client.patienceEndsMs > nowMs) continue;
      const what =
        client.writing === undefined
          ? `no request came within ${firstRequestTimeoutMs} ms`
          : `the client took nothing for ${clientProgressTimeoutMs} ms`;
      this.#cut(client, grpcCode.resourceExhausted, what, nowMs);
    }
  }

  #refuse(streamId: number, code: number, reason: string): void {
    this.#effects.push({ kind: 'close_client', streamId, code, message: reason });
    this.#note({ kind: 'client_refused', streamId, code, reason });
  }

  #cut({ streamId }: SourceClient, code: number, reason: string, nowMs: number): void {
    this.#refuse(streamId, code, reason);
    this.#gone(streamId, nowMs);
  }

  #note(note: SourceNote): void {
    this.#effects.push({ kind: 'note', note });
  }
}

/** Names that an event took away; `maybe` any where it told a whole state. */
function removedBy(event: SourceEvent): readonly string[] | 'maybe' {
  return event.kind === 'changed' ? event.removed : 'maybe';
}
