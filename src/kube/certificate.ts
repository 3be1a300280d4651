import { generateKeyPair, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';

/** A certificate with the CA that was made for it alone, PEM. The key of the CA is forgotten: it signs nothing else. */
export interface SelfSigned {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Clocks of a cluster differ a little. */
const backdatedMs = 3_600_000;
const keyBits = 2_048;
/** Kinds of alternative names (RFC 5280, GeneralName). */
const alternativeTypes = { dns: 2, ip: 7 } as const;

/**
 * Makes a CA and a server's certificate signed by it.
 *
 * @param names DNS names and IP addresses that the server is called by
 * @param nowMs wall time
 * @param lifeMs how long both are good for
 */
export async function makeSelfSigned(names: readonly string[], nowMs: number, lifeMs: number): Promise<SelfSigned> {
  const [authority, own] = [await makeKey(), await makeKey()];
  // Two generations of the CA have different names, so that a bundle with both is no riddle.
  const issuer = [{ name: 'commonName', value: `weir-webhook-ca-${Math.floor(nowMs / 1_000)}` }];
  const make = (
    subject: forge.pki.CertificateField[],
    publicKey: forge.pki.PublicKey,
    extensions: unknown[],
  ): string => {
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = publicKey;
    // Positive, as a number of DER has to be.
    certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
    certificate.validity.notBefore = new Date(nowMs - backdatedMs);
    certificate.validity.notAfter = new Date(nowMs + lifeMs);
    certificate.setSubject(subject);
    certificate.setIssuer(issuer);
    certificate.setExtensions(extensions);
    certificate.sign(authority.privateKey, forge.md.sha256.create());
    return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
  };
  const altNames = names.map(name =>
    isIP(name) > 0 ? { type: alternativeTypes.ip, ip: name } : { type: alternativeTypes.dns, value: name },
  );
  return {
    ca: make(issuer, authority.publicKey, [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ]),
    cert: make([{ name: 'commonName', value: 'weir-webhook' }], own.publicKey, [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames },
    ]),
    key: own.pem,
  };
}

/** Node makes keys in a thread of its own, a hundred times as fast as forge. */
async function makeKey(): Promise<{
  readonly pem: string;
  readonly privateKey: forge.pki.rsa.PrivateKey;
  readonly publicKey: forge.pki.rsa.PublicKey;
}> {
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: keyBits,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return {
    pem: pair.privateKey,
    privateKey: forge.pki.privateKeyFromPem(pair.privateKey),
    publicKey: forge.pki.publicKeyFromPem(pair.publicKey),
  };
}
