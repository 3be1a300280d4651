import NodeCache from 'node-cache';
import type { Entry } from './entry.ts';
import type { IdleTier } from './idle-tier.ts';

/**
 * The idle tier on node-cache: never cloning (58 µs against 0.2 µs a read of 200 kB), without its clock (deadlines are the core's), and
 * bounded: when it is full a new resource is not kept.
 *
 * @param entriesMax most resources kept
 */
export function createIdleTier(entriesMax: number): IdleTier {
  const cache = new NodeCache({ useClones: false, checkperiod: 0, stdTTL: 0 });
  return {
    put(key, entry) {
      const isKept = cache.getStats().keys < entriesMax || cache.has(key);
      if (isKept) cache.set(key, entry);
      return isKept;
    },
    get: key => cache.get<Entry>(key),
    delete(key) {
      cache.del(key);
    },
    get size() {
      return cache.getStats().keys;
    },
  };
}
