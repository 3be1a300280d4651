import { Session } from '../../src/upstream/session.ts';
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

/** Runs the sessions of a fleet, those of production, through one outage in virtual time. */
export function runFleet({ agents, outageMs, startJitterMs = 0, seed = 1 }: FleetOptions): FleetFigures {
  const interest = { isWildcard: true, size: 0, has: () => false, names: () => [] };
  const held = { versions: () => [], has: () => false, isComplete: true, refusal: () => undefined };
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

  const advance = (session: Session): void => {
    for (const effect of session.advance(now, now)) {
      if (effect.kind === 'open_upstream') open(session, effect.streamId);
      else if (effect.kind === 'send_upstream') session.writable(effect.streamId, now);
    }
    if (session.phase === 'backoff') at(session.nextDeadlineMs(), () => advance(session));
  };
  const open = (session: Session, id: number): void => {
    if (isUp) {
      connects.push(now);
      session.opened(id, now, now);
      advance(session);
      session.received(id, response, now, now);
    } else {
      attempts.push(now);
      at(now + refusedAfterMs, () => lose(session, id));
    }
  };
  const lose = (session: Session, id: number): void => {
    session.closed(id, { code: 14, message: 'refused' }, now, now);
    advance(session);
  };

  const sessions = Array.from({ length: agents }, (_, index) => {
    const random = new SeededRandom(seed * agents + index).next;
    const all = { ...settings, variant: 'delta', startJitterMs } as const;
    const session = new Session('main', 'fleet:1', all, Buffer.alloc(0), () => ++streamId, random, new Map());
    session.types.add(clusterType, interest, held);
    return session;
  });
  for (const session of sessions) advance(session);
  if (outageMs > 0) {
    connects.length = 0;
    isUp = false;
    for (const session of sessions) if (session.streamId !== undefined) lose(session, session.streamId);
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
