import assert from 'node:assert/strict';
import fs, { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { istioKinds } from '../../src/istio/kinds.ts';
import {
  checkFolder,
  type FolderNote,
  type FolderSettings,
  folderDefaults,
  readFolder,
} from '../../src/source/folder.ts';
import { formatProblem } from '../../src/source/manifest.ts';
import type { SourceEvent } from '../../src/source/source-events.ts';
import { destinationRule, documents, misspelt, Receiver, unparsable, virtualService } from '../support/manifests.ts';

// Folders as people and Kubernetes change them. Looks at intervals are an hour away unless a test is about them, so what is told was watched.

const waitMs = 20_000;
const hourMs = 3_600_000;
const watched: Partial<FolderSettings> = { rescanMs: hourMs, settleMs: 30 };
const everything = [...istioKinds.map(({ kind }) => kind), 'MeshConfig'];

/** A receiver that can be waited for. */
class Told extends Receiver {
  readonly notes: FolderNote[] = [];
  #look: () => void = () => {};

  tell(event: SourceEvent): void {
    this.take([event]);
    this.#look();
  }

  note(note: FolderNote): void {
    this.notes.push(note);
    this.#look();
  }

  /** Resolves when it is so, at once if it is so already. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () =>
        reject(new Error(`${what} has not come; there is ${JSON.stringify([...this.troubles])}, and ${this.news()}`)),
      waitMs,
    );
    this.#look = () => {
      if (isSo()) resolve();
    };
    this.#look();
    await promise;
    clearTimeout(timer);
  }
}

/** Folder for a test, and how to write into it. */
function newFolder(t: TestContext) {
  const root = makeFolder();
  t.after(() => removeFolder(root));
  const directory = join(root, 'manifests');
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  };
  return { root, directory, write, path: (file: string) => join(directory, file) };
}

async function read(t: TestContext, directory: string, settings: Partial<FolderSettings> = {}): Promise<Told> {
  const told = new Told();
  const reader = await readFolder(
    { ...folderDefaults, ...watched, ...settings, directory },
    event => told.tell(event),
    note => told.note(note),
  );
  t.after(() => reader.close());
  return told;
}

/** Replaces a function of Node for a test, for all modules that have imported it. */
function replace<T extends object, K extends keyof T>(
  t: TestContext,
  module: T,
  name: K,
  by: (original: T[K]) => T[K],
): void {
  const original = module[name];
  module[name] = by(original);
  syncBuiltinESMExports();
  t.after(() => {
    module[name] = original;
    syncBuiltinESMExports();
  });
}

describe('a folder is watched', () => {
  test('all kinds are told at first, and files that come, change and go', async t => {
    const { write, path, directory } = newFolder(t);
    write('a.yaml', virtualService('a'));
    write('deep/er/b.yml', documents(virtualService('b'), destinationRule('b')));
    write('c.json', JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name: 'c' } }));
    write('mesh.yaml', 'rootNamespace: mesh\n');
    write('notes.txt', 'none of it');
    write('.hidden.yaml', unparsable);
    const told = await read(t, directory);
    assert.deepEqual(told.told, everything);
    assert.deepEqual(told.news(), [
      'whole DestinationRule: default/b',
      'whole Sidecar: default/c',
      'whole VirtualService: default/a default/b',
      'mesh config',
    ]);
    assert.deepEqual(
      told.notes.map(note => ({ ...note, tookMs: 0 })),
      [{ kind: 'folder_read', files: 4, resources: 5, passedOver: 0, tookMs: 0 }],
    );
    writeFileSync(path('a.yaml'), virtualService('a', 'other'));
    await told.until('a change', () => told.host('default/a') === 'other');
    write('d.yaml', virtualService('d'));
    await told.until('a new file', () => told.host('default/d') !== undefined);
    write('new/folder/e.yaml', virtualService('e'));
    await told.until('a new folder', () => told.host('default/e') !== undefined);
    write('new/folder/e.yaml', virtualService('e', 'other'));
    await told.until('a change in it', () => told.host('default/e') === 'other');
    renameSync(path('new'), path('moved'));
    write('moved/folder/f.yaml', virtualService('f'));
    await told.until('a change in a folder that was moved', () => told.host('default/f') !== undefined);
    unlinkSync(path('a.yaml'));
    await told.until('a file to go', () => told.host('default/a') === undefined);
    rmSync(path('moved'), { recursive: true });
    await told.until('a folder to go', () => told.host('default/e') === undefined);
    assert.deepEqual(told.names('VirtualService'), ['default/b', 'default/d']);
    assert.equal(told.troubles.size, 0);
  });

  test('a file that an editor replaces by a rename, or removes and writes anew, changes and never goes', async t => {
    const { write, path, directory } = newFolder(t);
    write('a.yaml', virtualService('a', 'one'));
    const told = await read(t, directory);
    told.news();
    for (const host of ['two', 'three']) {
      write('.a.yaml.swp', virtualService('a', host));
      renameSync(path('.a.yaml.swp'), path('a.yaml'));
      await told.until(host, () => told.host('default/a') === host);
    }
    renameSync(path('a.yaml'), path('a.yaml~'));
    write('a.yaml', virtualService('a', 'four'));
    await told.until('four', () => told.host('default/a') === 'four');
    const change = 'changed VirtualService: default/a';
    assert.deepEqual(told.news(), [change, change, change]);
  });

  test('a mounted ConfigMap changes as a whole', async t => {
    const { write, path, directory } = newFolder(t);
    /** What kubelet does: a folder with the new state, links beside it, and one link that is swapped. */
    const publish = (version: string, files: Record<string, string>): void => {
      for (const [file, text] of Object.entries(files)) {
        write(`..${version}/${file}`, text);
        const [top = file] = file.split('/');
        if (!fs.existsSync(path(top))) symlinkSync(join('..data', top), path(top));
      }
      symlinkSync(`..${version}`, path('..data_tmp'));
      renameSync(path('..data_tmp'), path('..data'));
    };
    publish('1', {
      'a.yaml': virtualService('a', 'one'),
      'sub/b.yaml': virtualService('b', 'one'),
      mesh: 'rootNamespace: one\n',
    });
    const told = await read(t, directory);
    assert.deepEqual(told.news(), ['whole VirtualService: default/a default/b', 'mesh config']);
    for (const [version, before] of [
      ['2', '1'],
      ['3', '2'],
    ] as const) {
      publish(version, {
        'a.yaml': virtualService('a', `v${version}`),
        'sub/b.yaml': virtualService('b', `v${version}`),
        mesh: `rootNamespace: v${version}\n`,
      });
      rmSync(path(`..${before}`), { recursive: true });
      await told.until(`version ${version}`, () => told.events.some(({ kind }) => kind === 'mesh_config'));
      assert.deepEqual(told.news(), ['changed VirtualService: default/a default/b', 'mesh config']);
      assert.deepEqual(
        [told.host('default/a'), told.host('default/b'), told.meshConfig],
        [`v${version}`, `v${version}`, { rootNamespace: `v${version}` }],
      );
    }
  });

  test('a ConfigMap that is swapped at whatever moment of a look is never told in part', async t => {
    const { write, path, directory } = newFolder(t);
    let version = 0;
    const swap = (): void => {
      version += 1;
      for (const name of ['a', 'b', 'c']) write(`..${version}/${name}.yaml`, virtualService(name, `v${version}`));
      symlinkSync(`..${version}`, path('..data_tmp'));
      renameSync(path('..data_tmp'), path('..data'));
      rmSync(path(`..${version - 1}`), { recursive: true, force: true });
    };
    swap();
    for (const name of ['a', 'b', 'c']) symlinkSync(`..data/${name}.yaml`, path(`${name}.yaml`));
    /** Calls of the file system that are left until the next swap. */
    let left = 0;
    const countDown = (): void => {
      left -= 1;
      if (left === 0) swap();
    };
    replace(
      t,
      fsPromises,
      'stat',
      original =>
        (async (...args: Parameters<typeof original>) => {
          countDown();
          return await original(...args);
        }) as typeof original,
    );
    replace(t, fsPromises, 'open', original => async (...args) => {
      countDown();
      return await original(...args);
    });
    const told = await read(t, directory, { settleMs: 0 });
    let swapsWithin = 0;
    for (let calls = 1; calls <= 30; calls++) {
      left = calls;
      swap();
      await told.until(
        `version ${version}`,
        () => told.host('default/c') === `v${version}` && told.host('default/a') === `v${version}`,
      );
      if (left <= 0) swapsWithin += 1;
    }
    const changes = told.events.filter(event => event.kind === 'changed');
    for (const { resources, removed } of changes) assert.deepEqual([resources.length, removed], [3, []]);
    assert.ok(swapsWithin >= 10, `${swapsWithin} looks were disturbed`);
    assert.equal(told.troubles.size, 0);
  });

  test('a folder that is a link is followed to wherever it leads', async t => {
    const { root, directory } = newFolder(t);
    for (const name of ['one', 'two']) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, 'a.yaml'), virtualService('a', name));
    }
    symlinkSync('one', directory);
    const told = await read(t, directory);
    assert.equal(told.host('default/a'), 'one');
    symlinkSync('two', join(root, 'next'));
    renameSync(join(root, 'next'), directory);
    await told.until('the other one', () => told.host('default/a') === 'two');
    writeFileSync(join(root, 'two', 'a.yaml'), virtualService('a', 'three'));
    await told.until('a change there', () => told.host('default/a') === 'three');
    assert.equal(told.troubles.size, 0);
  });

  test('links that lead in a circle, or twice to the same folder, are read once', async t => {
    const { write, path, directory } = newFolder(t);
    write('sub/a.yaml', virtualService('a'));
    symlinkSync('..', path('sub/up'));
    symlinkSync('sub', path('twice'));
    symlinkSync('loop', path('loop'));
    const told = await read(t, directory);
    assert.deepEqual([told.names('VirtualService'), [...told.troubles]], [['default/a'], []]);
  });

  test('what is written slowly is read when it is whole', async t => {
    const { write, directory } = newFolder(t);
    const parts = documents(virtualService('a', 'new'), virtualService('b', 'new')).split(/(?<=\n)/);
    write('a.yaml', documents(virtualService('a'), virtualService('b')));
    const told = await read(t, directory, { settleMs: 200 });
    told.news();
    let text = '';
    const { promise, resolve } = Promise.withResolvers<void>();
    const writing = setInterval(() => {
      text += parts.shift() ?? '';
      write('a.yaml', text);
      if (parts.length === 0) resolve();
    }, 20);
    await promise;
    clearInterval(writing);
    await told.until('the whole', () => told.host('default/b') === 'new');
    assert.deepEqual(told.news(), ['changed VirtualService: default/a default/b']);
  });

  test('what does not stop changing does not keep the others waiting', async t => {
    const { write, directory } = newFolder(t);
    write('a.yaml', virtualService('a'));
    write('b.yaml', virtualService('b'));
    const told = await read(t, directory, { settleMs: 20 });
    let count = 0;
    const writing = setInterval(() => write('a.yaml', virtualService('a', `x${count++}`)), 2);
    t.after(() => clearInterval(writing));
    write('b.yaml', virtualService('b', 'other'));
    await told.until('the other one', () => told.host('default/b') === 'other');
  });

  test('what is touched and not changed is not told', async t => {
    const { write, path, directory } = newFolder(t);
    write('a.yaml', virtualService('a'));
    write('b.yaml', virtualService('b'));
    const told = await read(t, directory);
    told.news();
    const now = new Date();
    utimesSync(path('a.yaml'), now, now);
    write('a.yaml', `# a comment\n${virtualService('a')}`);
    write('b.yaml', virtualService('b', 'other'));
    await told.until('the other one', () => told.host('default/b') === 'other');
    assert.deepEqual(told.news(), ['changed VirtualService: default/b']);
  });

  test('one change among many files reads one file', async t => {
    const { write, path, directory } = newFolder(t);
    for (let index = 0; index < 50; index++) write(`${index}.yaml`, virtualService(`v${index}`));
    const opened: string[] = [];
    replace(t, fsPromises, 'open', original => (...args) => {
      opened.push(String(args[0]));
      return original(...args);
    });
    const told = await read(t, directory);
    assert.equal(opened.splice(0).length, 50);
    write('7.yaml', virtualService('v7', 'other'));
    await told.until('the change', () => told.host('default/v7') === 'other');
    assert.deepEqual([...new Set(opened)], [path('7.yaml')]);
  });

  test('the folder is looked at from time to time, for what no watch tells', async t => {
    const { root, write, path, directory } = newFolder(t);
    write('b.yaml', virtualService('b'));
    writeFileSync(join(root, 'outside.yaml'), virtualService('a'));
    symlinkSync('../outside.yaml', path('a.yaml'));
    const told = await read(t, directory, { rescanMs: 50 });
    writeFileSync(join(root, 'outside.yaml'), virtualService('a', 'other'));
    await told.until('a change behind a link', () => told.host('default/a') === 'other');
  });

  test('without watches it is said once, and the looks go on', async t => {
    const { write, directory } = newFolder(t);
    write('a.yaml', virtualService('a'));
    write('sub/b.yaml', virtualService('b'));
    replace(t, fs, 'watch', () => () => {
      throw new Error('ENOSPC: no space left on device, watch');
    });
    const told = await read(t, directory, { rescanMs: 50 });
    const unwatched = {
      kind: 'folder_unwatched',
      text: `${directory} cannot be watched: ENOSPC: no space left on device, watch`,
    };
    assert.deepEqual(
      told.notes.filter(({ kind }) => kind === 'folder_unwatched'),
      [unwatched],
    );
    write('a.yaml', virtualService('a', 'other'));
    await told.until('a change', () => told.host('default/a') === 'other');
    write('a.yaml', virtualService('a', 'third'));
    await told.until('another', () => told.host('default/a') === 'third');
    assert.equal(told.notes.filter(({ kind }) => kind === 'folder_unwatched').length, 1);
  });
});

describe('what cannot be read', () => {
  test('a file with a mistake keeps its last good content, until it is mended or removed', async t => {
    const { write, path, directory } = newFolder(t);
    write('a.yaml', virtualService('a'));
    write('b.yaml', virtualService('b'));
    const told = await read(t, directory);
    told.news();
    write('a.yaml', unparsable);
    write('b.yaml', misspelt);
    await told.until('both mistakes', () => told.troubles.size === 2);
    assert.deepEqual(told.news(), ['trouble', 'trouble VirtualService']);
    assert.equal(
      told.troubles.get(''),
      `${path('a.yaml')}:2: is no valid YAML: deficient indentation; what was read before goes on until this is mended`,
    );
    write('a.yaml', virtualService('a', 'other'));
    await told.until('the end of the first', () => told.host('default/a') === 'other' && told.troubles.size === 1);
    unlinkSync(path('b.yaml'));
    await told.until('the end of the second', () => told.troubles.size === 0);
    assert.deepEqual(told.names('VirtualService'), ['default/a']);
  });

  test('at the start a mistake withholds its kind alone, and a text that says nothing all of them', async t => {
    const { write, directory } = newFolder(t);
    write('a.yaml', unparsable);
    write('b.yaml', virtualService('b'));
    const told = await read(t, directory);
    assert.deepEqual(told.told, []);
    write('a.yaml', misspelt);
    await told.until('the other kinds', () => told.told.length > 0);
    assert.deepEqual(
      told.told,
      everything.filter(kind => kind !== 'VirtualService'),
    );
    write('a.yaml', virtualService('a'));
    await told.until('the last kind', () => told.names('VirtualService')?.length === 2);
    assert.equal(told.troubles.size, 0);
  });

  test('a folder that is missing is waited for, and one that goes away is no empty one', async t => {
    const { root, directory, write, path } = newFolder(t);
    const told = await read(t, directory);
    assert.deepEqual(told.news(), ['trouble']);
    assert.match(
      told.troubles.get('') ?? '',
      /manifests: does not exist; create it, or mount it; nothing is told before this is mended/,
    );
    write('a.yaml', virtualService('a'));
    await told.until('the folder', () => told.told.length === everything.length && told.troubles.size === 0);
    assert.deepEqual(told.names('VirtualService'), ['default/a']);
    told.news();
    renameSync(directory, join(root, 'away'));
    await told.until('its end', () => told.troubles.size > 0);
    assert.deepEqual(told.news(), ['trouble']);
    renameSync(join(root, 'away'), directory);
    await told.until('its return', () => told.troubles.size === 0);
    assert.deepEqual(told.news(), ['recovered']);
    unlinkSync(path('a.yaml'));
    await told.until('a folder that is really empty', () => told.names('VirtualService')?.length === 0);
    assert.deepEqual(told.news(), ['changed VirtualService: -default/a']);
  });

  test('a folder whose folder is missing as well is found at intervals', async t => {
    const { root } = newFolder(t);
    const told = await read(t, join(root, 'not', 'yet'), { rescanMs: 50 });
    mkdirSync(join(root, 'not', 'yet'), { recursive: true });
    await told.until('the folder', () => told.told.length === everything.length && told.troubles.size === 0);
    assert.deepEqual(told.names('VirtualService'), []);
  });

  test('a file instead of a folder, and a folder with too much in it', async t => {
    const { write, path, directory } = newFolder(t);
    write('a.yaml', virtualService('a'));
    const file = await read(t, path('a.yaml'));
    assert.match(file.troubles.get('') ?? '', /a\.yaml: is no folder; nothing is told/);
    write('b.yaml', virtualService('b'));
    const told = await read(t, directory, { filesMax: 1 });
    assert.match(
      told.troubles.get('') ?? '',
      /manifests: holds more than 1 manifests; raise --files-max, or split it; nothing is told/,
    );
    assert.deepEqual(told.told, []);
    unlinkSync(path('b.yaml'));
    await told.until('less', () => told.told.length === everything.length);
    for (let index = 0; index < 20; index++) write(`${index}.txt`, '');
    await told.until('too many of another kind', () => told.troubles.size > 0);
    assert.match(told.troubles.get('') ?? '', /holds more than 20 entries; .*what was read before goes on/);
    assert.deepEqual(told.names('VirtualService'), ['default/a']);
  });

  test('a link to nothing, a file that is too large, and what is no file', async t => {
    const { write, path, directory } = newFolder(t);
    write('b.yaml', virtualService('b'));
    symlinkSync('nowhere', path('a.yaml'));
    const told = await read(t, directory, { fileBytesMax: 1_000 });
    assert.match(told.troubles.get('') ?? '', /a\.yaml: is a link to nowhere, where nothing is; nothing is told/);
    unlinkSync(path('a.yaml'));
    await told.until('its end', () => told.told.length === everything.length && told.troubles.size === 0);
    write('b.yaml', `${virtualService('b', 'other')}#${'x'.repeat(1_000)}\n`);
    await told.until('the size', () => told.troubles.size > 0);
    assert.match(
      told.troubles.get('') ?? '',
      /b\.yaml: has \d+ bytes, the most is 1000; split it, or raise --file-bytes-max; what was read before goes on/,
    );
    assert.equal(told.host('default/b'), 'cart');
  });

  test('a folder inside that may not be read, and a file', async t => {
    const { write, path, directory } = newFolder(t);
    write('a.yaml', virtualService('a'));
    write('sub/b.yaml', virtualService('b'));
    const refused = new Set<string>();
    const refuse = (name: unknown): void => {
      if (!refused.has(String(name))) return;
      throw Object.assign(new Error(`EACCES: permission denied, '${name}'`), { code: 'EACCES' });
    };
    replace(t, fsPromises, 'opendir', original => async (...args) => {
      refuse(args[0]);
      return await original(...args);
    });
    replace(t, fsPromises, 'open', original => async (...args) => {
      refuse(args[0]);
      return await original(...args);
    });
    const told = await read(t, directory, { rescanMs: 50 });
    told.news();
    refused.add(path('sub'));
    await told.until('the folder', () => told.troubles.size > 0);
    assert.match(
      told.troubles.get('') ?? '',
      /sub: cannot be read: EACCES: permission denied, .*; what was read before goes on/,
    );
    refused.clear();
    await told.until('its end', () => told.troubles.size === 0);
    refused.add(path('a.yaml'));
    write('a.yaml', virtualService('a', 'other'));
    await told.until('the file', () => told.troubles.size > 0);
    assert.match(told.troubles.get('') ?? '', /a\.yaml: cannot be read: EACCES/);
    assert.deepEqual(told.names('VirtualService'), ['default/a', 'default/b']);
    refused.clear();
    await told.until('its end', () => told.troubles.size === 0 && told.host('default/a') === 'other');
  });
});

test('after it is closed nothing is told, even in the middle of a look', async t => {
  const { write, directory } = newFolder(t);
  write('a.yaml', virtualService('a'));
  const told = new Told();
  const reader = await readFolder({ ...folderDefaults, ...watched, directory }, event => told.tell(event));
  told.news();
  const { promise: isLooking, resolve: look } = Promise.withResolvers<void>();
  replace(t, fsPromises, 'opendir', original => async (...args) => {
    look();
    return await original(...args);
  });
  write('a.yaml', virtualService('a', 'other'));
  await isLooking;
  await reader.close();
  assert.deepEqual(told.news(), []);
  await reader.close();
});

test('a folder is checked for people', async t => {
  const { root, write, path, directory } = newFolder(t);
  const settings = { ...folderDefaults, directory };
  write('good.yaml', documents(virtualService('a'), 'apiVersion: v1\nkind: Service\n'));
  assert.deepEqual(await checkFolder(settings), { problems: [], counts: { files: 1, resources: 1, passedOver: 1 } });
  write('bad.yaml', unparsable);
  write('sub/worse.yaml', documents(virtualService('a'), misspelt));
  symlinkSync('nowhere', path('link.yaml'));
  const { problems } = await checkFolder(settings);
  assert.deepEqual(problems.map(formatProblem), [
    `${path('bad.yaml')}:2: is no valid YAML: deficient indentation`,
    `${path('link.yaml')}: is a link to nowhere, where nothing is`,
    `${path('sub/worse.yaml')}:16: VirtualService default/misspelt: spec.htp is no field of VirtualService; did you mean http?`,
  ]);
  const limited = await checkFolder({ ...settings, filesMax: 2 });
  assert.deepEqual(limited.problems.map(formatProblem), [
    `${directory}: holds more than 2 manifests; raise --files-max, or split it`,
  ]);
  const missing = await checkFolder({ ...settings, directory: join(root, 'missing') });
  assert.deepEqual(missing.problems.map(formatProblem), [
    `${join(root, 'missing')}: does not exist; create it, or mount it`,
  ]);
});

// Time of the processor, since others may run beside the test; by the clock it is two thirds of a second on two slow cores.
test('a thousand VirtualServices in fifty namespaces are read and told in little time', async t => {
  const { write, directory } = newFolder(t);
  for (let index = 0; index < 1_000; index++) {
    write(`ns-${index % 50}/${index}.yaml`, virtualService(`ns-${index % 50}/v${index}`));
  }
  const before = process.cpuUsage();
  const told = await read(t, directory);
  const { user, system } = process.cpuUsage(before);
  assert.equal(told.names('VirtualService')?.length, 1_000);
  const tookMs = (user + system) / 1_000;
  assert.ok(tookMs < 1_500, `${tookMs} ms`);
});
