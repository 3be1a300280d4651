import assert from 'node:assert/strict';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { resolveSettings } from '../../src/agent/config.ts';
import { environmentOf, fileKeyOf, flagOf, settingSpecs } from '../../src/agent/settings.ts';
import { readConfigFile } from '../../src/cli/config-file.ts';
import { createProgram } from '../../src/cli/main.ts';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { codeIn, type MarkdownPage, readMarkdown } from '../support/markdown.ts';
import { allCommands, type Command, commandProblem, commandsIn, splitWords } from '../support/shown-commands.ts';

// What the documents tell people to type: commands, flags, variables and keys are tried on the real command line and the settings table.

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const pages: ReadonlyMap<string, MarkdownPage> = new Map(
  globSync('{*.md,docs/**/*.md}', { cwd: repository })
    .filter(path => path !== 'CHANGELOG.md')
    .map(path => [path, readMarkdown(readFileSync(join(repository, path), 'utf8'))]),
);
const newProgram = (): Command => createProgram(() => {});

/** Flags of other programs in running text, and of ours that have a command line of their own. */
const otherFlags: ReadonlyMap<string, string> = new Map([
  ['--envoy', 'weir demo'],
  ['--client', 'weir demo'],
  ['--meshConfig', 'istiod'],
  ['--set', 'Helm'],
  ['--istio-charts', 'npm run check-deploy'],
  ['--kubeconfig', 'npm run check-deploy'],
  ['--max-old-space-size', 'Node.js'],
  ['--follow', 'kubectl'],
  ['--drain-time-s', 'Envoy'],
]);

function all(what: (page: MarkdownPage) => readonly { readonly text: string; readonly line: number }[]): string[][] {
  return [...pages].flatMap(([path, page]) => what(page).map(({ text, line }) => [`${path}:${line}`, text]));
}

describe('what the documents tell people to type', () => {
  test('commands in blocks are commands, with flags that exist and values that are allowed', () => {
    const shown = [...pages].flatMap(([path, page]) =>
      page.blocks.flatMap(block => commandsIn(block).map(({ words, line }) => ({ at: `${path}:${line}`, words }))),
    );
    assert.ok(shown.length > 20, `only ${shown.length} commands were found`);
    const wrong = shown.flatMap(({ at, words }) => {
      const problem = commandProblem(newProgram(), words, true);
      return problem === undefined ? [] : [`${at} weir ${words.join(' ')}: ${problem}`];
    });
    assert.deepEqual(wrong, []);
  });

  test('commands in running text exist, and so do their flags', () => {
    const wrong = all(page => page.spans).flatMap(([at = '', text = '']) => {
      // `weir is …` is something that it says.
      const words = /^(?:\.\/)?weir (?!is )[a-z]/.test(text) ? splitWords(text).slice(1) : undefined;
      const problem = words && commandProblem(newProgram(), words, false);
      return problem === undefined ? [] : [`${at} ${text}: ${problem}`];
    });
    assert.deepEqual(wrong, []);
  });

  test('flags in running text exist', () => {
    const known = new Set(allCommands(newProgram()).flatMap(command => command.options.map(option => option.long)));
    // What developers type are npm's scripts, each of which has flags of its own; what was measured are flags of V8.
    const wrong = all(page => page.spans).flatMap(([at = '', text = '']) =>
      !/^(?:CONTRIBUTING|docs.PERFORMANCE|docs.adr.0041)/.test(at) && /^--?[a-z]/.test(text)
        ? [...text.matchAll(/(?<![\w-])--[a-zA-Z][\w-]*/g)]
            .map(([flag]) => flag)
            .filter(flag => !known.has(flag) && !otherFlags.has(flag))
            .map(flag => `${at} ${flag}`)
        : [],
    );
    assert.deepEqual(wrong, []);
  });

  test('variables exist', () => {
    const known = new Set(settingSpecs.map(({ key }) => environmentOf(key)));
    const code = globSync('{src/cli,src/demo,test/support,scripts}/**/*.ts', { cwd: repository })
      .map(path => readFileSync(join(repository, path), 'utf8'))
      .join('\n');
    const wrong = [...pages.keys()].flatMap(path =>
      [...readFileSync(join(repository, path), 'utf8').matchAll(/\bWEIR_[A-Z_]*[A-Z]\b/g)]
        .map(([name]) => name)
        .filter(name => !known.has(name) && !code.includes(`'${name}'`))
        .map(name => `${path} ${name}`),
    );
    assert.deepEqual(wrong, []);
  });

  test('what a table calls a setting is one', () => {
    const keys = new Set<string>(settingSpecs.flatMap(({ key }) => [fileKeyOf(key), flagOf(key), environmentOf(key)]));
    const wrong = [...pages].flatMap(([path, page]) =>
      page.rows.flatMap(({ head, cells, line }) =>
        codeIn(cells[head.indexOf('setting')] ?? '')
          .map(name => name.split(' ')[0] ?? '')
          .filter(name => !keys.has(name.replace('…', '--upstream-keepalive')))
          .map(name => `${path}:${line} ${name}`),
      ),
    );
    assert.deepEqual(wrong, []);
  });

  test('configuration files that are shown are accepted', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const wrong: string[] = [];
    let count = 0;
    for (const [path, page] of pages) {
      for (const { language, text, line } of page.blocks) {
        if (language !== 'yaml' || /^(?:apiVersion|static_resources):/m.test(text)) continue;
        count++;
        const name = join(folder, `${count}.yaml`);
        writeFileSync(name, text);
        const file = await readConfigFile(name);
        const flags = new Map(/^upstream:/m.test(text) ? [] : [['--upstream', 'control-plane:1']]);
        const resolved = resolveSettings({ flags, environment: new Map(), file });
        if ('problems' in resolved) wrong.push(...resolved.problems.map(problem => `${path}:${line} ${problem}`));
      }
    }
    assert.ok(count > 2);
    assert.deepEqual(wrong, []);
  });

  test('variables of containers that are shown are accepted', () => {
    const wrong: string[] = [];
    let count = 0;
    for (const [path, page] of pages) {
      for (const { text, line } of page.blocks) {
        const found = [...text.matchAll(/name: (WEIR_[A-Z_]+), value: "?([^"}]*[^"} ])"? \}/g)];
        if (found.length === 0) continue;
        count++;
        const environment = new Map(found.map(([, name = '', value = '']) => [name, value]));
        const resolved = resolveSettings({ flags: new Map(), environment, file: undefined });
        if ('problems' in resolved) wrong.push(...resolved.problems.map(problem => `${path}:${line} ${problem}`));
      }
    }
    assert.ok(count > 0);
    assert.deepEqual(wrong, []);
  });
});

describe('a command that is shown wrongly is found', () => {
  for (const line of [
    'weir stattus',
    'weir status --outptu json',
    'weir proxy-config mcp a b c',
    'weir replay',
    'weir run --guard maybe',
    'weir bootstrap envoy --listen',
    'kubectl exec pod -c weir -- weir nonsense',
    'weir run --upstream a:1 \\\n  --listn b:2 > file',
  ]) {
    test(line, () => {
      const [command] = commandsIn({ language: 'sh', text: line, line: 1 });
      assert.ok(command);
      assert.notEqual(commandProblem(newProgram(), command.words, true), undefined);
    });
  }

  test('and what is right is not', () => {
    const text = [
      '$ ./weir status -o json | jq .',
      'weir looks like a command, and is what it printed',
      "$ FOO='a b' weir cache ls CDS 'a b' --cache-dir /var/lib/weir   # all",
      '$ node dist/weir.cjs run --upstream a:1 --listen unix:/b \\',
      '    --guard hold > out',
    ].join('\n');
    const commands = commandsIn({ language: '', text, line: 7 });
    assert.deepEqual(commands, [
      { words: ['status', '-o', 'json'], line: 7 },
      { words: ['cache', 'ls', 'CDS', 'a b', '--cache-dir', '/var/lib/weir'], line: 9 },
      { words: ['run', '--upstream', 'a:1', '--listen', 'unix:/b', '--guard', 'hold'], line: 10 },
    ]);
    for (const { words } of commands) assert.equal(commandProblem(newProgram(), words, true), undefined);
  });
});
