import { readFile } from 'node:fs/promises';
import { DiskStore } from '../cache/disk.ts';
import { type DiskNote, DiskUnusable } from '../cache/disk-notes.ts';
import { restricted } from '../cache/restricted.ts';
import { createProtector } from '../cache/row-protector.ts';
import { parseKey, RowSealer } from '../cache/secrets.ts';
import type { DiskChange, StoredView } from '../cache/stored.ts';
import { ownDirectory } from '../net/own-directory.ts';
import { matchKeyOf, type NodeIdentity, readNode, viewKeyOf } from '../xds/node.ts';
import type { ViewKey } from '../xds/types.ts';
import type { CacheSettings } from './cache-settings.ts';
import { hasManyViews } from './core-settings.ts';
import { AgentError, exitCodes } from './errors.ts';
import type { StoredViews } from './reception.ts';
import { loadSeed, type Seed, type SeedNote } from './seed.ts';
import type { Settings } from './settings.ts';

/** What is kept outside the process, for one agent. */
export interface Storage extends StoredViews {
  /** The view to start with; `identity` is the configured node, without it the one that was used last. */
  first(identity: NodeIdentity | undefined): StoredView | undefined;
  write(changes: readonly DiskChange[]): void;
  /** The process lives with what was loaded. */
  loadedFine(): void;
  /** The process dies of an error of its own. */
  crashed(): void;
  /** Undefined without a disk. */
  readonly disk: DiskStore | undefined;
  /** The seed that is there for clients whose node it fits. */
  readonly seed: Seed | undefined;
  /**
   * Gets the seed, if one is set and the disk has nothing for this node. A failure is told, not thrown: the control plane may be there.
   *
   * @returns whether there is a seed now
   */
  loadSeed(identity: NodeIdentity | undefined): Promise<boolean>;
  /** Writes what is left and lets go of the file. */
  close(): Promise<void>;
}

/** What decides how many nodes the disk has to remember. */
export type NodeSettings = Pick<Settings, 'nodeSharing' | 'nodeShareBy' | 'nodesMax'>;

/** Views on disk where one node is served: it may have had other metadata, or another name. */
const fewViewsMax = 16;

/** Who is told what becomes of the disk cache. */
export interface StorageWatch {
  readonly note: (note: DiskNote) => void;
  /** It was begun anew: it is to be told everything once more. */
  readonly onLost: () => void;
  /** So many changes were written, in so many ms. */
  readonly onWritten?: ((changes: number, ms: number) => void) | undefined;
}

/**
 * Opens the disk cache, if a directory is set.
 *
 * @throws AgentError with exit code 3 when the file is another process's, another program's or of a newer format
 */
export async function openStorage(
  settings: CacheSettings & NodeSettings,
  watch: StorageWatch & { readonly seedNote: (note: SeedNote) => void },
): Promise<Storage> {
  const { cacheDir, cacheMatch } = settings;
  const viewsMax = hasManyViews(settings) ? Math.max(fewViewsMax, settings.nodesMax) : fewViewsMax;
  const sealer = await readSealer(settings);
  const disk = cacheDir === undefined ? undefined : await openDisk(settings, cacheDir, sealer, viewsMax, watch);
  let seed: Seed | undefined;

  const isOwn = (node: Buffer, identity: NodeIdentity): boolean => {
    const owner = readNode(node);
    return !('error' in owner) && matchKeyOf(owner, ['id']) === matchKeyOf(identity, ['id']);
  };
  const find = (identity: NodeIdentity, group?: string): StoredView | undefined => {
    if (group !== undefined) return disk?.find(group);
    const viewKey = viewKeyOf(identity);
    const rank = (key: ViewKey, node: Buffer): number => (key === viewKey ? 2 : isOwn(node, identity) ? 1 : 0);
    const view = disk?.find(matchKeyOf(identity, cacheMatch), rank);
    if (!view || isOwn(view.node, identity)) return view;
    // Of another node nothing secret is taken over (R69).
    return { ...view, isCopy: true, types: view.types.map(type => restricted(type, false)) };
  };
  const onDisk = (identity: NodeIdentity | undefined, group?: string): StoredView | undefined => {
    const view = identity ? find(identity, group) : disk?.newest();
    // A view that never got anything is no better than a seed.
    return seed && view?.types.every(type => type.resources.length === 0 && !type.isKnown) ? undefined : view;
  };
  return {
    disk,
    get seed() {
      return seed;
    },
    find: (identity, group) => onDisk(identity, group) ?? seed?.viewFor(identity, watch.seedNote),
    first: identity => onDisk(identity) ?? (identity && seed?.viewFor(identity, watch.seedNote)),
    write: changes => disk?.write(changes),
    loadedFine: () => disk?.loadedFine(),
    crashed: () => disk?.crashed(),
    async loadSeed(identity) {
      const isNeeded = settings.seed !== undefined && !onDisk(identity)?.types.some(type => type.resources.length > 0);
      if (isNeeded) seed = await loadSeed(settings, sealer, watch.seedNote);
      return seed !== undefined;
    },
    close: async () => disk?.close(),
  };
}

/** Opens the cache file. @param viewsMax most views kept. Errors as {@link openStorage}. */
export async function openDisk(
  settings: CacheSettings,
  cacheDir: string,
  sealer: RowSealer | undefined,
  viewsMax: number,
  watch: StorageWatch,
): Promise<DiskStore> {
  try {
    return await DiskStore.open({
      directory: ownDirectory(cacheDir),
      lockWaitMs: settings.cacheLockWaitMs,
      bytesMax: settings.cacheBytesMax,
      viewsMax,
      protector: createProtector(settings.secrets, sealer),
      ...watch,
      wallMs: Date.now,
    });
  } catch (error) {
    if (error instanceof DiskUnusable) {
      const isLast = error.reason !== 'unsafe';
      throw new AgentError(`the cache cannot be used: ${error.message}`, {
        exitCode: isLast ? exitCodes.cacheUnusable : exitCodes.failed,
      });
    }
    throw new AgentError(`cannot open the cache in ${cacheDir} (setting cacheDir)`, {
      cause: error,
      exitCode: exitCodes.failed,
    });
  }
}

/** Reads the keys for sealed rows, the current one first; undefined when none is set. */
export async function readSealer(settings: CacheSettings): Promise<RowSealer | undefined> {
  const keys: Buffer[] = settings.secretsKey ? [settings.secretsKey] : [];
  for (const setting of ['secretsKeyFile', 'secretsOldKeyFile'] as const) {
    const path = settings[setting];
    if (path === undefined) continue;
    const { usage: exitCode } = exitCodes;
    let bytes: Buffer;
    try {
      bytes = await readFile(path);
    } catch (error) {
      throw new AgentError(`cannot read the key ${path} (setting ${setting})`, { cause: error, exitCode });
    }
    const key = parseKey(bytes);
    if ('error' in key) throw new AgentError(`${path}: ${key.error} (setting ${setting})`, { exitCode });
    keys.push(key);
  }
  return keys.length > 0 ? new RowSealer(keys) : undefined;
}
