import type { ViewKey } from '../xds/types.ts';
import type { DiskNote } from './disk-notes.ts';
import { type ReadRow, type RowProtector, readRecords } from './disk-rows.ts';
import { type DiskTables, isWhole, type StoredRow, type TypeRow, type ViewRow } from './disk-tables.ts';
import type { DiskChange, StoredResource, StoredType, StoredView } from './stored.ts';

/** Names in a note. */
const namedMax = 20;

/** What reading rows needs besides the rows. */
export interface LoadContext {
  readonly protector: RowProtector;
  readonly note: (note: DiskNote) => void;
  /** A row is as it should not stay: sealed with the key before. */
  readonly renew: (change: DiskChange) => void;
}

/** Reads a view with all its types. What cannot be read is noted, and costs its type the claim to be a whole set (R104). */
export function loadView(
  tables: DiskTables,
  { id, key, matchKey, node, usedMs }: ViewRow,
  context: LoadContext,
): StoredView {
  const types = tables.types(id).map(type => loadType(tables, key, type, context));
  return { viewKey: key, matchKey, node, usedWallMs: usedMs, provenance: 'disk', types };
}

function loadType(
  tables: DiskTables,
  viewKey: ViewKey,
  type: TypeRow,
  { protector, note, renew }: LoadContext,
): StoredType {
  const { typeUrl } = type;
  const resources: StoredResource[] = [];
  const missing = new Map<string, string[]>();
  const rows = readRows(tables, type, protector);
  for (const read of rows) {
    if ('missing' in read) {
      const names = missing.get(read.missing) ?? [];
      missing.set(read.missing, names);
      names.push(read.name);
      continue;
    }
    resources.push(read.resource);
    if (read.isOldKey) renew({ kind: 'put', viewKey, typeUrl, resource: read.resource });
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

/** Reads many rows at a time, and one by one what is not sound as it stands: then it is known whose row is damaged. */
function readRows(tables: DiskTables, type: TypeRow, protector: RowProtector): ReadRow[] {
  const found: ReadRow[] = [];
  for (const records of tables.records(type.id)) {
    const read = records && readRecords(records, protector, type.typeUrl);
    if (!read) return [...tables.rows(type.id)].map(row => readRow(row, protector, type.typeUrl));
    for (const one of read) found.push(one);
  }
  return found;
}

function readRow({ name, content }: StoredRow, protector: RowProtector, context: string): ReadRow {
  const read = readRecords(Buffer.concat([content, Buffer.from(name)]), protector, context);
  return read?.length === 1 && read[0] ? read[0] : { missing: 'damaged', name, checksum: 0 };
}
