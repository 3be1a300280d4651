import type { IdleViews } from '../cache/idle-tier.ts';
import type { StoredView } from '../cache/stored.ts';
import type { UpstreamEffect } from '../upstream/session-events.ts';
import type { Clock, ViewKey } from '../xds/types.ts';
import type { CoreEffect } from './events.ts';
import { snapshotOf } from './restore.ts';
import { rewriteOnDisk } from './type-view.ts';
import type { View } from './view.ts';

/** Makes a view whose upstream streams carry this encoded Node. */
export type MakeView = (viewKey: ViewKey, node: Buffer) => View;

/** How many views there may be, and for how long. */
export interface ViewTableSettings {
  /** Whether changes are told to a disk. */
  readonly isStoring: boolean;
  /** Most views at once. */
  readonly nodesMax: number;
  /** Most of them that one peer may have made: one node id that comes to one address with one proven name. */
  readonly viewsPerNodeMax: number;
  /** How long a view without clients keeps its upstream streams, in ms, where there may be several (R72). */
  readonly nodeLingerMs: number;
}

/** A view that is alive, and what the table knows of it. */
interface Living {
  readonly view: View;
  readonly matchKey: string;
  /** Account of the peer that it was made for; empty for what was stored. */
  readonly owner: string;
  /** When something of it is due, monotonic in ms. */
  deadlineMs: number;
  /** When it may go, monotonic in ms; Infinity while a client uses it. */
  idleUntilMs: number;
}

/** A view that could not let go in an outage is looked at again after so many ms at the least. */
const outageCheckMsMin = 1_000;

/** The views that are alive: how they come, from what was stored or from nothing, when something of them is due, and how they go. */
export class ViewTable {
  readonly #living = new Map<ViewKey, Living>();
  /** Whose upstream stream it is. */
  readonly #byStream = new Map<number, View>();
  readonly #make: MakeView;
  readonly #idle: IdleViews;
  readonly #settings: ViewTableSettings;
  readonly #perform: (effect: CoreEffect) => void;

  constructor(make: MakeView, idle: IdleViews, settings: ViewTableSettings, perform: (effect: CoreEffect) => void) {
    this.#make = make;
    this.#idle = idle;
    this.#settings = settings;
    this.#perform = perform;
  }

  get size(): number {
    return this.#living.size;
  }

  get(viewKey: ViewKey): View | undefined {
    return this.#living.get(viewKey)?.view;
  }

  *values(): Generator<View> {
    for (const { view } of this.#living.values()) yield view;
  }

  /** The view that has this upstream stream. */
  ofStream(streamId: number): View | undefined {
    return this.#byStream.get(streamId);
  }

  /** What the view had when it went, if it is still in memory. */
  takeIdle(viewKey: ViewKey): StoredView | undefined {
    return this.#idle.take(viewKey);
  }

  /** Makes a view. @param stored what is kept of it outside the process, under the same key or, for a node that matches, another one */
  make(
    viewKey: ViewKey,
    node: Buffer,
    matchKey: string,
    stored: StoredView | undefined,
    clock: Clock,
    owner = '',
  ): View {
    const view = this.#make(viewKey, node);
    this.#living.set(viewKey, { view, matchKey, owner, deadlineMs: Infinity, idleUntilMs: Infinity });
    // The rows of a view that is alive are its own: what another one starts with is a copy.
    const isCopy = stored !== undefined && (stored.isCopy === true || this.#isOther(stored, viewKey));
    const isTakenOver = stored?.provenance === 'disk' && !isCopy && stored.viewKey !== viewKey;
    this.#write(view, isTakenOver ? stored.viewKey : undefined, clock);
    if (stored) {
      const { provenance, types } = stored;
      this.#perform({ kind: 'note', note: { kind: 'view_restored', viewKey, provenance, types: types.length } });
      view.restore({ ...stored, isCopy }, clock);
    }
    return view;
  }

  #isOther({ viewKey }: StoredView, key: ViewKey): boolean {
    return viewKey !== key && this.#living.has(viewKey);
  }

  /** Carries out what a view wants of its upstream streams. */
  carryOut(view: View, effects: readonly UpstreamEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'open_upstream') this.#byStream.set(effect.streamId, view);
      else if (effect.kind === 'close_upstream') this.#byStream.delete(effect.streamId);
      this.#perform(effect);
    }
  }

  /** An upstream stream ended. */
  streamEnded(streamId: number): void {
    this.#byStream.delete(streamId);
  }

  /** To be called last of what an event does to a view. */
  settle(view: View): void {
    const living = this.#living.get(view.key);
    if (living) living.deadlineMs = view.nextDeadlineMs();
  }

  /** When something is due, monotonic in ms. */
  nextDeadlineMs(): number {
    let deadline = Infinity;
    for (const { deadlineMs, idleUntilMs } of this.#living.values())
      deadline = Math.min(deadline, deadlineMs, idleUntilMs);
    return deadline;
  }

  /** Views of which something is due. */
  due(nowMs: number): View[] {
    return [...this.#living.values()].filter(({ deadlineMs }) => deadlineMs <= nowMs).map(({ view }) => view);
  }

  /** A client uses the view. */
  used(view: View): void {
    view.isUnused = false;
    const living = this.#living.get(view.key);
    if (living) living.idleUntilMs = Infinity;
  }

  /** The last client left the view. */
  unused(view: View, nowMs: number): void {
    view.isUnused = true;
    const living = this.#living.get(view.key);
    if (living) living.idleUntilMs = nowMs + this.#settings.nodeLingerMs;
  }

  /** Ends views whose linger is over. In an outage nothing that was dropped could be had again, so nothing is dropped. */
  expire(clock: Clock): void {
    for (const living of [...this.#living.values()]) {
      if (living.idleUntilMs > clock.monotonicMs) continue;
      if (living.view.streams.isCutOff) {
        living.idleUntilMs = clock.monotonicMs + Math.max(this.#settings.nodeLingerMs, outageCheckMsMin);
      } else this.#putAway(living, clock);
    }
  }

  /**
   * Makes room for one more view of a peer, at the cost of the one that was left first: of its own, if it has as many as it may.
   *
   * @returns why there is none, if all are used
   */
  makeRoom(owner: string, clock: Clock): string | undefined {
    const { nodesMax, viewsPerNodeMax } = this.#settings;
    const all = [...this.#living.values()];
    const own = all.filter(one => one.owner === owner);
    const isOwnFull = own.length >= viewsPerNodeMax;
    if (!isOwnFull && all.length < nodesMax) return undefined;
    const idle = (isOwnFull ? own : all).filter(({ idleUntilMs }) => idleUntilMs < Infinity);
    const first = idle.sort((a, b) => a.idleUntilMs - b.idleUntilMs)[0];
    if (first) this.#putAway(first, clock);
    else if (!isOwnFull) return `${nodesMax} nodes are served already (setting nodesMax)`;
    else return `${viewsPerNodeMax} nodes of this id are served already (setting viewsPerNodeMax)`;
    return undefined;
  }

  /** The disk has lost everything: it is told all of it once more. */
  rewrite(clock: Clock): void {
    for (const { view } of this.#living.values()) {
      this.#write(view, undefined, clock);
      for (const type of view.types.values()) rewriteOnDisk(type);
      this.#perform({ kind: 'write_disk', changes: view.takeDiskChanges(clock) });
    }
  }

  /**
   * Ends the views that nobody uses: a new one takes their place, since an adopted identity is a hint, never a lock.
   *
   * @returns the key of the last one that went
   */
  retireIdle(used: ReadonlySet<View>, clock: Clock): ViewKey | undefined {
    let retired: ViewKey | undefined;
    for (const { view } of [...this.#living.values()]) {
      if (used.has(view)) continue;
      this.#remove(view, clock);
      retired = view.key;
    }
    return retired;
  }

  /** Nobody is served any more. The views stay, for the case that the disk has to be told everything once more. */
  end(clock: Clock): void {
    for (const { view } of this.#living.values()) this.#finish(view, clock);
  }

  #putAway({ view, matchKey }: Living, clock: Clock): void {
    this.#idle.put(snapshotOf(view, matchKey, clock));
    this.#perform({ kind: 'note', note: { kind: 'view_idle', viewKey: view.key } });
    this.#remove(view, clock);
  }

  #remove(view: View, clock: Clock): void {
    this.#finish(view, clock);
    this.#living.delete(view.key);
  }

  #finish(view: View, clock: Clock): void {
    const changes = view.dispose(clock);
    for (const { streamId } of view.sessions()) {
      if (streamId === undefined) continue;
      this.#byStream.delete(streamId);
      this.#perform({ kind: 'close_upstream', streamId });
    }
    if (changes.length > 0) this.#perform({ kind: 'write_disk', changes });
  }

  /** Tells the disk of a view. @param replaces the view whose rows are its own now */
  #write({ key: viewKey, node }: View, replaces: ViewKey | undefined, clock: Clock): void {
    const matchKey = this.#living.get(viewKey)?.matchKey ?? '';
    const change = { kind: 'view', viewKey, matchKey, node, wallMs: clock.wallMs, replaces } as const;
    if (this.#settings.isStoring) this.#perform({ kind: 'write_disk', changes: [change] });
  }
}
