import assert from 'node:assert/strict';
import type { DriftCheck } from '../../src/admin/drift-report.ts';
import { Core } from '../../src/agent/core.ts';
import type { CoreEffect, CoreEvent } from '../../src/agent/events.ts';
import { describe } from '../../src/agent/notes.ts';
import { BodyPool } from '../../src/cache/body-pool.ts';
import { matchKeyOf, type NodeIdentity } from '../../src/xds/node.ts';
import { traitsOf } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl, type Variant } from '../../src/xds/types.ts';
import { memoryViews } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { decodeTestResponse } from '../support/messages.ts';
import { SeededRandom } from '../support/random.ts';
import { assertTrueCounts } from '../support/true-counts.ts';
import { forgetfulTier } from './forgetful-tier.ts';
import { assertHolds, type ModelClient } from './model-client.ts';
import { ModelControlPlane, ModelStream } from './model-control-plane.ts';
import { decodeSim, simTypes } from './resources.ts';
import { matchKeyOfNode, settings, type WorldOptions } from './settings.ts';
import { assertOfOneServer } from './torn.ts';
import { nodeIdIn, said, summary } from './transcript.ts';
import { VerdictWatch } from './verdict-watch.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Ticks allowed at one moment: more is a deadline that does not go away. */
const ticksMax = 50;
/** Kept counts are compared with a walk once in so many events. */
const countEvery = 7;

interface OpenStream {
  readonly variant: Variant;
  /** Server that it is to. */
  readonly address: string;
  model: ModelStream | undefined;
  /** Nothing passes any more, and nobody has noticed. */
  isDead: boolean;
  /** Requests that a server that is stalled has not read. */
  readonly unread: Buffer[];
}

interface ClientLink {
  readonly client: ModelClient;
  streamId: number | undefined;
  /** It does not come again. */
  isGone: boolean;
  /** The last message to it is still on its way. */
  isWriting: boolean;
  /** How long its writes take at most: a slow reader makes the agent wait. */
  writeMs: number;
}

/** The agent's core among model control planes and clients, on a virtual clock, all from one seed. */
export class World {
  readonly random: SeededRandom;
  /** What each control plane has, by address and node; one node for all where they share. */
  readonly planes: ReadonlyMap<string, ModelControlPlane>;
  core: Core;
  /** Names that were on their way to the disk when an agent died. */
  readonly rolledBack = new Set<string>();
  /** What has reached the disk; undefined for an agent without one. */
  disk: MemoryDisk | undefined;
  readonly links: ClientLink[] = [];
  /** Times that a client was sent away for a limit. */
  refusals = 0;
  readonly log: string[] = [];
  isPlaneUp = true;
  /** Control planes that are away while others are not. */
  readonly away = new Set<string>();
  /** Why control planes refuse us, whoever they are. */
  refusal: 'certificate' | 'token' | undefined;
  /** They read nothing for now. */
  isStalled = false;
  /** What drift checks came to. */
  readonly drifts: DriftCheck[] = [];
  /** Times that another control plane took over. */
  switches = 0;
  /** Delay of upstream messages, per message at most. */
  upstreamDelayMs = 15;
  readonly #clock: VirtualClock;
  readonly #options: WorldOptions;
  readonly #verdicts: VerdictWatch;
  /** Open streams; whose it is shows the first request. */
  readonly #streams = new Map<number, OpenStream>();
  /** Streams that are being opened. */
  readonly #opening = new Set<number>();
  readonly #coreRandom: SeededRandom;
  /** Agents that died. */
  #generation = 0;
  #ticksNow = 0;
  #events = 0;
  #isReady = false;

  constructor(seed: number, options: WorldOptions) {
    this.#options = options;
    this.#verdicts = new VerdictWatch(options.ack);
    this.random = new SeededRandom(seed);
    this.#clock = new VirtualClock(this.random);
    const nodes = options.nodes ?? [''];
    this.planes = new Map(
      options.addresses.flatMap(address =>
        nodes.map(node => [`${address} ${node}`, new ModelControlPlane(options.manner)] as const),
      ),
    );
    this.#coreRandom = new SeededRandom(seed ^ 0x5eed);
    this.disk = options.hasDisk ? new MemoryDisk() : undefined;
    this.core = this.#newCore();
  }

  /** Names of the nodes that are served apart. */
  get nodes(): readonly string[] {
    return this.#options.nodes ?? [''];
  }

  /** What a control plane has for a node, the first one unless told otherwise. */
  planeOf(nodeId: string, address = this.#options.addresses[0]): ModelControlPlane {
    const plane = this.planes.get(`${address} ${this.#options.nodes ? nodeId : ''}`);
    assert.ok(plane, `there is a node ${nodeId}`);
    return plane;
  }

  /**
   * The agent dies and another one takes its place: every stream breaks, and what was on its way to the disk is lost.
   *
   * @param isDiskLost the new agent finds an empty disk
   * @param isTorn one row of each type was damaged: it is gone, and its type is not known
   */
  crash(isDiskLost: boolean, isTorn: boolean): void {
    if (!isDiskLost && this.disk) {
      for (const [key, plane] of this.planes) {
        const node = key.split(' ')[1] ?? '';
        const view = this.#options.nodes ? this.disk.find(matchKeyOfNode(node)) : this.disk.newest();
        for (const typeUrl of simTypes) {
          const written = new Set(view ? this.disk.names(typeUrl, view) : []);
          for (const name of plane.resources(typeUrl).keys()) {
            // What the write-behind had not written yet: a SotW client that got it is given a list without it (at most 2 s older).
            if (!written.has(name)) this.rolledBack.add(`${node} ${typeUrl} ${name}`);
          }
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
    const { ack, nodes, limits } = this.#options;
    return new Core(
      {
        ...settings,
        isStoring,
        addresses: this.#options.addresses,
        ack,
        ...(nodes && { nodeSharing: 'stream-per-node' }),
        ...(limits && { nodesMax: limits.nodes, clientStreamsPerPeerMax: limits.streams }),
      },
      { idle: forgetfulTier(this.random), idleViews: memoryViews(), bodies: new BodyPool() },
      { find },
      this.#coreRandom.next,
    );
  }

  /** Streams open at the control plane. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Whether another control plane than the first one was in use, or is about to be. */
  get hasOtherServers(): boolean {
    return this.switches > 0 || this.openStreams > this.nodes.length;
  }

  get nowMs(): number {
    return this.#clock.nowMs;
  }

  /** Runs everything that happens up to a moment. */
  runUntil(endMs: number): void {
    for (;;) {
      const deadline = this.core.nextDeadlineMs();
      const at = Math.min(this.#clock.nextMs, deadline);
      if (at > endMs) break;
      if (at > this.nowMs) this.#ticksNow = 0;
      if (this.#clock.nextMs <= deadline) this.#clock.runNext();
      else {
        this.#clock.advance(at);
        this.#ticksNow++;
        assert.ok(this.#ticksNow < ticksMax, 'the core asks for ticks without end at one moment');
        this.post({ kind: 'tick' });
      }
    }
    this.#clock.advance(endMs);
  }

  /** Does something after a delay. */
  after(delayMs: number, act: () => void): void {
    this.#clock.after(delayMs, act);
  }

  post(event: CoreEvent): void {
    const clock = { monotonicMs: this.nowMs, wallMs: 1_700_000_000_000 + this.nowMs };
    for (const effect of this.core.handle(event, clock)) this.#perform(effect);
    const { length: servers } = this.#options.addresses;
    const checking = this.core.drift.isRunning ? 1 : 0;
    const streamsMax = this.nodes.length * Math.min(servers, 2) + checking;
    assert.ok(
      this.openStreams <= streamsMax,
      'one upstream stream for each node, one more while another server takes over, and one while drift is looked for',
    );
    if (++this.#events % countEvery === 0) {
      for (const view of this.core.views())
        for (const { store, interest } of view.types.values()) assertTrueCounts(store, interest);
    }
    if (servers > 1) assertOfOneServer(this.core, (node, address) => this.planeOf(node, address));
  }

  addClient(client: ModelClient): ClientLink {
    const link: ClientLink = { client, streamId: undefined, isGone: false, isWriting: false, writeMs: 5 };
    this.links.push(link);
    this.connect(link);
    return link;
  }

  /** Has those go for good that a limit would send away again and again, so that the others can come to rest. */
  sendHomeExcess(): void {
    const { limits } = this.#options;
    if (!limits) return;
    const streams = new Map<string, number>();
    for (const link of this.links) {
      const { nodeId } = link.client;
      const count = streams.get(nodeId) ?? 0;
      const isRoom = streams.has(nodeId) || streams.size < limits.nodes;
      if (isRoom && count < limits.streams) streams.set(nodeId, count + 1);
      else {
        link.isGone = true;
        this.disconnect(link);
      }
    }
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

  /** Sends a control plane's news of these types, in order, with small pauses. */
  push(plane: ModelControlPlane, types: readonly TypeUrl[]): void {
    let pause = 0;
    for (const typeUrl of types) {
      pause += this.random.below(8);
      this.after(pause, () => {
        for (const [streamId, { model }] of this.#streams) {
          if (model?.plane === plane) this.#toAgent(streamId, model.push(typeUrl));
        }
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
        const { streamId, variant, address } = effect;
        const generation = this.#generation;
        this.#opening.add(streamId);
        this.after(this.random.below(30), () => {
          if (!this.#opening.delete(streamId) || generation !== this.#generation) return;
          const closed = (code: number, message: string): void =>
            this.post({ kind: 'upstream_closed', streamId, code, message });
          if (!this.isPlaneUp || this.away.has(address)) closed(grpcCode.unavailable, 'refused');
          else if (this.refusal === 'certificate') closed(grpcCode.unavailable, 'self-signed certificate');
          else if (this.refusal === 'token') {
            this.#streams.set(streamId, { variant, address, model: undefined, isDead: true, unread: [] });
            this.post({ kind: 'upstream_opened', streamId });
            this.after(5, () => {
              if (this.#streams.delete(streamId)) closed(grpcCode.unauthenticated, 'token is expired');
            });
          } else if (this.#options.manner.isSotwOnly && variant === 'delta') {
            this.post({ kind: 'upstream_closed', streamId, code: grpcCode.unimplemented, message: 'no such method' });
          } else {
            this.#streams.set(streamId, { variant, address, model: undefined, isDead: false, unread: [] });
            this.post({ kind: 'upstream_opened', streamId });
          }
        });
        break;
      }
      case 'send_upstream': {
        const { streamId, bytes } = effect;
        const sentOn = this.#streams.get(streamId);
        if (sentOn) this.#verdicts.request(streamId, bytes, sentOn.variant);
        this.#clock.inOrder(`up ${streamId}`, this.upstreamDelayMs, () => {
          const stream = this.#streams.get(streamId);
          if (!stream || stream.isDead) return;
          if (this.isStalled) {
            stream.unread.push(bytes);
            return;
          }
          this.#read(streamId, stream, bytes);
        });
        break;
      }
      case 'probe_upstream': {
        const { streamId } = effect;
        this.#clock.inOrder(`down ${streamId}`, this.upstreamDelayMs, () => {
          if (this.#streams.get(streamId)?.isDead === false) this.post({ kind: 'upstream_alive', streamId });
        });
        break;
      }
      case 'close_upstream':
        this.#opening.delete(effect.streamId);
        this.#streams.delete(effect.streamId);
        break;
      case 'send_client':
        this.#toClient(effect.streamId, effect.bytes);
        break;
      case 'close_client':
        this.#sentAway(effect.streamId, effect.code, effect.message);
        break;
      case 'write_disk': {
        const { disk } = this;
        const generation = this.#generation;
        this.#clock.inOrder('disk', 300, () => {
          if (generation === this.#generation) disk?.write(effect.changes);
        });
        break;
      }
      case 'note': {
        const { note } = effect;
        if (note.kind === 'upstream' && note.note.kind === 'server_changed') this.switches++;
        if (note.kind === 'drift_checked') this.#drifted(note.check);
        if (note.kind === 'upstream_answered') this.#verdicts.decided(note.typeUrl, note.nonce);
        const line = describe(note);
        if (line) this.#say(`${line.level} ${line.message} ${JSON.stringify(line.fields)}`);
        break;
      }
    }
  }

  #read(streamId: number, stream: OpenStream, bytes: Buffer): void {
    this.post({ kind: 'upstream_writable', streamId });
    this.#say(`${stream.address} received ${said(bytes, stream.variant)}`);
    if (!this.#streams.has(streamId)) return;
    const nodeId = (): string => nodeIdIn(bytes, stream.variant);
    stream.model ??= new ModelStream(this.planeOf(nodeId(), stream.address), stream.variant);
    this.#toAgent(streamId, stream.model.request(bytes));
  }

  /** Control planes read nothing for a while, and go on from where they stopped. */
  stall(forMs: number): void {
    if (this.isStalled) return;
    this.isStalled = true;
    this.#say('control planes read nothing');
    this.after(forMs, () => {
      this.isStalled = false;
      this.#say('control planes read again');
      for (const [streamId, stream] of [...this.#streams]) {
        for (const bytes of stream.unread.splice(0)) {
          if (this.#streams.get(streamId) === stream) this.#read(streamId, stream, bytes);
        }
      }
    });
  }

  /** Compares what the agent holds with what control planes have. */
  checkDrift(): void {
    this.post({ kind: 'drift_check_requested' });
  }

  /** A network that loses or delays what was sent makes for drift; nothing else may. */
  #drifted(check: DriftCheck): void {
    this.drifts.push(check);
    const isDisturbed =
      this.isStalled || this.upstreamDelayMs > 1_000 || [...this.#streams.values()].some(one => one.isDead);
    if (isDisturbed) return;
    for (const { typeUrl, shortName, missing, extra, different } of check.types) {
      // SotW has no word for the end of what is asked for by name (R21), so it stays until no client names it.
      const isTold = !this.#options.manner.isSotwOnly || traitsOf(typeUrl as TypeUrl).isFullState;
      assert.deepEqual([missing.names, isTold ? extra.names : [], different.names], [[], [], []], shortName);
    }
  }

  /** The network takes every packet and delivers none, until keepalive finds out. */
  loseSilently(forMs: number): void {
    this.#say('streams go silent');
    for (const [streamId, stream] of this.#streams) {
      if (stream.isDead) continue;
      stream.isDead = true;
      this.after(forMs, () => {
        if (!this.#streams.delete(streamId)) return;
        this.post({ kind: 'upstream_closed', streamId, code: grpcCode.unavailable, message: 'Connection dropped' });
      });
    }
  }

  /** Control planes say that they are about to close their connections, and do so after a while. */
  leave(graceMs: number): void {
    this.#say('control planes send GOAWAY');
    for (const streamId of [...this.#streams.keys()]) {
      this.post({ kind: 'upstream_leaving', streamId });
      this.after(graceMs, () => {
        if (!this.#streams.delete(streamId)) return;
        this.post({ kind: 'upstream_closed', streamId, code: grpcCode.unavailable, message: 'closing' });
      });
    }
  }

  /** One control plane goes, others stay. */
  sendAway(address: string): void {
    this.away.add(address);
    this.#say(`${address} goes away`);
    for (const [streamId, stream] of [...this.#streams]) {
      if (stream.address !== address) continue;
      this.#streams.delete(streamId);
      this.after(this.random.below(20), () => {
        this.post({ kind: 'upstream_closed', streamId, code: grpcCode.unavailable, message: 'gone' });
      });
    }
  }

  /** Certificates and tokens are good again. */
  renewCredentials(): void {
    this.refusal = undefined;
    this.#say('credentials are renewed');
    this.post({ kind: 'credentials_changed' });
  }

  /** No model client breaks a rule or stops reading for long, so none may be sent away but for a limit; upstream's loss is no reason either. */
  #sentAway(streamId: number, code: number, message: string): void {
    const isLimit = this.#options.limits !== undefined && code === grpcCode.resourceExhausted;
    if (!isLimit) throw new Error(`stream ${streamId} was closed: ${code} ${message}`);
    assert.match(message, /\(setting (nodesMax|clientStreamsPerPeerMax)\)/, 'a limit is named');
    const link = this.links.find(one => one.streamId === streamId);
    if (!link) return;
    link.streamId = undefined;
    this.refusals++;
    this.#say(`${link.client.nodeId} is sent away: ${message}`);
    this.after(500 + this.random.below(2_000), () => {
      if (!link.isGone) this.connect(link);
    });
  }

  #toAgent(streamId: number, messages: readonly Buffer[]): void {
    for (const [index, bytes] of messages.entries()) {
      // The parts of one answer leave together, so they arrive close to each other.
      this.#clock.inOrder(`down ${streamId}`, index === 0 ? this.upstreamDelayMs : 0, () => {
        const stream = this.#streams.get(streamId);
        if (!stream || stream.isDead) return;
        this.#say(`agent received ${summary(bytes, stream.variant)}`);
        this.#verdicts.response(streamId, bytes, stream.variant);
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
    this.#clock.inOrder(`client ${streamId}`, link.writeMs, () => {
      if (link.streamId !== streamId) return;
      link.isWriting = false;
      this.#assertOwn(link.client, bytes);
      const requests = link.client.receive(bytes);
      const { refused } = link.client;
      this.#say(`${link.client.nodeId} received ${summary(bytes, link.client.manner.variant)}`);
      for (const request of requests)
        this.#say(`${link.client.nodeId} says ${said(request, link.client.manner.variant)}`);
      this.#fromClient(link, requests, refused);
      this.post({ kind: 'client_writable', streamId });
    });
  }

  /** No client sees what another node was given, be it the same name (R67). */
  #assertOwn({ nodeId, manner }: ModelClient, bytes: Buffer): void {
    const planes = this.#options.addresses.map(address => this.planeOf(nodeId, address));
    for (const one of decodeTestResponse(bytes, manner.variant).resources) {
      const { serial } = decodeSim(one.body);
      assert.ok(
        planes.some(({ serials }) => serials.has(serial)),
        `R67: ${nodeId} was sent '${one.name}' of another node`,
      );
    }
  }

  /** @param refused serials that the last of the requests rejects */
  #fromClient(link: ClientLink, requests: readonly Buffer[], refused: readonly number[] = []): void {
    const { streamId } = link;
    if (streamId === undefined) return;
    for (const bytes of requests) {
      this.#clock.inOrder(`from ${streamId}`, 10, () => {
        if (link.streamId !== streamId) return;
        if (bytes === requests.at(-1)) this.#verdicts.rejected(refused);
        this.post({ kind: 'client_request', streamId, bytes });
      });
    }
  }

  #say(text: string): void {
    if (!this.#options.isLogging) return;
    this.log.push(`${this.nowMs} ${text}`);
    if (this.log.length > 20_000) this.log.splice(0, 10_000);
  }

  /** Compares every client with the control plane, as it must be once all is quiet. */
  assertConverged(): void {
    assert.ok(this.#isReady || this.links.length === 0, 'nobody was ever sent anything');
    assert.ok(this.openStreams <= this.nodes.length, 'one upstream stream for each node in the end');
    for (const { client, streamId } of this.links) {
      if (streamId !== undefined) assertHolds(client, this.planeOf(client.nodeId));
    }
  }
}
