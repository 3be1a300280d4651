import type { Variant } from '../../../src/demo/envelopes.ts';
import { childConfig } from '../child.ts';
import { nowUs } from '../payload.ts';
import { onLine, sayLine } from './line-child.ts';
import { McpClient } from './mcp-client.ts';

// All clients of a run in one process. The Go program's `mesh-swarm` does the same, takes the same configuration and says the same.

/** Configuration of the program. */
export interface McpSwarmConfig {
  /** host:port */
  readonly target: string;
  readonly clients: number;
  readonly variant: Variant;
  /** Type URLs, asked for in this order. */
  readonly typeUrls: readonly string[];
  /** The one with resources, and how many. */
  readonly serviceTypeUrl: string;
  readonly resources: number;
}

/** What the bench asks of it. */
export type McpSwarmCommand =
  | { readonly kind: 'start' }
  /** Counts from now on anew. */
  | { readonly kind: 'measure'; readonly keepsLatencies: boolean }
  | { readonly kind: 'counts' };

/** What it tells the bench. */
export type McpSwarmReport =
  | { readonly kind: 'ready' }
  /** All clients hold everything; counted from the first connection attempt. */
  | { readonly kind: 'synced'; readonly ms: number }
  /** Every client has seen every change up to this one. */
  | { readonly kind: 'seen'; readonly serial: number }
  | {
      readonly kind: 'counts';
      /** Changes that clients had not seen before, each counted for each client. */
      readonly deliveries: number;
      /** Messages in which these came, and their bytes. */
      readonly messages: number;
      readonly bytes: number;
      /** One for each delivery, from the stamp; empty where they are not kept. */
      readonly latenciesUs: readonly number[];
    }
  | { readonly kind: 'failed'; readonly reason: string };

const config = childConfig<McpSwarmConfig>();
const { clients } = config;

let startedUs = 0;
let synced = 0;
/** What every client has seen. */
let seen = 0;
let keepsLatencies = false;
let counts = { deliveries: 0, messages: 0, bytes: 0 };
let latenciesUs: number[] = [];

function countSync(): void {
  synced += 1;
  if (synced === clients) sayLine<McpSwarmReport>({ kind: 'synced', ms: (nowUs() - startedUs) / 1000 });
}

function countChanges(latencies: readonly number[], bytes: number): void {
  counts.deliveries += latencies.length;
  counts.messages += 1;
  counts.bytes += bytes;
  if (keepsLatencies) latenciesUs.push(...latencies);
  const least = swarm.reduce((min, client) => Math.min(min, client.serial), Infinity);
  if (least === seen) return;
  seen = least;
  sayLine<McpSwarmReport>({ kind: 'seen', serial: seen });
}

const swarm = Array.from(
  { length: clients },
  (_, number) =>
    new McpClient({
      ...config,
      number,
      onSync: countSync,
      onChanges: countChanges,
      onFailure: reason => sayLine<McpSwarmReport>({ kind: 'failed', reason }),
    }),
);
onLine<McpSwarmCommand>(command => {
  switch (command.kind) {
    case 'start':
      startedUs = nowUs();
      for (const client of swarm) client.start();
      break;
    case 'measure':
      ({ keepsLatencies } = command);
      counts = { deliveries: 0, messages: 0, bytes: 0 };
      latenciesUs = [];
      break;
    case 'counts':
      sayLine<McpSwarmReport>({ kind: 'counts', ...counts, latenciesUs });
      break;
  }
});
sayLine<McpSwarmReport>({ kind: 'ready' });
