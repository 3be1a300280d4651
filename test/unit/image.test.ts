import assert from 'node:assert/strict';
import { globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { all, readDockerfile } from '../support/dockerfile.ts';
import { readMarkdown } from '../support/markdown.ts';

// What can be said of the image without building it. `npm run check-image` builds and runs it.

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (path: string): string => readFileSync(join(repository, path), 'utf8');
const manifest = JSON.parse(read('package.json'));
const stages = readDockerfile(read('Dockerfile'));
const [globals, build] = stages;
const final = stages.at(-1);
const argument = (name: string): string | undefined =>
  stages
    .flatMap(stage => all(stage, 'ARG'))
    .find(text => text.startsWith(`${name}=`))
    ?.slice(name.length + 1);

/** As an instruction refers to an argument. */
const value = (name: string): string => `$\{${name}}`;

describe('the Dockerfile', () => {
  test('names its base with a tag that is a version of Node.js that Weir runs on', () => {
    assert.match(argument('NODE_IMAGE') ?? '', /^docker\.io\/library\/node:24(\.\d+)*-[a-z]+-slim$/);
    assert.equal(argument('RUNTIME_IMAGE'), value('NODE_IMAGE'));
    const bases = stages.flatMap(stage => all(stage, 'FROM')).map(rest => rest.replace(/^--\S+ | AS .*$/g, ''));
    assert.deepEqual(new Set(bases), new Set([value('NODE_IMAGE'), value('RUNTIME_IMAGE')]));
  });

  test('says of the image what package.json says', () => {
    assert.equal(argument('VERSION'), manifest.version);
    const labels = all(final, 'LABEL').join(' ');
    for (const text of [manifest.name, manifest.description, manifest.license]) {
      assert.ok(labels.includes(`="${text}"`), text);
    }
  });

  test('installs by the lock file and runs no script of a package', () => {
    assert.ok(all(build, 'RUN').some(command => /\bnpm ci --ignore-scripts$/.test(command)));
    assert.deepEqual(
      stages.flatMap(stage => all(stage, 'RUN')).filter(command => /npm (?:install|i) /.test(command)),
      [],
    );
  });

  test('runs as a number that is no user of the base, settable', () => {
    assert.deepEqual(all(final, 'USER'), [`${value('UID')}:${value('GID')}`]);
    assert.deepEqual([argument('UID'), argument('GID')], ['1337', '1337']);
    assert.ok(all(globals, 'ARG').includes('UID=1337'));
  });

  test('needs no shell where it runs, and asks for none', () => {
    for (const stage of stages.slice(2)) {
      for (const name of ['RUN', 'ENTRYPOINT', 'CMD']) {
        for (const rest of all(stage, name)) assert.match(rest, /^\[".*"\]$/, `${name} ${rest}`);
      }
    }
    assert.deepEqual(all(final, 'ENTRYPOINT'), ['["weir"]']);
    assert.deepEqual(all(final, 'RUN'), []);
  });

  test('starts no Node.js to see whether it is well, opens no port, hides no volume', () => {
    for (const name of ['HEALTHCHECK', 'EXPOSE', 'VOLUME', 'ADD', 'SHELL'])
      assert.deepEqual(all(final, name), [], name);
    assert.deepEqual(all(final, 'STOPSIGNAL'), ['SIGTERM']);
  });

  test('keeps no secret and takes from other stages only what it names', () => {
    for (const { name, rest } of stages.flat()) {
      if (rest.includes('npmrc')) assert.match(`${name} ${rest}`, /^RUN --mount=type=secret,id=npmrc /);
    }
    for (const rest of all(final, 'COPY')) assert.match(rest, /--from=(?:build|compiled) /, rest);
  });
});

describe('what reaches the builder', () => {
  const [everything, ...exceptions] = read('.dockerignore')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'));

  test('is a list of what may come in', () => {
    assert.equal(everything, '*');
    for (const line of exceptions) assert.ok(line.startsWith('!'), line);
  });

  test('is there, and is all that the build reads', () => {
    const allowed = exceptions.map(line => line.slice(1));
    for (const path of allowed) statSync(join(repository, path));
    // From scripts/build.ts on, all that is imported by a path.
    const seen = new Set(['scripts/build.ts']);
    for (const path of seen) {
      for (const [, target = ''] of read(path).matchAll(/^import .*from '(\.\.?\/[^']+)';$/gm))
        seen.add(join(dirname(path), target));
    }
    for (const path of [...seen, 'package.json', 'package-lock.json', 'src/cli/main.ts', 'LICENSE', 'tsconfig.json']) {
      assert.ok(
        allowed.some(one => path === one || path.startsWith(`${one}/`)),
        `${path} does not reach the builder`,
      );
    }
  });

  test('and nothing of src leads out of what may come in', () => {
    const outside = globSync('src/**/*.ts', { cwd: repository }).flatMap(path =>
      [...read(path).matchAll(/^(?:import|export|\}) .*from '(\.\.?\/[^']+)';$/gm)]
        .map(([, target = '']) => join(dirname(path), target))
        .filter(target => !target.startsWith('src/'))
        .map(target => `${path} ${target}`),
    );
    assert.deepEqual(outside, []);
  });
});

describe('docs/image.md', () => {
  const page = readMarkdown(read('docs/image.md'));
  const commands = page.blocks.map(({ text }) => text.replace(/\\\n\s*/g, '')).join('\n');

  test('sets only arguments that the Dockerfile has', () => {
    const set = [...commands.matchAll(/--build-arg ([A-Z_]+)=/g)].map(([, name = '']) => name);
    assert.ok(set.length > 3);
    for (const name of set) assert.notEqual(argument(name), undefined, name);
  });

  test('calls the image what the manifests call it', () => {
    const names = [...commands.matchAll(/(?<![\w/.])weir:[\w.]+/g)].map(([name]) => name);
    assert.ok(names.length > 2);
    assert.deepEqual(new Set(names), new Set([`weir:${manifest.version}`]));
  });
});
