import { waitFor } from '../../src/demo/processes.ts';
import { fieldsOf, payloadsOf, textOf } from '../../src/demo/proto.ts';
import { istioKinds, meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { encodeNode } from '../../src/xds/wire-request.ts';
import type { TestResponse } from './messages.ts';
import { type Cleanup, RawClient } from './raw-client.ts';

const mcpResource = 'type.googleapis.com/istio.mcp.v1alpha1.Resource';
/** What it asks for, in its order. */
export const askedByIstiod: readonly string[] = [meshConfigTypeUrl, ...istioKinds.map(({ typeUrl }) => typeUrl)];

/** Who an {@link IstiodClient} says that it is. */
export interface IstiodIdentity {
  readonly pod?: string;
  readonly namespace?: string;
}

/** A client that asks as istiod does over MCP: SotW, every type at once, a nonce on each first request, its node on every one. */
export class IstiodClient {
  readonly raw: RawClient;
  /** Bodies by type URL and name; a type is there once it was answered. What is no resource of MCP has no name. */
  readonly held = new Map<string, ReadonlyMap<string, Buffer>>();
  /** Messages received, by type URL. */
  readonly messages = new Map<string, number>();
  /** Types that it rejects, with its words. */
  readonly rejects = new Map<string, string>();
  readonly #node: Buffer;
  readonly #beganMs = performance.now();
  /** How long it took until each type was answered, in ms. */
  readyMs: number | undefined;

  constructor(
    context: Cleanup,
    address: string,
    { pod = 'istiod-0', namespace = 'istio-system' }: IstiodIdentity = {},
  ) {
    const id = `sidecar~10.0.0.7~${pod}.${namespace}~${namespace}.svc.cluster.local`;
    const metadata = { GENERATOR: 'api', ISTIO_VERSION: '65536.65536.65536' };
    this.#node = encodeNode({ id, cluster: '', region: '', zone: '', subZone: '', metadata });
    this.raw = new RawClient(context, address, 'sotw', { acks: false, heard: response => this.#take(response) });
    for (const typeUrl of askedByIstiod)
      this.raw.ask({ typeUrl, node: this.#node, nonce: `${new Date().toISOString()} m=+0.1` });
  }

  /** Names that it holds of a type. */
  names(typeUrl: string): string[] {
    return [...(this.held.get(typeUrl)?.keys() ?? [])].sort();
  }

  /** Waits until every type was answered; returns how long that took in ms. */
  async ready(): Promise<number> {
    return await waitFor('an answer of each type', 20_000, () => this.readyMs);
  }

  /** Waits until what it holds of a type is as it should be. */
  async until(what: string, typeUrl: string, isRight: (held: ReadonlyMap<string, Buffer>) => boolean): Promise<void> {
    await waitFor(what, 20_000, () => (isRight(this.held.get(typeUrl) ?? new Map()) ? true : undefined));
  }

  #take({ typeUrl, version, nonce, resources }: TestResponse): void {
    this.messages.set(typeUrl, (this.messages.get(typeUrl) ?? 0) + 1);
    const error = this.rejects.get(typeUrl);
    if (error !== undefined) {
      this.raw.ask({ typeUrl, nonce, node: this.#node, error });
      return;
    }
    this.held.set(
      typeUrl,
      new Map(resources.map(({ anyType, body }) => [anyType === mcpResource ? nameIn(body) : '', body])),
    );
    if (this.held.size === askedByIstiod.length) this.readyMs ??= performance.now() - this.#beganMs;
    if (typeUrl === meshConfigTypeUrl && resources.length > 0) return;
    this.raw.ask({ typeUrl, version, nonce, node: this.#node });
  }
}

function nameIn(body: Buffer): string {
  const [metadata] = payloadsOf(fieldsOf(body), 1);
  return metadata === undefined ? '' : textOf(fieldsOf(metadata), 1);
}
