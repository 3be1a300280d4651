import type { DiskNote } from '../cache/disk-notes.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { LogLine } from './notes.ts';
import type { SeedNote } from './seed.ts';

const namesMax = 5;

/** Turns what happened to the disk cache into a log line. */
export function describeDisk(note: DiskNote): LogLine {
  switch (note.kind) {
    case 'disk_opened': {
      const { path, views, resources, bytes } = note;
      return line('info', 'cache opened', { path, views, resources, bytes });
    }
    case 'disk_waiting':
      return line('warn', 'another process holds the cache; waiting for it (setting cache.lockWait)', {
        path: note.path,
        waitMs: note.forMs,
      });
    case 'disk_set_aside':
      return line('error', `cache set aside: ${note.reason}`, { setAside: note.setAside, lost: note.lost });
    case 'disk_vanished':
      return line('error', 'the cache was removed while it was in use; it is begun anew with what is held', {
        path: note.path,
      });
    case 'disk_migrated':
      return line('info', `cache brought from format ${note.fromVersion} to ${note.toVersion}`, {});
    case 'disk_rows_missing': {
      const { typeUrl, names, count, reason, isSetLost } = note;
      const type = traitsOf(typeUrl).shortName;
      // What is kept in memory by choice is no damage, but without it the rest must not pass for the whole.
      const level = reason === 'withheld' ? 'warn' : 'error';
      const what = isSetLost
        ? `${type} is not restored, since a set without them is none`
        : `${type} is restored without them`;
      return line(level, `resources are missing in the cache (${reason}): ${what}`, {
        type,
        names: names.slice(0, namesMax),
        count,
      });
    }
    case 'disk_failing':
      return line('error', `the cache cannot be written; going on from memory and trying again: ${note.error}`, {});
    case 'disk_recovered':
      return line('info', 'the cache is written again', { afterMs: Math.round(note.afterMs) });
    case 'disk_view_dropped':
      return line('warn', `a node was dropped from the cache: ${note.reason}`, { view: note.viewKey });
    case 'disk_withheld': {
      const type = traitsOf(note.typeUrl).shortName;
      return line(type === 'SDS' ? 'info' : 'warn', `kept in memory only: ${note.why} (setting secrets)`, {
        type,
        name: note.name,
      });
    }
  }
}

/** Turns what happened to the seed into a log line. */
export function describeSeed(note: SeedNote): LogLine {
  switch (note.kind) {
    case 'seed_loaded': {
      const { nodeId, createdWallMs, types } = note.header;
      const created = new Date(createdWallMs).toISOString();
      const resources = types.reduce((sum, type) => sum + type.resources, 0);
      const leftOut = types.reduce((sum, type) => sum + type.leftOut, 0);
      return line('info', `seed loaded from its ${note.from}`, { node: nodeId, created, resources, leftOut });
    }
    case 'seed_retried':
      return line('warn', note.text, {});
    case 'seed_failed':
      return line('error', `no seed: ${note.error}`, {});
    case 'seed_refused':
      return line(
        'warn',
        `the seed is bound to another node: ${note.fields.map(field => `node.${field}`).join(', ')} differs`,
        {
          node: note.nodeId,
        },
      );
  }
}

function line(level: LogLine['level'], message: string, fields: LogLine['fields']): LogLine {
  return { level, message, fields };
}
