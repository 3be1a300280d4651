import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 rather collect than grow, for a process that stays: a burst such as a first sync makes it reserve several times what it needs in the end, and by
 * itself a quiet process never gives that back (ADR 0041). It can be said at any time before the heap has grown, so it need not be on the command line.
 */
export function preferSmallHeap(): void {
  setFlagsFromString('--optimize-for-size');
}
