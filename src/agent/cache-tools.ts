import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CachedResource, CachedView } from '../admin/reports.ts';
import type { DiskStore } from '../cache/disk.ts';
import type { DiskNote } from '../cache/disk-notes.ts';
import { parseKey, parseSigningKey, RowSealer } from '../cache/secrets.ts';
import { type DecodeOptions, decodeBundle, encodeBundle } from '../cache/seed-bundle.ts';
import type { StoredView } from '../cache/stored.ts';
import { ownDirectory } from '../net/own-directory.ts';
import { type MatchField, matchKeyOf, readNode, viewKeyOf } from '../xds/node.ts';
import { traitsOf } from '../xds/type-urls.ts';
import { type CacheSettings, cacheRows } from './cache-settings.ts';
import { cachedView } from './control.ts';
import { AgentError, exitCodes } from './errors.ts';
import { readVerifyKey, seedMatchKey } from './seed.ts';
import { openDisk, readSealer } from './storage.ts';

/** What the tools for a cache that no agent holds need to know. */
export interface CachePlace {
  readonly cacheDir: string;
  readonly secretsKeyFile: string | undefined;
  /** The key itself, as 64 hex digits. */
  readonly secretsKey: string | undefined;
}

/** What `weir cache verify` found of one type. */
export interface VerifiedType {
  readonly nodeId: string;
  readonly type: string;
  readonly resources: number;
  readonly isKnown: boolean;
  readonly problems: readonly string[];
}

/** How a bundle is made portable. */
export interface ExportOptions {
  /** Parts of the node that it is bound to. */
  readonly match: readonly MatchField[];
  /** PEM file of an Ed25519 private key. */
  readonly signKeyFile: string | undefined;
  /** File with 32 raw bytes or 64 hex digits. */
  readonly encryptKeyFile: string | undefined;
}

/** The user names the file, so its size is the user's business. */
const unlimited: DecodeOptions = { bytesMax: Infinity, resourcesMax: Infinity };

/** Settings of a cache with everything else at its default. */
function settingsOf({ cacheDir, secretsKeyFile, secretsKey: text }: CachePlace): CacheSettings {
  const defaults: Record<string, unknown> = {};
  for (const [key, { fallback, parse }] of Object.entries(cacheRows)) {
    const parsed = fallback === undefined ? undefined : parse(fallback);
    defaults[key] = parsed && 'value' in parsed ? parsed.value : undefined;
  }
  const key = text === undefined || secretsKeyFile !== undefined ? undefined : cacheRows.secretsKey.parse(text);
  if (key && 'error' in key) throw new AgentError(`WEIR_SECRETS_KEY: ${key.error}`, { exitCode: exitCodes.usage });
  const secretsKey = key?.value;
  const secrets = secretsKeyFile !== undefined || secretsKey ? 'encrypted' : 'memory';
  const given = { cacheDir, secretsKeyFile, secretsKey, cacheLockWaitMs: 0, secrets };
  return { ...defaults, ...given } as CacheSettings; // A value for every row, by its own parser.
}

async function withDisk<T>(
  place: CachePlace,
  notes: DiskNote[],
  use: (disk: DiskStore) => T,
  access: 'read' | 'change' | 'make' = 'read',
): Promise<T> {
  const path = join(ownDirectory(place.cacheDir), 'cache.db');
  if (access !== 'make' && !existsSync(path)) throw new AgentError(`there is no cache in ${place.cacheDir}`);
  const settings = settingsOf(place);
  let isLost = false;
  const watch = {
    note: (note: DiskNote) => notes.push(note),
    onLost: () => {
      isLost = true;
    },
  };
  const disk = await openDisk(settings, place.cacheDir, await readSealer(settings), Number.MAX_SAFE_INTEGER, watch);
  let result: T;
  try {
    result = use(disk);
  } finally {
    await disk.close();
  }
  const { state } = disk;
  if (state.kind === 'failing' && (access !== 'read' || disk.isEmpty)) {
    throw new AgentError(`${disk.path} cannot be ${access === 'read' ? 'read' : 'written'}: ${state.error}`);
  }
  // Whoever only read has been told by a note.
  if (isLost && access === 'make') throw new AgentError(`${disk.path} was damaged and is set aside; try again`);
  return result;
}

/** What is on disk, with the first end of a TTL of each type. Errors as `openDisk`. */
export function listCache(place: CachePlace): Promise<CachedView[]> {
  return withDisk(place, [], disk =>
    disk.list().map(listed => {
      const view = cachedView(listed);
      const types = view.types.map(type => {
        let first = Infinity;
        for (const { endsWallMs } of disk.rows(type.typeUrl, view.viewKey))
          first = Math.min(first, endsWallMs ?? first);
        return { ...type, endsWallMs: first === Infinity ? undefined : first };
      });
      return { ...view, types };
    }),
  );
}

/** The rows of a type, of one node or of all, without contents. Errors as `openDisk`. */
export function listCached(place: CachePlace, typeUrl: string, viewKey?: string): Promise<CachedResource[]> {
  return withDisk(place, [], disk => [...disk.rows(typeUrl, viewKey)]);
}

/** Reads everything and checks it. @param tell is told of each type as it is done */
export async function verifyCache(place: CachePlace, tell: (type: VerifiedType) => void): Promise<boolean> {
  const notes: DiskNote[] = [];
  let isSound = true;
  await withDisk(place, notes, disk => {
    for (const view of disk.all()) {
      const found = readNode(view.node);
      const nodeId = 'error' in found ? '(unreadable)' : found.id;
      for (const { typeUrl, resources, isKnown } of view.types) {
        const problems = notes.flatMap(note =>
          note.kind === 'disk_rows_missing' && note.typeUrl === typeUrl
            ? `${note.count} ${note.reason}${note.isSetLost ? ', so the set is lost' : ''}: ${note.names.slice(0, 5).join(', ')}`
            : [],
        );
        // What is kept in memory by choice is no damage.
        if (notes.some(note => note.kind === 'disk_rows_missing' && note.reason !== 'withheld')) isSound = false;
        tell({ nodeId, type: traitsOf(typeUrl).shortName, resources: resources.length, isKnown, problems });
      }
      notes.length = 0;
    }
    return undefined;
  });
  for (const note of notes) {
    if (note.kind !== 'disk_set_aside') continue;
    isSound = false;
    tell({
      nodeId: '',
      type: '(file)',
      resources: 0,
      isKnown: false,
      problems: [`${note.reason}; set aside as ${note.setAside}`],
    });
  }
  return isSound;
}

/** Drops nodes from a cache. @param viewKey one of them; undefined for all */
export function purgeCache(place: CachePlace, viewKey: string | undefined): Promise<number> {
  return withDisk(place, [], disk => disk.purge(viewKey), 'change');
}

/** Makes a bundle of the node used last. Undefined when there is none. */
export async function exportCache(place: CachePlace, options: ExportOptions): Promise<Buffer | undefined> {
  const view = await withDisk(place, [], disk => disk.newest());
  return view && bundle(view, options);
}

/** Binds, signs and seals a bundle that a running agent gave. */
export async function finishBundle(raw: Buffer, options: ExportOptions): Promise<Buffer> {
  const decoded = decodeBundle(raw, unlimited);
  if ('error' in decoded) throw new AgentError(`the agent’s answer cannot be used: ${decoded.error}`);
  return bundle(decoded.view, options);
}

async function bundle(view: StoredView, { match, signKeyFile, encryptKeyFile }: ExportOptions): Promise<Buffer> {
  const identity = readNode(view.node);
  if ('error' in identity) throw new AgentError(`the node in the cache cannot be read: ${identity.error}`);
  return encodeBundle(view, {
    createdWallMs: Date.now(),
    upstream: [],
    nodeId: identity.id,
    matchFields: match,
    matchKey: seedMatchKey(identity, match),
    sealer: encryptKeyFile === undefined ? undefined : new RowSealer([await readKey(encryptKeyFile)]),
    signingKey: signKeyFile === undefined ? undefined : await readSigningKey(signKeyFile),
  });
}

/** Takes a bundle into a cache, as what its own node had. Returns the number of resources. */
export async function importCache(
  place: CachePlace,
  bytes: Buffer,
  verifyKeyFile: string | undefined,
): Promise<number> {
  const settings = settingsOf(place);
  const verifyKey = verifyKeyFile === undefined ? undefined : await readVerifyKey(verifyKeyFile);
  const decoded = decodeBundle(bytes, { ...unlimited, sealer: await readSealer(settings), verifyKey });
  if ('error' in decoded) throw new AgentError(decoded.error);
  const { node, types } = decoded.view;
  const identity = readNode(node);
  if ('error' in identity) throw new AgentError(`the node in the bundle cannot be read: ${identity.error}`);
  const viewKey = viewKeyOf(identity);
  const matchKey = matchKeyOf(identity, settings.cacheMatch);
  let count = 0;
  await withDisk(
    place,
    [],
    disk => {
      disk.write([{ kind: 'view', viewKey, matchKey, node, wallMs: Date.now(), replaces: undefined }]);
      for (const { typeUrl, resources, ...state } of types) {
        disk.write([{ kind: 'clear', viewKey, typeUrl }]);
        for (const resource of resources) disk.write([{ kind: 'put', viewKey, typeUrl, resource }]);
        disk.write([{ kind: 'type', viewKey, typeUrl, state }]);
        count += resources.length;
      }
    },
    'make',
  );
  return count;
}

async function readKey(path: string): Promise<Buffer> {
  const { usage: exitCode } = exitCodes;
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new AgentError(`cannot read the key ${path}`, { cause, exitCode });
  });
  const key = parseKey(bytes);
  if ('error' in key) throw new AgentError(`${path}: ${key.error}`, { exitCode });
  return key;
}

async function readSigningKey(path: string): Promise<KeyObject> {
  const { usage: exitCode } = exitCodes;
  const pem = await readFile(path).catch((cause: unknown) => {
    throw new AgentError(`cannot read the key ${path}`, { cause, exitCode });
  });
  const key = parseSigningKey(pem);
  if ('error' in key) throw new AgentError(`${path}: ${key.error}`, { exitCode });
  return key;
}
