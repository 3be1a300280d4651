import type { TypeUrl } from '../xds/types.ts';

/** How the disk is doing. */
export type DiskState =
  | { readonly kind: 'ok' }
  /** Changes are kept in memory and tried again. */
  | { readonly kind: 'failing'; readonly error: string; readonly sinceWallMs: number };

/** The disk cache in figures. */
export interface DiskFigures {
  /** Size of the file and its WAL. */
  readonly bytes: number;
  /** Resources in it, of views that are not in use included. */
  readonly resources: number;
  /** Changes that are not on disk yet. */
  readonly pending: number;
  /** Age of the oldest of them, in ms; 0 without any. */
  readonly oldestPendingMs: number;
}

/** What happened to the disk cache, for log and metrics. Names resources and reasons, never contents. */
export type DiskNote =
  | {
      readonly kind: 'disk_opened';
      readonly path: string;
      readonly views: number;
      readonly resources: number;
      readonly bytes: number;
    }
  | { readonly kind: 'disk_waiting'; readonly path: string; readonly forMs: number }
  /** The file was set aside, and an empty one takes its place. */
  | { readonly kind: 'disk_set_aside'; readonly reason: string; readonly setAside: string; readonly lost: string }
  /** Somebody removed the file while it was in use. */
  | { readonly kind: 'disk_vanished'; readonly path: string }
  | { readonly kind: 'disk_migrated'; readonly fromVersion: number; readonly toVersion: number }
  /** Resources of a type could not be read; `isSetLost`: with them the whole set, which is no set without them. */
  | {
      readonly kind: 'disk_rows_missing';
      readonly typeUrl: TypeUrl;
      readonly names: readonly string[];
      readonly count: number;
      readonly reason: string;
      readonly isSetLost: boolean;
    }
  | { readonly kind: 'disk_failing'; readonly error: string }
  | { readonly kind: 'disk_recovered'; readonly afterMs: number }
  | { readonly kind: 'disk_view_dropped'; readonly viewKey: string; readonly reason: string }
  | { readonly kind: 'disk_withheld'; readonly typeUrl: TypeUrl; readonly name: string; readonly why: string };

/** Why the cache cannot be used at all: the agent must not start with it. */
export class DiskUnusable extends Error {
  override readonly name = 'DiskUnusable';
  readonly reason: 'locked' | 'foreign' | 'newer' | 'unsafe';

  constructor(reason: DiskUnusable['reason'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
