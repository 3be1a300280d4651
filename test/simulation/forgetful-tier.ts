import type { Entry } from '../../src/cache/entry.ts';
import type { IdleTier } from '../../src/cache/idle-tier.ts';
import type { SeededRandom } from '../support/random.ts';

/** An idle tier that loses one entry in eight: a loss may cost a refetch, never correctness. */
export function forgetfulTier(random: SeededRandom): IdleTier {
  const entries = new Map<string, Entry>();
  return {
    put(key, entry) {
      // Kept or not, it says that it was.
      if (!random.chance(0.125)) entries.set(key, entry);
      else entries.delete(key);
      return true;
    },
    get: key => entries.get(key),
    delete(key) {
      entries.delete(key);
    },
    get size() {
      return entries.size;
    },
  };
}
