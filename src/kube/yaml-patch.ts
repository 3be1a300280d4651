import { isMap, isScalar, isSeq, type Node, type Pair, stringify, visit, type YAMLMap, type YAMLSeq } from 'yaml';
import { align } from './alignment.ts';
import { type Data, isEqual, objectOf } from './data.ts';
import { column, endOf, endOfLine, indentation, lineStart, nodeOf, startOf, Unfit, withEol } from './yaml-places.ts';
import { parseOptions, readYaml, type YamlDocument } from './yaml-read.ts';

const renderOptions = { ...parseOptions, aliasDuplicateObjects: false, lineWidth: 0 } as const;

/**
 * The text with some of its documents changed. Bytes of what does not change stay as they are: comments, order, quotes, blank lines.
 *
 * Where a change lies in something that an alias repeats elsewhere, or in a form that no text can be fitted into, the document is written anew as a
 * whole; its comments are then lost.
 *
 * @param documents all documents of the text
 * @param contents what each of them is to say
 * @returns the text, and whether a document was written anew
 */
export function patchYaml(
  text: string,
  documents: readonly YamlDocument[],
  contents: readonly unknown[],
): { readonly text: string; readonly isRewritten: boolean } {
  const fitted = documents.map((document, at) =>
    isEqual(document.content, contents[at]) ? [] : fittedEdits(text, document, contents[at]),
  );
  const patched = readYaml(
    applied(
      text,
      fitted.flatMap(edits => edits ?? []),
    ),
  );
  const isReadable = 'documents' in patched && patched.documents.length === documents.length;
  let isRewritten = false;
  const edits = documents.flatMap((document, at) => {
    const own = fitted[at];
    // Nothing is to change in it.
    if (own?.length === 0) return [];
    // An anchor that was changed along with its aliases shows here, and a form that was not thought of is written anew instead of wrong. A text that cannot be
    // read any more may be so by any of them.
    if (own && isReadable && isEqual(patched.documents[at]?.content, contents[at])) return own;
    isRewritten = true;
    return [wholeEdit(text, document, contents[at])];
  });
  return { text: applied(text, edits), isRewritten };
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Of two edits at one place the first stands first; none lie over each other. */
function applied(text: string, edits: readonly Edit[]): string {
  const pieces: string[] = [];
  let place = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    pieces.push(text.slice(place, edit.start), edit.text);
    place = edit.end;
  }
  return pieces.join('') + text.slice(place);
}

function fittedEdits(text: string, { document, content }: YamlDocument, after: unknown): readonly Edit[] | undefined {
  const { contents } = document;
  const changed = objectOf(after);
  if (!isMap(contents) || !changed) return undefined;
  try {
    return new Patcher(text, indentOfLists(text, contents)).map(contents, objectOf(content) ?? {}, changed);
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}

function wholeEdit(text: string, { document: { contents, range } }: YamlDocument, after: unknown): Edit {
  const start = contents === null ? range[0] : lineStart(text, contents.range[0]);
  const end = contents === null ? range[1] : contents.range[1];
  // A block ends with its line.
  const lineEnd = text[end - 1] === '\n' ? '\n' : '';
  return { start, end, text: withEol(text, stringify(after, renderOptions).trimEnd() + lineEnd) };
}

/** How much further than its key a list of this text stands, in columns. */
function indentOfLists(text: string, root: Node): number {
  let indent = 0;
  visit(root, {
    Pair: (_, pair: Pair) => {
      const { key, value } = pair;
      if (!isScalar(key) || !isSeq(value) || value.flow || !key.range || !value.range) return undefined;
      indent = column(text, value.range[0]) - column(text, key.range[0]);
      return visit.BREAK;
    },
  });
  return Math.max(0, indent);
}

class Patcher {
  readonly #text: string;
  readonly #listIndent: number;

  constructor(text: string, listIndent: number) {
    this.#text = text;
    this.#listIndent = listIndent;
  }

  map(node: YAMLMap, before: Data, after: Data): Edit[] {
    if (node.flow) return [this.#addedInFlow(node, before, after) ?? this.#inFlow(node, after)];
    const edits: Edit[] = [];
    const pairs = pairsByKey(node);
    const removed = Object.keys(before).filter(key => !Object.hasOwn(after, key));
    const kept = [...pairs.keys()].filter(key => Object.hasOwn(after, key));
    if (kept.length === 0) throw new Unfit();
    for (const key of removed) edits.push(this.#withoutPair(node, pairs.get(key)));
    const added: [string, unknown][] = [];
    for (const [key, value] of Object.entries(after)) {
      const pair = pairs.get(key);
      if (!Object.hasOwn(before, key)) added.push([key, value]);
      // From a merge key: a key of its own beats that.
      else if (!isEqual(before[key], value))
        edits.push(...(pair ? this.#pair(pair, before[key], value) : this.#unfit()));
    }
    if (added.length > 0) {
      const indent = column(this.#text, startOf(node.items[0]?.key));
      edits.push(this.#insertAfter(node.items.at(-1), this.#block(Object.fromEntries(added), indent)));
    }
    return edits;
  }

  #unfit(): never {
    throw new Unfit();
  }

  #pair(pair: Pair, before: unknown, after: unknown): Edit[] {
    const { key, value } = pair;
    const [left, right] = [objectOf(before), objectOf(after)];
    if (isMap(value) && left && right && value.items.length > 0 && Object.keys(right).length > 0)
      return this.map(value, left, right);
    if (isSeq(value) && Array.isArray(before) && Array.isArray(after) && before.length > 0 && after.length > 0) {
      return value.flow ? [this.#inFlow(value, after)] : this.#list(pair, value, before, after);
    }
    return [this.#newValue(key, value, after)];
  }

  /** Puts another value behind a key. */
  #newValue(key: unknown, value: unknown, after: unknown): Edit {
    const indent = column(this.#text, startOf(key));
    const block = (): string => this.#block(after, indent + (Array.isArray(after) ? this.#listIndent : 2)).trimEnd();
    if ((isMap(value) || isSeq(value)) && !value.flow && value.items.length > 0) {
      if (isScalarValue(after)) throw new Unfit();
      // The line of the key stays, with a comment that is on it.
      return this.#edit(endOfLine(this.#text, endOf(key)), this.#lineAfter(value), `\n${block()}\n`);
    }
    const start = nodeOf(value)?.range?.[0] ?? endOf(key) + 1;
    const end = nodeOf(value)?.range?.[1] ?? start;
    if (isScalarValue(after)) return this.#edit(start, end, JSON.stringify(after));
    const lineEnd = endOfLine(this.#text, end);
    const comment = this.#text.slice(end, lineEnd).trim();
    const kept = this.#text.slice(endOf(key), start).trimEnd();
    return this.#edit(endOf(key), lineEnd, `${kept}${comment === '' ? '' : ` ${comment}`}\n${block()}`);
  }

  #list(pair: Pair, node: YAMLSeq, before: readonly unknown[], after: readonly unknown[]): Edit[] {
    const edits: Edit[] = [];
    const items = node.items;
    const indent = column(this.#text, startOf(node));
    const steps = align(before, after);
    if (!steps.some(step => step.kind === 'kept')) return [this.#newValue(pair.key, node, after)];
    let last: unknown;
    for (const step of steps) {
      if (step.kind === 'kept') {
        last = items[step.from];
        const [left, right] = [before[step.from], after[step.to]];
        if (!isEqual(left, right)) edits.push(...this.#item(last, left, right));
      } else if (step.kind === 'removed') {
        last = items[step.from];
        edits.push(this.#withoutItem(last));
      } else {
        const lines = this.#block([after[step.to]], indent);
        // In front of the first item stands its comment, which stays with it: new ones follow the line of the key.
        edits.push(
          last === undefined
            ? this.#insertAt(endOfLine(this.#text, endOf(pair.key)) + 1, lines)
            : this.#insertAfter(last, lines),
        );
      }
    }
    return edits;
  }

  #item(node: unknown, before: unknown, after: unknown): Edit[] {
    const [left, right] = [objectOf(before), objectOf(after)];
    if (isMap(node) && left && right) return this.map(node, left, right);
    throw new Unfit();
  }

  #withoutPair(node: YAMLMap, pair: Pair | undefined): Edit {
    const first = node.items[0];
    // The first key of an item of a list stands behind its dash.
    if (
      !pair ||
      (pair === first && this.#text.slice(lineStart(this.#text, startOf(pair.key)), startOf(pair.key)).trim() !== '')
    ) {
      throw new Unfit();
    }
    return this.#edit(lineStart(this.#text, startOf(pair.key)), this.#lineAfter(pair), '');
  }

  #withoutItem(node: unknown): Edit {
    const start = lineStart(this.#text, startOf(node));
    if (!/^\s*- /.test(this.#text.slice(start))) throw new Unfit();
    return this.#edit(start, this.#lineAfter(node), '');
  }

  /** Further keys of a map on one line stand behind its last one; undefined where more than that is new. */
  #addedInFlow(node: YAMLMap, before: Data, after: Data): Edit | undefined {
    const [start = 0, end = 0] = node.range ?? [];
    const isOneLine = !this.#text.slice(start, end).includes('\n');
    const added = Object.entries(after).filter(([key]) => !Object.hasOwn(before, key));
    const isRest = Object.entries(before).every(([key, value]) => isEqual(value, after[key]));
    const last = node.items.at(-1);
    if (!isOneLine || !isRest || last === undefined) return undefined;
    const place = endOf(last);
    const style = this.#text[startOf(last.key)] === '"' ? JSON.stringify : plainKey;
    const text = added.map(([key, value]) => `, ${style(key)}: ${JSON.stringify(value)}`).join('');
    return this.#edit(place, place, text);
  }

  /** A collection in flow style is written anew in one line; JSON is such, and a whole file of it keeps its indentation. */
  #inFlow(node: YAMLMap | YAMLSeq, after: unknown): Edit {
    const [start = 0, end = 0] = node.range ?? [];
    const source = this.#text.slice(start, end);
    if (node.comment || node.commentBefore || /(^|\s)#/.test(source)) throw new Unfit();
    const inner = /^[{[][ \t]*\r?\n([ \t]+)/.exec(source)?.[1];
    if (inner === undefined) return this.#edit(start, end, JSON.stringify(after));
    const outer = indentation(this.#text, start);
    const step = inner.startsWith('\t') ? '\t' : ' '.repeat(Math.max(1, inner.length - outer.length));
    return this.#edit(start, end, JSON.stringify(after, undefined, step).replaceAll('\n', `\n${outer}`));
  }

  #block(value: unknown, indent: number): string {
    const text = stringify(value, { ...renderOptions, indentSeq: this.#listIndent > 0 });
    return text.replace(/^(?=.)/gm, ' '.repeat(indent));
  }

  #insertAfter(node: unknown, lines: string): Edit {
    return this.#insertAt(this.#lineAfter(node), lines);
  }

  #insertAt(offset: number, lines: string): Edit {
    const isLineOpen = offset > this.#text.length || (offset > 0 && this.#text[offset - 1] !== '\n');
    const place = Math.min(offset, this.#text.length);
    return this.#edit(place, place, isLineOpen ? `\n${lines.trimEnd()}` : lines);
  }

  /** Where the line begins that follows the last one of a node. */
  #lineAfter(node: unknown): number {
    const end = endOf(node);
    if (end > 0 && this.#text[end - 1] === '\n') return end;
    return Math.min(endOfLine(this.#text, end) + 1, this.#text.length);
  }

  #edit(start: number, end: number, text: string): Edit {
    return { start, end, text: withEol(this.#text, text) };
  }
}

/** A key as it may stand without quotes, in any form of YAML. */
function plainKey(key: string): string {
  return /^[a-zA-Z][-a-zA-Z0-9._/]*$/.test(key) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(key)
    ? key
    : JSON.stringify(key);
}

function isScalarValue(value: unknown): boolean {
  return typeof value !== 'object' || value === null || Object.keys(value).length === 0;
}

function pairsByKey(node: YAMLMap): Map<string, Pair> {
  const pairs = new Map<string, Pair>();
  for (const pair of node.items) if (isScalar(pair.key)) pairs.set(String(pair.key.value), pair);
  return pairs;
}
