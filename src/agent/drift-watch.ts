import type { DriftCheck, DriftReport, DriftTypeReport } from '../admin/drift-report.ts';
import type { Random } from '../upstream/backoff.ts';
import type { ChannelEvent } from '../upstream/channel.ts';
import type { UpstreamEffect } from '../upstream/session-events.ts';
import { readNode } from '../xds/node.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { Clock } from '../xds/types.ts';
import type { Difference } from './drift-part.ts';
import { type DriftDesk, type DriftOutcome, DriftRun } from './drift-run.ts';
import type { Note } from './events.ts';
import type { Lane } from './lane.ts';
import type { StreamsSettings } from './streams.ts';
import type { View } from './view.ts';

/** Names told of each kind of difference. */
const namesMax = 50;
/** A schedule is kept give or take this part of it, so that agents that were started together do not ask together. */
const scatter = 0.2;

/** How drift checks are made. */
export interface DriftSettings extends StreamsSettings {
  /** How often one is made by itself, in ms; 0 for never. */
  readonly driftCheckMs: number;
}

/** What one has to be done at a time. */
interface Job {
  readonly view: View;
  readonly lane: Lane;
}

/** Makes drift checks, one stream at a time, when they are asked for or by a schedule. */
export class DriftWatch {
  readonly #desk: DriftDesk;
  readonly #settings: DriftSettings;
  readonly #views: () => Iterable<View>;
  readonly #perform: (effect: UpstreamEffect) => void;
  readonly #note: (note: Note, viewKey?: View['key']) => void;
  #jobs: Job[] = [];
  #run: { readonly job: DriftRun; readonly beganWallMs: number } | undefined;
  #checks: DriftCheck[] = [];
  #beganWallMs: number | undefined;
  #last: DriftReport['last'];
  #scheduledMs: number | undefined;

  /** @param views those that are alive */
  constructor(
    settings: DriftSettings,
    newStreamId: () => number,
    random: Random,
    views: () => Iterable<View>,
    perform: (effect: UpstreamEffect) => void,
    note: (note: Note, viewKey?: View['key']) => void,
  ) {
    this.#settings = settings;
    this.#desk = { settings, newStreamId, random };
    this.#views = views;
    this.#perform = perform;
    this.#note = note;
  }

  get isRunning(): boolean {
    return this.#run !== undefined || this.#jobs.length > 0;
  }

  /** Begins a check of everything, unless one is under way. */
  begin(clock: Clock): void {
    if (this.isRunning) return;
    this.#checks = [];
    this.#beganWallMs = clock.wallMs;
    for (const view of this.#views()) {
      for (const lane of view.streams.lanes()) {
        if (lane.active.types.isAnythingWanted) this.#jobs.push({ view, lane });
      }
    }
    this.#next(clock);
  }

  /** Takes in an event of an upstream stream. @returns false for one that is not of a check */
  take(event: ChannelEvent, clock: Clock): boolean {
    const { job } = this.#run ?? {};
    if (!job || job.streamId !== event.streamId) return false;
    this.#carryOut(job.take(event, clock));
    this.advance(clock);
    return true;
  }

  /** Brings it on; to be called after every event. */
  advance(clock: Clock): void {
    const { driftCheckMs } = this.#settings;
    if (driftCheckMs > 0) {
      this.#scheduledMs ??= this.#planned(clock.monotonicMs);
      if (clock.monotonicMs >= this.#scheduledMs) {
        this.#scheduledMs = this.#planned(clock.monotonicMs);
        this.begin(clock);
      }
    }
    const { job } = this.#run ?? {};
    if (!job) return;
    if (!this.#isAlive(job.view)) this.#carryOut(job.stop('the node is not served any more', clock));
    else this.#carryOut(job.advance(clock));
    if (job.outcome) this.#ended(job, job.outcome, clock);
  }

  /** Nothing is asked for any more. */
  stop(clock: Clock): void {
    this.#jobs = [];
    if (this.#run) this.#carryOut(this.#run.job.stop('weir is shutting down', clock));
    this.#run = undefined;
  }

  /** When something is due, monotonic in ms. */
  nextDeadlineMs(): number {
    return Math.min(this.#run?.job.nextDeadlineMs() ?? Infinity, this.#scheduledMs ?? Infinity);
  }

  /** What the checks have found. */
  report(): DriftReport {
    const running = this.isRunning && this.#beganWallMs !== undefined ? { beganWallMs: this.#beganWallMs } : undefined;
    return { running, last: this.#last };
  }

  #isAlive(view: View): boolean {
    for (const one of this.#views()) if (one === view) return true;
    return false;
  }

  #planned(nowMs: number): number {
    return nowMs + this.#settings.driftCheckMs * (1 - scatter + 2 * scatter * this.#desk.random());
  }

  #next(clock: Clock): void {
    this.#run = undefined;
    for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) {
      const { view, lane } = job;
      // Whoever it was for may have gone while others were looked at: no reason to worry anybody.
      if (!this.#isAlive(view) || !lane.active.types.isAnythingWanted) continue;
      const obstacle = this.#obstacle(lane);
      const run = new DriftRun(view, lane, this.#desk, clock.monotonicMs);
      if (obstacle === undefined) {
        this.#run = { job: run, beganWallMs: clock.wallMs };
        this.#carryOut(run.advance(clock));
        return;
      }
      this.#told(run, { kind: 'failed', reason: obstacle }, clock.wallMs);
    }
    this.#finish(clock);
  }

  #obstacle({ active }: Lane): string | undefined {
    if (this.#settings.isSingleStream) return 'the upstream allows one stream only (setting upstreamStreams)';
    return active.isOpen ? undefined : 'there is no stream to the control plane at the moment';
  }

  #ended(run: DriftRun, outcome: DriftOutcome, clock: Clock): void {
    this.#told(run, outcome, this.#run?.beganWallMs ?? clock.wallMs);
    this.#next(clock);
  }

  #told(run: DriftRun, outcome: DriftOutcome, beganWallMs: number): void {
    const { view, group, address } = run;
    const identity = readNode(view.node);
    const nodeId = 'error' in identity ? '' : identity.id;
    const types = outcome.kind === 'checked' ? outcome.types.map(typeReport) : [];
    const check: DriftCheck = {
      viewKey: view.key,
      nodeId,
      group,
      address,
      beganWallMs,
      outcome: outcome.kind === 'failed' ? 'failed' : verdictOf(types),
      reason: outcome.kind === 'failed' ? outcome.reason : undefined,
      types,
    };
    this.#checks.push(check);
    this.#note({ kind: 'drift_checked', check }, view.key);
  }

  #finish({ wallMs }: Clock): void {
    this.#last = { beganWallMs: this.#beganWallMs ?? wallMs, endedWallMs: wallMs, checks: this.#checks };
    this.#checks = [];
  }

  #carryOut(effects: readonly UpstreamEffect[]): void {
    for (const effect of effects) this.#perform(effect);
  }
}

function verdictOf(types: readonly DriftTypeReport[]): DriftCheck['outcome'] {
  if (types.some(({ missing, extra, different }) => missing.count + extra.count + different.count > 0))
    return 'differs';
  return types.some(type => type.isOpen) ? 'incomplete' : 'same';
}

function typeReport({ typeUrl, fetched, differences, isOpen }: (DriftOutcome & { kind: 'checked' })['types'][number]) {
  const list = (kind: Difference) => {
    const names = [...differences].filter(([, one]) => one === kind).map(([name]) => name);
    return { count: names.length, names: names.sort().slice(0, namesMax) };
  };
  const lists = { missing: list('missing'), extra: list('extra'), different: list('different') };
  return { typeUrl, shortName: traitsOf(typeUrl).shortName, fetched, isOpen, ...lists };
}
