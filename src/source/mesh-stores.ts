import { missingIn } from '../cache/applied.ts';
import { BodyPool } from '../cache/body-pool.ts';
import type { IdleTier } from '../cache/idle-tier.ts';
import { TypeStore } from '../cache/store.ts';
import { type IstioKind, kindOfTypeUrl, meshConfigTypeUrl } from '../istio/kinds.ts';
import type { MeshResource } from '../istio/mesh-resource.ts';
import { AnswerShelf } from '../local-ads/answer-shelf.ts';
import type { TypeSource } from '../local-ads/type-source.ts';
import type { WireResource } from '../xds/discovery.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { SourceEvent } from './source-events.ts';

/** How a kind stands, for health pages and people. */
export interface KindState {
  readonly kind: string;
  /** Its complete state was read; until then nobody is answered. */
  readonly isKnown: boolean;
  readonly resources: number;
}

/** Nothing of a source lies idle: it serves all that it has read. */
const noIdleTier: IdleTier = { put: () => false, get: () => undefined, delete: () => undefined, size: 0 };

/**
 * What the source serves, by type URL. A kind that is read is known once its complete state has been told, under today's type URL and under
 * the older ones; whatever else is asked for is known to be empty, since istiod waits for an answer to each of its types.
 */
export class MeshStores {
  readonly #read: ReadonlySet<IstioKind>;
  readonly #readsMeshConfig: boolean;
  readonly #types = new Map<TypeUrl, TypeSource>();
  /** Older type URLs have the same bodies. */
  readonly #bodies = new BodyPool();
  #made = 0;

  /** @param kinds those that are read */
  constructor(kinds: readonly IstioKind[], readsMeshConfig: boolean) {
    this.#read = new Set(kinds);
    this.#readsMeshConfig = readsMeshConfig;
    for (const { typeUrl, olderTypeUrls } of kinds) for (const url of [typeUrl, ...olderTypeUrls]) this.of(url);
    if (readsMeshConfig) this.of(meshConfigTypeUrl);
  }

  /** What there is of a type. Whoever calls bounds how many there may be. */
  of(typeUrl: TypeUrl): TypeSource {
    const known = this.#types.get(typeUrl);
    if (known) return known;
    const store = new TypeStore(typeUrl, traitsOf(typeUrl), noIdleTier, this.#bodies, '');
    store.isKnown = !this.#isRead(typeUrl);
    const noncePrefix = `${(this.#made++).toString(36)}-`;
    const made = { store, shelf: new AnswerShelf(store), noncePrefix, upstreamVersion: '' };
    this.#types.set(typeUrl, made);
    return made;
  }

  has(typeUrl: TypeUrl): boolean {
    return this.#types.has(typeUrl);
  }

  /** How many types there are. */
  get size(): number {
    return this.#types.size;
  }

  /** Drops types that are not read and that nobody asks for any more. */
  dropUnread(isAskedFor: (typeUrl: TypeUrl) => boolean): void {
    for (const typeUrl of this.#types.keys()) {
      if (!this.#isRead(typeUrl) && !isAskedFor(typeUrl)) this.#types.delete(typeUrl);
    }
  }

  #isRead(typeUrl: TypeUrl): boolean {
    if (typeUrl === meshConfigTypeUrl) return this.#readsMeshConfig;
    const kind = kindOfTypeUrl(typeUrl);
    return kind !== undefined && this.#read.has(kind);
  }

  /** Kinds that are read, and the configuration of the mesh. */
  *states(): Generator<KindState> {
    for (const { kind, typeUrl } of this.#read) {
      const { store } = this.of(typeUrl);
      yield { kind, isKnown: store.isKnown, resources: store.size };
    }
    if (!this.#readsMeshConfig) return;
    const { store } = this.of(meshConfigTypeUrl);
    yield { kind: 'MeshConfig', isKnown: store.isKnown, resources: store.size };
  }

  /** Takes in what a reader tells. Returns the types whose clients may have to be told. */
  apply(event: SourceEvent, nowMs: number): TypeSource[] {
    switch (event.kind) {
      case 'whole':
        return this.#urlsOf(event.of).map(url => this.#whole(url, event.resources, nowMs));
      case 'changed':
        return this.#urlsOf(event.of).flatMap(url => this.#changed(url, event, nowMs));
      case 'mesh_config':
        // The type has no names.
        return [this.#whole(meshConfigTypeUrl, event.any ? [{ name: '', version: '', any: event.any }] : [], nowMs)];
      default:
        return [];
    }
  }

  #urlsOf({ typeUrl, olderTypeUrls }: IstioKind): readonly TypeUrl[] {
    return [typeUrl, ...olderTypeUrls];
  }

  #whole(typeUrl: TypeUrl, resources: readonly MeshResource[], nowMs: number): TypeSource {
    const type = this.of(typeUrl);
    const wire = resources.map(wireOf);
    type.store.apply(wire, missingIn(type.store, wire), () => 'serve', 0, nowMs);
    type.store.isKnown = true;
    return type;
  }

  #changed(typeUrl: TypeUrl, { resources, removed }: SourceEvent & { kind: 'changed' }, nowMs: number): TypeSource[] {
    const type = this.of(typeUrl);
    // What is not whole yet will be told as a whole.
    if (!type.store.isKnown) return [];
    type.store.apply(resources.map(wireOf), removed, () => 'serve', 0, nowMs);
    return [type];
  }
}

function wireOf({ name, version, any }: MeshResource): WireResource {
  return { name, version, any, extra: undefined, ttlMs: undefined };
}
