import type { DiskNote } from './disk-notes.ts';
import type { DiskTables } from './disk-tables.ts';

/**
 * Makes a file smaller that is past its limit: the views used longest ago go. With only the newest left, nothing more is written but what makes it
 * smaller.
 *
 * @param size gives the bytes of the file at the moment
 */
export function makeRoom(
  tables: DiskTables,
  size: () => number,
  bytesMax: number,
  note: (note: DiskNote) => void,
): void {
  while (size() > bytesMax) {
    tables.checkpoint();
    if (size() <= bytesMax) return;
    const dropped = tables.dropOldestView();
    if (dropped === undefined) return;
    note({ kind: 'disk_view_dropped', viewKey: dropped, reason: 'the cache is too large (setting cache.bytesMax)' });
  }
}
