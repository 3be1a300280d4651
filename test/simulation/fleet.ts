import { Lane, type Staging } from '../../src/agent/lane.ts';
import type { UpstreamEffect } from '../../src/upstream/session-events.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { encodeTestResponse } from '../support/messages.ts';
import { SeededRandom } from '../support/random.ts';
import { settings } from './settings.ts';

/** What many agents do to a control plane that was away. */
export interface FleetOptions {
  readonly agents: number;
  /** How long nobody can connect, in ms; 0: all of them start at one moment, each with a whole cache. */
  readonly outageMs: number;
  /** Longest delay of a start, in ms; the setting startJitter. */
  readonly startJitterMs?: number;
  readonly seed?: number;
}

/** What the control plane sees. */
export interface FleetFigures {
  /** Most attempts within one second while it was away, but for the first. */
  readonly peakAttempts: number;
  /** Most connects within one second, and within a tenth of one. */
  readonly peakConnects: number;
  readonly peakConnectsInTenth: number;
  /** Time from its return until so many were connected, in ms. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly lastMs: number;
}

/** A refused connection is known after so many ms. */
const refusedAfterMs = 1;
const response = encodeTestResponse(
  { typeUrl: clusterType, version: '1', nonce: '1', resources: [], removed: [] },
  'delta',
);

/** With one control plane nothing is ever staged. */
const noStaging = (): Staging => {
  throw new Error('there is one control plane');
};

/** Runs the lanes of a fleet, those of production, through one outage in virtual time. */
export function runFleet({ agents, outageMs, startJitterMs = 0, seed = 1 }: FleetOptions): FleetFigures {
  const interest = { isWildcard: true, size: 0, has: () => false, names: () => [] };
  const served = {
    versions: () => [],
    has: () => false,
    isComplete: true,
    isContested: false,
    refusal: () => undefined,
  };
  let streamId = 0;
  const due = new Map<number, (() => void)[]>();
  const at = (ms: number, act: () => void): void => {
    const key = Math.max(Math.ceil(ms), now);
    const acts = due.get(key);
    if (acts) acts.push(act);
    else due.set(key, [act]);
  };
  let now = 0;
  const attempts: number[] = [];
  const connects: number[] = [];
  let isUp = true;

  const advance = (lane: Lane): void => {
    for (const effect of lane.advance({ monotonicMs: now, wallMs: now })) act(lane, effect);
    if (lane.active.streamId === undefined) at(lane.nextDeadlineMs(), () => advance(lane));
  };
  const act = (lane: Lane, effect: UpstreamEffect): void => {
    if (effect.kind === 'send_upstream') lane.active.writable(effect.streamId, now);
    if (effect.kind === 'open_upstream') open(lane, effect.streamId);
  };
  const open = (lane: Lane, id: number): void => {
    if (isUp) {
      connects.push(now);
      lane.active.opened(id, now, now);
      advance(lane);
      lane.active.received(id, response, now, now);
    } else {
      attempts.push(now);
      at(now + refusedAfterMs, () => lose(lane, id));
    }
  };
  const lose = (lane: Lane, id: number): void => {
    lane.active.closed(id, { code: 14, message: 'refused' }, now, now);
    advance(lane);
  };

  const lanes = Array.from({ length: agents }, (_, index) => {
    const random = new SeededRandom(seed * agents + index).next;
    const all = { ...settings, addresses: ['fleet:1'], variant: 'delta', startJitterMs } as const;
    const lane = new Lane(
      'main',
      all,
      () => Buffer.alloc(0),
      () => ++streamId,
      random,
      new Map(),
      noStaging,
    );
    lane.addType(clusterType, { interest, served, hasContent: () => true });
    return lane;
  });
  for (const lane of lanes) advance(lane);
  if (outageMs > 0) {
    connects.length = 0;
    isUp = false;
    for (const lane of lanes) if (lane.active.streamId !== undefined) lose(lane, lane.active.streamId);
  }
  while (connects.length < agents) {
    for (const act of due.get(now) ?? []) act();
    due.delete(now);
    now += 1;
    if (now >= outageMs) isUp = true;
  }
  const after = connects.map(ms => Math.max(0, ms - outageMs));
  return {
    peakAttempts: peak(
      attempts.filter(ms => ms >= 1_000),
      1_000,
    ),
    peakConnects: peak(after, 1_000),
    peakConnectsInTenth: peak(after, 100),
    medianMs: after[Math.floor(agents / 2)] ?? 0,
    p99Ms: after[Math.floor(agents * 0.99)] ?? 0,
    lastMs: after.at(-1) ?? 0,
  };
}

/** Most of these ascending moments within a time. */
function peak(moments: readonly number[], withinMs: number): number {
  let most = 0;
  let first = 0;
  for (const [index, moment] of moments.entries()) {
    while ((moments[first] ?? 0) <= moment - withinMs) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
