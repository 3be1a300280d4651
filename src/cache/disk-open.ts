import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { beginLoad, ensurePrivateDirectory, isDamage, openDatabase, setAside } from './disk-file.ts';
import { type DiskNote, DiskUnusable } from './disk-notes.ts';
import { DiskTables } from './disk-tables.ts';

const lockRetryMs = 100;

/** What opening a file needs to know. */
export interface OpenOptions {
  /** How long another process that holds the file is waited for, in ms. */
  readonly lockWaitMs: number;
  readonly note: (note: DiskNote) => void;
  readonly wallMs: () => number;
}

/** What there is to read from, and why nothing can be written, if so. */
export interface OpenedTables {
  readonly tables: DiskTables;
  readonly failure?: unknown;
  /** The tables are not those of the file: they hold what could be read of it. */
  readonly isStandIn?: boolean;
}

/**
 * Opens or creates the cache. A damaged file is set aside, never deleted, and so is one whose loading kept killing the process. On a disk that
 * is full, read-only or broken it opens what can be read: an outage is no time to refuse to start.
 *
 * @throws DiskUnusable when another process holds it, it is not ours, or its directory is not safe
 */
export async function openTables(path: string, options: OpenOptions): Promise<OpenedTables> {
  let db: DatabaseSync | undefined;
  try {
    ensurePrivateDirectory(dirname(path));
    db = await openWaiting(path, options);
    try {
      const tables = new DiskTables(db);
      const why = 'the process died three times within a minute after loading it';
      return { tables: beginLoad(db, options.wallMs()) ? tables : new DiskTables(replaceFile(db, path, options, why)) };
    } catch (error) {
      if (!isDamage(error)) return { tables: new DiskTables(db), failure: error };
      return { tables: new DiskTables(replaceFile(db, path, options, String(error))) };
    }
  } catch (error) {
    if (error instanceof DiskUnusable) throw error;
    // Else its lock would be in our own way.
    if (db) closeQuietly(db);
    return { tables: standIn(path), failure: error, isStandIn: true };
  }
}

/** What can be read of a file that cannot be opened, by way of a copy that is open and has no name any more; else nothing. */
function standIn(path: string): DiskTables {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), 'weir-'));
    const copy = join(folder, 'cache.db');
    for (const suffix of ['', '-wal']) if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
    return new DiskTables(openDatabase(copy, () => {}));
  } catch {
    // Neither there: the note on the failure says what matters.
    return new DiskTables(openDatabase(':memory:', () => {}));
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** As {@link openDatabase}; waits for its turn, and puts a new file in the place of a damaged one. */
export async function openWaiting(path: string, options: OpenOptions): Promise<DatabaseSync> {
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
      } else if (isDamage(error)) return replaceFile(undefined, path, options, String(error));
      else throw error;
    }
  }
}

/**
 * Sets the file aside and begins another one.
 *
 * @param lost what the user has lost by it
 * @throws Error when no other can be made; the file is set aside all the same
 */
export function replaceFile(
  db: DatabaseSync | undefined,
  path: string,
  { note, wallMs }: OpenOptions,
  reason: string,
  lost = 'everything that was cached; it is fetched anew',
): DatabaseSync {
  if (db) closeQuietly(db);
  note({ kind: 'disk_set_aside', reason, setAside: setAside(path, wallMs()), lost });
  return openDatabase(path, note);
}

/** Closing a damaged file may fail; it is closed all the same. */
export function closeQuietly(db: DatabaseSync): void {
  try {
    if (db.isOpen) db.close();
  } catch {
    // As said.
  }
}

/** Which file a path leads to, undefined without one. */
export function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** Ends a transaction that cannot be finished, if there is one. */
export function rollBackQuietly(db: DatabaseSync): void {
  if (!db.isOpen || !db.isTransaction) return;
  try {
    db.exec('rollback');
  } catch {
    // SQLite has rolled back by itself, as it does when the disk is full.
  }
}
