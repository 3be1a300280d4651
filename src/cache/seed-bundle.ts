import { hash, type KeyObject, sign, verify } from 'node:crypto';
import { invariant, unreachable } from '../xds/assert.ts';
import type { TypeUrl } from '../xds/types.ts';
import { RecordError } from './byte-records.ts';
import { restricted, withResources } from './restricted.ts';
import type { RowSealer } from './secrets.ts';
import { decodeBody, encodeBody } from './seed-body.ts';
import type { StoredType, StoredView } from './stored.ts';

// A seed bundle is one view in one file, for pods that are born while the control plane is away. Numbers are little-endian:
//   "WEIRSEED" · version u8 · flags u8 (1 = signed) · header length u32 · header (JSON) · SHA-256 of all before (32)
//   · body, maybe sealed, whose length and SHA-256 stand in the header · Ed25519 signature of all before (64), if signed
// So every byte is covered by a digest, and a signature is checked before anything else is read. Nothing is compressed: no length
// in a file can ask for more memory than the file has.

const magic = Buffer.from('WEIRSEED');
/** The format that this Weir writes and reads. */
const formatVersion = 1;
const signedFlag = 1;
const fixedBytes = magic.length + 6;
const digestBytes = 32;
const signatureBytes = 64;

/** What a bundle says of one type. */
export interface BundleType {
  readonly typeUrl: TypeUrl;
  /** Resources in the bundle. */
  readonly resources: number;
  /** Resources that the view had and the bundle must not carry: then the type is not known as complete. */
  readonly leftOut: number;
  /** Key of the scope that the type was kept under (see {@link StoredTypeState.scope}). */
  readonly scope: string;
}

/** What a bundle says of itself. It is readable without any key; its digest covers it. */
export interface BundleHeader {
  /** Wall time of the export in ms. */
  readonly createdWallMs: number;
  /** Addresses of the control plane it came from. */
  readonly upstream: readonly string[];
  /** `node.id` of the exporting view. */
  readonly nodeId: string;
  /** Names of the Node's fields that a pod must share to use the bundle (R69), and the digest of their values. */
  readonly matchFields: readonly string[];
  readonly matchKey: string;
  readonly types: readonly BundleType[];
  readonly encryption: 'none' | 'aes-256-gcm';
  /** Id of the key that sealed the body, `''` without encryption. */
  readonly keyId: string;
  /** Length of the body as it is in the file. */
  readonly bodyBytes: number;
  /** SHA-256 of the body as it is in the file, hex. */
  readonly bodySha256: string;
}

/** What {@link encodeBundle} needs besides the view. */
export interface EncodeOptions {
  readonly createdWallMs: number;
  readonly upstream: readonly string[];
  readonly nodeId: string;
  readonly matchFields: readonly string[];
  /** Digest of those fields; left out, it is the view's own. */
  readonly matchKey?: string | undefined;
  /** Encrypts the body. */
  readonly sealer?: RowSealer | undefined;
  /** Secrets and private keys go in. It has no effect without `sealer`: they never stand in a file that anyone can read (R104). */
  readonly includeSecrets?: boolean | undefined;
  /** An Ed25519 private key, see `parseSigningKey`. */
  readonly signingKey?: KeyObject | undefined;
}

/** How {@link decodeBundle} reads. */
export interface DecodeOptions {
  readonly sealer?: RowSealer | undefined;
  /** An Ed25519 public key, see `parseVerifyKey`; with it an unsigned bundle is refused. */
  readonly verifyKey?: KeyObject | undefined;
  /** `node.id` of the reader. A bundle of another id gives no secrets and no private keys (R69). */
  readonly nodeId?: string | undefined;
  /** Largest file, in bytes. */
  readonly bytesMax: number;
  /** Most resources of all types together. */
  readonly resourcesMax: number;
}

/**
 * Writes a view as a bundle. Only content that clients accepted, or nobody objected to, goes in; a refused one is replaced by the last
 * good one. What must not be carried is left out, and its type is then not known as complete. `do_not_cache` is never carried (R26).
 */
export function encodeBundle(view: StoredView, options: EncodeOptions): Buffer {
  const { sealer, signingKey } = options;
  invariant(signingKey === undefined || signingKey.asymmetricKeyType === 'ed25519', 'bundles are signed by Ed25519');
  const mayHoldSecrets = options.includeSecrets === true && sealer !== undefined;
  const types = view.types.map(type => ({
    ...restricted(soundType(type), mayHoldSecrets),
    resourcesBefore: type.resources.length,
  }));
  const plain = encodeBody({ ...view, types });
  const about: HeaderBeforeBody = {
    createdWallMs: options.createdWallMs,
    upstream: options.upstream,
    nodeId: options.nodeId,
    matchFields: options.matchFields,
    matchKey: options.matchKey ?? view.matchKey,
    types: types.map(({ typeUrl, resources, resourcesBefore, scope }) => ({
      typeUrl,
      resources: resources.length,
      leftOut: resourcesBefore - resources.length,
      scope,
    })),
    encryption: sealer === undefined ? 'none' : 'aes-256-gcm',
    keyId: sealer === undefined ? '' : sealer.keyId,
  };
  const body = sealer === undefined ? plain : sealer.seal(plain, sealContext(about));
  const header = Buffer.from(
    JSON.stringify({ ...about, bodyBytes: body.length, bodySha256: hash('sha256', body) } satisfies BundleHeader),
  );
  const start = Buffer.alloc(fixedBytes);
  magic.copy(start);
  start.writeUInt8(formatVersion, magic.length);
  start.writeUInt8(signingKey === undefined ? 0 : signedFlag, magic.length + 1);
  start.writeUInt32LE(header.length, magic.length + 2);
  const head = Buffer.concat([start, header]);
  const unsigned = Buffer.concat([head, hash('sha256', head, 'buffer'), body]);
  return signingKey === undefined ? unsigned : Buffer.concat([unsigned, sign(null, unsigned, signingKey)]);
}

/**
 * Reads a bundle. The contents share memory with `bytes`, or with the decrypted body; whoever calls leaves `bytes` alone.
 *
 * @returns the view, of provenance `seed`, or why the bundle is not used; it throws on no input
 */
export function decodeBundle(
  bytes: Buffer,
  options: DecodeOptions,
): { readonly header: BundleHeader; readonly view: StoredView } | { readonly error: string } {
  const { verifyKey } = options;
  invariant(verifyKey === undefined || verifyKey.asymmetricKeyType === 'ed25519', 'bundles are signed by Ed25519');
  try {
    return decode(bytes, options);
  } catch (error) {
    if (error instanceof BundleError) return { error: error.message };
    if (error instanceof RecordError) return { error: damaged(error.message).message };
    throw error;
  }
}

/** Only sound contents: a refused one gives way to its good one. */
function soundType(type: StoredType): StoredType {
  const resources = type.resources.flatMap(resource => {
    if (resource.trust !== 'refused') return [resource];
    if (resource.good === undefined) return [];
    return [{ ...resource, ...resource.good, trust: 'accepted' as const, refusal: undefined, good: undefined }];
  });
  return withResources(type, resources);
}

type HeaderBeforeBody = Omit<BundleHeader, 'bodyBytes' | 'bodySha256'>;

/** Ties a sealed body to its header, so that neither can be used with another one. */
function sealContext(about: HeaderBeforeBody): string {
  const { createdWallMs, upstream, nodeId, matchFields, matchKey, types, encryption, keyId } = about;
  const texts = types.map(({ typeUrl, resources, leftOut, scope }) =>
    // As bundles of before there were scopes are sealed.
    scope === '' ? [typeUrl, resources, leftOut] : [typeUrl, resources, leftOut, scope],
  );
  const all = [createdWallMs, upstream, nodeId, matchFields, matchKey, texts, encryption, keyId];
  return `seed bundle ${formatVersion} ${JSON.stringify(all)}`;
}

/** Why a bundle is not used, as a whole sentence. It does not leave this file. */
class BundleError extends Error {
  override readonly name = 'BundleError';
}

function damaged(what: string): BundleError {
  return new BundleError(`the seed bundle is damaged: ${what}; fetch or export it again`);
}

function parseHeader(bytes: Buffer): BundleHeader {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString());
  } catch {
    throw damaged('its header is no JSON');
  }
  const raw = fieldsOf(json);
  const text = (value: unknown): string => (typeof value === 'string' ? value : fail());
  const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : fail());
  const whole = (value: unknown): number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : fail();
  const encryption = text(raw.get('encryption'));
  return {
    createdWallMs: whole(raw.get('createdWallMs')),
    upstream: list(raw.get('upstream')).map(text),
    nodeId: text(raw.get('nodeId')),
    matchFields: list(raw.get('matchFields')).map(text),
    matchKey: text(raw.get('matchKey')),
    types: list(raw.get('types')).map(one => {
      const type = fieldsOf(one);
      return {
        typeUrl: text(type.get('typeUrl')) as TypeUrl,
        resources: whole(type.get('resources')),
        leftOut: whole(type.get('leftOut')),
        // Bundles of before there were scopes have nothing left out by one.
        scope: text(type.get('scope') ?? ''),
      };
    }),
    encryption: encryption === 'none' || encryption === 'aes-256-gcm' ? encryption : fail(),
    keyId: text(raw.get('keyId')),
    bodyBytes: whole(raw.get('bodyBytes')),
    bodySha256: text(raw.get('bodySha256')),
  };
}

/** A map, since keys of a foreign object are never looked up on an object. */
function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : fail();
}

function fail(): never {
  throw damaged('its header lacks a field or has one of another kind');
}

function decode(bytes: Buffer, options: DecodeOptions): { header: BundleHeader; view: StoredView } {
  const { sealer, verifyKey, nodeId, bytesMax, resourcesMax } = options;
  if (bytes.length > bytesMax)
    throw new BundleError(`the seed bundle has ${bytes.length} bytes, the most is ${bytesMax}`);
  if (bytes.length < fixedBytes || !bytes.subarray(0, magic.length).equals(magic)) {
    throw new BundleError('this is no seed bundle; make one with weir cache export');
  }
  const format = bytes.readUInt8(magic.length);
  if (format !== formatVersion) {
    throw new BundleError(`the seed bundle has format ${format}, this Weir reads ${formatVersion}; export it again`);
  }
  const flags = bytes.readUInt8(magic.length + 1);
  if (flags > signedFlag) throw damaged(`its flags are ${flags}`);
  const end = flags === signedFlag ? bytes.length - signatureBytes : bytes.length;
  if (end < fixedBytes) throw damaged('it is cut off');
  if (verifyKey !== undefined) checkSignature(bytes, end, verifyKey);

  const headerEnd = fixedBytes + bytes.readUInt32LE(magic.length + 2);
  const bodyAt = headerEnd + digestBytes;
  if (bodyAt > end) throw damaged('it is cut off');
  const head = bytes.subarray(0, headerEnd);
  if (!bytes.subarray(headerEnd, bodyAt).equals(hash('sha256', head, 'buffer')))
    throw damaged('its header was changed');
  const header = parseHeader(head.subarray(fixedBytes));
  const stored = bytes.subarray(bodyAt, end);
  if (stored.length !== header.bodyBytes) {
    throw damaged(`its body has ${stored.length} bytes, ${header.bodyBytes} are announced`);
  }
  if (hash('sha256', stored) !== header.bodySha256) throw damaged('its body was changed');
  const total = header.types.reduce((sum, type) => sum + type.resources, 0);
  if (total > resourcesMax)
    throw new BundleError(`the seed bundle has ${total} resources, the most is ${resourcesMax}`);

  const plain = header.encryption === 'none' ? stored : openBody(stored, header, sealer);
  const view: StoredView = { ...decodeBody(plain, header.types), matchKey: header.matchKey, provenance: 'seed' };
  if (nodeId === undefined || nodeId === header.nodeId) return { header, view };
  return { header, view: { ...view, types: view.types.map(type => restricted(type, false)) } };
}

function checkSignature(bytes: Buffer, end: number, key: KeyObject): void {
  if (end === bytes.length) throw new BundleError('the seed bundle is not signed, and a verify key demands it');
  if (verify(null, bytes.subarray(0, end), key, bytes.subarray(end))) return;
  throw new BundleError('the seed bundle is signed by another key than the verify key, or was changed');
}

function openBody(sealed: Buffer, header: BundleHeader, sealer: RowSealer | undefined): Buffer {
  // The id goes into a message, and a foreign text does not.
  const keyId = /^[0-9a-f]{8}$/.test(header.keyId) ? header.keyId : 'unknown';
  const opened = sealer?.open(sealed, sealContext(header)) ?? { error: 'unknown key' as const };
  if ('plain' in opened) return opened.plain;
  switch (opened.error) {
    case 'unknown key':
      throw new BundleError(`the seed bundle is encrypted by the key ${keyId}; give that key (setting secretsKeyFile)`);
    case 'damaged':
      throw damaged('its body does not open with its key');
    default:
      return unreachable(opened.error);
  }
}
