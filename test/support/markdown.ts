/** A link as it is written. */
export interface MarkdownLink {
  readonly target: string;
  readonly line: number;
}

/** Text between backticks, or a fenced block, without the marks. */
export interface MarkdownCode {
  readonly text: string;
  readonly line: number;
}

/** A fenced block with the word behind its fence, such as `sh`; empty without one. */
export interface MarkdownBlock extends MarkdownCode {
  readonly language: string;
}

/** A row of a table, the head and the line below it left out. */
export interface MarkdownRow {
  /** Cells of the table's head, in small letters. */
  readonly head: readonly string[];
  readonly cells: readonly string[];
  readonly line: number;
}

/** What a page of documentation is made of, as far as something can be wrong with it. */
export interface MarkdownPage {
  /** Anchors of the headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly MarkdownLink[];
  readonly spans: readonly MarkdownCode[];
  readonly blocks: readonly MarkdownBlock[];
  readonly rows: readonly MarkdownRow[];
}

const fence = /^\s*(`{3,}|~{3,})\s*(\S*)/;
const span = /(`+)(.+?)\1(?!`)/g;
const link = /!?\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)\s>]+)>?[^)]*\)|\b(?:src|href|srcset)="([^"]+)"/g;

/** Takes a page of GitHub's Markdown apart. Lines count from 1. */
export function readMarkdown(text: string): MarkdownPage {
  const anchors = new Set<string>();
  const links: MarkdownLink[] = [];
  const spans: MarkdownCode[] = [];
  const blocks: MarkdownBlock[] = [];
  const rows: MarkdownRow[] = [];
  let open: { readonly mark: string; readonly language: string; readonly line: number; lines: string[] } | undefined;
  let head: readonly string[] | undefined;
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1;
    const found = fence.exec(content);
    if (open) {
      if (found && content.trim() === open.mark) {
        blocks.push({ language: open.language, text: open.lines.join('\n'), line: open.line });
        open = undefined;
      } else open.lines.push(content);
      continue;
    }
    if (found) {
      open = { mark: found[1] ?? '', language: found[2] ?? '', line: line + 1, lines: [] };
      continue;
    }
    const title = /^#{1,6}\s+(.*?)\s*#*$/.exec(content)?.[1];
    if (title !== undefined) anchors.add(newAnchor(title, anchors));
    for (const [, , code = ''] of content.matchAll(span)) spans.push({ text: code.trim(), line });
    // A link may have code for its text, but code is no link.
    const prose = content.replace(span, code => '`'.repeat(code.length));
    for (const [, target, attribute] of prose.matchAll(link)) links.push({ target: target ?? attribute ?? '', line });
    if (!content.trimStart().startsWith('|')) head = undefined;
    else if (head === undefined) head = cellsOf(content).map(cell => cell.toLowerCase());
    else if (!/^[\s|:-]+$/.test(content)) rows.push({ head, cells: cellsOf(content), line });
  }
  return { anchors, links, spans, blocks, rows };
}

/** Text between backticks in a piece of a page. */
export function codeIn(text: string): string[] {
  return [...text.matchAll(span)].map(found => (found[2] ?? '').trim());
}

function cellsOf(line: string): string[] {
  return line
    .trim()
    .replace(/^\|/, '')
    .replace(/\|$/, '')
    .split(/(?<!\\)\|/)
    .map(cell => cell.trim());
}

/** GitHub's way: small letters, no punctuation, hyphens for spaces, and a number where the same heading comes again. */
function newAnchor(title: string, taken: ReadonlySet<string>): string {
  const plain = title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
  const anchor = plain
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Mark}\p{Number}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-');
  for (let n = 0; ; n++) {
    const one = n === 0 ? anchor : `${anchor}-${n}`;
    if (!taken.has(one)) return one;
  }
}
