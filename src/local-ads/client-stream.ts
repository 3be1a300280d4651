import { endpointNamesOf } from '../cache/entry.ts';
import { collectionsOfAssignment } from '../xds/resource-name.ts';
import { clusterType, endpointType, listenerType, memberType, routeType, traitsOf } from '../xds/type-urls.ts';
import { grpcCode, type Nonce, type RpcStatus, type TypeUrl, type Variant } from '../xds/types.ts';
import { decodeDeltaRequest, decodeSotwRequest, type RequestLimits } from '../xds/wire-request.ts';
import { ClientType } from './client-type.ts';
import { type NameForms, toCanonical } from './name-forms.ts';
import type { Verdict } from './nonce-book.ts';
import type { SubscriptionChange } from './subscription.ts';
import type { Message, Outgoing, TypeOffer } from './type-source.ts';

/** Limits and timing of one client stream. */
export interface ClientSettings extends RequestLimits {
  readonly typesMax: number;
  /** How long removals of clusters and endpoints wait, in ms (R86). */
  readonly removalHoldMs: number;
  /** How long listeners and routes wait for the endpoints of clusters sent before them, in ms (R88). */
  readonly warmHoldMs: number;
}

/** A request of either variant, reduced to what the rest of Weir needs. */
export interface ClientRequest {
  /** Encoded Node; undefined when the request carries none. */
  readonly node: Buffer | undefined;
  readonly typeUrl: TypeUrl;
  readonly nonce: Nonce | '';
  readonly errorDetail: RpcStatus | undefined;
  readonly body:
    | { readonly variant: 'sotw'; readonly versionInfo: string; readonly resourceNames: readonly string[] }
    | {
        readonly variant: 'delta';
        readonly subscribe: readonly string[];
        readonly unsubscribe: readonly string[];
        readonly versions: ReadonlyMap<string, string>;
      };
}

/** What a request asks of the rest of the core. */
export interface RequestOutcome {
  readonly change: SubscriptionChange;
  /** Names that the stream asks for more than before, or fewer. */
  readonly gained: number;
  readonly verdict: Verdict | undefined;
}

/** Types that refer to clusters and therefore wait for them (R30). */
const followers: ReadonlySet<TypeUrl> = new Set([listenerType, routeType]);
/** Endpoints remembered beyond twice the number of clusters, before they are looked through. */
const earlySlack = 1_000;
const noVersions: ReadonlyMap<string, string> = new Map();

/** One stream of one local client, in either variant: its types, and which of them is told what next. */
export class ClientStream {
  readonly variant: Variant;
  readonly #settings: ClientSettings;
  /** Served type of a per-type service, undefined on ADS (R129). */
  readonly #fixedType: TypeUrl | undefined;
  readonly #types = new Map<TypeUrl, ClientType>();
  /** The same in make-before-break order (R86). */
  #ordered: ClientType[] = [];
  /** Endpoints that have to follow sent clusters, and until when listeners and routes wait for them (R87, R88). */
  readonly #warming = new Set<string>();
  #warmUntilMs = Infinity;
  /** Endpoints of clusters sent before the client asked for any endpoints. */
  readonly #early = new Set<string>();

  constructor(variant: Variant, settings: ClientSettings, fixedType: TypeUrl | undefined) {
    this.variant = variant;
    this.#settings = settings;
    this.#fixedType = fixedType;
  }

  types(): IterableIterator<ClientType> {
    return this.#types.values();
  }

  type(typeUrl: TypeUrl): ClientType | undefined {
    return this.#types.get(typeUrl);
  }

  /**
   * Decodes a request.
   *
   * @returns the request, or the status to end the stream with (R126)
   */
  decode(bytes: Buffer): ClientRequest | { readonly close: RpcStatus } {
    const decoded =
      this.variant === 'sotw' ? decodeSotwRequest(bytes, this.#settings) : decodeDeltaRequest(bytes, this.#settings);
    if ('error' in decoded) {
      if (decoded.limit) return refuse(grpcCode.resourceExhausted, `${decoded.error} (setting ${decoded.limit})`);
      return refuse(grpcCode.invalidArgument, `the request cannot be decoded: ${decoded.error}`);
    }
    const typeUrl = decoded.typeUrl || this.#fixedType;
    if (!typeUrl) return refuse(grpcCode.invalidArgument, 'a request on an aggregated stream needs a type_url');
    if (this.#fixedType && typeUrl !== this.#fixedType) {
      return refuse(grpcCode.invalidArgument, `this service serves ${this.#fixedType}, not ${typeUrl}`);
    }
    if (!this.#types.has(typeUrl) && this.#types.size >= this.#settings.typesMax) {
      return refuse(
        grpcCode.resourceExhausted,
        `the stream asks for more than ${this.#settings.typesMax} types (setting typesPerStreamMax)`,
      );
    }
    const common = { node: decoded.node, typeUrl, nonce: decoded.responseNonce, errorDetail: decoded.errorDetail };
    if ('resourceNames' in decoded) {
      const { versionInfo, resourceNames } = decoded;
      return { ...common, body: { variant: 'sotw', versionInfo, resourceNames } };
    }
    const { subscribe, unsubscribe, initialResourceVersions: versions } = decoded;
    return { ...common, body: { variant: 'delta', subscribe, unsubscribe, versions } };
  }

  /**
   * Takes in a request: verdict on what was sent, and the new subscription.
   *
   * @param namesRoom how many names more it may ask for
   * @returns the outcome, or the status to end the stream with
   */
  accept(
    request: ClientRequest,
    offer: TypeOffer,
    namesRoom: number,
    nowMs: number,
  ): RequestOutcome | { readonly close: RpcStatus } {
    const { typeUrl } = request;
    let type = this.#types.get(typeUrl);
    const isFirst = type === undefined;
    if (!type) {
      type = new ClientType(typeUrl, traitsOf(typeUrl), this.variant, offer);
      this.#types.set(typeUrl, type);
      this.#ordered = [...this.#types.values()].sort((a, b) => a.traits.sendOrder - b.traits.sendOrder);
    }
    // A nonce on the first request of a type is from another stream or another program: no verdict (R3, R84, istio-facts.md "MCP").
    const verdict = isFirst ? undefined : type.answered(request.nonce, request.errorDetail);
    for (const name of type.takeLateWarms()) this.#warm(name, nowMs);
    const body = inCanonicalForm(request.body, type.forms);
    const { namesMax } = this.#settings;
    // Before anything is changed: a refused request must not count as the client's interest when it leaves.
    const namesAfter =
      body.variant === 'sotw'
        ? body.resourceNames.length
        : type.subscription.sizeWith(body.subscribe) + type.deniedCount;
    if (namesAfter > namesMax) {
      return refuse(
        grpcCode.resourceExhausted,
        `the stream names ${namesAfter} resources of ${typeUrl}, ${namesMax} are allowed (setting namesPerTypeMax)`,
      );
    }
    const namesBefore = type.subscription.size;
    if (namesAfter - namesBefore > namesRoom) {
      return refuse(
        grpcCode.resourceExhausted,
        'the streams of this client name more resources together than allowed (setting namesPerPeerMax)',
      );
    }
    const change =
      body.variant === 'sotw'
        ? type.subscription.replace(body.resourceNames)
        : type.subscription.change(body.subscribe, body.unsubscribe);
    if (isFirst) {
      const versions = body.variant === 'delta' ? body.versions : noVersions;
      type.begin(change, body.variant === 'sotw' ? body.versionInfo : '', versions);
      // Clusters were sent before their endpoints were asked for: those have to come whatever version the client brought (R87, R93).
      if (typeUrl === endpointType) {
        for (const name of this.#early) if (type.subscription.covers(name)) type.owe(name);
        this.#early.clear();
      }
    } else type.changed(change);
    return { change, gained: type.subscription.size - namesBefore, verdict };
  }

  /**
   * Builds the next message, the newest of its type, in make-before-break order (R28, R86). To be called when the last write has
   * left; it counts as sent.
   */
  next(nowMs: number): Outgoing | undefined {
    for (const type of this.#ordered) {
      if (followers.has(type.typeUrl) && type.nonces.hasSent && this.#isWarming(nowMs)) continue;
      const message = type.next(nowMs, this.#settings.removalHoldMs);
      if (message) return this.#sent(type.typeUrl, message, nowMs);
    }
    if (this.#isWarming(nowMs)) return undefined;
    for (const type of this.#ordered) {
      const message = type.release(nowMs);
      if (message) return this.#sent(type.typeUrl, message, nowMs);
    }
    return undefined;
  }

  /** When {@link next} may have something that it does not have now, by time alone. */
  nextDeadlineMs(): number {
    // While something warms no removal goes out, so its time does not count.
    if (this.#warming.size > 0) return this.#warmUntilMs;
    let deadline = Infinity;
    for (const type of this.#types.values()) deadline = Math.min(deadline, type.nextReleaseMs());
    return deadline;
  }

  #sent(typeUrl: TypeUrl, message: Message, nowMs: number): Outgoing {
    const areEndpointsAsked = this.#types.has(endpointType);
    for (const name of message.warms) {
      if (areEndpointsAsked) this.#warm(name, nowMs);
      else this.#early.add(name);
    }
    this.#pruneEarly();
    for (const name of message.endpoints) this.#warming.delete(name);
    this.#warmMembers(message.endpoints);
    const { bytes, resent, fromRevision } = message;
    return { typeUrl, bytes, resent, fromRevision };
  }

  /** A cluster whose endpoints are a collection warms by members that come after them: seen of Envoy 1.40, which does not ask again (R29). */
  #warmMembers(assignments: readonly string[]): void {
    const members = this.#types.get(memberType);
    if (!members) return;
    for (const name of assignments) {
      const entry = this.#types.get(endpointType)?.store.get(name);
      for (const collection of entry ? collectionsOfAssignment(entry.any) : []) {
        if (members.subscription.covers(collection)) members.owe(collection);
      }
    }
  }

  #warm(name: string, nowMs: number): void {
    const endpoints = this.#types.get(endpointType);
    // A new cluster's endpoints are asked for by the client (R41), but those of a changed one have to be pushed (R29).
    if (endpoints?.subscription.covers(name)) endpoints.owe(name);
    // What warms later does not lengthen the wait: clusters that change all the time would hold the rest back for ever.
    if (this.#warming.size === 0) this.#warmUntilMs = nowMs + this.#settings.warmHoldMs;
    this.#warming.add(name);
  }

  #isWarming(nowMs: number): boolean {
    if (this.#warmUntilMs <= nowMs) this.#warming.clear();
    return this.#warming.size > 0;
  }

  /** A client that never asks for endpoints must not make us remember every cluster there ever was. */
  #pruneEarly(): void {
    const clusters = this.#types.get(clusterType);
    if (!clusters || this.#early.size <= earlySlack + 2 * clusters.store.size) return;
    const referenced = new Set(endpointNamesOf(clusters.store.entries()));
    for (const name of this.#early) if (!referenced.has(name)) this.#early.delete(name);
  }
}

/** Two spellings of one name are one name (R32). */
function inCanonicalForm(body: ClientRequest['body'], forms: NameForms): ClientRequest['body'] {
  if (body.variant === 'sotw') return { ...body, resourceNames: forms.asked(body.resourceNames) };
  const names = forms.held([...body.versions.keys()]);
  const values = [...body.versions.values()];
  return {
    ...body,
    subscribe: forms.asked(body.subscribe),
    unsubscribe: toCanonical(body.unsubscribe),
    versions: new Map(names.map((name, index) => [name, values[index] ?? ''])),
  };
}

function refuse(code: number, message: string): { readonly close: RpcStatus } {
  return { close: { code, message } };
}
