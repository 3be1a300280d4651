import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type DiskNote, DiskUnusable } from '../../src/cache/disk-notes.ts';
import type { StoredResource, StoredView } from '../../src/cache/stored.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import {
  cacheFolder,
  contentsOf,
  openDisk,
  put,
  reload,
  session,
  stored,
  typed,
  view,
} from '../support/disk-folder.ts';
import { SeededRandom } from '../support/random.ts';

// Files that were damaged, are not ours, or keep killing the process (R104).

const pageBytes = 4096;
/** Bytes of the header that say whose file it is and of which format: those of a foreign file are no damage. */
const formatAt = 60;
const idAt = 68;

const written: ReadonlyMap<TypeUrl, ReadonlyMap<string, StoredResource>> = new Map([
  [clusterType, named('cluster', 60)],
  [endpointType, named('endpoint', 40)],
]);

function named(prefix: string, count: number): Map<string, StoredResource> {
  const resources = Array.from({ length: count }, (_, at) => stored(`${prefix}-${at}`, `body ${at} `.padEnd(300, '.')));
  return new Map(resources.map(resource => [resource.name, resource]));
}

/** A sound file: a complete set of clusters, and endpoints that were asked for by name. */
async function soundFile(t: TestContext): Promise<Buffer> {
  const directory = cacheFolder(t);
  await session(directory, disk => {
    disk.write([view, typed(), typed({ isKnown: false }, endpointType)]);
    for (const [typeUrl, resources] of written) {
      for (const resource of resources.values()) disk.write([put(resource, typeUrl)]);
    }
  });
  return readFileSync(join(directory, 'cache.db'));
}

function place(directory: string, bytes: Buffer): void {
  mkdirSync(directory, { mode: 0o700 });
  writeFileSync(join(directory, 'cache.db'), bytes, { mode: 0o600 });
}

/** Opens and loads a file of these bytes; undefined when it was refused as another program's or a newer one. */
async function open(
  t: TestContext,
  bytes: Buffer,
): Promise<{ readonly directory: string; readonly views: readonly StoredView[]; readonly notes: readonly DiskNote[] }> {
  const directory = cacheFolder(t);
  place(directory, bytes);
  const views: StoredView[] = [];
  const notes = await session(directory, disk => {
    const first = disk.newest();
    if (first) views.push(first);
    const found = disk.find('match-view');
    if (found) views.push(found);
    views.push(...disk.all());
  });
  return { directory, views, notes };
}

/** What is wrong with what was loaded: everything must be something that was written, under its type, and a complete set all of it. */
function problemsIn(views: readonly StoredView[]): string[] {
  const problems: string[] = [];
  for (const { typeUrl, isKnown, resources } of views.flatMap(({ types }) => types)) {
    const expected = written.get(typeUrl);
    // A type of a damaged name is asked for by nobody.
    if (!expected) continue;
    for (const resource of resources) {
      if (!isDeepStrictEqual(resource, expected.get(resource.name))) problems.push(`${resource.name} is wrong`);
    }
    if (new Set(resources.map(one => one.name)).size < resources.length) problems.push('a name stands there twice');
    if (isKnown && typeUrl !== clusterType) problems.push('a set by names passes for a complete one');
    if (isKnown && resources.length !== expected.size) problems.push('a complete set lacks something');
  }
  return [...new Set(problems)];
}

/** Loads the file with each of these bits flipped. Returns what went wrong, and how often the damage was noticed. */
async function tryFlips(
  t: TestContext,
  bytes: Buffer,
  flips: Iterable<readonly [at: number, bit: number]>,
): Promise<{ readonly problems: readonly string[]; readonly noticed: number }> {
  const problems: string[] = [];
  let noticed = 0;
  for (const [at, bit] of flips) {
    const where = `bit ${bit} of byte ${at}`;
    try {
      const { views, notes } = await open(t, flip(bytes, at, bit));
      for (const problem of problemsIn(views)) problems.push(`${where}: ${problem}`);
      if (notes.some(note => note.kind === 'disk_rows_missing' || note.kind === 'disk_set_aside')) noticed++;
    } catch (error) {
      problems.push(`${where}: ${error}`);
    }
  }
  return { problems, noticed };
}

function asideIn(directory: string): string[] {
  return readdirSync(directory).filter(name => /^cache\.db\.damaged-[^-]*(-\d+)?$/.test(name));
}

function flip(bytes: Buffer, at: number, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

describe('a damaged disk cache', () => {
  test('R104: flipped bits at seeded places: never a crash, never content that was not written, never half a set', async t => {
    const bytes = await soundFile(t);
    const seed = 5;
    const random = new SeededRandom(seed);
    const flips = Array.from({ length: 300 }, () => [random.below(bytes.length), random.below(8)] as const);
    const isMark = (at: number): boolean => [formatAt, idAt].some(mark => at >= mark && at < mark + 4);
    const { problems, noticed } = await tryFlips(
      t,
      bytes,
      flips.filter(([at]) => !isMark(at)),
    );
    assert.deepEqual(problems, [], `seed ${seed}`);
    assert.ok(noticed >= 50, `${noticed} flips were noticed, so they hit what matters`);
  });

  test('R104: flipped bits in the head of every page: the same', async t => {
    const bytes = await soundFile(t);
    const flips: [number, number][] = [];
    for (let page = 0; page * pageBytes < bytes.length; page++) {
      const head = page * pageBytes + (page === 0 ? 100 : 0);
      for (let at = head; at < head + 8; at++) for (const bit of [0, 3, 6]) flips.push([at, bit]);
    }
    assert.deepEqual((await tryFlips(t, bytes, flips)).problems, []);
  });

  test('R104: flipped bits in the row of a type: a set by names never turns into a complete one', async t => {
    const bytes = await soundFile(t);
    const url = bytes.indexOf(endpointType);
    assert.ok(url > 0);
    // Before the address stand the kinds of the row's values, after it the values.
    const flips: [number, number][] = [];
    for (let at = url - 8; at < url + endpointType.length + 10; at++) {
      for (let bit = 0; bit < 8; bit++) flips.push([at, bit]);
    }
    assert.deepEqual((await tryFlips(t, bytes, flips)).problems, []);
  });

  test('R104: cut at any page, or in the middle of one: never a crash, never half a set, and the file is kept', async t => {
    const bytes = await soundFile(t);
    for (let page = 0; page * pageBytes < bytes.length; page++) {
      for (const size of [page * pageBytes, page * pageBytes + 1_000]) {
        if (size >= bytes.length) continue;
        const { directory, views, notes } = await open(t, bytes.subarray(0, size));
        assert.deepEqual(problemsIn(views), [], `cut at ${size}`);
        assert.ok(
          notes.some(note => note.kind === 'disk_set_aside' || note.kind === 'disk_rows_missing'),
          `cut at ${size}: said`,
        );
        for (const name of asideIn(directory)) assert.ok(existsSync(join(directory, name)));
      }
    }
  });

  test('R104: an empty file and rubbish are set aside, and an empty cache takes their place', async t => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('rubbish'), Buffer.alloc(9_000, 'x')]) {
      const { directory, views, notes } = await open(t, bytes);
      assert.deepEqual(views, []);
      const [aside = ''] = asideIn(directory);
      assert.deepEqual(readFileSync(join(directory, aside)), bytes);
      const note = notes.find(one => one.kind === 'disk_set_aside');
      assert.equal(note?.setAside, join(directory, aside));
      assert.match(note.lost, /./);
      await session(directory, disk => disk.write([view, put(stored('a'))]));
      assert.equal(contentsOf((await reload(directory)).view).get('a'), 'a one');
    }
  });

  test('R104: of the files set aside three are kept, the newest', async t => {
    const directory = cacheFolder(t);
    mkdirSync(directory, { mode: 0o700 });
    for (let at = 0; at < 5; at++) {
      writeFileSync(join(directory, 'cache.db'), `rubbish ${at}`);
      await session(directory, () => undefined, { wallMs: () => at * 1_000 });
    }
    const texts = asideIn(directory).map(name => readFileSync(join(directory, name), 'utf8'));
    assert.deepEqual(texts.sort(), ['rubbish 2', 'rubbish 3', 'rubbish 4']);
  });

  test('R104: another program’s database and a newer format are untouched, byte for byte', async t => {
    const sound = await soundFile(t);
    const newer = Buffer.from(sound);
    newer.writeUInt32BE(99, formatAt);
    const changed = Buffer.from(sound);
    changed.writeUInt32BE(0x12345678, idAt);
    for (const [bytes, reason, words] of [
      [theirDatabase(t), 'foreign', /another program.*another cache directory/],
      [changed, 'foreign', /another program/],
      [newer, 'newer', /format 99/],
    ] as const) {
      const directory = cacheFolder(t);
      place(directory, bytes);
      await assert.rejects(openDisk(directory), (error: unknown) => {
        assert.ok(error instanceof DiskUnusable, String(error));
        assert.equal(error.reason, reason);
        assert.match(error.message, words);
        return true;
      });
      assert.deepEqual(readdirSync(directory), ['cache.db']);
      assert.ok(readFileSync(join(directory, 'cache.db')).equals(bytes));
    }
  });

  test('R104: format 1 is brought up to the present one, and is used from then on', async t => {
    const directory = cacheFolder(t);
    mkdirSync(directory, { mode: 0o700 });
    const db = new DatabaseSync(join(directory, 'cache.db'));
    const name = Buffer.from('WEIR').readUInt32BE();
    db.exec(`create table view (id integer primary key, key text); create table type (id integer primary key);
      create table resource (type integer, name text); insert into resource values (1, 'a');
      pragma application_id = ${name}; pragma user_version = 1`);
    db.close();
    const notes = await session(directory, disk => {
      assert.equal(disk.newest(), undefined);
      disk.write([view, put(stored('a')), typed()]);
    });
    assert.deepEqual(notes[0], { kind: 'disk_migrated', fromVersion: 1, toVersion: 4 });
    const { view: found, notes: later } = await reload(directory);
    assert.equal(contentsOf(found).get('a'), 'a one');
    assert.ok(!later.some(note => note.kind === 'disk_migrated'), 'only once');
  });

  test('R104: a listing goes on after a damaged row, and says that there is one', async t => {
    const directory = cacheFolder(t);
    const names = Array.from({ length: 600 }, (_, at) => `name-${at}`);
    await session(directory, disk => disk.write([view, ...names.map(name => put(stored(name))), typed()]));
    const db = new DatabaseSync(join(directory, 'cache.db'));
    db.exec(
      `update resource set content = cast(substr(content, 1, 20) || x'ff' || substr(content, 22) as blob) where name = 'name-0'`,
    );
    db.close();
    await session(directory, disk => {
      const rows = [...disk.rows(clusterType)];
      assert.deepEqual(
        rows.filter(row => row.state === 'damaged').map(row => [row.name, row.trust]),
        [['', undefined]],
      );
      assert.ok(
        rows.some(row => row.name === 'name-99' && row.state === 'kept'),
        'of a later piece',
      );
    });
  });

  test('R104: a file of format 3, whose rows have no times, is taken over as it is', async t => {
    const directory = cacheFolder(t);
    await session(directory, disk => disk.write([view, put(stored('a')), put(stored('b')), typed()]));
    const db = new DatabaseSync(join(directory, 'cache.db'));
    db.exec('alter table type drop column scope; pragma user_version = 3');
    db.close();
    const notes = await session(directory, disk => disk.write([put(stored('b', 'two', { changedWallMs: 7.5 }))]));
    assert.deepEqual(notes[0], { kind: 'disk_migrated', fromVersion: 3, toVersion: 4 });
    const { view: found } = await reload(directory);
    assert.deepEqual(
      found?.types[0]?.resources.map(one => [one.name, one.any.toString(), one.changedWallMs]),
      [
        ['a', 'a one', undefined],
        ['b', 'b two', 7.5],
      ],
    );
  });

  test('R104: three loads within a minute that did not come to an end: the file is set aside', async t => {
    const directory = await died(t, [1_000, 21_000, 41_000]);
    const { view: found, notes } = await reload(directory, { wallMs: () => 60_000 });
    assert.equal(found, undefined);
    const note = notes.find(one => one.kind === 'disk_set_aside');
    assert.match(note?.reason ?? '', /three times within a minute/);
    assert.equal(asideIn(directory).length, 1);
  });

  test('R104: two such loads, three in a longer time, a clock that was set back, or three that ended: it is used', async t => {
    const started = async (directory: string, nowMs: number): Promise<void> => {
      const { view: found } = await reload(directory, { wallMs: () => nowMs });
      assert.equal(contentsOf(found).get('a'), 'a one');
    };
    await started(await died(t, [1_000, 21_000]), 41_000);
    await started(await died(t, [1_000, 41_000, 81_000]), 121_000);
    await started(await died(t, [500_000, 501_000, 502_000]), 1_000);
    await started(await died(t, [1_000, 2_000, 3_000, 4_000], 'loaded fine'), 5_000);
  });

  test('R104: a process that dies of its own error after the load counts against the file', async t => {
    const directory = await died(t, [1_000, 2_000, 3_000], 'crashed later');
    const { notes } = await reload(directory, { wallMs: () => 4_000 });
    assert.ok(notes.some(note => note.kind === 'disk_set_aside'));
  });
});

/** A database of somebody else, with a table of a name that we use too. */
function theirDatabase(t: TestContext): Buffer {
  const path = `${cacheFolder(t)}-theirs.db`;
  const db = new DatabaseSync(path);
  db.exec("create table view (x); insert into view values ('theirs')");
  db.close();
  return readFileSync(path);
}

/**
 * Starts on one file at each of these times and dies: what the next process finds is what was on disk at that moment.
 *
 * @param how where it dies: within the load, long after it by a kill, or after it of its own error
 */
async function died(
  t: TestContext,
  atMs: readonly number[],
  how: 'loading' | 'loaded fine' | 'crashed later' = 'loading',
): Promise<string> {
  let directory = cacheFolder(t);
  await session(directory, disk => disk.write([view, put(stored('a')), typed()]));
  for (const nowMs of atMs) {
    const { disk } = await openDisk(directory, { wallMs: () => nowMs });
    assert.equal(contentsOf(disk.newest()).get('a'), 'a one', `the start at ${nowMs}`);
    if (how !== 'loading') disk.loadedFine();
    if (how === 'crashed later') disk.crashed();
    const next = cacheFolder(t);
    mkdirSync(next, { mode: 0o700 });
    for (const name of readdirSync(dirname(disk.path))) copyFileSync(join(directory, name), join(next, name));
    await disk.close();
    directory = next;
  }
  return directory;
}
