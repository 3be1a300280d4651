import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { DiskNote } from '../../src/cache/disk-notes.ts';
import { createProtector } from '../../src/cache/row-protector.ts';
import { RowSealer, type SecretsMode } from '../../src/cache/secrets.ts';
import type { StoredView } from '../../src/cache/stored.ts';
import { bytes, message, nested, text, uint } from '../../src/demo/proto.ts';
import { clusterType, secretType } from '../../src/xds/type-urls.ts';
import { cacheFolder, openDisk, put, reload, session, stored, typed, view } from '../support/disk-folder.ts';

// Secrets on their way to real files and back (R104, R105).

const keys = [1, 2, 3].map(value => Buffer.alloc(32, value));
const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
/** A piece of the key that nothing else holds. */
const needle = Buffer.from(privateKey.split('\n')[1] ?? '');

const secret = stored('tls', 'x', { any: message(text(1, secretType), bytes(2, Buffer.from(privateKey))) });
const inlined = stored('inlined', 'x', { any: message(text(1, clusterType), bytes(2, Buffer.from(privateKey))) });
const marked = stored('marked', 'do not keep me', { extra: message(nested(7, uint(1, 1))) });
const harmless = stored('harmless');

function protectorOf(mode: SecretsMode, ...using: readonly (Buffer | undefined)[]) {
  const sealer = using.length > 0 ? new RowSealer(using.flatMap(key => key ?? [])) : undefined;
  return { protector: createProtector(mode, sealer) };
}

async function writeAll(t: TestContext, options: ReturnType<typeof protectorOf>, isKnown = false): Promise<string> {
  const directory = cacheFolder(t);
  await session(
    directory,
    disk => {
      disk.write([view, put(secret, secretType), typed({ isKnown }, secretType), typed({ isKnown })]);
      disk.write([inlined, marked, harmless].map(one => put(one)));
    },
    options,
  );
  return directory;
}

function bytesIn(directory: string): Buffer {
  return Buffer.concat(readdirSync(directory).map(name => readFileSync(join(directory, name))));
}

function namesIn(found: StoredView | undefined): string[] {
  return (found?.types ?? []).flatMap(type => type.resources.map(resource => resource.name)).sort();
}

function missingIn(notes: readonly DiskNote[]): Map<string, string> {
  const missing = new Map<string, string>();
  for (const note of notes) {
    if (note.kind === 'disk_rows_missing') for (const name of note.names) missing.set(name, note.reason);
  }
  return missing;
}

describe('secrets on disk', () => {
  test('R104: memory: no byte of a key reaches a file, and what is missing is named with its reason', async t => {
    const options = protectorOf('memory');
    const directory = await writeAll(t, options);
    const all = bytesIn(directory);
    assert.ok(all.includes(harmless.any), 'the rest is there');
    for (const one of [needle, marked.any]) assert.ok(!all.includes(one));
    const { view: found, notes } = await reload(directory, options);
    assert.deepEqual(namesIn(found), ['harmless']);
    assert.deepEqual(
      missingIn(notes),
      new Map([
        ['tls', 'withheld'],
        ['inlined', 'withheld'],
        ['marked', 'withheld'],
      ]),
    );
  });

  test('R104: neither does one while the write-ahead log is still there, nor does a content that replaces a plain one', async t => {
    const directory = cacheFolder(t);
    const { disk, notes } = await openDisk(directory, protectorOf('memory'));
    disk.write([view, put(stored('inlined', 'harmless before'))]);
    await disk.flush();
    disk.write([put(inlined), put(secret, secretType)]);
    await disk.flush();
    assert.ok(!bytesIn(directory).includes(needle));
    disk.write([put(inlined)]);
    await disk.flush();
    const withheld = notes.flatMap(note => (note.kind === 'disk_withheld' ? [[note.name, note.why]] : []));
    assert.deepEqual(withheld, [
      ['inlined', 'it holds a private key'],
      ['tls', 'it is a secret'],
    ]);
    await disk.close();
  });

  test('R104: a key in the last good content is withheld as well as one in the newest', async t => {
    const directory = cacheFolder(t);
    const resource = stored('fixed', 'x', { good: inlined, trust: 'presumed' });
    await session(directory, disk => disk.write([view, put(resource)]), protectorOf('memory'));
    assert.ok(!bytesIn(directory).includes(needle));
  });

  test('R104: a complete set without its withheld parts is none', async t => {
    const options = protectorOf('memory');
    const directory = await writeAll(t, options, true);
    const { view: found, notes } = await reload(directory, options);
    assert.deepEqual(namesIn(found), []);
    assert.ok(found?.types.every(type => !type.isKnown));
    assert.ok(notes.some(note => note.kind === 'disk_rows_missing' && note.isSetLost));
  });

  test('R105: encrypted: sealed with a key they come back with it, and only do_not_cache stays away', async t => {
    const options = protectorOf('encrypted', keys[0]);
    const directory = await writeAll(t, options);
    const all = bytesIn(directory);
    for (const one of [needle, marked.any]) assert.ok(!all.includes(one));
    const { view: found, notes } = await reload(directory, options);
    assert.deepEqual(namesIn(found), ['harmless', 'inlined', 'tls']);
    assert.deepEqual(found?.types.find(type => type.typeUrl === secretType)?.resources, [secret]);
    assert.deepEqual(missingIn(notes), new Map([['marked', 'withheld']]));
  });

  test('R105: with a wrong key, or none, the rest is served, and it is said which are missing', async t => {
    const directory = await writeAll(t, protectorOf('encrypted', keys[0]));
    for (const options of [protectorOf('encrypted', keys[1]), protectorOf('memory')]) {
      const { view: found, notes } = await reload(directory, options);
      assert.deepEqual(namesIn(found), ['harmless']);
      assert.equal(missingIn(notes).get('tls'), 'sealed with another key');
      assert.equal(missingIn(notes).get('inlined'), 'sealed with another key');
    }
    const { view: found } = await reload(directory, protectorOf('encrypted', keys[0]));
    assert.deepEqual(namesIn(found), ['harmless', 'inlined', 'tls'], 'nothing was lost by trying');
  });

  test('R105: rotation: the old key still opens, rows are sealed anew, and then the old key is not needed', async t => {
    const directory = await writeAll(t, protectorOf('encrypted', keys[0]));
    const both = await reload(directory, protectorOf('encrypted', keys[1], keys[0]));
    assert.deepEqual(namesIn(both.view), ['harmless', 'inlined', 'tls']);
    const { view: found } = await reload(directory, protectorOf('encrypted', keys[1]));
    assert.deepEqual(namesIn(found), ['harmless', 'inlined', 'tls']);
    const { notes } = await reload(directory, protectorOf('encrypted', keys[0]));
    assert.equal(missingIn(notes).get('tls'), 'sealed with another key', 'the old one opens nothing any more');
  });

  test('R104: a sealed row that was moved to another name or type does not open', () => {
    const { protector } = protectorOf('encrypted', keys[2]);
    const sealed = protector.seal(secret.any, `${secretType}\ntls`);
    assert.ok('plain' in protector.open(sealed, `${secretType}\ntls`));
    for (const context of [`${secretType}\nother`, `${clusterType}\ntls`]) {
      assert.ok('error' in protector.open(sealed, context));
    }
  });

  test('plain: what was asked for is written as it is, and do_not_cache still is not', async t => {
    const options = protectorOf('plain');
    const directory = await writeAll(t, options);
    assert.ok(bytesIn(directory).includes(needle));
    assert.deepEqual(namesIn((await reload(directory, options)).view), ['harmless', 'inlined', 'tls']);
  });
});
