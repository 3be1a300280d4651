import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { TagWalk, WireError } from '../xds/tag-walk.ts';
import { secretType } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { Protection, RowProtector } from './disk-rows.ts';
import type { StoredContent, StoredResource } from './stored.ts';

/** What happens to secrets and private keys on their way to the disk (R104). */
export type SecretsMode = 'memory' | 'encrypted' | 'plain';

/** Why a content must not be written as it is. */
export type Sensitivity = 'secret' | 'private-key' | 'do-not-cache';

const keyBytes = 32;
const keyIdBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;
/** Ends every PEM header of a private key: PKCS#8, encrypted, RSA, EC, OpenSSH. */
const pemMark = Buffer.from('PRIVATE KEY-----');
/** The same inside base64, as a PEM in JSON or YAML may stand: at each of its three alignments. */
const base64Marks = [0, 1, 2].map(shift => {
  const encoded = Buffer.concat([Buffer.alloc(shift), pemMark]).toString('base64');
  // The characters at either end also hold bits of what stands beside it.
  return Buffer.from(encoded.slice(shift === 0 ? 0 : shift + 1, -4));
});
/** PKCS#8 in DER: version 0, then the algorithm: rsaEncryption, id-ecPublicKey, Ed25519. */
const derMarks = ['020100300d06092a864886f70d010101', '020100301306072a8648ce3d0201', '020100300506032b6570'].map(hex =>
  Buffer.from(hex, 'hex'),
);

/** Whether a content is, holds, or is declared to be what must not lie about; undefined for what may. */
export function sensitivityOf(typeUrl: TypeUrl, { any, extra }: StoredContent): Sensitivity | undefined {
  if (extra && isNotToBeCached(extra)) return 'do-not-cache';
  if (typeUrl === secretType || /[./]Secret$/.test(typeUrl)) return 'secret';
  if (any.includes(pemMark)) return 'private-key';
  for (const mark of base64Marks) if (any.includes(mark)) return 'private-key';
  for (const mark of derMarks) if (any.includes(mark)) return 'private-key';
  return undefined;
}

/** Delta wrapper: `cache_control` = 7 { `do_not_cache` = 1 } (R26). */
function isNotToBeCached(extra: Buffer): boolean {
  try {
    let isSet = false;
    const walk = new TagWalk(extra);
    while (walk.next()) {
      if (walk.field !== 7) continue;
      const control = walk.message();
      while (control.next()) if (control.field === 1 && control.wireType === 0) isSet = control.varint !== 0;
    }
    return isSet;
  } catch (error) {
    // What cannot be read is not known to be harmless.
    if (error instanceof WireError) return true;
    throw error;
  }
}

/** A key out of a file: 32 raw bytes, or 64 hex digits. The error never quotes what it found. */
export function parseKey(bytes: Buffer): Buffer | { readonly error: string } {
  if (bytes.length === keyBytes) return Buffer.from(bytes);
  const text = bytes.toString('latin1').trim();
  if (/^[\da-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  return { error: `has ${bytes.length} bytes and is neither 32 raw bytes nor 64 hex digits` };
}

/** Opened bytes, or why they cannot be opened. */
export type Opened =
  | { readonly plain: Buffer; readonly isCurrentKey: boolean }
  | { readonly error: 'unknown key' | 'damaged' };

/** Seals bytes with AES-256-GCM. Layout: key id, nonce, tag, ciphertext. */
export class Sealer {
  readonly #keys: readonly { readonly id: Buffer; readonly key: Buffer }[];

  /** @param keys 32 bytes each; the first one seals, all of them open */
  constructor(keys: readonly Buffer[]) {
    this.#keys = keys.map(key => ({ id: createHash('sha256').update(key).digest().subarray(0, keyIdBytes), key }));
  }

  /** @param context must be the same again at opening; it binds the bytes to their place */
  seal(plain: Buffer, context: string): Buffer {
    const [current] = this.#keys;
    if (!current) throw new Error('there is no key to seal with');
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', current.key, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([current.id, nonce, cipher.getAuthTag(), sealed]);
  }

  open(sealed: Buffer, context: string): Opened {
    const body = keyIdBytes + nonceBytes + tagBytes;
    if (sealed.length < body) return { error: 'damaged' };
    const index = this.#keys.findIndex(({ id }) => id.equals(sealed.subarray(0, keyIdBytes)));
    const found = this.#keys[index];
    if (!found) return { error: 'unknown key' };
    const nonce = sealed.subarray(keyIdBytes, keyIdBytes + nonceBytes);
    try {
      const decipher = createDecipheriv('aes-256-gcm', found.key, nonce)
        .setAAD(Buffer.from(context))
        .setAuthTag(sealed.subarray(keyIdBytes + nonceBytes, body));
      return {
        plain: Buffer.concat([decipher.update(sealed.subarray(body)), decipher.final()]),
        isCurrentKey: index === 0,
      };
    } catch {
      return { error: 'damaged' };
    }
  }
}

/**
 * Decides for each resource what reaches the disk, by the mode and what it holds.
 *
 * @param sealer for `encrypted`; with another mode it still opens what was sealed before
 */
export function createProtector(mode: SecretsMode, sealer: Sealer | undefined): RowProtector {
  return {
    protect(typeUrl: TypeUrl, resource: StoredResource): Protection {
      const kinds = [resource, resource.good].map(content => content && sensitivityOf(typeUrl, content));
      if (kinds.includes('do-not-cache')) return { kind: 'withhold', why: 'it is marked do_not_cache' };
      const kind = kinds.find(one => one !== undefined);
      if (kind === undefined || mode === 'plain') return { kind: 'plain' };
      if (mode === 'encrypted' && sealer) return { kind: 'seal' };
      return { kind: 'withhold', why: kind === 'secret' ? 'it is a secret' : 'it holds a private key' };
    },
    seal(plain, context) {
      if (!sealer) throw new Error('there is no key to seal with');
      return sealer.seal(plain, context);
    },
    open: (sealed, context) => sealer?.open(sealed, context) ?? { error: 'no key' },
  };
}
