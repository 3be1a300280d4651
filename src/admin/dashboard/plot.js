/** @import { TrendPoint } from '../agent-event.ts' */
import { counted, latency, shortTime, span } from './words.js';

/** A moment and a value; undefined where there is none. @typedef {readonly [wallMs: number, value: number | undefined]} Sample */

/**
 * Where things are in a drawing.
 *
 * @typedef {object} Frame
 * @property {(wallMs: number) => number} x
 * @property {(value: number) => number} y
 */

/**
 * Lines through samples; where a value is missing, or a moment, a line ends.
 *
 * @param {readonly Sample[]} samples in order of time
 * @param {Frame} frame
 * @param {number} gapMs longest time between two that belong together
 * @returns {{ path: string, dots: [x: number, y: number][] }} dots are what stands alone
 */
export function lines(samples, { x, y }, gapMs) {
  let path = '';
  /** @type {[number, number][]} */
  const dots = [];
  /** @type {[number, number][]} */
  let run = [];
  let lastMs = -Infinity;
  const end = () => {
    if (run.length === 1 && run[0]) dots.push(run[0]);
    else if (run.length > 1) path += `M${run.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join('L')}`;
    run = [];
  };
  for (const [wallMs, value] of samples) {
    if (wallMs - lastMs > gapMs) end();
    if (value !== undefined) {
      run.push([x(wallMs), y(value)]);
      lastMs = wallMs;
    }
  }
  end();
  return { path, dots };
}

/**
 * Times without a pause in which something was the same.
 *
 * @param {readonly TrendPoint[]} points
 * @param {number} everyMs time that a point stands for
 * @returns {{ isConnected: boolean, fromWallMs: number, toWallMs: number }[]}
 */
export function connectionRuns(points, everyMs) {
  /** @type {{ isConnected: boolean, fromWallMs: number, toWallMs: number }[]} */
  const runs = [];
  for (const { wallMs, isConnected } of points) {
    const last = runs.at(-1);
    const isNext = last !== undefined && wallMs - last.toWallMs <= everyMs * 1.5;
    if (isNext && last.isConnected === isConnected) last.toWallMs = wallMs;
    else runs.push({ isConnected, fromWallMs: isNext ? last.toWallMs : wallMs - everyMs, toWallMs: wallMs });
  }
  return runs;
}

/**
 * A round number that is not smaller, for the top of an axis; so is its half.
 *
 * @param {number} value in ms
 * @returns {number}
 */
export function niceTop(value) {
  const steps = [10, 20, 60, 120, 240, 600, 1_200, 3_600, 7_200, 21_600, 43_200, 86_400].map(
    seconds => seconds * 1_000,
  );
  return steps.find(step => step >= value) ?? Math.ceil(value / 172_800_000) * 172_800_000;
}

/**
 * Powers of ten from below the least to above the greatest, in ms.
 *
 * @param {readonly number[]} values
 * @returns {[bottom: number, top: number]}
 */
export function decades(values) {
  const least = Math.min(...values, 1);
  const greatest = Math.max(...values, 10);
  return [10 ** Math.floor(Math.log10(Math.max(least, 0.1))), 10 ** Math.ceil(Math.log10(greatest))];
}

/**
 * What the charts show, in words.
 *
 * @param {readonly TrendPoint[]} points
 * @param {number} everyMs
 * @returns {{ latency: string, age: string, connection: string }}
 */
export function inWords(points, everyMs) {
  const told = points.filter(point => point.propagationP99Ms !== undefined);
  const last = told.at(-1);
  const worst = told.reduce(
    (most, point) => ((point.propagationP99Ms ?? 0) > (most?.propagationP99Ms ?? -1) ? point : most),
    last,
  );
  const updates = points.reduce((sum, point) => sum + point.updates, 0);
  const oldest = points.reduce((most, { oldestAgeMs = 0 }) => Math.max(most, oldestAgeMs), 0);
  const nowAge = points.at(-1)?.oldestAgeMs;
  const away = connectionRuns(points, everyMs).filter(run => !run.isConnected);
  const awayMs = away.reduce((sum, { fromWallMs, toWallMs }) => sum + toWallMs - fromWallMs, 0);
  return {
    latency:
      last && worst
        ? `Last: half within ${latency(last.propagationP50Ms ?? 0)}, 99 of 100 within ${latency(last.propagationP99Ms ?? 0)}. Slowest: ${latency(worst.propagationP99Ms ?? 0)} at ${shortTime(worst.wallMs)}. ${counted(updates, 'message')} with news.`
        : 'No news was sent to a client.',
    age:
      nowAge === undefined
        ? 'Nothing was heard yet.'
        : `Now ${nowAge < 1000 ? 'current' : `${span(nowAge)} old`}; at most ${oldest < 1000 ? 'current' : `${span(oldest)} old`}.`,
    connection:
      points.length === 0
        ? 'Nothing is known yet.'
        : away.length === 0
          ? 'Connected throughout.'
          : `Away ${away.length === 1 ? 'once' : `${away.length} times`}, ${span(awayMs)} in all.`,
  };
}

/**
 * Five minutes each as a row.
 *
 * @param {readonly TrendPoint[]} points
 * @param {number} everyMs
 * @returns {{ fromWallMs: number, updates: number, p99Ms: number | undefined, oldestAgeMs: number | undefined, awayMs: number }[]} newest first
 */
export function inRows(points, everyMs) {
  /** @type {Map<number, ReturnType<typeof inRows>[number]>} */
  const rows = new Map();
  for (const { wallMs, updates, propagationP99Ms, oldestAgeMs, isConnected } of points) {
    const fromWallMs = Math.floor(wallMs / 300_000) * 300_000;
    const row = rows.get(fromWallMs) ?? { fromWallMs, updates: 0, p99Ms: undefined, oldestAgeMs: undefined, awayMs: 0 };
    row.updates += updates;
    row.p99Ms = most(row.p99Ms, propagationP99Ms);
    row.oldestAgeMs = most(row.oldestAgeMs, oldestAgeMs);
    if (!isConnected) row.awayMs += everyMs;
    rows.set(fromWallMs, row);
  }
  return [...rows.values()].reverse();
}

/** @param {number | undefined} a @param {number | undefined} b */
function most(a, b) {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}
