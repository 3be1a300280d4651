import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { startWeir } from '../../src/demo/weir-process.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { memoryOf } from '../bench/process-figures.ts';
import { weirCommand } from '../support/envoy.ts';
import { Gate } from '../support/gate.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

const clientCount = 20;
const updates = 40;
const messageBytes = 4 << 20;
const waitMs = 10_000;
/** How much slower the others may become, and how much the agent may grow, in MiB. */
const slowerMax = 1.3;
const growthMax = 64;
/** Runs of each kind, taking turns: a p99 of one run on a busy machine says little. */
const repetitions = 3;

/** A cluster of 4 MiB. */
function body(fill: number): Buffer {
  return message(text(1, 'large'), bytes(90, Buffer.alloc(messageBytes, fill)));
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/** Serves updates to 19 clients, beside one that reads or one that stands still. Returns the 19 clients' p99 in ms, and the agent's memory in MiB. */
async function run(t: TestContext, isStalled: boolean): Promise<{ p99: number; memory: number }> {
  const folder = makeFolder();
  const controlPlane = new RawControlPlane(t);
  const weir = await startWeir({ command: weirCommand, upstream: await controlPlane.start(), folder });
  try {
    const address = `127.0.0.1:${weir.port}`;
    const gate = await Gate.before(t, address);
    const clients = Array.from({ length: clientCount }, (_, at) => {
      const options = { decodes: false };
      const client = new RawClient(t, at === 0 ? gate.address : address, 'delta', options);
      client.ask({ typeUrl: clusterType, nodeId: 'node' });
      return client;
    });
    const stream = await controlPlane.answer(clusterType, [{ name: 'large', version: '0', body: body(0) }]);
    for (const client of clients) await waitFor('the first message', waitMs, () => client.arrivals[0]);
    if (isStalled) gate.shut();
    const readers = clients.slice(1);
    const latencies: number[] = [];
    for (let at = 1; at <= updates; at += 1) {
      const sent = body(at);
      const startMs = performance.now();
      controlPlane.respond(stream, clusterType, { resources: [{ name: 'large', version: `${at}`, body: sent }] });
      const haveAll = () => (readers.every(reader => reader.arrivals.length > at) ? true : undefined);
      await waitFor('every reader', waitMs, haveAll, [weir.process]);
      for (const reader of readers) latencies.push((reader.arrivals[at] ?? Number.NaN) - startMs);
    }
    latencies.sort((a, b) => a - b);
    const memory = memoryOf(weir.process.pid)?.ownMiB ?? Number.NaN;
    for (const client of clients) client.close();
    return { p99: percentile(latencies, 0.99), memory };
  } finally {
    await weir.process.stop();
    controlPlane.stop();
    removeFolder(folder);
  }
}

describe('a client that stands still', { concurrency: 1 }, () => {
  test(`R122: one of ${clientCount}, with messages of 4 MiB: the others keep their p99, the agent its memory`, async t => {
    const without: Awaited<ReturnType<typeof run>>[] = [];
    const beside: Awaited<ReturnType<typeof run>>[] = [];
    for (let at = 0; at < repetitions; at += 1) {
      without.push(await run(t, false));
      beside.push(await run(t, true));
    }
    const slower = median(beside.map(one => one.p99)) / median(without.map(one => one.p99));
    const growth = median(beside.map(one => one.memory)) - median(without.map(one => one.memory));
    t.diagnostic(
      `p99 ${slower.toFixed(2)}x, memory ${growth.toFixed(0)} MiB more; ${JSON.stringify({ without, beside })}`,
    );
    assert.ok(slower <= slowerMax, `the others' p99 is ${slower.toFixed(2)} of what it is without`);
    assert.ok(growth < growthMax, `the agent has ${growth.toFixed(0)} MiB more`);
  });
});
