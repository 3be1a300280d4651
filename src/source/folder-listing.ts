/** What the files of a folder looked like at one moment, without their contents. */
export interface FolderListing {
  /** Manifests by their path from the folder, in the order of the paths. */
  readonly files: ReadonlyMap<string, ListedFile>;
  /** Folders inside that could not be read: why, by path. */
  readonly lostFolders: ReadonlyMap<string, string>;
  /** Where the links that Kubernetes and git-sync swap at once point to. While it is the same, all files are of one state. */
  readonly linked: string;
}

/** A file as the file system describes it. */
export interface ListedFile {
  /** Changes with the file: made of its inode, size and times. Of one that cannot be looked at, `error` is why. */
  readonly stamp: string;
  readonly error: string | undefined;
  /** When it was last written, wall time in ms; 0 with an error. */
  readonly writtenMs: number;
}

/** What is compared to find out which files are at rest. */
export interface SettleInput {
  /** Stamps of the files as they were read last; empty before anything was. */
  readonly known: ReadonlyMap<string, string>;
  /** The look before this one, at least `settleMs` ago; undefined at the first. */
  readonly before: FolderListing | undefined;
  readonly now: FolderListing;
  readonly wallMs: number;
  readonly settleMs: number;
}

/**
 * Files of which nobody should conclude anything yet: they differ from what is known, and may be half written or in the middle of being
 * replaced. A file is at rest when it was last written long enough ago, or when two looks found it the same. One that is gone is at rest only
 * when two looks missed it, since some editors remove a file before they write it anew, and a checkout takes its time. The same goes for a
 * file under a folder that cannot be read.
 */
export function unsettledFiles({ known, before, now, wallMs, settleMs }: SettleInput): string[] {
  const unsettled: string[] = [];
  for (const [path, file] of now.files) {
    const isSame = known.get(path) === file.stamp || before?.files.get(path)?.stamp === file.stamp;
    // A time in the future says nothing of when it was.
    const isOld = file.error === undefined && file.writtenMs <= wallMs - settleMs;
    if (!isSame && !isOld) unsettled.push(path);
  }
  for (const path of known.keys()) {
    if (!now.files.has(path) && (before === undefined || before.files.has(path))) unsettled.push(path);
  }
  return unsettled;
}

/** Whether a look found what is known already, so that nothing needs to be read. */
export function isKnownListing(known: ReadonlyMap<string, string>, now: FolderListing): boolean {
  if (known.size !== now.files.size) return false;
  for (const [path, { stamp }] of now.files) if (known.get(path) !== stamp) return false;
  return true;
}
