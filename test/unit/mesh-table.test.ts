import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { renderIdle, renderViews } from '../../src/cli/cache-table.ts';
import { meshObject, meshYaml } from '../../src/cli/mesh-object.ts';
import { type Held, meshCells, meshHeading, meshNotes } from '../../src/cli/mesh-table.ts';
import { jsonArray } from '../../src/cli/output.ts';
import { formatTable, tablePieces } from '../../src/cli/table.ts';
import { kindOfTypeUrl, meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { meshConfigOf, meshResourceOf } from '../../src/istio/mesh-resource.ts';

const vs = 'networking.istio.io/v1/VirtualService';
const nowWallMs = 10_000_000;

function row(parts: Partial<Held> = {}): Held {
  return {
    viewKey: 'view',
    typeUrl: vs,
    name: 'shop/reviews',
    version: '',
    metadataVersion: '41',
    bytes: 3,
    digest: 'd',
    changedWallMs: nowWallMs - 7_200_000,
    endsWallMs: undefined,
    source: 'upstream',
    server: 'cp:1',
    isCurrent: false,
    confirmedWallMs: nowWallMs - 60_000,
    trust: 'accepted',
    isIdle: false,
    words: { subscribed: 3, acked: 2, nacked: 0, sent: 0 },
    clients: undefined,
    quarantine: undefined,
    withheld: undefined,
    ...parts,
  };
}

const cell = (heading: string, parts: Partial<Held>): string | undefined =>
  meshCells(row(parts), 'VirtualService', nowWallMs)[meshHeading.indexOf(heading)];

describe('the table of resources', () => {
  test('has a cell for each heading', () => {
    assert.deepEqual(meshCells(row(), 'VirtualService', nowWallMs), [
      'VirtualService',
      'shop/reviews',
      '41',
      '1 m',
      'upstream',
      '2/3',
      '2 h',
    ]);
  });

  test('tells unknown, empty and special things in words', () => {
    assert.equal(cell('AGE', { isCurrent: true }), 'current');
    assert.equal(cell('AGE', { confirmedWallMs: undefined }), 'never heard');
    assert.equal(cell('AGE', { confirmedWallMs: nowWallMs + 5_000 }), '0 ms', 'a clock that was set back');
    assert.equal(cell('LAST CHANGE', { changedWallMs: undefined }), '-');
    assert.equal(cell('VERSION', { metadataVersion: '', version: 'v7' }), 'v7');
    assert.equal(cell('VERSION', { metadataVersion: undefined }), '-');
    assert.equal(cell('NAMESPACE/NAME', { name: '' }), '-');
    const words = (subscribed: number, acked: number, nacked: number, sent: number) =>
      cell('ACKED', { words: { subscribed, acked, nacked, sent } });
    assert.equal(words(0, 0, 0, 0), 'no client');
    assert.equal(words(3, 1, 1, 0), '1/3, 1 NACK');
    assert.equal(words(2, 0, 0, 2), 'sent 2/2');
  });

  test('a resource that is shown alone has who said what above it, on lines of their own', () => {
    const notes = meshNotes(
      row({
        isCurrent: true,
        clients: [
          { streamId: 1, nodeId: 'a', word: 'acked', error: undefined },
          { streamId: 2, nodeId: 'b', word: 'nacked', error: 'no\nsuch: thing' },
        ],
        quarantine: { name: 'shop/reviews', words: 'node b: no', sinceWallMs: 1, served: 'nothing' },
      }),
      nowWallMs,
    );
    assert.deepEqual(notes, [
      `version 41, from upstream cp:1, current, last change ${new Date(nowWallMs - 7_200_000).toISOString()}`,
      'acked by a (stream 1)',
      'nacked by b (stream 2): no such: thing',
      'its newest content is refused, served is: nothing; node b: no',
    ]);
    assert.match(meshNotes(row(), nowWallMs)[0] ?? '', /as of 1 m ago/);
  });

  test('is written in pieces that are the same as the whole', () => {
    const rows = [['NAME', 'SIZE'], ...Array.from({ length: 2_345 }, (_, at) => [`name-${at}`, String(at)])];
    const pieces = [...tablePieces(rows)];
    assert.ok(pieces.length > 1);
    assert.equal(pieces.join(''), formatTable(rows));
    assert.equal(pieces.join('').match(/\n/g)?.length, rows.length);
  });
});

describe('a resource as its author wrote it', () => {
  const kind = kindOfTypeUrl(vs) ?? assert.fail();
  const spec = { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews' } }], timeout: '5s' }] };
  const metadata = {
    name: 'reviews',
    namespace: 'shop',
    labels: { app: 'shop' },
    annotations: { note: 'a: "b"\nc' },
    creationTimestamp: '2026-01-02T03:04:05Z',
    resourceVersion: '41',
  };
  const made = meshResourceOf(kind, { metadata, spec }, { defaultNamespace: 'default' });
  assert.ok(!('problems' in made));
  const body = made.any.toString('base64');

  test('is what kubectl takes: without the version, which would have to be that of the cluster', async () => {
    const { creationTimestamp: _, resourceVersion: __, ...kept } = metadata;
    const object = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: kept, spec };
    assert.deepEqual(meshObject({ typeUrl: vs, name: 'shop/reviews', body }), object);
    const yaml = await meshYaml({ typeUrl: vs, name: 'shop/reviews', body }, ['a note']);
    assert.match(yaml, /^# a note\napiVersion: /);
    assert.deepEqual(parse(yaml), object);
  });

  test('the configuration of the mesh has no metadata', () => {
    const any = meshConfigOf({ accessLogFile: '/dev/stdout' });
    assert.ok(Buffer.isBuffer(any));
    assert.deepEqual(meshObject({ typeUrl: meshConfigTypeUrl, name: '', body: any.toString('base64') }), {
      apiVersion: 'core/v1alpha1',
      kind: 'MeshConfig',
      spec: { accessLogFile: '/dev/stdout' },
    });
  });

  test('what cannot be decoded comes as it is, with its type and why, and what must not be shown without', async () => {
    const garbage = Buffer.from([0x0a, 0xff]).toString('base64');
    const broken = meshObject({ typeUrl: vs, name: 'shop/x', body: garbage });
    assert.deepEqual([broken['typeUrl'], broken['name'], broken['any']], [vs, 'shop/x', garbage]);
    assert.match(String(broken['error']), /no Any/);
    const foreign = await meshYaml({ typeUrl: 'example.com/v1/Thing', name: 'n', body }, []);
    assert.match(foreign, /^# cannot be shown as an object: example\.com\/v1\/Thing is no type of Istio/);
    assert.equal((parse(foreign) as { any: string }).any, body);
    assert.deepEqual(meshObject({ typeUrl: vs, name: 'shop/x', withheld: 'it is a secret' }), {
      typeUrl: vs,
      name: 'shop/x',
      error: 'not shown: it is a secret',
    });
  });
});

describe('the tables of the cache', () => {
  const type = {
    typeUrl: vs,
    shortName: vs,
    isKnown: true,
    confirmedWallMs: nowWallMs - 60_000,
    resources: 2,
    bytes: 100,
    quarantined: 0,
    withheld: 0,
    sealed: 0,
  };
  const viewWith = (parts: object) => ({
    viewKey: '1NKCKrxlabc',
    nodeId: 'pod',
    nodeCluster: '',
    usedWallMs: 1,
    types: [{ ...type, ...parts }],
  });
  const noNodes = { count: 0, keptMs: 0 };

  test('say when the first TTL ends', () => {
    const lineOf = (parts: object) => renderViews([viewWith(parts)], nowWallMs).split('\n')[1];
    assert.match(lineOf({}) ?? '', /^1NKCKrxl +pod +VirtualService +whole set +2 +100 B +1 m +- +0 +0 +0$/);
    assert.match(lineOf({ endsWallMs: nowWallMs + 30_000 }) ?? '', / 1 m +30 s +0/);
    assert.match(lineOf({ endsWallMs: nowWallMs }) ?? '', / 1 m +over +0/);
    assert.equal(renderViews([], nowWallMs), 'The cache is empty.\n');
  });

  test('say what is in memory though nobody subscribes it, and until when at most', () => {
    const idle = (resources: number, untilWallMs: number | undefined) => viewWith({ idle: { resources, untilWallMs } });
    assert.match(
      renderIdle([viewWith({}), idle(0, undefined)], noNodes, nowWallMs),
      /Nothing is in memory that nobody/,
    );
    assert.match(
      renderIdle([idle(2, nowWallMs + 58_000), idle(3, nowWallMs + 1_000)], noNodes, nowWallMs),
      /nobody subscribes them: 5 VirtualService; kept for 58 s at most\./,
    );
    assert.match(renderIdle([idle(2, undefined)], noNodes, nowWallMs), /kept until the control plane is back/);
    assert.match(renderIdle([], { count: 3, keptMs: 600_000 }, nowWallMs), /3 nodes, each for 10 m at most/);
  });
});

describe('a JSON array in pieces', () => {
  const joined = async (elements: readonly unknown[]): Promise<string[]> => {
    const pieces: string[] = [];
    for await (const piece of jsonArray(elements)) pieces.push(piece);
    return pieces;
  };

  test('is the same array, however long, and empty', async () => {
    assert.deepEqual(JSON.parse((await joined([])).join('')), []);
    const many = Array.from({ length: 5_000 }, (_, at) => ({ at, text: 'x'.repeat(40) }));
    const pieces = await joined(many);
    assert.ok(pieces.length > 2);
    assert.ok(Math.max(...pieces.map(piece => piece.length)) < 70_000);
    assert.deepEqual(JSON.parse(pieces.join('')), many);
  });
});
