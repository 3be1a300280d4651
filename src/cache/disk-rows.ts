import { crc32 } from 'node:zlib';
import type { TypeUrl } from '../xds/types.ts';
import type { Refusal, StoredContent, StoredResource, Trust } from './stored.ts';

/** What may be written of a resource, and how. */
export type Protection = { readonly kind: 'plain' | 'seal' } | { readonly kind: 'withhold'; readonly why: string };

/** Keeps secrets off the disk, or seals them (R104). */
export interface RowProtector {
  protect(typeUrl: TypeUrl, resource: StoredResource): Protection;
  /** @param context binds the sealed bytes to their row */
  seal(plain: Buffer, context: string): Buffer;
  open(
    sealed: Buffer,
    context: string,
  ): { readonly plain: Buffer; readonly isCurrentKey: boolean } | { readonly error: string };
}

/** How the content column of a row is to be read. */
export const rowForms = { plain: 0, sealed: 1, withheld: 2 } as const;

/** A row as it stands in the table. */
export interface Row {
  readonly name: string;
  readonly trust: number;
  readonly form: number;
  readonly content: Buffer;
  /** CRC-32 of the rest: SQLite does not notice flipped bytes in a row (perf-facts.md). */
  readonly checksum: number;
}

const trusts: readonly Trust[] = ['refused', 'presumed', 'accepted'];
const nothing = Buffer.alloc(0);

/** Makes the row of a resource. @param context what sealed bytes are bound to besides the name: the type, not the view, whose key may change */
export function encodeRow(
  resource: StoredResource,
  protection: Protection,
  protector: RowProtector,
  context: string,
): Row {
  const { name } = resource;
  const trust = trusts.indexOf(resource.trust);
  const form =
    protection.kind === 'withhold' ? rowForms.withheld : protection.kind === 'seal' ? rowForms.sealed : rowForms.plain;
  let content: Buffer = nothing;
  if (form !== rowForms.withheld) content = encodeContent(resource);
  if (form === rowForms.sealed) content = protector.seal(content, `${context}\n${name}`);
  return { name, trust, form, content, checksum: checksumOf(name, trust, form, content) };
}

/** What a row turned out to be. */
export type ReadRow =
  | { readonly resource: StoredResource; readonly isOldKey: boolean }
  | { readonly missing: 'damaged' | 'withheld' | 'sealed with another key' };

/** Reads a row. Whatever the bytes are, it gives the resource that was written or says that it is missing. */
export function decodeRow(row: Row, protector: RowProtector, context: string): ReadRow {
  const { name, trust, form, content } = row;
  if (checksumOf(name, trust, form, content) !== row.checksum) return { missing: 'damaged' };
  if (form === rowForms.withheld) return { missing: 'withheld' };
  let plain = content;
  let isOldKey = false;
  if (form === rowForms.sealed) {
    const opened = protector.open(content, `${context}\n${name}`);
    if ('error' in opened) return { missing: 'sealed with another key' };
    plain = opened.plain;
    isOldKey = !opened.isCurrentKey;
  }
  const resource = decodeContent(name, trusts[trust] ?? 'presumed', plain);
  return resource ? { resource, isOldKey } : { missing: 'damaged' };
}

function checksumOf(name: string, trust: number, form: number, content: Buffer): number {
  return crc32(content, crc32(name, trust * 8 + form + 1));
}

/** The content of a resource as one piece: length-prefixed fields, lengths as uint32 LE, 0xffffffff for a field that is not there. */
function encodeContent(resource: StoredResource): Buffer {
  const { refusal, good, deadlineWallMs } = resource;
  const meta =
    refusal || deadlineWallMs !== undefined ? Buffer.from(JSON.stringify({ refusal, deadlineWallMs })) : undefined;
  return fields([...contentFields(resource), ...(good ? contentFields(good) : []), meta], good !== undefined);
}

function contentFields({ version, any, extra }: StoredContent): (Buffer | undefined)[] {
  return [Buffer.from(version), any, extra];
}

function fields(values: readonly (Buffer | undefined)[], hasGood: boolean): Buffer {
  let size = 1;
  for (const value of values) size += 4 + (value?.length ?? 0);
  const bytes = Buffer.allocUnsafe(size);
  bytes[0] = hasGood ? 1 : 0;
  let at = 1;
  for (const value of values) {
    at = bytes.writeUInt32LE(value?.length ?? 0xffff_ffff, at);
    if (value) at += value.copy(bytes, at);
  }
  return bytes;
}

/** Reads what {@link encodeContent} wrote; undefined for anything else. */
function decodeContent(name: string, trust: Trust, bytes: Buffer): StoredResource | undefined {
  const values: (Buffer | undefined)[] = [];
  for (let at = 1; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    at += 4;
    if (length === 0xffff_ffff) values.push(undefined);
    else if (at + length > bytes.length) return undefined;
    else {
      values.push(bytes.subarray(at, at + length));
      at += length;
    }
  }
  const hasGood = bytes[0] === 1;
  if (values.length !== (hasGood ? 7 : 4)) return undefined;
  const current = contentOf(values.slice(0, 3));
  const good = hasGood ? contentOf(values.slice(3, 6)) : undefined;
  const meta = values.at(-1);
  const { refusal, deadlineWallMs } = meta ? readMeta(meta) : noMeta;
  return { name, ...current, trust, refusal, good, deadlineWallMs };
}

type Meta = Pick<StoredResource, 'refusal' | 'deadlineWallMs'>;
const noMeta: Meta = { refusal: undefined, deadlineWallMs: undefined };

/** The checksum is no proof against somebody who means it, so nothing is taken for granted. */
function readMeta(bytes: Buffer): Meta {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    return noMeta;
  }
  if (typeof value !== 'object' || value === null) return noMeta;
  const { refusal, deadlineWallMs } = value as Record<string, unknown>;
  return {
    refusal: isRefusal(refusal) ? refusal : undefined,
    deadlineWallMs: typeof deadlineWallMs === 'number' ? deadlineWallMs : undefined,
  };
}

function isRefusal(value: unknown): value is Refusal {
  if (typeof value !== 'object' || value === null) return false;
  const { words, isNamed, sinceWallMs } = value as Record<string, unknown>;
  return typeof words === 'string' && typeof isNamed === 'boolean' && typeof sinceWallMs === 'number';
}

function contentOf([version, any, extra]: readonly (Buffer | undefined)[]): StoredContent {
  return { version: version?.toString() ?? '', any: any ?? nothing, extra };
}
