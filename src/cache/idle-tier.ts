import type { ViewKey } from '../xds/types.ts';
import type { Entry } from './entry.ts';
import type { StoredView } from './stored.ts';

/**
 * A bounded place for resources that nobody subscribes at the moment. It may lose anything at any time: a loss costs a
 * refetch, never correctness. Deadlines are not its business.
 */
export interface IdleTier {
  /** @returns whether it was kept */
  put(key: string, entry: Entry): boolean;
  get(key: string): Entry | undefined;
  delete(key: string): void;
  readonly size: number;
}

/** How full the idle tier is, for `/metrics`. */
export interface IdleFigures {
  readonly size: number;
  /** Resources so far that it had no room for. */
  readonly refused: number;
}

/**
 * A bounded place for what views had that nobody uses at the moment. It may lose anything at any time: what is on disk, or upstream, is had
 * again.
 */
export interface IdleViews {
  put(view: StoredView): void;
  /** Gives a view back, and keeps it no longer. */
  take(viewKey: ViewKey): StoredView | undefined;
  readonly size: number;
}
