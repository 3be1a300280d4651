import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType, listenerType, routeType, secretType, traitsOf } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { body, CoreHarness, type HarnessClient } from '../support/core-harness.ts';
import { HonestServer } from '../support/honest-server.ts';
import { SeededRandom } from '../support/random.ts';

// Clients that ask for anything in any order, not only as Envoy does, in front of a control plane that says no word too much: in the end
// everybody holds what it asked for. CONVERGENCE_SEEDS=N for more runs.

const seeds = Number(process.env['CONVERGENCE_SEEDS'] ?? 150);
const types: readonly TypeUrl[] = [clusterType, endpointType, listenerType, routeType, secretType];
const names = ['n0', 'n1', 'n2', 'n3', 'n4'];

interface Wanted {
  isWildcard: boolean;
  readonly names: Set<string>;
  readonly held: Map<string, Buffer>;
}

/** A client that changes its mind, and knows what it was told. */
class FreeClient {
  readonly stream: HarnessClient;
  readonly wanted = new Map<TypeUrl, Wanted>();
  readonly #dice: SeededRandom;

  constructor(stream: HarnessClient, dice: SeededRandom) {
    this.stream = stream;
    this.#dice = dice;
  }

  /** Asks for something more, or less, of a type. */
  change(typeUrl: TypeUrl): void {
    const wanted = this.wanted.get(typeUrl);
    const name = this.#dice.pick(names) ?? '';
    if (!wanted) return this.#begin(typeUrl, name);
    if (this.stream.variant === 'sotw') {
      // The legacy wildcard of SotW is an empty list, and stays one.
      if (wanted.isWildcard) return;
      if (!wanted.names.delete(name)) wanted.names.add(name);
      this.stream.send({ typeUrl, names: [...wanted.names] });
    } else if (this.#dice.chance(0.15)) {
      this.stream.send({ typeUrl, [wanted.isWildcard ? 'unsubscribe' : 'names']: ['*'] });
      wanted.isWildcard = !wanted.isWildcard;
    } else {
      const isHad = wanted.names.delete(name);
      if (!isHad) wanted.names.add(name);
      this.stream.send({ typeUrl, [isHad ? 'unsubscribe' : 'names']: [name] });
    }
    for (const held of wanted.held.keys()) {
      if (!wanted.isWildcard && !wanted.names.has(held)) wanted.held.delete(held);
    }
  }

  /** Takes in what came, and answers most of it. */
  read(): void {
    for (const message of this.stream.inbox.splice(0)) {
      const typeUrl = message.typeUrl as TypeUrl;
      const wanted = this.wanted.get(typeUrl);
      assert.ok(wanted, `${typeUrl} was never asked for`);
      const isList = this.stream.variant === 'sotw' && traitsOf(typeUrl).isFullState;
      if (isList) wanted.held.clear();
      for (const one of message.resources) wanted.held.set(one.name, one.body);
      for (const name of message.removed) wanted.held.delete(name);
      if (this.#dice.chance(0.9)) this.stream.ack(message, this.stream.variant === 'sotw' ? [...wanted.names] : []);
    }
  }

  #begin(typeUrl: TypeUrl, name: string): void {
    const { hasLegacyWildcard } = traitsOf(typeUrl);
    const isWildcard = (hasLegacyWildcard || this.stream.variant === 'delta') && this.#dice.chance(0.4);
    const wanted = { isWildcard, names: new Set(isWildcard ? [] : [name]), held: new Map<string, Buffer>() };
    this.wanted.set(typeUrl, wanted);
    this.stream.send({ typeUrl, names: isWildcard && !hasLegacyWildcard ? ['*'] : [...wanted.names] });
  }
}

function run(seed: number, variant: Variant): void {
  const dice = new SeededRandom(seed);
  const lingerMs = dice.pick([50, 500, 60_000]) ?? 50;
  const harness = new CoreHarness({ variant, lingerMs, responseBytesInFlightMax: 1 << 30 });
  const server = new HonestServer(harness, variant);
  const clients: FreeClient[] = [];
  let payload = 0;
  const worldOf = (typeUrl: TypeUrl): Map<string, number> => {
    const found = server.world.get(typeUrl) ?? new Map<string, number>();
    server.world.set(typeUrl, found);
    return found;
  };
  for (const typeUrl of types) for (const name of names) if (dice.chance(0.6)) worldOf(typeUrl).set(name, ++payload);
  const settle = (): void => {
    for (let round = 0; round < 30; round += 1) {
      server.serve();
      for (const client of clients) if (client.stream.isReading) client.read();
    }
  };
  for (let step = 0; step < 60; step += 1) {
    const act = dice.next();
    const client = dice.pick(clients);
    const typeUrl = dice.pick(types) ?? clusterType;
    if (act < 0.12 && clients.length < 4) {
      clients.push(new FreeClient(harness.client(dice.chance(0.5) ? 'delta' : 'sotw'), dice));
    } else if (act < 0.5) client?.change(typeUrl);
    else if (act < 0.72) {
      const name = dice.pick(names) ?? '';
      // SotW cannot tell that endpoints, routes and secrets are gone (R21, R80).
      const canRemove = variant === 'delta' || traitsOf(typeUrl).isFullState;
      if (!(canRemove && dice.chance(0.4) && worldOf(typeUrl).delete(name))) worldOf(typeUrl).set(name, ++payload);
      if (dice.chance(0.7)) server.serve();
    } else if (act < 0.8 && client) {
      clients.splice(clients.indexOf(client), 1);
      client.stream.leave();
    } else if (act < 0.85) harness.cut();
    else if (act < 0.93 && client) {
      if (client.stream.isReading) client.stream.isReading = false;
      else client.stream.read();
    }
    if (dice.chance(0.6)) settle();
    if (dice.chance(0.5)) harness.advance(dice.pick([1, 30, 120, 700]) ?? 1);
  }
  for (const { stream } of clients) if (!stream.isReading) stream.read();
  for (let round = 0; round < 100; round += 1) {
    settle();
    harness.advance(400);
  }
  for (const { stream, wanted } of clients) {
    // Who stood still for 30 s was cut off.
    if (!stream.closed)
      for (const [typeUrl, one] of wanted) assertLevel(stream.variant, variant, typeUrl, one, worldOf(typeUrl));
  }
}

function assertLevel(
  client: Variant,
  upstream: Variant,
  typeUrl: TypeUrl,
  wanted: Wanted,
  world: ReadonlyMap<string, number>,
): void {
  const isWanted = (name: string) => wanted.isWildcard || wanted.names.has(name);
  const title = `${client} client, ${typeUrl}`;
  for (const [name, payload] of world) {
    if (isWanted(name))
      assert.ok(wanted.held.get(name)?.equals(body(typeUrl, name, payload)), `${title}: ${name} is not level`);
  }
  if (!traitsOf(typeUrl).isFullState && (client === 'sotw' || upstream === 'sotw')) return;
  for (const name of wanted.held.keys())
    if (isWanted(name)) assert.ok(world.has(name), `${title}: ${name} is held and gone`);
}

describe('convergence', () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R62 R70: ${variant} upstream: whoever asks for whatever is level in the end (${seeds} seeds)`, () => {
      for (let seed = 1; seed <= seeds; seed += 1) {
        try {
          run(seed, variant);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
    });
  }
});
