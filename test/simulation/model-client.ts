import assert from 'node:assert/strict';
import { clusterType, endpointType, listenerType, routeType, traitsOf } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { decodeTestResponse, encodeTestRequest, type TestRequest } from '../support/messages.ts';
import type { ModelControlPlane } from './model-control-plane.ts';
import { decodeSim, type SimResource, simTypes } from './resources.ts';

const childOf = new Map<TypeUrl, TypeUrl>([
  [clusterType, endpointType],
  [listenerType, routeType],
]);

interface TypeState {
  readonly held: Map<string, SimResource & { version: string }>;
  /** Names asked for; undefined is the legacy wildcard. */
  names: Set<string> | undefined;
  version: string;
  nonce: string;
  isAsked: boolean;
}

/** What a model client may do besides the ordinary. */
export interface ClientManner {
  readonly variant: Variant;
  /** Rejects poisoned resources, as Envoy does. */
  readonly isPicky: boolean;
}

/**
 * A client as Envoy behaves: wildcard clusters and listeners, endpoints and routes by the names these refer to, ACK or NACK for every
 * message, warming of changed clusters. It checks each message by the protocol's rules.
 */
export class ModelClient {
  readonly nodeId: string;
  readonly manner: ClientManner;
  readonly #types = new Map<TypeUrl, TypeState>();
  #nonces = new Set<string>();
  #isFirst = true;
  /** Clusters that changed and wait for endpoints on this stream (R29). */
  readonly warming = new Set<string>();
  messages = 0;
  /** Every name this client was told to be gone. */
  readonly removals: { readonly typeUrl: TypeUrl; readonly name: string }[] = [];
  /** Serials that it rejected with its last answer; empty when it accepted. */
  refused: readonly number[] = [];

  constructor(nodeId: string, manner: ClientManner) {
    this.nodeId = nodeId;
    this.manner = manner;
  }

  held(typeUrl: TypeUrl): ReadonlyMap<string, SimResource> {
    return this.#type(typeUrl).held;
  }

  /** Names asked for explicitly; undefined for a wildcard. */
  names(typeUrl: TypeUrl): ReadonlySet<string> | undefined {
    return this.#type(typeUrl).names;
  }

  /** Loses everything, as a restarted process. */
  restart(): void {
    this.#types.clear();
    this.warming.clear();
  }

  /** Opens a stream: the first requests, in order. Versions are kept, nonces are not (R5). */
  connect(): Buffer[] {
    this.#nonces = new Set();
    this.#isFirst = true;
    this.warming.clear();
    const requests: Buffer[] = [];
    for (const state of this.#types.values()) {
      state.nonce = '';
      state.isAsked = false;
    }
    for (const typeUrl of [clusterType, endpointType, listenerType, routeType]) {
      const state = this.#type(typeUrl);
      if (state.names && state.names.size === 0) continue;
      requests.push(this.#request(typeUrl, { names: [...(state.names ?? [])] }));
    }
    return requests;
  }

  /** Takes in a message; returns the requests it leads to. */
  receive(bytes: Buffer): Buffer[] {
    this.messages++;
    const { variant, isPicky } = this.manner;
    const response = decodeTestResponse(bytes, variant);
    const typeUrl = response.typeUrl as TypeUrl;
    const state = this.#type(typeUrl);
    assert.ok(state.isAsked, `a response of ${typeUrl}, which was not asked for`);
    assert.ok(
      response.nonce !== '' && !this.#nonces.has(response.nonce),
      `R3: nonce '${response.nonce}' is empty or used`,
    );
    assert.notEqual(response.version, '', 'R90: the version is empty');
    this.#nonces.add(response.nonce);
    state.nonce = response.nonce;
    const incoming = new Map(
      response.resources.map(one => [one.name, { ...decodeSim(one.body), version: one.version }]),
    );
    assert.equal(incoming.size, response.resources.length, 'R22: a name occurs twice');
    for (const [name, one] of incoming) {
      assert.equal(one.name, name, 'the wrapper and the body name the same resource');
      if (variant === 'delta') assert.notEqual(one.version, '', 'R89: a Delta resource without version');
    }
    for (const name of response.removed) assert.ok(!incoming.has(name), 'R22: a name is both sent and removed');
    for (const name of response.removed) this.removals.push({ typeUrl, name });

    const refused = isPicky ? [...incoming.values()].filter(one => one.isPoison) : [];
    this.refused = refused.map(one => one.serial);
    if (refused.length > 0) {
      return [this.#answer(typeUrl, `rejects ${refused.map(one => one.name).join(', ')}`)];
    }
    this.#apply(typeUrl, state, incoming, response.removed);
    state.version = response.version;
    // The endpoints a cluster needs are asked for before the clusters are acknowledged (R41).
    return [...this.#follow(typeUrl), this.#answer(typeUrl, undefined)];
  }

  #apply(
    typeUrl: TypeUrl,
    state: TypeState,
    incoming: ReadonlyMap<string, SimResource & { version: string }>,
    removed: readonly string[],
  ): void {
    if (typeUrl === endpointType) for (const name of incoming.keys()) this.warming.delete(name);
    if (typeUrl === clusterType) {
      for (const [name, one] of incoming) {
        if (state.held.get(name)?.serial !== one.serial) for (const ref of one.refs) this.warming.add(ref);
      }
    }
    if (this.manner.variant === 'sotw' && traitsOf(typeUrl).isFullState) {
      // What a whole list lacks is gone: a partial one would be seen here.
      for (const name of state.held.keys()) if (!incoming.has(name)) this.removals.push({ typeUrl, name });
      state.held.clear();
    }
    for (const [name, one] of incoming) state.held.set(name, one);
    for (const name of removed) state.held.delete(name);
  }

  /** Asks for what the new state refers to. */
  #follow(typeUrl: TypeUrl): Buffer[] {
    const childType = childOf.get(typeUrl);
    if (!childType) return [];
    const wanted = new Set<string>();
    for (const one of this.#type(typeUrl).held.values()) for (const ref of one.refs) wanted.add(ref);
    const child = this.#type(childType);
    const before = child.names ?? new Set<string>();
    const added = [...wanted].filter(name => !before.has(name));
    const dropped = [...before].filter(name => !wanted.has(name));
    if (added.length + dropped.length === 0) return [];
    child.names = wanted;
    for (const name of dropped) {
      child.held.delete(name);
      this.warming.delete(name);
    }
    if (this.manner.variant === 'sotw') return [this.#request(childType, { names: [...wanted], nonce: child.nonce })];
    return [this.#request(childType, { names: added, unsubscribe: dropped })];
  }

  #answer(typeUrl: TypeUrl, error: string | undefined): Buffer {
    const state = this.#type(typeUrl);
    const names = this.manner.variant === 'sotw' ? [...(state.names ?? [])] : [];
    return this.#request(typeUrl, { names, nonce: state.nonce, error });
  }

  #request(typeUrl: TypeUrl, parts: Partial<TestRequest>): Buffer {
    const state = this.#type(typeUrl);
    const isFirstOfType = !state.isAsked;
    state.isAsked = true;
    const nodeId = this.#isFirst ? this.nodeId : undefined;
    this.#isFirst = false;
    const initialVersions = new Map<string, string>();
    if (this.manner.variant === 'delta' && isFirstOfType) {
      for (const [name, { version }] of state.held) initialVersions.set(name, version);
    }
    return encodeTestRequest(
      { typeUrl, nodeId, version: state.version, initialVersions, ...parts },
      this.manner.variant,
    );
  }

  #type(typeUrl: TypeUrl): TypeState {
    const known = this.#types.get(typeUrl);
    if (known) return known;
    const names = traitsOf(typeUrl).isFullState ? undefined : new Set<string>();
    const state: TypeState = { held: new Map(), names, version: '', nonce: '', isAsked: false };
    this.#types.set(typeUrl, state);
    return state;
  }
}

/** Compares what a client holds, of what it asked for, with what its control plane has. */
export function assertHolds(client: ModelClient, plane: ModelControlPlane): void {
  for (const typeUrl of simTypes) {
    const names = client.names(typeUrl);
    const isWanted = (name: string): boolean => names === undefined || names.has(name);
    const wanted = [...plane.resources(typeUrl)].filter(([name]) => isWanted(name));
    const expected = Object.fromEntries(wanted.map(([name, { resource }]) => [name, resource.serial]).sort());
    const held = [...client.held(typeUrl)].filter(([name]) => isWanted(name));
    const actual = Object.fromEntries(held.map(([name, { serial }]) => [name, serial]).sort());
    assert.deepEqual(actual, expected, `${client.nodeId} (${client.manner.variant}) differs in ${typeUrl}`);
  }
  assert.deepEqual([...client.warming], [], `${client.nodeId} is left with warming clusters (R29)`);
}
