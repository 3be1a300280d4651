import { forbidsCaching } from '../xds/resource-fields.ts';
import { secretType } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { StoredContent } from './stored.ts';

/**
 * Why a content is sensitive. `secret`: its type is made to carry keys; `private-key`: a key stands inside another type;
 * `do-not-cache`: the control plane forbids keeping it (R26), which no mode overrides.
 */
export type Sensitivity = 'secret' | 'private-key' | 'do-not-cache';

/** Whether a content may be written without protection: undefined if so, else the strongest reason why not. Bytes are only read. */
export function sensitivityOf(typeUrl: TypeUrl, content: StoredContent): Sensitivity | undefined {
  if (content.extra !== undefined && forbidsCaching(content.extra)) return 'do-not-cache';
  if (isSecretType(typeUrl)) return 'secret';
  return holdsPrivateKey(content.any) ? 'private-key' : undefined;
}

/** Whether a type is made to carry keys, Kubernetes' own included. */
export function isSecretType(typeUrl: TypeUrl): boolean {
  return typeUrl === secretType || typeUrl.endsWith('.Secret') || typeUrl.endsWith('/Secret');
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

/** Whether there is a private key among these bytes: PEM, PEM in base64, or DER. */
export function holdsPrivateKey(bytes: Buffer): boolean {
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
