import {
  CORE_SCHEMA,
  constructFromEvents,
  EVENT_ID,
  type Event,
  getScalarValue,
  mergeTag,
  parseEvents,
  SCALAR_STYLE,
} from 'js-yaml';

/** Where something stands in an object: names of fields and indices of lists, from the outside inwards. */
export type ObjectPath = readonly (string | number)[];

/** Something that is wrong with a text. */
export interface TextProblem {
  /** From 1; undefined where the text as a whole is meant. */
  readonly line: number | undefined;
  /** A sentence without its subject, which is the file. */
  readonly text: string;
  /** Where it is one document that cannot be used: what it says of itself all the same. */
  readonly outline: ObjectOutline | undefined;
}

/** What an object of Kubernetes says first; undefined what it does not say, or not plainly. */
export interface ObjectOutline {
  readonly apiVersion: string | undefined;
  readonly kind: string | undefined;
}

/** One document of a text. */
export interface TextDocument {
  /** Plain data. Parts that stand behind an alias are shared, so nobody may change them. */
  readonly value: unknown;
  /** The line (from 1) of what stands at a path, or of the innermost part of the path that is there. */
  lineOf(path: ObjectPath): number;
  /**
   * The line on which the content of a text begins. Of one in block form (`|`) each line is a line of the file, so what is wrong inside can
   * be found; undefined for any other.
   */
  blockLineOf(path: ObjectPath): number | undefined;
}

/** How much one text may hold. */
export interface TextLimits {
  /** Documents; an empty one counts as well. */
  readonly documentsMax: number;
  /** Characters and values of one document, each counted as often as aliases repeat it. */
  readonly expandedMax: number;
}

/** Collections inside of each other. Manifests have about fifteen. */
const depthMax = 100;
/** Aliases in one document. */
const aliasesMax = 1_000;

// YAML 1.2, so `yes` and `on` are texts and 0600 is six hundred, but with the merge keys of 1.1, which kubectl knows as well.
const schema = CORE_SCHEMA.withTags(mergeTag);

/**
 * Reads a text of YAML, and so of JSON: any number of documents. What cannot be taken apart at all is one problem without documents; a
 * document that is in order as a text and cannot be used (a key twice, an alias without its anchor) is a problem beside the others.
 *
 * The parser gives offsets instead of a tree, so a line costs nothing until somebody asks for it. It is ten times as fast as `yaml`, whose
 * 0.6 ms for a manifest would be most of the time until a source of a thousand is ready.
 *
 * @returns what was read. It never throws.
 */
export function readText(
  text: string,
  limits: TextLimits,
): { readonly documents: readonly TextDocument[]; readonly problems: readonly TextProblem[] } {
  const documents: TextDocument[] = [];
  const problems: TextProblem[] = [];
  const lines = new LineTable(text);
  try {
    const events = parseEvents(text, { maxDepth: depthMax });
    const parts = split(events);
    if (parts.length > limits.documentsMax) {
      throw new Error(`has ${parts.length} documents, the most is ${limits.documentsMax}; split it`);
    }
    for (const part of parts) {
      try {
        documents.push(documentOf(text, part, lines, limits.expandedMax));
      } catch (error) {
        problems.push({ ...problemOf(error, lines), outline: outlineOf(text, part) });
      }
    }
  } catch (error) {
    // The parser promises no kind of error, only that it comes to an end.
    problems.push(problemOf(error, lines));
  }
  return { documents, problems };
}

/** The events of each document. */
function split(events: readonly Event[]): Event[][] {
  const parts: Event[][] = [];
  for (let start = 0; start < events.length; ) {
    const end = skip(events, start);
    parts.push(events.slice(start, end));
    start = end;
  }
  return parts;
}

/** The index behind a node that begins at an index, or behind a document. */
function skip(events: readonly Event[], index: number): number {
  let depth = 0;
  do {
    const type = events[index]?.type;
    if (type === EVENT_ID.POP) depth -= 1;
    else if (type === EVENT_ID.DOCUMENT || type === EVENT_ID.MAPPING || type === EVENT_ID.SEQUENCE) depth += 1;
    index += 1;
  } while (depth > 0 && index < events.length);
  return index;
}

/** @throws Error that says what is wrong with the document, of the parser's own kind where it knows the place */
function documentOf(text: string, events: Event[], lines: LineTable, expandedMax: number): TextDocument {
  const [value] = constructFromEvents(events, { source: text, schema, maxAliases: aliasesMax });
  if (events.some(({ type }) => type === EVENT_ID.ALIAS) && isLarger(value, expandedMax)) {
    throw new ExpansionError(lines.lineAt(startOf(events[1]) ?? 0), expandedMax);
  }
  return {
    value,
    lineOf: path => lines.lineAt(findPath(text, events, path).offset),
    blockLineOf: path => {
      const { node, isWhole } = findPath(text, events, path);
      const isBlock = isWhole && node?.type === EVENT_ID.SCALAR && node.style === SCALAR_STYLE.LITERAL_BLOCK;
      return isBlock ? lines.lineAt(node.valueStart) : undefined;
    },
  };
}

class ExpansionError extends Error {
  readonly line: number;

  constructor(line: number, expandedMax: number) {
    super(`becomes larger than ${expandedMax} characters by its aliases, or holds itself; write them out, or split it`);
    this.line = line;
  }
}

function problemOf(error: unknown, lines: LineTable): TextProblem {
  if (error instanceof ExpansionError) return { line: error.line, text: error.message, outline: undefined };
  const { reason, mark } = error as { reason?: unknown; mark?: { position?: unknown } }; // A YAMLException, or anything.
  if (typeof reason === 'string') {
    const line = typeof mark?.position === 'number' ? lines.lineAt(mark.position) : undefined;
    return { line, text: `is no valid YAML: ${reason}`, outline: undefined };
  }
  return { line: undefined, text: error instanceof Error ? error.message : String(error), outline: undefined };
}

function outlineOf(text: string, events: readonly Event[]): ObjectOutline {
  const said = new Map<string, string | undefined>();
  for (let at = 2; events[1]?.type === EVENT_ID.MAPPING && at < events.length; ) {
    const [key, value] = [events[at], events[skip(events, at)]];
    if (key?.type === EVENT_ID.SCALAR) {
      const name = getScalarValue(text, key);
      // What is said twice is not said plainly.
      const isPlain = value?.type === EVENT_ID.SCALAR && !said.has(name);
      said.set(name, isPlain ? getScalarValue(text, value) : undefined);
    }
    at = skip(events, skip(events, at));
  }
  return { apiVersion: said.get('apiVersion'), kind: said.get('kind') };
}

/** Whether a value is larger than so many characters and values, an alias counted each time. */
function isLarger(value: unknown, max: number): boolean {
  // A list instead of recursion: what holds itself is as deep as one likes.
  const waiting: unknown[] = [value];
  let size = 0;
  while (waiting.length > 0) {
    const next = waiting.pop();
    size += 1;
    if (typeof next === 'string') size += next.length;
    else if (typeof next === 'object' && next !== null) {
      for (const [key, part] of Object.entries(next)) {
        size += Array.isArray(next) ? 0 : key.length;
        waiting.push(part);
      }
    }
    if (size + waiting.length > max) return true;
  }
  return false;
}

interface FoundNode {
  readonly node: Event | undefined;
  /** Where it begins in the text, its key included. */
  readonly offset: number;
  /** Whether all of the path was there. */
  readonly isWhole: boolean;
}

function findPath(text: string, events: readonly Event[], path: ObjectPath): FoundNode {
  let index = 1;
  let offset = startOf(events[index]) ?? 0;
  for (const step of path) {
    index = behindAlias(text, events, index);
    const child = findChild(text, events, index, step);
    if (child === undefined) return { node: events[index], offset, isWhole: false };
    // Nothing at all after a key, or after a dash, stands nowhere.
    offset = startOf(events[child.named]) ?? offset;
    index = child.value;
  }
  return { node: events[index], offset, isWhole: true };
}

/** Indices of what a step leads to, and of what is shown for it: the key, or the item itself. */
function findChild(
  text: string,
  events: readonly Event[],
  index: number,
  step: string | number,
): { readonly named: number; readonly value: number } | undefined {
  const type = events[index]?.type;
  if (type !== EVENT_ID.MAPPING && type !== EVENT_ID.SEQUENCE) return undefined;
  let at = index + 1;
  for (let count = 0; at < events.length && events[at]?.type !== EVENT_ID.POP; count++) {
    if (type === EVENT_ID.SEQUENCE) {
      if (count === step) return { named: at, value: at };
    } else {
      const key = events[at];
      const value = skip(events, at);
      if (key?.type === EVENT_ID.SCALAR && getScalarValue(text, key) === String(step)) return { named: at, value };
      at = value;
    }
    at = skip(events, at);
  }
  return undefined;
}

/** The index of what an alias stands for; of anything else its own. */
function behindAlias(text: string, events: readonly Event[], index: number): number {
  const alias = events[index];
  if (alias?.type !== EVENT_ID.ALIAS) return index;
  const name = text.slice(alias.anchorStart, alias.anchorEnd);
  // An anchor may be given anew, and the last one before the alias counts.
  const found = events.findLastIndex((event, at) => {
    if (at >= index || !('anchorStart' in event) || event.type === EVENT_ID.ALIAS) return false;
    return text.slice(event.anchorStart, event.anchorEnd) === name && event.anchorStart >= 0;
  });
  return found === -1 ? index : found;
}

function startOf(event: Event | undefined): number | undefined {
  switch (event?.type) {
    case EVENT_ID.MAPPING:
    case EVENT_ID.SEQUENCE:
      return event.start;
    case EVENT_ID.SCALAR:
      return event.valueStart < 0 ? undefined : event.valueStart;
    case EVENT_ID.ALIAS:
      return event.anchorStart;
    default:
      return undefined;
  }
}

/** Lines of a text, counted when the first one is asked for. */
class LineTable {
  readonly #text: string;
  #starts: number[] | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  lineAt(offset: number): number {
    this.#starts ??= startsOf(this.#text);
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  }
}

/** Where each line but the first begins. */
function startsOf(text: string): number[] {
  const starts: number[] = [];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
