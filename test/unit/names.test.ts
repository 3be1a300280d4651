import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Entry } from '../../src/cache/entry.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { NameForms } from '../../src/local-ads/name-forms.ts';
import { canonicalName, globOf, isGlob } from '../../src/xds/resource-name.ts';
import { clusterType, endpointType, listenerType, memberType, routeType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl } from '../../src/xds/types.ts';
import { body, CoreHarness, namesOf, resources } from '../support/core-harness.ts';
import type { TestResponse } from '../support/messages.ts';
import { endpointsByCollection } from '../support/resource-bodies.ts';

const collection = 'xdstp://auth/envoy.config.cluster.v3.Cluster/group/*?b=2&a=1';
const canonicalCollection = 'xdstp://auth/envoy.config.cluster.v3.Cluster/group/*?a=1&b=2';
const memberOf = (id: string): string => `xdstp://auth/envoy.config.cluster.v3.Cluster/group/${id}?a=1&b=2`;
const virtualHostType = 'type.googleapis.com/envoy.config.route.v3.VirtualHost' as TypeUrl;
const notFound = (name: string) => ({ name, code: grpcCode.notFound, message: 'no such thing' });
const unavailable = (name: string) => ({ name, code: grpcCode.unavailable, message: 'ask later' });

/** What the errors of a message are of. */
const failedIn = (response: TestResponse): (readonly [string, number])[] =>
  (response.errors ?? []).map(({ name, code }) => [name, code]);

describe('xdstp names', () => {
  test('R32: the order of context parameters makes no other name, anything else does', () => {
    const name = 'xdstp://auth/envoy.config.cluster.v3.Cluster/some/id?z=1&a=2&m=3';
    assert.equal(canonicalName(name), 'xdstp://auth/envoy.config.cluster.v3.Cluster/some/id?a=2&m=3&z=1');
    assert.equal(canonicalName(canonicalName(name)), canonicalName(name));
    assert.equal(canonicalName(`${name}#alt=other`), `${canonicalName(name)}#alt=other`);
    for (const other of ['plain', 'plain?z=1&a=2', 'xdstp://auth/type/id', ''])
      assert.equal(canonicalName(other), other);
  });

  test('R33: a collection is told from a member by its last segment', () => {
    assert.equal(isGlob(collection), true);
    assert.equal(isGlob(memberOf('x')), false);
    assert.equal(isGlob('group/*'), false);
    assert.equal(globOf(memberOf('x')), canonicalCollection);
    assert.equal(globOf('xdstp://auth/envoy.config.cluster.v3.Cluster/group/x'), collection.split('?')[0]);
    for (const none of ['plain', 'xdstp://auth/type']) assert.equal(globOf(none), undefined);
  });

  test('T25 R32: names with permuted parameters are one entry, and each client is answered in its own spelling', () => {
    const harness = new CoreHarness();
    const [one, other] = ['a=1&b=2', 'b=2&a=1'].map(query => `xdstp://auth/envoy.config.endpoint.v3.X/id?${query}`);
    assert.ok(one && other);
    const clients = [one, other].map(name => {
      const client = harness.client('delta');
      client.send({ typeUrl: endpointType, names: [name] });
      return client;
    });
    assert.deepEqual(
      harness.asked(endpointType).flatMap(request => request.names),
      [one],
    );
    harness.respond(endpointType, { resources: resources(endpointType, [other]) });
    assert.deepEqual(
      clients.map(client => namesOf(client.only(endpointType))),
      [[one], [other]],
    );
    harness.respond(endpointType, { removed: [one] });
    harness.advance(200);
    assert.deepEqual(
      clients.map(client => client.only(endpointType).removed),
      [[one], [other]],
    );
  });

  test('R32: a client that resumes in another spelling is level', () => {
    const harness = new CoreHarness();
    const [one, other] = ['a=1&b=2', 'b=2&a=1'].map(query => `xdstp://auth/envoy.config.endpoint.v3.X/id?${query}`);
    assert.ok(one && other);
    const first = harness.client('delta');
    first.send({ typeUrl: endpointType, names: [one] });
    harness.respond(endpointType, { resources: resources(endpointType, [one]) });
    const back = harness.client('delta');
    back.send({ typeUrl: endpointType, names: [other], initialVersions: new Map([[other, '1']]) });
    assert.deepEqual(back.take(endpointType), []);
    back.send({ typeUrl: endpointType, unsubscribe: [one] });
    harness.respond(endpointType, { resources: resources(endpointType, [one], 2) });
    assert.deepEqual(back.take(endpointType), []);
    assert.equal(first.take(endpointType).length, 2);
  });

  test('R33 R35: a collection is answered with its members, whatever the order of parameters, and changes with them', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [collection] });
    assert.deepEqual(harness.asked(clusterType)[0]?.names, [canonicalCollection]);
    harness.respond(clusterType, { resources: resources(clusterType, [memberOf('x'), memberOf('y')]) });
    assert.deepEqual(namesOf(client.only(clusterType)), [memberOf('x'), memberOf('y')]);
    harness.respond(clusterType, { resources: resources(clusterType, [memberOf('y')], 2) });
    assert.deepEqual(namesOf(client.only(clusterType)), [memberOf('y')]);
    // The parameters have to be the same, so this one is of another collection.
    harness.respond(clusterType, { resources: resources(clusterType, [`${memberOf('z')}&c=3`]) });
    assert.deepEqual(client.take(clusterType), []);
    harness.respond(clusterType, { removed: [memberOf('x')] });
    harness.advance(200);
    assert.deepEqual(client.only(clusterType).removed, [memberOf('x')]);
  });

  test('R32 R35: a member is told in the spelling of the control plane, its end too, and to who comes back with it', () => {
    const harness = new CoreHarness();
    const [name, other] = ['x', 'y'].map(id => memberOf(id).replace('a=1&b=2', 'b=2&a=1'));
    assert.ok(name && other);
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [collection] });
    harness.respond(clusterType, { resources: resources(clusterType, [name, other]) });
    assert.deepEqual(namesOf(client.only(clusterType)), [name, other]);
    const back = harness.client('delta');
    back.send({ typeUrl: clusterType, names: [collection], initialVersions: new Map([[name, '1']]) });
    assert.deepEqual(namesOf(back.only(clusterType)), [other]);
    harness.respond(clusterType, { removed: [memberOf('x')] });
    harness.advance(200);
    assert.deepEqual(
      [client, back].map(one => one.only(clusterType).removed),
      [[name], [name]],
    );
    // Who asked for it by name is answered by that name.
    const asker = harness.client('delta');
    asker.send({ typeUrl: clusterType, names: [memberOf('y')] });
    assert.deepEqual(namesOf(asker.only(clusterType)), [memberOf('y')]);
  });

  test('R32: spellings are remembered of what a client holds or asks for, and of nothing else', () => {
    const forms = new NameForms();
    const spelled = ['x', 'y'].map(id => memberOf(id).replace('a=1&b=2', 'b=2&a=1'));
    const entries = spelled.map(name => {
      const any = message(text(1, clusterType), bytes(2, message(text(1, name))));
      return new Entry({ name: canonicalName(name), version: '1', any, extra: undefined }, any, 1, 1);
    });
    forms.asked(['plain', collection]);
    forms.sent(entries);
    assert.deepEqual(
      [memberOf('x'), canonicalCollection, 'plain'].map(name => forms.of(name)),
      [spelled[0], collection, 'plain'],
    );
    forms.removed([memberOf('x')]);
    assert.equal(forms.of(memberOf('x')), memberOf('x'));
    forms.forget(canonicalCollection);
    assert.ok(forms.isEmpty, 'with a collection its members are forgotten');
  });

  test('R87: the members of a collection of endpoints follow endpoints that follow a changed cluster', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    const members = 'xdstp://auth/envoy.config.endpoint.v3.LbEndpoint/of/one/*';
    const [a, b] = ['a', 'b'].map(id => members.replace('*', id));
    assert.ok(a && b);
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['one']) });
    client.send({ typeUrl: endpointType, names: ['one'] });
    const assignment = { name: 'one', version: '1', body: endpointsByCollection('one', members) };
    harness.respond(endpointType, { resources: [assignment] });
    client.send({ typeUrl: memberType, names: [members] });
    harness.respond(memberType, { resources: resources(memberType, [a, b]) });
    client.inbox.splice(0);
    harness.respond(clusterType, { resources: resources(clusterType, ['one'], 2) });
    assert.deepEqual(
      client.inbox.map(({ typeUrl }) => typeUrl),
      [clusterType, endpointType, memberType],
    );
    assert.deepEqual(namesOf(client.only(memberType)), [a, b]);
  });

  test('R33 R35: who subscribes to a known collection gets all of it, also again after a reconnect without versions', () => {
    const harness = new CoreHarness();
    for (const at of [0, 1, 2]) {
      const client = harness.client('delta');
      client.send({ typeUrl: clusterType, names: [collection] });
      if (at === 0) harness.respond(clusterType, { resources: resources(clusterType, [memberOf('x'), memberOf('y')]) });
      assert.deepEqual(namesOf(client.only(clusterType)), [memberOf('x'), memberOf('y')]);
      if (at === 1) client.leave();
    }
  });

  test('R33: a collection that is empty, or becomes empty, is told by its own name, as the client spells it', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [collection] });
    harness.respond(clusterType, { removed: [canonicalCollection] });
    assert.deepEqual(client.only(clusterType).removed, [collection]);
    harness.respond(clusterType, { resources: resources(clusterType, [memberOf('x')]) });
    assert.deepEqual(namesOf(client.only(clusterType)), [memberOf('x')]);
    harness.respond(clusterType, { removed: [memberOf('x')] });
    harness.advance(200);
    const told = client.take(clusterType).flatMap(message => message.removed);
    assert.deepEqual(new Set(told), new Set([memberOf('x'), collection]));
    const late = harness.client('delta');
    late.send({ typeUrl: clusterType, names: [collection] });
    assert.deepEqual(late.only(clusterType).removed, [collection]);
  });

  test('R33: members of a collection stay for who named them when the collection is dropped', () => {
    const harness = new CoreHarness({ lingerMs: 0 });
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType, names: [collection, memberOf('x')] });
    harness.respond(clusterType, { resources: resources(clusterType, [memberOf('x'), memberOf('y')]) });
    client.take(clusterType);
    client.send({ typeUrl: clusterType, unsubscribe: [collection] });
    harness.advance(1_000);
    const late = harness.client('delta');
    late.send({ typeUrl: clusterType, names: [memberOf('x')] });
    assert.deepEqual(namesOf(late.only(clusterType)), [memberOf('x')]);
    const other = harness.client('delta');
    other.send({ typeUrl: clusterType, names: [memberOf('y')] });
    assert.deepEqual(other.take(clusterType), [], 'it was dropped and is asked for again');
  });
});

describe('aliases', () => {
  const host = {
    name: 'route/real',
    version: '1',
    body: body(virtualHostType, 'real'),
    aliases: ['route/a', 'route/b'],
  };

  test('R18: who asks by an alias gets the resource, its changes, and its end', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: virtualHostType, names: ['route/a'] });
    harness.respond(virtualHostType, { resources: [host] });
    const first = client.only(virtualHostType);
    assert.deepEqual([namesOf(first), first.resources[0]?.aliases], [['route/real'], host.aliases]);
    harness.respond(virtualHostType, {
      resources: [{ ...host, version: '2', body: body(virtualHostType, 'real', 2) }],
    });
    assert.deepEqual(namesOf(client.only(virtualHostType)), ['route/real']);
    harness.respond(virtualHostType, { removed: ['route/real'] });
    // Whoever asks by one of them next has to be told the same.
    assert.deepEqual(client.only(virtualHostType).removed, ['route/real', 'route/a']);
  });

  test('R18: two aliases of one resource are answered by it once, and an alias that comes later is answered then', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: virtualHostType, names: ['route/a', 'route/b', 'route/c'] });
    harness.respond(virtualHostType, { resources: [host] });
    assert.deepEqual(namesOf(client.only(virtualHostType)), ['route/real']);
    harness.respond(virtualHostType, { resources: [{ ...host, aliases: [...host.aliases, 'route/c'] }] });
    const late = client.only(virtualHostType);
    assert.deepEqual(late.resources[0]?.aliases, ['route/a', 'route/b', 'route/c']);
  });

  test('R18: an alias that is known is answered from the cache, one that is not is asked for', () => {
    const harness = new CoreHarness();
    const first = harness.client('delta');
    first.send({ typeUrl: virtualHostType, names: ['route/a'] });
    harness.respond(virtualHostType, { resources: [host] });
    harness.asked(virtualHostType);
    const second = harness.client('delta');
    second.send({ typeUrl: virtualHostType, names: ['route/b'] });
    assert.deepEqual(namesOf(second.only(virtualHostType)), ['route/real']);
    second.send({ typeUrl: virtualHostType, names: ['route/x'] });
    assert.deepEqual(harness.asked(virtualHostType).at(-1)?.names.includes('route/x'), true);
    harness.respond(virtualHostType, { removed: ['route/x'] });
    assert.deepEqual(second.only(virtualHostType).removed, ['route/x']);
  });

  test('R18: that there is nothing behind an alias is passed on to who asked by it, until there is something', () => {
    const harness = new CoreHarness();
    const [asking, other] = [harness.client('delta'), harness.client('sotw')];
    for (const client of [asking, other]) client.send({ typeUrl: virtualHostType, names: ['route/a'] });
    const nothing = { name: 'route/nothing', version: 'none', body: Buffer.alloc(0), aliases: ['route/a'] };
    harness.respond(virtualHostType, { resources: [nothing] });
    const [told] = asking.only(virtualHostType).resources;
    assert.deepEqual([told?.name, told?.body.length, told?.aliases], ['route/nothing', 0, ['route/a']]);
    assert.deepEqual(other.take(virtualHostType).flatMap(namesOf), [], 'SotW has no word for it');
    harness.respond(virtualHostType, { resources: [host], removed: ['route/nothing'] });
    const news = asking.only(virtualHostType);
    assert.deepEqual([namesOf(news), news.removed], [['route/real'], ['route/nothing']]);
  });

  test('R18: what is accepted by who asked for it by an alias is good', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: virtualHostType, names: ['route/a'] });
    harness.respond(virtualHostType, { resources: [host] });
    client.ack(client.only(virtualHostType));
    harness.respond(virtualHostType, {
      resources: [{ ...host, version: '2', body: body(virtualHostType, 'real', 2) }],
    });
    const bad = client.only(virtualHostType);
    client.send({ typeUrl: virtualHostType, nonce: bad.nonce, error: 'route/real is bad' });
    const late = harness.client('delta');
    late.send({ typeUrl: virtualHostType, names: ['route/b'] });
    assert.deepEqual(late.only(virtualHostType).resources[0]?.version, '1');
  });
});

describe('resource_errors', () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R24 R119: an error is passed on once to who named it, and again to who asks again (${variant})`, () => {
      const harness = new CoreHarness();
      const client = harness.client(variant);
      client.send({ typeUrl: endpointType, names: ['e', 'f'] });
      harness.respond(endpointType, { errors: [unavailable('e')], resources: resources(endpointType, ['f']) });
      const answer = client.only(endpointType);
      assert.deepEqual([namesOf(answer), failedIn(answer)], [['f'], [['e', grpcCode.unavailable]]]);
      assert.deepEqual(answer.removed, []);
      client.ack(answer, variant === 'sotw' ? ['e', 'f'] : []);
      harness.respond(endpointType, { errors: [unavailable('e')] });
      assert.deepEqual(client.take(endpointType), [], 'the same words are no news');
      const late = harness.client(variant);
      late.send({ typeUrl: endpointType, names: ['e'] });
      assert.deepEqual(failedIn(late.only(endpointType)), [['e', grpcCode.unavailable]]);
      harness.respond(endpointType, { resources: resources(endpointType, ['e']) });
      const there = client.only(endpointType);
      assert.deepEqual([namesOf(there), failedIn(there)], [['e'], []]);
    });

    test(`R119: what is cached stays when its name fails, and is not sent again (${variant})`, () => {
      const harness = new CoreHarness();
      const client = harness.client(variant);
      client.send({ typeUrl: endpointType, names: ['e'] });
      harness.respond(endpointType, { resources: resources(endpointType, ['e']) });
      client.ack(client.only(endpointType), variant === 'sotw' ? ['e'] : []);
      harness.respond(endpointType, { errors: [unavailable('e')] });
      const told = client.only(endpointType);
      assert.deepEqual([namesOf(told), failedIn(told)], [[], [['e', grpcCode.unavailable]]]);
      const late = harness.client(variant);
      late.send({ typeUrl: endpointType, names: ['e'] });
      const got = late.only(endpointType);
      assert.deepEqual([namesOf(got), failedIn(got)], [['e'], []], 'never both');
    });
  }

  test('R119 R95: NOT_FOUND ends a cluster in both variants; a route is told as an error only', () => {
    const harness = new CoreHarness({ removalHoldMs: 0 });
    const [delta, sotw] = [harness.client('delta'), harness.client('sotw')];
    for (const client of [delta, sotw]) {
      client.send({ typeUrl: clusterType, names: ['c', 'd'] });
      client.send({ typeUrl: routeType, names: ['r'] });
    }
    harness.respond(clusterType, { resources: resources(clusterType, ['c', 'd']) });
    harness.respond(routeType, { resources: resources(routeType, ['r']) });
    harness.advance(2_000);
    for (const client of [delta, sotw]) client.take(clusterType);
    for (const client of [delta, sotw]) assert.equal(client.take(routeType).length, 1);
    harness.respond(clusterType, { errors: [notFound('c')] });
    harness.advance(2_000);
    const told = delta.take(clusterType);
    assert.deepEqual(told.flatMap(failedIn), [['c', grpcCode.notFound]]);
    assert.deepEqual(
      told.flatMap(message => message.removed),
      ['c'],
    );
    const lists = sotw.take(clusterType);
    assert.deepEqual(lists.map(namesOf).at(-1), ['d']);
    assert.deepEqual(lists.flatMap(failedIn), [['c', grpcCode.notFound]]);
    harness.respond(routeType, { errors: [notFound('r')] });
    for (const client of [delta, sotw]) {
      const answer = client.only(routeType);
      assert.deepEqual([namesOf(answer), answer.removed, failedIn(answer)], [[], [], [['r', grpcCode.notFound]]]);
    }
  });

  test('R38 R119: a SotW list with a name that failed is whole, and tells the error beside the rest', () => {
    const harness = new CoreHarness();
    const client = harness.client('sotw');
    client.send({ typeUrl: listenerType, names: ['l', 'm'] });
    harness.respond(listenerType, { resources: resources(listenerType, ['l']) });
    assert.deepEqual(client.take(listenerType), []);
    harness.respond(listenerType, { errors: [{ name: 'm', code: 7, message: 'not for you' }] });
    const list = client.only(listenerType);
    assert.deepEqual([namesOf(list), failedIn(list)], [['l'], [['m', 7]]]);
  });

  test('R24: clients of a wildcard are told no errors', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['c']), errors: [unavailable('x')] });
    assert.deepEqual(failedIn(client.only(clusterType)), []);
  });
});
