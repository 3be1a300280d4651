import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { inspect } from '../../src/agent/inspect.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { clusterType, secretType } from '../../src/xds/type-urls.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { CoreHarness } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { noLoad } from '../support/reports.ts';

// What becomes of a client's words that quote keys: they stand in no note, page, disk row or NACK (R101, R104).

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const der = privateKey.export({ type: 'pkcs8', format: 'der' });
const cluster = (name: string, ...key: readonly Buffer[]): Buffer =>
  message(text(1, name), ...key.map(one => bytes(24, one)));

/** Everything that Weir keeps and tells of a rejection in these words of a message with these bodies. */
function whatIsLeftOf(words: string, typeUrl: TypeUrl, bodies: ReadonlyMap<string, Buffer>): string {
  const disk = new MemoryDisk();
  const harness = new CoreHarness({}, disk);
  const client = harness.client('delta');
  client.send({ typeUrl, names: [...bodies.keys()] });
  harness.respond(typeUrl, { resources: [...bodies].map(([name, body]) => ({ name, version: '1', body })) });
  client.send({ typeUrl, nonce: client.only(typeUrl).nonce, error: words });
  harness.advance(5_000);
  const state = {
    startedWallMs: 0,
    clock: { monotonicMs: harness.nowMs, wallMs: 0 },
    isListening: true,
    memory: { residentBytes: 0, ownBytes: undefined },
    servers: [],
    cache: undefined,
    isSeeded: false,
    load: noLoad,
    refusals: [],
    idleNodes: { count: 0, keptMs: 0 },
  };
  const report = inspect(harness.core, state);
  const nacks = harness.asked(typeUrl).flatMap(one => one.error ?? []);
  assert.equal(nacks.length, 1, 'the control plane hears of it');
  const refusals = disk.newest()?.types.flatMap(one => one.resources.map(({ refusal }) => refusal?.words));
  return JSON.stringify([harness.notes, report, nacks, refusals]);
}

describe('words of a client', () => {
  const plain = new Map([['plain', cluster('plain')]]);

  test('R101: that quote nothing secret are kept, told and passed on', () => {
    const left = whatIsLeftOf('plain: no such filter', clusterType, plain);
    assert.equal(left.split('plain: no such filter').length - 1, 7, left);
  });

  test('R101 R104: that quote a key are nowhere, and its resource is found by them all the same', () => {
    const bodies = new Map([...plain, ['tls', cluster('tls', Buffer.from(pem))]]);
    const left = whatIsLeftOf(`Error adding cluster tls: inline_string: "${pem}"`, clusterType, bodies);
    assert.ok(!left.includes(pem.split('\n')[1] ?? ''), left);
    assert.match(left, /"names":\["tls"\],"isNamed":true/);
    assert.match(left, /withheld: it may quote a secret/);
  });

  test('R101 R104: on a message with a key in it, or on secrets, are nowhere, whatever they say', () => {
    for (const [typeUrl, bodies] of [
      [clusterType, new Map([...plain, ['tls', cluster('tls', der)]])],
      [secretType, new Map([['plain', message(text(1, 'plain'))]])],
    ] as const) {
      assert.doesNotMatch(whatIsLeftOf('plain: \\060\\201hunter2', typeUrl, bodies), /hunter2/);
    }
  });
});
