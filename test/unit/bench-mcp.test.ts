import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeResponse, encodeResponse } from '../../src/demo/envelopes.ts';
import { readMeshResource } from '../../src/istio/mesh-resource.ts';
import { Inbox, type Message } from '../bench/inbox.ts';
import { figures, type MeshColumn, type MeshRun, type ProcessFigures, subjectsOf } from '../bench/mcp/figures.ts';
import { goLoad } from '../bench/mcp/go-load.ts';
import { comparisonsOf, verdictOf } from '../bench/mcp/judge.ts';
import { readMeshResponse, stampAt } from '../bench/mcp/markers.ts';
import { readMeshOptions } from '../bench/mcp/options.ts';
import { meshTable, sectionOf, summaryOf, withSection } from '../bench/mcp/report.ts';
import { indexOf, revisionOf, serviceKind, serviceResource } from '../bench/mcp/services.ts';
import { eachField } from '../bench/tag-walk.ts';

// What the figures of mesh configuration rest on: the resources, what clients read of them, ratios, goals, the section of the document.

const ofProcess = (figure: number): ProcessFigures => ({
  ratedCpu: figure,
  saturatedCpu: figure,
  deliveryCpuMs: figure,
  ownMiB: figure,
  rssMiB: figure,
  peakRssMiB: figure,
});

const run = (figure: number, weir?: number): MeshRun => ({
  firstSyncMs: figure,
  deliveriesPerSecond: figure,
  singleDeliveriesPerSecond: figure,
  changesPerMessage: figure,
  latencyMeanMs: figure,
  latencyP50Ms: figure,
  latencyP99Ms: figure,
  source: ofProcess(figure),
  weir: weir === undefined ? undefined : ofProcess(weir),
  clients: ofProcess(figure),
});

const column = (path: 'direct' | 'weir', ...runs: readonly (MeshRun | undefined)[]): MeshColumn => ({
  variant: 'sotw',
  subject: { server: 'weir', path },
  runs,
  failures: [],
});

/** The bytes inside of an encoded `Any`. */
function bodyOf(any: Buffer): Buffer {
  const found: Buffer[] = [];
  eachField(any, 0, any.length, (number, from, to) => {
    if (number === 2) found.push(any.subarray(from, to));
  });
  return found[0] ?? Buffer.alloc(0);
}

describe('the bench of mesh configuration', () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`a client finds in ${variant} which changes a response holds, and when they were made`, () => {
      const resources = [
        [0, 0],
        [17, 123_456_789],
        [18, 987_654_321_012],
      ].map(([serial = 0, stampUs = 0], index) => {
        const { name, version, any } = serviceResource(index, 50, serial, stampUs);
        return { name, version, body: bodyOf(any) };
      });
      const { typeUrl } = serviceKind;
      const response = { typeUrl, nonce: 'n', version: 'v', resources, removed: variant === 'delta' ? ['a/b'] : [] };
      const bytes = encodeResponse(response, 'test', variant);
      const found: [number, number][] = [];
      const read = readMeshResponse(bytes, variant, (serial, stampEnd) => {
        found.push([serial, stampAt(bytes, stampEnd)]);
      });
      assert.deepEqual(found, [
        [0, 0],
        [17, 123_456_789],
        [18, 987_654_321_012],
      ]);
      const removed = variant === 'delta' ? 1 : 0;
      assert.deepEqual(read, { typeUrl, nonce: 'n', version: 'v', resources: 3, removed });
      assert.equal(decodeResponse(bytes, variant).resources.length, 3);
    });
  }

  test('a resource of another kind is an error, and no change that was seen', () => {
    const resources = [{ name: 'a', version: '', body: Buffer.from('no digits at the end of this') }];
    const response = { typeUrl: serviceKind.typeUrl, nonce: 'n', version: 'v', resources, removed: [] };
    const bytes = encodeResponse(response, 'test', 'sotw');
    assert.throws(() => readMeshResponse(bytes, 'sotw', () => {}), /is no digit/);
  });

  test('all resources have one length, are VirtualServices, and carry the version that counts', () => {
    const { any, name, version } = serviceResource(999, 50, 12_345_678, 1);
    assert.equal(any.length, serviceResource(0, 50, 0, 0).any.length);
    assert.deepEqual([name, version], ['team-049/shop-000999', revisionOf(12_345_678)]);
    const read = readMeshResource(serviceKind.typeUrl, any);
    assert.ok('kind' in read, JSON.stringify(read));
    assert.deepEqual([read.kind, read.metadata.version], ['VirtualService', version]);
  });

  test('changes take turns', () => {
    assert.deepEqual(
      [1, 2, 1000, 1001].map(serial => indexOf(serial, 1000)),
      [0, 1, 999, 0],
    );
  });

  test('the source in Go is given the same bytes, and where to write digits over', () => {
    const load = goLoad(['a', 'b'], 3, 50);
    const one = load.resources[2];
    assert.ok(one);
    const body = Buffer.from(one.body, 'base64');
    const written = (end: number, digits: string): void => void body.write(digits, end - digits.length, 'latin1');
    written(one.versionEnd, String(load.firstRevision + 7));
    written(one.serialEnd, '00000007');
    written(one.stampEnd, '0000000000000042');
    const wanted = serviceResource(2, 50, 7, 42);
    assert.equal(one.name, wanted.name);
    assert.deepEqual(body, bodyOf(wanted.any));
  });

  test('a ratio is of one repetition, and one without its pair is left out', () => {
    const columns = [column('direct', run(1), run(10), run(100)), column('weir', run(2, 1), undefined, run(400, 1))];
    const latency = comparisonsOf(columns).find(one => one.title.includes('mean'));
    assert.deepEqual(latency?.ratio, { median: 3, min: 2, max: 4 });
    assert.deepEqual(latency?.direct, { median: 10, min: 1, max: 100 });
  });

  test('source and Weir together are compared with the source alone', () => {
    const columns = [column('direct', run(10)), column('weir', run(4, 7))];
    const ratios = new Map(comparisonsOf(columns).map(({ title, ratio }) => [title, ratio?.median]));
    assert.equal(ratios.get('fixed rate: CPU of the source %'), 0.4);
    assert.equal(ratios.get('fixed rate: CPU of source + Weir %'), 1.1);
  });

  test('a goal is met on its side, and missed by how much on the other', () => {
    const of = (median: number) => ({ median, min: median, max: median });
    assert.equal(verdictOf({ way: 'at least', ratio: 1.75 }, of(1.75)), 'met');
    assert.equal(verdictOf({ way: 'at least', ratio: 2 }, of(1)), 'missed by 50 %');
    assert.equal(verdictOf({ way: 'at most', ratio: 0.5 }, of(0.5)), 'met');
    assert.equal(verdictOf({ way: 'at most', ratio: 0.5 }, of(0.6)), 'missed by 20 %');
  });

  test('every figure has a line of its own, and those of the source alone have goals', () => {
    assert.equal(new Set(figures.map(({ title }) => title)).size, figures.length);
    const withGoal = figures.filter(({ goal }) => goal !== undefined).map(({ title }) => title);
    assert.equal(withGoal.length, 5);
    assert.ok(withGoal.every(title => !title.includes('+ Weir')));
    const columns = [column('direct', run(1)), column('weir', run(1, 1))];
    const table = meshTable(comparisonsOf(columns), 'sotw');
    assert.equal(table.length, figures.length + 1);
    assert.ok(table.every(line => line.length === table[0]?.length));
    assert.equal(summaryOf(comparisonsOf(columns)), 'Weir’s source: 0 goals met, 5 missed.');
  });

  test('without Go there are the columns of the own source alone', () => {
    assert.deepEqual(
      subjectsOf(false).map(({ server }) => server),
      ['weir', 'weir'],
    );
    assert.equal(subjectsOf(true).length, 4);
  });

  test('the section takes the place of the last one and leaves all else as it was', () => {
    const options = readMeshOptions([]);
    assert.ok(options);
    const comparisons = comparisonsOf([column('direct', run(1)), column('weir', run(1, 1))]);
    const of = (machine: string) =>
      sectionOf({
        ...{ comparisons, size: options.size, repetitions: 5, swarm: 'go', command: '--write', machine, failures: [] },
      });
    const before = '# Performance\n\n## Figures\n\nsome\n\n## Cold start\n\nmore\n';
    const once = withSection(before, of('linux, 7 cores'));
    assert.ok(once.startsWith(before));
    const twice = withSection(`${once}\n## Last\n\nword\n`, of('linux, 9 cores'));
    assert.ok(twice.startsWith(before) && twice.endsWith('\n\n## Last\n\nword\n'));
    assert.ok(twice.includes('linux, 9 cores') && !twice.includes('linux, 7 cores'));
    assert.equal(withSection(twice, of('linux, 9 cores')), twice);
  });

  test('a wrong option is an error that quotes it', () => {
    for (const args of [
      ['--clients', '0'],
      ['--clients', '1.5'],
      ['--rate', 'x'],
      ['--variants', 'rest'],
      ['--swarm', 'rust'],
      ['--output', 'xml'],
      ['--resources', '5', '--window', '6'],
      ['--quick', '--write'],
    ]) {
      assert.throws(
        () => readMeshOptions(args),
        (error: Error) => error.message.startsWith('--'),
        args.join(' '),
      );
    }
    assert.equal(readMeshOptions(['-h']), undefined);
    assert.equal(readMeshOptions(['--rate', '4', '--seconds', '3'])?.size.changes, 12);
    assert.equal(readMeshOptions(['--quick', '--clients', '7'])?.size.clients, 7);
  });
});

describe('an inbox of the bench', () => {
  interface Word extends Message {
    readonly kind: 'word' | 'seen' | 'failed';
    readonly of?: string;
  }

  test('hands out reports in their order, and passes over others only when asked to', async () => {
    const inbox = new Inbox<Word>('it');
    for (const kind of ['seen', 'word', 'seen'] as const) inbox.put({ kind });
    assert.deepEqual(await inbox.next('word', true), { kind: 'word' });
    await assert.rejects(inbox.next('word'), /^Error: it: .*seen/);
  });

  test('never passes over a failure, and tells of the end with the last words', async () => {
    const inbox = new Inbox<Word>('it');
    inbox.put({ kind: 'failed', of: 'thirst' });
    await assert.rejects(inbox.next('word', true), /thirst/);
    const waiting = inbox.next('word');
    inbox.heard('no memory left\n');
    inbox.close('ended too early');
    inbox.close('could not be started');
    await assert.rejects(waiting, /^Error: it ended too early: no memory left$/);
  });
});
