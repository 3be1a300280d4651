import { type ClientDuplexStream, credentials, Client as GrpcClient } from '@grpc/grpc-js';
import { adsMethod, encodeRequest, type Variant } from '../../src/demo/envelopes.ts';
import { typeUrls } from '../../src/demo/resources.ts';
import { BenchClient } from './bench-client.ts';
import { childConfig, onCommand, report } from './child.ts';
import { namesField } from './payload.ts';

// Clients that nobody would want to have beside him, or as many that behave.

/** How a client behaves. */
export type Behaviour = 'well' | 'stalled' | 'reconnecting' | 'rejecting' | 'garbage';

/** Configuration of the program. */
export interface BadClientsConfig {
  /** host:port */
  readonly target: string;
  readonly behaviours: readonly Behaviour[];
  readonly resources: number;
  readonly changed: number;
  readonly variant: Variant;
}

/** What the bench asks of it. */
export type BadClientsCommand = { readonly kind: 'start' } | { readonly kind: 'counts' };

/** What it tells the bench. */
export type BadClientsReport =
  | { readonly kind: 'ready' }
  /** How often each kind has begun anew, and the last word that was said to it. */
  | { readonly kind: 'counts'; readonly begun: Readonly<Record<string, number>>; readonly words: string };

const { target, behaviours, resources, changed, variant } = childConfig<BadClientsConfig>();
const allNames = namesField(0, resources);
const asIs = (buffer: Buffer): Buffer => buffer;
const begun: Record<string, number> = {};
const garbage = Buffer.from('ff13ff37deadbeef00ff13ff37', 'hex');
let words = '';

/** Who is ended early tries again after this many ms, as a client without any back-off does. */
const againMs = 1;

function connect(): GrpcClient {
  return new GrpcClient(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
}

function begin(behaviour: Behaviour, client: GrpcClient): ClientDuplexStream<Buffer, Buffer> {
  begun[behaviour] = (begun[behaviour] ?? 0) + 1;
  const call = client.makeBidiStreamRequest(adsMethod[variant], asIs, asIs);
  call.on('error', error => {
    words = error.message;
  });
  return call;
}

const askAll = (at: number): Buffer => encodeRequest({ typeUrl: typeUrls.cluster, nodeId: `bad-${at}` }, variant);

/** Asks for everything and never reads. */
function stall(at: number): void {
  const call = begin('stalled', connect());
  call.pause();
  call.write(askAll(at));
  call.write(Buffer.concat([encodeRequest({ typeUrl: typeUrls.endpoints }, variant), allNames]));
  call.on('status', () => setTimeout(stall, againMs, at));
}

/** Comes, is sent the first message, goes, and comes again on a new connection. */
function reconnect(at: number): void {
  const client = connect();
  const call = begin('reconnecting', client);
  call.once('data', () => call.cancel());
  call.once('status', () => {
    client.close();
    setTimeout(reconnect, againMs, at);
  });
  call.write(askAll(at));
}

/** Sends what is no request, stream after stream. */
function babble(client: GrpcClient): void {
  const call = begin('garbage', client);
  call.once('status', () => setTimeout(babble, againMs, client));
  call.resume();
  call.write(garbage);
}

function start(behaviour: Behaviour, at: number): void {
  if (behaviour === 'stalled') return stall(at);
  if (behaviour === 'reconnecting') return reconnect(at);
  if (behaviour === 'garbage') return babble(connect());
  const client = new BenchClient({
    ...{ target, variant, nodeId: `bad-${at}`, resources, changed, allNames, rejects: behaviour === 'rejecting' },
    onSync: () => {},
    onUpdate: () => {},
    onFailure: reason => {
      words = reason;
    },
  });
  begun[behaviour] = (begun[behaviour] ?? 0) + 1;
  client.start();
}

onCommand<BadClientsCommand>(command => {
  if (command.kind === 'counts') return report<BadClientsReport>({ kind: 'counts', begun, words });
  for (const [at, behaviour] of behaviours.entries()) start(behaviour, at);
});
report<BadClientsReport>({ kind: 'ready' });
