import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { adsMethod, type Variant } from '../../src/demo/envelopes.ts';
import { childConfig, onCommand, report } from './child.ts';
import { type Kind, nowUs, ResourceList, readRequest } from './payload.ts';

// The control plane of the bench, a process of its own. It encodes a response once for all streams and keeps nothing per
// stream but what was asked for, so what is measured is the way to the clients. The demo's control plane, which compares every
// resource for every stream, was tried: 10,000 resources and 100 streams cost it 0.2 s an update in Delta and 0.5 s in SotW.

/** Configuration of the program. */
export interface ControlPlaneConfig {
  /** Clusters; there are as many endpoint lists. */
  readonly resources: number;
  readonly variants: readonly Variant[];
  /** Of those, how many differ from node to node; 0 where all nodes are served the same list. */
  readonly own: number;
}

/** What the bench asks of it. `changed` is a number of clusters, in turn; `node` is the one that is sent them, 0 for all. */
export type ControlPlaneCommand =
  | { readonly kind: 'update'; readonly changed: number; readonly node: number }
  /** Updates one node every so many ms until it is told another time, 0 for none. */
  | { readonly kind: 'churn'; readonly changed: number; readonly node: number; readonly everyMs: number }
  | { readonly kind: 'stats' }
  | { readonly kind: 'stamps' };

/** Counts since its start. */
export interface ControlPlaneStats {
  readonly connections: number;
  readonly streamsOpened: number;
  /** Of gRPC messages sent, with their five-byte prefix. */
  readonly responseBytes: number;
  readonly rejections: number;
  readonly requests: number;
  /** Updates made by churn. */
  readonly churned: number;
  /** Bytes of all bodies that differ, once each. */
  readonly bodyBytes: number;
}

/** What it tells the bench; `stamps` has the newest stamp of each cluster in µs, 0 for one that never changed, by node. */
export type ControlPlaneReport =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'updated'; readonly stampUs: number }
  | { readonly kind: 'stats'; readonly stats: ControlPlaneStats }
  | { readonly kind: 'stamps'; readonly stampsUs: readonly (readonly number[])[] };

interface Stream {
  readonly call: ServerDuplexStream<Buffer, Buffer>;
  readonly variant: Variant;
  /** What it is served; undefined before its first request. */
  world: World | undefined;
  hasClusters: boolean;
  /** SotW: endpoint names in the last request. */
  endpointNames: number;
}

const requestBytesMax = 64 * 1024 * 1024;
const asIs = (buffer: Buffer): Buffer => buffer;
const { resources, variants, own } = childConfig<ControlPlaneConfig>();

/** What one node is served, or all of them. */
class World {
  readonly stampsUs: number[] = new Array<number>(resources).fill(0);
  readonly lists = new Map<Variant, Readonly<Record<Kind, ResourceList>>>();
  /** Whole lists of the current revision, by kind and variant, so that 100 clients do not cost 100 encodings. */
  readonly #wholes = new Map<string, Buffer>();
  #nextChanged = 0;
  revision = 1;

  constructor(owner: number) {
    const ownPart = { owner, count: own };
    for (const variant of variants) {
      this.lists.set(variant, {
        cluster: new ResourceList('cluster', variant, resources, ownPart),
        endpoints: new ResourceList('endpoints', variant, resources, ownPart),
      });
    }
  }

  /** Bytes of a cluster's body and of its endpoints'. */
  get pairBytes(): number {
    const [first] = this.lists.values();
    return (first?.cluster.bodyBytes ?? 0) + (first?.endpoints.bodyBytes ?? 0);
  }

  whole(kind: Kind, variant: Variant): Buffer {
    const key = `${kind} ${variant}`;
    const known = this.#wholes.get(key);
    if (known !== undefined) return known;
    const list = this.lists.get(variant)?.[kind];
    if (list === undefined) throw new Error(`this run has no ${variant} clients`);
    const made = list.response(undefined, this.revision);
    this.#wholes.set(key, made);
    return made;
  }

  /** Changes the next clusters. Returns the message about it in each variant. */
  change(changed: number, stampUs: number): ReadonlyMap<Variant, Buffer> {
    const indices = Array.from({ length: changed }, (_, offset) => (this.#nextChanged + offset) % resources);
    this.#nextChanged = (this.#nextChanged + changed) % resources;
    this.revision += 1;
    this.#wholes.clear();
    for (const index of indices) this.stampsUs[index] = stampUs;
    const messages = new Map<Variant, Buffer>();
    for (const [variant, { cluster }] of this.lists) {
      cluster.stamp(indices, stampUs);
      const isDelta = variant === 'delta';
      messages.set(variant, isDelta ? cluster.response(indices, this.revision) : this.whole('cluster', variant));
    }
    return messages;
  }
}

const streams = new Set<Stream>();
const peers = new Set<string>();
/** By node; there is one, of node 0, where all are served the same. */
const worlds = new Map<number, World>();
if (own === 0) worlds.set(0, new World(0));
let churn: NodeJS.Timeout | undefined;
let churned = 0;
let streamsOpened = 0;
let responseBytes = 0;
let rejections = 0;
let requests = 0;

function worldOf(node: number): World {
  const at = own === 0 ? 0 : node;
  const world = worlds.get(at) ?? new World(at);
  worlds.set(at, world);
  return world;
}

function send(stream: Stream, buffer: Buffer): void {
  responseBytes += buffer.length + 5;
  stream.call.write(buffer);
}

function receive(stream: Stream, buffer: Buffer): void {
  const { kind, nonce, indices, isRejection, node } = readRequest(buffer, stream.variant);
  requests += 1;
  if (isRejection) rejections += 1;
  stream.world ??= worldOf(node ?? 0);
  const { world, variant } = stream;
  if (kind === 'cluster' && !stream.hasClusters) {
    stream.hasClusters = true;
    send(stream, world.whole('cluster', variant));
  }
  if (kind !== 'endpoints') return;
  // An ACK in SotW repeats the names; only another list is a question.
  const isQuestion = variant === 'delta' ? indices.length > 0 : nonce === '' || indices.length !== stream.endpointNames;
  stream.endpointNames = indices.length;
  if (!isQuestion || indices.length === 0) return;
  const list = world.lists.get(variant)?.endpoints;
  const isAll = indices.length === resources;
  send(
    stream,
    isAll || list === undefined ? world.whole('endpoints', variant) : list.response(indices, world.revision),
  );
}

/** Returns the stamp. */
function update(changed: number, node: number): number {
  const world = worldOf(node);
  const stampUs = nowUs();
  const messages = world.change(changed, stampUs);
  for (const stream of streams) {
    const buffer = messages.get(stream.variant);
    if (stream.hasClusters && stream.world === world && buffer !== undefined) send(stream, buffer);
  }
  return stampUs;
}

function open(call: ServerDuplexStream<Buffer, Buffer>, variant: Variant): void {
  const stream: Stream = { call, variant, world: undefined, hasClusters: false, endpointNames: 0 };
  streams.add(stream);
  streamsOpened += 1;
  peers.add(call.getPeer());
  call.on('data', (buffer: Buffer) => receive(stream, buffer));
  // A call whose client went away reports an error too; that it is closed is all that matters.
  call.on('error', () => {});
  call.on('end', () => call.end());
  for (const event of ['cancelled', 'close', 'end']) call.on(event, () => streams.delete(stream));
}

function statsNow(): ControlPlaneStats {
  const [some] = worlds.values();
  const differing = resources + own * (worlds.size - 1);
  const bodyBytes = differing * (some?.pairBytes ?? 0);
  return { connections: peers.size, streamsOpened, requests, responseBytes, rejections, churned, bodyBytes };
}

const method = (variant: Variant) => ({
  path: adsMethod[variant],
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});
const server = new Server({
  'grpc.max_receive_message_length': requestBytesMax,
  'grpc-node.flow_control_window': 1 << 20,
});
server.addService(
  { sotw: method('sotw'), delta: method('delta') },
  {
    sotw: (call: ServerDuplexStream<Buffer, Buffer>) => open(call, 'sotw'),
    delta: (call: ServerDuplexStream<Buffer, Buffer>) => open(call, 'delta'),
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  report<ControlPlaneReport>({ kind: 'listening', port });
});
onCommand<ControlPlaneCommand>(command => {
  switch (command.kind) {
    case 'update':
      report<ControlPlaneReport>({ kind: 'updated', stampUs: update(command.changed, command.node) });
      break;
    case 'churn': {
      const { changed, node, everyMs } = command;
      clearInterval(churn);
      const step = (): void => {
        update(changed, node);
        churned += 1;
      };
      if (everyMs > 0) churn = setInterval(step, everyMs);
      break;
    }
    case 'stats':
      report<ControlPlaneReport>({ kind: 'stats', stats: statsNow() });
      break;
    case 'stamps':
      report<ControlPlaneReport>({
        kind: 'stamps',
        stampsUs: Array.from({ length: Math.max(...worlds.keys()) + 1 }, (_, node) => worlds.get(node)?.stampsUs ?? []),
      });
      break;
  }
});
