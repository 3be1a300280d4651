import type { Entry } from './entry.ts';

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
