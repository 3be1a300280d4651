import type { TypeUrl, ViewKey } from '../xds/types.ts';
import { RecordError, RecordReader, RecordWriter } from './byte-records.ts';
import type { StoredContent, StoredResource, StoredType, StoredView } from './stored.ts';

/** A type and its number of resources, as announced outside the body. */
export interface ExpectedType {
  readonly typeUrl: TypeUrl;
  readonly resources: number;
  /** Key of the scope that it was kept under. */
  readonly scope: string;
}

/** What of a view stands in the body of a bundle. */
export type SeedBody = Pick<StoredView, 'viewKey' | 'node' | 'usedWallMs' | 'types'>;

/** Encodes the body of a bundle. Nothing in it is refused: `trust` is one bit and refusals have no place. */
export function encodeBody({ types, ...view }: SeedBody): Buffer {
  const writer = new RecordWriter();
  writer.text(view.viewKey);
  writer.bytes(view.node);
  writer.number(view.usedWallMs);
  writer.count(types.length);
  for (const type of types) {
    writer.text(type.typeUrl);
    writer.byte(type.isKnown ? 1 : 0);
    writer.number(type.confirmedWallMs);
    writer.text(type.upstreamVersion);
    writer.count(type.resources.length);
    for (const resource of type.resources) writeResource(writer, resource);
  }
  return writer.finish();
}

function writeResource(writer: RecordWriter, resource: StoredResource): void {
  const { good, deadlineWallMs } = resource;
  writer.text(resource.name);
  writer.byte(resource.trust === 'accepted' ? 1 : 0);
  writeContent(writer, resource);
  writer.byte(good === undefined ? 0 : 1);
  if (good !== undefined) writeContent(writer, good);
  writer.byte(deadlineWallMs === undefined ? 0 : 1);
  if (deadlineWallMs !== undefined) writer.number(deadlineWallMs);
}

function writeContent(writer: RecordWriter, { version, any, extra }: StoredContent): void {
  writer.text(version);
  writer.bytes(any);
  writer.byte(extra === undefined ? 0 : 1);
  if (extra !== undefined) writer.bytes(extra);
}

/**
 * Decodes the body of a bundle. Contents share its memory.
 *
 * @param expected types and counts that the header announces
 * @throws RecordError when the bytes are no body, or not the announced one
 */
export function decodeBody(body: Buffer, expected: readonly ExpectedType[]): SeedBody {
  const reader = new RecordReader(body);
  const viewKey = reader.text() as ViewKey;
  const node = reader.bytes();
  const usedWallMs = reader.wallMs();
  if (reader.count() !== expected.length) throw new RecordError('header and body have other types');
  const types = expected.map(type => readType(reader, type));
  if (new Set(types.map(type => type.typeUrl)).size !== types.length)
    throw new RecordError('a type is in its body twice');
  if (reader.left > 0) throw new RecordError(`${reader.left} bytes follow the last record`);
  return { viewKey, node, usedWallMs, types };
}

function readType(reader: RecordReader, expected: ExpectedType): StoredType {
  const typeUrl = reader.text() as TypeUrl;
  const isKnown = reader.flag();
  const confirmedWallMs = reader.wallMs();
  const upstreamVersion = reader.text();
  const count = reader.count();
  if (typeUrl === '' || typeUrl !== expected.typeUrl || count !== expected.resources) {
    throw new RecordError('header and body have other types or counts');
  }
  const resources: StoredResource[] = [];
  const names = new Set<string>();
  // The count is believed only as far as there are bytes: reading on throws.
  for (let index = 0; index < count; index++) {
    const resource = readResource(reader);
    if (names.has(resource.name)) throw new RecordError('a resource is in its body twice');
    names.add(resource.name);
    resources.push(resource);
  }
  return { typeUrl, isKnown, confirmedWallMs, upstreamVersion, server: '', scope: expected.scope, resources };
}

function readResource(reader: RecordReader): StoredResource {
  const name = reader.text();
  const trust = reader.flag() ? 'accepted' : 'presumed';
  const content = readContent(reader);
  const good = reader.flag() ? readContent(reader) : undefined;
  const deadlineWallMs = reader.flag() ? reader.wallMs() : undefined;
  return { name, trust, refusal: undefined, ...content, good, deadlineWallMs };
}

function readContent(reader: RecordReader): StoredContent {
  return { version: reader.text(), any: reader.bytes(), extra: reader.flag() ? reader.bytes() : undefined };
}
