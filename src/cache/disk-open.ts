import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDamage, openDatabase, setAside } from './disk-file.ts';
import { type DiskNote, DiskUnusable } from './disk-notes.ts';

const lockRetryMs = 100;

/** What opening a file needs to know. */
export interface OpenOptions {
  /** How long another process that holds the file is waited for, in ms. */
  readonly lockWaitMs: number;
  readonly note: (note: DiskNote) => void;
  readonly wallMs: () => number;
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
