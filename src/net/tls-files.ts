import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';

/** Where the parts of a TLS identity are, PEM each. */
export interface TlsPaths {
  /** Certificate chain, own certificate first. */
  readonly cert: string;
  readonly key: string;
  /** Bundle that the other side is checked by; undefined without. */
  readonly ca: string | undefined;
}

/** A TLS identity as it was read. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
  /** When the own certificate ends, wall time in ms. */
  readonly notAfterMs: number;
}

/** What happens to the files while they are watched. */
export type TlsNote =
  | { readonly kind: 'tls_reloaded'; readonly cert: string; readonly notAfterMs: number }
  /** They cannot be used as they are now; what was read before stays in use. */
  | { readonly kind: 'tls_unusable'; readonly cert: string; readonly error: string };

/** How often the files are looked at, in ms. An atomic swap of links, as Kubernetes does it, gives no event that could be relied on. */
const lookMs = 2_000;

/**
 * A certificate with its key, and a CA bundle, read from files and read again when they change. A pair that does not fit together, as it is
 * seen in the middle of a rotation, is passed over: the last good one stays.
 */
export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #note: (note: TlsNote) => void;
  readonly #listeners = new Set<(material: TlsMaterial) => void>();
  #current: TlsMaterial;
  #timer: NodeJS.Timeout | undefined;
  #isTold = false;
  #failures = 0;

  private constructor(paths: TlsPaths, material: TlsMaterial, note: (note: TlsNote) => void) {
    this.#paths = paths;
    this.#current = material;
    this.#note = note;
    this.#timer = setInterval(() => void this.#look(), lookMs).unref();
  }

  /**
   * Reads the files for the first time, and watches them from then on.
   *
   * @throws Error that names the file and says what is wrong with it
   */
  static async open(paths: TlsPaths, note: (note: TlsNote) => void): Promise<TlsFiles> {
    return new TlsFiles(paths, await read(paths), note);
  }

  get current(): TlsMaterial {
    return this.#current;
  }

  /** Tells of every change from now on. Returns how to stop it. */
  onChange(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#listeners.clear();
  }

  async #look(): Promise<void> {
    let material: TlsMaterial;
    try {
      material = await read(this.#paths);
    } catch (error) {
      // Once may be the middle of a rotation.
      if (++this.#failures < 2 || this.#isTold || !this.#timer) return;
      this.#isTold = true;
      const { cert } = this.#paths;
      this.#note({ kind: 'tls_unusable', cert, error: error instanceof Error ? error.message : String(error) });
      return;
    }
    this.#failures = 0;
    this.#isTold = false;
    const { cert, key, ca } = this.#current;
    const isSame = cert.equals(material.cert) && key.equals(material.key) && areEqual(ca, material.ca);
    if (isSame || !this.#timer) return;
    this.#current = material;
    this.#note({ kind: 'tls_reloaded', cert: this.#paths.cert, notAfterMs: material.notAfterMs });
    for (const listener of this.#listeners) listener(material);
  }
}

async function read(paths: TlsPaths): Promise<TlsMaterial> {
  const cert = await readNamed(paths.cert);
  const key = await readNamed(paths.key);
  const ca = paths.ca === undefined ? undefined : await readNamed(paths.ca);
  try {
    createSecureContext({ cert, key, ca });
  } catch (error) {
    throw new Error(`${paths.cert} and ${paths.key} cannot be used together: ${String(error)}`);
  }
  if (ca && !isBundle(ca)) throw new Error(`${paths.ca} holds no CA certificate (PEM)`);
  return { cert, key, ca, notAfterMs: new X509Certificate(cert).validToDate.getTime() };
}

/** OpenSSL takes a file without certificates for a bundle of none, which nobody means. */
export function isBundle(ca: Buffer): boolean {
  try {
    // Node.js reads DER as well here, and OpenSSL then finds nothing in it.
    return ca.includes('-----BEGIN ') && new X509Certificate(ca).raw.length > 0;
  } catch {
    return false;
  }
}

/** Reads a file. @throws Error that names it */
export async function readNamed(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function areEqual(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
