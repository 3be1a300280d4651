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
}

const namesMax = 5;

/**
 * Reads the files of a client.
 *
 * @throws Error that names the file and says what is wrong with it
 */
export async function readClientTls({ ca, cert, key, minVersion }: ClientTlsPaths): Promise<ClientTlsMaterial> {
  const isSystem = ca === 'system';
  const bundle = isSystem ? undefined : await readNamed(ca);
  if (bundle && !isBundle(bundle)) throw new Error(`${ca} holds no CA certificate (PEM)`);
  const chain = cert === undefined ? undefined : await readNamed(cert);
  const secret = key === undefined ? undefined : await readNamed(key);
  let context: SecureContext;
  try {
    context = createSecureContext({ ca: bundle ?? getCACertificates('system'), cert: chain, key: secret, minVersion });
  } catch (error) {
    throw new Error(`${cert} and ${key} cannot be used together: ${messageOf(error)}`);
  }
  const contents = [bundle, chain, secret].flatMap(one => one ?? []);
  const authorities = bundle ? authoritiesIn(bundle) : ['the system’s CAs'];
  return { context, contents, validity: chain && validityOf(chain), authorities };
}

/** Whether two readings are of the same contents. */
export function isSameMaterial(a: ClientTlsMaterial, b: ClientTlsMaterial): boolean {
  return a.contents.length === b.contents.length && a.contents.every((one, at) => b.contents[at]?.equals(one));
}

function validityOf(chain: Buffer): { notBeforeMs: number; notAfterMs: number } {
  const { validFromDate, validToDate } = new X509Certificate(chain);
  return { notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
}

function authoritiesIn(bundle: Buffer): string[] {
  const blocks = bundle.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const names = blocks.slice(0, namesMax).map(block => oneLine(new X509Certificate(block).subject));
  return blocks.length > namesMax ? [...names, `and ${blocks.length - namesMax} more`] : names;
}

/** A distinguished name in one line. */
export function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
