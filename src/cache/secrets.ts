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
import { forbidsCaching } from '../xds/resource-fields.ts';
import { secretType } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { StoredContent } from './stored.ts';

/**
 * What happens to sensitive content when configuration is written (R104). `memory`: it is never written; `encrypted`: it is sealed by
 * {@link RowSealer}; `plain`: it is written as it is, which a user must force.
 */
export type SecretsMode = 'memory' | 'encrypted' | 'plain';

/**
 * Why a content is sensitive. `secret`: its type is made to carry keys; `private-key`: a key stands inside another type;
 * `do-not-cache`: the control plane forbids keeping it (R26), which no mode overrides.
 */
export type Sensitivity = 'secret' | 'private-key' | 'do-not-cache';

/** Whether a content may be written without protection: undefined if so, else the strongest reason why not. Bytes are only read. */
export function sensitivityOf(typeUrl: TypeUrl, content: StoredContent): Sensitivity | undefined {
  if (content.extra !== undefined && forbidsCaching(content.extra)) return 'do-not-cache';
  if (typeUrl === secretType || typeUrl.endsWith('.Secret') || typeUrl.endsWith('/Secret')) return 'secret';
  return holdsPrivateKey(content.any) ? 'private-key' : undefined;
}

// Of PEM the end of the header line is enough: it is the same for RSA, EC, ENCRYPTED and OPENSSH keys. DER has no header, so a few
// bytes find candidates and the algorithm beside them decides: public keys and certificates have another version or tag there.
const pemEnd = Buffer.from('PRIVATE KEY-----');
/** INTEGER 0: the version of PKCS#8 and PKCS#1. */
const versionZero = Buffer.from('020100', 'hex');
/** INTEGER 1 and OCTET STRING: the start of SEC 1 (RFC 5915). */
const sec1Start = Buffer.from('02010104', 'hex');
/** After the version, PKCS#8: SEQUENCE with the algorithm RSA, EC, Ed25519, Ed448, X25519 or X448. PKCS#1: a modulus of 1024 bits or more. */
const afterVersionZero = [
  /^300d06092a864886f70d0101(?:01|0a)/,
  /^30..06072a8648ce3d0201/,
  /^300506032b65(?:6e|6f|70|71)04/,
  /^02(?:8181|82(?:01|02|04)[08]1)00[89a-f]/,
];
/** After the key, SEC 1: the curve as [0]. The lengths are those of P-256, P-384 and P-521. */
const sec1Curves = new Map([
  [0x20, Buffer.from('a00a06082a8648ce3d030107', 'hex')],
  [0x30, Buffer.from('a00706052b81040022', 'hex')],
  [0x42, Buffer.from('a00706052b81040023', 'hex')],
]);

/** The end of a PEM header inside base64, at each of its three alignments: a PEM file as Kubernetes and JSON carry it. */
const base64Ends = [0, 1, 2].map(shift => {
  const encoded = Buffer.concat([Buffer.alloc(shift), pemEnd]).toString('base64');
  // The characters at either end also hold bits of what stands beside it.
  return Buffer.from(encoded.slice(shift === 0 ? 0 : shift + 1, -4));
});

function holdsPrivateKey(bytes: Buffer): boolean {
  if (bytes.includes(pemEnd) || base64Ends.some(end => bytes.includes(end))) return true;
  for (let at = bytes.indexOf(versionZero); at !== -1; at = bytes.indexOf(versionZero, at + 1)) {
    const next = bytes.toString('hex', at + 3, at + 18);
    if (afterVersionZero.some(shape => shape.test(next))) return true;
  }
  for (let at = bytes.indexOf(sec1Start); at !== -1; at = bytes.indexOf(sec1Start, at + 1)) {
    const length = bytes[at + 4] ?? 0;
    const curve = sec1Curves.get(length);
    const curveAt = at + 5 + length;
    if (curve !== undefined && bytes.subarray(curveAt, curveAt + curve.length).equals(curve)) return true;
  }
  return false;
}

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
