import assert from 'node:assert/strict';
import { istioKinds } from '../../src/istio/kinds.ts';
import { type MeshResource, meshResourceOf } from '../../src/istio/mesh-resource.ts';
import { SourceCore, type SourceCoreEvent, type SourceNote } from '../../src/source/core.ts';
import { sourceLimits } from '../../src/source/settings.ts';
import type { Variant } from '../../src/xds/types.ts';
import { decodeTestResponse, encodeTestRequest, type TestRequest, type TestResponse } from './messages.ts';

/** One of Istio's kinds. */
export function kindOf(name: string) {
  const kind = istioKinds.find(one => one.kind === name);
  assert.ok(kind);
  return kind;
}

/** The kind of {@link service}. */
export const services = kindOf('VirtualService');
/** Another kind that is read. */
export const gateways = kindOf('Gateway');
/** A kind that is not read. */
export const rules = kindOf('DestinationRule');

/** A VirtualService of this name, `namespace/name`. */
export function service(name: string, version: string, host = 'a.example'): MeshResource {
  const [namespace, plain] = name.split('/');
  const object = { metadata: { namespace, name: plain }, spec: { hosts: [host] } };
  const made = meshResourceOf(services, object, { defaultNamespace: 'default', version });
  assert.ok('any' in made, 'problems' in made ? JSON.stringify(made.problems) : '');
  return made;
}

/** The core with clients under the test's hand. */
export class SourceBench {
  readonly core: SourceCore;
  readonly inboxes = new Map<number, TestResponse[]>();
  readonly closed = new Map<number, string>();
  readonly notes: SourceNote[] = [];
  readonly #variants = new Map<number, Variant>();
  readonly slow = new Set<number>();
  nowMs = 0;

  constructor(limits: Partial<typeof sourceLimits> = {}, kinds = [services, gateways], readsMeshConfig = true) {
    this.core = new SourceCore({ ...sourceLimits, ...limits, kinds, readsMeshConfig });
  }

  client(variant: Variant): number {
    const streamId = this.core.newStreamId();
    this.#variants.set(streamId, variant);
    this.inboxes.set(streamId, []);
    this.post({
      kind: 'client_opened',
      streamId,
      variant,
      peer: { listener: 'l', names: [], way: 'private' },
      fixedType: undefined,
    });
    return streamId;
  }

  send(streamId: number, request: TestRequest): void {
    const bytes = encodeTestRequest(
      { nodeId: 'sidecar~1.1.1.1~istiod.istio-system~d', ...request },
      this.#variants.get(streamId) ?? 'sotw',
    );
    this.post({ kind: 'client_request', streamId, bytes });
  }

  take(streamId: number): TestResponse[] {
    return this.inboxes.get(streamId)?.splice(0) ?? [];
  }

  post(event: SourceCoreEvent): void {
    for (const effect of this.core.handle(event, this.nowMs)) {
      if (effect.kind === 'send_client') {
        const { streamId, bytes } = effect;
        this.inboxes.get(streamId)?.push(decodeTestResponse(bytes, this.#variants.get(streamId) ?? 'sotw'));
        if (!this.slow.has(streamId)) this.post({ kind: 'client_writable', streamId });
      } else if (effect.kind === 'close_client') this.closed.set(effect.streamId, effect.message);
      else this.notes.push(effect.note);
    }
  }
}
