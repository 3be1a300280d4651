import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder, pickFreePort, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { encodeCluster, encodeEndpoints } from '../../src/demo/resources.ts';
import { type RunningWeir, startWeir } from '../../src/demo/weir-process.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { weirCommand } from '../support/envoy.ts';
import { SeededRandom } from '../support/random.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane, type UpstreamStream } from '../support/raw-control-plane.ts';

// The agent is killed at random moments under a storm of updates and started again with the control plane away: what it then serves is a
// state that the control plane really had, whole, and hardly older than what it had acknowledged when it was killed (issue 5). Not than what
// was published: how soon an agent that has just started dials is another question. KILL_ROUNDS for more rounds.

const rounds = Number(process.env['KILL_ROUNDS'] ?? 8);
const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000);
const clusterCount = 60;
/** What was acknowledged so long before a kill is on disk, in ms. */
const lossMsMax = 2_000;
const pauseMsMax = 80;
const allNames = Array.from({ length: clusterCount }, (_, index) => `c${index}`);

/** What one stream of the agent holds of a type: contents by name, in hexadecimal text. */
type Held = Map<string, string>;

/** A control plane with numbered states: state `n` has its number in every body, and names that come and go. Each response is one state. */
class Storm {
  readonly controlPlane: RawControlPlane;
  /** Bodies of each state. */
  readonly states: { readonly clusters: readonly string[]; readonly endpoints: readonly string[] }[] = [];
  /** The states that the agent has acknowledged of a type, oldest first. */
  readonly acknowledged: { readonly typeUrl: string; readonly number: number; readonly atMs: number }[] = [];
  /** The state that each response was of, by nonce. */
  readonly #sent = new Map<string, number>();
  #bodies = new Map<string, ReadonlyMap<string, Buffer>>();
  readonly #held = new Map<UpstreamStream, Map<string, Held>>();

  constructor(context: TestContext) {
    this.controlPlane = new RawControlPlane(context);
  }

  publish(): void {
    const number = this.states.length;
    const clusters = new Map<string, Buffer>();
    const endpoints = new Map<string, Buffer>();
    for (let index = 0; index < clusterCount; index++) {
      // Every seventh name is away in every third state.
      if (index % 7 === 0 && (number + index) % 3 === 0) continue;
      const name = `c${index}`;
      clusters.set(name, encodeCluster(name, { connectTimeoutMs: 1_000 + number }));
      endpoints.set(name, encodeEndpoints(name, [{ host: '127.0.0.1', port: 1_000 + (number % 60_000) }]));
    }
    this.states.push({ clusters: [...linesOf(clusters)], endpoints: [...linesOf(endpoints)] });
    this.#bodies = new Map([
      [clusterType, clusters],
      [endpointType, endpoints],
    ]);
    this.serve();
  }

  /** Takes in what the agent asked for and brings every stream level. */
  serve(): void {
    for (const stream of this.controlPlane.openStreams) {
      const types = this.#held.get(stream) ?? new Map<string, Held>();
      this.#held.set(stream, types);
      // Whatever the agent says it holds counts as unknown here: everything is sent once on each stream.
      for (const { typeUrl, initialVersions, nonce, error } of stream.requests.splice(0)) {
        const number = this.#sent.get(nonce);
        if (number !== undefined && error === undefined) {
          this.acknowledged.push({ typeUrl, number, atMs: performance.now() });
        }
        if (!types.has(typeUrl)) types.set(typeUrl, new Map([...initialVersions.keys()].map(name => [name, ''])));
      }
      for (const [typeUrl, held] of types) this.#send(stream, typeUrl, held);
    }
  }

  #send(stream: UpstreamStream, typeUrl: string, held: Held): void {
    const bodies = this.#bodies.get(typeUrl) ?? new Map<string, Buffer>();
    const isWhole = stream.variant === 'sotw' && typeUrl === clusterType;
    const changed = [...bodies].filter(([name, body]) => held.get(name) !== body.toString('hex'));
    const removed = [...held.keys()].filter(name => !bodies.has(name));
    if (changed.length + removed.length === 0) return;
    const resources = (isWhole ? [...bodies] : changed).map(([name, body]) => ({
      name,
      version: `${this.states.length}`,
      body,
    }));
    held.clear();
    for (const [name, body] of bodies) held.set(name, body.toString('hex'));
    const parts = { resources, removed: stream.variant === 'delta' ? removed : [] };
    this.#sent.set(this.controlPlane.respond(stream, typeUrl, parts), this.states.length - 1);
  }

  /** Number of the newest state of a type that a client got, -1 if there was none. @param isExact nothing else may be there */
  newestMatching(type: 'clusters' | 'endpoints', found: ReadonlyMap<string, Buffer>, isExact: boolean): number {
    const lines = linesOf(found);
    return this.states.findLastIndex(
      state => state[type].every(line => lines.has(line)) && (!isExact || state[type].length === lines.size),
    );
  }

  /** The oldest state of a type that may be served after a kill at this moment. */
  oldestAllowed(typeUrl: string, killedAtMs: number): number {
    const untilMs = killedAtMs - lossMsMax;
    return this.acknowledged.findLast(ack => ack.typeUrl === typeUrl && ack.atMs <= untilMs)?.number ?? 0;
  }

  /** Whether the agent has acknowledged something of every type since there were this many acknowledgements. */
  hasAcknowledgedSince(count: number): boolean {
    return new Set(this.acknowledged.slice(count).map(ack => ack.typeUrl)).size === 2;
  }
}

function linesOf(bodies: ReadonlyMap<string, Buffer>): ReadonlySet<string> {
  return new Set([...bodies].map(([name, body]) => `${name} ${body.toString('hex')}`));
}

/** What a new client is given of both types. */
async function served(context: TestContext, weir: RunningWeir, variant: Variant) {
  const client = new RawClient(context, `127.0.0.1:${weir.port}`, variant);
  client.ask({ typeUrl: clusterType, nodeId: 'node' });
  client.ask({ typeUrl: endpointType, names: allNames });
  const found = new Map<string, Map<string, Buffer>>();
  await waitFor('an answer of both types', 10_000, () => {
    for (let response = client.inbox.shift(); response; response = client.inbox.shift()) {
      const held = found.get(response.typeUrl) ?? new Map<string, Buffer>();
      found.set(response.typeUrl, held);
      for (const { name, body } of response.resources) held.set(name, body);
    }
    return found.size === 2 ? true : undefined;
  });
  client.close();
  return {
    clusters: found.get(clusterType) ?? new Map<string, Buffer>(),
    endpoints: found.get(endpointType) ?? new Map<string, Buffer>(),
  };
}

describe('killed under a storm', { concurrency: 1 }, () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R81 R106: ${variant} upstream, ${rounds} rounds of kill -9: whole states, at most ${lossMsMax} ms lost (KILL_SEED=${seed})`, async context => {
      const random = new SeededRandom(seed);
      const folder = makeFolder();
      const storm = new Storm(context);
      const port = await pickFreePort();
      let weir: RunningWeir | undefined;
      context.after(async () => {
        await weir?.process.kill();
        removeFolder(folder);
      });
      const start = async (): Promise<RunningWeir> => {
        const flags = ['--cache-dir', `${folder}/cache`, '--reconnect-base', '20ms', '--reconnect-max', '50ms'];
        const upstream = `127.0.0.1:${port}`;
        return startWeir({ command: weirCommand, upstream, folder, upstreamVariant: variant, flags });
      };
      storm.publish();
      const newestServed = { clusters: 0, endpoints: 0 };
      for (let round = 0; round < rounds; round++) {
        await storm.controlPlane.start(`127.0.0.1:${port}`);
        weir ??= await start();
        const client = new RawClient(context, `127.0.0.1:${weir.port}`, round % 2 === 0 ? 'delta' : 'sotw');
        client.ask({ typeUrl: clusterType, nodeId: 'node' });
        client.ask({ typeUrl: endpointType, names: allNames });
        const acknowledgements = storm.acknowledged.length;
        await waitFor('the client to hold something, and the agent to have dialled', 10_000, () => {
          storm.serve();
          return client.inbox.length > 1 && storm.hasAcknowledgedSince(acknowledgements) ? true : undefined;
        });
        const stormMs = 200 + random.below(2_500);
        const endMs = performance.now() + stormMs;
        while (performance.now() < endMs) {
          storm.publish();
          await sleep(random.below(pauseMsMax));
        }
        const killedAtMs = performance.now();
        await weir.process.kill();
        client.close();
        storm.controlPlane.stop();

        weir = await start();
        for (const form of ['delta', 'sotw'] as const) {
          const found = await served(context, weir, form);
          for (const [type, typeUrl] of [
            ['clusters', clusterType],
            ['endpoints', endpointType],
          ] as const) {
            const oldest = storm.oldestAllowed(typeUrl, killedAtMs);
            // A SotW control plane cannot say that endpoints are gone (R80): those of names that are away may still be there.
            const isExact = type === 'clusters' || variant === 'delta';
            const state = storm.newestMatching(type, found[type], isExact);
            assert.ok(state >= 0, `round ${round}: the ${type} served to ${form} are a state that there was`);
            assert.ok(state >= oldest, `round ${round}: ${type} of state ${state}, ${oldest} is the oldest allowed`);
            assert.ok(
              state >= newestServed[type],
              `round ${round}: ${type} of state ${state} after ${newestServed[type]}`,
            );
            newestServed[type] = state;
          }
        }
      }
    });
  }
});
