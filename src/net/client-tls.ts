import { X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { isBundle, readNamed } from './tls-files.ts';

/** By what a client checks servers, and shows who it is. */
export interface ClientTlsPaths {
  /** CA bundle (PEM), or `system` for the one of the machine. */
  readonly ca: string;
  /** Certificate chain and key (PEM), both or neither. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

/** The same as it was read. */
export interface ClientTlsMaterial {
  readonly context: SecureContext;
  /** Digests of everything that was read, to notice a change. */
  readonly contents: readonly Buffer[];
  /** When the own certificate begins and ends, wall time in ms; undefined without one. */
  readonly validity: { readonly notBeforeMs: number; readonly notAfterMs: number } | undefined;
  /** Names of the CAs, for people. */
  readonly authorities: readonly string[];
  /** The own certificate, for people; undefined without one. */
  readonly certificate: string | undefined;
}

const namesMax = 5;

/**
 * Reads the files of a client.
 *
 * @param before the last reading, which is returned where nothing has changed: a context of many CAs takes a while to be made
 * @throws Error that names the file and says what is wrong with it
 */
export async function readClientTls(paths: ClientTlsPaths, before?: ClientTlsMaterial): Promise<ClientTlsMaterial> {
  const { ca, cert, key, minVersion } = paths;
  const bundle = ca === 'system' ? undefined : await readNamed(ca);
  const chain = cert === undefined ? undefined : await readNamed(cert);
  const secret = key === undefined ? undefined : await readNamed(key);
  const contents = [bundle, chain, secret].flatMap(one => one ?? []);
  if (before && isSame(before.contents, contents)) return before;
  if (bundle && !isBundle(bundle)) throw new Error(`${ca} holds no CA certificate (PEM)`);
  let context: SecureContext;
  try {
    context = createSecureContext({ ca: bundle ?? getCACertificates('system'), cert: chain, key: secret, minVersion });
  } catch (error) {
    const files = cert === undefined ? `${ca} cannot be used` : `${cert} and ${key} cannot be used together`;
    throw new Error(`${files}: ${messageOf(error)}`);
  }
  const authorities = bundle ? authoritiesIn(bundle) : ['the system’s CAs'];
  const own = chain && new X509Certificate(chain);
  const validity = own && { notBeforeMs: own.validFromDate.getTime(), notAfterMs: own.validToDate.getTime() };
  const certificate = own && `${oneLine(own.subject || own.subjectAltName || cert || '')}, valid until ${own.validTo}`;
  return { context, contents, validity, authorities, certificate };
}

function isSame(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  return a.length === b.length && a.every((one, at) => b[at]?.equals(one));
}

function authoritiesIn(bundle: Buffer): string[] {
  const blocks = bundle.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const names = blocks.slice(0, namesMax).map(nameOf);
  return blocks.length > namesMax ? [...names, `and ${blocks.length - namesMax} more`] : names;
}

/** They are named for people only: one that OpenSSL passes over keeps nobody from using the others. */
function nameOf(block: string): string {
  try {
    return oneLine(new X509Certificate(block).subject);
  } catch {
    return '(one that cannot be read)';
  }
}

/** A distinguished name in one line. */
export function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
