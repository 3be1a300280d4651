import { type Law, lineAt, type Repository, type Violation } from './repository.ts';

// docs/PROTOCOL.md is a set of tables whose rows begin with a rule id, or several, and end with the tests that show it:
//   | R29 | sentence | source | test/unit/a.test.ts, test/e2e/b.test.ts |
// A test shows a rule when its title begins with the id: `R29: …`, `T1 R29: …`. A row that waits for an issue ends with `#12`.

const protocolPath = 'docs/PROTOCOL.md';
const idList = /^[RTU]\d+[a-z]?(?:[ ,]+[RTU]\d+[a-z]?)*$/;
const titleTag = /[RTU]\d+[a-z]?(?:[ ,]+[RTU]\d+[a-z]?)*(?=:)/y;

interface RuleRow {
  readonly ids: readonly string[];
  readonly tests: readonly string[];
  readonly line: number;
}

/** The rows of rules in a Markdown text. */
function ruleRows(text: string): RuleRow[] {
  return text.split('\n').flatMap((line, index) => {
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map(cell => cell.replaceAll('`', '').trim());
    const [ids = ''] = cells;
    if (cells.length < 3 || !idList.test(ids)) return [];
    const tests = (cells.at(-1) ?? '').split(/[ ,]+/).filter(path => path !== '');
    return [{ ids: ids.split(/[ ,]+/), tests, line: index + 1 }];
  });
}

/** Ids that titles in a test file carry, each with the line of its first use. */
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

function protocol(files: Repository): Violation[] {
  const rows = ruleRows(files.get(protocolPath)?.text ?? '');
  if (rows.length === 0) return [{ path: protocolPath, what: 'there is no row of a rule in it' }];
  const shown = new Map<string, Map<string, number>>();
  for (const { path, text, source } of files.values()) {
    if (path.endsWith('.test.ts') && source !== undefined) shown.set(path, titleIds(text, source.code));
  }
  const known = new Set(rows.flatMap(row => row.ids));
  const strangers = [...shown].flatMap(([path, ids]) =>
    [...ids].flatMap(([id, line]) =>
      known.has(id) ? [] : [{ path, line, what: `a title names ${id}, which has no row in ${protocolPath}` }],
    ),
  );
  return [...rows.flatMap(row => rowViolations(row, shown)), ...strangers];
}

function rowViolations({ ids, tests, line }: RuleRow, shown: ReadonlyMap<string, Map<string, number>>): Violation[] {
  const violation = (what: string): Violation => ({ path: protocolPath, line, what });
  if (tests.length === 0) return [violation(`${ids.join(', ')}: its last cell names no test`)];
  if (tests.every(test => /^#\d+$/.test(test))) return [];
  return [
    ...ids
      .filter(id => !tests.some(test => shown.get(test)?.has(id)))
      .map(id => violation(`${id}: no test of ${tests.join(', ')} has a title that begins with it`)),
    ...tests
      .filter(test => !ids.some(id => shown.get(test)?.has(id)))
      .map(test => violation(`${ids.join(', ')}: ${test} is not there or has no such title`)),
  ];
}

const row = (cells: string): string => `# Protocol\n| rule | text | tests |\n|---|---|---|\n${cells}\n`;
const test = "test('T1 R29: a cluster is warm', () => {});";

/** The law that binds rules and tests. */
export const protocolLaw: Law = {
  title: 'every rule has its tests, every tagged test its rule',
  reason: 'a rule that nothing shows is a wish, and a test without a rule is nobody’s promise',
  check: protocol,
  broken: [
    { [protocolPath]: '# Protocol\n', 'test/unit/a.test.ts': '' },
    { [protocolPath]: row('| R29 | warm | |') },
    { [protocolPath]: row('| R29 | warm | test/unit/gone.test.ts |') },
    { [protocolPath]: row('| R29 | warm | test/unit/a.test.ts |'), 'test/unit/a.test.ts': '// R29: no title' },
    {
      [protocolPath]: row('| R29, T1 | x | test/a.test.ts, test/b.test.ts |'),
      'test/a.test.ts': test,
      'test/b.test.ts': '',
    },
    { [protocolPath]: row('| R29 | warm | test/unit/a.test.ts |'), 'test/unit/a.test.ts': test },
  ],
  sound: {
    [protocolPath]: row('| R29, T1 | warm \\| live | spec | `test/unit/a.test.ts` |\n| R30 | later | #12 |'),
    'test/unit/a.test.ts': test,
  },
};
