import { lineAt, type Repository } from './repository.ts';

// docs/PROTOCOL.md is a set of tables whose rows begin with a rule id, or several, and end with the tests that show it:
//   | R29 | sentence | source | test/unit/a.test.ts, test/e2e/b.test.ts |
// A test shows a rule when its title begins with the id: `R29: …`, `T1 R29: …`. A row that waits for an issue ends with `#12`.

export const protocolPath = 'docs/PROTOCOL.md';
const idList = /^[RTUISM]\d+[a-z]?(?:[ ,]+[RTUISM]\d+[a-z]?)*$/;
const titleTag = /[RTUISM]\d+[a-z]?(?:[ ,]+[RTUISM]\d+[a-z]?)*(?=:)/y;

/** A row of the rules. */
export interface RuleRow {
  readonly ids: readonly string[];
  /** Paths of tests, or numbers of issues. */
  readonly tests: readonly string[];
  readonly line: number;
}

/** A line of the document, taken for a row if it is one. */
export function ruleRow(text: string, line: number): RuleRow | undefined {
  const cells = text
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map(cell => cell.replaceAll('`', '').trim());
  const [ids = ''] = cells;
  if (cells.length < 3 || !idList.test(ids)) return undefined;
  const tests = (cells.at(-1) ?? '').split(/[ ,]+/).filter(path => path !== '');
  return { ids: ids.split(/[ ,]+/), tests, line };
}

/** Whether a row waits for an issue. */
export function isWaiting({ tests }: RuleRow): boolean {
  return tests.length > 0 && tests.every(test => /^#\d+$/.test(test));
}

/** For each test file the ids that its titles carry, with the line of the first use. */
export function shownIds(files: Repository): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const shown = new Map<string, ReadonlyMap<string, number>>();
  for (const { path, text, source } of files.values()) {
    if (path.endsWith('.test.ts') && source !== undefined) shown.set(path, titleIds(text, source.code));
  }
  return shown;
}

function titleIds(text: string, code: string): Map<string, number> {
  const ids = new Map<string, number>();
  for (const quote of code.matchAll(/['"`]/g)) {
    titleTag.lastIndex = quote.index + 1;
    for (const id of titleTag.exec(text)?.[0].split(/[ ,]+/) ?? []) {
      if (!ids.has(id)) ids.set(id, lineAt(text, quote.index));
    }
  }
  return ids;
}

const suites = ['unit', 'property', 'simulation', 'integration', 'e2e'];

/** The tests of a row, the quick ones first. */
export function testsOf(ids: readonly string[], shown: ReadonlyMap<string, ReadonlyMap<string, number>>): string[] {
  const place = (path: string): number => suites.indexOf(path.split('/')[1] ?? '');
  return [...shown]
    .filter(([, known]) => ids.some(id => known.has(id)))
    .map(([path]) => path)
    .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

/** The document with the tests of each row as the titles have it. */
export function withTests(text: string, files: Repository): string {
  const shown = shownIds(files);
  return text
    .split('\n')
    .map((line, index) => {
      const row = ruleRow(line, index + 1);
      if (!row || isWaiting(row)) return line;
      const cells = line.split(/(?<!\\)\|/);
      cells[cells.length - 2] = ` ${testsOf(row.ids, shown).join(', ')} `;
      return cells.join('|');
    })
    .join('\n');
}
