import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Authorities } from '../../src/agent/authorities.ts';
import { authorities as parse } from '../../src/agent/setting-values.ts';
import { authorityOf } from '../../src/xds/resource-name.ts';
import { clusterType, endpointType, listenerType } from '../../src/xds/type-urls.ts';
import { grpcCode, type Variant } from '../../src/xds/types.ts';
import { CoreHarness, namesOf, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const main = 'test:1';
const away = 'away:1';
const endpoints = (authority: string, id = 'id'): string =>
  `xdstp://${authority}/envoy.config.endpoint.v3.ClusterLoadAssignment/${id}`;
const listener = (authority: string): string => `xdstp://${authority}/envoy.config.listener.v3.Listener/l`;
const theirs = endpoints('away');
const ours = endpoints('elsewhere');

function harnessOf(variant: Variant = 'delta', disk?: MemoryDisk): CoreHarness {
  const authorities = new Authorities(
    new Map([
      ['away', [away]],
      ['same', [away]],
    ]),
  );
  return new CoreHarness({ authorities, variant }, disk);
}

/** Names asked for at an address since the last look. */
function askedAt(harness: CoreHarness, address: string): string[] {
  return harness.requests.filter(request => request.address === address).flatMap(request => request.names);
}

describe('authorities', () => {
  test('R34: an authority is what stands between the slashes of an xdstp name', () => {
    assert.equal(authorityOf(theirs), 'away');
    for (const none of ['xdstp:///type/id', 'xdstp://away', 'away/type/id', 'xdstp://?x/y']) {
      assert.equal(authorityOf(none), undefined, none);
    }
  });

  test('R34: the setting names an address for each authority, several in their order, and says what is wrong', () => {
    const parsed = parse('a=one:1, b=unix:/two,a=three:3');
    assert.ok('value' in parsed);
    assert.deepEqual(
      [...parsed.value].map(([name, addresses]) => [name, addresses.length]),
      [
        ['a', 2],
        ['b', 1],
      ],
    );
    assert.deepEqual(parse(''), { value: new Map() });
    for (const wrong of ['a', '=one:1', 'a/b=one:1', 'a=', 'a=one']) assert.ok('error' in parse(wrong), wrong);
  });

  test('R34: each control plane is asked for the names of its authorities, over one stream, and the main one for the rest', () => {
    const harness = harnessOf();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: [theirs, ours, 'plain', endpoints('same')] });
    assert.equal(harness.upstreamIds().length, 2);
    assert.deepEqual(harness.upstreamAt(away)?.address, away);
    const last = harness.client('delta');
    last.send({ typeUrl: endpointType, names: [endpoints('away', 'more')] });
    assert.deepEqual(askedAt(harness, away).slice(-1), [endpoints('away', 'more')]);
    assert.ok(!askedAt(harness, main).some(name => name.includes('//away/')));
  });

  test('R34: a control plane that nobody wants anything of is not connected to', () => {
    const harness = harnessOf();
    harness.client('delta').send({ typeUrl: endpointType, names: [theirs] });
    assert.deepEqual([harness.upstreamAt(main), harness.upstreamIds().length], [undefined, 1]);
    harness.client('delta').send({ typeUrl: clusterType });
    assert.ok(harness.upstreamAt(main));
    assert.equal(harness.upstreamIds().length, 2);
  });

  test('R34: what a control plane says of names that are not its own is not listened to', () => {
    const harness = harnessOf();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: [theirs, 'plain'] });
    const [far, near] = [harness.upstreamAt(away), harness.upstreamAt(main)];
    harness.respond(endpointType, { resources: resources(endpointType, ['plain', theirs], 1) }, near);
    assert.deepEqual(namesOf(client.only(endpointType)), ['plain']);
    harness.respond(endpointType, { resources: resources(endpointType, [theirs, 'plain'], 2) }, far);
    assert.deepEqual(namesOf(client.only(endpointType)), [theirs]);
    const errors = [{ name: 'plain', code: grpcCode.notFound, message: 'none' }];
    harness.respond(endpointType, { removed: ['plain'], errors }, far);
    harness.advance(1_000);
    assert.deepEqual(client.take(endpointType), []);
  });

  for (const variant of ['delta', 'sotw'] as const) {
    test(`R34 R78: a SotW client gets one whole list of both, and a list of one takes nothing of the other (${variant} upstream)`, () => {
      const harness = harnessOf(variant);
      const client = harness.client('sotw');
      const names = [listener('away'), listener('elsewhere'), 'plain'];
      client.send({ typeUrl: listenerType, names });
      const [far, near] = [harness.upstreamAt(away), harness.upstreamAt(main)];
      harness.respond(listenerType, { resources: resources(listenerType, names.slice(1)) }, near);
      assert.deepEqual(client.take(listenerType), [], 'it would not be whole');
      harness.respond(listenerType, { resources: resources(listenerType, names.slice(0, 1)) }, far);
      const list = client.only(listenerType);
      assert.deepEqual(namesOf(list), [...names].sort());
      client.ack(list, names);
      if (variant === 'sotw') harness.respond(listenerType, { resources: [] }, far);
      else harness.respond(listenerType, { removed: names.slice(0, 1) }, far);
      assert.deepEqual(namesOf(client.only(listenerType)), names.slice(1).sort());
    });
  }

  test('R34 R98: each control plane hears the word on its own response, be the nonces the same', () => {
    const harness = harnessOf();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: [theirs, 'plain'] });
    harness.requests.length = 0;
    harness.respond(
      endpointType,
      { nonce: 'n', resources: resources(endpointType, ['plain']) },
      harness.upstreamAt(main),
    );
    const good = client.only(endpointType);
    client.ack(good);
    harness.respond(
      endpointType,
      { nonce: 'n', resources: resources(endpointType, [theirs]) },
      harness.upstreamAt(away),
    );
    const bad = client.only(endpointType);
    client.send({ typeUrl: endpointType, nonce: bad.nonce, error: 'not this' });
    const answers = harness
      .asked(endpointType)
      .map(({ address, nonce, error }) => [address, nonce, error !== undefined]);
    assert.deepEqual(answers, [
      [main, 'n', false],
      [away, 'n', true],
    ]);
  });

  test('R34 R111: the loss of one control plane is no trouble of the other, and costs nothing that was held', () => {
    const harness = harnessOf();
    const client = harness.client('delta');
    client.send({ typeUrl: endpointType, names: [theirs, 'plain'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['plain']) }, harness.upstreamAt(main));
    harness.respond(endpointType, { resources: resources(endpointType, [theirs]) }, harness.upstreamAt(away));
    client.take(endpointType);
    client.leave();
    harness.isUpstreamUp = false;
    harness.cut(harness.upstreamAt(away)?.streamId);
    harness.advance(3_600_000);
    const late = harness.client('delta');
    late.send({ typeUrl: endpointType, names: [theirs, 'plain'] });
    assert.deepEqual(namesOf(late.only(endpointType)), ['plain', theirs].sort());
    harness.respond(endpointType, { resources: resources(endpointType, ['plain'], 2) }, harness.upstreamAt(main));
    assert.deepEqual(namesOf(late.only(endpointType)), ['plain']);
  });

  test('R34 R71: after a restart each is asked for its own again, and lists what is held of it', () => {
    const disk = new MemoryDisk();
    const before = harnessOf('delta', disk);
    const client = before.client('delta');
    client.send({ typeUrl: endpointType, names: [theirs, 'plain'] });
    before.respond(endpointType, { resources: resources(endpointType, ['plain']) }, before.upstreamAt(main));
    client.ack(client.only(endpointType));
    before.respond(endpointType, { resources: resources(endpointType, [theirs]) }, before.upstreamAt(away));
    client.ack(client.only(endpointType));
    before.advance(1_000);
    const after = harnessOf('delta', disk);
    const back = after.client('delta');
    back.send({ typeUrl: endpointType, names: [theirs, 'plain'] });
    assert.deepEqual(namesOf(back.only(endpointType)), ['plain', theirs].sort());
    const { names, initialVersions } = after.requests.findLast(request => request.address === away) ?? {};
    assert.deepEqual([names, [...(initialVersions ?? [])]], [[theirs], [[theirs, '1']]]);
  });
});
