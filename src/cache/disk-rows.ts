import { crc32 } from 'node:zlib';
import type { TypeUrl } from '../xds/types.ts';
import type { Refusal, StoredContent, StoredResource, Trust } from './stored.ts';

/** What may be written of a resource, and how. */
export type Protection =
  | { readonly kind: 'plain' | 'expose' | 'seal' }
  | { readonly kind: 'withhold'; readonly why: string };

/** Keeps secrets off the disk, or seals them (R104). */
export interface RowProtector {
  /** What is sensitive may stand there as it is, by the user's word. */
  readonly mayExpose: boolean;
  protect(typeUrl: TypeUrl, resource: StoredResource): Protection;
  /** @param context binds the sealed bytes to their row */
  seal(plain: Buffer, context: string): Buffer;
  open(
    sealed: Buffer,
    context: string,
  ): { readonly plain: Buffer; readonly isCurrentKey: boolean } | { readonly error: string };
}

/** How the payload of a record is to be read. Exposed is plain, too: what is sensitive and was allowed to be. */
export const rowForms = { plain: 0, sealed: 1, withheld: 2, exposed: 3 } as const;
const formOf = { plain: rowForms.plain, seal: rowForms.sealed, withhold: rowForms.withheld, expose: rowForms.exposed };

/** A row as it stands in the table. Content and name together, in this order, are its record. */
export interface Row {
  readonly name: string;
  readonly content: Buffer;
  /** CRC-32 of the record: SQLite does not notice flipped bytes in a row (perf-facts.md). */
  readonly checksum: number;
}

/** Where the parts of a record are: uint32 LE three times, a byte twice, then what is stored, then the name. */
export const recordLayout = { contentBytes: 0, nameBytes: 4, checksum: 8, trust: 12, form: 13, payload: 14 } as const;

const trusts: readonly Trust[] = ['refused', 'presumed', 'accepted'];
const nothing = Buffer.alloc(0);
/** Stands for a field that is not there. */
const absent = 0xffff_ffff;

/** Makes the row of a resource. @param context what sealed bytes are bound to besides the name: the type, not the view, whose key may change */
export function encodeRow(
  resource: StoredResource,
  protection: Protection,
  protector: RowProtector,
  context: string,
): Row {
  const { name } = resource;
  const form = formOf[protection.kind];
  let payload: Buffer = nothing;
  if (form !== rowForms.withheld) payload = encodeFields(resource);
  if (form === rowForms.sealed) payload = protector.seal(payload, `${context}\n${name}`);
  const { payload: headBytes, trust } = recordLayout;
  const content = Buffer.allocUnsafe(headBytes + payload.length);
  content.writeUInt32LE(content.length, recordLayout.contentBytes);
  content.writeUInt32LE(Buffer.byteLength(name), recordLayout.nameBytes);
  content[recordLayout.trust] = trusts.indexOf(resource.trust);
  content[recordLayout.form] = form;
  payload.copy(content, headBytes);
  const checksum = crc32(name, crc32(content.subarray(trust)));
  content.writeUInt32LE(checksum, recordLayout.checksum);
  return { name, content, checksum };
}

/** What was found in the rows of a type. */
export class FoundRows {
  readonly resources: StoredResource[] = [];
  /** Names that cannot be had, by the reason. */
  readonly missing = new Map<'damaged' | 'withheld' | 'sealed with another key', string[]>();
  /** Those of the resources that do not stand there as they should: sealed with the key before, or exposed. */
  readonly outdated: StoredResource[] = [];
  count = 0;
  /** Of the checksums, as {@link addChecksum} adds them. */
  sum = 0;

  miss(name: string, reason: 'damaged' | 'withheld' | 'sealed with another key'): void {
    const names = this.missing.get(reason);
    if (names) names.push(name);
    else this.missing.set(reason, [name]);
  }
}

/** Adds a checksum to the sum of a type's rows: modulo 2^48, so that it stays exact. */
export function addChecksum(sum: number, checksum: number): number {
  return (sum + checksum) % 2 ** 48;
}

/**
 * Reads records that stand one behind the other. Whatever the bytes are, it gives resources that were written, each whole.
 *
 * @returns false when something is damaged: where the next record begins is not certain then, and what was found before is not all
 */
export function readRecords(records: Buffer, found: FoundRows, protector: RowProtector, context: string): boolean {
  for (let at = 0; at < records.length; ) {
    if (at + recordLayout.payload > records.length) return false;
    const nameAt = at + records.readUInt32LE(at + recordLayout.contentBytes);
    const end = nameAt + records.readUInt32LE(at + recordLayout.nameBytes);
    if (nameAt < at + recordLayout.payload || end > records.length) return false;
    const checksum = records.readUInt32LE(at + recordLayout.checksum);
    if (crc32(records.subarray(at + recordLayout.trust, end)) !== checksum) return false;
    found.count++;
    found.sum = addChecksum(found.sum, checksum);
    readRecord(records, at, nameAt, records.toString('utf8', nameAt, end), found, protector, context);
    at = end;
  }
  return true;
}

function readRecord(
  records: Buffer,
  at: number,
  nameAt: number,
  name: string,
  found: FoundRows,
  protector: RowProtector,
  context: string,
): void {
  const form = records[at + recordLayout.form];
  if (form === rowForms.withheld) return found.miss(name, 'withheld');
  const trust = trusts[records[at + recordLayout.trust] ?? 0] ?? 'presumed';
  const payloadAt = at + recordLayout.payload;
  if (form !== rowForms.sealed) {
    const resource = decodeFields(name, trust, records, payloadAt, nameAt);
    if (!resource) return found.miss(name, 'damaged');
    found.resources.push(resource);
    if (form === rowForms.exposed && !protector.mayExpose) found.outdated.push(resource);
    return;
  }
  const opened = protector.open(records.subarray(payloadAt, nameAt), `${context}\n${name}`);
  if ('error' in opened) return found.miss(name, 'sealed with another key');
  const resource = decodeFields(name, trust, opened.plain, 0, opened.plain.length);
  if (!resource) return found.miss(name, 'damaged');
  found.resources.push(resource);
  if (!opened.isCurrentKey) found.outdated.push(resource);
}

/** First byte of what {@link encodeFields} makes: a content that was good follows the newest; the time of the change stands before the fields. */
const fieldFlags = { good: 1, changed: 2 } as const;

/**
 * A resource besides its name as one piece: flags, maybe the time of its change (float64 LE), length-prefixed fields with lengths as uint32 LE,
 * {@link absent} for one that is not there.
 */
function encodeFields(resource: StoredResource): Buffer {
  const { refusal, good, deadlineWallMs, changedWallMs } = resource;
  const meta =
    refusal || deadlineWallMs !== undefined ? Buffer.from(JSON.stringify({ refusal, deadlineWallMs })) : undefined;
  const values = [...contentFields(resource), ...(good ? contentFields(good) : []), meta];
  let at = 1 + (changedWallMs === undefined ? 0 : 8);
  let size = at;
  for (const value of values) size += 4 + (value?.length ?? 0);
  const bytes = Buffer.allocUnsafe(size);
  bytes[0] = (good ? fieldFlags.good : 0) | (changedWallMs === undefined ? 0 : fieldFlags.changed);
  if (changedWallMs !== undefined) bytes.writeDoubleLE(changedWallMs, 1);
  for (const value of values) {
    at = bytes.writeUInt32LE(value?.length ?? absent, at);
    if (value) at += value.copy(bytes, at);
  }
  return bytes;
}

function contentFields({ version, any, extra }: StoredContent): (Buffer | undefined)[] {
  return [Buffer.from(version), any, extra];
}

/** Reads what {@link encodeFields} wrote, between two places; undefined for anything else. */
function decodeFields(
  name: string,
  trust: Trust,
  bytes: Buffer,
  start: number,
  end: number,
): StoredResource | undefined {
  const flags = bytes[start] ?? 0;
  // Rows of format 3 have no time.
  const hasTime = (flags & fieldFlags.changed) !== 0 && start + 9 <= end;
  const reader = new FieldReader(bytes, start + (hasTime ? 9 : 1), end);
  const { version, any, extra } = reader.content();
  const good = (flags & fieldFlags.good) !== 0 ? reader.content() : undefined;
  const meta = reader.field();
  if (!reader.isAtEnd) return undefined;
  const { refusal, deadlineWallMs } = meta ? readMeta(meta) : noMeta;
  const changedWallMs = hasTime ? timeOf(bytes.readDoubleLE(start + 1)) : undefined;
  return { name, version, any, extra, trust, refusal, good, deadlineWallMs, changedWallMs };
}

/** A wall time in ms; undefined for a number that is none. */
function timeOf(value: unknown): number | undefined {
  return typeof value === 'number' && Math.abs(value) < 8.64e15 ? value : undefined;
}

/** Past the end it gives nothing, and is not at the end. */
class FieldReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  content(): StoredContent {
    const end = this.#next();
    const version = end === undefined ? '' : this.#bytes.toString('utf8', this.#at, end);
    this.#at = end ?? this.#at;
    return { version, any: this.field() ?? nothing, extra: this.field() };
  }

  field(): Buffer | undefined {
    const end = this.#next();
    if (end === undefined) return undefined;
    const field = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return field;
  }

  /** Where the next field ends; undefined for one that is not there. */
  #next(): number | undefined {
    if (this.#at + 4 > this.#end) {
      this.#at = Infinity;
      return undefined;
    }
    const length = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4;
    if (length === absent) return undefined;
    if (this.#at + length <= this.#end) return this.#at + length;
    this.#at = Infinity;
    return undefined;
  }
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
    deadlineWallMs: timeOf(deadlineWallMs),
  };
}

function isRefusal(value: unknown): value is Refusal {
  if (typeof value !== 'object' || value === null) return false;
  const { words, isNamed, sinceWallMs } = value as Record<string, unknown>;
  return typeof words === 'string' && typeof isNamed === 'boolean' && typeof sinceWallMs === 'number';
}
