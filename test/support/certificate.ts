import { generateKeyPairSync, sign } from 'node:crypto';

// Node reads certificates but makes none, so this writes the few bytes of DER that a self-signed one needs (RFC 5280).

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const extension = (hex: string, value: Buffer): Buffer => sequence(oid(hex), der(0x04, value));

/** A certificate and its key, both PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says besides that. */
interface Claims {
  readonly common: string;
  /** URIs among its alternative names, such as `spiffe://…`. */
  readonly uris?: readonly string[];
  /** Whether it is also for `localhost` and 127.0.0.1. */
  readonly isServer?: boolean;
  /** DNS names among its alternative names. */
  readonly hosts?: readonly string[];
  /** When it ends, wall time in ms; 2049 unless told otherwise. */
  readonly notAfterMs?: number;
}

/** A certificate for `localhost` and 127.0.0.1 that signs itself, valid from 2020 to 2049. */
export function selfSignedCertificate(): Identity {
  return make({ common: 'localhost', isServer: true }, undefined);
}

/** A client's certificate, signed by one that {@link selfSignedCertificate} made. */
export function clientCertificate(issuer: Identity, common: string, uris: readonly string[]): Identity {
  return make({ common, uris }, issuer);
}

/** A server's certificate for these names, signed by one that {@link selfSignedCertificate} made. */
export function serverCertificate(
  issuer: Identity,
  hosts: readonly string[],
  more: { readonly uris?: readonly string[]; readonly notAfterMs?: number } = {},
): Identity {
  return make({ common: 'control plane', hosts, ...more }, issuer);
}

let serial = 0;

function make(
  { common, uris = [], isServer = false, hosts = [], notAfterMs }: Claims,
  issuer: Identity | undefined,
): Identity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const named = (text: string): Buffer => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(text)))));
  const time = (text: string): Buffer => der(0x17, Buffer.from(text));
  const names = sequence(
    ...(isServer ? [der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1]))] : []),
    ...hosts.map(host => der(0x82, Buffer.from(host))),
    ...uris.map(uri => der(0x86, Buffer.from(uri))),
  );
  const authority = sequence(...(issuer ? [] : [der(0x01, Buffer.from([0xff]))]));
  serial = (serial % 127) + 1;
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1, serial])),
    algorithm,
    named(issuer ? 'localhost' : common),
    sequence(time('200101000000Z'), time(notAfterMs === undefined ? '491231235959Z' : utcTime(notAfterMs))),
    named(common),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension('551d11', names), extension('551d13', authority))),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, issuer ? issuer.key : privateKey));
  const base64 = sequence(body, algorithm, signature)
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** A moment as a certificate spells it: YYMMDDHHMMSSZ. */
function utcTime(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`;
}
