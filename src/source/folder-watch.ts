import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';

interface Watched {
  readonly identity: string;
  readonly watcher: FSWatcher;
}

/** Identity of the folder above, of which nothing but one name is of interest. */
const above = 'above';

/**
 * Watches a folder, all folders in it, and the folder above, in which the folder itself may be replaced. It only says that something may
 * have changed; whoever listens looks for himself.
 *
 * Each folder is watched by itself: Node's own way of watching a tree (`recursive`) opens a watch for every single file on Linux, and does
 * not follow the links by which Kubernetes mounts a ConfigMap.
 */
export class FolderWatch {
  readonly #directory: string;
  readonly #onChange: () => void;
  readonly #onFailure: (text: string) => void;
  readonly #watched = new Map<string, Watched>();
  #hasFailed = false;

  /** @param onFailure is called once, when a folder cannot be watched: then only the looks at intervals are left */
  constructor(directory: string, onChange: () => void, onFailure: (text: string) => void) {
    this.#directory = resolve(directory);
    this.#onChange = onChange;
    this.#onFailure = onFailure;
  }

  /**
   * Watches these folders from now on, and no others.
   *
   * @param folders identities by path; a path with another identity than before is another folder
   * @returns whether one of them is new, so that what has happened in it since it was looked at is not known
   */
  follow(folders: ReadonlyMap<string, string>): boolean {
    const wanted = new Map([[dirname(this.#directory), above], ...folders]);
    for (const [path, { identity }] of this.#watched) if (wanted.get(path) !== identity) this.#drop(path);
    let isNew = false;
    for (const [path, identity] of wanted) {
      if (!this.#watched.has(path)) isNew = this.#add(path, identity) || isNew;
    }
    return isNew;
  }

  close(): void {
    for (const path of [...this.#watched.keys()]) this.#drop(path);
  }

  #add(path: string, identity: string): boolean {
    const name = basename(this.#directory);
    const isOfInterest = (changed: string | null): boolean => {
      if (changed === null) return true;
      // Editors keep their own files under names with one dot; with two it is Kubernetes, which swaps the contents.
      return identity === above ? changed === name : !changed.startsWith('.') || changed.startsWith('..');
    };
    try {
      const watcher = watch(path, { persistent: false }, (_, changed) => {
        if (isOfInterest(changed)) this.#onChange();
      });
      watcher.on('error', error => {
        this.#fail(path, error);
        this.#drop(path);
      });
      this.#watched.set(path, { identity, watcher });
      return true;
    } catch (error) {
      // The folder above may be missing as well, or not be ours to read; then the looks at intervals find what changes.
      if (identity !== above) this.#fail(path, error);
      return false;
    }
  }

  #drop(path: string): void {
    this.#watched.get(path)?.watcher.close();
    this.#watched.delete(path);
  }

  #fail(path: string, error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#onFailure(`${path} cannot be watched: ${error instanceof Error ? error.message : String(error)}`);
  }
}
