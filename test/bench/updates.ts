import type { Child } from './child.ts';
import type { SwarmCommand, SwarmReport } from './client-swarm.ts';
import type { Plane } from './plane.ts';

type Swarm = Child<SwarmCommand, SwarmReport>;

/** How many updates, of how many resources each, and how long after one comes the next, in ms. */
export interface UpdatePlan {
  readonly updates: number;
  readonly changed: number;
  readonly pauseMs: number;
}

/**
 * Updates the first node again and again, each time when all clients have the last one. Resolves to each client's latency of each update, in ms.
 *
 * @throws Error when the clients report another update than the newest
 */
export async function updateInTurn(
  plane: Plane,
  swarm: Swarm,
  { updates, changed, pauseMs }: UpdatePlan,
): Promise<number[]> {
  const latenciesMs: number[] = [];
  for (let made = 0; made < updates; made += 1) {
    latenciesMs.push(...(await updateOnce(plane, swarm, { changed, node: 0 })));
    await new Promise(resolve => setTimeout(resolve, pauseMs));
  }
  return latenciesMs;
}

/** Updates one node and awaits it at its clients. Resolves to their latencies, in ms. @throws Error when they report another update */
export async function updateOnce(
  plane: Plane,
  swarm: Swarm,
  update: { readonly changed: number; readonly node: number },
): Promise<readonly number[]> {
  plane.send({ kind: 'update', ...update });
  const { stampUs } = await plane.report('updated');
  const updated = await swarm.report('updated');
  if (updated.stampUs !== stampUs) throw new Error('the clients report another update than the newest');
  return updated.latenciesMs;
}

/** @throws Error when a client does not hold the newest of everything */
export async function verifyNewest(plane: Plane, swarm: Swarm): Promise<void> {
  plane.send({ kind: 'stamps' });
  const { stampsUs } = await plane.report('stamps');
  swarm.send({ kind: 'verify', stampsUs });
  const { problems } = await swarm.report('verified');
  if (problems.length > 0) throw new Error(problems.join('; '));
}
