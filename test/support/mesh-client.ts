import type { TestContext } from 'node:test';
import { endpointsNameOf, routeNamesOf, typeUrls } from '../../src/demo/resources.ts';
import type { Variant } from '../../src/xds/types.ts';
import type { TestResponse } from './messages.ts';
import { RawClient } from './raw-client.ts';

const wildcards: readonly string[] = [typeUrls.cluster, typeUrls.listener];

/**
 * A client that asks as Envoy does: all clusters and listeners, then endpoints and routes by the names these refer to. It accepts everything, and
 * its stream is never opened again: that it ends is what the tests look for.
 */
export class MeshClient {
  readonly variant: Variant;
  readonly raw: RawClient;
  /** Bodies by type URL and name. */
  readonly held = new Map<string, Map<string, Buffer>>();
  /** Messages received. */
  messages = 0;
  readonly #changed: (client: MeshClient, removed: readonly string[], typeUrl: string) => void;
  readonly #last = new Map<string, { readonly version: string; readonly nonce: string }>();
  readonly #names = new Map<string, Set<string>>();

  /** @param changed told after each message, with what was removed by it */
  constructor(
    context: TestContext,
    address: string,
    variant: Variant,
    nodeId: string,
    changed: (client: MeshClient, removed: readonly string[], typeUrl: string) => void = () => {},
  ) {
    this.variant = variant;
    this.#changed = changed;
    for (const typeUrl of Object.values(typeUrls)) this.held.set(typeUrl, new Map());
    for (const typeUrl of [typeUrls.endpoints, typeUrls.routes]) this.#names.set(typeUrl, new Set());
    this.raw = new RawClient(context, address, variant, { acks: false, heard: response => this.#take(response) });
    this.raw.ask({ typeUrl: typeUrls.cluster, nodeId });
    this.raw.ask({ typeUrl: typeUrls.listener });
  }

  of(typeUrl: string): Map<string, Buffer> {
    const held = this.held.get(typeUrl);
    if (!held) throw new Error(`${typeUrl} was not asked for`);
    return held;
  }

  #take(response: TestResponse): void {
    const { typeUrl, version, nonce, resources, removed: told } = response;
    this.messages += 1;
    const held = this.of(typeUrl);
    const isWhole = this.variant === 'sotw' && wildcards.includes(typeUrl);
    const listed = new Set(resources.map(one => one.name));
    const removed = isWhole ? [...held.keys()].filter(name => !listed.has(name)) : told.filter(name => held.has(name));
    for (const name of removed) held.delete(name);
    for (const { name, body } of resources) held.set(name, body);
    this.#last.set(typeUrl, { version, nonce });
    const names = [...(this.#names.get(typeUrl) ?? [])];
    this.raw.ask({ typeUrl, version, nonce, ...(this.variant === 'sotw' && { names }) });
    if (typeUrl === typeUrls.cluster) this.#want(typeUrls.endpoints, [...held.values()].map(endpointsNameOf));
    if (typeUrl === typeUrls.listener) this.#want(typeUrls.routes, [...held.values()].flatMap(routeNamesOf));
    this.#changed(this, removed, typeUrl);
  }

  /** Subscribes what is referred to, and gives up and forgets what is not any more. */
  #want(typeUrl: string, names: readonly string[]): void {
    const before: ReadonlySet<string> = this.#names.get(typeUrl) ?? new Set();
    const wanted = new Set(names);
    const added = [...wanted].filter(name => !before.has(name));
    const gone = [...before].filter(name => !wanted.has(name));
    if (added.length + gone.length === 0) return;
    this.#names.set(typeUrl, wanted);
    for (const name of gone) this.of(typeUrl).delete(name);
    if (this.variant === 'sotw') this.raw.ask({ typeUrl, ...this.#last.get(typeUrl), names: [...wanted] });
    else this.raw.ask({ typeUrl, names: added, unsubscribe: gone });
  }
}
