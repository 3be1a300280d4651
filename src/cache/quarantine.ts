import type { Entry } from './entry.ts';
import type { Refusal } from './stored.ts';

/** A content that every client that answered rejected, until upstream sends another one or a client accepts it (R102). */
export interface Quarantined {
  readonly entry: Entry;
  readonly refusal: Refusal;
  /** Served all the same: there is nothing better, and the clients did not say that it was this one. */
  readonly isServed: boolean;
  /** Number of the quarantine in its store. */
  readonly epoch: number;
}

const before = /[\s'"`([{,;=]/;
const after = /[\s'"`)\]},;]/;

/**
 * Whether a client's words name a resource: the name stands there as a word of its own, maybe in quotes or before a colon or full stop.
 * `a` is not named by `a.b` or `cat`.
 */
export function isNamedIn(words: string, name: string): boolean {
  for (let at = words.indexOf(name); at >= 0 && name !== ''; at = words.indexOf(name, at + 1)) {
    const end = at + name.length;
    const startsWord = at === 0 || before.test(words.charAt(at - 1));
    const next = words.charAt(end);
    const isPunctuated = (next === ':' || next === '.') && !/\S/.test(words.charAt(end + 1).replace(after, ''));
    if (startsWord && (next === '' || after.test(next) || isPunctuated)) return true;
  }
  return false;
}

/** Names that a rejection is about. */
export interface Suspects {
  readonly names: readonly string[];
  /** Whether its words name them. */
  readonly areNamed: boolean;
}

/**
 * The suspects of a rejection among the names that were news in its message: those that the words name, or all where they name none (R102).
 *
 * @param refusedBefore names that a list still has which the client had rejected: if the words name one of them, nothing new is suspect
 */
export function suspectsOf(words: string, names: readonly string[], refusedBefore: readonly string[] = []): Suspects {
  const named = [...new Set([...names, ...refusedBefore])].filter(name => isNamedIn(words, name));
  return named.length > 0 ? { names: named, areNamed: true } : { names, areNamed: false };
}
