import assert from 'node:assert/strict';
import { Core } from '../../src/agent/core.ts';
import type { CoreEffect, CoreEvent } from '../../src/agent/events.ts';
import { scopeRows } from '../../src/agent/scope-settings.ts';
import { Scopes } from '../../src/agent/scopes.ts';
import { BodyPool } from '../../src/cache/body-pool.ts';
import { matchKeyOf, type NodeIdentity } from '../../src/xds/node.ts';
import { grpcCode, type TypeUrl, type Variant } from '../../src/xds/types.ts';
import { memoryViews } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { decodeTestResponse, encodeTestRequest, type TestResponse } from '../support/messages.ts';
import { SeededRandom } from '../support/random.ts';
import { maySee, type Rule, rootNamespace } from '../support/scope-oracle.ts';
import { forgetfulTier } from './forgetful-tier.ts';
import { type Manner, ModelControlPlane, ModelStream } from './model-control-plane.ts';
import { decodeSim } from './resources.ts';
import { settings } from './settings.ts';
import { VirtualClock } from './virtual-clock.ts';

// Istio's mesh configuration of several namespaces among clients that may see parts of it: delays, slow readers, crashes with the rules changed,
// outages. Nobody is ever given what it may not see, and in the end everybody has all of the rest.

const types = [
  'networking.istio.io/v1/VirtualService',
  'networking.istio.io/v1/Gateway',
] as readonly string[] as readonly TypeUrl[];
const namespaces = ['a', 'b', 'team-x', rootNamespace] as const;
const modes = ['refuse', 'shared', 'stream-per-node'] as const;
const quietMs = 45_000;

/** A client that asks for everything, as istiod does. */
interface MeshClient {
  readonly namespace: string;
  readonly nodeId: string;
  readonly listener: string;
  readonly variant: Variant;
  readonly writeMs: number;
  streamId: number | undefined;
  isWriting: boolean;
  /** What it holds, by type: names with serials. */
  readonly held: Map<TypeUrl, Map<string, number>>;
}

/** Runs one seed. Returns how many messages clients were sent. */
export function runMesh(seed: number): number {
  const world = new MeshWorld(seed);
  for (let step = 0; step < 60; step++) {
    world.step();
    world.run(world.dice.below(2_000));
  }
  world.settle();
  return world.messages;
}

class MeshWorld {
  readonly dice: SeededRandom;
  messages = 0;
  readonly #clock: VirtualClock;
  readonly #manner: Manner;
  readonly #plane: ModelControlPlane;
  readonly #mode: (typeof modes)[number];
  #rules: readonly Rule[] | undefined;
  #disk: MemoryDisk | undefined;
  #core: Core;
  #generation = 0;
  #serials = 0;
  #isUp = true;
  readonly #clients: MeshClient[] = [];
  readonly #streams = new Map<number, ModelStream>();

  constructor(seed: number) {
    this.dice = new SeededRandom(seed * 2 + 1);
    this.#clock = new VirtualClock(new SeededRandom(seed));
    const { dice } = this;
    this.#manner = {
      isSotwOnly: dice.chance(0.4),
      tellsMissing: dice.chance(0.5),
      hasEmptyVersions: dice.chance(0.5),
      resendsRefused: false,
      splits: dice.chance(0.4),
    };
    this.#plane = new ModelControlPlane(this.#manner, types);
    this.#mode = dice.pick(modes) ?? 'refuse';
    this.#rules = this.#someRules();
    this.#disk = dice.chance(0.7) ? new MemoryDisk() : undefined;
    this.#core = this.#newCore();
    const count = 1 + dice.below(4);
    const only = dice.pick(namespaces) ?? 'a';
    for (let at = 0; at < count; at++)
      this.#addClient(this.#mode === 'refuse' ? only : (dice.pick(namespaces) ?? 'a'), at);
  }

  step(): void {
    const { dice } = this;
    switch (dice.below(12)) {
      case 0:
        this.#crash();
        break;
      case 1:
        this.#cut();
        this.#isUp = dice.chance(0.6);
        break;
      case 2:
        this.#isUp = true;
        break;
      case 3:
      case 4: {
        const client = dice.pick(this.#clients);
        if (client?.streamId !== undefined) this.#disconnect(client);
        else if (client) this.#connect(client);
        break;
      }
      case 5:
        this.#change('remove');
        break;
      default:
        this.#change('set');
    }
  }

  run(ms: number): void {
    const endMs = this.#clock.nowMs + ms;
    for (let ticks = 0; ; ) {
      const deadline = this.#core.nextDeadlineMs();
      const at = Math.min(this.#clock.nextMs, deadline);
      if (at > endMs) break;
      if (at > this.#clock.nowMs) ticks = 0;
      if (this.#clock.nextMs <= deadline) this.#clock.runNext();
      else {
        this.#clock.advance(at);
        assert.ok(++ticks < 50, 'ticks without end at one moment');
        this.#post({ kind: 'tick' });
      }
    }
    this.#clock.advance(endMs);
  }

  /** The faults are over; then everybody has exactly what it may see. */
  settle(): void {
    this.#isUp = true;
    for (const client of this.#clients) if (client.streamId === undefined) this.#connect(client);
    this.run(quietMs);
    for (const client of this.#clients) {
      for (const typeUrl of types) {
        const all = [...this.#plane.resources(typeUrl)].map(([name, { resource }]) => [name, resource.serial] as const);
        const expected = Object.fromEntries(all.filter(([name]) => this.#maySee(client, typeUrl, name)).sort());
        const held = client.held.get(typeUrl);
        assert.ok(held, `${typeUrl} is answered, also with nothing`);
        assert.deepEqual(
          Object.fromEntries([...held].sort()),
          expected,
          `${client.nodeId} (${client.variant}) differs in ${typeUrl}`,
        );
      }
    }
    this.#assertDisk();
  }

  #someRules(): readonly Rule[] | undefined {
    const { dice } = this;
    if (dice.chance(0.3)) return undefined;
    const some = <T>(of: readonly T[]): T[] => of.filter(() => dice.chance(0.4));
    return Array.from({ length: 1 + dice.below(3) }, () => {
      const granted = some(['$own', '$root', 'a', 'b', 'team-*', '*']);
      const clientNamespaces = some(['a', 'b', 'team-*', rootNamespace]);
      const of = some(['VirtualService', 'networking.istio.io/v1/Gateway']);
      return {
        ...(granted.length > 0 && { namespaces: granted }),
        ...(clientNamespaces.length > 0 && { clientNamespaces }),
        ...(of.length > 0 && { types: of }),
        ...(dice.chance(0.3) && { listeners: ['unix:/l1'] }),
      };
    });
  }

  #newCore(): Core {
    const parsed = scopeRows.scopes.parse(this.#rules ? JSON.stringify(this.#rules) : '');
    assert.ok('value' in parsed);
    const disk = this.#disk;
    const find = (identity: NodeIdentity) => disk?.find(matchKeyOf(identity, settings.cacheMatch));
    return new Core(
      {
        ...settings,
        isStoring: disk !== undefined,
        nodeSharing: this.#mode,
        nodeBytesMax: 4_096,
        guard: 'off',
        scopes: new Scopes({ rules: parsed.value, rootNamespace }),
      },
      { idle: forgetfulTier(this.dice), idleViews: memoryViews(), bodies: new BodyPool() },
      { find },
      new SeededRandom(7).next,
    );
  }

  #addClient(namespace: string, at: number): void {
    const { dice } = this;
    // In `refuse` all clients are one node.
    const pod = this.#mode === 'refuse' ? 'pod' : `pod-${at}`;
    const client: MeshClient = {
      namespace,
      nodeId: `sidecar~10.0.0.1~${pod}.${namespace}~${namespace}.svc.cluster.local`,
      listener: dice.chance(0.5) ? 'unix:/l1' : 'unix:/l2',
      variant: dice.chance(0.6) ? 'sotw' : 'delta',
      writeMs: dice.chance(0.2) ? 2_000 : 10,
      streamId: undefined,
      isWriting: false,
      held: new Map(),
    };
    this.#clients.push(client);
    this.#connect(client);
  }

  #maySee({ namespace, listener }: MeshClient, typeUrl: TypeUrl, name: string): boolean {
    return maySee(this.#rules, { namespace, peer: { listener, names: [], way: 'private' } }, typeUrl, name);
  }

  #connect(client: MeshClient): void {
    const streamId = this.#core.newStreamId();
    client.streamId = streamId;
    client.isWriting = false;
    const peer = { listener: client.listener, names: [], way: 'private' } as const;
    this.#post({ kind: 'client_opened', streamId, variant: client.variant, peer, fixedType: undefined });
    for (const [at, typeUrl] of types.entries()) {
      const initialVersions = new Map([...(client.held.get(typeUrl) ?? [])].map(([name]) => [name, 'of before']));
      const nodeId = at === 0 ? client.nodeId : undefined;
      this.#say(client, { typeUrl, nodeId, nonce: client.variant === 'sotw' ? 'of before' : '', initialVersions });
    }
  }

  #disconnect(client: MeshClient): void {
    const { streamId } = client;
    client.streamId = undefined;
    if (streamId !== undefined) this.#post({ kind: 'client_closed', streamId });
  }

  #say(client: MeshClient, request: Parameters<typeof encodeTestRequest>[0]): void {
    const { streamId, variant } = client;
    const bytes = encodeTestRequest(request, variant);
    this.#clock.inOrder(`from ${streamId}`, 10, () => {
      if (streamId !== undefined && client.streamId === streamId)
        this.#post({ kind: 'client_request', streamId, bytes });
    });
  }

  /** The agent dies, and what was on its way to the disk is lost; the next one may have other rules. */
  #crash(): void {
    const { dice } = this;
    this.#generation++;
    this.#streams.clear();
    this.#disk = this.#disk?.copy(dice.chance(0.2) ? dice : undefined);
    if (dice.chance(0.6)) this.#rules = this.#someRules();
    const lastId = this.#core.newStreamId();
    this.#core = this.#newCore();
    while (this.#core.newStreamId() < lastId);
    for (const client of this.#clients) {
      client.streamId = undefined;
      // What it holds may be more than it may see now; that is taken away by what it is told, or it is gone with the client.
      if (dice.chance(0.5)) client.held.clear();
      this.#clock.after(dice.below(3_000), () => {
        if (client.streamId === undefined) this.#connect(client);
      });
    }
    this.#post({ kind: 'disk_loaded', view: this.#disk?.newest() });
  }

  #cut(): void {
    for (const streamId of [...this.#streams.keys()]) {
      this.#streams.delete(streamId);
      this.#clock.after(this.dice.below(20), () =>
        this.#post({ kind: 'upstream_closed', streamId, code: grpcCode.unavailable, message: 'cut' }),
      );
    }
  }

  #change(what: 'set' | 'remove'): void {
    const { dice } = this;
    const typeUrl = dice.pick(types) ?? types[0];
    const name = `${dice.pick(namespaces)}/${dice.below(4)}`;
    if (!typeUrl) return;
    if (what === 'remove') this.#plane.remove(typeUrl, name);
    else this.#plane.set(typeUrl, name, { serial: ++this.#serials, refs: [], isPoison: false });
    for (const [streamId, stream] of this.#streams) this.#toAgent(streamId, stream.push(typeUrl));
  }

  #post(event: CoreEvent): void {
    const clock = { monotonicMs: this.#clock.nowMs, wallMs: 1_700_000_000_000 + this.#clock.nowMs };
    for (const effect of this.#core.handle(event, clock)) this.#perform(effect);
  }

  #perform(effect: CoreEffect): void {
    switch (effect.kind) {
      case 'open_upstream': {
        const { streamId, variant } = effect;
        const generation = this.#generation;
        this.#clock.after(this.dice.below(30), () => {
          if (generation !== this.#generation) return;
          const refused = (code: number): void =>
            this.#post({ kind: 'upstream_closed', streamId, code, message: 'no' });
          if (!this.#isUp) refused(grpcCode.unavailable);
          else if (this.#manner.isSotwOnly && variant === 'delta') refused(grpcCode.unimplemented);
          else {
            this.#streams.set(streamId, new ModelStream(this.#plane, variant));
            this.#post({ kind: 'upstream_opened', streamId });
          }
        });
        break;
      }
      case 'send_upstream': {
        const { streamId, bytes } = effect;
        this.#clock.inOrder(`up ${streamId}`, 15, () => {
          const stream = this.#streams.get(streamId);
          if (!stream) return;
          this.#post({ kind: 'upstream_writable', streamId });
          this.#toAgent(streamId, stream.request(bytes));
        });
        break;
      }
      case 'probe_upstream': {
        const { streamId } = effect;
        this.#clock.inOrder(`down ${streamId}`, 15, () => {
          if (this.#streams.has(streamId)) this.#post({ kind: 'upstream_alive', streamId });
        });
        break;
      }
      case 'close_upstream':
        this.#streams.delete(effect.streamId);
        break;
      case 'send_client':
        this.#toClient(effect.streamId, effect.bytes);
        break;
      case 'close_client':
        throw new Error(`stream ${effect.streamId} was closed: ${effect.code} ${effect.message}`);
      case 'write_disk': {
        const { disk, generation } = { disk: this.#disk, generation: this.#generation };
        this.#clock.inOrder('disk', 300, () => {
          if (generation === this.#generation) disk?.write(effect.changes);
        });
        break;
      }
      case 'note':
        break;
    }
  }

  #toAgent(streamId: number, messages: readonly Buffer[]): void {
    for (const bytes of messages) {
      this.#clock.inOrder(`down ${streamId}`, 15, () => {
        if (this.#streams.has(streamId)) this.#post({ kind: 'upstream_response', streamId, bytes });
      });
    }
  }

  #toClient(streamId: number, bytes: Buffer): void {
    const client = this.#clients.find(one => one.streamId === streamId);
    if (!client) return;
    assert.ok(!client.isWriting, 'R122: one message in flight per stream');
    client.isWriting = true;
    // What is on its way was given: it is looked at here, under the rules of the agent that gave it.
    const message = decodeTestResponse(bytes, client.variant);
    this.#assertSeen(client, message);
    this.#clock.inOrder(`client ${streamId}`, client.writeMs, () => {
      if (client.streamId !== streamId) return;
      client.isWriting = false;
      this.#hold(client, message);
      const { typeUrl, version, nonce } = message;
      this.#say(client, { typeUrl, version: client.variant === 'sotw' ? version : '', nonce });
      this.#post({ kind: 'client_writable', streamId });
    });
  }

  #assertSeen(client: MeshClient, { typeUrl, resources, removed }: TestResponse): void {
    this.messages++;
    const of = typeUrl as TypeUrl; // It was asked for by this very text.
    for (const { body } of resources) {
      const { name } = decodeSim(body);
      assert.ok(this.#maySee(client, of, name), `${client.nodeId} is sent ${typeUrl} ${name}`);
    }
    for (const name of removed) {
      const isNews = !client.held.get(of)?.has(name);
      assert.ok(!isNews || this.#maySee(client, of, name), `${client.nodeId} is told of the end of ${name}`);
    }
  }

  #hold(client: MeshClient, { typeUrl, resources, removed }: TestResponse): void {
    const of = typeUrl as TypeUrl; // As above.
    const held =
      client.variant === 'sotw' ? new Map<string, number>() : (client.held.get(of) ?? new Map<string, number>());
    for (const { body } of resources) {
      const { name, serial } = decodeSim(body);
      held.set(name, serial);
    }
    for (const name of removed) held.delete(name);
    client.held.set(of, held);
  }

  /** Of a node that is served now nothing is on the disk that none of its clients may see, whatever the rules were before. */
  #assertDisk(): void {
    const stored = this.#disk?.newest();
    if (!stored || this.#mode === 'shared') return;
    const client = this.#clients.find(({ nodeId }) => stored.node.includes(nodeId));
    if (!client) return;
    // What listeners decide is not the view's.
    const rules = this.#rules?.map(({ listeners: _, ...rule }) => rule);
    const who = { namespace: client.namespace, peer: { listener: '', names: [], way: 'private' } } as const;
    for (const { typeUrl, resources } of stored.types) {
      for (const { name } of resources)
        assert.ok(maySee(rules, who, typeUrl, name), `${name} is on the disk of ${client.nodeId}`);
    }
  }
}
