import { type ClientDuplexStream, credentials, Client as GrpcClient } from '@grpc/grpc-js';
import { adsMethod, encodeRequest, type Variant } from '../../src/demo/envelopes.ts';
import { typeUrls } from '../../src/demo/resources.ts';
import { childConfig, onCommand, report } from './child.ts';
import { type BenchResponse, eachResource, namesField, nowUs, readResponse } from './payload.ts';

// All clients of a run in one process, each with a connection of its own. They ask as Envoy does, every cluster and then the
// endpoints by name, and read nothing of a resource but its index and its stamp.

/** Configuration of the program. */
export interface SwarmConfig {
  /** host:port */
  readonly target: string;
  readonly clients: number;
  readonly resources: number;
  readonly changed: number;
  readonly variant: Variant;
}

/** What the bench asks of it. */
export type SwarmCommand =
  | { readonly kind: 'start' }
  /** Compares what every client holds with the newest stamp of each cluster. */
  | { readonly kind: 'verify'; readonly stampsUs: readonly number[] };

/** What it tells the bench; times in ms. */
export type SwarmReport =
  | { readonly kind: 'ready' }
  /** All clients hold all resources; counted from the first connection attempt. */
  | { readonly kind: 'synced'; readonly ms: number }
  /** All clients hold the update; how long each waited for the last changed resource of it. */
  | { readonly kind: 'updated'; readonly stampUs: number; readonly latenciesMs: readonly number[] }
  | { readonly kind: 'verified'; readonly problems: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string };

const { target, clients, resources, changed, variant } = childConfig<SwarmConfig>();
const problemsMax = 5;
const asIs = (buffer: Buffer): Buffer => buffer;
/** The names of all resources as a request carries them, encoded once for all clients. */
const allNames = namesField(0, resources);

let startedUs = 0;
let synced = 0;
/** Clients that hold all of the newest update, with its stamp. */
let newestUs = 0;
let latenciesMs: number[] = [];

function fail(reason: string): void {
  report<SwarmReport>({ kind: 'failed', reason });
}

class SwarmClient {
  readonly #id: number;
  readonly #grpc: GrpcClient;
  #call: ClientDuplexStream<Buffer, Buffer> | undefined;
  /** Stamp held of each cluster in µs, -1 for none; and which endpoints are held. */
  readonly #stampsUs = new Float64Array(resources).fill(-1);
  readonly #endpoints = new Uint8Array(resources);
  #clustersHeld = 0;
  #endpointsHeld = 0;
  #hasAsked = false;
  #isSynced = false;
  #updateUs = 0;
  #updateHeld = 0;

  constructor(id: number) {
    this.#id = id;
    this.#grpc = new GrpcClient(target, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      'grpc-node.flow_control_window': 4 * 1024 * 1024,
    });
  }

  start(): void {
    const call = this.#grpc.makeBidiStreamRequest(adsMethod[variant], asIs, asIs);
    this.#call = call;
    call.on('data', (buffer: Buffer) => this.#receive(buffer));
    call.on('error', error => fail(`client ${this.#id}: ${error.message}`));
    call.on('end', () => fail(`client ${this.#id}: its stream ended`));
    call.write(encodeRequest({ typeUrl: typeUrls.cluster, nodeId: `bench-${this.#id}` }, variant));
  }

  /** What this client holds wrongly, undefined if nothing. */
  problem(wantedUs: readonly number[]): string | undefined {
    if (this.#clustersHeld !== resources || this.#endpointsHeld !== resources) {
      return `client ${this.#id} holds ${this.#clustersHeld} clusters and ${this.#endpointsHeld} endpoint lists of ${resources}`;
    }
    const old = wantedUs.findIndex((stampUs, index) => this.#stampsUs[index] !== stampUs);
    return old === -1 ? undefined : `client ${this.#id} holds an old state of cluster ${old}`;
  }

  #receive(buffer: Buffer): void {
    const receivedUs = nowUs();
    const response = readResponse(buffer, variant);
    const { kind } = response;
    if (kind === undefined) return fail(`client ${this.#id} was sent ${response.typeUrl}, which it did not ask for`);
    if (response.removed > 0) return fail(`client ${this.#id} was told that ${response.removed} resources are gone`);
    if (kind === 'endpoints') {
      eachResource(buffer, variant, kind, index => {
        if (this.#endpoints[index] === 0) this.#endpointsHeld += 1;
        this.#endpoints[index] = 1;
      });
    } else {
      if (variant === 'sotw' && response.resources !== resources) {
        return fail(`client ${this.#id} was sent a list of ${response.resources} clusters of ${resources}`);
      }
      eachResource(buffer, variant, kind, (index, stampUs) => this.#hold(index, stampUs));
    }
    this.#answer(response);
    if (!this.#isSynced && this.#clustersHeld === resources && this.#endpointsHeld === resources) {
      this.#isSynced = true;
      synced += 1;
      if (synced === clients) report<SwarmReport>({ kind: 'synced', ms: (receivedUs - startedUs) / 1000 });
    }
    if (this.#updateHeld === changed && this.#isSynced) {
      this.#updateHeld = 0;
      count(this.#updateUs, receivedUs);
    }
  }

  #hold(index: number, stampUs: number): void {
    const held = this.#stampsUs[index] ?? -1;
    if (held === stampUs) return;
    if (held === -1) this.#clustersHeld += 1;
    this.#stampsUs[index] = stampUs;
    // A cluster that never changed belongs to the first sync.
    if (stampUs === 0) return;
    if (stampUs !== this.#updateUs) this.#updateHeld = 0;
    this.#updateUs = stampUs;
    this.#updateHeld += 1;
  }

  #answer({ typeUrl, kind, nonce, version }: BenchResponse): void {
    if (kind === 'cluster' && this.#clustersHeld === resources && !this.#hasAsked) {
      this.#hasAsked = true;
      // Names that follow from a response are asked for before it is acknowledged, as Envoy does (R41).
      this.#write(encodeRequest({ typeUrl: typeUrls.endpoints }, variant), allNames);
    }
    // Every SotW request repeats the names, an ACK too.
    const names = variant === 'sotw' && kind === 'endpoints' ? [allNames] : [];
    this.#write(encodeRequest({ typeUrl, version, nonce }, variant), ...names);
  }

  /** Fields of a message may come in any order, so names encoded once can follow the rest. */
  #write(...parts: readonly Buffer[]): void {
    this.#call?.write(Buffer.concat(parts));
  }
}

function count(stampUs: number, receivedUs: number): void {
  if (stampUs !== newestUs) latenciesMs = [];
  newestUs = stampUs;
  latenciesMs.push((receivedUs - stampUs) / 1000);
  if (latenciesMs.length === clients) report<SwarmReport>({ kind: 'updated', stampUs, latenciesMs });
}

const swarm = Array.from({ length: clients }, (_, id) => new SwarmClient(id));
onCommand<SwarmCommand>(command => {
  switch (command.kind) {
    case 'start':
      startedUs = nowUs();
      for (const client of swarm) client.start();
      break;
    case 'verify': {
      const problems = swarm.flatMap(client => client.problem(command.stampsUs) ?? []);
      report<SwarmReport>({ kind: 'verified', problems: problems.slice(0, problemsMax) });
      break;
    }
  }
});
report<SwarmReport>({ kind: 'ready' });
