import assert from 'node:assert/strict';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { clusterType } from '../../src/xds/type-urls.ts';
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
import { SeededRandom } from '../support/random.ts';

// The disk cache when the process dies or the disk goes wrong in the middle of something (R81, R104).

const names = Array.from({ length: 300 }, (_, at) => `name-${at}`);

/** All names with one payload. */
const generation = (payload: number) => names.map(name => put(stored(name, `${payload} `.padEnd(300, '.'))));

/** Payloads of what was loaded, each once. */
function payloadsIn(contents: ReadonlyMap<string, string>): string[] {
  return [...new Set([...contents.values()].map(text => text.split(' ')[1] ?? ''))];
}

describe('a disk cache in trouble', () => {
  test('R81 R104: whatever is missing at the end of the write-ahead log, a whole burst is there or none of it', async t => {
    const directory = cacheFolder(t);
    const { disk } = await openDisk(directory);
    for (const payload of [1, 2, 3]) {
      disk.write([view, ...generation(payload), typed({ upstreamVersion: `v${payload}` })]);
      await disk.flush();
    }
    const dead = copied(t, disk);
    await disk.close();
    const bytes = statSync(join(dead, 'cache.db-wal')).size;
    const random = new SeededRandom(7);
    const seen = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const size = round === 0 ? bytes : random.below(bytes);
      const torn = cacheFolder(t);
      mkdirSync(torn, { mode: 0o700 });
      for (const name of readdirSync(dead)) copyFileSync(join(dead, name), join(torn, name));
      truncateSync(join(torn, 'cache.db-wal'), size);
      const { view: found } = await reload(torn);
      const contents = contentsOf(found);
      const payloads = payloadsIn(contents);
      assert.ok(payloads.length <= 1, `cut at ${size}: ${payloads}`);
      assert.ok(contents.size === 0 || contents.size === names.length, `cut at ${size}: ${contents.size} names`);
      const version = found?.types[0]?.upstreamVersion;
      assert.equal(version, payloads[0] === undefined ? undefined : `v${payloads[0]}`, `cut at ${size}`);
      seen.add(payloads[0] ?? 'nothing');
    }
    assert.deepEqual([...seen].sort(), ['1', '2', '3', 'nothing'], 'all of them came up');
  });

  test('R81: a process that dies in the middle of a burst leaves the state before it', async t => {
    const directory = cacheFolder(t);
    const { disk } = await openDisk(directory);
    disk.write([view, ...generation(1), typed()]);
    await disk.flush();
    disk.write(generation(2));
    const flushed = disk.flush();
    const dead = copied(t, disk);
    await flushed;
    const { view: found } = await reload(dead);
    assert.deepEqual([contentsOf(found).size, payloadsIn(contentsOf(found))], [names.length, ['1']]);
    await disk.close();
  });

  test('R104: a start that went well counts as one, also if it was said in the middle of a burst', async t => {
    let directory = cacheFolder(t);
    await session(directory, disk => disk.write([view, ...generation(1), typed()]));
    for (const nowMs of [1_000, 2_000, 3_000]) {
      const { disk } = await openDisk(directory, { wallMs: () => nowMs });
      assert.equal(contentsOf(disk.newest()).size, names.length, `the start at ${nowMs}`);
      disk.write(generation(nowMs));
      const flushed = disk.flush();
      disk.loadedFine();
      await flushed;
      await turn();
      directory = copied(t, disk);
      await disk.close();
    }
    const { view: found, notes } = await reload(directory, { wallMs: () => 4_000 });
    assert.deepEqual(
      notes.filter(note => note.kind === 'disk_set_aside'),
      [],
    );
    assert.equal(contentsOf(found).size, names.length);
  });

  test('nodes that come and go while the disk is full: all of it is written when there is room', async t => {
    const directory = cacheFolder(t);
    let bytesMax = 1;
    const options = {
      get bytesMax() {
        return bytesMax;
      },
    };
    const { disk } = await openDisk(directory, options);
    const [one, two] = ['one', 'two'] as ViewKey[];
    const large = 'first'.padEnd(50_000, '.');
    disk.write([viewChange('one', 1), put(stored('a', large), clusterType, one)]);
    disk.write([viewChange('two', 2), put(stored('b'), clusterType, two)]);
    disk.write([viewChange('one', 3)]);
    await disk.flush();
    assert.equal(disk.state.kind, 'failing');
    bytesMax = 1 << 20;
    await disk.flush();
    assert.deepEqual(disk.state, { kind: 'ok' });
    assert.deepEqual(contentsOf(disk.find('match-one')), new Map([['a', `a ${large}`]]));
    assert.deepEqual(contentsOf(disk.find('match-two')), new Map([['b', 'b one']]));
    await disk.close();
  });

  test('R104: a file that is damaged while it is used is set aside, and the agent goes on writing', async t => {
    const directory = cacheFolder(t);
    const large = (payload: string) => names.map(name => put(stored(name, payload.padEnd(2_000, '.'))));
    await session(directory, disk => disk.write([view, ...large('before'), typed()]));
    const { disk, notes } = await openDisk(directory);
    // All pages but the first, on which SQLite knows what it looked at last.
    const { size } = statSync(disk.path);
    const file = openSync(disk.path, 'r+');
    writeSync(file, Buffer.alloc(size - 4_096, 0xaa), 0, size - 4_096, 4_096);
    closeSync(file);
    disk.write(large('after'));
    await disk.flush();
    await disk.flush();
    assert.ok(notes.some(note => note.kind === 'disk_set_aside'));
    disk.write([put(stored('one more'))]);
    await disk.flush();
    assert.deepEqual(disk.state, { kind: 'ok' }, 'it can be written again');
    await disk.close();
  });

  test('R104: a file that is removed while it is used is begun anew, and all of it is asked for once more', async t => {
    const directory = cacheFolder(t);
    let lost = 0;
    const { disk, notes } = await openDisk(directory, {
      onLost: () => {
        lost++;
      },
    });
    disk.write([view, ...generation(1), typed()]);
    await disk.flush();
    rmSync(directory, { recursive: true });
    disk.write([put(stored('one more')), typed()]);
    await disk.flush();
    assert.equal(lost, 1);
    assert.equal(notes.filter(note => note.kind === 'disk_vanished').length, 1);
    assert.equal(disk.newest(), undefined, 'what was to be one of many is not taken for the whole');
    disk.write([view, ...generation(2), typed()]);
    await disk.close();
    assert.deepEqual(disk.state, { kind: 'ok' });
    const { view: found } = await reload(directory);
    assert.deepEqual([contentsOf(found).size, payloadsIn(contentsOf(found))], [names.length, ['2']]);
  });

  test('R104: no file can be made in the place of a damaged one: it is tried again', async t => {
    const directory = cacheFolder(t);
    let lost = 0;
    const { disk } = await openDisk(directory, {
      onLost: () => {
        lost++;
      },
    });
    disk.write([view, ...generation(1), typed()]);
    await disk.flush();
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'a file where the directory was');
    disk.write([put(stored('one more'))]);
    await disk.flush();
    assert.equal(disk.state.kind, 'failing');
    assert.equal(lost, 0);
    disk.write([put(stored('and another'))]);
    assert.equal(disk.newest(), undefined);
    assert.equal(disk.state.kind, 'failing', 'a read writes nothing, and says nothing else');
    rmSync(directory);
    await disk.flush();
    assert.deepEqual(disk.state, { kind: 'ok' });
    assert.equal(lost, 1);
    await disk.close();
  });

  test('a read while the disk is failing gives what is on it, and loses nothing of what waits', async t => {
    const directory = cacheFolder(t);
    let bytesMax = 1 << 30;
    const options = {
      get bytesMax() {
        return bytesMax;
      },
    };
    const { disk } = await openDisk(directory, options);
    disk.write([view, put(stored('a')), typed()]);
    await disk.flush();
    bytesMax = 1;
    disk.write([
      put(stored('b', 'one'.padEnd(50_000, '.'))),
      { kind: 'delete', viewKey, typeUrl: clusterType, name: 'a' },
    ]);
    await disk.flush();
    assert.equal(disk.state.kind, 'failing');
    const found = [...contentsOf(disk.newest()).keys()];
    assert.ok(found.length === 1, `${found}: the burst was written or was not`);
    bytesMax = 1 << 30;
    await disk.flush();
    await disk.close();
    assert.deepEqual([...contentsOf((await reload(directory)).view).keys()], ['b']);
  });
});
