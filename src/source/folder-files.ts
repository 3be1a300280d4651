import type { BigIntStats, Dirent } from 'node:fs';
import { open, opendir, readlink, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FolderListing, ListedFile } from './folder-listing.ts';
import { isManifestName } from './manifest.ts';

/** A listing, with the folders that were gone through, for whoever watches them. */
export interface ListedFolder {
  readonly listing: FolderListing;
  /** By path, with what tells a folder from another one that takes its place. */
  readonly folders: ReadonlyMap<string, string>;
}

/** Files that are looked at or read at the same time. */
const atOnceMax = 16;
/** Entries of all kinds that are gone through for each file that is allowed. */
const entriesPerFileMax = 20;
/** Every new ext4 file system has one, and only root may read it. */
const recoveryFolder = 'lost+found';

interface Walk {
  readonly filesMax: number;
  entries: number;
  readonly files: Map<string, ListedFile>;
  readonly lostFolders: Map<string, string>;
  readonly folders: Map<string, string>;
  readonly waiting: string[];
  readonly links: string[];
  /** Folders by inode, so that a link to a folder above ends nowhere, and one to a sibling brings nothing twice. */
  readonly visited: Set<string>;
}

/**
 * Lists the manifests under a folder, links followed. What begins with a dot is left out: `..data` and its like are where Kubernetes keeps
 * the files of a mounted ConfigMap, and the links beside them lead there.
 *
 * @param directory becomes the beginning of each path
 * @returns why not, when the folder itself cannot be read, or holds more than `filesMax` manifests
 */
export async function listFolder(
  directory: string,
  filesMax: number,
): Promise<ListedFolder | { readonly failed: string }> {
  const walk: Walk = {
    filesMax,
    entries: 0,
    files: new Map(),
    lostFolders: new Map(),
    folders: new Map(),
    waiting: [directory],
    links: [],
    visited: new Set(),
  };
  try {
    walk.links.push(await realpath(directory));
    if (!(await stat(directory)).isDirectory()) return { failed: 'is no folder' };
    const found: string[] = [];
    for (let folder = walk.waiting.pop(); folder !== undefined; folder = walk.waiting.pop()) {
      found.push(...(await listOne(walk, folder, folder === directory)));
      if (found.length > filesMax)
        return { failed: `holds more than ${filesMax} manifests; raise --files-max, or split it` };
    }
    await forEachAtOnce(found, async path => {
      const listed = await listFile(path);
      if (listed) walk.files.set(path, listed);
    });
  } catch (error) {
    if (error instanceof TooManyError) return { failed: error.message };
    if (codeOf(error) === 'ENOENT') return { failed: 'does not exist; create it, or mount it' };
    return { failed: `cannot be read: ${wordsOf(error)}` };
  }
  const files = new Map([...walk.files].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const listing = { files, lostFolders: walk.lostFolders, linked: walk.links.toSorted().join('\n') };
  return { listing, folders: walk.folders };
}

/**
 * Reads a file whole.
 *
 * @returns why not; undefined when it is gone
 */
export async function readWhole(
  path: string,
  bytesMax: number,
): Promise<Buffer | { readonly error: string } | undefined> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size > bytesMax)
        return { error: `has ${size} bytes, the most is ${bytesMax}; split it, or raise --file-bytes-max` };
      const content = Buffer.alloc(size);
      const { bytesRead } = await file.read(content, 0, size, 0);
      return content.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? undefined : { error: `cannot be read: ${wordsOf(error)}` };
  }
}

/** Does something for each of many, a few at a time, in no certain order. */
export async function forEachAtOnce<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = waiting.next(); !next.done; next = waiting.next()) await work(next.value);
  };
  // bounded: as many as may work at once
  await Promise.all(Array.from({ length: atOnceMax }, worker));
}

/** Goes through one folder. Returns the files in it that are manifests by their names; folders in it wait for their turn. */
async function listOne(walk: Walk, folder: string, isTop: boolean): Promise<string[]> {
  const found: string[] = [];
  try {
    const identity = identityOf(await stat(folder, { bigint: true }));
    if (walk.visited.has(identity)) return [];
    walk.visited.add(identity);
    walk.folders.set(folder, identity);
    for await (const entry of await opendir(folder, { bufferSize: 256 })) {
      walk.entries += 1;
      if (walk.entries > walk.filesMax * entriesPerFileMax) {
        throw new TooManyError(
          `holds more than ${walk.filesMax * entriesPerFileMax} entries; raise --files-max, or split it`,
        );
      }
      const path = join(folder, entry.name);
      if (entry.name === '..data' && entry.isSymbolicLink()) walk.links.push(`${path} ${await readlink(path)}`);
      if (entry.name.startsWith('.') || entry.name === recoveryFolder) continue;
      const is = await whatIs(path, entry);
      if (is === 'folder') walk.waiting.push(path);
      else if (isManifestName(entry.name)) found.push(path);
    }
  } catch (error) {
    // One of many goes away at times, while the folder above is being read.
    if (!isTop && codeOf(error) === 'ENOENT') return [];
    if (isTop || error instanceof TooManyError) throw error;
    walk.lostFolders.set(folder, wordsOf(error));
  }
  return found;
}

class TooManyError extends Error {}

async function whatIs(path: string, entry: Dirent): Promise<'folder' | 'other'> {
  if (entry.isDirectory()) return 'folder';
  if (entry.isFile()) return 'other';
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'other';
  } catch {
    // A link to nothing. If it is called like a manifest, that is told of the file.
    return 'other';
  }
}

/** @returns undefined when the file is gone */
async function listFile(path: string): Promise<ListedFile | undefined> {
  try {
    const stats = await stat(path, { bigint: true });
    if (!stats.isFile()) return { stamp: 'no file', error: 'is neither a file nor a folder', writtenMs: 0 };
    const { size, mtimeNs, ctimeNs, mtimeMs } = stats;
    const stamp = `${identityOf(stats)} ${size} ${mtimeNs} ${ctimeNs}`;
    return { stamp, error: undefined, writtenMs: Number(mtimeMs) };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return await listDangling(path);
    return { stamp: `error ${codeOf(error)}`, error: `cannot be read: ${wordsOf(error)}`, writtenMs: 0 };
  }
}

async function listDangling(path: string): Promise<ListedFile | undefined> {
  try {
    return { stamp: 'dangling', error: `is a link to ${await readlink(path)}, where nothing is`, writtenMs: 0 };
  } catch {
    // No link, so it was a file and is gone.
    return undefined;
  }
}

const identityOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
