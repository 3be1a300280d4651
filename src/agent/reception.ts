import type { StoredView } from '../cache/stored.ts';
import type { ClientRequest, RequestOutcome } from '../local-ads/client-stream.ts';
import type { Peer } from '../local-ads/peer.ts';
import type { SubscriptionChange } from '../local-ads/subscription.ts';
import { invariant } from '../xds/assert.ts';
import { matchKeyOf, type NodeIdentity, readNode } from '../xds/node.ts';
import type { TypeScope } from '../xds/type-scope.ts';
import { isReport, secretType } from '../xds/type-urls.ts';
import { type Clock, grpcCode, type RpcStatus, type TypeUrl, type ViewKey } from '../xds/types.ts';
import type { Client } from './client.ts';
import type { ClientTable } from './client-table.ts';
import type { Note } from './events.ts';
import { FairShares } from './fair-shares.ts';
import type { Admission, IdentityPolicy, IdentitySettings } from './identity.ts';
import { type PeerLimitSettings, PeerLimits } from './peer-limits.ts';
import type { Scopes } from './scopes.ts';
import type { View } from './view.ts';
import type { ViewTable } from './view-table.ts';

/** What was kept outside the process, to be looked at in the course of an event; as quick as memory or nearly so. */
export interface StoredViews {
  /**
   * The stored view that serves a node: of the node itself, or of one that is the same but for what `cache.match` leaves out (R69).
   *
   * @param group match key of a view that several nodes share by choice; undefined for the node's own
   */
  find(identity: NodeIdentity, group: string | undefined): StoredView | undefined;
}

/** What decides about who is let in. */
export interface ReceptionSettings extends IdentitySettings, PeerLimitSettings {
  /** Most client streams at once. */
  readonly clientStreamsMax: number;
  /** Names of all listeners: each has its share of the streams. */
  readonly listenerNames: readonly string[];
  readonly scopes: Scopes;
  /** Most types of one view. */
  readonly viewTypesMax: number;
}

/** Where clients are looked up and views are found. */
interface Desk {
  readonly identity: IdentityPolicy;
  readonly views: ViewTable;
  readonly clients: ClientTable;
  readonly stored: StoredViews;
}

/** Lets clients in: who they may be, what they may see, and how much of it they may ask for (R65–R69, R123, R124). */
export class Reception {
  readonly #settings: ReceptionSettings;
  readonly #desk: Desk;
  readonly #limits: PeerLimits;
  readonly #streams: FairShares;
  readonly #note: (note: Note) => void;
  #isTcpTold = false;

  constructor(settings: ReceptionSettings, desk: Desk, note: (note: Note) => void) {
    this.#settings = settings;
    this.#desk = desk;
    this.#limits = new PeerLimits(settings);
    this.#streams = new FairShares(settings.clientStreamsMax, settings.listenerNames);
    this.#note = note;
  }

  /** A client's stream was opened; returns why there is no room for it, if so. Else it takes a place until it has {@link left}. */
  arrived({ listener }: Peer): RpcStatus | undefined {
    if (this.#streams.take(listener)) return undefined;
    const { clientStreamsMax, listenerNames } = this.#settings;
    const others = listenerNames.length > 1 ? ', or kept for the other listeners' : '';
    return exhausted(`${clientStreamsMax} client streams are open already${others} (setting clientStreamsMax)`);
  }

  /** The view that a client's request is about, found or made at its first one; or the status to end the stream with. */
  receive(client: Client, request: ClientRequest, clock: Clock): View | RpcStatus {
    const view = client.view ?? this.#letIn(client, request, clock);
    if (!('types' in view)) return view;
    const { body } = request;
    const listed =
      body.variant === 'sotw'
        ? body.resourceNames.length
        : body.subscribe.length + body.unsubscribe.length + body.versions.size;
    const excess =
      this.#limits.asked(client.account, listed, clock.monotonicMs) ??
      this.#keepsSecrets(client, request) ??
      this.#tooManyTypes(view, request);
    return excess ?? view;
  }

  /** How many names more a client may ask for. */
  namesRoom(client: Client): number {
    return this.#limits.namesRoom(client.account);
  }

  /** What a client may see of a type. */
  scopeOf({ peer, identity, stream }: Client, typeUrl: TypeUrl): TypeScope {
    const known = stream.type(typeUrl)?.seen.scope;
    invariant(identity, 'a client that was let in has said who it is');
    return known ?? this.#settings.scopes.ofClient(peer, identity, typeUrl);
  }

  /** A client's request changed what it asks for; returns why that is too much, if so. */
  changed(client: Client, typeUrl: TypeUrl, outcome: RequestOutcome, nowMs: number): RpcStatus | undefined {
    const { change, gained } = outcome;
    client.names += gained;
    this.#tellDenials(client, typeUrl, change);
    return this.#limits.changed(client.account, gained, change.added.length + change.removed.length, nowMs);
  }

  #tellDenials(client: Client, typeUrl: TypeUrl, { denied, wildcard }: SubscriptionChange): void {
    const scope = this.scopeOf(client, typeUrl);
    if (scope.isOpen) return;
    const { streamId, identity } = client;
    const about = { kind: 'scope_denied', typeUrl, client: { streamId, nodeId: identity?.id ?? '' } } as const;
    if (denied.length > 0) this.#note({ ...about, what: 'names', names: denied });
    if (wildcard > 0) this.#note({ ...about, what: scope.isClosed ? 'type' : 'wildcard', names: [] });
  }

  /** A client's stream ended. */
  left(client: Client, nowMs: number): void {
    this.#streams.giveBack(client.peer.listener);
    this.#limits.closed(client.account, client.names, nowMs);
  }

  #letIn(client: Client, request: ClientRequest, clock: Clock): View | RpcStatus {
    const { identity, clients, views } = this.#desk;
    const admission = identity.admit(request.node, client.peer, clients.attachedIdentity());
    if ('code' in admission) {
      const node = request.node && readNode(request.node);
      client.claimedId = node && 'id' in node ? node.id : '';
      return admission;
    }
    client.claimedId = admission.identity.id;
    const account = JSON.stringify([client.peer.listener, client.peer.names, admission.identity.id]);
    const excess = this.#limits.opened(account, clock.monotonicMs);
    if (excess) return excess;
    client.account = account;
    const view = views.get(admission.viewKey) ?? this.#makeView(admission, account, clock);
    if (!('types' in view)) return view;
    view.introduce(admission.node);
    client.attach(view, admission.identity, clock.monotonicMs);
    clients.attached(client, view);
    views.used(view);
    this.#note({
      kind: 'client_attached',
      streamId: client.streamId,
      nodeId: admission.identity.id,
      variant: client.stream.variant,
      listener: client.peer.listener,
    });
    return view;
  }

  #makeView({ viewKey, identity, node, group }: Admission, account: string, clock: Clock): View | RpcStatus {
    const { views, clients, stored: storage, identity: policy } = this.#desk;
    let replaces: ViewKey | undefined;
    if (!policy.isSeparating) replaces = views.retireIdle(clients.viewsInUse(), clock);
    else {
      const problem = views.makeRoom(account, clock);
      if (problem !== undefined) return exhausted(problem);
    }
    const found = views.takeIdle(viewKey) ?? storage.find(identity, group);
    const owner = found && views.get(found.viewKey);
    const isOwnerHere = owner !== undefined && clients.isUsed(owner);
    const stored = found && policy.mayTakeOver(viewKey, identity, found, isOwnerHere) ? found : undefined;
    const matchKey = group ?? matchKeyOf(identity, this.#settings.cacheMatch);
    const view = views.make(viewKey, node, matchKey, stored, clock, account);
    this.#note({ kind: 'view_opened', viewKey, nodeId: identity.id, replaces });
    return view;
  }

  #tooManyTypes(view: View, { typeUrl }: ClientRequest): RpcStatus | undefined {
    const { viewTypesMax } = this.#settings;
    if (view.types.has(typeUrl) || isReport(typeUrl)) return undefined;
    if (view.types.size >= viewTypesMax) view.dropUnused(one => this.#desk.clients.isAskedFor(view, one));
    if (view.types.size < viewTypesMax) return undefined;
    return exhausted(`clients ask for more than ${viewTypesMax} types (setting typesPerViewMax)`);
  }

  /** Keys go to a socket, to a client that has proven who it is, or over loopback where that is allowed (R124). */
  #keepsSecrets({ peer }: Client, { typeUrl }: ClientRequest): RpcStatus | undefined {
    if (typeUrl !== secretType || peer.way === 'private') return undefined;
    if (peer.way === 'open') {
      if (!this.#isTcpTold) this.#note({ kind: 'secrets_over_tcp', listener: peer.listener });
      this.#isTcpTold = true;
      return undefined;
    }
    const message = `secrets are not served on ${peer.listener}, which is plain TCP; use a socket or mTLS (setting sdsOverTcp)`;
    return { code: grpcCode.permissionDenied, message };
  }
}

function exhausted(message: string): RpcStatus {
  return { code: grpcCode.resourceExhausted, message };
}

/** The seed for a view that has nothing yet, if there is one for its node. */
export function seedFor(view: View, stored: StoredViews): StoredView | undefined {
  const identity = readNode(view.node);
  if (view.hasContent || 'error' in identity) return undefined;
  const found = stored.find(identity, undefined);
  return found?.provenance === 'seed' ? found : undefined;
}
