import type { Variant } from '../../src/demo/envelopes.ts';
import { BenchClient } from './bench-client.ts';
import { childConfig, onCommand, report } from './child.ts';
import { namesField, nowUs } from './payload.ts';

// All clients of a run in one process.

/** Configuration of the program. */
export interface SwarmConfig {
  /** Addresses as gRPC has them, `host:port` or `unix:/path`; clients take them in turns. */
  readonly targets: readonly string[];
  readonly clients: number;
  /** The nodes are `bench-<firstNode>` and so on. */
  readonly firstNode: number;
  /** Clients that each update reaches. */
  readonly reached: number;
  readonly resources: number;
  readonly changed: number;
  readonly variant: Variant;
}

/** What the bench asks of it. */
export type SwarmCommand =
  | { readonly kind: 'start' }
  /** Compares what every client holds with the newest stamp of each cluster: its node's, or everybody's where there is one list. */
  | { readonly kind: 'verify'; readonly stampsUs: readonly (readonly number[])[] };

/** What it tells the bench; times in ms. */
export type SwarmReport =
  | { readonly kind: 'ready' }
  /** All clients hold all resources; counted from the first connection attempt. */
  | { readonly kind: 'synced'; readonly ms: number }
  /** All clients that it reaches hold the update; how long each waited for the last changed resource of it. */
  | { readonly kind: 'updated'; readonly stampUs: number; readonly latenciesMs: readonly number[] }
  | { readonly kind: 'verified'; readonly problems: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string };

const { targets, clients, firstNode, reached, resources, changed, variant } = childConfig<SwarmConfig>();
const problemsMax = 5;
const allNames = namesField(0, resources);

let startedUs = 0;
let synced = 0;
/** Clients that hold all of the newest update, with its stamp. */
let newestUs = 0;
let latenciesMs: number[] = [];

function countSync(receivedUs: number): void {
  synced += 1;
  if (synced === clients) report<SwarmReport>({ kind: 'synced', ms: (receivedUs - startedUs) / 1000 });
}

function countUpdate(stampUs: number, receivedUs: number): void {
  if (stampUs !== newestUs) latenciesMs = [];
  newestUs = stampUs;
  latenciesMs.push((receivedUs - stampUs) / 1000);
  if (latenciesMs.length === reached) report<SwarmReport>({ kind: 'updated', stampUs, latenciesMs });
}

const swarm = Array.from(
  { length: clients },
  (_, at) =>
    new BenchClient({
      target: targets[at % targets.length] ?? '',
      variant,
      nodeId: `bench-${firstNode + at}`,
      resources,
      changed,
      allNames,
      onSync: countSync,
      onUpdate: countUpdate,
      onFailure: reason => report<SwarmReport>({ kind: 'failed', reason }),
    }),
);
onCommand<SwarmCommand>(command => {
  switch (command.kind) {
    case 'start':
      startedUs = nowUs();
      for (const client of swarm) client.start();
      break;
    case 'verify': {
      const { stampsUs } = command;
      const problems = swarm.flatMap((client, at) => {
        const wantedUs = stampsUs.length > 1 ? stampsUs[firstNode + at] : stampsUs[0];
        return client.problem(wantedUs ?? []) ?? [];
      });
      report<SwarmReport>({ kind: 'verified', problems: problems.slice(0, problemsMax) });
      break;
    }
  }
});
report<SwarmReport>({ kind: 'ready' });
