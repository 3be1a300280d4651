/** Longest name or id that is compared with a pattern, in characters: a longer one matches nothing. */
const lengthMax = 1024;

/** The pattern of a proven name. Its stars stand for one part each, so what they stand for is never in doubt, nor found by trying. */
export class NamePattern {
  readonly #separator: '/' | '.';
  readonly #parts: readonly Part[];

  private constructor(separator: '/' | '.', parts: readonly Part[]) {
    this.#separator = separator;
    this.#parts = parts;
  }

  /** @returns the pattern, or what is wrong with it */
  static parse(text: string): NamePattern | { readonly error: string } {
    // A label of a DNS name is a part of it, as in the names of certificates.
    const separator = text.startsWith('dns:') ? '.' : '/';
    const parts: Part[] = [];
    for (const part of text.split(separator)) {
      const [prefix = '', suffix, ...rest] = part.split('*');
      if (rest.length > 0) return { error: `name ${text}: two stars with no ${separator} between them` };
      parts.push({ prefix, suffix });
    }
    return new NamePattern(separator, parts);
  }

  /** Number of its stars. */
  get stars(): number {
    return this.#parts.filter(({ suffix }) => suffix !== undefined).length;
  }

  /** What the stars stand for in a name; undefined when it does not match. */
  captures(name: string): readonly string[] | undefined {
    if (name.length > lengthMax) return undefined;
    const given = name.split(this.#separator);
    if (given.length !== this.#parts.length) return undefined;
    const found: string[] = [];
    for (const [at, { prefix, suffix }] of this.#parts.entries()) {
      const part = given[at] ?? '';
      if (suffix === undefined) {
        if (part !== prefix) return undefined;
      } else {
        // A star stands for something.
        const isFitting =
          part.startsWith(prefix) && part.endsWith(suffix) && part.length > prefix.length + suffix.length;
        if (!isFitting) return undefined;
        found.push(part.slice(prefix.length, part.length - suffix.length));
      }
    }
    return found;
  }
}

/** What stands before and after the star of a part; without star there is no suffix. */
interface Part {
  readonly prefix: string;
  readonly suffix: string | undefined;
}

/** The pattern of a node id. Its stars stand for any text without `~`, which parts the ids of Istio; a star alone stands for every id. */
export class IdPattern {
  readonly #parts: readonly (readonly string[])[];
  readonly #isEverything: boolean;
  /** As it was written. */
  readonly text: string;
  /** Highest `$N` in it; 0 without one. */
  readonly captures: number;

  constructor(text: string) {
    this.text = text;
    this.#isEverything = text === '*';
    this.#parts = text.split('~').map(part => part.split('*'));
    this.captures = Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, digits]) => Number(digits)));
  }

  /** Whether an id fits, with what the stars of a name stand for filled in. What is filled in stands for itself, stars included. */
  matches(found: readonly string[], id: string): boolean {
    if (id.length > lengthMax) return false;
    if (this.#isEverything) return true;
    const given = id.split('~');
    if (given.length !== this.#parts.length) return false;
    const fill = (text: string): string =>
      text.replace(/\$(\d+)/g, (_, digits: string) => found[Number(digits) - 1] ?? '');
    return this.#parts.every((pieces, at) => fits(pieces.map(fill), given[at] ?? ''));
  }
}

/** Whether a text consists of these pieces with anything between them. In one pass, whatever an unknown client calls itself. */
function fits(pieces: readonly string[], text: string): boolean {
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  if (pieces.length === 1) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const next = text.indexOf(piece, at);
    if (next < 0 || next + piece.length > end) return false;
    at = next + piece.length;
  }
  return true;
}
