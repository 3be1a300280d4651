import { createHash, type KeyObject, sign, verify } from 'node:crypto';
import type { MatchField } from '../xds/node.ts';
import type { TypeUrl, ViewKey } from '../xds/types.ts';
import { decodeContent, encodeContent } from './disk-rows.ts';
import { type Sealer, sensitivityOf } from './secrets.ts';
import type { StoredResource, StoredType, StoredView } from './stored.ts';

// Layout: magic (8 bytes), format (1), length of the header (4, LE), header (JSON), body, and, if the header says so, an Ed25519 signature (64)
// of all before it. The body is made of length-prefixed pieces: the node; then for each type its JSON line and, for each resource, name and
// content. A sealed body is one piece of AES-256-GCM.

const magic = Buffer.from('WEIRSEED');
const format = 1;
const signatureBytes = 64;
const headerBytesMax = 1 << 20;
const sealContext = 'weir seed bundle';

/** What a bundle says of itself, readable without a key. */
export interface BundleHeader {
  readonly createdWallMs: number;
  readonly nodeId: string;
  /** Digest of each part of the node that the bundle is bound to (R69). */
  readonly match: Readonly<Record<string, string>>;
  readonly types: readonly { readonly typeUrl: string; readonly resources: number; readonly isKnown: boolean }[];
  /** Resources left out because they are secrets, hold keys, or must not be cached. */
  readonly withheld: number;
  readonly isSealed: boolean;
  readonly isSigned: boolean;
  readonly bodyBytes: number;
  readonly bodySha256: string;
}

/** What a bundle is made with. */
export interface BundleOptions {
  readonly createdWallMs: number;
  readonly nodeId: string;
  readonly match: Readonly<Record<string, string>>;
  readonly sealer: Sealer | undefined;
  /** Ed25519 private key. */
  readonly signingKey: KeyObject | undefined;
}

/** Makes a bundle of a view. Secrets, private keys and what must not be cached are never in it: another node may read it. */
export function encodeBundle(view: StoredView, options: BundleOptions): Buffer {
  const { createdWallMs, nodeId, match, sealer, signingKey } = options;
  const pieces: Buffer[] = [piece(view.node)];
  const types: { typeUrl: string; resources: number; isKnown: boolean }[] = [];
  let withheld = 0;
  for (const type of view.types) {
    const portable = portableType(type);
    withheld += portable.withheld;
    const { typeUrl, isKnown, confirmedWallMs, upstreamVersion, resources } = portable.type;
    types.push({ typeUrl, resources: resources.length, isKnown });
    const line = { typeUrl, isKnown, confirmedWallMs, upstreamVersion, resources: resources.length };
    pieces.push(piece(Buffer.from(JSON.stringify(line))));
    for (const resource of resources) pieces.push(piece(Buffer.from(resource.name)), piece(encodeContent(resource)));
  }
  const plain = Buffer.concat(pieces);
  const body = sealer ? sealer.seal(plain, sealContext) : plain;
  const header: BundleHeader = {
    createdWallMs,
    nodeId,
    match,
    types,
    withheld,
    isSealed: sealer !== undefined,
    isSigned: signingKey !== undefined,
    bodyBytes: body.length,
    bodySha256: sha256(body),
  };
  const head = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(magic.length + 5);
  magic.copy(start);
  start[magic.length] = format;
  start.writeUInt32LE(head.length, magic.length + 1);
  const all = Buffer.concat([start, head, body]);
  return signingKey ? Buffer.concat([all, sign(null, all, signingKey)]) : all;
}

/** What a bundle is read with. */
export interface BundleReading {
  readonly sealer: Sealer | undefined;
  /** Ed25519 public key; with it a bundle that it has not signed is refused. */
  readonly verifyKey: KeyObject | undefined;
}

/** Reads a bundle. Whatever the bytes are, it gives what was written, or says what is wrong. */
export function decodeBundle(
  bytes: Buffer,
  { sealer, verifyKey }: BundleReading,
): { readonly header: BundleHeader; readonly view: StoredView } | { readonly error: string } {
  const read = readHeader(bytes);
  if ('error' in read) return read;
  const { header, bodyStart } = read;
  const bodyEnd = bodyStart + header.bodyBytes;
  if (bytes.length !== bodyEnd + (header.isSigned ? signatureBytes : 0))
    return { error: 'it is cut off or has something added' };
  const body = bytes.subarray(bodyStart, bodyEnd);
  if (sha256(body) !== header.bodySha256) return { error: 'its checksum is wrong: it is damaged' };
  if (verifyKey) {
    if (!header.isSigned) return { error: 'it is not signed, and a key to verify it is set' };
    if (!verify(null, bytes.subarray(0, bodyEnd), verifyKey, bytes.subarray(bodyEnd)))
      return { error: 'its signature is not by the key that is set' };
  }
  let plain = body;
  if (header.isSealed) {
    const opened = sealer?.open(body, sealContext) ?? { error: 'no key is set' };
    if ('error' in opened) return { error: `it is encrypted and cannot be opened: ${opened.error}` };
    plain = opened.plain;
  }
  const view = readBody(plain, header);
  return view ? { header, view } : { error: 'its body cannot be read' };
}

/** The header of a bundle alone, without any check of the body. */
export function readHeader(bytes: Buffer): { header: BundleHeader; bodyStart: number } | { readonly error: string } {
  const start = magic.length + 5;
  if (bytes.length < start || !bytes.subarray(0, magic.length).equals(magic)) return { error: 'it is no seed bundle' };
  if (bytes[magic.length] !== format)
    return { error: `it has bundle format ${bytes[magic.length]}, and ${format} is known` };
  const length = bytes.readUInt32LE(magic.length + 1);
  if (length > headerBytesMax || start + length > bytes.length) return { error: 'its header is cut off' };
  const header = parse(bytes.subarray(start, start + length));
  if (!isHeader(header)) return { error: 'its header cannot be read' };
  return { header, bodyStart: start + length };
}

/** What may leave the node: the last accepted content in place of a refused one, and nothing that has to stay secret. */
function portableType(type: StoredType): { type: StoredType; withheld: number } {
  const resources: StoredResource[] = [];
  let withheld = 0;
  for (const resource of type.resources) {
    const content = resource.trust === 'refused' ? resource.good : resource;
    if (!content || sensitivityOf(type.typeUrl, content) !== undefined) {
      withheld++;
      continue;
    }
    const { name, deadlineWallMs } = resource;
    const trust = resource.trust === 'presumed' ? 'presumed' : 'accepted';
    const { version, any, extra } = content;
    resources.push({ name, version, any, extra, trust, refusal: undefined, good: undefined, deadlineWallMs });
  }
  // A set without some of its parts is no set.
  const isSetLost = type.isKnown && withheld > 0;
  const isKnown = type.isKnown && !isSetLost;
  return { type: { ...type, isKnown, resources: isSetLost ? [] : resources }, withheld };
}

function readBody(body: Buffer, header: BundleHeader): StoredView | undefined {
  const walk = new Pieces(body);
  const node = walk.next();
  const types: StoredType[] = [];
  for (let line = walk.next(); line; line = walk.next()) {
    const type = readType(line, walk);
    if (!type) return undefined;
    types.push(type);
  }
  if (!node || !walk.isAtEnd || types.length !== header.types.length) return undefined;
  return {
    viewKey: 'seed' as ViewKey,
    matchKey: '',
    node,
    usedWallMs: header.createdWallMs,
    provenance: 'seed',
    types,
  };
}

function readType(line: Buffer, walk: Pieces): StoredType | undefined {
  const type = parse(line);
  if (typeof type !== 'object' || type === null) return undefined;
  const { typeUrl, isKnown, confirmedWallMs, upstreamVersion, resources: count } = type as Record<string, unknown>;
  if (typeof typeUrl !== 'string' || typeof isKnown !== 'boolean' || typeof upstreamVersion !== 'string')
    return undefined;
  if (typeof confirmedWallMs !== 'number' || typeof count !== 'number') return undefined;
  const resources: StoredResource[] = [];
  for (let n = 0; n < count; n++) {
    const name = walk.next();
    const content = walk.next();
    const resource = name && content && decodeContent(name.toString(), 'presumed', content);
    if (!resource) return undefined;
    resources.push(resource);
  }
  return { typeUrl: typeUrl as TypeUrl, isKnown, confirmedWallMs, upstreamVersion, resources };
}

/** Walks length-prefixed pieces. */
class Pieces {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next piece; undefined at the end, or when it runs over it. */
  next(): Buffer | undefined {
    if (this.#at + 4 > this.#bytes.length) return undefined;
    const start = this.#at + 4;
    const end = start + this.#bytes.readUInt32LE(this.#at);
    if (end > this.#bytes.length) return undefined;
    this.#at = end;
    return this.#bytes.subarray(start, end);
  }
}

function piece(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function isHeader(value: unknown): value is BundleHeader {
  if (typeof value !== 'object' || value === null) return false;
  const header = value as Record<keyof BundleHeader, unknown>;
  const isMatch = typeof header.match === 'object' && header.match !== null;
  const areTypes = Array.isArray(header.types);
  const areNumbers = [header.createdWallMs, header.withheld, header.bodyBytes].every(one => typeof one === 'number');
  const areFlags = [header.isSealed, header.isSigned].every(one => typeof one === 'boolean');
  const areTexts = [header.nodeId, header.bodySha256].every(one => typeof one === 'string');
  return isMatch && areTypes && areNumbers && areFlags && areTexts && Number(header.bodyBytes) >= 0;
}

/** Parts of a node that differ from what a bundle is bound to. */
export function mismatches(header: BundleHeader, digestOf: (field: MatchField) => string): string[] {
  const differing: string[] = [];
  for (const [field, digest] of Object.entries(header.match)) {
    // Another version of weir may bind to parts that this one does not know: then nothing matches.
    if (digestOf(field as MatchField) !== digest) differing.push(`node.${field}`);
  }
  return differing;
}
