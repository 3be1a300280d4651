import type { WireResource } from '../xds/discovery.ts';
import type { Entry } from './entry.ts';

/** Where an upstream resource belongs: to the served set, to the idle tier, or nowhere because nobody asked (R82). */
export type Placement = 'serve' | 'idle' | 'ignore';

/** What applying one response did. Equal revisions mean that no client has to hear of it (R108). */
export interface Applied {
  readonly fromRevision: number;
  readonly toRevision: number;
  readonly removedNames: number;
  readonly ignoredNames: number;
  /** What a client does not hear of but a disk should: idle content, versions of equal content. */
  readonly quiet: readonly Entry[];
}

/** What a type holds, as far as its names are concerned. */
interface HeldNames {
  readonly quarantined: ReadonlyMap<string, unknown>;
  entries(): Iterable<{ readonly name: string }>;
}

/** Names held that a complete list of resources lacks. */
export function missingIn(store: HeldNames, resources: readonly WireResource[]): string[] {
  const held = [...store.quarantined.keys()];
  for (const { name } of store.entries()) held.push(name);
  if (held.length === 0) return [];
  const present = new Set<string>();
  for (const resource of resources) present.add(resource.name);
  return held.filter(name => !present.has(name));
}
