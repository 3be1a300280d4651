import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { TypeUrl, ViewKey } from '../xds/types.ts';
import type { Row } from './disk-rows.ts';
import type { DiskChange } from './stored.ts';

/** A view as its table has it. */
export interface ViewRow {
  readonly id: number;
  readonly key: ViewKey;
  readonly matchKey: string;
  readonly node: Buffer;
  readonly usedMs: number;
}

/** A type as its table has it. */
export interface TypeRow {
  readonly id: number;
  readonly typeUrl: TypeUrl;
  readonly isKnown: boolean;
  readonly confirmedWallMs: number;
  readonly upstreamVersion: string;
}

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

const columns = 'id, key, match_key, node, used_ms';

/** The tables of the disk cache: every statement there is. Transactions are the caller's. */
export class DiskTables {
  readonly db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #viewIds = new Map<ViewKey, number>();
  readonly #typeIds = new Map<string, number>();

  constructor(db: DatabaseSync) {
    this.db = db;
    this.#statements = prepare(db);
  }

  counts(): { views: number; resources: number } {
    const row = this.#statements.counts.get();
    return { views: Number(row?.['views']), resources: Number(row?.['resources']) };
  }

  newestView(): ViewRow | undefined {
    return viewOf(this.#statements.newestView.get());
  }

  viewByMatch(matchKey: string): ViewRow | undefined {
    return viewOf(this.#statements.viewByMatch.get(matchKey));
  }

  /** All views, the one used last first. */
  views(): ViewRow[] {
    return this.#statements.views.all().flatMap(row => viewOf(row) ?? []);
  }

  types(viewId: number): TypeRow[] {
    return this.#statements.types.all(viewId).map(row => ({
      id: Number(row['id']),
      typeUrl: String(row['url']) as TypeUrl,
      isKnown: row['is_known'] === 1,
      confirmedWallMs: Number(row['confirmed_ms']),
      upstreamVersion: String(row['upstream_version']),
    }));
  }

  /** All rows of a type at once: ten thousand of them take 25 ms, and one by one 39. */
  resources(typeId: number): Row[] {
    // Arrays by the statement's own setting, which its type does not know.
    const rows = this.#statements.resources.all(typeId) as unknown as readonly (readonly unknown[])[];
    return rows.map(([name, trust, form, content, checksum]) => ({
      name: String(name),
      trust: Number(trust),
      form: Number(form),
      content: bufferOf(content),
      checksum: Number(checksum),
    }));
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

  put(viewKey: ViewKey, typeUrl: TypeUrl, { name, trust, form, content, checksum }: Row): void {
    this.#statements.put.run(this.#typeId(viewKey, typeUrl), name, trust, form, content, checksum);
  }

  apply(change: Exclude<DiskChange, { kind: 'put' }>): void {
    const statements = this.#statements;
    if (change.kind === 'view') {
      const { viewKey, matchKey, node, wallMs, replaces } = change;
      if (replaces !== undefined && replaces !== viewKey) {
        // What the new key had before is older than what it takes over.
        statements.dropView.run(viewKey);
        statements.rekeyView.run(viewKey, replaces);
        this.forgetIds();
      }
      statements.putView.run(viewKey, matchKey, node, Math.round(wallMs));
      return;
    }
    const type = this.#typeId(change.viewKey, change.typeUrl);
    if (change.kind === 'delete') statements.delete.run(type, change.name);
    else if (change.kind === 'clear') statements.clear.run(type);
    else {
      const { isKnown, confirmedWallMs, upstreamVersion } = change.state;
      statements.setType.run(isKnown ? 1 : 0, Math.round(confirmedWallMs), upstreamVersion, type);
    }
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
    this.#typeIds.clear();
  }

  /** Brings the WAL into the file, gives free pages back, and starts the WAL anew. */
  checkpoint(): void {
    if (!this.db.isTransaction) this.db.exec('pragma incremental_vacuum; pragma wal_checkpoint(truncate)');
  }

  #typeId(viewKey: ViewKey, typeUrl: TypeUrl): number {
    const key = `${viewKey}\n${typeUrl}`;
    const known = this.#typeIds.get(key);
    if (known !== undefined) return known;
    let view = this.#viewIds.get(viewKey);
    if (view === undefined) {
      const row = this.#statements.viewId.get(viewKey);
      if (!row) throw new Error(`the cache has no view ${viewKey}`);
      view = Number(row['id']);
      this.#viewIds.set(viewKey, view);
    }
    this.#statements.addType.run(view, typeUrl);
    const id = Number(this.#statements.typeId.get(view, typeUrl)?.['id']);
    this.#typeIds.set(key, id);
    return id;
  }
}

function prepare(db: DatabaseSync) {
  const sql = {
    counts: 'select (select count(*) from view) as views, (select count(*) from resource) as resources',
    newestView: `select ${columns} from view order by used_ms desc, id desc limit 1`,
    viewByMatch: `select ${columns} from view where match_key = ? order by used_ms desc, id desc limit 1`,
    views: `select ${columns} from view order by used_ms desc, id desc`,
    viewId: 'select id from view where key = ?',
    putView:
      'insert into view (key, match_key, node, used_ms) values (?, ?, ?, ?) on conflict (key) do update set match_key = excluded.match_key, node = excluded.node, used_ms = excluded.used_ms',
    rekeyView: 'update view set key = ? where key = ?',
    dropView: 'delete from view where key = ?',
    dropAll: 'delete from view',
    dropOldViews: 'delete from view where id not in (select id from view order by used_ms desc, id desc limit ?)',
    types: 'select id, url, is_known, confirmed_ms, upstream_version from type where view = ? order by id',
    list: `select url, is_known, confirmed_ms, count(name) as resources, coalesce(sum(length(content)), 0) as bytes,
      coalesce(sum(trust = 0), 0) as quarantined, coalesce(sum(form = 2), 0) as withheld, coalesce(sum(form = 1), 0) as sealed
      from type left join resource on resource.type = type.id where view = ? group by type.id order by type.id`,
    typeId: 'select id from type where view = ? and url = ?',
    addType: 'insert into type (view, url) values (?, ?) on conflict do nothing',
    setType: 'update type set is_known = ?, confirmed_ms = ?, upstream_version = ? where id = ?',
    resources: 'select name, trust, form, content, checksum from resource where type = ?',
    put: 'insert or replace into resource (type, name, trust, form, content, checksum) values (?, ?, ?, ?, ?, ?)',
    delete: 'delete from resource where type = ? and name = ?',
    clear: 'delete from resource where type = ?',
  };
  const statements: Record<string, StatementSync> = {};
  for (const [name, text] of Object.entries(sql)) statements[name] = db.prepare(text);
  statements['resources']?.setReturnArrays(true);
  return statements as { readonly [K in keyof typeof sql]: StatementSync }; // Filled from the same keys.
}

function viewOf(row: Record<string, unknown> | undefined): ViewRow | undefined {
  if (!row) return undefined;
  return {
    id: Number(row['id']),
    key: String(row['key']) as ViewKey,
    matchKey: String(row['match_key']),
    node: bufferOf(row['node']),
    usedMs: Number(row['used_ms']),
  };
}

/** SQLite gives blobs as Uint8Array of their own memory. */
function bufferOf(blob: unknown): Buffer {
  if (!(blob instanceof Uint8Array)) return Buffer.alloc(0);
  return Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
}
