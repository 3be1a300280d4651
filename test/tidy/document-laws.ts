import { posix } from 'node:path';
import { codeIn, type MarkdownPage, readMarkdown } from '../support/markdown.ts';
import { type Law, lineAt, type Repository, type TidyFile, type Violation } from './repository.ts';

// Documents are read at 3 a.m. by people who cannot look at the sources: what a page points at, names or quotes has to be there.

const indexPath = 'docs/README.md';
/** Of other words than messages: the tests of what other programs say hold these, as grpc-js, Node.js and OpenSSL write them. */
const wordsOfOthers = 'test/unit/dial-words.test.ts';
/** A piece of a message that is shorter could stand anywhere. */
const pieceMin = 8;

interface Page {
  readonly file: TidyFile;
  readonly page: MarkdownPage;
}

/** The pages that people read: of the root and of docs. What has changed in former versions may name what is gone. */
function pagesOf(files: Repository): Page[] {
  return [...files.values()]
    .filter(({ path }) => /^(?:[^/]+|docs\/.+)\.md$/.test(path))
    .map(file => ({ file, page: readMarkdown(file.text) }));
}

function links(files: Repository): Violation[] {
  const folders = new Set([...files.keys()].flatMap(foldersOf));
  const pages = new Map(pagesOf(files).map(({ file, page }) => [file.path, page]));
  return [...pages].flatMap(([path, page]) =>
    page.links.flatMap(({ target, line }) => {
      if (/^[a-z]+:/i.test(target)) return [];
      const [name = '', anchor] = target.split('#');
      const other = name === '' ? path : posix.join(posix.dirname(path), decodeURI(name));
      if (!files.has(other) && !folders.has(other.replace(/\/$/, '')))
        return [{ path, line, what: `${target}: there is no ${other}` }];
      const isThere = anchor === undefined || !other.endsWith('.md') || pages.get(other)?.anchors.has(anchor) === true;
      return isThere ? [] : [{ path, line, what: `${target}: ${other} has no such heading` }];
    }),
  );
}

/** Files that running text names between backticks, such as `src/cli/main.ts`. */
function namedFiles(files: Repository): Violation[] {
  const folders = new Set([...files.keys()].flatMap(foldersOf));
  return pagesOf(files)
    .filter(({ file }) => file.path !== 'CHANGELOG.md')
    .flatMap(({ file: { path }, page }) =>
      page.spans
        .filter(({ text }) => /^(?:src|test|docs|deploy|scripts)\/[\w./-]+$/.test(text))
        .filter(({ text }) => !files.has(text) && !folders.has(text.replace(/\/$/, '')))
        .map(({ text, line }) => ({ path, line, what: `there is no ${text}` })),
    );
}

function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

function listed(files: Repository): Violation[] {
  const index = files.get(indexPath);
  if (!index) return [{ path: indexPath, what: 'it is not there' }];
  const { links: found } = readMarkdown(index.text);
  const named = new Set(found.map(({ target }) => posix.join('docs', target.split('#')[0] ?? '')));
  return [...files.keys()]
    .filter(path => /^docs\/[^/]+\.md$/.test(path) && path !== indexPath && !named.has(path))
    .map(path => ({ path, what: `${indexPath} does not link it` }));
}

function metrics(files: Repository): Violation[] {
  const code = [...files.values()].filter(({ path }) => path.startsWith('src/')).map(file => file.source);
  const text = code.map(source => source?.codeWithStrings ?? '').join('\n');
  const known = new Map<string, boolean>();
  const isKnown = (name: string): boolean => {
    const plain = name.replace(/_(?:bucket|sum|count)$/, '');
    const there = [name, plain].some(one => new RegExp(`(['"\`])${one}\\1|\\b${one}:`).test(text));
    known.set(name, there);
    return there;
  };
  return pagesOf(files)
    .filter(({ file }) => file.path !== 'CHANGELOG.md')
    .flatMap(({ file: { path, text: page } }) =>
      [...page.matchAll(/\bweir_([a-z][a-z0-9_]*[a-z0-9])/g)].flatMap(found => {
        const [metric, name = ''] = found;
        if (known.get(name) ?? isKnown(name)) return [];
        return [{ path, line: lineAt(page, found.index), what: `there is no metric ${metric}` }];
      }),
    );
}

/** The program's own texts: what stands in its strings, in one piece where it is written in several, with `…` for what is put in. */
function messagesOf(files: Repository): string {
  const texts = [...files.values()].filter(({ path }) => path.startsWith('src/') || path === wordsOfOthers);
  return texts
    .map(({ source }) => withoutValues(source?.codeWithStrings ?? ''))
    .join('\n')
    .replace(/['`]\s*\+\s*['`]/g, '')
    .replaceAll("\\'", "'");
}

/** Puts `…` in the place of each `${value}`; what such a value is made of follows at the end, since it may hold texts, too. */
function withoutValues(code: string): string {
  let plain = '';
  let values = '';
  for (let at = 0; at < code.length; at++) {
    if (!code.startsWith('${', at)) {
      plain += code[at];
      continue;
    }
    const from = at + 2;
    for (let depth = 1; depth > 0 && ++at < code.length; ) {
      if (code[at] === '{' && at >= from) depth++;
      else if (code[at] === '}') depth--;
    }
    plain += '…';
    values += `${code.slice(from, at)}\n`;
  }
  return values === '' ? plain : `${plain}\n${withoutValues(values)}`;
}

/**
 * Whether a text can be put together of pieces of the program's own: a message is often made of several. Short pieces have to be a text of their own there,
 * such as `damaged`, or marks between others.
 */
function isSaid(quote: string, messages: string): boolean {
  const isPiece = (piece: string): boolean => {
    const plain = piece.replace(/^[\s…]+|[\s…]+$/g, '');
    return piece.length >= pieceMin || !/[\p{L}\d]/u.test(plain) || messages.includes(`'${plain}'`);
  };
  for (let rest = quote; /[^\s…]/.test(rest); ) {
    let length = longestPrefix(rest, messages);
    while (length > 0 && !isPiece(rest.slice(0, length))) length--;
    if (length === 0) return false;
    rest = rest.slice(length);
  }
  return true;
}

/** How much of the begin of a text stands somewhere in another one. */
function longestPrefix(text: string, other: string): number {
  let [least, most] = [0, text.length];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (other.includes(text.slice(0, middle))) least = middle;
    else most = middle - 1;
  }
  return least;
}

function quotes(files: Repository): Violation[] {
  const messages = messagesOf(files);
  return pagesOf(files).flatMap(({ file: { path }, page }) =>
    page.rows
      .filter(({ head }) => head[0] === 'what you see')
      .flatMap(({ cells: [seen = ''], line }) =>
        codeIn(seen)
          .filter(quote => !/^(?:weir_|--)/.test(quote) && !isSaid(quote, messages))
          .map(quote => ({ path, line, what: `no program says \`${quote}\`` })),
      ),
  );
}

/** Lines of a shown output that are a table's head: names in capitals with two blanks or more between them. */
function columns(files: Repository): Violation[] {
  const code = [...files.values()]
    .filter(({ path }) => path.startsWith('src/cli/'))
    .map(({ source }) => source?.codeWithStrings.replace(/\s+/g, ' ') ?? '')
    .join('\n');
  return pagesOf(files).flatMap(({ file: { path }, page }) =>
    page.blocks.flatMap(({ text, line }) =>
      text.split('\n').flatMap((content, index) => {
        const names = content.trim().split(/ {2,}/);
        if (names.length < 3 || !names.every(name => /^[A-Z][A-Z ]*$/.test(name))) return [];
        const quoted = names.map(name => `'${name}'`);
        // A heading may be put together of two where the table is made: what the type has, and what all have.
        const isPrinted = quoted.some(
          (_, at) =>
            code.includes(quoted.slice(0, at + 1).join(', ')) && code.includes(quoted.slice(at + 1).join(', ')),
        );
        if (isPrinted) return [];
        return [{ path, line: line + index, what: `no command prints these columns: ${names.join(', ')}` }];
      }),
    ),
  );
}

function pictures(files: Repository): Violation[] {
  const shown = new Set(
    pagesOf(files).flatMap(({ file, page }) =>
      page.links.map(({ target }) => posix.join(posix.dirname(file.path), target)),
    ),
  );
  return [...files.values()]
    .filter(({ path }) => /^docs\/pictures\/.+\.svg$/.test(path))
    .flatMap(({ path, text }) => {
      const wrong: string[] = [];
      if (!shown.has(path)) wrong.push('no page shows it');
      if (!/<svg[^>]*\brole="img"/.test(text) || !/<title[ >]/.test(text) || !/<desc[ >]/.test(text))
        wrong.push('who cannot see it needs role="img", a title and a desc');
      if (!text.includes('prefers-color-scheme: dark')) wrong.push('it has no colours for the dark');
      if (/(?:href|src)\s*=\s*["'](?!#)|url\(\s*["']?(?!#)|@import/.test(text)) wrong.push('it fetches something');
      return wrong.map(what => ({ path, what }));
    });
}

const quoting = (seen: string): string => `| What you see | What to do |\n|---|---|\n| ${seen} | wait |\n`;
const picture = (parts: string): string => `<svg role="img">${parts}</svg>`;
const words = '<title>a</title><desc>b</desc>';
const dark = '<style>@media (prefers-color-scheme: dark) {}</style>';

/** Laws about README.md, its neighbours, and docs. */
export const documentLaws: readonly Law[] = [
  {
    title: 'links lead somewhere',
    reason: 'a page that points at nothing is not believed in the rest',
    check: links,
    broken: [
      { 'README.md': '[a](docs/gone.md)' },
      { 'README.md': '[a](#gone)\n# Here' },
      { 'docs/a.md': '[a](b.md#gone)', 'docs/b.md': '# Here\n```\n# gone\n```' },
      { 'docs/a.md': '<img src="gone.svg">' },
      { 'docs/a.md': '[`code`](gone.md) `[no](link)`' },
    ],
    sound: {
      'README.md':
        '# `a` — Its [Name](docs), v1.2\n# Same\n# Same\n[a](#a--its-name-v12) [b](#same-1) [c](docs/a/) [d](https://a.b/#c)',
      'docs/a/b.md': '[x](../../README.md#same) `[no](gone.md)`',
    },
  },
  {
    title: 'files that are named exist',
    reason: 'whoever wants to look has to find the place',
    check: namedFiles,
    broken: [{ 'docs/a.md': 'See `src/gone.ts`.' }, { 'docs/adr/1.md': '`test/gone/`' }],
    sound: { 'docs/a.md': '`src/a/`, `src/a/b.ts`, `src/*.ts`, `dist/weir.cjs`', 'src/a/b.ts': '' },
  },
  {
    title: 'the index of the documents has them all',
    reason: 'a page that nothing leads to is not found',
    check: listed,
    broken: [{ 'docs/a.md': '' }, { 'docs/README.md': '[b](b.md)', 'docs/a.md': '', 'docs/b.md': '' }],
    sound: { 'docs/README.md': '[a](a.md#part)', 'docs/a.md': '', 'docs/adr/1.md': '' },
  },
  {
    title: 'metrics that are named exist',
    reason: 'an alert on a metric that is not there never fires',
    check: metrics,
    broken: [
      { 'docs/a.md': '`weir_gone`', 'src/a.ts': '// gone: "gone"' },
      { 'docs/a.md': 'weir_gone_total', 'src/a.ts': "count('gone');" },
    ],
    sound: {
      'docs/a.md': 'weir_one, `weir_two{type="CDS"}`, weir_three_bucket, weir_…',
      'src/a.ts': "gauge('one', 'help'); const all = { two: 'help' }; histogram('three');",
    },
  },
  {
    title: 'what a page says that you see is what the program says',
    reason: 'whoever searches the page for the line in front of them has to find it',
    check: quotes,
    broken: [
      { 'docs/a.md': quoting('`it broke`'), 'src/a.ts': "log('it is broken'); // it broke" },
      { 'docs/a.md': quoting('`it fails (broken)`'), 'src/a.ts': "log('it fails (b'); log('x roken) y');" },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the sample.
      { 'docs/a.md': quoting('`cannot reach it: an answer`'), 'src/a.ts': 'log(`cannot reach it: ${why}`);' },
    ],
    sound: {
      'docs/a.md': `${quoting('`the 2 of them: …`, `cannot reach it: … (setting x)`, `cannot reach it: damaged`, `it is over there`, `weir_x`')}\n| a |\n|-|\n| \`b\` |`,
      'src/a.ts':
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the sample.
        "log(`the 2 of them: ${words.join(`, `)}`); log(`cannot reach it: ${a ? `${b} (setting x)` : c}`); log('it is ' +\n  'over there'); const why = 'damaged';",
    },
  },
  {
    title: 'tables that are shown have the columns that are printed',
    reason: 'a sample that looks otherwise than the screen makes people doubt the screen',
    check: columns,
    broken: [
      { 'docs/a.md': '```\nTYPE  AGE  SIZE\n```', 'src/cli/a.ts': "table(['TYPE', 'SIZE', 'AGE']);" },
      { 'docs/a.md': '```\nTYPE  AGE  SIZE\n```', 'src/agent/a.ts': "table(['TYPE', 'AGE', 'SIZE']);" },
    ],
    sound: {
      'docs/a.md': '```\nTYPE  HELD BACK  SIZE\nCDS  EDS\n```\nCDS  EDS  LDS',
      'src/cli/a.ts': "table(['TYPE',\n  'HELD BACK', 'SIZE']);",
    },
  },
  {
    title: 'pictures can be read by everybody',
    reason: 'by night as by day, without eyes as without a network',
    check: pictures,
    broken: [
      { 'docs/pictures/a.svg': picture(`${words}${dark}`) },
      { 'docs/pictures/a.svg': picture(dark), 'docs/a.md': '![a](pictures/a.svg)' },
      { 'docs/pictures/a.svg': picture(words), 'docs/a.md': '![a](pictures/a.svg)' },
      {
        'docs/pictures/a.svg': picture(`${words}${dark}<image href="https://a.b/c.png"/>`),
        'docs/a.md': '![a](pictures/a.svg)',
      },
    ],
    sound: {
      'docs/pictures/a.svg': picture(`${words}${dark}<use href="#b"/><path marker-end="url(#c)"/>`),
      'docs/a.md': '![a](pictures/a.svg)',
    },
  },
];
