import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { istioKinds, meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { type MeshResource, meshResourceOf } from '../../src/istio/mesh-resource.ts';
import { SourceCore, type SourceCoreEvent, type SourceNote } from '../../src/source/core.ts';
import { describeSource } from '../../src/source/notes.ts';
import { sourceLimits } from '../../src/source/settings.ts';
import { readiness, SourceStatus } from '../../src/source/status.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { decodeTestResponse, encodeTestRequest, type TestRequest, type TestResponse } from '../support/messages.ts';

function kindOf(name: string) {
  const kind = istioKinds.find(one => one.kind === name);
  assert.ok(kind);
  return kind;
}

const services = kindOf('VirtualService');
const gateways = kindOf('Gateway');
const rules = kindOf('DestinationRule');

function service(name: string, version: string, host = 'a.example'): MeshResource {
  const [namespace, plain] = name.split('/');
  const object = { metadata: { namespace, name: plain }, spec: { hosts: [host] } };
  const made = meshResourceOf(services, object, { defaultNamespace: 'default', version });
  assert.ok('any' in made, 'problems' in made ? JSON.stringify(made.problems) : '');
  return made;
}

/** The core with clients under the test's hand. */
class Bench {
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

describe('limits of the source', () => {
  test('the cap of types keeps nobody from the kinds that are read', () => {
    const bench = new Bench();
    bench.post({ kind: 'whole', of: services, resources: [service('a/x', '7')] });
    for (let stream = 0; stream < 17; stream++) {
      const other = bench.client('sotw');
      for (let at = 0; at < 64 && bench.core.stores.size < 1_024; at++)
        bench.send(other, { typeUrl: `x.example/v1/T${stream}x${at}` as TypeUrl });
    }
    const istiod = bench.client('sotw');
    bench.send(istiod, { typeUrl: services.typeUrl });
    assert.equal(bench.closed.get(istiod), undefined);
    assert.equal(bench.take(istiod).length, 1);
  });
  test('names of one client that leaves among many: time', () => {
    const bench = new Bench();
    bench.post({ kind: 'whole', of: services, resources: [service('a/x', '7')] });
    const names = Array.from({ length: 20_000 }, (_, i) => `a/${i}`);
    const others = Array.from({ length: 1_000 }, () => bench.client('sotw'));
    for (const other of others) bench.send(other, { typeUrl: services.typeUrl, names: ['a/x'] });
    const client = bench.client('sotw');
    bench.send(client, { typeUrl: services.typeUrl, names });
    const start = performance.now();
    bench.post({ kind: 'client_closed', streamId: client });
    const ms = performance.now() - start;
    assert.ok(ms < 200, `${ms} ms in one event`);
  });
});
void [readiness, SourceStatus, describeSource, istioKinds, meshConfigTypeUrl, gateways, rules];
