import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { describeSource } from '../../src/source/notes.ts';
import { sourceLimits } from '../../src/source/settings.ts';
import type { SourceEvent } from '../../src/source/source-events.ts';
import { readiness, SourceStatus } from '../../src/source/status.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import type { TestResponse } from '../support/messages.ts';
import { gateways, rules, SourceBench, service, services } from '../support/source-bench.ts';

const whole = (of: SourceEvent & { kind: 'whole' }) => of;

const namesIn = (message: TestResponse | undefined): string[] => (message?.resources ?? []).map(one => one.name).sort();

/** Names in a SotW answer, out of the bodies. */
const bodiesWith = (message: TestResponse | undefined, name: string): boolean =>
  message?.resources.some(one => one.body.includes(name)) ?? false;

describe('the source', () => {
  test('M1 I13: answers a kind that is read only when its whole state is known, and all others empty at once', () => {
    const bench = new SourceBench();
    const istiod = bench.client('sotw');
    const first = { nonce: '2026-11-23 05:16:59.84 +0000 UTC m=+0.13' };
    for (const { typeUrl } of [services, gateways, rules]) bench.send(istiod, { typeUrl, ...first });
    bench.send(istiod, { typeUrl: meshConfigTypeUrl, ...first });
    bench.send(istiod, { typeUrl: 'networking.istio.io/v9/OfTomorrow' as TypeUrl, ...first });
    assert.deepEqual(
      bench.take(istiod).map(one => [one.typeUrl, one.resources.length]),
      [
        [rules.typeUrl, 0],
        ['networking.istio.io/v9/OfTomorrow', 0],
      ],
      'a nonce on a first request is no ACK',
    );
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '7')] }));
    const [message, ...more] = bench.take(istiod);
    assert.equal(more.length, 0);
    assert.equal(message?.resources[0]?.anyType, 'type.googleapis.com/istio.mcp.v1alpha1.Resource');
    assert.ok(bodiesWith(message, 'a/x'));
    bench.post(whole({ kind: 'whole', of: gateways, resources: [] }));
    bench.post({ kind: 'mesh_config', any: undefined });
    assert.deepEqual(
      bench.take(istiod).map(one => [one.typeUrl, one.resources.length]),
      [
        [gateways.typeUrl, 0],
        [meshConfigTypeUrl, 0],
      ],
    );
  });

  test('M2 I14: gives older type URLs the same, literally', () => {
    const bench = new SourceBench();
    const [old] = services.olderTypeUrls;
    assert.ok(old);
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '7')] }));
    const client = bench.client('delta');
    for (const typeUrl of [services.typeUrl, old]) bench.send(client, { typeUrl });
    const [today, before] = bench.take(client);
    assert.deepEqual([today?.typeUrl, before?.typeUrl], [services.typeUrl, old]);
    assert.deepEqual(
      today?.resources.map(one => one.body),
      before?.resources.map(one => one.body),
    );
  });

  test('M3: tells Delta clients differences with the resourceVersion as version, and SotW clients the whole', () => {
    const bench = new SourceBench();
    const [delta, sotw] = [bench.client('delta'), bench.client('sotw')];
    for (const client of [delta, sotw]) bench.send(client, { typeUrl: services.typeUrl });
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '7'), service('a/y', '8')] }));
    const [first] = bench.take(delta);
    assert.deepEqual(
      first?.resources.map(({ name, version }) => [name, version]),
      [
        ['a/x', '7'],
        ['a/y', '8'],
      ],
    );
    bench.take(sotw);
    bench.post({ kind: 'changed', of: services, resources: [service('a/x', '9', 'b.example')], removed: ['a/y'] });
    const [difference] = bench.take(delta);
    assert.deepEqual([namesIn(difference), difference?.removed], [['a/x'], ['a/y']]);
    const [list] = bench.take(sotw);
    assert.equal(list?.resources.length, 1);
    assert.ok(bodiesWith(list, 'b.example'));
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '9', 'b.example')] }));
    assert.deepEqual([bench.take(delta), bench.take(sotw)], [[], []], 'a resync that changes nothing is no news');
  });

  test('M3: a client that resumes is sent what it has not', () => {
    const bench = new SourceBench();
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '7'), service('a/y', '8')] }));
    const client = bench.client('delta');
    const initialVersions = new Map([
      ['a/x', '7'],
      ['a/y', '1'],
      ['a/z', '1'],
    ]);
    bench.send(client, { typeUrl: services.typeUrl, initialVersions });
    const [message] = bench.take(client);
    assert.deepEqual([namesIn(message), message?.removed], [['a/y'], ['a/z']]);
  });

  test('M5: a name that does not exist is answered, and so is its end and its coming', () => {
    for (const variant of ['sotw', 'delta'] as const) {
      const bench = new SourceBench();
      bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '7')] }));
      const client = bench.client(variant);
      bench.send(client, { typeUrl: services.typeUrl, names: ['a/none', 'a/x'] });
      const [first] = bench.take(client);
      assert.equal(first?.resources.length, 1);
      bench.post({ kind: 'changed', of: services, resources: [service('a/none', '8')], removed: [] });
      assert.ok(bodiesWith(bench.take(client)[0], 'a/none'));
      bench.post({ kind: 'changed', of: services, resources: [], removed: ['a/none'] });
      const [end] = bench.take(client);
      if (variant === 'delta') assert.deepEqual(end?.removed, ['a/none']);
      else assert.ok(end?.resources.length === 1 && !bodiesWith(end, 'a/none'));
      bench.post({ kind: 'client_closed', streamId: client });
      assert.equal(bench.core.stores.of(services.typeUrl).store.absences.count, 0, 'nothing is remembered for nobody');
    }
  });

  test('M4: trouble empties nothing and is told; readiness says which kinds were never read', () => {
    const bench = new SourceBench();
    const status = new SourceStatus();
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '7')] }));
    bench.post({ kind: 'trouble', of: gateways, text: 'gateways in a: forbidden' });
    bench.post({ kind: 'mesh_config', any: undefined });
    for (const note of bench.notes) status.observe(note, 5);
    const states = [...bench.core.stores.states()];
    assert.deepEqual(readiness(states, status.troubles), {
      isOk: false,
      reason: 'never read: Gateway (gateways in a: forbidden)',
    });
    assert.deepEqual(
      describeSource({ kind: 'read', event: { kind: 'trouble', of: gateways, text: 'no' } })?.level,
      'warn',
    );
    const client = bench.client('sotw');
    for (const { typeUrl } of [services, gateways]) bench.send(client, { typeUrl });
    assert.deepEqual(
      bench.take(client).map(one => one.typeUrl),
      [services.typeUrl],
    );
    bench.post({ kind: 'recovered', of: gateways });
    for (const note of bench.notes) status.observe(note, 6);
    assert.deepEqual(status.troubles, []);
  });

  test('one message is in flight for each stream, and a client that takes nothing is cut off', () => {
    const bench = new SourceBench();
    const client = bench.client('delta');
    bench.slow.add(client);
    bench.send(client, { typeUrl: services.typeUrl });
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '1')] }));
    for (const version of ['2', '3'])
      bench.post({ kind: 'changed', of: services, resources: [service('a/x', version)], removed: [] });
    assert.equal(bench.take(client).length, 1);
    bench.post({ kind: 'client_writable', streamId: client });
    assert.deepEqual(
      bench.take(client).map(one => one.resources[0]?.version),
      ['3'],
      'the newest, and none in between',
    );
    bench.nowMs += sourceLimits.clientProgressTimeoutMs;
    bench.post({ kind: 'tick' });
    assert.match(bench.closed.get(client) ?? '', /took nothing/);
    const silent = bench.client('sotw');
    bench.nowMs += sourceLimits.firstRequestTimeoutMs;
    bench.post({ kind: 'tick' });
    assert.match(bench.closed.get(silent) ?? '', /no request came/);
  });

  test('bytes on their way are bounded, and whoever waited is served when there is room', () => {
    const bench = new SourceBench({ responseBytesInFlightMax: 1 });
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '1')] }));
    const [a, b] = [bench.client('sotw'), bench.client('sotw')];
    for (const client of [a, b]) {
      bench.slow.add(client);
      bench.send(client, { typeUrl: services.typeUrl });
    }
    assert.deepEqual([bench.take(a).length, bench.take(b).length], [1, 0]);
    bench.post({ kind: 'client_closed', streamId: a });
    assert.equal(bench.take(b).length, 1);
  });

  test('a request that cannot be read ends its stream, and types that nobody asks for any more make room', () => {
    const bench = new SourceBench();
    const bad = bench.client('sotw');
    bench.post({ kind: 'client_request', streamId: bad, bytes: Buffer.from([0xff]) });
    assert.match(bench.closed.get(bad) ?? '', /cannot be decoded/);
    const strangers: number[] = [];
    for (let round = 0; bench.core.stores.size < 16_384; round++) {
      const client = bench.client('sotw');
      strangers.push(client);
      for (let at = 0; at < 64 && bench.core.stores.size < 16_384; at++)
        bench.send(client, { typeUrl: `x.io/v1/Kind${round}-${at}` as TypeUrl });
    }
    const istiod = bench.client('sotw');
    bench.post(whole({ kind: 'whole', of: services, resources: [service('a/x', '1')] }));
    bench.send(istiod, { typeUrl: services.typeUrl });
    assert.equal(bench.closed.get(istiod), undefined);
    assert.equal(bench.take(istiod).length, 1, 'what is read is served however many types strangers have made up');
    const late = bench.client('sotw');
    bench.send(late, { typeUrl: 'x.io/v1/OneMore' as TypeUrl });
    assert.match(bench.closed.get(late) ?? '', /have asked for 16384 types/);
    for (const client of strangers) bench.post({ kind: 'client_closed', streamId: client });
    const later = bench.client('sotw');
    bench.send(later, { typeUrl: 'x.io/v1/OneMore' as TypeUrl });
    assert.equal(bench.take(later).length, 1);
  });
});
