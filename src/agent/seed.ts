import type { KeyObject } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseVerifyKey, type RowSealer } from '../cache/secrets.ts';
import { type BundleHeader, type DecodeOptions, decodeBundle } from '../cache/seed-bundle.ts';
import type { StoredView } from '../cache/stored.ts';
import { type MatchField, matchKeyOf, type NodeIdentity } from '../xds/node.ts';
import type { CacheSettings } from './cache-settings.ts';
import { AgentError, exitCodes } from './errors.ts';
import { fetchSeed } from './seed-fetch.ts';

/** Attempts after the first. */
const fetchRetries = 5;

/** What happened to the seed, for the log. */
export type SeedNote =
  | { readonly kind: 'seed_loaded'; readonly header: BundleHeader; readonly from: 'source' | 'saved copy' }
  | { readonly kind: 'seed_failed'; readonly error: string }
  | { readonly kind: 'seed_retried'; readonly text: string }
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
    const fields = differingFields(this.header, identity);
    if (fields.length === 0) return this.#view;
    if (!this.#isRefusalNoted) note({ kind: 'seed_refused', nodeId: identity.id, fields });
    this.#isRefusalNoted = true;
    return undefined;
  }
}

/** The key that a bundle is bound by: a digest for each part of the node, so that a difference can be named. */
export function seedMatchKey(identity: NodeIdentity, fields: readonly MatchField[]): string {
  return fields.map(field => matchKeyOf(identity, [field])).join(' ');
}

function differingFields({ matchFields, matchKey }: BundleHeader, identity: NodeIdentity): string[] {
  const digests = matchKey.split(' ');
  // Another version of weir may bind to parts that this one does not know: then the digests differ.
  return matchFields.filter((field, index) => matchKeyOf(identity, [field as MatchField]) !== digests[index]);
}

/**
 * Gets the seed from its source, or, when that cannot be reached, from the copy that was saved the last time. What goes wrong is told, not
 * thrown: without a seed the agent starts from nothing and asks the control plane.
 */
export async function loadSeed(
  settings: CacheSettings,
  sealer: RowSealer | undefined,
  note: (note: SeedNote) => void,
): Promise<Seed | undefined> {
  const { seed: source, cacheDir } = settings;
  if (source === undefined) return undefined;
  const isRemote = /^https?:/i.test(source);
  const copy = cacheDir === undefined || !isRemote ? undefined : join(cacheDir, 'weir', 'seed.bundle');
  try {
    const { seedVerifyKeyFile, seedBytesMax: bytesMax, seedResourcesMax: resourcesMax } = settings;
    const verifyKey = seedVerifyKeyFile === undefined ? undefined : await readVerifyKey(seedVerifyKeyFile);
    const options: DecodeOptions = { sealer, verifyKey, bytesMax, resourcesMax };
    const read = (bytes: Buffer): Seed => {
      const decoded = decodeBundle(bytes, options);
      if ('error' in decoded) throw new AgentError(`${decoded.error} (setting seed)`);
      return new Seed(decoded.header, decoded.view);
    };
    const saved = copy === undefined ? undefined : await readSaved(copy);
    try {
      const fetched = await fetchSeed(source, {
        timeoutMs: settings.seedTimeoutMs,
        bytesMax,
        tlsCa: settings.seedTlsCa === undefined ? undefined : await readFile(settings.seedTlsCa),
        etag: saved?.etag,
        // Clients may be waiting, and there is something that can be given to them.
        retries: saved ? 0 : fetchRetries,
        allowPlainHttp: verifyKey !== undefined,
        note: text => note({ kind: 'seed_retried', text }),
      });
      const isNew = fetched !== 'not modified';
      const seed = read(isNew ? fetched.bytes : (saved?.bytes ?? Buffer.alloc(0)));
      if (isNew && copy !== undefined) await save(copy, fetched.bytes, fetched.etag ?? '');
      note({ kind: 'seed_loaded', header: seed.header, from: isNew ? 'source' : 'saved copy' });
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

/** Reads the Ed25519 public key (PEM) that seeds have to be signed by. */
export async function readVerifyKey(path: string): Promise<KeyObject> {
  const { usage: exitCode } = exitCodes;
  const pem = await readFile(path).catch((cause: unknown) => {
    throw new AgentError(`cannot read the key ${path} (setting seedVerifyKeyFile)`, { cause, exitCode });
  });
  const key = parseVerifyKey(pem);
  if ('error' in key) throw new AgentError(`${path}: ${key.error} (setting seedVerifyKeyFile)`, { exitCode });
  return key;
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
