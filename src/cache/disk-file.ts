import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type DiskNote, DiskUnusable } from './disk-notes.ts';

/** Version of the tables; a file with a newer one is not ours to touch. */
export const formatVersion = 4;
/** `WEIR` in ASCII: SQLite's application id, by which a database of others is known. */
const applicationId = 0x57454952;
const headerBytes = 100;
const magic = Buffer.from('SQLite format 3\0');
/** Files set aside that are kept, newest first. */
const setAsideMax = 3;
/** So many loads that did not come to an end within this time, in ms, and the file is not tried again. */
const crashesMax = 3;
const crashWindowMs = 60_000;

const secondSchema = `
create table view (id integer primary key, key text not null unique, match_key text not null, used_ms integer not null,
  checksum integer not null, node blob not null) strict;
create table type (id integer primary key, view integer not null references view on delete cascade, url text not null,
  is_known integer not null, confirmed_ms integer not null, upstream_version text not null, rows integer not null,
  sum integer not null, checksum integer not null, unique (view, url)) strict;
create table resource (type integer not null references type on delete cascade, name text not null, content blob not null,
  primary key (type, name)) strict;
create table load_attempt (at_ms integer not null) strict;
`;

/** Format 3 knows which server each type came from. */
const thirdStep = `alter table type add column server text not null default ''`;

/** Format 4 knows the scope that each type was kept under, and of each content when it came; rows without that stay as they are. */
const fourthStep = `alter table type add column scope text not null default ''`;

const schema = `${secondSchema}; ${thirdStep}; ${fourthStep}`;

/** From each format to the next. Format 1 was never released; it kept no trust, so nothing of it can be taken over but that it was ours. */
const migrations: ReadonlyMap<number, string> = new Map([
  [1, `drop table if exists resource; drop table if exists type; drop table if exists view; ${secondSchema}`],
  [2, thirdStep],
  [3, fourthStep],
]);

/**
 * Makes sure that a directory is there that only we may enter. A directory of others, or one that others may enter, is refused: the cache
 * may hold keys, and what is in it is served to clients.
 *
 * @throws DiskUnusable with the command that mends it
 */
export function ensurePrivateDirectory(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const found = lstatSync(path);
  if (!found.isDirectory()) {
    throw new DiskUnusable('unsafe', `${path} is no directory (a link is not followed); remove it: rm ${path}`);
  }
  const uid = process.getuid?.();
  if (uid !== undefined && found.uid !== uid) {
    const mend = `chown -R ${uid} ${path}`;
    throw new DiskUnusable('unsafe', `${path} belongs to user ${found.uid}, and this is user ${uid}; mend it: ${mend}`);
  }
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
    throw new DiskUnusable('unsafe', `${path} has mode ${mode}, so others may enter it; mend it: chmod 0700 ${path}`);
  }
}

/**
 * Opens the database for this process alone, or makes it. Whose it is is read from the bytes of the header before SQLite may change
 * anything.
 *
 * @throws DiskUnusable when another process holds it, or it is of another program or a newer format
 * @throws Error of SQLite, or one with `code` NOT_A_DATABASE, when the file is damaged (see {@link isDamage})
 */
export function openDatabase(path: string, note: (note: DiskNote) => void): DatabaseSync {
  checkHeader(path);
  // Files are private from their first moment; nothing else runs under this mask, since opening is one call.
  const previous = process.umask(0o077);
  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
  } finally {
    process.umask(previous);
  }
  try {
    const mask = process.umask(0o077);
    try {
      // Only a database that is made now takes it: pages that get free go back to the file system.
      db.exec('pragma locking_mode = exclusive; pragma auto_vacuum = incremental');
      // The first access takes the lock, which is then kept: WAL in exclusive mode needs no shared memory.
      db.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on; begin immediate');
    } finally {
      process.umask(mask);
    }
    const version = Number(db.prepare('pragma user_version').get()?.['user_version']);
    if (db.prepare('select count(*) as n from sqlite_schema').get()?.['n'] === 0) {
      db.exec(`${schema}; pragma application_id = ${applicationId}; pragma user_version = ${formatVersion}`);
    } else if (version !== formatVersion) {
      for (let at = version; at < formatVersion; at++) {
        const step = migrations.get(at);
        if (step === undefined) throw new Error(`no way leads from cache format ${at} to ${formatVersion}`);
        db.exec(`${step}; pragma user_version = ${at + 1}`);
      }
      note({ kind: 'disk_migrated', fromVersion: version, toVersion: formatVersion });
    }
    db.exec('commit');
    // So that our own checkpoints decide when a commit takes longer; and nothing is left of what was not to stay there.
    db.exec('pragma wal_autocheckpoint = 0; pragma secure_delete = on');
    return db;
  } catch (error) {
    db.close();
    if (isBusy(error)) {
      const message = `another process holds ${path}; give each agent a cache directory of its own`;
      throw new DiskUnusable('locked', message, { cause: error });
    }
    throw error;
  }
}

function checkHeader(path: string): void {
  if (!existsSync(path)) return;
  const header = Buffer.alloc(headerBytes);
  const file = openSync(path, 'r');
  let length: number;
  try {
    length = readSync(file, header, 0, headerBytes, 0);
  } finally {
    closeSync(file);
  }
  if (length < headerBytes || !header.subarray(0, magic.length).equals(magic)) {
    // A file that SQLite was never able to write to: our own start that was cut short leaves a WAL beside it.
    if (length === 0 && existsSync(`${path}-wal`)) return;
    throw Object.assign(new Error(length === 0 ? 'the file is empty' : 'the file is no database'), {
      code: 'NOT_A_DATABASE',
    });
  }
  // What stands in the WAL only is ours for certain: others do not write WAL files under this name.
  const id = header.readUInt32BE(68);
  const version = header.readUInt32BE(60);
  if (id === 0 && version === 0 && existsSync(`${path}-wal`)) return;
  if (id !== applicationId) {
    throw new DiskUnusable(
      'foreign',
      `${path} is the database of another program; choose another cache directory, or move the file away`,
    );
  }
  if (version > formatVersion) {
    throw new DiskUnusable(
      'newer',
      `${path} has cache format ${version}, and this version of weir knows ${formatVersion} at most; move it away, or run the version that wrote it`,
    );
  }
}

/**
 * Notes that a load begins, durably.
 *
 * @returns false when the process died so often lately while it loaded this file, or soon after, that the file seems to be the cause
 */
export function beginLoad(db: DatabaseSync, nowWallMs: number): boolean {
  db.prepare('delete from load_attempt where at_ms < ? or at_ms > ?').run(nowWallMs - crashWindowMs, nowWallMs);
  const crashes = Number(db.prepare('select count(*) as n from load_attempt').get()?.['n']);
  if (crashes >= crashesMax) return false;
  insertAttempt(db, nowWallMs);
  return true;
}

/** The load came to an end, and the process lives. A kill from outside from now on is no fault of the file. */
export function endLoad(db: DatabaseSync): void {
  db.exec('delete from load_attempt where rowid = (select max(rowid) from load_attempt)');
}

/** The process dies of an error of its own after all. */
export function noteCrash(db: DatabaseSync, nowWallMs: number): void {
  if (db.isTransaction) db.exec('rollback');
  insertAttempt(db, nowWallMs);
}

function insertAttempt(db: DatabaseSync, nowWallMs: number): void {
  db.exec('pragma synchronous = full');
  db.prepare('insert into load_attempt (at_ms) values (?)').run(Math.round(nowWallMs));
  db.exec('pragma synchronous = normal');
}

/** Moves a file away, with what belongs to it; returns its new path. The oldest of those moved away before make room. */
export function setAside(path: string, nowWallMs: number): string {
  const stamp = new Date(nowWallMs).toISOString().replace(/[-:]/g, '');
  let target = `${path}.damaged-${stamp}`;
  for (let n = 1; existsSync(target); n++) target = `${path}.damaged-${stamp}-${n}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
  }
  const prefix = `${basename(path)}.damaged-`;
  const older = readdirSync(dirname(path)).filter(name => name.startsWith(prefix) && !/-(wal|shm)$/.test(name));
  for (const name of older.sort().reverse().slice(setAsideMax)) {
    for (const suffix of ['', '-wal', '-shm']) rmSync(join(dirname(path), name + suffix), { force: true });
  }
  return target;
}

/** SQLite's primary result code of an error, undefined for errors of others. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return Number(error.errcode) & 0xff;
}

/** SQLITE_BUSY and SQLITE_LOCKED. */
function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === 5 || code === 6;
}

/** SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_MISMATCH, tables or columns that are not there, and what the header says. */
export function isDamage(error: unknown): boolean {
  if (error instanceof Error && 'code' in error && error.code === 'NOT_A_DATABASE') return true;
  const code = sqliteCode(error);
  if (code === 1) return error instanceof Error && /no such (table|column)/.test(error.message);
  return code === 11 || code === 20 || code === 26;
}

/** Size of a file in bytes; 0 for one that is not there. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
