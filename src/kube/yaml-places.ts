import { isAlias, isMap, isScalar, isSeq, type Pair, type ParsedNode } from 'yaml';

/** Thrown where a change cannot be fitted in; patchYaml catches it. */
export class Unfit extends Error {}

/** A value as a node; undefined when it is none. */
export function nodeOf(value: unknown): ParsedNode | undefined {
  return isScalar(value) || isMap(value) || isSeq(value) || isAlias(value) ? (value as ParsedNode) : undefined;
}

/** Where a node begins. @throws Unfit when it has no place in the text */
export function startOf(value: unknown): number {
  const start = nodeOf(value)?.range?.[0];
  if (start === undefined) throw new Unfit();
  return start;
}

/** Where the last of a node ends: of a collection its last item, since its own range has the comments behind it. */
export function endOf(value: unknown): number {
  const pair = value as Partial<Pair> | null | undefined;
  if (typeof pair === 'object' && pair !== null && 'key' in pair && 'value' in pair && !nodeOf(value)) {
    return nodeOf(pair.value)?.range ? endOf(pair.value) : endOf(pair.key) + 1;
  }
  if ((isMap(value) || isSeq(value)) && !value.flow && value.items.length > 0) return endOf(value.items.at(-1));
  const end = nodeOf(value)?.range?.[1];
  if (end === undefined) throw new Unfit();
  return end;
}

/** How far from the start of its line a place is. */
export function column(text: string, offset: number): number {
  return offset - lineStart(text, offset);
}

/** Where the line of a place begins. */
export function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}

/** Blanks in front of the line of a place. */
export function indentation(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, offset)))?.[0] ?? '';
}

/** Where the line break of a line is; the end of the text where it has none. */
export function endOfLine(text: string, offset: number): number {
  const at = text.indexOf('\n', offset);
  return at < 0 ? text.length : at;
}

/** A text with the line breaks of another one. */
export function withEol(text: string, added: string): string {
  return text.includes('\r\n') ? added.replace(/\r?\n/g, '\r\n') : added;
}
