import type { TypeStore } from '../cache/store.ts';

/** Which resources a step has brought, changed and taken away, as far as clients can see it. Each name is in one list at most. */
export interface ContentChange {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** Why content changed. `response`: upstream said so; `switch`: another control plane is in use; `inferred`: a whole first answer lacks it. */
export type ChangeReason = 'response' | 'switch' | 'inferred' | 'guard' | 'ttl';

/**
 * Looks at a store before a step, and afterwards says what the step has changed. The cost is that of what changed.
 *
 * @param names that the step may bring
 * @returns to be called after the step; with names that went without a word to clients (R95), which the store does not remember
 */
export function watchContent(
  store: TypeStore,
  names: readonly string[],
): (forgotten?: readonly string[]) => ContentChange {
  const { absences } = store;
  const fromRevision = store.revision;
  // A name that comes back is new again, though the store remembers that clients may have had it.
  const returning = absences.buried === 0 ? undefined : new Set(names.filter(name => absences.tombstone(name)));
  return (forgotten = []) => {
    const added: string[] = [];
    const changed: string[] = [];
    const removed = [...forgotten];
    for (const name of store.changesSince(fromRevision)) {
      const entry = store.get(name);
      if (entry) {
        // An error that came in place of the resource is news for clients, and leaves what is held as it was.
        if (entry.revision <= fromRevision) continue;
        (entry.firstSeenRevision > fromRevision || returning?.has(name) ? added : changed).push(name);
      } else if ((absences.tombstone(name)?.revision ?? -1) > fromRevision) removed.push(name);
    }
    return { added, changed, removed };
  };
}
