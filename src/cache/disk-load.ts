import type { TypeUrl, ViewKey } from '../xds/types.ts';
import type { DiskNote } from './disk-notes.ts';
import { FoundRows, type RowProtector, readRecords } from './disk-rows.ts';
import type { DiskTables, TypeRow, ViewRow } from './disk-tables.ts';
import type { DiskChange, StoredType, StoredView } from './stored.ts';

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
  const { typeUrl, isKnown, confirmedWallMs, upstreamVersion, server, scope } = type;
  const { resources, missing, outdated, count, sum } = readRows(tables, type, protector);
  for (const resource of outdated) renew({ kind: 'put', viewKey, typeUrl, resource });
  // Damage may have taken rows away, or be in what says whether it is a set at all.
  const isWhole = type.isSound && count === type.rows && sum === type.sum;
  if (missing.size === 0 && !isWhole) missing.set('damaged', []);
  const isSetLost = (type.isKnown || !type.isSound) && missing.size > 0;
  for (const [reason, names] of missing) {
    const some = names.slice(0, namedMax);
    note({ kind: 'disk_rows_missing', typeUrl, names: some, count: names.length, reason, isSetLost });
  }
  // A set without some of its parts is no set (R104); names stand for themselves.
  const state = { confirmedWallMs, upstreamVersion, server, scope };
  if (isSetLost) return { typeUrl, isKnown: false, ...state, resources: [] };
  return { typeUrl, isKnown, ...state, resources };
}

/** Reads many rows at a time, and one by one what is not sound as it stands: then it is known whose row is damaged. */
function readRows(tables: DiskTables, { id, typeUrl }: TypeRow, protector: RowProtector): FoundRows {
  const found = new FoundRows();
  for (const records of tables.records(id)) {
    if (!records || !readRecords(records, found, protector, typeUrl))
      return readRowByRow(tables, id, typeUrl, protector);
  }
  return found;
}

function readRowByRow(tables: DiskTables, typeId: number, typeUrl: TypeUrl, protector: RowProtector): FoundRows {
  const found = new FoundRows();
  for (const { name, content } of tables.rows(typeId)) {
    const before = found.count;
    const isSound = readRecords(Buffer.concat([content, Buffer.from(name)]), found, protector, typeUrl);
    if (!isSound || found.count !== before + 1) found.miss(name, 'damaged');
  }
  return found;
}
