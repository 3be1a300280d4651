import { matchesGlob } from 'node:path';
import { suites } from '../../scripts/suites.ts';
import {
  findAll,
  type Law,
  lineAt,
  type Repository,
  sourceFolder,
  type TidyFile,
  type Violation,
} from './repository.ts';

// Laws about what stands in a file, and about how files are named and sized.

/** Lines of a file in src; above, look for the seam. */
const linesMax = 400;
/** Of any file but the lock file. */
const bytesMax = 200_000;

/** Applies a check to each file of a kind. */
function each(isMeant: (file: TidyFile) => boolean, check: (file: TidyFile) => Violation[]) {
  return (files: Repository): Violation[] => [...files.values()].filter(isMeant).flatMap(check);
}

/** Bans a pattern from the code, comments and strings left out. */
function ban(isMeant: (path: string) => boolean, pattern: RegExp, what: string) {
  return each(
    ({ path }) => isMeant(path),
    file => findAll(file, file.source?.code ?? '', pattern, what),
  );
}

const isSource = (path: string): boolean => path.startsWith('src/');
const isSourceOutside =
  (...folders: string[]) =>
  (path: string): boolean =>
    isSource(path) && !folders.includes(sourceFolder(path) ?? '');

function promiseAll(file: TidyFile): Violation[] {
  // A list that is written out is as long as it looks; a spread makes it as long as its data.
  const calls = /\bPromise\.(?:all|allSettled)\s*\((?!\s*\[(?!\s*\.\.\.))/g;
  const comments = file.source?.comments.split('\n') ?? [];
  return [...(file.source?.code.matchAll(calls) ?? [])].flatMap(call => {
    const line = lineAt(file.text, call.index);
    const isExplained = [comments[line - 1], comments[line - 2]].some(comment => comment?.includes('bounded:'));
    return isExplained ? [] : [{ path: file.path, line, what: 'say in a comment `bounded: …` what bounds this list' }];
  });
}

function docstrings(file: TidyFile): Violation[] {
  const { code = '', comments = '' } = file.source ?? {};
  const seen = new Set<string>();
  const declaration =
    /^export\s+(?:declare\s+|abstract\s+|async\s+)*(?:function\*?|class|interface|type|const|let)\s+(\w+)/gm;
  return [...code.matchAll(declaration)].flatMap(found => {
    const name = found[1] ?? '';
    // Further signatures of an overloaded function share the first one's.
    if (seen.has(name)) return [];
    seen.add(name);
    const before = comments.slice(0, found.index).trimEnd();
    const isDirectlyAbove = before.endsWith('*/') && file.text.slice(before.length, found.index).trim() === '';
    if (isDirectlyAbove && before.startsWith('/**', before.lastIndexOf('/*'))) return [];
    return [
      { path: file.path, line: lineAt(file.text, found.index), what: `${name} is exported and has no docstring` },
    ];
  });
}

// Written in parts, so that this file does not violate its own law.
const markerWords = ['FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'];
const taskWord = 'TO' + 'DO';

function markers(file: TidyFile): Violation[] {
  const text = file.source?.comments ?? file.text;
  return [
    ...findAll(file, text, new RegExp(`\\b(${markerWords.join('|')})\\b`), 'mend it, or open an issue'),
    ...findAll(file, text, new RegExp(`\\b${taskWord}\\b(?!\\s*\\(?#\\d+)`), 'it needs the number of its issue'),
  ];
}

const kebabName = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
/** Names that other programs or customs fix. */
const customNames = /^([A-Z]+(\.md)?|Dockerfile|Chart\.yaml|NOTES\.txt|_[a-z]+\.tpl)$/;

function names({ path }: TidyFile): Violation[] {
  const wrong = path.split('/').filter(part => !kebabName.test(part) && !customNames.test(part));
  return wrong.map(part => ({ path, what: `${part} is not kebab-case` }));
}

const machinePath = /(?<![\w.$}])\/(work|root|tmp|home|Users)(?=\/|\b(?!-))/;
const registryHost = /\b(registry\.[a-z0-9-]+\.[a-z]+|proxy\.golang\.org|(files\.)?python(hosted)?\.org|pypi\.org)\b/;

function machines(file: TidyFile): Violation[] {
  // Inside an image these are the image's own folders.
  const isImage = matchesGlob(file.path, '{Dockerfile,deploy/**}');
  return [
    ...(isImage ? [] : findAll(file, file.text, machinePath, 'a folder of one machine; take it from the environment')),
    ...findAll(file, file.text, registryHost, 'which registry is used is the user’s configuration'),
  ];
}

function inSuite({ path }: TidyFile): Violation[] {
  if (suites.some(suite => matchesGlob(path, suite.glob))) return [];
  return [{ path, what: 'no suite of scripts/suites.ts would run it' }];
}

function changelog(files: Repository): Violation[] {
  const path = 'CHANGELOG.md';
  if (/^## \[?Unreleased\]?/m.test(files.get(path)?.text ?? '')) return [];
  return [{ path, what: 'it has no part `## Unreleased`, where a change that users see is written down' }];
}

const source = (code: string): Record<string, string> => ({ 'src/agent/a.ts': code });

/** Laws about texts, names and sizes. */
export const textLaws: readonly Law[] = [
  {
    title: 'only programs print',
    reason: 'what the agent says is a structured log line with a level, or it is nothing',
    check: ban(isSourceOutside('cli', 'demo'), /\bconsole\s*\./, 'use the logger'),
    broken: [source("console.log('x');")],
    sound: { 'src/agent/a.ts': '// console.log', 'src/cli/a.ts': 'console.log(1);' },
  },
  {
    title: 'only the command line reads the environment',
    reason: 'a setting has one table, one precedence and one place in the help',
    check: ban(isSourceOutside('cli'), /\bprocess\s*(\.|\?\.)\s*env\b/, 'make it a setting'),
    broken: [source("const x = process.env['X'];"), { 'src/demo/a.ts': 'const { X } = process.env;' }],
    sound: { 'src/cli/a.ts': 'resolve(process.env);', 'scripts/a.ts': 'process.env;' },
  },
  {
    title: 'what runs at the same time is bounded',
    reason: 'data from outside decides how long a list is, and memory does not grow with it',
    check: each(file => isSource(file.path), promiseAll),
    broken: [source('await Promise.all(names.map(load));'), source('await Promise.all([...names].map(load));')],
    sound: source('// bounded: one per listener\nawait Promise.all(all);\nawait Promise.all([a(), b()]);'),
  },
  {
    title: 'what is to be done stands in an issue',
    reason: 'a note in the code is found by nobody who plans',
    check: each(file => !file.path.endsWith('.md') && file.path !== 'LICENSE', markers),
    broken: [...markerWords, taskWord].map(word => source(`// ${word}: later`)),
    sound: source(`// ${taskWord}(#12): later\nconst text = '${markerWords[0]}';`),
  },
  {
    title: 'exports have names',
    reason: 'one thing has one name in all files, and a search for it finds them all',
    check: ban(path => path.endsWith('.ts'), /\bexport\s+default\b/, 'export it by its name'),
    broken: [source('export default 1;')],
    sound: source('export const text = "export default";'),
  },
  {
    title: 'no file passes on what another exports',
    reason: 'an import names the file where the thing is made, so directions and cycles stay visible',
    check: ban(isSource, /\bexport\s+(type\s+)?(\*|\{[^}]*\}\s*from\b)/, 'import it from where it is made'),
    broken: [source("export * from './b.ts';"), source("export type { B } from './b.ts';")],
    sound: source('export { b };'),
  },
  {
    title: 'every export of src has a docstring',
    reason: 'units, ranges, ownership and failures are what a signature cannot say',
    check: each(file => isSource(file.path), docstrings),
    broken: [
      source('export function a() {}'),
      source('/* no docstring */\nexport async function a() {}'),
      source('/** Of b. */\nconst b = 1;\nexport const a = 1;'),
      source('// Why.\nexport interface A {}'),
    ],
    sound: source(
      '/** A. */\nexport function a(x: 1): 1;\nexport function a(x: 2): 2;\n/**\n * B.\n */\nexport type B = 1;',
    ),
  },
  {
    title: `no file of src is longer than ${linesMax} lines`,
    reason: 'a file has one reason to change',
    check: each(
      file => isSource(file.path),
      ({ path, text }) => {
        const lines = lineAt(text.trimEnd(), text.length);
        return lines > linesMax ? [{ path, what: `it has ${lines} lines; look for the seam` }] : [];
      },
    ),
    broken: [source('x;\n'.repeat(linesMax + 1))],
    sound: source('x;\n'.repeat(linesMax)),
  },
  {
    title: `no file is larger than ${bytesMax / 1000} kB`,
    reason: 'what is large was generated, and belongs where it is generated',
    check: each(
      ({ path }) => path !== 'package-lock.json',
      ({ path, bytes }) => (bytes > bytesMax ? [{ path, what: `it has ${bytes} bytes` }] : []),
    ),
    broken: [{ 'docs/blob.md': 'x'.repeat(bytesMax + 1) }],
    sound: { 'docs/a.md': 'x'.repeat(bytesMax), 'package-lock.json': 'x'.repeat(bytesMax + 1) },
  },
  {
    title: 'names of files are kebab-case',
    reason: 'a path can be guessed, and is the same on file systems that fold case',
    check: each(() => true, names),
    broken: [{ 'src/xds/typeUrls.ts': '' }, { 'test/Unit/a.test.ts': '' }, { 'docs/some_notes.md': '' }],
    sound: {
      'README.md': '',
      '.ci/run': '',
      'docs/adr/0001-why-so.md': '',
      'tsconfig.json': '',
      'test/a-b.test.ts': '',
    },
  },
  {
    title: 'no file knows the machine it was written on',
    reason: 'a clone works anywhere',
    check: each(() => true, machines),
    // In parts for the same reason as above.
    broken: ['/wo' + 'rk/x', 'cd /ro' + 'ot', '/tm' + 'p/a.sock', 'https://regis' + 'try.example.com/a'].map(text => ({
      'docs/a.md': text,
    })),
    sound: {
      'docs/a.md': 'https://x.example/work/a, ./tmp/a, /workload, /etc/weir/x',
      Dockerfile: `WORKDIR /tm${'p'}/x`,
    },
  },
  {
    title: 'every test file belongs to a suite',
    reason: 'a test that nobody runs cannot fail',
    check: each(({ path }) => path.endsWith('.test.ts'), inSuite),
    broken: [{ 'test/a.test.ts': '' }, { 'src/xds/a.test.ts': '' }],
    sound: { 'test/unit/a.test.ts': '', 'test/unit/deep/b.test.ts': '', 'test/tidy.test.ts': '' },
  },
  {
    title: 'the change log has room for the next change',
    reason: 'users read there what changed for them, and it is written with the change',
    check: changelog,
    broken: [{ 'README.md': '' }, { 'CHANGELOG.md': '# Changes\n' }],
    sound: { 'CHANGELOG.md': '# Changes\n\n## Unreleased\n' },
  },
];
