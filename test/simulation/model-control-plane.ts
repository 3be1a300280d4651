import assert from 'node:assert/strict';
import { traitsOf } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { decodeTestRequest, encodeTestResponse, type TestResource } from '../support/messages.ts';
import { encodeSim, type SimResource, simTypes } from './resources.ts';

/** How a control plane behaves where the protocol leaves it free (rulebook 5). */
export interface Manner {
  /** Delta is answered with UNIMPLEMENTED. */
  readonly isSotwOnly: boolean;
  /** Names that do not exist are reported in Delta; go-control-plane stays silent. */
  readonly tellsMissing: boolean;
  /** Per-resource versions are empty, as Istio's. */
  readonly hasEmptyVersions: boolean;
  /** A NACK in SotW is answered by the same again, as go-control-plane does. */
  readonly resendsRefused: boolean;
  /** A first wildcard answer in Delta comes in several messages. */
  readonly splits: boolean;
}

interface Held {
  readonly resource: SimResource;
  readonly version: string;
  readonly body: Buffer;
}

interface TypeState {
  isWildcard: boolean;
  readonly names: Set<string>;
  /** Delta: versions sent. SotW: names sent. */
  readonly sent: Map<string, string>;
  wasNamed: boolean;
  /** The answer to this nonce is awaited, and nothing is sent before. */
  awaited: string;
  sentVersion: string;
  isDirty: boolean;
}

/** One stream at the control plane: checks each request by the rules and answers in its manner. */
export class ModelStream {
  readonly variant: Variant;
  readonly plane: ModelControlPlane;
  readonly #types = new Map<TypeUrl, TypeState>();
  #requests = 0;
  #nonces = 0;
  readonly #open = new Map<string, { readonly typeUrl: TypeUrl; readonly serials: readonly number[] }>();

  constructor(plane: ModelControlPlane, variant: Variant) {
    this.plane = plane;
    this.variant = variant;
  }

  /** Takes in a request; returns the encoded responses. */
  request(bytes: Buffer): Buffer[] {
    const request = decodeTestRequest(bytes, this.variant);
    const typeUrl = request.typeUrl as TypeUrl;
    this.#requests++;
    assert.equal(request.nodeId !== undefined, this.#requests === 1, 'R1: the node comes with the first request only');
    assert.ok(this.plane.types.includes(typeUrl), `R2: a request of type '${typeUrl}'`);
    const known = this.#types.get(typeUrl);
    const isChange = request.names.length + request.unsubscribe.length > 0;
    if (!known) {
      assert.equal(request.nonce, '', 'R3: the first request of a type has no nonce');
      assert.equal(request.error, undefined, 'R131: the first request of a type is no NACK');
      if (!traitsOf(typeUrl).hasLegacyWildcard) assert.ok(isChange, 'R73: an empty first request of a partial type');
    }
    if (request.nonce !== '') this.#verdict(request.nonce, typeUrl, request.error);
    return this.variant === 'delta' ? this.#delta(typeUrl, known, request) : this.#sotw(typeUrl, known, request);
  }

  /** Sends what changed since the last message of each type. */
  push(typeUrl: TypeUrl): Buffer[] {
    const state = this.#types.get(typeUrl);
    if (!state) return [];
    state.isDirty = true;
    return this.#flush(typeUrl, state);
  }

  #verdict(nonce: string, typeUrl: TypeUrl, error: string | undefined): void {
    const answered = this.#open.get(nonce);
    if (!answered) {
      // A second word on the same nonce can only be a late NACK or, in SotW, a change of names.
      assert.ok(
        this.variant === 'sotw' || error !== undefined,
        `R6: nonce ${nonce} is not this stream's or was answered`,
      );
      return;
    }
    assert.equal(answered.typeUrl, typeUrl, 'R3: a nonce belongs to one type');
    this.#open.delete(nonce);
    this.plane.verdicts.push({ serials: answered.serials, isAck: error === undefined });
  }

  #delta(typeUrl: TypeUrl, known: TypeState | undefined, request: ReturnType<typeof decodeTestRequest>): Buffer[] {
    const state = known ?? newState();
    this.#types.set(typeUrl, state);
    const isChange = request.names.length + request.unsubscribe.length > 0;
    if (known) {
      assert.ok(!(request.nonce !== '' && isChange), 'R75: an answer carries no subscription change');
      assert.ok(request.nonce !== '' || isChange, 'R75: a request that says nothing');
      assert.equal(request.initialVersions.size, 0, 'initial versions come with the first request only');
    } else if (request.names.length === 0) state.isWildcard = true;
    for (const [name, version] of request.initialVersions) state.sent.set(name, version);
    if (request.nonce !== '') {
      if (request.nonce === state.awaited) state.awaited = '';
      return this.#flush(typeUrl, state);
    }
    for (const name of request.names) {
      if (name === '*') state.isWildcard = true;
      else {
        assert.ok(!state.names.has(name), `'${name}' is subscribed twice`);
        state.names.add(name);
      }
    }
    for (const name of request.unsubscribe) {
      if (name === '*') state.isWildcard = false;
      else assert.ok(state.names.delete(name), `'${name}' is unsubscribed but was not subscribed`);
    }
    // What the subscription does not cover any more counts as never sent.
    if (request.unsubscribe.length > 0 && !state.isWildcard) {
      for (const name of [...state.sent.keys()]) if (!state.names.has(name)) state.sent.delete(name);
    }
    for (const name of request.initialVersions.keys()) {
      assert.ok(state.isWildcard || state.names.has(name), `R107: '${name}' is listed but not subscribed`);
    }
    const asked = new Set(request.names);
    if (!known && state.isWildcard) asked.add('*');
    return this.#flush(typeUrl, state, asked);
  }

  #flush(typeUrl: TypeUrl, state: TypeState, asked: ReadonlySet<string> = new Set()): Buffer[] {
    if (this.variant === 'sotw') return this.#flushSotw(typeUrl, state);
    if (state.awaited !== '') return [];
    const current = this.plane.resources(typeUrl);
    const resources: TestResource[] = [];
    const removed: string[] = [];
    for (const [name, held] of current) {
      if (!state.isWildcard && !state.names.has(name)) continue;
      const sent = state.sent.get(name);
      // An empty version never equals anything, as with Istio, which sends all again.
      if (sent !== undefined && sent === held.version && held.version !== '') continue;
      if (sent !== undefined && held.version === '' && this.plane.wasSent(this, typeUrl, name, held)) continue;
      resources.push({ name, version: held.version, body: held.body });
    }
    for (const name of state.sent.keys()) if (!current.has(name)) removed.push(name);
    if (this.plane.manner.tellsMissing) {
      for (const name of asked) if (name !== '*' && !current.has(name) && !removed.includes(name)) removed.push(name);
    }
    const isFirstEmpty = asked.has('*') && current.size === 0;
    if (resources.length + removed.length === 0 && !isFirstEmpty) return [];
    for (const one of resources) state.sent.set(one.name, one.version);
    for (const name of removed) state.sent.delete(name);
    this.plane.noteSent(this, typeUrl, resources);
    const isSplit = this.plane.manner.splits && asked.has('*') && resources.length > 1;
    const half = isSplit ? Math.ceil(resources.length / 2) : resources.length;
    const messages = [this.#respond(typeUrl, state, resources.slice(0, half), removed)];
    if (isSplit) messages.push(this.#respond(typeUrl, state, resources.slice(half), []));
    return messages;
  }

  #sotw(typeUrl: TypeUrl, known: TypeState | undefined, request: ReturnType<typeof decodeTestRequest>): Buffer[] {
    const state = known ?? newState();
    this.#types.set(typeUrl, state);
    assert.ok(!request.names.includes('*'), 'R70: a SotW control plane is not asked for * of these types');
    // Both known servers skip a request with a stale nonce wholly, names too (rulebook 5).
    if (known && request.nonce !== this.#newestNonce(typeUrl)) return [];
    const before = new Set(state.names);
    const wasWildcard = state.isWildcard;
    if (request.names.length > 0) state.wasNamed = true;
    state.isWildcard = request.names.length === 0 && !state.wasNamed;
    state.names.clear();
    for (const name of request.names) state.names.add(name);
    for (const name of [...state.sent.keys()]) if (!state.isWildcard && !state.names.has(name)) state.sent.delete(name);
    state.awaited = '';
    const hasNew = request.names.some(name => !before.has(name)) || (state.isWildcard && !wasWildcard);
    const isRefused = request.error !== undefined;
    if (hasNew) state.isDirty = true;
    if (isRefused && this.plane.manner.resendsRefused) {
      this.plane.resends++;
      state.sentVersion = '';
    }
    if (hasNew) state.sentVersion = '';
    return this.#flushSotw(typeUrl, state);
  }

  #flushSotw(typeUrl: TypeUrl, state: TypeState): Buffer[] {
    const version = this.plane.version(typeUrl);
    if (state.awaited !== '' || state.sentVersion === version) return [];
    if (!state.isWildcard && state.names.size === 0) return [];
    const resources: TestResource[] = [];
    for (const [name, held] of this.plane.resources(typeUrl)) {
      if (state.isWildcard || state.names.has(name)) resources.push({ name, version: '', body: held.body });
    }
    // A request for names that do not exist is answered with silence.
    if (!traitsOf(typeUrl).isFullState && resources.length === 0) return [];
    state.sentVersion = version;
    return [this.#respond(typeUrl, state, resources, [])];
  }

  #newestNonce(typeUrl: TypeUrl): string {
    return this.#newest.get(typeUrl) ?? '';
  }

  readonly #newest = new Map<TypeUrl, string>();

  #respond(typeUrl: TypeUrl, state: TypeState, resources: readonly TestResource[], removed: readonly string[]): Buffer {
    const nonce = `n${++this.#nonces}`;
    this.#newest.set(typeUrl, nonce);
    state.awaited = nonce;
    state.isDirty = false;
    const serials = resources.map(one => this.plane.serialOf(typeUrl, one.name));
    this.#open.set(nonce, { typeUrl, serials });
    const version = this.plane.version(typeUrl);
    this.plane.hasSpoken = true;
    return encodeTestResponse({ typeUrl, version, nonce, resources, removed }, this.variant, 'model');
  }
}

function newState(): TypeState {
  return {
    isWildcard: false,
    names: new Set(),
    sent: new Map(),
    wasNamed: false,
    awaited: '',
    sentVersion: '',
    isDirty: false,
  };
}

/** The control plane's state, shared by all its streams. */
export class ModelControlPlane {
  readonly manner: Manner;
  /** What it knows; it is asked for nothing else. */
  readonly types: readonly TypeUrl[];
  readonly verdicts: { readonly serials: readonly number[]; readonly isAck: boolean }[] = [];
  /** Serials of everything that it ever had: nobody else's clients may see one of them (R67). */
  readonly serials = new Set<number>();
  /** `type name` of everything that was ever removed. */
  readonly removed = new Set<string>();
  /** `type name` of what came when another one was in use, or could be: it may have taken over without it. */
  readonly late = new Set<string>();
  /** Something was said of what it has. */
  hasSpoken = false;
  resends = 0;
  readonly #resources = new Map<TypeUrl, Map<string, Held>>();
  readonly #versions = new Map<TypeUrl, number>();
  /** Changes of each resource so far. */
  readonly #counts = new Map<string, number>();
  readonly #sentSerials = new WeakMap<ModelStream, Map<string, number>>();

  constructor(manner: Manner, types: readonly TypeUrl[] = simTypes) {
    this.manner = manner;
    this.types = types;
    for (const typeUrl of types) this.#resources.set(typeUrl, new Map());
  }

  resources(typeUrl: TypeUrl): ReadonlyMap<string, Held> {
    return this.#resources.get(typeUrl) ?? new Map();
  }

  version(typeUrl: TypeUrl): string {
    return `v${this.#versions.get(typeUrl) ?? 0}`;
  }

  serialOf(typeUrl: TypeUrl, name: string): number {
    return this.resources(typeUrl).get(name)?.resource.serial ?? 0;
  }

  set(typeUrl: TypeUrl, name: string, resource: SimResource): void {
    this.serials.add(resource.serial);
    const body = encodeSim(typeUrl, name, resource);
    const version = this.manner.hasEmptyVersions ? '' : this.#nextVersion(typeUrl, name);
    this.#resources.get(typeUrl)?.set(name, { resource, version, body });
    this.#versions.set(typeUrl, (this.#versions.get(typeUrl) ?? 0) + 1);
  }

  remove(typeUrl: TypeUrl, name: string): void {
    this.removed.add(`${typeUrl} ${name}`);
    if (this.#resources.get(typeUrl)?.delete(name)) this.#versions.set(typeUrl, (this.#versions.get(typeUrl) ?? 0) + 1);
  }

  /** Each control plane counts for itself, so that equal versions of two of them mean different contents. */
  #nextVersion(typeUrl: TypeUrl, name: string): string {
    const key = `${typeUrl} ${name}`;
    const next = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, next);
    return String(next);
  }

  /** Empty versions: what a stream was sent is told apart by content, within the stream. */
  wasSent(stream: ModelStream, typeUrl: TypeUrl, name: string, held: Held): boolean {
    return this.#sentSerials.get(stream)?.get(`${typeUrl} ${name}`) === held.resource.serial;
  }

  noteSent(stream: ModelStream, typeUrl: TypeUrl, resources: readonly TestResource[]): void {
    const serials = this.#sentSerials.get(stream) ?? new Map<string, number>();
    for (const { name } of resources) serials.set(`${typeUrl} ${name}`, this.serialOf(typeUrl, name));
    this.#sentSerials.set(stream, serials);
  }
}
