import { isWaiting, protocolPath, type RuleRow, ruleRow, shownIds, testsOf } from './protocol-rows.ts';
import type { Law, Repository, Violation } from './repository.ts';

function protocol(files: Repository): Violation[] {
  const lines = (files.get(protocolPath)?.text ?? '').split('\n');
  const rows = lines.flatMap((line, index) => ruleRow(line, index + 1) ?? []);
  if (rows.length === 0) return [{ path: protocolPath, what: 'there is no row of a rule in it' }];
  const shown = shownIds(files);
  const known = new Set(rows.flatMap(row => row.ids));
  const strangers = [...shown].flatMap(([path, ids]) =>
    [...ids].flatMap(([id, line]) =>
      known.has(id) ? [] : [{ path, line, what: `a title names ${id}, which has no row in ${protocolPath}` }],
    ),
  );
  return [...rows.flatMap(row => rowViolations(row, shown)), ...strangers];
}

function rowViolations(row: RuleRow, shown: ReadonlyMap<string, ReadonlyMap<string, number>>): Violation[] {
  const { ids, tests, line } = row;
  const violation = (what: string): Violation => ({ path: protocolPath, line, what });
  if (isWaiting(row)) return [];
  const showing = testsOf(ids, shown);
  return [
    ...ids
      .filter(id => !showing.some(test => shown.get(test)?.has(id)))
      .map(id => violation(`${id}: no test has a title that begins with it`)),
    ...tests
      .filter(test => !showing.includes(test))
      .map(test => violation(`${ids.join(', ')}: ${test} is not there or has no such title`)),
    ...showing
      .filter(test => !tests.includes(test))
      .map(test => violation(`${ids.join(', ')}: ${test} shows it too; run \`npm run docs\``)),
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
    {
      [protocolPath]: row('| R29, T1 | warm | test/unit/a.test.ts |'),
      'test/unit/a.test.ts': test,
      'test/unit/b.test.ts': test,
    },
  ],
  sound: {
    [protocolPath]: row('| R29, T1 | warm \\| live | spec | `test/unit/a.test.ts` |\n| R30 | later | #12 |'),
    'test/unit/a.test.ts': test,
  },
};
