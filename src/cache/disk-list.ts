import { versionInBody } from '../xds/resource-name.ts';
import { FoundRows, type RowProtector, readRecords } from './disk-rows.ts';
import type { DiskTables, TypeRow, ViewRow } from './disk-tables.ts';
import { isSecretType } from './sensitivity.ts';
import type { StoredResource, Trust } from './stored.ts';

/** A row of a type as `weir cache ls` shows it: everything but the content. */
export interface ListedRow {
  readonly viewKey: string;
  readonly typeUrl: string;
  /** Empty for damaged rows, whose names are not certain. */
  readonly name: string;
  readonly state: 'kept' | 'withheld' | 'sealed with another key' | 'damaged';
  /** Upstream's per-resource version; empty where it gave none, and for secrets. */
  readonly version: string;
  readonly metadataVersion: string | undefined;
  /** Size of the body; 0 for secrets, and where only the name is there. */
  readonly bytes: number;
  /** Undefined where only the name can be read. */
  readonly trust: Trust | undefined;
  readonly changedWallMs: number | undefined;
  readonly confirmedWallMs: number;
  readonly endsWallMs: number | undefined;
}

/**
 * Reads the rows of a type, of one view or of all, a piece at a time. Damage costs the piece that it is in, and is one row without a name in the
 * listing.
 */
export function* listRows(
  tables: DiskTables,
  protector: RowProtector,
  typeUrl: string,
  viewKey?: string,
): Generator<ListedRow> {
  for (const view of tables.views()) {
    if (viewKey !== undefined && view.key !== viewKey) continue;
    for (const type of tables.types(view.id)) {
      if (type.typeUrl === typeUrl) yield* listType(tables, protector, view, type);
    }
  }
}

function* listType(tables: DiskTables, protector: RowProtector, view: ViewRow, type: TypeRow): Generator<ListedRow> {
  const { typeUrl, confirmedWallMs } = type;
  const base = { viewKey: view.key, typeUrl, confirmedWallMs };
  for (const records of tables.records(type.id)) {
    const found = new FoundRows();
    const isSound = records !== undefined && readRecords(records, found, protector, typeUrl);
    for (const resource of found.resources) yield { ...base, ...rowOf(resource, isSecretType(typeUrl)) };
    for (const [state, names] of found.missing) for (const name of names) yield { ...base, ...nothingOf(name, state) };
    if (!isSound) yield { ...base, ...nothingOf('', 'damaged') };
  }
}

type Row = Omit<ListedRow, 'viewKey' | 'typeUrl' | 'confirmedWallMs'>;

function rowOf({ name, version, any, trust, changedWallMs, deadlineWallMs }: StoredResource, isSecret: boolean): Row {
  return {
    name,
    state: 'kept',
    version: isSecret ? '' : version,
    metadataVersion: isSecret ? undefined : versionInBody(any),
    bytes: isSecret ? 0 : any.length,
    trust,
    changedWallMs,
    endsWallMs: deadlineWallMs,
  };
}

function nothingOf(name: string, state: Exclude<Row['state'], 'kept'>): Row {
  const unknown = { trust: undefined, changedWallMs: undefined, endsWallMs: undefined };
  return { name, state, version: '', metadataVersion: undefined, bytes: 0, ...unknown };
}
