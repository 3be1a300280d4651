import assert from 'node:assert/strict';
import { clusterType, endpointType, listenerType, routeType } from '../../src/xds/type-urls.ts';
import { SeededRandom } from '../support/random.ts';
import { ModelClient } from './model-client.ts';
import type { Manner } from './model-control-plane.ts';
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
  const world = new World(seed, manner, log !== undefined, dice.chance(0.7));
  try {
    return play(world, dice);
  } catch (error) {
    log?.(world.log);
    throw error;
  }
}

function play(world: World, dice: SeededRandom): Outcome {
  let serial = 0;
  let bundles = 0;
  const present = new Set<string>();
  const poisoned = new Set<string>();
  const { plane } = world;

  const addBundle = (): void => {
    const name = `b${bundles++}`;
    present.add(name);
    plane.set(clusterType, name, { serial: ++serial, refs: [name], isPoison: false });
    plane.set(endpointType, name, { serial: ++serial, refs: [], isPoison: false });
    plane.set(routeType, name, { serial: ++serial, refs: [name], isPoison: false });
    plane.set(listenerType, name, { serial: ++serial, refs: [name], isPoison: false });
    world.push(simTypes);
  };
  const removeBundle = (): void => {
    const name = dice.pick([...present]);
    if (name === undefined) return;
    present.delete(name);
    poisoned.delete(name);
    for (const typeUrl of simTypes) plane.remove(typeUrl, name);
    world.push(simTypes);
  };
  const returnBundle = (): void => {
    const name = `b${dice.below(Math.max(bundles, 1))}`;
    if (present.has(name) || bundles === 0) return;
    present.add(name);
    for (const typeUrl of simTypes) {
      plane.set(typeUrl, name, { serial: ++serial, refs: typeUrl === endpointType ? [] : [name], isPoison: false });
    }
    world.push(simTypes);
  };
  const change = (): void => {
    const name = dice.pick([...present]);
    const typeUrl = dice.pick(simTypes);
    if (name === undefined || typeUrl === undefined) return;
    const isPoison = typeUrl === clusterType && dice.chance(0.15);
    if (isPoison) poisoned.add(name);
    else if (typeUrl === clusterType) poisoned.delete(name);
    plane.set(typeUrl, name, { serial: ++serial, refs: typeUrl === endpointType ? [] : [name], isPoison });
    world.push([typeUrl]);
  };
  const client = (index: number): ModelClient =>
    new ModelClient(`node-${index}`, { variant: dice.chance(0.5) ? 'delta' : 'sotw', isPicky: dice.chance(0.5) });
  const someLink = () => dice.pick(world.links);

  const acts: readonly [number, () => void][] = [
    [6, change],
    [2, addBundle],
    [1.5, removeBundle],
    [1, returnBundle],
    [
      1,
      () => {
        if (world.links.length < 5) world.addClient(client(world.links.length));
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
    [
      0.5,
      () => {
        world.upstreamDelayMs = dice.pick([1, 15, 400, 2_500]) ?? 15;
      },
    ],
  ];
  const total = acts.reduce((sum, [weight]) => sum + weight, 0);

  for (let count = dice.below(6); count > 0; count--) addBundle();
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
  world.upstreamDelayMs = 15;
  for (const link of world.links) link.writeMs = 5;
  for (const name of poisoned) plane.set(clusterType, name, { serial: ++serial, refs: [name], isPoison: false });
  world.push(simTypes);
  world.runUntil(world.nowMs + 10_000);
  for (const link of world.links) world.connect(link);
  world.runUntil(world.nowMs + settleMs);
  world.assertConverged();
  for (const { client: one } of world.links) {
    for (const { typeUrl, name } of one.removals) {
      const wasRolledBack = one.manner.variant === 'sotw' && world.rolledBack.has(`${typeUrl} ${name}`);
      assert.ok(
        wasRolledBack || plane.removed.has(`${typeUrl} ${name}`),
        `${one.nodeId} was told that ${name} is gone, which upstream never said`,
      );
    }
  }
  const messages = world.links.reduce((sum, link) => sum + link.client.messages, 0);
  const verdicts = plane.verdicts.length;
  world.runUntil(world.nowMs + quietMs);
  const after = world.links.reduce((sum, link) => sum + link.client.messages, 0);
  assert.equal(after, messages, 'messages go on although nothing changes');
  assert.equal(plane.verdicts.length, verdicts, 'verdicts go on although nothing changes');
  assert.ok(world.openStreams <= 1, 'one upstream stream');
  return { messages, virtualMs: world.nowMs };
}
