import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type DiskOptions, DiskStore } from '../../src/cache/disk.ts';
import type { DiskNote } from '../../src/cache/disk-notes.ts';
import { createProtector } from '../../src/cache/row-protector.ts';
import type { DiskChange, StoredResource, StoredTypeState, StoredView } from '../../src/cache/stored.ts';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import type { TypeUrl, ViewKey } from '../../src/xds/types.ts';

/** The view that changes belong to unless a test says otherwise. */
export const viewKey = 'view' as ViewKey;
/** Its first change. */
export const view: DiskChange = viewChange('view', 1);

/** A view that came to life. @param wallMs when it was used */
export function viewChange(
  key: string,
  wallMs: number,
  parts: { matchKey?: string; replaces?: string; node?: Buffer } = {},
): DiskChange {
  return {
    kind: 'view',
    viewKey: key as ViewKey,
    matchKey: parts.matchKey ?? `match-${key}`,
    node: parts.node ?? Buffer.from(`node-${key}`),
    wallMs,
    replaces: parts.replaces as ViewKey | undefined,
  };
}

/** A resource with a content that says its name and payload. */
export function stored(name: string, payload = 'one', parts: Partial<StoredResource> = {}): StoredResource {
  return {
    name,
    version: `v-${payload}`,
    any: Buffer.from(`${name} ${payload}`),
    extra: undefined,
    trust: 'accepted',
    refusal: undefined,
    good: undefined,
    deadlineWallMs: undefined,
    changedWallMs: undefined,
    ...parts,
  };
}

export function put(resource: StoredResource, typeUrl: TypeUrl = clusterType, key = viewKey): DiskChange {
  return { kind: 'put', viewKey: key, typeUrl, resource };
}

/** The state of a type, a complete one unless told otherwise. */
export function typed(parts: Partial<StoredTypeState> = {}, typeUrl: TypeUrl = clusterType, key = viewKey): DiskChange {
  const state = { isKnown: true, confirmedWallMs: 7, upstreamVersion: 'v7', server: '', scope: '', ...parts };
  return { kind: 'type', viewKey: key, typeUrl, state };
}

/** A folder that lives as long as the test. Returns the directory in it that is to be the cache's own. */
export function cacheFolder(context: TestContext): string {
  const folder = makeFolder();
  context.after(() => removeFolder(folder));
  return join(folder, 'weir');
}

/** A store and what it noted. */
export interface OpenedDisk {
  readonly disk: DiskStore;
  readonly notes: readonly DiskNote[];
}

/** Opens the cache in a directory; nothing is a secret unless told otherwise. */
export async function openDisk(directory: string, options: Partial<DiskOptions> = {}): Promise<OpenedDisk> {
  const notes: DiskNote[] = [];
  const all: DiskOptions = {
    directory,
    lockWaitMs: 0,
    bytesMax: 1 << 30,
    viewsMax: 16,
    protector: createProtector('memory', undefined),
    note: note => notes.push(note),
    onLost: () => {},
    wallMs: () => 1_000_000,
  };
  // Getters of the given options stay getters, so that a test may change its mind.
  Object.defineProperties(all, Object.getOwnPropertyDescriptors(options));
  return { disk: await DiskStore.open(all), notes };
}

/** Opens the cache, does something with it and closes it; returns what was noted. */
export async function session(
  directory: string,
  use: (disk: DiskStore) => void,
  options: Partial<DiskOptions> = {},
): Promise<readonly DiskNote[]> {
  const { disk, notes } = await openDisk(directory, options);
  try {
    use(disk);
  } finally {
    await disk.close();
  }
  return notes;
}

/** What a new process would start with. */
export async function reload(
  directory: string,
  options: Partial<DiskOptions> = {},
): Promise<{ readonly view: StoredView | undefined; readonly notes: readonly DiskNote[] }> {
  let found: StoredView | undefined;
  const notes = await session(
    directory,
    disk => {
      found = disk.newest();
    },
    options,
  );
  return { view: found, notes };
}

/** Contents of a type by name, as text. */
export function contentsOf(found: StoredView | undefined, typeUrl: TypeUrl = clusterType): Map<string, string> {
  const type = found?.types.find(one => one.typeUrl === typeUrl);
  return new Map(type?.resources.map(resource => [resource.name, resource.any.toString()]));
}

/** What another process finds if this one dies now. Returns the directory. */
export function copied(context: TestContext, disk: DiskStore): string {
  const next = cacheFolder(context);
  mkdirSync(next, { mode: 0o700 });
  for (const name of readdirSync(dirname(disk.path))) copyFileSync(join(dirname(disk.path), name), join(next, name));
  return next;
}
