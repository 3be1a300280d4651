import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { TypeUrl, ViewKey } from '../xds/types.ts';
import { addChecksum, type Row, recordLayout, rowForms } from './disk-rows.ts';
import type { DiskChange } from './stored.ts';

/** A view as its table has it. */
export interface ViewRow {
  readonly id: number;
  readonly key: ViewKey;
  readonly matchKey: string;
  readonly node: Buffer;
  readonly usedMs: number;
}

/** A type as its table has it, with what its rows add up to: SQLite does not notice a row that a flipped byte has taken away. */
export interface TypeRow {
  readonly id: number;
  readonly viewId: number;
  readonly typeUrl: TypeUrl;
  isKnown: boolean;
  confirmedWallMs: number;
  upstreamVersion: string;
  server: string;
  scope: string;
  /** Number of rows, and the sum of their checksums. */
  rows: number;
  sum: number;
  /** The row of the type itself is as it was written. */
  readonly isSound: boolean;
}

/** Rows read as one piece. A body that is held keeps its whole piece in memory, so a piece is small. */
const rowsPerPiece = 256;

/** A row as it is read one by one. */
export type StoredRow = Omit<Row, 'checksum'>;

/** A view as `weir cache ls` shows it. */
export interface ListedView {
  readonly viewKey: string;
  /** Encoded Node. */
  readonly node: Buffer;
  readonly usedWallMs: number;
  readonly types: readonly ListedType[];
}

/** A type in such a list. */
export interface ListedType {
  readonly typeUrl: string;
  readonly isKnown: boolean;
  readonly confirmedWallMs: number;
  readonly resources: number;
  readonly bytes: number;
  readonly quarantined: number;
  readonly withheld: number;
  readonly sealed: number;
}

/** How far the time at which a view was used last may be behind, in ms: to write it costs the whole Node. */
const usedLagMs = 60_000;

const columns = 'id, key, match_key, used_ms, checksum, node';

/** The tables of the disk cache: every statement there is. Transactions are the caller's. */
export class DiskTables {
  readonly db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #viewIds = new Map<ViewKey, number>();
  /** Types in use, as they stand in the tables or will at the end of the burst. */
  readonly #types = new Map<string, TypeRow>();
  readonly #dirty = new Set<TypeRow>();

  constructor(db: DatabaseSync) {
    this.db = db;
    this.#statements = prepare(db);
  }

  counts(): { views: number; resources: number } {
    const row = this.#statements.counts.get();
    return { views: Number(row?.['views']), resources: Number(row?.['resources']) };
  }

  /** How many resources the types add up to: their rows are not counted for it. */
  resources(): number {
    return Number(this.#statements.resources.get()?.['resources']);
  }

  newestView(): ViewRow | undefined {
    return viewOf(this.#statements.newestView.get());
  }

  /** Those with this match key, the one used last first. */
  viewsByMatch(matchKey: string): ViewRow[] {
    return this.#statements.viewsByMatch.all(matchKey).flatMap(row => viewOf(row) ?? []);
  }

  /** Whether anything was ever written of a view: a resource, or a set that is whole. */
  holdsAnything(viewId: number): boolean {
    return this.#statements.holdsAnything.get(viewId, viewId) !== undefined;
  }

  /** All views, the one used last first. */
  views(): ViewRow[] {
    return this.#statements.views.all().flatMap(row => viewOf(row) ?? []);
  }

  types(viewId: number): TypeRow[] {
    return this.#statements.types.all(viewId).map(typeOf);
  }

  /**
   * The records of a type, many in one piece: ten thousand take 10 ms, and row by row 30, most of it for a memory block each. Undefined in the
   * place of a piece that is too large for that.
   */
  *records(typeId: number): Generator<Buffer | undefined> {
    let last: string | undefined;
    for (let rows = rowsPerPiece; rows === rowsPerPiece; ) {
      let piece: Record<string, unknown> | undefined;
      try {
        const { firstRecords, nextRecords } = this.#statements;
        piece =
          last === undefined ? firstRecords.get(typeId, rowsPerPiece) : nextRecords.get(typeId, last, rowsPerPiece);
      } catch (error) {
        if (!isTooLarge(error)) throw error;
        yield undefined;
        return;
      }
      rows = Number(piece?.['rows']);
      last = String(piece?.['last']);
      if (rows > 0) yield bufferOf(piece?.['records']);
    }
  }

  /** The rows of a type one by one. */
  *rows(typeId: number): Generator<StoredRow> {
    for (const { name, content } of this.#statements.rows.iterate(typeId)) {
      yield { name: String(name), content: bufferOf(content) };
    }
  }

  list(): ListedView[] {
    return this.views().map(({ id, key, node, usedMs }) => ({
      viewKey: key,
      node,
      usedWallMs: usedMs,
      types: this.#statements.list.all(id).map(row => ({
        typeUrl: String(row['url']),
        isKnown: row['is_known'] === 1,
        confirmedWallMs: Number(row['confirmed_ms']),
        resources: Number(row['resources']),
        bytes: Number(row['bytes']),
        quarantined: Number(row['quarantined']),
        withheld: Number(row['withheld']),
        sealed: Number(row['sealed']),
      })),
    }));
  }

  /** As {@link apply}. */
  put(viewKey: ViewKey, typeUrl: TypeUrl, { name, content, checksum }: Row): void {
    const type = this.#type(viewKey, typeUrl);
    if (!type) return;
    this.#subtract(type, name);
    this.#statements.put.run(type.id, name, content);
    type.rows++;
    type.sum = addChecksum(type.sum, checksum);
  }

  /** What belongs to a view that is not there is passed over: it was dropped, and parts of it must not come back as the whole. */
  apply(change: Exclude<DiskChange, { kind: 'put' }>): void {
    const statements = this.#statements;
    if (change.kind === 'view') {
      const { viewKey, matchKey, node, wallMs, replaces } = change;
      if (replaces !== undefined && replaces !== viewKey) {
        this.finish(wallMs);
        // What the new key had before is older than what it takes over; if that is not there, it has taken it over already.
        if (statements.viewId.get(replaces)) statements.dropView.run(viewKey);
        statements.rekeyView.run(viewKey, replaces);
        this.forgetIds();
      }
      const usedMs = Math.round(wallMs);
      statements.putView.run(viewKey, matchKey, usedMs, checksumOfView(viewKey, matchKey, usedMs, node), node);
      return;
    }
    const type = this.#type(change.viewKey, change.typeUrl);
    if (!type) return;
    if (change.kind === 'delete') {
      this.#subtract(type, change.name);
      statements.delete.run(type.id, change.name);
    } else if (change.kind === 'clear') {
      statements.clear.run(type.id);
      type.rows = 0;
      type.sum = 0;
    } else {
      const { isKnown, confirmedWallMs, upstreamVersion, server, scope } = change.state;
      type.isKnown = isKnown;
      type.confirmedWallMs = Math.round(confirmedWallMs);
      type.upstreamVersion = upstreamVersion;
      type.server = server;
      type.scope = scope;
    }
  }

  /** Writes what the types add up to, and that their views are in use: the last thing before a commit. */
  finish(wallMs: number): void {
    const usedMs = Math.round(wallMs);
    for (const id of new Set([...this.#dirty].map(type => type.viewId))) {
      const view = viewOf(this.#statements.viewById.get(id));
      if (!view || view.usedMs + usedLagMs > usedMs) continue;
      this.#statements.touchView.run(usedMs, checksumOfView(view.key, view.matchKey, usedMs, view.node), id);
    }
    for (const type of this.#dirty) {
      const { id, isKnown, confirmedWallMs, upstreamVersion, server, scope, rows, sum } = type;
      const state = [isKnown ? 1 : 0, confirmedWallMs, upstreamVersion, server, scope] as const;
      this.#statements.setType.run(...state, rows, sum, checksumOfType(type), id);
    }
    this.#dirty.clear();
  }

  /** Keeps the views used last. */
  dropOldViews(max: number): void {
    if (Number(this.#statements.dropOldViews.run(max).changes) > 0) this.forgetIds();
  }

  /** Drops the view used longest ago, unless it is the only one; returns its key. */
  dropOldestView(): string | undefined {
    const key = this.views().slice(1).at(-1)?.key;
    if (key !== undefined) this.dropViews(key);
    return key;
  }

  /** Drops one view, or all; returns how many. */
  dropViews(key?: string): number {
    const { changes } = key === undefined ? this.#statements.dropAll.run() : this.#statements.dropView.run(key);
    this.forgetIds();
    return Number(changes);
  }

  /** Row ids that a rollback may have taken away must not be used again. */
  forgetIds(): void {
    this.#viewIds.clear();
    this.#types.clear();
    this.#dirty.clear();
  }

  /** What the pages in use take, in bytes: less than the file after something was deleted. */
  liveBytes(): number {
    const row = this.#statements.liveBytes.get();
    return Number(row?.['bytes']);
  }

  /** Brings the WAL into the file, gives free pages back, and starts the WAL anew. */
  checkpoint(): void {
    if (!this.db.isTransaction) this.db.exec('pragma incremental_vacuum; pragma wal_checkpoint(truncate)');
  }

  /** The type's row, made when first needed; it is written at the end. Undefined without its view. */
  #type(viewKey: ViewKey, typeUrl: TypeUrl): TypeRow | undefined {
    const key = `${viewKey}\n${typeUrl}`;
    const known = this.#types.get(key) ?? this.#findType(viewKey, typeUrl);
    if (!known) return undefined;
    this.#types.set(key, known);
    this.#dirty.add(known);
    return known;
  }

  #findType(viewKey: ViewKey, typeUrl: TypeUrl): TypeRow | undefined {
    let view = this.#viewIds.get(viewKey);
    if (view === undefined) {
      const row = this.#statements.viewId.get(viewKey);
      if (!row) return undefined;
      view = Number(row['id']);
      this.#viewIds.set(viewKey, view);
    }
    this.#statements.addType.run(view, typeUrl);
    const row = this.#statements.type.get(view, typeUrl);
    if (!row) throw new Error(`the cache takes no type ${typeUrl}`);
    const type = typeOf(row);
    // What a damaged row says of completeness must not become sound by being written again.
    if (!type.isSound) type.isKnown = false;
    return type;
  }

  /** Takes the row of a name out of what the type adds up to. */
  #subtract(type: TypeRow, name: string): void {
    const old = this.#statements.checksum.get(type.id, name);
    if (!old) return;
    type.rows--;
    const checksum = bufferOf(old['checksum']);
    // A damaged row that is shorter than that makes the type one that does not add up.
    if (checksum.length === 4) type.sum = addChecksum(type.sum, 2 ** 48 - checksum.readUInt32LE());
  }
}

function prepare(db: DatabaseSync) {
  const sql = {
    counts: 'select (select count(*) from view) as views, (select count(*) from resource) as resources',
    resources: 'select coalesce(sum(rows), 0) as resources from type',
    liveBytes: `select (page_count - freelist_count) * page_size as bytes
      from pragma_page_count, pragma_freelist_count, pragma_page_size`,
    newestView: `select ${columns} from view order by used_ms desc, id desc limit 1`,
    viewsByMatch: `select ${columns} from view where match_key = ? order by used_ms desc, id desc`,
    holdsAnything:
      'select 1 from type where view = ? and is_known union all select 1 from type join resource on resource.type = type.id where view = ? limit 1',
    views: `select ${columns} from view order by used_ms desc, id desc`,
    viewId: 'select id from view where key = ?',
    putView:
      'insert into view (key, match_key, used_ms, checksum, node) values (?, ?, ?, ?, ?) on conflict (key) do update set match_key = excluded.match_key, used_ms = excluded.used_ms, checksum = excluded.checksum, node = excluded.node',
    viewById: `select ${columns} from view where id = ?`,
    touchView: 'update view set used_ms = ?, checksum = ? where id = ?',
    rekeyView: 'update view set key = ? where key = ?',
    dropView: 'delete from view where key = ?',
    dropAll: 'delete from view',
    dropOldViews: 'delete from view where id not in (select id from view order by used_ms desc, id desc limit ?)',
    types: 'select * from type where view = ? order by id',
    list: `select url, is_known, confirmed_ms, count(name) as resources, coalesce(sum(length(content)), 0) as bytes,
      ${count('trust', 0)} as quarantined, ${count('form', rowForms.withheld)} as withheld, ${count('form', rowForms.sealed)} as sealed
      from type left join resource on resource.type = type.id where view = ? group by type.id order by type.id`,
    type: 'select * from type where view = ? and url = ?',
    addType: `insert into type (view, url, is_known, confirmed_ms, upstream_version, rows, sum, checksum)
      values (?, ?, 0, 0, '', 0, 0, 0) on conflict do nothing`,
    setType:
      'update type set is_known = ?, confirmed_ms = ?, upstream_version = ?, server = ?, scope = ?, rows = ?, sum = ?, checksum = ? where id = ?',
    // Blobs are put together as they are; that nothing of them was changed on the way is proven by their checksums.
    firstRecords: recordsFrom('select name, content from resource where type = ? order by name limit ?'),
    nextRecords: recordsFrom('select name, content from resource where type = ? and name > ? order by name limit ?'),
    rows: 'select name, content from resource where type = ?',
    // Half the time of `insert or replace`, which would look for more than one row to replace.
    put: 'insert into resource (type, name, content) values (?, ?, ?) on conflict do update set content = excluded.content',
    checksum: `select substr(content, ${recordLayout.checksum + 1}, 4) as checksum from resource where type = ? and name = ?`,
    delete: 'delete from resource where type = ? and name = ?',
    clear: 'delete from resource where type = ?',
  };
  const statements: Record<string, StatementSync> = {};
  for (const [name, text] of Object.entries(sql)) statements[name] = db.prepare(text);
  return statements as { readonly [K in keyof typeof sql]: StatementSync }; // Filled from the same keys.
}

/** Puts the records of so many rows together. */
function recordsFrom(rows: string): string {
  return `select cast(group_concat(content || name, '') as blob) as records, max(name) as last, count(*) as rows from (${rows})`;
}

/** Counts rows by one byte of their records. */
function count(part: 'trust' | 'form', value: number): string {
  return `coalesce(sum(substr(content, ${recordLayout[part] + 1}, 1) = x'0${value}'), 0)`;
}

/** SQLITE_TOOBIG: a piece past SQLite's limit of 1 GB. */
function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 18;
}

/** A view whose row is not as it was written is none: its node would go upstream. */
function viewOf(row: Record<string, unknown> | undefined): ViewRow | undefined {
  if (!row) return undefined;
  const key = String(row['key']) as ViewKey;
  const matchKey = String(row['match_key']);
  const usedMs = Number(row['used_ms']);
  const node = bufferOf(row['node']);
  if (checksumOfView(key, matchKey, usedMs, node) !== Number(row['checksum'])) return undefined;
  return { id: Number(row['id']), key, matchKey, node, usedMs };
}

function typeOf(row: Record<string, unknown>): TypeRow {
  const type = {
    id: Number(row['id']),
    viewId: Number(row['view']),
    typeUrl: String(row['url']) as TypeUrl,
    isKnown: row['is_known'] === 1,
    confirmedWallMs: Number(row['confirmed_ms']),
    upstreamVersion: String(row['upstream_version']),
    server: String(row['server']),
    scope: String(row['scope']),
    rows: Number(row['rows']),
    sum: Number(row['sum']),
  };
  return { ...type, isSound: Number(row['checksum']) === checksumOfType(type) };
}

function checksumOfType(type: Omit<TypeRow, 'isSound' | 'viewId'>): number {
  const { id, typeUrl, isKnown, confirmedWallMs, upstreamVersion, server, scope, rows, sum } = type;
  const said = [id, typeUrl, isKnown, confirmedWallMs, upstreamVersion, rows, sum];
  // Rows of format 2 have no server, those of format 3 no scope, and stay sound.
  const since = scope !== '' ? [server, scope] : server !== '' ? [server] : [];
  return crc32(JSON.stringify([...said, ...since]));
}

function checksumOfView(key: string, matchKey: string, usedMs: number, node: Buffer): number {
  return crc32(node, crc32(JSON.stringify([key, matchKey, usedMs])));
}

/** SQLite gives blobs as Uint8Array of their own memory. */
function bufferOf(blob: unknown): Buffer {
  if (!(blob instanceof Uint8Array)) return Buffer.alloc(0);
  return Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
}
