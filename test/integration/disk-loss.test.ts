import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { RowProtector } from '../../src/cache/disk-rows.ts';
import { createProtector } from '../../src/cache/row-protector.ts';
import type { DiskChange } from '../../src/cache/stored.ts';
import { clusterType, secretType } from '../../src/xds/type-urls.ts';
import type { ViewKey } from '../../src/xds/types.ts';
import {
  cacheFolder,
  contentsOf,
  copied,
  openDisk,
  put,
  reload,
  session,
  stored,
  typed,
  view,
  viewChange,
  viewKey,
} from '../support/disk-folder.ts';

// A disk cache that loses what it has, or cannot go on, in the middle of something (R81, R104).

const names = Array.from({ length: 600 }, (_, at) => `name-${at}`);
const generation = (payload: string, key = viewKey) =>
  names.map(name => put(stored(name, payload.padEnd(2_000, '.')), clusterType, key));

function damage(path: string): void {
  const { size } = statSync(path);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(size - 4_096, 0xaa), 0, size - 4_096, 4_096);
  closeSync(file);
}

test('R81: past the limit of bytes with one view, what makes it smaller is written', async t => {
  const directory = cacheFolder(t);
  const { disk } = await openDisk(directory, { bytesMax: 1 << 20 });
  disk.write([view, ...generation('large'), typed()]);
  await disk.flush();
  assert.deepEqual(disk.state, { kind: 'ok' });
  // Upstream deletes all but one.
  disk.write(names.slice(1).map((name): DiskChange => ({ kind: 'delete', viewKey, typeUrl: clusterType, name })));
  for (let tries = 0; tries < 5; tries++) await disk.flush();
  assert.deepEqual(disk.state, { kind: 'ok' });
  await disk.close();
  assert.equal(contentsOf((await reload(directory)).view).size, 1);
});

test('R104: a read in the middle of a takeover, and a failure of what came after it: nothing of it is applied twice', async t => {
  const directory = cacheFolder(t);
  await session(directory, disk =>
    disk.write([
      viewChange('old', 1),
      ...generation('one', 'old' as ViewKey),
      typed({}, clusterType, 'old' as ViewKey),
    ]),
  );
  const base = createProtector('memory', undefined);
  let isFailing = true;
  const protector: RowProtector = {
    ...base,
    protect(typeUrl, resource) {
      // Stands for a full disk, which fails in the second transaction.
      if (resource.name === 'rest' && isFailing) throw new Error('database or disk is full');
      return base.protect(typeUrl, resource);
    },
  };
  const { disk } = await openDisk(directory, { protector });
  const key = 'new' as ViewKey;
  // The Envoy was upgraded: its view takes over the old one's rows, and upstream changes 300 of the 600.
  disk.write([
    viewChange('new', 2, { replaces: 'old' }),
    ...generation('two', key).slice(0, 300),
    typed({}, clusterType, key),
  ]);
  const flushed = disk.flush();
  disk.write([put(stored('rest'), clusterType, key), typed({}, clusterType, key)]);
  disk.find('match-new');
  await flushed;
  assert.equal(disk.state.kind, 'failing');
  isFailing = false;
  await disk.flush();
  await disk.flush();
  assert.deepEqual(disk.state, { kind: 'ok' });
  await disk.close();
  const { view: found } = await reload(directory);
  assert.equal(found?.viewKey, 'new');
  assert.deepEqual([found?.types[0]?.isKnown, contentsOf(found).size], [true, 601]);
});

test('R104: damage that a read finds on a disk that lets nothing be set aside is a state, no error', async t => {
  const directory = cacheFolder(t);
  await session(directory, disk => disk.write([view, ...generation('before'), typed()]));
  const { disk } = await openDisk(directory);
  damage(disk.path);
  // As a file system that is remounted read-only because of the damage: nothing can be moved, nothing can be made.
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'in the way');
  assert.doesNotThrow(() => disk.find('match-view'));
  rmSync(directory);
  await disk.close();
});

test('R104: what waited for a file that vanished is not in the new one beside what is told once more', async t => {
  const directory = cacheFolder(t);
  await session(directory, disk => disk.write([view, ...generation('one'), typed()]));
  const { disk } = await openDisk(directory, {
    // As the core does: all of it once more.
    onLost: () => disk.write([view, { kind: 'clear', viewKey, typeUrl: clusterType }, ...generation('two'), typed()]),
  });
  assert.equal(contentsOf(disk.newest()).size, 600);
  // What a restart writes at once: the view came to life, and upstream has sent one difference.
  disk.write([viewChange('view', 2), put(stored('one more')), typed()]);
  rmSync(directory, { recursive: true });
  const flushed = disk.flush();
  for (let turns = 0; turns < 10; turns++) {
    await turn();
    // What another process finds if this one dies now.
    const { view: found } = await reload(copied(t, disk));
    const type = found?.types[0];
    assert.ok(!type?.isKnown || type.resources.length >= 600, `known with ${type?.resources.length} of 601`);
  }
  await flushed;
  await disk.close();
});

for (const how of ['damage', 'removal'] as const) {
  test(`R81 R104: ${how} found when the store is closed: what is told once more is written`, async t => {
    const directory = cacheFolder(t);
    await session(directory, disk => disk.write([view, ...generation('before'), typed()]));
    let lost = 0;
    const { disk } = await openDisk(directory, {
      onLost: () => {
        lost++;
        disk.write([view, { kind: 'clear', viewKey, typeUrl: clusterType }, ...generation('again'), typed()]);
      },
    });
    if (how === 'damage') damage(disk.path);
    else rmSync(directory, { recursive: true });
    disk.write(generation('after'));
    await disk.close();
    assert.equal(lost, 1);
    assert.equal(contentsOf((await reload(directory)).view).size, 600);
  });
}

test('R104: a key that was allowed to stand there is gone when the mode is another one', async t => {
  const directory = cacheFolder(t);
  const key = 'THE-PRIVATE-BYTES';
  await session(
    directory,
    disk => disk.write([view, put(stored('s', key), secretType), typed({ isKnown: false }, secretType)]),
    {
      protector: createProtector('plain', undefined),
    },
  );
  // A restart with the default.
  await session(directory, disk => {
    disk.newest();
    disk.write([viewChange('view', 2), typed({ isKnown: false, confirmedWallMs: 9 }, secretType)]);
  });
  const holding = readdirSync(directory).filter(name => readFileSync(join(directory, name)).includes(key));
  assert.deepEqual(holding, []);
});

test('odd names come back', async t => {
  const directory = cacheFolder(t);
  const odd = ['a\0b', 'a', '\u{10ffff}', '\ufffd', 'é', 'null', 'a\0', '\0'];
  await session(directory, disk => disk.write([view, ...odd.map(name => put(stored(name))), typed()]));
  const { view: found, notes } = await reload(directory);
  assert.deepEqual([...contentsOf(found).keys()].sort(), odd.toSorted(), JSON.stringify(notes));
});

test('odd names come back, more of them than a piece holds', async t => {
  const directory = cacheFolder(t);
  const odd = Array.from({ length: 1000 }, (_, at) => `p\0${at % 7}\0${at}`);
  await session(directory, disk => disk.write([view, ...odd.map(name => put(stored(name))), typed()]));
  const { view: found, notes } = await reload(directory);
  assert.equal(contentsOf(found).size, 1000, JSON.stringify(notes));
});
