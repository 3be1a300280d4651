import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { invariant } from '../xds/assert.ts';

/**
 * What happens to sensitive content when configuration is written (R104). `memory`: it is never written; `encrypted`: it is sealed by
 * {@link RowSealer}; `plain`: it is written as it is, which a user must force.
 */
export type SecretsMode = 'memory' | 'encrypted' | 'plain';

/** Length of a key in bytes. */
const keyBytes = 32;
const keyIdBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;

/** What {@link RowSealer.open} gives: the content and whether the newest key sealed it, or why it cannot be read. */
export type Opened =
  | { readonly plain: Buffer; readonly isCurrentKey: boolean }
  | { readonly error: 'unknown key' | 'damaged' };

/**
 * Seals and opens single rows by AES-256-GCM. A sealed row is: key id (4 bytes, from the key's SHA-256), nonce (12, random),
 * tag (16), ciphertext. Several keys allow a rotation: the first one seals, all open.
 */
export class RowSealer {
  readonly #keys: readonly { readonly key: Buffer; readonly id: Buffer }[];

  /** @param keys at least one, 32 bytes each, the newest first */
  constructor(keys: readonly Buffer[]) {
    invariant(keys.length > 0, 'a sealer has a key');
    invariant(
      keys.every(key => key.length === keyBytes),
      `a key has ${keyBytes} bytes`,
    );
    this.#keys = keys.map(key => ({ key, id: hash('sha256', key, 'buffer').subarray(0, keyIdBytes) }));
  }

  /** Id of the key that seals, 8 hex digits. It tells keys apart and reveals none. */
  get keyId(): string {
    return this.#current.id.toString('hex');
  }

  /** Seals `plain`. The row opens only under the same `context`, so it cannot be moved to another place. */
  seal(plain: Buffer, context: string): Buffer {
    const { key, id } = this.#current;
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(context));
    const sealed = [cipher.update(plain), cipher.final()];
    return Buffer.concat([id, nonce, cipher.getAuthTag(), ...sealed]);
  }

  /** Opens what {@link seal} made. Neither error throws: both are facts about a file. */
  open(sealed: Buffer, context: string): Opened {
    const dataAt = keyIdBytes + nonceBytes + tagBytes;
    if (sealed.length < dataAt) return { error: 'damaged' };
    const id = sealed.subarray(0, keyIdBytes);
    const candidates = this.#keys.filter(one => one.id.equals(id));
    if (candidates.length === 0) return { error: 'unknown key' };
    for (const candidate of candidates) {
      const nonce = sealed.subarray(keyIdBytes, keyIdBytes + nonceBytes);
      const decipher = createDecipheriv('aes-256-gcm', candidate.key, nonce, { authTagLength: tagBytes })
        .setAAD(Buffer.from(context))
        .setAuthTag(sealed.subarray(keyIdBytes + nonceBytes, dataAt));
      const plain = decipher.update(sealed.subarray(dataAt));
      try {
        // Of GCM it only checks the tag, and throws where it does not fit.
        decipher.final();
      } catch {
        // Two keys may share an id, so the next one has its turn.
        continue;
      }
      return { plain, isCurrentKey: candidate === this.#current };
    }
    return { error: 'damaged' };
  }

  get #current(): { readonly key: Buffer; readonly id: Buffer } {
    const [first] = this.#keys;
    invariant(first !== undefined, 'a sealer has a key');
    return first;
  }
}

/**
 * Reads a key file: 32 raw bytes, or 64 hex digits that a line end may follow.
 *
 * @returns the key, or what is wrong with the file; the text never quotes it
 */
export function parseKey(bytes: Buffer): Buffer | { readonly error: string } {
  if (bytes.length === keyBytes) return Buffer.from(bytes);
  // No key is longer than its digits and a line end, so a wrong file is not searched.
  const text = bytes.length <= keyBytes * 2 + 2 ? bytes.toString('latin1').replace(/\r?\n$/, '') : '';
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  return { error: `the key has ${bytes.length} bytes; it must be 32 raw bytes or 64 hex digits` };
}

/**
 * Reads a PEM file with the Ed25519 private key that signs seed bundles.
 *
 * @returns the key, or what is wrong; the text never quotes the file
 */
export function parseSigningKey(pem: Buffer): KeyObject | { readonly error: string } {
  return parseEd25519(pem, 'private', createPrivateKey);
}

/** Reads a PEM file with the Ed25519 public key that verifies them, otherwise like {@link parseSigningKey}. */
export function parseVerifyKey(pem: Buffer): KeyObject | { readonly error: string } {
  // Node would derive the public key from a private one, which has no business where bundles are only read.
  if (pem.includes('PRIVATE KEY-----')) return { error: 'the file holds a private key where a public one is wanted' };
  return parseEd25519(pem, 'public', createPublicKey);
}

function parseEd25519(
  pem: Buffer,
  kind: string,
  parse: (pem: Buffer) => KeyObject,
): KeyObject | { readonly error: string } {
  const wanted = `the file must hold an Ed25519 ${kind} key in PEM`;
  let key: KeyObject;
  try {
    key = parse(pem);
  } catch {
    // OpenSSL's words say nothing that helps a user.
    return { error: `${wanted}, which this one does not` };
  }
  return key.asymmetricKeyType === 'ed25519' ? key : { error: `${wanted}, this one is ${key.asymmetricKeyType}` };
}
