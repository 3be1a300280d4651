import { digestOf } from '../xds/digest.ts';
import { forEachAtOnce, type ListedFolder, listFolder, readWhole } from './folder-files.ts';
import { type FolderListing, isKnownListing, unsettledFiles } from './folder-listing.ts';
import { checkManifests, type FolderCounts, type FolderLook, FolderState, type ManifestCheck } from './folder-state.ts';
import { FolderWatch } from './folder-watch.ts';
import { type Manifest, type ManifestLimits, readManifest, unreadManifest } from './manifest.ts';
import type { SourceEvent, SourceReader } from './source-events.ts';

/** How a folder of manifests is read. */
export interface FolderSettings extends ManifestLimits {
  /** Read with everything in it, except what begins with a dot. It may be missing at first. */
  readonly directory: string;
  /** Namespace of objects that name none. Default `default`. */
  readonly defaultNamespace: string;
  /**
   * How often the folder is looked at whatever the watches say, in ms. Default 10,000. Less where no watch works, as on a file system of
   * the network; the folder itself, when it is missing, is waited for by this as well.
   */
  readonly rescanMs: number;
  /**
   * How long a file must have been left alone before it is read, in ms. Default 100. More where files are written slowly. A change is
   * told after about this time, and after 20 times of it at the latest.
   */
  readonly settleMs: number;
  /** Manifests. Default 10,000; past it nothing is taken over. */
  readonly filesMax: number;
  /** Of one file. Default 4 MiB; a larger one counts as one with a mistake. */
  readonly fileBytesMax: number;
  /** Objects of Istio in all files. Default 20,000; past it nothing is taken over. */
  readonly objectsMax: number;
}

/** What is set unless somebody says otherwise. */
export const folderDefaults: Omit<FolderSettings, 'directory'> = {
  defaultNamespace: 'default',
  rescanMs: 10_000,
  settleMs: 100,
  filesMax: 10_000,
  fileBytesMax: 4 * 1024 * 1024,
  objectsMax: 20_000,
};

/** What people may want to know of the reading, beside what is wrong. */
export type FolderNote =
  /** The folder holds another number of things than before. */
  | ({ readonly kind: 'folder_read'; readonly tookMs: number } & FolderCounts)
  /** Changes are found at intervals only. */
  | { readonly kind: 'folder_unwatched'; readonly text: string };

/** Looks that are spent on waiting for files that keep changing. */
const settleLooksMax = 20;

/**
 * Reads a folder of manifests and goes on telling what changes in it, until it is closed. A folder that cannot be read, or is not there yet,
 * is trouble that is told and waited for; it is never told as an empty one.
 *
 * @param tell is called with what one look found in one go
 * @returns when the first look is over and told, whatever it found
 */
export async function readFolder(
  settings: FolderSettings,
  tell: (event: SourceEvent) => void,
  note: (note: FolderNote) => void = () => {},
): Promise<SourceReader> {
  const reader = new FolderReader(settings, tell, note);
  await reader.start();
  return reader;
}

/**
 * Looks at a folder once, as it is, and says what is wrong in it: for people and pipelines, before somebody relies on it.
 *
 * @returns a problem of the folder itself as well, if it cannot be read
 */
export async function checkFolder(settings: FolderSettings): Promise<ManifestCheck> {
  const { directory, filesMax, objectsMax } = settings;
  const listed = await listFolder(directory, filesMax);
  if ('failed' in listed) return checkManifests(directory, { kind: 'failed', text: listed.failed }, objectsMax);
  const files = await readFiles(settings, listed.listing, new Map(), new Set());
  return checkManifests(directory, lookOf(files, listed.listing), objectsMax);
}

/** A file as it was read. */
interface ReadFile {
  /** Of the listing; empty where the file must be read again in any case. */
  readonly stamp: string;
  readonly digest: string;
  readonly manifest: Manifest;
}

type ReadFiles = ReadonlyMap<string, ReadFile>;

function lookOf(files: ReadFiles, { lostFolders }: FolderListing): FolderLook {
  return { kind: 'seen', files: new Map([...files].map(([path, { manifest }]) => [path, manifest])), lostFolders };
}

/** Reads what is not known yet. @param passed files that are left as they are known */
async function readFiles(
  settings: FolderSettings,
  { files }: FolderListing,
  known: ReadFiles,
  passed: ReadonlySet<string>,
): Promise<ReadFiles> {
  const read = new Map<string, ReadFile>();
  // All names first, so that their order is that of the listing and not that in which they are read.
  for (const path of files.keys()) read.set(path, known.get(path) ?? unread(path, 'is being written'));
  await forEachAtOnce(files, async ([path, { stamp, error }]) => {
    const before = known.get(path);
    if (before?.stamp === stamp || passed.has(path)) return;
    const content = error === undefined ? await readWhole(path, settings.fileBytesMax) : { error };
    if (content === undefined) read.delete(path);
    else if ('error' in content) read.set(path, unread(path, content.error));
    else {
      const digest = digestOf(content);
      const isSame = before !== undefined && before.digest === digest && before.stamp !== '';
      read.set(path, { stamp, digest, manifest: isSame ? before.manifest : readManifest(path, content, settings) });
    }
  });
  // What is passed over and not there is not gone yet.
  for (const path of passed) {
    const before = known.get(path);
    if (!read.has(path) && before) read.set(path, before);
  }
  return read;
}

const unread = (path: string, text: string): ReadFile => ({
  stamp: '',
  digest: '',
  manifest: unreadManifest(path, text),
});

/** A folder that is being read. */
class FolderReader implements SourceReader {
  readonly #settings: FolderSettings;
  readonly #tell: (event: SourceEvent) => void;
  readonly #note: (note: FolderNote) => void;
  readonly #state: FolderState;
  readonly #watch: FolderWatch;
  #files: ReadFiles = new Map();
  /** What the last look found that was taken in; undefined when it failed. */
  #taken: FolderListing | undefined;
  #counts = '';
  #isChanged = false;
  #isClosed = false;
  /** Ends the rest before its time. */
  #wake: () => void = () => {};
  #running: Promise<void> = Promise.resolve();

  constructor(settings: FolderSettings, tell: (event: SourceEvent) => void, note: (note: FolderNote) => void) {
    this.#settings = settings;
    this.#tell = tell;
    this.#note = note;
    this.#state = new FolderState(settings.directory, settings.objectsMax);
    this.#watch = new FolderWatch(
      settings.directory,
      () => {
        this.#isChanged = true;
        this.#wake();
      },
      text => note({ kind: 'folder_unwatched', text }),
    );
  }

  async start(): Promise<void> {
    await this.#look();
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watch.close();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { rescanMs, settleMs } = this.#settings;
    while (!this.#isClosed) {
      if (!this.#isChanged) await this.#rest(rescanMs);
      // Where something has changed more is to come, and half of it is of no use.
      for (let looks = 0; this.#isChanged && looks < settleLooksMax; looks++) {
        this.#isChanged = false;
        await this.#rest(settleMs, 'whatever happens');
      }
      await this.#look();
    }
  }

  /** Waits so long, or until something changes. */
  async #rest(restMs: number, until: 'change' | 'whatever happens' = 'change'): Promise<void> {
    if (this.#isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, restMs);
    this.#wake = () => {
      if (until === 'change' || this.#isClosed) resolve();
    };
    await promise;
    clearTimeout(timer);
    this.#wake = () => {};
  }

  async #look(): Promise<void> {
    this.#isChanged = false;
    const startMs = performance.now();
    const look = await this.#settled();
    if (look === undefined || this.#isClosed) return;
    for (const event of this.#state.apply(look)) this.#tell(event);
    const { counts } = this.#state;
    const text = JSON.stringify(counts);
    if (look.kind === 'failed' || text === this.#counts) return;
    this.#counts = text;
    this.#note({ kind: 'folder_read', ...counts, tookMs: Math.round(performance.now() - startMs) });
  }

  /** Looks until nothing moves any more. Returns undefined when all is as it was taken in before. */
  async #settled(): Promise<FolderLook | undefined> {
    const { settleMs } = this.#settings;
    let before: FolderListing | undefined;
    let hasFailed = false;
    for (let looks = 1; !this.#isClosed; looks++) {
      const isLast = looks >= settleLooksMax;
      const listed = await this.#list();
      if ('failed' in listed) {
        // A link to another folder may be in the middle of its swap.
        if (hasFailed || this.#files.size === 0) return this.#failed(listed.failed);
        hasFailed = true;
      } else {
        const now = listed.listing;
        if (this.#isTaken(now)) return undefined;
        const known = new Map([...this.#files].map(([path, { stamp }]) => [path, stamp]));
        const unsettled = unsettledFiles({ known, before, now, wallMs: Date.now(), settleMs });
        const look = unsettled.length === 0 || isLast ? await this.#read(now, unsettled, isLast) : undefined;
        if (look) return look;
        before = now;
      }
      await this.#rest(settleMs, 'whatever happens');
    }
    return undefined;
  }

  async #list(): Promise<ListedFolder | { readonly failed: string }> {
    const { directory, filesMax } = this.#settings;
    const listed = await listFolder(directory, filesMax);
    if (this.#isClosed) return listed;
    const isNew = this.#watch.follow('failed' in listed ? new Map() : listed.folders);
    // What happened in a folder before it was watched is found by looking once more.
    if (isNew) this.#isChanged = true;
    return listed;
  }

  /** Reads what is new. Returns undefined when something changed meanwhile, unless it is the last attempt. */
  async #read(listing: FolderListing, unsettled: readonly string[], isLast: boolean): Promise<FolderLook | undefined> {
    const passed = new Set(unsettled);
    let files = await readFiles(this.#settings, listing, this.#files, passed);
    const after = await this.#list();
    if ('failed' in after) return isLast ? this.#failed(after.failed) : undefined;
    const moved = [...listing.files].filter(([path, { stamp }]) => after.listing.files.get(path)?.stamp !== stamp);
    const isOneState = after.listing.linked === listing.linked;
    if (moved.length > 0 || !isOneState) {
      if (!isLast) return undefined;
      if (!isOneState) return this.#failed('was replaced again and again while it was read');
      for (const [path] of moved) passed.add(path);
      files = await readFiles(this.#settings, listing, this.#files, passed);
    }
    this.#files = files;
    this.#taken = listing;
    return lookOf(files, listing);
  }

  #failed(text: string): FolderLook {
    this.#taken = undefined;
    return { kind: 'failed', text };
  }

  #isTaken(now: FolderListing): boolean {
    const taken = this.#taken;
    if (!taken) return false;
    const known = new Map([...this.#files].map(([path, { stamp }]) => [path, stamp]));
    return isKnownListing(known, now) && areSame(taken.lostFolders, now.lostFolders);
  }
}

function areSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}
