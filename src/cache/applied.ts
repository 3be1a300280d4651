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
