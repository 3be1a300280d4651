import type { TypeStore } from '../cache/store.ts';
import type { ResourceFailure } from '../xds/discovery.ts';

/**
 * What upstream said of a name instead of a resource, if a client that named it has to be told: once, and never beside a resource (R24, R119).
 *
 * @param sentRevision what the client was told before; -1 for a client that asks now
 */
export function dueFailure(store: TypeStore, name: string, sentRevision: number): ResourceFailure | undefined {
  const failure = store.failures.get(name);
  if (!failure || failure.revision <= sentRevision) return undefined;
  for (const entry of store.served.behind(name)) if (entry.revision > sentRevision) return undefined;
  return { name, status: failure.status };
}
