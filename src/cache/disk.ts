import { join } from 'node:path';
import type { ViewKey } from '../xds/types.ts';
import { endLoad, ensurePrivateDirectory, isDamage, noteCrash, openDatabase, sizeOf } from './disk-file.ts';
import { type ListedRow, listRows } from './disk-list.ts';
import { loadView } from './disk-load.ts';
import type { DiskFigures, DiskState } from './disk-notes.ts';
import {
  closeQuietly,
  inodeOf,
  type OpenedTables,
  type OpenOptions,
  openTables,
  replaceFile,
  rollBackQuietly,
} from './disk-open.ts';
import { DiskPulse } from './disk-pulse.ts';
import { type Burst, DiskQueue } from './disk-queue.ts';
import { makeRoom } from './disk-room.ts';
import { encodeRow, type RowProtector } from './disk-rows.ts';
import { DiskTables, type ListedView, type ViewRow } from './disk-tables.ts';
import type { DiskChange, StoredView } from './stored.ts';
import { WithheldNotes } from './withheld-notes.ts';

/** Changes applied in one turn of the event loop: 200 rows of 400 B take under a millisecond (perf-facts.md). */
const changesPerTurn = 200;
/** How long changes are gathered before they are written, in ms. */
const gatherMs = 200;
/** Pause before writing is tried again after it failed, in ms. */
const retryMs = 5_000;
/** Pause after the last write before the WAL is brought into the file, in ms. */
const quietMs = 2_000;
/** The WAL is brought into the file at this size at the latest, in bytes. */
const walBytesMax = 16 * 1024 * 1024;

/** What the disk cache is opened with. */
export interface DiskOptions extends OpenOptions {
  /** Weir's own directory; made if it is not there. */
  readonly directory: string;
  /** Largest file, in bytes. */
  readonly bytesMax: number;
  /** Most views kept, those used last. */
  readonly viewsMax: number;
  readonly protector: RowProtector;
  /** The file was begun anew while it was in use: whoever writes has to write everything once more, each view before what is in it. */
  readonly onLost: () => void;
  /** So many changes are on disk, so long after their transaction was begun. */
  readonly onWritten?: ((changes: number, ms: number) => void) | undefined;
}

/**
 * The disk cache: one SQLite file (WAL) in Weir's own directory, held exclusively while it is open. Changes are gathered and written behind, one
 * transaction a burst, so that what is on disk is always a state that the agent really had. Checksums are verified at load, since
 * SQLite does not notice flipped bytes in a row (perf-facts.md).
 */
export class DiskStore {
  readonly path: string;
  #isEmpty = true;
  readonly #options: DiskOptions;
  #tables: DiskTables;
  #isStandIn: boolean;
  /** Which file is open, whatever the path leads to by now. */
  #inode: bigint | undefined;
  readonly #queue = new DiskQueue();
  #timer: NodeJS.Timeout | undefined;
  #quietTimer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  /** The burst that is being written, and how far it is. */
  #burst: Burst | undefined;
  #state: DiskState = { kind: 'ok' };
  /** How the load of this file goes into the count of crashes. */
  #load: 'running' | 'fine' | 'counted' = 'running';
  readonly #withheld: WithheldNotes;
  readonly #pulse = new DiskPulse();

  private constructor(path: string, options: DiskOptions, { tables, isStandIn = false }: OpenedTables) {
    this.path = path;
    this.#options = options;
    this.#withheld = new WithheldNotes(options.note);
    this.#tables = tables;
    this.#isStandIn = isStandIn;
    this.#inode = inodeOf(path);
  }

  /** As {@link openTables}: what the disk does not let us do is a state of the store, and is tried again. */
  static async open(options: DiskOptions): Promise<DiskStore> {
    const path = join(options.directory, 'cache.db');
    const opened = await openTables(path, options);
    const store = new DiskStore(path, options, opened);
    if (opened.failure !== undefined) store.#failed(opened.failure, []);
    const { views, resources } = store.#guarded(tables => tables.counts(), { views: 0, resources: 0 });
    store.#isEmpty = views === 0;
    store.#pulse.resources = resources;
    options.note({ kind: 'disk_opened', path, views, resources, bytes: store.size() });
    return store;
  }

  /** Nothing was there to be read when it was opened. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  get state(): DiskState {
    return this.#state;
  }

  /** Size of the file and its WAL, in bytes. */
  size(): number {
    return sizeOf(this.path) + sizeOf(`${this.path}-wal`);
  }

  /** How it is doing, in figures that are kept and not counted. */
  figures(): DiskFigures {
    const pending = this.#queue.size + (this.#burst?.changes.length ?? 0);
    const oldestPendingMs = this.#pulse.oldestPendingMs(performance.now());
    return { bytes: this.size(), resources: this.#pulse.resources, pending, oldestPendingMs };
  }

  /** The process lives with what was loaded. */
  loadedFine(): void {
    if (this.#load === 'running') this.#load = 'fine';
    // Within a burst it would go down with it.
    if (this.#load !== 'fine' || this.#burst) return;
    this.#load = 'counted';
    this.#guarded(tables => endLoad(tables.db), undefined);
  }

  /** The process dies of an error of its own: who starts next counts it against this file. */
  crashed(): void {
    this.#guarded(tables => noteCrash(tables.db, this.#options.wallMs()), undefined);
  }

  /** The view that was used last. */
  newest(): StoredView | undefined {
    return this.#loadView(tables => tables.newestView());
  }

  /**
   * The view with this match key (R69) that ranks highest, of equals the one used last. One that nothing was ever written of is found only where
   * there is no other: a node that came in an outage must not stand in the way of what there is.
   *
   * @param rank how near its key and encoded Node are to what is looked for
   */
  find(matchKey: string, rank: (viewKey: ViewKey, node: Buffer) => number = () => 0): StoredView | undefined {
    return this.#loadView(tables => {
      const ranked = tables.viewsByMatch(matchKey).map(row => ({ row, rank: rank(row.key, row.node) }));
      ranked.sort((a, b) => b.rank - a.rank);
      return (ranked.find(({ row }) => tables.holdsAnything(row.id)) ?? ranked[0])?.row;
    });
  }

  /** All views, the one used last first. */
  *all(): Generator<StoredView> {
    for (const row of this.#guarded(tables => tables.views(), [])) {
      const view = this.#loadView(() => row);
      if (view) yield view;
    }
  }

  /** What is kept, without contents, as it stands on disk. */
  list(): ListedView[] {
    this.#writeNow();
    return this.#guarded(tables => tables.list(), []);
  }

  /** The rows of a type, of one view or of all, without contents; each piece as it stands on disk when it is its turn. */
  *rows(typeUrl: string, viewKey?: string): Generator<ListedRow> {
    this.#writeNow();
    yield* listRows(this.#tables, this.#options.protector, typeUrl, viewKey);
  }

  /** Drops views, all of them or one. Returns how many. */
  purge(viewKey?: string): number {
    return this.#guarded(tables => {
      const dropped = tables.dropViews(viewKey);
      this.#pulse.resources = tables.resources();
      return dropped;
    }, 0);
  }

  /** Takes in the changes of one event; they are on disk within {@link gatherMs} and the time of writing. */
  write(changes: readonly DiskChange[]): void {
    for (const change of changes) this.#queue.add(change);
    if (this.#queue.size === 0) return;
    this.#pulse.queued(performance.now());
    this.#schedule();
  }

  /** Resolves when all that was taken in is on disk, or has failed to get there. */
  async flush(): Promise<void> {
    // After a loss everything is told once more, so a second try may go well.
    for (let failures = 0; failures < 2; ) {
      if (!this.#writing && this.#queue.size === 0) break;
      await this.#start();
      if (this.#state.kind === 'failing') failures++;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#queue.size > 0) this.#schedule();
  }

  /** Writes what is left and lets go of the file. */
  async close(): Promise<void> {
    await this.flush();
    this.loadedFine();
    this.#guarded(tables => tables.checkpoint(), undefined);
    // That may have shown damage, too.
    await this.flush();
    clearTimeout(this.#timer);
    clearTimeout(this.#quietTimer);
    closeQuietly(this.#tables.db);
  }

  /** Writes soon; sooner than it is tried again after a failure. */
  #schedule(): void {
    if (this.#writing) return;
    this.#timer ??= setTimeout(() => this.#start(), this.#state.kind === 'failing' ? retryMs : gatherMs).unref();
  }

  /** Reads; damage that shows only now costs the file, not the process. */
  #guarded<T>(read: (tables: DiskTables) => T, otherwise: T): T {
    try {
      return read(this.#tables);
    } catch (error) {
      if (!isDamage(error)) {
        this.#failed(error, []);
        return otherwise;
      }
      try {
        this.#replace(String(error));
      } catch (cause) {
        this.#failed(cause, []);
      }
      return otherwise;
    }
  }

  #replace(reason: string): void {
    const lost = 'the nodes that are not in use; what is in use is written again';
    this.#beginAnew(() => new DiskTables(replaceFile(this.#tables.db, this.path, this.#options, reason, lost)));
  }

  /** The file is gone from under us, or could not be opened before. */
  #mend(): void {
    const isOpen = this.#tables.db.isOpen && !this.#isStandIn;
    if (isOpen && inodeOf(this.path) === this.#inode) return;
    const { directory, note } = this.#options;
    if (isOpen) note({ kind: 'disk_vanished', path: this.path });
    this.#beginAnew(() => {
      closeQuietly(this.#tables.db);
      ensurePrivateDirectory(directory);
      return new DiskTables(openDatabase(this.path, note));
    });
  }

  /** What waits belongs to the file that is lost; all of it comes again. */
  #beginAnew(open: () => DiskTables): void {
    this.#burst = undefined;
    this.#queue.take();
    this.#pulse.lost();
    this.#tables = open();
    this.#isStandIn = false;
    this.#inode = inodeOf(this.path);
    this.#options.onLost();
  }

  #loadView(pick: (tables: DiskTables) => ViewRow | undefined): StoredView | undefined {
    const { protector, note } = this.#options;
    this.#writeNow();
    return this.#guarded(tables => {
      const row = pick(tables);
      return row && loadView(tables, row, { protector, note, renew: change => this.write([change]) });
    }, undefined);
  }

  /** Writes all there is in this turn: who reads must not see half a burst. */
  #writeNow(): void {
    // There is nothing to write to; what waits is written when there is.
    if (this.#isStandIn || !this.#tables.db.isOpen) return;
    let changes: readonly DiskChange[] = this.#burst?.changes ?? [];
    try {
      if (this.#burst) this.#applyBurst(this.#burst, Infinity);
      this.#burst = undefined;
      changes = this.#queue.take();
      if (changes.length === 0) return;
      this.#applyBurst(this.#begin(changes), Infinity);
      this.#succeeded();
    } catch (error) {
      this.#failed(error, changes);
    }
  }

  #begin(changes: readonly DiskChange[]): Burst {
    this.#tables.db.exec('begin immediate');
    this.#pulse.begun(performance.now());
    const isTooLarge = this.size() > this.#options.bytesMax;
    return { changes, at: 0, bytesMax: isTooLarge ? this.#tables.liveBytes() : undefined };
  }

  /** Applies so many changes of a burst; commits when it is through, and says so. */
  #applyBurst(burst: Burst, count: number): boolean {
    const end = Math.min(burst.changes.length, burst.at + count);
    for (const change of burst.changes.slice(burst.at, end)) this.#apply(change);
    burst.at = end;
    if (end < burst.changes.length) return false;
    this.#tables.finish(this.#options.wallMs());
    this.#tables.dropOldViews(this.#options.viewsMax);
    if (burst.bytesMax !== undefined && this.#tables.liveBytes() > burst.bytesMax) {
      const { bytesMax } = this.#options;
      throw new Error(`the cache has ${this.size()} bytes, and ${bytesMax} are allowed (setting cache.bytesMax)`);
    }
    const resources = this.#tables.resources();
    this.#tables.db.exec('commit');
    this.#pulse.resources = resources;
    const ms = this.#pulse.written(performance.now(), this.#queue.size > 0);
    if (end > 0) this.#options.onWritten?.(end, ms);
    return true;
  }

  #start(): Promise<void> {
    if (this.#writing) return this.#writing;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Set before anything is done: what is lost and told once more in the course of it waits for its turn.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing = promise;
    void this.#run().finally(() => {
      this.#writing = undefined;
      if (this.#load === 'fine') this.loadedFine();
      if (this.#queue.size > 0 || this.#state.kind === 'failing') this.#schedule();
      resolve();
    });
    return promise;
  }

  async #run(): Promise<void> {
    let changes: readonly DiskChange[] = [];
    try {
      // What waits for a file that is lost goes with it, so nothing is taken out before.
      this.#mend();
      changes = this.#queue.take();
      if (await this.#write(changes)) this.#succeeded();
    } catch (error) {
      this.#failed(error, changes);
    }
  }

  /** @returns whether it came to the end itself */
  async #write(changes: readonly DiskChange[]): Promise<boolean> {
    makeRoom(this.#tables, () => this.size(), this.#options.bytesMax, this.#options.note);
    const burst = this.#begin(changes);
    this.#burst = burst;
    while (!this.#applyBurst(burst, changesPerTurn)) {
      await new Promise(resolve => setImmediate(resolve));
      // A read could not wait and has written the rest, or found that the file is lost.
      if (this.#burst !== burst) return false;
    }
    this.#burst = undefined;
    return true;
  }

  #succeeded(): void {
    if (this.#state.kind === 'failing') {
      this.#options.note({ kind: 'disk_recovered', afterMs: this.#options.wallMs() - this.#state.sinceWallMs });
    }
    this.#state = { kind: 'ok' };
    clearTimeout(this.#quietTimer);
    const isLarge = sizeOf(`${this.path}-wal`) > walBytesMax;
    const checkpoint = (): void => this.#guarded(tables => tables.checkpoint(), undefined);
    if (isLarge) checkpoint();
    else this.#quietTimer = setTimeout(checkpoint, quietMs).unref();
  }

  #failed(error: unknown, changes: readonly DiskChange[]): void {
    this.#burst = undefined;
    this.#queue.putBack(changes);
    this.#tables.forgetIds();
    if (isDamage(error)) {
      try {
        this.#replace(String(error));
      } catch {
        // The file is set aside, and another one cannot be made yet; the next try will tell.
      }
    } else rollBackQuietly(this.#tables.db);
    const message = error instanceof Error ? error.message : String(error);
    if (this.#state.kind === 'ok') {
      this.#state = { kind: 'failing', error: message, sinceWallMs: this.#options.wallMs() };
      this.#options.note({ kind: 'disk_failing', error: message });
    }
    this.#schedule();
  }

  #apply(change: DiskChange): void {
    if (change.kind !== 'put') return this.#tables.apply(change);
    const { viewKey, typeUrl, resource } = change;
    const { protector } = this.#options;
    const protection = protector.protect(typeUrl, resource);
    if (protection.kind === 'withhold') this.#withheld.add(typeUrl, resource.name, protection.why);
    this.#tables.put(viewKey, typeUrl, encodeRow(resource, protection, protector, typeUrl));
  }
}
