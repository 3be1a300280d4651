import assert from 'node:assert/strict';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { SeededRandom } from '../support/random.ts';
import { ModelClient } from './model-client.ts';
import type { Manner, ModelControlPlane } from './model-control-plane.ts';
import { simTypes } from './resources.ts';
import { World } from './world.ts';

/** What a run came to. */
export interface Outcome {
  readonly messages: number;
  readonly virtualMs: number;
}

/** Longest time, in virtual ms, after which everything must be level once the faults are over: the longest back-off and some. */
const settleMs = 45_000;
const quietMs = 20_000;

/** Runs one seed: a mesh that changes, clients that come and go, a control plane that fails; then quiet, and everybody must be level. */
export function runScenario(seed: number, log?: (lines: readonly string[]) => void): Outcome {
  const dice = new SeededRandom(seed * 2 + 1);
  const manner: Manner = {
    isSotwOnly: dice.chance(0.3),
    tellsMissing: dice.chance(0.5),
    hasEmptyVersions: dice.chance(0.25),
    resendsRefused: dice.chance(0.5),
    splits: dice.chance(0.4),
  };
  const isSeparate = dice.chance(0.4);
  const nodes = isSeparate ? Array.from({ length: 2 + dice.below(3) }, (_, at) => `pod-${at}`) : undefined;
  const addresses = dice.chance(0.4) ? ['model:1', 'model:2'] : ['model:1'];
  const world = new World(seed, {
    manner,
    addresses,
    isLogging: log !== undefined,
    hasDisk: dice.chance(0.7),
    ack: dice.chance(0.6) ? 'clients' : (dice.pick(['first', 'quorum', 'all', 'receipt'] as const) ?? 'clients'),
    nodes,
    limits: nodes && dice.chance(0.4) ? { nodes: 2, streams: 2 } : undefined,
  });
  try {
    return play(world, dice, addresses);
  } catch (error) {
    log?.(world.log);
    throw error;
  }
}

/** What one control plane has, and how it changes. */
class Mesh {
  readonly plane: ModelControlPlane;
  readonly #world: World;
  readonly #dice: SeededRandom;
  readonly #present = new Set<string>();
  readonly #poisoned = new Set<string>();
  readonly #nextSerial: () => number;
  readonly #server: string;
  /** It is not the first of the list. */
  readonly #isSpare: boolean;
  #bundles = 0;

  constructor(
    plane: ModelControlPlane,
    world: World,
    dice: SeededRandom,
    nextSerial: () => number,
    server: string,
    isSpare: boolean,
  ) {
    this.plane = plane;
    this.#server = server;
    this.#isSpare = isSpare;
    this.#world = world;
    this.#dice = dice;
    this.#nextSerial = nextSerial;
  }

  addBundle(): void {
    this.#set(this.#nameOf(this.#bundles++));
  }

  returnBundle(): void {
    const name = this.#nameOf(this.#dice.below(Math.max(this.#bundles, 1)));
    if (!this.#present.has(name) && this.#bundles > 0) this.#set(name);
  }

  removeBundle(): void {
    const name = this.#dice.pick([...this.#present]);
    if (name === undefined) return;
    this.#present.delete(name);
    this.#poisoned.delete(name);
    for (const typeUrl of simTypes) this.plane.remove(typeUrl, name);
    this.#world.push(this.plane, simTypes);
  }

  change(): void {
    const name = this.#dice.pick([...this.#present]);
    const typeUrl = this.#dice.pick(simTypes);
    if (name === undefined || typeUrl === undefined) return;
    const isPoison = typeUrl === clusterType && this.#dice.chance(0.15);
    if (isPoison) this.#poisoned.add(name);
    else if (typeUrl === clusterType) this.#poisoned.delete(name);
    this.plane.set(typeUrl, name, {
      serial: this.#nextSerial(),
      refs: typeUrl === endpointType ? [] : [name],
      isPoison,
    });
    this.#world.push(this.plane, [typeUrl]);
  }

  /** Whether it has nothing: such a control plane does not take over from another one. */
  get isEmpty(): boolean {
    return this.#present.size === 0;
  }

  /** Makes everything good. */
  repair(): void {
    for (const name of this.#poisoned) {
      this.plane.set(clusterType, name, { serial: this.#nextSerial(), refs: [name], isPoison: false });
    }
    this.#world.push(this.plane, simTypes);
  }

  /** Every third is called the same at all control planes. */
  #nameOf(index: number): string {
    return index % 3 === 0 ? `b${index}` : `b${index} of ${this.#server}`;
  }

  #set(name: string): void {
    this.#present.add(name);
    // One that is not in use may have said already that there is no such name.
    const isLate = this.#world.hasOtherServers || (this.#isSpare && this.plane.hasSpoken);
    for (const typeUrl of simTypes) {
      const refs = typeUrl === endpointType ? [] : [name];
      if (isLate) this.plane.late.add(`${typeUrl} ${name}`);
      this.plane.set(typeUrl, name, { serial: this.#nextSerial(), refs, isPoison: false });
    }
    this.#world.push(this.plane, simTypes);
  }
}

function play(world: World, dice: SeededRandom, addresses: readonly string[]): Outcome {
  let serial = 0;
  const { nodes } = world;
  const meshes = [...world.planes].map(([key, plane]) => {
    // Some names are of one control plane only, some are of both and mean something else.
    const server = key.split(' ')[0] ?? '';
    return new Mesh(plane, world, dice, () => ++serial, server, server !== addresses[0]);
  });
  const client = (index: number): ModelClient => {
    const nodeId = nodes.length > 1 ? (dice.pick(nodes) ?? '') : `node-${index}`;
    return new ModelClient(nodeId, { variant: dice.chance(0.5) ? 'delta' : 'sotw', isPicky: dice.chance(0.5) });
  };
  const someLink = () => dice.pick(world.links);
  const someMesh = (): Mesh => {
    const mesh = dice.pick(meshes);
    assert.ok(mesh);
    return mesh;
  };

  const acts: readonly [number, () => void][] = [
    [6, () => someMesh().change()],
    [2, () => someMesh().addBundle()],
    [1.5, () => someMesh().removeBundle()],
    [1, () => someMesh().returnBundle()],
    [
      1,
      () => {
        if (world.links.length < 4 + nodes.length) world.addClient(client(world.links.length));
      },
    ],
    [
      1.5,
      () => {
        const link = someLink();
        if (!link) return;
        world.disconnect(link);
        if (dice.chance(0.4)) link.client.restart();
        world.after(dice.below(dice.chance(0.3) ? 9_000 : 300), () => world.connect(link));
      },
    ],
    [
      0.7,
      () => {
        const link = someLink();
        if (link) link.writeMs = dice.chance(0.5) ? 5 : 3_000;
      },
    ],
    [0.6, () => world.cut(false)],
    [
      0.6,
      () => {
        world.cut(true);
        world.after(dice.below(12_000), () => {
          world.isPlaneUp = true;
        });
      },
    ],
    [0.6, () => world.crash(dice.chance(0.2), dice.chance(0.2))],
    [
      0.3,
      () => {
        world.cut(true);
        world.after(dice.below(500), () => world.crash(false, false));
        world.after(dice.below(12_000), () => {
          world.isPlaneUp = true;
        });
      },
    ],
    [0.3, () => world.loseDisk()],
    [0.6, () => world.checkDrift()],
    [0.4, () => world.leave(dice.below(3_000))],
    [0.4, () => world.loseSilently(dice.below(20_000))],
    [0.4, () => world.stall(dice.below(8_000))],
    [
      0.4,
      () => {
        world.refusal = dice.pick(['certificate', 'token'] as const);
        world.cut(false);
        world.after(dice.below(25_000), () => world.renewCredentials());
      },
    ],
    [
      addresses.length > 1 ? 1.2 : 0,
      () => {
        const address = dice.pick(addresses) ?? '';
        world.sendAway(address);
        world.after(dice.below(40_000), () => world.away.delete(address));
      },
    ],
    [
      0.5,
      () => {
        world.upstreamDelayMs = dice.pick([1, 15, 400, 2_500]) ?? 15;
      },
    ],
  ];
  const total = acts.reduce((sum, [weight]) => sum + weight, 0);

  for (const mesh of meshes) for (let count = dice.below(6); count > 0; count--) mesh.addBundle();
  world.addClient(client(0));
  for (let step = 10 + dice.below(40); step > 0; step--) {
    world.runUntil(world.nowMs + dice.below(dice.chance(0.2) ? 4_000 : 150));
    let mark = dice.next() * total;
    for (const [weight, act] of acts) {
      mark -= weight;
      if (mark < 0) {
        act();
        break;
      }
    }
  }

  // Faults end, what is poisoned is repaired, and everybody comes back.
  world.isPlaneUp = true;
  world.away.clear();
  world.renewCredentials();
  world.upstreamDelayMs = 15;
  for (const link of world.links) link.writeMs = 5;
  for (const mesh of meshes) {
    mesh.repair();
    if (addresses.length > 1 && mesh.isEmpty) mesh.addBundle();
  }
  world.runUntil(world.nowMs + 10_000);
  world.sendHomeExcess();
  for (const link of world.links) if (!link.isGone) world.connect(link);
  world.runUntil(world.nowMs + settleMs);
  world.assertConverged();
  // Whoever asks for everything anew finds what is held.
  const checks = world.drifts.length;
  world.checkDrift();
  world.runUntil(world.nowMs + settleMs);
  for (const { outcome, reason } of world.drifts.slice(checks)) assert.equal(outcome, 'same', reason);
  if (world.links.some(link => link.streamId !== undefined)) assert.ok(world.drifts.length > checks);
  for (const { client: one } of world.links) {
    for (const { typeUrl, name } of one.removals) {
      const wasRolledBack =
        one.manner.variant === 'sotw' &&
        world.rolledBack.has(`${nodes.length > 1 ? one.nodeId : ''} ${typeUrl} ${name}`);
      const wasRemoved = addresses.some(address =>
        world.planeOf(one.nodeId, address).removed.has(`${typeUrl} ${name}`),
      );
      // What only one control plane has goes when another one takes over.
      const isLacking = addresses.some(address => {
        const plane = world.planeOf(one.nodeId, address);
        return !plane.resources(typeUrl).has(name) || plane.late.has(`${typeUrl} ${name}`);
      });
      const wasLeft = world.switches > 0 && isLacking;
      assert.ok(
        wasRolledBack || wasRemoved || wasLeft,
        `${one.nodeId} was told that ${name} is gone, which upstream never said`,
      );
    }
  }
  const messages = world.links.reduce((sum, link) => sum + link.client.messages, 0);
  const countVerdicts = (): number => meshes.reduce((sum, { plane }) => sum + plane.verdicts.length, 0);
  const verdicts = countVerdicts();
  world.runUntil(world.nowMs + quietMs);
  const after = world.links.reduce((sum, link) => sum + link.client.messages, 0);
  assert.equal(after, messages, 'messages go on although nothing changes');
  assert.equal(countVerdicts(), verdicts, 'verdicts go on although nothing changes');
  return { messages, virtualMs: world.nowMs };
}
