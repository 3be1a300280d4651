import assert from 'node:assert/strict';
import { AllowList } from '../../src/agent/allow-list.ts';
import { Authorities } from '../../src/agent/authorities.ts';
import { Core, type CoreSettings } from '../../src/agent/core.ts';
import type { CoreEffect, CoreEvent } from '../../src/agent/events.ts';
import { describe } from '../../src/agent/notes.ts';
import { BodyPool } from '../../src/cache/body-pool.ts';
import type { Entry } from '../../src/cache/entry.ts';
import type { IdleTier } from '../../src/cache/idle-tier.ts';
import { matchKeyOf, type NodeIdentity } from '../../src/xds/node.ts';
import { traitsOf } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl, type Variant } from '../../src/xds/types.ts';
import { memoryViews } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { decodeTestRequest, decodeTestResponse } from '../support/messages.ts';
import { SeededRandom } from '../support/random.ts';
import type { ModelClient } from './model-client.ts';
import { type Manner, ModelControlPlane, ModelStream } from './model-control-plane.ts';
import { decodeSim, simTypes } from './resources.ts';

/** Settings of the simulated agent: those of production, with a linger short enough to end within a run. */
const settings: CoreSettings = {
  authorities: new Authorities(new Map()),
  addresses: ['model:1'],
  variant: 'auto',
  reconnectBaseMs: 500,
  reconnectMaxMs: 30_000,
  viewBytesMax: 1 << 30,
  resourcesMax: 10_000,
  completeQuietMs: 100,
  absentQuietMs: 200,
  absentTimeoutMs: 15_000,
  lingerMs: 5_000,
  restoredLingerMs: 300_000,
  isResuming: true,
  isStoring: false,
  cacheMatch: ['id', 'cluster', 'metadata'],
  guard: 'warn',
  guardGraceMs: 30_000,
  guardWindowMs: 60_000,
  guardPercent: 50,
  maxAges: new Map(),
  startup: 'prefer-cache',
  startupGraceMs: 5_000,
  namesMax: 1_000,
  nameBytesMax: 256,
  nodeBytesMax: 1 << 20,
  typesMax: 8,
  viewTypesMax: 256,
  removalHoldMs: 100,
  warmHoldMs: 1_000,
  nodeSharing: 'shared',
  shareBy: undefined,
  allowList: new AllowList([]),
  nodesMax: 16,
  nodeLingerMs: 20_000,
  clientStreamsPerPeerMax: 64,
  requestsPerSecondMax: 500,
  requestBurstMax: 20_000,
  dropExtensions: false,
  node: undefined,
  ack: 'clients',
  ackWaitMs: 1_000,
  clientStreamsMax: 64,
  responseBytesInFlightMax: 4_096,
  clientProgressTimeoutMs: 30_000,
  firstRequestTimeoutMs: 10_000,
  grpcUnansweredTimeoutMs: 5_000,
};

/** Ticks allowed at one moment: more is a deadline that does not go away. */
const ticksMax = 50;

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

interface ClientLink {
  readonly client: ModelClient;
  streamId: number | undefined;
  /** The last message to it is still on its way. */
  isWriting: boolean;
  /** How long its writes take at most: a slow reader makes the agent wait. */
  writeMs: number;
}

/** The agent's core among model control planes and clients, on a virtual clock, all from one seed. */
export class World {
  readonly random: SeededRandom;
  readonly plane: ModelControlPlane;
  core: Core;
  /** Names that were on their way to the disk when an agent died. */
  readonly rolledBack = new Set<string>();
  /** What has reached the disk; undefined for an agent without one. */
  disk: MemoryDisk | undefined;
  readonly links: ClientLink[] = [];
  readonly log: string[] = [];
  readonly isLogging: boolean;
  nowMs = 0;
  isPlaneUp = true;
  /** Delay of upstream messages, per message at most. */
  upstreamDelayMs = 15;
  readonly #queue: Scheduled[] = [];
  #order = 0;
  readonly #streams = new Map<number, ModelStream>();
  readonly #pipes = new Map<string, number>();
  readonly #coreRandom: SeededRandom;
  /** Agents that died. */
  #generation = 0;
  #ticksNow = 0;
  #isReady = false;

  constructor(seed: number, manner: Manner, isLogging: boolean, hasDisk: boolean) {
    this.isLogging = isLogging;
    this.random = new SeededRandom(seed);
    this.plane = new ModelControlPlane(manner);
    this.#coreRandom = new SeededRandom(seed ^ 0x5eed);
    this.disk = hasDisk ? new MemoryDisk() : undefined;
    this.core = this.#newCore();
  }

  /**
   * The agent dies and another one takes its place: every stream breaks, and what was on its way to the disk is lost.
   *
   * @param isDiskLost the new agent finds an empty disk
   * @param isTorn one row of each type was damaged: it is gone, and its type is not known
   */
  crash(isDiskLost: boolean, isTorn: boolean): void {
    if (!isDiskLost && this.disk) {
      for (const typeUrl of simTypes) {
        const written = new Set(this.disk.names(typeUrl));
        for (const name of this.plane.resources(typeUrl).keys()) {
          // What the write-behind had not written yet: a SotW client that got it is given a list without it (at most 2 s older).
          if (!written.has(name)) this.rolledBack.add(`${typeUrl} ${name}`);
        }
      }
    }
    this.#say(`the agent dies${isDiskLost ? ', its disk is lost' : ''}${isTorn ? ', rows are damaged' : ''}`);
    this.#generation++;
    for (const streamId of [...this.#streams.keys()]) this.#streams.delete(streamId);
    for (const link of this.links) {
      if (link.streamId === undefined) continue;
      link.streamId = undefined;
      this.after(this.random.below(500), () => this.connect(link));
    }
    if (this.disk) this.disk = isDiskLost ? new MemoryDisk() : this.disk.copy(isTorn ? this.random : undefined);
    const lastId = this.core.newStreamId();
    this.core = this.#newCore();
    // Numbers of the old agent's streams must not mean streams of the new one.
    while (this.core.newStreamId() < lastId);
    this.post({ kind: 'disk_loaded', view: this.disk?.newest() });
  }

  /** The cache file is damaged or removed while the agent runs. */
  loseDisk(): void {
    if (!this.disk) return;
    this.#say('the disk is begun anew');
    this.disk.wipe();
    this.post({ kind: 'disk_lost' });
  }

  #newCore(): Core {
    const find = (identity: NodeIdentity) => this.disk?.find(matchKeyOf(identity, settings.cacheMatch));
    const isStoring = this.disk !== undefined;
    return new Core(
      { ...settings, isStoring },
      { idle: forgetfulTier(this.random), idleViews: memoryViews(), bodies: new BodyPool() },
      { find },
      this.#coreRandom.next,
    );
  }

  /** Streams open at the control plane. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Runs everything that happens up to a moment. */
  runUntil(endMs: number): void {
    for (;;) {
      const next = this.#queue[0];
      const eventAt = next?.atMs ?? Infinity;
      const deadline = this.core.nextDeadlineMs();
      const at = Math.min(eventAt, deadline);
      if (at > endMs) break;
      if (at > this.nowMs) this.#ticksNow = 0;
      this.nowMs = Math.max(this.nowMs, at);
      if (next && eventAt <= deadline) {
        this.#queue.shift();
        next.act();
      } else {
        this.#ticksNow++;
        assert.ok(this.#ticksNow < ticksMax, 'the core asks for ticks without end at one moment');
        this.post({ kind: 'tick' });
      }
    }
    this.nowMs = endMs;
  }

  /** Does something after a delay. */
  after(delayMs: number, act: () => void): void {
    const scheduled = { atMs: this.nowMs + delayMs, order: this.#order++, act };
    let index = this.#queue.length;
    while (index > 0 && (this.#queue[index - 1]?.atMs ?? 0) > scheduled.atMs) index--;
    this.#queue.splice(index, 0, scheduled);
  }

  post(event: CoreEvent): void {
    const clock = { monotonicMs: this.nowMs, wallMs: 1_700_000_000_000 + this.nowMs };
    for (const effect of this.core.handle(event, clock)) this.#perform(effect);
    assert.ok(this.openStreams <= 1, 'one upstream stream, however many clients');
  }

  addClient(client: ModelClient): ClientLink {
    const link: ClientLink = { client, streamId: undefined, isWriting: false, writeMs: 5 };
    this.links.push(link);
    this.connect(link);
    return link;
  }

  connect(link: ClientLink): void {
    if (link.streamId !== undefined) return;
    const streamId = this.core.newStreamId();
    link.streamId = streamId;
    link.isWriting = false;
    this.#say(`${link.client.nodeId} connects as ${streamId}`);
    this.post({
      kind: 'client_opened',
      streamId,
      variant: link.client.manner.variant,
      peer: { listener: 'sim', names: [], way: 'private' },
      fixedType: undefined,
    });
    this.#fromClient(link, link.client.connect());
  }

  disconnect(link: ClientLink): void {
    const { streamId } = link;
    if (streamId === undefined) return;
    link.streamId = undefined;
    this.#say(`${link.client.nodeId} leaves`);
    this.post({ kind: 'client_closed', streamId });
  }

  /** Sends the control plane's news of these types, in order, with small pauses. */
  push(types: readonly TypeUrl[]): void {
    let pause = 0;
    for (const typeUrl of types) {
      pause += this.random.below(8);
      this.after(pause, () => {
        for (const [streamId, stream] of this.#streams) this.#toAgent(streamId, stream.push(typeUrl));
      });
    }
  }

  /** Ends all upstream streams; with `stayDown` the control plane refuses new ones. */
  cut(stayDown: boolean): void {
    this.isPlaneUp = !stayDown;
    this.#say(`upstream is cut${stayDown ? ' and stays down' : ''}`);
    for (const streamId of [...this.#streams.keys()]) {
      this.#streams.delete(streamId);
      this.after(this.random.below(20), () => {
        this.post({ kind: 'upstream_closed', streamId, code: grpcCode.unavailable, message: 'cut' });
      });
    }
  }

  #perform(effect: CoreEffect): void {
    switch (effect.kind) {
      case 'open_upstream': {
        const { streamId, variant } = effect;
        const generation = this.#generation;
        this.after(this.random.below(30), () => {
          if (generation !== this.#generation) return;
          if (!this.isPlaneUp) {
            this.post({ kind: 'upstream_closed', streamId, code: grpcCode.unavailable, message: 'refused' });
          } else if (this.plane.manner.isSotwOnly && variant === 'delta') {
            this.post({ kind: 'upstream_closed', streamId, code: grpcCode.unimplemented, message: 'no such method' });
          } else {
            this.#streams.set(streamId, new ModelStream(this.plane, variant));
            this.post({ kind: 'upstream_opened', streamId });
          }
        });
        break;
      }
      case 'send_upstream': {
        const { streamId, bytes } = effect;
        this.#inOrder(`up ${streamId}`, this.upstreamDelayMs, () => {
          const stream = this.#streams.get(streamId);
          if (!stream) return;
          this.post({ kind: 'upstream_writable', streamId });
          this.#say(`plane received ${said(bytes, stream.variant)}`);
          if (this.#streams.has(streamId)) this.#toAgent(streamId, stream.request(bytes));
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
        // No model client breaks a rule or stops reading for long, so none may be sent away; upstream's loss is no reason either.
        throw new Error(`stream ${effect.streamId} was closed: ${effect.code} ${effect.message}`);
      case 'write_disk': {
        const { disk } = this;
        const generation = this.#generation;
        this.#inOrder('disk', 300, () => {
          if (generation === this.#generation) disk?.write(effect.changes);
        });
        break;
      }
      case 'note': {
        const line = describe(effect.note);
        if (line) this.#say(`${line.level} ${line.message} ${JSON.stringify(line.fields)}`);
        break;
      }
    }
  }

  #toAgent(streamId: number, messages: readonly Buffer[]): void {
    for (const [index, bytes] of messages.entries()) {
      // The parts of one answer leave together, so they arrive close to each other.
      this.#inOrder(`down ${streamId}`, index === 0 ? this.upstreamDelayMs : 0, () => {
        const stream = this.#streams.get(streamId);
        if (!stream) return;
        this.#say(`agent received ${summary(bytes, stream.variant)}`);
        this.post({ kind: 'upstream_response', streamId, bytes });
      });
    }
  }

  #toClient(streamId: number, bytes: Buffer): void {
    const link = this.links.find(one => one.streamId === streamId);
    if (!link) return;
    assert.ok(!link.isWriting, 'R122: one message in flight per stream');
    link.isWriting = true;
    this.#isReady = true;
    this.#inOrder(`client ${streamId}`, link.writeMs, () => {
      if (link.streamId !== streamId) return;
      link.isWriting = false;
      const requests = link.client.receive(bytes);
      this.#say(`${link.client.nodeId} received ${summary(bytes, link.client.manner.variant)}`);
      for (const request of requests)
        this.#say(`${link.client.nodeId} says ${said(request, link.client.manner.variant)}`);
      this.#fromClient(link, requests);
      this.post({ kind: 'client_writable', streamId });
    });
  }

  #fromClient(link: ClientLink, requests: readonly Buffer[]): void {
    const { streamId } = link;
    if (streamId === undefined) return;
    for (const bytes of requests) {
      this.#inOrder(`from ${streamId}`, 10, () => {
        if (link.streamId === streamId) this.post({ kind: 'client_request', streamId, bytes });
      });
    }
  }

  /** A pipe keeps the order of what goes through it. */
  #inOrder(pipe: string, delayMsMax: number, act: () => void): void {
    const earliest = this.#pipes.get(pipe) ?? 0;
    const at = Math.max(earliest + this.random.below(20), this.nowMs + this.random.below(delayMsMax + 1));
    this.#pipes.set(pipe, at);
    this.after(at - this.nowMs, act);
  }

  #say(text: string): void {
    if (!this.isLogging) return;
    this.log.push(`${this.nowMs} ${text}`);
    if (this.log.length > 20_000) this.log.splice(0, 10_000);
  }

  /** Compares every client with the control plane, as it must be once all is quiet. */
  assertConverged(): void {
    assert.ok(this.#isReady || this.links.length === 0, 'nobody was ever sent anything');
    for (const { client, streamId } of this.links) {
      if (streamId === undefined) continue;
      for (const typeUrl of simTypes) {
        const names = client.names(typeUrl);
        const wanted = [...this.plane.resources(typeUrl)].filter(([name]) => names === undefined || names.has(name));
        const expected = Object.fromEntries(wanted.map(([name, { resource }]) => [name, resource.serial]).sort());
        const held = [...client.held(typeUrl)].filter(([name]) => names === undefined || names.has(name));
        const actual = Object.fromEntries(held.map(([name, { serial }]) => [name, serial]).sort());
        assert.deepEqual(actual, expected, `${client.nodeId} (${client.manner.variant}) differs in ${typeUrl}`);
      }
      assert.deepEqual([...client.warming], [], `${client.nodeId} is left with warming clusters (R29)`);
    }
  }
}

function short(typeUrl: string): string {
  return traitsOf(typeUrl as TypeUrl).shortName;
}

function summary(bytes: Buffer, variant: Variant): string {
  const { typeUrl, nonce, version, resources, removed } = decodeTestResponse(bytes, variant);
  const names = resources.map(one => `${one.name}@${decodeSim(one.body).serial}`).join(' ');
  return `${short(typeUrl)} ${nonce} ${version} [${names}] removed [${removed.join(' ')}]`;
}

function said(bytes: Buffer, variant: Variant): string {
  const { typeUrl, nonce, names, unsubscribe, initialVersions, error } = decodeTestRequest(bytes, variant);
  const held = [...initialVersions].map(([name, version]) => `${name}@${version}`).join(' ');
  return `${short(typeUrl)} ${error === undefined ? '' : 'NACK '}${nonce} +[${names.join(' ')}] -[${unsubscribe.join(' ')}] held [${held}]`;
}

/** An idle tier that loses one entry in eight: a loss may cost a refetch, never correctness. */
function forgetfulTier(random: SeededRandom): IdleTier {
  const entries = new Map<string, Entry>();
  return {
    put(key, entry) {
      // Kept or not, it says that it was.
      if (!random.chance(0.125)) entries.set(key, entry);
      else entries.delete(key);
      return true;
    },
    get: key => entries.get(key),
    delete(key) {
      entries.delete(key);
    },
    get size() {
      return entries.size;
    },
  };
}
