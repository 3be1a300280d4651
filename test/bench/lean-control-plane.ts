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
}

/** What the bench asks of it. `changed` is a number of clusters, in turn. */
export type ControlPlaneCommand =
  | { readonly kind: 'update'; readonly changed: number }
  | { readonly kind: 'stats' }
  | { readonly kind: 'stamps' };

/** Counts since its start. */
export interface ControlPlaneStats {
  readonly streamsOpened: number;
  /** Of gRPC messages sent, with their five-byte prefix. */
  readonly responseBytes: number;
  readonly rejections: number;
  readonly requests: number;
}

/** What it tells the bench; `stamps` has the newest stamp of each cluster in µs, 0 for one that never changed. */
export type ControlPlaneReport =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'updated'; readonly stampUs: number }
  | { readonly kind: 'stats'; readonly stats: ControlPlaneStats }
  | { readonly kind: 'stamps'; readonly stampsUs: readonly number[] };

interface Stream {
  readonly call: ServerDuplexStream<Buffer, Buffer>;
  readonly variant: Variant;
  hasClusters: boolean;
  /** SotW: endpoint names in the last request. */
  endpointNames: number;
}

const requestBytesMax = 64 * 1024 * 1024;
const asIs = (buffer: Buffer): Buffer => buffer;
const { resources, variants } = childConfig<ControlPlaneConfig>();
const stampsUs: number[] = new Array<number>(resources).fill(0);
const lists = new Map<Variant, Readonly<Record<Kind, ResourceList>>>();
for (const variant of variants) {
  lists.set(variant, {
    cluster: new ResourceList('cluster', variant, resources),
    endpoints: new ResourceList('endpoints', variant, resources),
  });
}
const streams = new Set<Stream>();
/** Whole lists of the current revision, by kind and variant, so that 100 clients do not cost 100 encodings. */
const wholes = new Map<string, Buffer>();
let revision = 1;
let nextChanged = 0;
let streamsOpened = 0;
let responseBytes = 0;
let rejections = 0;
let requests = 0;

function whole(kind: Kind, variant: Variant): Buffer {
  const key = `${kind} ${variant}`;
  const known = wholes.get(key);
  if (known !== undefined) return known;
  const list = lists.get(variant)?.[kind];
  if (list === undefined) throw new Error(`this run has no ${variant} clients`);
  const made = list.response(undefined, revision);
  wholes.set(key, made);
  return made;
}

function send(stream: Stream, buffer: Buffer): void {
  responseBytes += buffer.length + 5;
  stream.call.write(buffer);
}

function receive(stream: Stream, buffer: Buffer): void {
  const { kind, nonce, indices, isRejection } = readRequest(buffer, stream.variant);
  requests += 1;
  if (isRejection) rejections += 1;
  if (kind === 'cluster' && !stream.hasClusters) {
    stream.hasClusters = true;
    send(stream, whole('cluster', stream.variant));
  }
  if (kind !== 'endpoints') return;
  // An ACK in SotW repeats the names; only another list is a question.
  const isQuestion =
    stream.variant === 'delta' ? indices.length > 0 : nonce === '' || indices.length !== stream.endpointNames;
  stream.endpointNames = indices.length;
  if (!isQuestion || indices.length === 0) return;
  const list = lists.get(stream.variant)?.endpoints;
  const isAll = indices.length === resources;
  send(stream, isAll || list === undefined ? whole('endpoints', stream.variant) : list.response(indices, revision));
}

function update(changed: number): void {
  const indices = Array.from({ length: changed }, (_, offset) => (nextChanged + offset) % resources);
  nextChanged = (nextChanged + changed) % resources;
  revision += 1;
  wholes.clear();
  const stampUs = nowUs();
  for (const index of indices) stampsUs[index] = stampUs;
  const messages = new Map<Variant, Buffer>();
  for (const [variant, { cluster }] of lists) {
    cluster.stamp(indices, stampUs);
    messages.set(variant, variant === 'delta' ? cluster.response(indices, revision) : whole('cluster', variant));
  }
  for (const stream of streams) {
    const buffer = messages.get(stream.variant);
    if (stream.hasClusters && buffer !== undefined) send(stream, buffer);
  }
  report<ControlPlaneReport>({ kind: 'updated', stampUs });
}

function open(call: ServerDuplexStream<Buffer, Buffer>, variant: Variant): void {
  const stream: Stream = { call, variant, hasClusters: false, endpointNames: 0 };
  streams.add(stream);
  streamsOpened += 1;
  call.on('data', (buffer: Buffer) => receive(stream, buffer));
  // A call whose client went away reports an error too; that it is closed is all that matters.
  call.on('error', () => {});
  call.on('end', () => call.end());
  for (const event of ['cancelled', 'close', 'end']) call.on(event, () => streams.delete(stream));
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
      update(command.changed);
      break;
    case 'stats':
      report<ControlPlaneReport>({ kind: 'stats', stats: { streamsOpened, requests, responseBytes, rejections } });
      break;
    case 'stamps':
      report<ControlPlaneReport>({ kind: 'stamps', stampsUs });
      break;
  }
});
