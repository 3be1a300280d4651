import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sealer } from '../cache/secrets.ts';
import { type BundleHeader, decodeBundle, mismatches } from '../cache/seed-bundle.ts';
import type { StoredView } from '../cache/stored.ts';
import { matchKeyOf, type NodeIdentity } from '../xds/node.ts';
import type { CacheSettings } from './cache-settings.ts';
import { AgentError } from './errors.ts';
import { fetchSeed, readVerifyKey } from './seed-fetch.ts';

/** What happened to the seed, for the log. */
export type SeedNote =
  | { readonly kind: 'seed_loaded'; readonly header: BundleHeader; readonly from: 'source' | 'saved copy' }
  | { readonly kind: 'seed_failed'; readonly error: string }
  /** It is bound to another node. */
  | { readonly kind: 'seed_refused'; readonly nodeId: string; readonly fields: readonly string[] };

/** A seed that was read and verified. */
export class Seed {
  readonly header: BundleHeader;
  readonly #view: StoredView;
  #isRefusalNoted = false;

  constructor(header: BundleHeader, view: StoredView) {
    this.header = header;
    this.#view = view;
  }

  /** The view for a node; undefined, with a note, when the bundle is bound to another one (R69). */
  viewFor(identity: NodeIdentity, note: (note: SeedNote) => void): StoredView | undefined {
    const fields = mismatches(this.header, field => matchKeyOf(identity, [field]));
    if (fields.length === 0) return this.#view;
    if (!this.#isRefusalNoted) note({ kind: 'seed_refused', nodeId: identity.id, fields });
    this.#isRefusalNoted = true;
    return undefined;
  }
}

/**
 * Gets the seed from its source, or, when that cannot be reached, from the copy that was saved the last time. What goes wrong is told, not
 * thrown: without a seed the agent starts from nothing and asks the control plane.
 */
export async function loadSeed(
  settings: CacheSettings,
  sealer: Sealer | undefined,
  note: (note: SeedNote) => void,
): Promise<Seed | undefined> {
  const { seed: source, cacheDir } = settings;
  if (source === undefined) return undefined;
  const isRemote = /^https?:/i.test(source);
  const copy = cacheDir === undefined || !isRemote ? undefined : join(cacheDir, 'weir', 'seed.bundle');
  try {
    const verifyKey =
      settings.seedVerifyKeyFile === undefined ? undefined : await readVerifyKey(settings.seedVerifyKeyFile);
    const read = (bytes: Buffer): Seed => {
      const decoded = decodeBundle(bytes, { sealer, verifyKey });
      if ('error' in decoded) throw new AgentError(`the seed cannot be used: ${decoded.error} (setting seed)`);
      return new Seed(decoded.header, decoded.view);
    };
    const saved = copy === undefined ? undefined : await readSaved(copy);
    try {
      const fetched = await fetchSeed(source, {
        timeoutMs: settings.seedTimeoutMs,
        bytesMax: settings.seedBytesMax,
        tlsCa: settings.seedTlsCa === undefined ? undefined : await readFile(settings.seedTlsCa),
        etag: saved?.etag,
        isSigned: verifyKey !== undefined,
      });
      const seed = read(fetched?.bytes ?? saved?.bytes ?? Buffer.alloc(0));
      if (fetched && copy !== undefined) await save(copy, fetched.bytes, fetched.etag ?? '');
      note({ kind: 'seed_loaded', header: seed.header, from: fetched ? 'source' : 'saved copy' });
      return seed;
    } catch (error) {
      if (!saved) throw error;
      note({ kind: 'seed_failed', error: AgentError.from(error).describe() });
      const seed = read(saved.bytes);
      note({ kind: 'seed_loaded', header: seed.header, from: 'saved copy' });
      return seed;
    }
  } catch (error) {
    note({ kind: 'seed_failed', error: AgentError.from(error).describe() });
    return undefined;
  }
}

async function readSaved(path: string): Promise<{ bytes: Buffer; etag: string | undefined } | undefined> {
  try {
    const bytes = await readFile(path);
    const etag = await readFile(`${path}.etag`, 'utf8');
    return { bytes, etag: etag === '' ? undefined : etag };
  } catch {
    // Nothing was saved yet, or not completely.
    return undefined;
  }
}

async function save(path: string, bytes: Buffer, etag: string): Promise<void> {
  for (const [target, content] of [
    [path, bytes],
    [`${path}.etag`, etag],
  ] as const) {
    await writeFile(`${target}.new`, content, { mode: 0o600 });
    await rename(`${target}.new`, target);
  }
}
