import { type Document, isMap, isSeq, parseAllDocuments, type ScalarTag, type Tags, visit } from 'yaml';

/** Octal numbers of YAML 1.2, which kubectl takes as well. */
const octal: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  identify: () => false,
  test: /^[-+]?0o[0-7]+$/,
  resolve: text => Number(text.replace(/^[-+]/, '')) * (text.startsWith('-') ? -1 : 1),
};

/** As kubectl reads YAML: version 1.1 with merge keys, so that `0644` is octal and `yes` is true; but `22:30` and dates are texts, and `0o644` is a number. */
export const parseOptions = {
  version: '1.1',
  merge: true,
  customTags: (tags: Tags): Tags => [
    ...tags.filter(
      tag =>
        typeof tag === 'string' || (tag.tag !== 'tag:yaml.org,2002:timestamp' && (tag as ScalarTag).format !== 'TIME'),
    ),
    octal,
  ],
} as const;

/** A document of a YAML stream with what it says. */
export interface YamlDocument {
  readonly document: Document.Parsed;
  /** As JSON; undefined for one that is empty. */
  readonly content: unknown;
}

/** What is wrong with a YAML text. */
export interface YamlProblem {
  /** From 1. */
  readonly line: number;
  readonly what: string;
}

/** Reads all documents of a text. */
export function readYaml(
  text: string,
): { readonly documents: readonly YamlDocument[] } | { readonly problem: YamlProblem } {
  const documents: YamlDocument[] = [];
  // A file with nothing in it gives an empty list with properties of its own.
  const parsed: readonly Document.Parsed[] = [...parseAllDocuments(text, parseOptions)];
  for (const document of parsed) {
    const [error] = document.errors;
    if (error) return { problem: { line: lineAt(text, error.pos[0]), what: firstLine(error.message) } };
    const key = keyThatIsNoText(document);
    // Such as `{{ .Values.x }}`, which YAML takes for a map in a map.
    if (key !== undefined) return { problem: { line: lineAt(text, key), what: 'a key must be a text' } };
    try {
      documents.push({ document, content: document.contents === null ? undefined : (document.toJS() as unknown) });
    } catch (error) {
      // An alias without its anchor, or aliases that multiply without bound.
      const what = error instanceof Error ? firstLine(error.message) : String(error);
      return { problem: { line: lineAt(text, document.contents?.range[0] ?? 0), what } };
    }
  }
  return { documents };
}

/** Where a key is that is a map or a list. */
function keyThatIsNoText(document: Document.Parsed): number | undefined {
  let found: number | undefined;
  visit(document, {
    Pair: (_, { key }) => {
      if (!isMap(key) && !isSeq(key)) return undefined;
      found = key.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return found;
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
