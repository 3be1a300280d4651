import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TypeUrl, ViewKey } from '../xds/types.ts';
import {
  beginLoad,
  endLoad,
  ensurePrivateDirectory,
  isDamage,
  noteCrash,
  openDatabase,
  setAside,
} from './disk-file.ts';
import { type DiskNote, type DiskState, DiskUnusable } from './disk-notes.ts';
import { DiskQueue } from './disk-queue.ts';
import { decodeRow, encodeRow, type RowProtector } from './disk-rows.ts';
import { DiskTables, isWhole, type ListedView, type TypeRow, type ViewRow } from './disk-tables.ts';
import type { DiskChange, StoredResource, StoredType, StoredView } from './stored.ts';

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
const lockRetryMs = 100;
const viewsMax = 16;
/** Names in a note. */
const namedMax = 20;

/** What the disk cache is opened with. */
export interface DiskOptions {
  /** Weir's own directory; made if it is not there. */
  readonly directory: string;
  /** How long another process that holds the file is waited for, in ms. */
  readonly lockWaitMs: number;
  /** Largest file, in bytes. */
  readonly bytesMax: number;
  readonly protector: RowProtector;
  readonly note: (note: DiskNote) => void;
  readonly wallMs: () => number;
}

/**
 * The disk cache: one SQLite file (WAL) in Weir's own directory, held exclusively while it is open. Changes are gathered and written behind, one
 * transaction a burst, so that what is on disk is always a state that the agent really had. Checksums are verified at load, since
 * SQLite does not notice flipped bytes in a row (perf-facts.md).
 */
export class DiskStore {
  readonly path: string;
  readonly #options: DiskOptions;
  #tables: DiskTables;
  readonly #queue = new DiskQueue();
  #timer: NodeJS.Timeout | undefined;
  #quietTimer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  /** The burst that is being written, and how far it is. */
  #burst: { readonly changes: readonly DiskChange[]; at: number } | undefined;
  #state: DiskState = { kind: 'ok' };
  #isLoading = true;
  /** Resources said to be withheld, so that it is said once. */
  readonly #withheld = new Set<string>();

  private constructor(path: string, options: DiskOptions, tables: DiskTables) {
    this.path = path;
    this.#options = options;
    this.#tables = tables;
  }

  /**
   * Opens or creates the cache. A damaged file is set aside, never deleted, and so is one whose loading kept killing the process.
   *
   * @throws DiskUnusable when another process holds it, it is not ours, or its directory is not safe
   */
  static async open(options: DiskOptions): Promise<DiskStore> {
    ensurePrivateDirectory(options.directory);
    const path = join(options.directory, 'cache.db');
    const db = await openWaiting(path, options);
    let tables: DiskTables;
    try {
      const mayLoad = beginLoad(db, options.wallMs());
      tables = mayLoad ? new DiskTables(db) : replaceFile(db, path, options, 'the process died of it three times');
    } catch (error) {
      if (!isDamage(error)) throw error;
      tables = replaceFile(db, path, options, String(error));
    }
    const store = new DiskStore(path, options, tables);
    const { views, resources } = store.#guarded(tables => tables.counts(), { views: 0, resources: 0 });
    options.note({ kind: 'disk_opened', path, views, resources, bytes: store.size() });
    return store;
  }

  get state(): DiskState {
    return this.#state;
  }

  /** Size of the file and its WAL, in bytes. */
  size(): number {
    return sizeOf(this.path) + sizeOf(`${this.path}-wal`);
  }

  /** The process lives with what was loaded. */
  loadedFine(): void {
    if (!this.#isLoading || this.#burst) return;
    this.#isLoading = false;
    this.#guarded(tables => endLoad(tables.db), undefined);
  }

  /** The process dies of an error of its own: who starts next counts it against this file. */
  crashed(): void {
    this.#guarded(tables => noteCrash(tables.db, this.#options.wallMs()), undefined);
  }

  /** The view that was used last. */
  newest(): StoredView | undefined {
    return this.#load(tables => tables.newestView());
  }

  /** The view that was used last of those with this match key (R69). */
  find(matchKey: string): StoredView | undefined {
    return this.#load(tables => tables.viewByMatch(matchKey));
  }

  /** All views, the one used last first. */
  *all(): Generator<StoredView> {
    for (const row of this.#guarded(tables => tables.views(), [])) {
      const view = this.#load(() => row);
      if (view) yield view;
    }
  }

  /** What is kept, without contents, as it stands on disk. */
  list(): ListedView[] {
    this.#writeNow();
    return this.#guarded(tables => tables.list(), []);
  }

  /** Drops views, all of them or one. Returns how many. */
  purge(viewKey?: string): number {
    return this.#guarded(tables => tables.dropViews(viewKey), 0);
  }

  /** Takes in the changes of one event; they are on disk within {@link gatherMs} and the time of writing. */
  write(changes: readonly DiskChange[]): void {
    for (const change of changes) this.#queue.add(change);
    if (this.#queue.size > 0 && !this.#writing) this.#timer ??= setTimeout(() => this.#start(), this.#pauseMs);
  }

  /** Resolves when all that was taken in is on disk, or has failed to get there. */
  async flush(): Promise<void> {
    for (;;) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      if (!this.#writing && this.#queue.size === 0) return;
      await (this.#writing ?? this.#start());
      if (this.#state.kind === 'failing') return;
    }
  }

  /** Writes what is left and lets go of the file. */
  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    clearTimeout(this.#quietTimer);
    this.loadedFine();
    this.#guarded(tables => tables.checkpoint(), undefined);
    this.#tables.db.close();
  }

  get #pauseMs(): number {
    return this.#state.kind === 'failing' ? retryMs : gatherMs;
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
      this.#replace(String(error));
      return otherwise;
    }
  }

  #replace(reason: string): void {
    this.#tables = replaceFile(this.#tables.db, this.path, this.#options, reason);
  }

  #load(pick: (tables: DiskTables) => ViewRow | undefined): StoredView | undefined {
    this.#writeNow();
    return this.#guarded(tables => {
      const row = pick(tables);
      return row && this.#loadView(tables, row);
    }, undefined);
  }

  #loadView(tables: DiskTables, { id, key, matchKey, node, usedMs }: ViewRow): StoredView {
    const types: StoredType[] = [];
    for (const type of tables.types(id)) types.push(this.#loadType(tables, key, type));
    return { viewKey: key, matchKey, node, usedWallMs: usedMs, provenance: 'disk', types };
  }

  #loadType(tables: DiskTables, viewKey: ViewKey, type: TypeRow): StoredType {
    const { protector, note } = this.#options;
    const { typeUrl } = type;
    const resources: StoredResource[] = [];
    const missing = new Map<string, string[]>();
    const rows = tables.resources(type.id);
    for (const row of rows) {
      const read = decodeRow(row, protector, typeUrl);
      if ('missing' in read) {
        const names = missing.get(read.missing) ?? [];
        missing.set(read.missing, names);
        names.push(row.name);
        continue;
      }
      resources.push(read.resource);
      // Sealed with the key before: seal it anew.
      if (read.isOldKey) this.#queue.add({ kind: 'put', viewKey, typeUrl, resource: read.resource });
    }
    // Damage may have taken rows away, or be in what says whether it is a set at all.
    if (missing.size === 0 && !isWhole(type, rows)) missing.set('damaged', []);
    const isSetLost = (type.isKnown || !type.isSound) && missing.size > 0;
    for (const [reason, names] of missing) {
      const some = names.slice(0, namedMax);
      note({ kind: 'disk_rows_missing', typeUrl, names: some, count: names.length, reason, isSetLost });
    }
    const { isKnown, confirmedWallMs, upstreamVersion } = type;
    // A set without some of its parts is no set (R104); names stand for themselves.
    if (isSetLost) return { typeUrl, isKnown: false, confirmedWallMs, upstreamVersion, resources: [] };
    return { typeUrl, isKnown, confirmedWallMs, upstreamVersion, resources };
  }

  /** Writes all there is in this turn: who reads must not see half a burst. */
  #writeNow(): void {
    const changes = [...(this.#burst?.changes ?? []), ...this.#queue.take()];
    try {
      if (this.#burst) this.#applyBurst(this.#burst, Infinity);
      const rest = changes.slice(this.#burst?.changes.length ?? 0);
      this.#burst = undefined;
      if (rest.length === 0) return;
      this.#tables.db.exec('begin immediate');
      this.#applyBurst({ changes: rest, at: 0 }, Infinity);
      this.#succeeded();
    } catch (error) {
      this.#burst = undefined;
      this.#failed(error, changes);
    }
  }

  /** Applies so many changes of a burst; commits when it is through, and says so. */
  #applyBurst(burst: { readonly changes: readonly DiskChange[]; at: number }, count: number): boolean {
    const end = Math.min(burst.changes.length, burst.at + count);
    for (const change of burst.changes.slice(burst.at, end)) this.#apply(change);
    burst.at = end;
    if (end < burst.changes.length) return false;
    this.#tables.finish();
    this.#tables.dropOldViews(viewsMax);
    this.#tables.db.exec('commit');
    return true;
  }

  #start(): Promise<void> {
    this.#timer = undefined;
    const changes = this.#queue.take();
    const writing = this.#write(changes)
      .then(isDone => {
        if (isDone) this.#succeeded();
      })
      .catch((error: unknown) => this.#failed(error, changes))
      .finally(() => {
        this.#writing = undefined;
        if (this.#queue.size > 0) this.#timer ??= setTimeout(() => this.#start(), this.#pauseMs);
      });
    this.#writing = writing;
    return writing;
  }

  /** @returns whether it came to the end itself */
  async #write(changes: readonly DiskChange[]): Promise<boolean> {
    this.#checkSize();
    this.#tables.db.exec('begin immediate');
    const burst = { changes, at: 0 };
    this.#burst = burst;
    while (!this.#applyBurst(burst, changesPerTurn)) {
      await new Promise(resolve => setImmediate(resolve));
      // A read could not wait and has written the rest.
      if (this.#burst !== burst) return false;
    }
    this.#burst = undefined;
    return true;
  }

  /** Past the limit the views used longest ago go; when only the newest is left and too large, nothing more is written. */
  #checkSize(): void {
    const { bytesMax, note } = this.#options;
    while (this.size() > bytesMax) {
      this.#tables.checkpoint();
      if (this.size() <= bytesMax) return;
      const dropped = this.#tables.dropOldestView();
      if (dropped === undefined) {
        throw new Error(`the cache has ${this.size()} bytes, and ${bytesMax} are allowed (setting cache.bytesMax)`);
      }
      note({ kind: 'disk_view_dropped', viewKey: dropped, reason: 'the cache is too large (setting cache.bytesMax)' });
    }
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
    else {
      this.#quietTimer = setTimeout(checkpoint, quietMs);
      this.#quietTimer.unref();
    }
  }

  #failed(error: unknown, changes: readonly DiskChange[]): void {
    this.#burst = undefined;
    this.#queue.putBack(changes);
    this.#tables.forgetIds();
    try {
      if (this.#tables.db.isTransaction) this.#tables.db.exec('rollback');
      if (isDamage(error)) this.#replace(String(error));
    } catch {
      // The disk is worse off than the error says; the next try will tell.
    }
    if (this.#state.kind === 'failing') return;
    const message = error instanceof Error ? error.message : String(error);
    this.#state = { kind: 'failing', error: message, sinceWallMs: this.#options.wallMs() };
    this.#options.note({ kind: 'disk_failing', error: message });
  }

  #apply(change: DiskChange): void {
    if (change.kind !== 'put') return this.#tables.apply(change);
    const { viewKey, typeUrl, resource } = change;
    const { protector } = this.#options;
    const protection = protector.protect(typeUrl, resource);
    if (protection.kind === 'withhold') this.#noteWithheld(typeUrl, resource.name, protection.why);
    this.#tables.put(viewKey, typeUrl, encodeRow(resource, protection, protector, typeUrl));
  }

  #noteWithheld(typeUrl: TypeUrl, name: string, why: string): void {
    const key = `${typeUrl}\n${name}`;
    if (this.#withheld.has(key) || this.#withheld.size >= namedMax * 50) return;
    this.#withheld.add(key);
    this.#options.note({ kind: 'disk_withheld', typeUrl, name, why });
  }
}

async function openWaiting(path: string, options: DiskOptions): Promise<DatabaseSync> {
  const giveUpMs = performance.now() + options.lockWaitMs;
  let isNoted = false;
  for (;;) {
    try {
      return openDatabase(path, options.note);
    } catch (error) {
      if (error instanceof DiskUnusable && error.reason === 'locked' && performance.now() < giveUpMs) {
        if (!isNoted) options.note({ kind: 'disk_waiting', path, forMs: options.lockWaitMs });
        isNoted = true;
        await sleep(lockRetryMs);
      } else if (isDamage(error)) return replaceFile(undefined, path, options, String(error)).db;
      else throw error;
    }
  }
}

function replaceFile(
  db: DatabaseSync | undefined,
  path: string,
  { note, wallMs }: DiskOptions,
  reason: string,
): DiskTables {
  db?.close();
  const aside = setAside(path, wallMs());
  note({ kind: 'disk_set_aside', reason, setAside: aside, lost: 'everything that was cached; it is fetched anew' });
  return new DiskTables(openDatabase(path, note));
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
