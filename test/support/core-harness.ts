import assert from 'node:assert/strict';
import { AllowList } from '../../src/agent/allow-list.ts';
import { Authorities } from '../../src/agent/authorities.ts';
import { Core, type CoreSettings } from '../../src/agent/core.ts';
import type { CoreEvent, Note } from '../../src/agent/events.ts';
import { Scopes } from '../../src/agent/scopes.ts';
import { BodyPool } from '../../src/cache/body-pool.ts';
import type { Entry } from '../../src/cache/entry.ts';
import type { IdleTier, IdleViews } from '../../src/cache/idle-tier.ts';
import type { StoredView } from '../../src/cache/stored.ts';
import { message, nested, payloadsAt, text, uint } from '../../src/demo/proto.ts';
import type { Peer } from '../../src/local-ads/peer.ts';
import type { NodeIdentity } from '../../src/xds/node.ts';
import { matchKeyOf } from '../../src/xds/node.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl, type Variant } from '../../src/xds/types.ts';
import type { MemoryDisk } from './memory-disk.ts';
import {
  decodeTestRequest,
  decodeTestResponse,
  encodeTestRequest,
  encodeTestResponse,
  type TestRequest,
  type TestResource,
  type TestResponse,
} from './messages.ts';
import { SeededRandom } from './random.ts';

/** Settings of production, for a core that a test drives by hand. */
export const harnessSettings: CoreSettings = {
  addresses: ['test:1'],
  authorities: new Authorities(new Map()),
  variant: 'delta',
  isSingleStream: false,
  failoverAfterMs: 10_000,
  stagingTimeoutMs: 15_000,
  driftCheckMs: 0,
  recycleMs: 0,
  startJitterMs: 0,
  reconnectBaseMs: 500,
  reconnectMaxMs: 30_000,
  resourcesMax: 100_000,
  viewBytesMax: 1 << 30,
  completeQuietMs: 100,
  absentQuietMs: 200,
  absentTimeoutMs: 15_000,
  lingerMs: 60_000,
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
  namesMax: 100_000,
  nameBytesMax: 4_096,
  nodeBytesMax: 1 << 20,
  typesMax: 64,
  viewTypesMax: 256,
  removalHoldMs: 100,
  warmHoldMs: 1_000,
  nodeSharing: 'shared',
  shareBy: undefined,
  scopes: new Scopes({ rules: undefined, rootNamespace: 'istio-system' }),
  allowList: new AllowList([]),
  nodesMax: 16,
  nodeLingerMs: 300_000,
  clientStreamsPerPeerMax: 2_048,
  listenerNames: [],
  viewsPerNodeMax: 4,
  namesPerPeerMax: 1_000_000,
  requestsPerSecondMax: 500,
  requestBurstMax: 50_000,
  dropExtensions: false,
  node: undefined,
  ack: 'clients',
  ackWaitMs: 1_000,
  clientStreamsMax: 64,
  responseBytesInFlightMax: 64 * 1024 * 1024,
  clientProgressTimeoutMs: 30_000,
  firstRequestTimeoutMs: 10_000,
  grpcUnansweredTimeoutMs: 5_000,
};

/** A resource body with a name and a payload; a Cluster takes its endpoints by EDS. */
export function body(typeUrl: TypeUrl, name: string, payload = 1): Buffer {
  const isCluster = typeUrl === clusterType;
  return message(text(1, name), ...(isCluster ? [uint(2, 3), nested(3, text(2, ''))] : []), uint(60, payload));
}

/** Resources named `names`, all with the same payload and the version of that number. */
export function resources(typeUrl: TypeUrl, names: readonly string[], payload = 1): TestResource[] {
  return names.map(name => ({ name, version: String(payload), body: body(typeUrl, name, payload) }));
}

/** A client stream under the test's hand: what it is sent arrives in `inbox`, and unless told otherwise it takes it at once. */
export class HarnessClient {
  readonly variant: Variant;
  readonly streamId: number;
  readonly inbox: TestResponse[] = [];
  /** Status the stream was ended with. */
  closed: { readonly code: number; readonly message: string } | undefined;
  /** `control_plane.identifier` of the newest response. */
  controlPlane = '';
  isReading = true;
  #isFirst = true;
  readonly #harness: CoreHarness;
  readonly #nodeId: string;

  constructor(harness: CoreHarness, variant: Variant, nodeId: string, peer: Peer) {
    this.#harness = harness;
    this.variant = variant;
    this.#nodeId = nodeId;
    this.streamId = harness.core.newStreamId();
    harness.post({
      kind: 'client_opened',
      streamId: this.streamId,
      variant,
      peer,
      fixedType: undefined,
    });
  }

  send(request: TestRequest): void {
    const nodeId = this.#isFirst ? this.#nodeId : undefined;
    this.#isFirst = false;
    const bytes = encodeTestRequest({ nodeId, ...request }, this.variant);
    this.#harness.post({ kind: 'client_request', streamId: this.streamId, bytes });
  }

  /** Accepts a response; a SotW client repeats its names. */
  ack({ typeUrl, version, nonce }: TestResponse, names: readonly string[] = []): void {
    this.send({ typeUrl, version, nonce, names });
  }

  /** The only message of a type since the last look. */
  only(typeUrl: TypeUrl): TestResponse {
    const found = this.take(typeUrl);
    assert.equal(found.length, 1, `messages of ${typeUrl}`);
    return found[0] as TestResponse; // Its presence was asserted in the line before.
  }

  /** All messages of a type since the last look. */
  take(typeUrl: TypeUrl): TestResponse[] {
    const found = this.inbox.filter(one => one.typeUrl === typeUrl);
    for (const one of found) this.inbox.splice(this.inbox.indexOf(one), 1);
    return found;
  }

  /** Takes what was held back. */
  read(): void {
    this.isReading = true;
    this.#harness.post({ kind: 'client_writable', streamId: this.streamId });
  }

  leave(): void {
    this.#harness.post({ kind: 'client_closed', streamId: this.streamId });
  }
}

/** An open upstream stream. */
export interface HarnessUpstream {
  readonly streamId: number;
  readonly variant: Variant;
  readonly address: string;
}

/** A request that reached the control plane. */
export type HarnessRequest = ReturnType<typeof decodeTestRequest> & { readonly address: string };

/** More ticks than this at one moment are a loop. */
const ticksMax = 1_000;

/** The core with a scripted control plane and clients, on a clock that the test moves. */
export class CoreHarness {
  readonly core: Core;
  nowMs = 0;
  readonly notes: Note[] = [];
  readonly disk: MemoryDisk | undefined;
  /** Requests that reached the control plane on the present stream, undrained. */
  readonly requests: HarnessRequest[] = [];
  /** What the control plane calls itself. */
  identifier = '';
  isUpstreamUp = true;
  /** Otherwise nothing comes back on streams that stand, probes included. */
  isUpstreamAlive = true;
  /** Addresses of control planes that cannot be reached. */
  readonly unreachable = new Set<string>();
  /** Otherwise the first request of a stream is its last. */
  isUpstreamReading = true;
  /** Open streams in the order of their opening; there is more than one when a type has a stream of its own. */
  readonly #upstreams = new Map<number, HarnessUpstream>();
  readonly #clients = new Map<number, HarnessClient>();
  readonly #nodes = new Map<number, string>();
  #nonces = 0;

  constructor(settings: Partial<CoreSettings> = {}, disk?: MemoryDisk) {
    this.disk = disk;
    const all = { ...harnessSettings, isStoring: disk !== undefined, ...settings };
    const stored = {
      find: (identity: NodeIdentity, group: string | undefined) =>
        disk?.find(group ?? matchKeyOf(identity, all.cacheMatch)),
    };
    this.core = new Core(
      all,
      { idle: memoryTier(), idleViews: memoryViews(), bodies: new BodyPool() },
      stored,
      new SeededRandom(1).next,
    );
    if (disk) this.post({ kind: 'disk_loaded', view: disk.newest() });
  }

  /** The upstream stream opened last, of those that are open. */
  get upstream(): HarnessUpstream | undefined {
    return [...this.#upstreams.values()].at(-1);
  }

  client(
    variant: Variant,
    nodeId = 'node',
    peer: Peer = { listener: 'test', names: [], way: 'private' },
  ): HarnessClient {
    const client = new HarnessClient(this, variant, nodeId, peer);
    this.#clients.set(client.streamId, client);
    return client;
  }

  /** The open upstream stream that carries this node, the newest if there are several. */
  upstreamOf(nodeId: string): HarnessUpstream | undefined {
    return [...this.#upstreams.values()].findLast(({ streamId }) => this.#nodes.get(streamId) === nodeId);
  }

  /** The open upstream stream to an address. */
  upstreamAt(address: string): HarnessUpstream | undefined {
    return [...this.#upstreams.values()].find(stream => stream.address === address);
  }

  /** Numbers of the open upstream streams. */
  upstreamIds(): number[] {
    return [...this.#upstreams.keys()];
  }

  /** Lets time pass, with every deadline at its moment. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    let ticks = 0;
    for (let deadline = this.core.nextDeadlineMs(); deadline <= end; deadline = this.core.nextDeadlineMs()) {
      if (deadline > this.nowMs) ticks = 0;
      this.nowMs = Math.max(this.nowMs, deadline);
      this.post({ kind: 'tick' });
      assert.ok(++ticks < ticksMax, `the core wants a tick at ${deadline} ms again and again and does nothing with it`);
    }
    this.nowMs = end;
  }

  /** The control plane sends a response; returns its nonce. */
  respond(typeUrl: TypeUrl, parts: Partial<TestResponse> = {}, upstream = this.upstream): string {
    assert.ok(upstream, 'an upstream stream is open');
    const nonce = parts.nonce ?? `up${++this.#nonces}`;
    const response = { typeUrl, version: `v${this.#nonces}`, resources: [], removed: [], ...parts, nonce };
    const { streamId, variant } = upstream;
    this.post({ kind: 'upstream_response', streamId, bytes: encodeTestResponse(response, variant, this.identifier) });
    return nonce;
  }

  /** An upstream stream breaks, the one opened last unless named. */
  cut(streamId = this.upstream?.streamId): void {
    if (streamId !== undefined) this.endUpstream(streamId, grpcCode.unavailable);
  }

  /** The control plane ends a stream with a status. */
  endUpstream(streamId: number, code: number): void {
    this.#upstreams.delete(streamId);
    this.post({ kind: 'upstream_closed', streamId, code, message: 'cut' });
  }

  /** The control plane takes what was held back. */
  upstreamReads(): void {
    this.isUpstreamReading = true;
    for (const streamId of this.upstreamIds()) this.post({ kind: 'upstream_writable', streamId });
  }

  /** Requests of a type since the last look. */
  asked(typeUrl: TypeUrl): HarnessRequest[] {
    const found = this.requests.filter(one => one.typeUrl === typeUrl);
    for (const one of found) this.requests.splice(this.requests.indexOf(one), 1);
    return found;
  }

  post(event: CoreEvent): void {
    const queue: CoreEvent[] = [event];
    for (let next = queue.shift(); next; next = queue.shift()) {
      for (const effect of this.core.handle(next, { monotonicMs: this.nowMs, wallMs: 1_000_000 + this.nowMs })) {
        switch (effect.kind) {
          case 'open_upstream': {
            const { streamId, variant, address } = effect;
            if (this.isUpstreamUp && !this.unreachable.has(address)) {
              this.#upstreams.set(streamId, { streamId, variant, address });
              // What was asked for on streams that stand is still of interest.
              if (this.#upstreams.size === 1) this.requests.length = 0;
              queue.push({ kind: 'upstream_opened', streamId });
            } else queue.push({ kind: 'upstream_closed', streamId, code: grpcCode.unavailable, message: 'refused' });
            break;
          }
          case 'send_upstream': {
            const stream = this.#upstreams.get(effect.streamId);
            assert.ok(stream, `upstream stream ${effect.streamId} is open when a request is sent on it`);
            const request = { ...decodeTestRequest(effect.bytes, stream.variant), address: stream.address };
            if (request.nodeId !== undefined) this.#nodes.set(effect.streamId, request.nodeId);
            this.requests.push(request);
            if (this.isUpstreamReading) queue.push({ kind: 'upstream_writable', streamId: effect.streamId });
            break;
          }
          case 'probe_upstream':
            if (this.#upstreams.has(effect.streamId) && this.isUpstreamAlive)
              queue.push({ kind: 'upstream_alive', streamId: effect.streamId });
            break;
          case 'close_upstream':
            this.#upstreams.delete(effect.streamId);
            break;
          case 'send_client': {
            const client = this.#clients.get(effect.streamId);
            if (!client) break;
            client.inbox.push(decodeTestResponse(effect.bytes, client.variant));
            client.controlPlane = payloadsAt(effect.bytes, client.variant === 'sotw' ? 6 : 7, 1).join();
            if (client.isReading) queue.push({ kind: 'client_writable', streamId: effect.streamId });
            break;
          }
          case 'close_client': {
            const client = this.#clients.get(effect.streamId);
            if (client) client.closed = { code: effect.code, message: effect.message };
            break;
          }
          case 'write_disk':
            this.disk?.write(effect.changes);
            break;
          case 'note':
            this.notes.push(effect.note);
            break;
        }
      }
    }
  }
}

/** Names in a response, sorted. */
export function namesOf(response: TestResponse): string[] {
  return response.resources.map(one => one.name).sort();
}

function memoryTier(): IdleTier {
  const entries = new Map<string, Entry>();
  return {
    put: (key, entry) => entries.set(key, entry).size > 0,
    get: key => entries.get(key),
    delete: key => void entries.delete(key),
    get size() {
      return entries.size;
    },
  };
}

/** Idle views that are kept for ever. */
export function memoryViews(): IdleViews {
  const views = new Map<string, StoredView>();
  return {
    put: view => void views.set(view.viewKey, view),
    take(viewKey) {
      const view = views.get(viewKey);
      views.delete(viewKey);
      return view;
    },
    get size() {
      return views.size;
    },
  };
}
