import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeResponse, encodeRequest } from '../../src/demo/envelopes.ts';
import { typeUrls } from '../../src/demo/resources.ts';
import { readOptions } from '../bench/options.ts';
import { eachResource, namesField, ResourceList, readRequest, readResponse } from '../bench/payload.ts';
import type { Row, RunFigures } from '../bench/plan.ts';
import { plotOf } from '../bench/plot.ts';
import { regressionsIn } from '../bench/regressions.ts';
import { soakPlotOf } from '../bench/soak-plot.ts';
import { fittedSlope, quantile, spreadOf } from '../bench/statistics.ts';
import { peakOf } from '../bench/storm.ts';
import { growthTable } from '../bench/table.ts';
import { verdictsOf } from '../bench/targets.ts';

// What the bench's figures rest on: payload, statistics, comparison.

const figures = (p50Ms: number): RunFigures => ({
  firstSyncMs: 1,
  propagationP50Ms: p50Ms,
  propagationP99Ms: p50Ms,
  updates: 1,
  streams: 1,
  syncBytes: 1,
  updateBytes: 1,
  controlPlaneSyncCpuMs: undefined,
  controlPlaneUpdateCpuMs: undefined,
  agent: undefined,
});

const row = (subject: Row['subject'], ...p50Ms: readonly number[]): Row => ({
  benchCase: { variant: 'delta', resources: 1000, clients: 1, changed: 1 },
  subject,
  runs: p50Ms.map(figures),
  failures: [],
});

describe('the bench', () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`a client reads in ${variant} the stamps that the control plane wrote`, () => {
      const list = new ResourceList('cluster', variant, 12);
      list.stamp([3, 11], 123_456_789);
      const held = new Map<number, number>();
      const whole = list.response(undefined, 7);
      eachResource(whole, variant, 'cluster', (index, stampUs) => held.set(index, stampUs));
      assert.deepEqual([held.size, held.get(2), held.get(3), held.get(11)], [12, 0, 123_456_789, 123_456_789]);
      assert.deepEqual([readResponse(whole, variant).kind, readResponse(whole, variant).resources], ['cluster', 12]);

      const changed: number[] = [];
      eachResource(list.response([11, 3], 8), variant, 'cluster', index => changed.push(index));
      assert.deepEqual(changed, [11, 3]);
    });

    test(`a request in ${variant} names resources by index`, () => {
      const request = Buffer.concat([encodeRequest({ typeUrl: typeUrls.endpoints }, variant), namesField(4, 7)]);
      const { kind, indices, isRejection } = readRequest(request, variant);
      assert.deepEqual([kind, indices, isRejection], ['endpoints', [4, 5, 6], false]);
    });
  }

  test('a cluster and its endpoints are about 420 bytes of a Delta response', () => {
    const bytes = (kind: 'cluster' | 'endpoints') => new ResourceList(kind, 'delta', 100).response(undefined, 1).length;
    const pair = (bytes('cluster') + bytes('endpoints')) / 100;
    assert.ok(pair > 400 && pair < 440, `${pair} bytes`);
  });

  test('quantiles are samples, and the spread of an even number of runs has its median between two', () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.deepEqual([quantile(samples, 0.5), quantile(samples, 0.99), quantile([5], 0.99)], [51, 100, 5]);
    assert.deepEqual(spreadOf([4, undefined, 1, 2, 9]), { median: 3, min: 1, max: 9 });
    assert.equal(spreadOf([undefined]), undefined);
  });

  test('a ratio is taken inside each repetition', () => {
    // By medians it would be 20 / 10; the repetitions say 1.1 each time.
    const rows = [row('direct', 1, 1, 1), row('relay', 10, 20, 10), row('weir', 11, 22, 11)];
    const verdict = verdictsOf({ rows, lab: [] }).find(({ target }) => target.includes('byte relay'));
    assert.deepEqual([verdict?.measured, verdict?.verdict], ['1.10x the byte relay', 'met']);
  });

  test('a missed target says by how much', () => {
    const rows = [row('direct', 1), row('relay', 10), row('weir', 23)];
    const verdict = verdictsOf({ rows, lab: [] }).find(({ target }) => target.includes('byte relay'));
    assert.equal(verdict?.verdict, 'missed by 100 %');
  });

  test('a ratio that has become much worse is told, and so is one that could not be taken', () => {
    const agent = {
      startMs: 1,
      idleRssMiB: 70,
      idleOwnMiB: 26,
      rssMiB: 80,
      ownMiB: 35,
      peakRssMiB: 90,
      syncCpuMs: 1,
      updateCpuMs: 1,
    };
    const withAgent = (one: Row, changes: object = {}): Row => ({
      ...one,
      runs: one.runs.map(run => ({ ...run, agent: { ...agent, ...changes } })),
    });
    const good = [row('direct', 1), withAgent(row('relay', 1)), withAgent(row('weir', 2))];
    assert.deepEqual(regressionsIn(good), []);
    const slow = [row('direct', 1), withAgent(row('relay', 1)), withAgent(row('weir', 3), { ownMiB: 47 })];
    assert.deepEqual(regressionsIn(slow), [
      '1 client, 1000 resources: p50 in byte relays: 3.00, at most 2.50 is allowed',
      '1 client, 1000 resources: own memory, MiB: 47.0, at most 46.0 is allowed',
    ]);
    assert.match(
      regressionsIn([row('direct', 1), withAgent(row('weir', 2))]).join(),
      /p50 in byte relays: not measured/,
    );
  });

  test('growth is the exponent of the power that fits', () => {
    const sizes = [1, 10, 100].map(clients => ({
      ...row('weir', clients ** 0.5),
      benchCase: { variant: 'delta', resources: 1000, clients, changed: 1 } as const,
    }));
    const [, line] = growthTable(sizes);
    assert.deepEqual(line?.slice(0, 6), ['delta', 'Weir', 'clients', '1 of 1000 changed', '1, 10, 100', '0.50']);
    assert.equal(growthTable(sizes).length, 2, 'what has one size only has no line');
    assert.ok(Number.isNaN(fittedSlope([[1, 1]])));
  });

  test('a soak is drawn from zero, with both lines', () => {
    const sample = { cpuPercent: 1, openFiles: 30, updates: 50, p50Ms: 1, p99Ms: 2 };
    const svg = soakPlotOf([1, 2, 3].map(minute => ({ ...sample, minute, ownMiB: 40, rssMiB: 90 })));
    assert.equal(svg.match(/<polyline/g)?.length, 2);
    assert.ok(!/<script|NaN|undefined/.test(svg));
  });

  test('the plot shows every subject that was measured and holds no script', () => {
    const svg = plotOf([row('direct', 1), row('relay', 10), row('weir', 23)]);
    assert.equal(svg.match(/<circle/g)?.length, 3);
    assert.ok(!/<script|NaN|undefined/.test(svg));
  });

  test('a wrong option is an error that quotes it', () => {
    for (const args of [
      ['--clients', '1,x'],
      ['--variants', 'rest'],
      ['--updates', '0'],
      ['--changed', '300', '--smoke'],
    ]) {
      assert.throws(
        () => readOptions(args),
        (error: Error) => error.message.startsWith('--'),
        args.join(' '),
      );
    }
    assert.equal(readOptions(['-h']), undefined);
  });

  test('cases are those with targets, those named one by one, or all combinations that there can be', () => {
    const casesOf = (...args: string[]) =>
      readOptions(args)?.cases.map(({ variant, clients, resources, changed }) =>
        [variant, clients, resources, changed].join(),
      );
    assert.ok(casesOf()?.includes('delta,10,10000,10'));
    assert.deepEqual(casesOf('--case', 'sotw,2,300,3', '--case', 'delta,1,20,20'), ['sotw,2,300,3', 'delta,1,20,20']);
    assert.deepEqual(casesOf('--variants', 'sotw', '--clients', '1,2', '--resources', '5,100', '--changed', '1,10'), [
      ...['sotw,1,5,1', 'sotw,2,5,1', 'sotw,1,100,1', 'sotw,1,100,10', 'sotw,2,100,1', 'sotw,2,100,10'],
    ]);
    for (const wrong of ['delta,1,10', 'rest,1,10,1', 'delta,1,10,11', 'delta,0,10,1']) {
      assert.throws(() => readOptions(['--case', wrong]), /^Error: --(case|variants)/, wrong);
    }
    assert.throws(() => readOptions(['--case', 'delta,1,10,1', '--clients', '2']), /--case stands in place/);
  });

  test('the other scenarios have sizes of their own, and one each', () => {
    const { clients, resources, updates } = readOptions(['--scenario', 'identities', '--updates', '7']) ?? {};
    assert.deepEqual([clients, resources, updates], [[200], [500], 7]);
    for (const wrong of [
      ['--clients', '10,20'],
      ['--out', 'docs'],
      ['--clients', '2'],
    ]) {
      assert.throws(() => readOptions(['--scenario', 'neighbours', ...wrong]), /--(scenario|out)/);
    }
    assert.throws(() => readOptions(['--scenario', 'outage']), /none of propagation/);
  });

  test('what is one node’s own differs from that of the others, and nothing else does', () => {
    const bodies = (owner: number) => {
      const response = new ResourceList('cluster', 'delta', 10, { owner, count: 2 }).response(undefined, 1);
      return decodeResponse(response, 'delta').resources.map(({ body }) => body.toString('hex'));
    };
    const [one, other] = [bodies(1), bodies(2)];
    const differing = one.flatMap((body, index) => (body === other[index] ? [] : [index]));
    assert.deepEqual(differing, [8, 9]);
  });

  test('the peak of a counter is its largest growth within a second', () => {
    const counts: readonly [atMs: number, streams: number][] = [
      [0, 0],
      [400, 10],
      [1_400, 11],
      [1_900, 25],
      [2_300, 40],
      [9_000, 60],
    ];
    const samples = counts.map(([atMs, streams]) => ({ atMs, streams, requests: 0, bytes: streams * 7 }));
    assert.deepEqual([peakOf(samples, 'streams'), peakOf(samples, 'requests'), peakOf(samples, 'bytes')], [29, 0, 203]);
    assert.equal(peakOf([], 'streams'), 0);
  });
});
