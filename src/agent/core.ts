import type { IdleViews } from '../cache/idle-tier.ts';
import type { StoredView } from '../cache/stored.ts';
import { type ClientRequest, type ClientSettings, ClientStream } from '../local-ads/client-stream.ts';
import type { Peer } from '../local-ads/peer.ts';
import type { Random } from '../upstream/backoff.ts';
import type { ChannelEvent } from '../upstream/channel.ts';
import { unreachable } from '../xds/assert.ts';
import type { NodeIdentity } from '../xds/node.ts';
import { isReport } from '../xds/type-urls.ts';
import { type Clock, grpcCode, type RpcStatus, type TypeUrl, type ViewKey } from '../xds/types.ts';
import { Client, type ClientPatience } from './client.ts';
import { ClientTable } from './client-table.ts';
import { Delivery } from './delivery.ts';
import { type DriftSettings, DriftWatch } from './drift-watch.ts';
import type { CoreEffect, CoreEvent, Note } from './events.ts';
import { Hearing, type HearingSettings } from './hearing.ts';
import { type Admission, IdentityPolicy } from './identity.ts';
import type { Change } from './intake.ts';
import { Reception, type ReceptionSettings, type StoredViews, seedFor } from './reception.ts';
import type { ViewTiers } from './type-factory.ts';
import { verdictsDueMs } from './type-view.ts';
import { takeIn } from './upstream-events.ts';
import { View, type ViewSettings } from './view.ts';
import { type MakeView, ViewTable, type ViewTableSettings } from './view-table.ts';

/** Everything the core is told once. */
export interface CoreSettings
  extends ViewSettings,
    ViewTableSettings,
    ClientSettings,
    ClientPatience,
    HearingSettings,
    DriftSettings,
    ReceptionSettings {
  /** Bytes on their way to all clients together; a stream past it waits for its turn. */
  readonly responseBytesInFlightMax: number;
}

/**
 * The deterministic core: one event in, an ordered list of effects out. It routes between clients and views and has no
 * protocol rule of its own; time comes with the event, randomness is seeded, nothing is waited for.
 */
export class Core {
  readonly #settings: CoreSettings;
  readonly #identity: IdentityPolicy;
  readonly #reception: Reception;
  readonly #views: ViewTable;
  readonly #clients = new ClientTable();
  readonly #hearing: Hearing;
  readonly #stored: StoredViews;
  readonly #delivery: Delivery;
  /** Compares what is held with what the control plane has. */
  readonly drift: DriftWatch;
  #lastStreamId = 0;
  #isDraining = false;
  /** No deadline lies before this one; ticks may come early, never late. */
  #earliestMs = Infinity;
  #effects: CoreEffect[] = [];

  constructor(
    settings: CoreSettings,
    tiers: ViewTiers & { readonly idleViews: IdleViews },
    stored: StoredViews,
    random: Random,
  ) {
    this.#settings = settings;
    this.#stored = stored;
    this.#hearing = new Hearing(settings, this.#clients, this.#note);
    const perform = (effect: CoreEffect): void => {
      this.#effects.push(effect);
    };
    const living = () => this.#views.values();
    this.drift = new DriftWatch(settings, this.newStreamId, random, living, perform, this.#note);
    const make: MakeView = (viewKey, node) => new View(viewKey, settings, node, tiers, this.newStreamId, random);
    this.#views = new ViewTable(make, tiers.idleViews, settings, perform);
    this.#delivery = new Delivery(settings.responseBytesInFlightMax, perform);
    this.#identity = new IdentityPolicy(settings);
    const desk = { identity: this.#identity, views: this.#views, clients: this.#clients, stored };
    this.#reception = new Reception(settings, desk, this.#note);
  }

  /** The configured node; undefined when the first client's is adopted. */
  get configuredIdentity(): NodeIdentity | undefined {
    return this.#identity.configured;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get bytesInFlight(): number {
    return this.#delivery.bytesInFlight;
  }

  /** Where a client with this node would belong, and as whom it would be known upstream; or why it may not come. Nothing is changed by it. */
  admit(node: Buffer | undefined, peer: Peer): Admission | RpcStatus {
    return this.#identity.admit(node, peer, this.#clients.attachedIdentity());
  }

  views(): IterableIterator<View> {
    return this.#views.values();
  }

  clients(): IterableIterator<Client> {
    return this.#clients[Symbol.iterator]();
  }

  /** A number for a stream, upstream or client, that was never used before. */
  readonly newStreamId = (): number => ++this.#lastStreamId;

  /** When a `tick` has to come at the latest, on the monotonic clock in ms; Infinity when nothing waits for time. */
  nextDeadlineMs(): number {
    return Math.min(this.#earliestMs, this.drift.nextDeadlineMs());
  }

  /** Takes in one event; the effects are to be done in order before the next one. */
  handle(event: CoreEvent, clock: Clock): CoreEffect[] {
    switch (event.kind) {
      case 'client_opened':
        this.#clientOpened(event, clock);
        break;
      case 'client_request':
        this.#withClient(event.streamId, client => this.#clientRequest(client, event.bytes, clock));
        break;
      case 'client_writable':
        this.#withClient(event.streamId, client => this.#clientWritable(client, clock));
        break;
      case 'client_closed':
        this.#withClient(event.streamId, client => this.#clientGone(client, clock));
        break;
      case 'upstream_opened':
      case 'upstream_writable':
      case 'upstream_response':
      case 'upstream_leaving':
      case 'upstream_alive':
      case 'upstream_closed':
        if (!this.#isDraining && !this.drift.take(event, clock)) this.#upstream(event, clock);
        break;
      case 'disk_loaded':
        this.#diskLoaded(event.view, clock);
        break;
      case 'disk_lost':
        this.#views.rewrite(clock);
        break;
      case 'seed_loaded':
        this.#seedLoaded(clock);
        break;
      case 'guard_passed':
        this.#withEach(clock, view => {
          for (const type of view.releaseHeld(event.typeUrl, clock.monotonicMs))
            this.#flushType(view, type.typeUrl, clock);
        });
        break;
      case 'credentials_changed':
        this.#withEach(clock, view => view.credentialsChanged(clock.monotonicMs));
        break;
      case 'drift_check_requested':
        if (!this.#isDraining) this.drift.begin(clock);
        break;
      case 'recording_begun':
        this.#withEach(clock, view => this.#views.carryOut(view, view.beginAnew('for a recording', clock)));
        break;
      case 'tick':
        if (!this.#isDraining) this.#tick(clock);
        break;
      case 'drain_requested':
        this.#drain(clock);
        break;
      default:
        unreachable(event);
    }
    if (!this.#isDraining) this.drift.advance(clock);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #clientOpened(event: CoreEvent & { kind: 'client_opened' }, clock: Clock): void {
    const { streamId, peer } = event;
    const arrival = { streamId, peer, nodeId: '' };
    if (this.#isDraining) {
      this.#refuse(arrival, grpcCode.unavailable, 'weir is shutting down');
      return;
    }
    const excess = this.#reception.arrived(peer);
    if (excess) {
      this.#refuse(arrival, excess.code, excess.message);
      return;
    }
    const stream = new ClientStream(event.variant, this.#settings, event.fixedType);
    const client = new Client(streamId, peer, stream, clock.wallMs, clock.monotonicMs, this.#settings);
    this.#clients.add(client);
    this.#expect(client.nextDeadlineMs());
  }

  #clientRequest(client: Client, bytes: Buffer, clock: Clock): void {
    const request = client.stream.decode(bytes);
    if ('close' in request) {
      this.#cut(client, request.close.code, request.close.message, clock);
      return;
    }
    const view = this.#reception.receive(client, request, clock);
    if (!('types' in view)) {
      this.#cut(client, view.code, view.message, clock);
      return;
    }
    if (isReport(request.typeUrl)) {
      this.#report(client, view, request, clock);
      return;
    }
    const type = view.type(request.typeUrl);
    // On-demand discovery over SotW names clusters and means to keep the rest; only Envoy is known to (R96).
    const isSticky = client.identity?.userAgentName === 'envoy';
    const namesRoom = this.#reception.namesRoom(client);
    const scope = this.#reception.scopeOf(client, request.typeUrl);
    const about = { source: type, scope, controlPlane: view.controlPlane, isWildcardSticky: isSticky };
    const outcome = client.stream.accept(request, about, namesRoom, clock.monotonicMs);
    if ('close' in outcome) {
      this.#cut(client, outcome.close.code, outcome.close.message, clock);
      return;
    }
    const excess = this.#reception.changed(client, request.typeUrl, outcome, clock.monotonicMs);
    const isContentBack = outcome.verdict && this.#hearing.heard(client, view, type, outcome.verdict, clock);
    // What is denied as a whole is nobody's interest.
    if (!scope.isClosed) view.interestChanged(type, outcome.change, clock.monotonicMs);
    if (excess) this.#cut(client, excess.code, excess.message, clock);
    else if (isContentBack) this.#flushType(view, type.typeUrl, clock);
    else this.#flush(client, clock);
    this.#advance(view, clock);
  }

  /** What a client says of itself. Of several nodes that share a view one's word is not the others'. */
  #report({ streamId }: Client, view: View, { typeUrl, errorDetail: status }: ClientRequest, clock: Clock): void {
    if (this.#settings.nodeSharing !== 'shared') view.streams.report({ typeUrl, status, streamId });
    this.#advance(view, clock);
  }

  /** A view that an earlier process had, before its first client: upstream is asked what has changed meanwhile (R71). */
  #diskLoaded(stored: StoredView | undefined, clock: Clock): void {
    // Which of several nodes will come is not known; each finds what is its own when it comes.
    if (!stored || this.#views.size > 0 || this.#identity.isSeparating) return;
    const viewKey = this.#settings.nodeSharing === 'shared' ? this.#identity.sharedKey : stored.viewKey;
    this.#advance(this.#views.make(viewKey, stored.node, stored.matchKey, stored, clock), clock);
  }

  /** Gives the seed to views that have nothing yet. */
  #seedLoaded(clock: Clock): void {
    for (const view of this.#views.values()) {
      const stored = seedFor(view, this.#stored);
      if (!stored) continue;
      this.#note({ kind: 'view_restored', viewKey: view.key, provenance: 'seed', types: stored.types.length });
      view.restore(stored, clock);
      for (const { typeUrl } of stored.types) this.#flushType(view, typeUrl, clock);
      this.#advance(view, clock);
    }
  }

  #clientWritable(client: Client, clock: Clock): void {
    for (const next of [client, ...this.#delivery.written(client)]) this.#flush(next, clock);
  }

  #clientGone(client: Client, clock: Clock): void {
    this.#clients.delete(client);
    for (const next of this.#delivery.left(client)) this.#flush(next, clock);
    const { view, identity } = client;
    this.#reception.left(client, clock.monotonicMs);
    if (!view || !identity) return;
    this.#note({ kind: 'client_detached', streamId: client.streamId, nodeId: identity.id });
    view.streams.withdraw(client.streamId);
    for (const { typeUrl, subscription, seen } of client.stream.types()) {
      const type = view.type(typeUrl);
      const change = {
        added: [],
        removed: [...subscription.names],
        wildcard: subscription.isWildcard ? -1 : 0,
      } as const;
      if (!seen.scope.isClosed) view.interestChanged(type, change, clock.monotonicMs);
      this.#hearing.left(client.streamId, view, type, clock);
    }
    if (this.#identity.isSeparating && !this.#clients.isUsed(view)) {
      this.#views.unused(view, clock.monotonicMs);
      this.#expect(this.#views.nextDeadlineMs());
    }
    this.#advance(view, clock);
  }

  #upstream(event: ChannelEvent, clock: Clock): void {
    const view = this.#views.ofStream(event.streamId);
    if (!view) return;
    const { effects, change, touched } = takeIn(view, event, clock);
    if (event.kind === 'upstream_closed') this.#views.streamEnded(event.streamId);
    this.#views.carryOut(view, effects);
    if (change) this.#changed(view, change, clock);
    for (const { typeUrl } of touched) this.#flushType(view, typeUrl, clock);
    this.#advance(view, clock);
  }

  /** Tells the clients of a change, and arranges for upstream's answer. */
  #changed(view: View, change: Change, clock: Clock): void {
    const { typeUrl, store } = change.type;
    this.#hearing.opened(view, change, clock);
    this.#flushType(view, typeUrl, clock);
    store.trim(this.#clients.lowestLevel(view, typeUrl));
  }

  #flushType(view: View, typeUrl: TypeUrl, clock: Clock): void {
    for (const client of this.#clients.subscribed(view, typeUrl)) this.#flush(client, clock);
  }

  #flush(client: Client, clock: Clock): void {
    this.#delivery.flush(client, clock.monotonicMs);
    if (client.view) this.#expect(client.nextDeadlineMs());
  }

  /** Brings the view's upstream streams on after an event. */
  #advance(view: View, clock: Clock): void {
    this.#views.carryOut(view, view.advance(clock));
    for (const change of view.takeChanges()) this.#changed(view, change, clock);
    for (const { typeUrl } of view.takeTouched()) this.#flushType(view, typeUrl, clock);
    const changes = view.takeDiskChanges(clock);
    if (changes.length > 0) this.#effects.push({ kind: 'write_disk', changes });
    for (const note of view.takeNotes()) this.#note(note, view.key);
    this.#views.settle(view);
    this.#expect(view.nextDeadlineMs());
  }

  #tick(clock: Clock): void {
    this.#earliestMs = Infinity;
    const now = clock.monotonicMs;
    for (const view of this.#views.due(now)) {
      for (const type of view.tick(clock)) {
        this.#flushType(view, type.typeUrl, clock);
      }
      for (const type of view.types.values()) {
        if (Math.min(verdictsDueMs(type), type.trials.nextDeadlineMs()) <= now) this.#hearing.settle(view, type, clock);
      }
      this.#advance(view, clock);
    }
    this.#views.expire(clock);
    this.#expect(this.#views.nextDeadlineMs());
    for (const client of [...this.#clients]) {
      const overdue = client.overdue(now);
      if (overdue) {
        this.#cut(client, overdue.code, overdue.message, clock);
      } else if (!client.isWriting && client.stream.nextDeadlineMs() <= now) this.#flush(client, clock);
      else this.#expect(client.nextDeadlineMs());
    }
  }

  #drain(clock: Clock): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#note({ kind: 'drain_started', clients: this.#clients.size });
    for (const client of [...this.#clients]) {
      this.#effects.push({
        kind: 'close_client',
        streamId: client.streamId,
        code: grpcCode.unavailable,
        message: 'weir is shutting down',
      });
      this.#clientGone(client, clock);
    }
    this.drift.stop(clock);
    this.#views.end(clock);
    this.#earliestMs = Infinity;
  }

  #refuse({ streamId, peer, nodeId }: Pick<Client, 'streamId' | 'peer' | 'nodeId'>, code: number, reason: string) {
    this.#effects.push({ kind: 'close_client', streamId, code, message: reason });
    this.#note({ kind: 'client_refused', streamId, code, reason, listener: peer.listener, nodeId });
  }

  #cut(client: Client, code: number, reason: string, clock: Clock): void {
    this.#refuse(client, code, reason);
    this.#clientGone(client, clock);
  }

  /** Does something to each view, and brings it on. */
  #withEach(clock: Clock, act: (view: View) => void): void {
    if (this.#isDraining) return;
    for (const view of this.#views.values()) {
      act(view);
      this.#advance(view, clock);
    }
  }

  #withClient(streamId: number, act: (client: Client) => void): void {
    const client = this.#clients.get(streamId);
    if (client) act(client);
  }

  #expect(deadlineMs: number): void {
    if (deadlineMs < this.#earliestMs) this.#earliestMs = deadlineMs;
  }

  readonly #note = (note: Note, viewKey?: ViewKey): void => {
    this.#effects.push({ kind: 'note', note, viewKey });
  };
}
