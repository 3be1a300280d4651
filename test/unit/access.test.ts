import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accessWarnings, checkAccess } from '../../src/agent/access-check.ts';
import { AllowList, parseRule } from '../../src/agent/allow-list.ts';
import { resolveSettings } from '../../src/agent/config.ts';
import { FairShares } from '../../src/agent/fair-shares.ts';
import { listeners } from '../../src/agent/listener-settings.ts';
import { PeerLimits } from '../../src/agent/peer-limits.ts';
import type { Settings } from '../../src/agent/settings.ts';
import { namesOfCertificate } from '../../src/net/certificate-names.ts';
import { grpcCode } from '../../src/xds/types.ts';

/** A rule as it is written. */
interface WrittenRule {
  readonly name: string | undefined;
  readonly ids: readonly string[];
}

function listOf(listener: string, rules: readonly WrittenRule[]): AllowList {
  const parsed = rules.map(({ name, ids }) => {
    const rule = parseRule(name, ids);
    assert.ok(!('error' in rule), 'error' in rule ? rule.error : '');
    return rule;
  });
  return new AllowList([{ listener, rules: parsed }]);
}

/** Whether a client with these names may be this node. */
function mayBe(rules: readonly WrittenRule[], names: readonly string[], id: string): boolean {
  const list = listOf('l', rules);
  return list.refusal({ listener: 'l', names }, id) === undefined;
}

function settingsOf(flags: Readonly<Record<string, string>>): Settings {
  const given = { '--upstream': 'cp:1', ...flags };
  const resolved = resolveSettings({ flags: new Map(Object.entries(given)), environment: new Map(), file: undefined });
  assert.ok('settings' in resolved, 'problems' in resolved ? resolved.problems.join('; ') : '');
  return resolved.settings;
}

function problemsOf(flags: Readonly<Record<string, string>>): string {
  const given = { '--upstream': 'cp:1', ...flags };
  const resolved = resolveSettings({ flags: new Map(Object.entries(given)), environment: new Map(), file: undefined });
  return 'problems' in resolved ? resolved.problems.join('; ') : '';
}

describe('allow list', () => {
  test('R123: without rules every id is allowed, with rules only what they say', () => {
    assert.equal(mayBe([], [], 'anything'), true);
    assert.equal(mayBe([{ name: undefined, ids: ['a', 'b-*'] }], [], 'a'), true);
    assert.equal(mayBe([{ name: undefined, ids: ['a', 'b-*'] }], [], 'b-7'), true);
    for (const id of ['', 'aa', 'b', 'xb-7'])
      assert.equal(mayBe([{ name: undefined, ids: ['a', 'b-*'] }], [], id), false, id);
  });

  test('R123: a rule with a name needs that name, and fills in what its stars stood for', () => {
    const rules = [{ name: 'spiffe://cluster.local/ns/*/sa/*', ids: ['sidecar~*~$2-*.$1~*'] }];
    const cart = 'spiffe://cluster.local/ns/shop/sa/cart';
    assert.equal(mayBe(rules, [cart], 'sidecar~10.0.0.1~cart-7.shop~shop.svc'), true);
    assert.equal(mayBe(rules, ['dns:other', cart], 'sidecar~10.0.0.1~cart-7.shop~shop.svc'), true);
    assert.equal(mayBe(rules, [cart], 'sidecar~10.0.0.1~pay-7.shop~shop.svc'), false);
    assert.equal(mayBe(rules, [], 'sidecar~10.0.0.1~cart-7.shop~shop.svc'), false);
    // A star of a name stops at a slash, so nobody gets another namespace by a name with more parts.
    assert.equal(mayBe(rules, ['spiffe://cluster.local/ns/a/b/sa/cart'], 'sidecar~1~cart-7.a~x'), false);
    assert.equal(mayBe(rules, [`${cart}/more`], 'sidecar~1~cart-7.shop~x'), false);
    assert.equal(mayBe(rules, [`x${cart}`], 'sidecar~1~cart-7.shop~x'), false);
  });

  test('R123: what is filled in is no pattern, whatever a client is called', () => {
    const rules = [{ name: 'spiffe://x/*', ids: ['$1'] }];
    assert.equal(mayBe(rules, ['spiffe://x/*'], 'anything'), false);
    assert.equal(mayBe(rules, ['spiffe://x/*'], '*'), true);
    assert.equal(mayBe(rules, ['spiffe://x/a.c'], 'abc'), false);
    assert.equal(mayBe([{ name: 'a.c', ids: ['id'] }], ['abc'], 'id'), false);
  });

  test('R123: a star stands for one part: of a name to the next slash, of a DNS name to the next dot, of an id to the next tilde', () => {
    const pods = [{ name: 'pod:*/*', ids: ['sidecar~*~$2.$1~*'] }];
    assert.equal(mayBe(pods, ['pod:shop/cart-7'], 'sidecar~10.0.0.1~cart-7.shop~svc'), true);
    assert.equal(mayBe(pods, ['pod:shop/cart-7'], 'sidecar~10.0.0.1~admin.kube~cart-7.shop~svc'), false);
    const services = [{ name: 'dns:*.*.svc', ids: ['$1.$2'] }];
    assert.equal(mayBe(services, ['dns:cart.shop.svc'], 'cart.shop'), true);
    assert.equal(mayBe(services, ['dns:a.cart.shop.svc'], 'a.cart.shop'), false);
    assert.equal(mayBe([{ name: 'spiffe://x/*-prod', ids: ['$1'] }], ['spiffe://x/my-app-prod'], 'my-app'), true);
    assert.equal(mayBe([{ name: undefined, ids: ['*'] }], [], 'a~b~c'), true, 'a star alone is every id');
  });

  test('R123: a rule that could mean several things is refused with words', () => {
    const problem = (name: string | undefined, id: string): string => {
      const rule = parseRule(name, [id]);
      return 'error' in rule ? rule.error : '';
    };
    assert.match(problem('dns:*-*.example', '$1'), /two stars with no \. between them/);
    assert.match(problem('spiffe://x/*y*', '$1'), /two stars with no \/ between them/);
    assert.match(problem('pod:*/*', '$3'), /speaks of star 3, and its name has 2/);
    assert.match(problem(undefined, 'a-$1'), /speaks of star 1, and its name has 0/);
    assert.equal(problem('pod:*/*', '$2.$1'), '');
  });

  test('R123: two thousand rules are gone through in a moment', () => {
    const rules = Array.from({ length: 2_000 }, (_, at) => ({
      name: `spiffe://cluster.local/ns/*/sa/app${at}`,
      ids: ['sidecar~*~$1~*'],
    }));
    const list = listOf('l', rules);
    const origin = { listener: 'l', names: ['spiffe://cluster.local/ns/shop/sa/none'] };
    const startMs = performance.now();
    for (let round = 0; round < 10; round++) assert.ok(list.refusal(origin, 'a'));
    assert.ok(performance.now() - startMs < 500, 'some 2 ms each');
  });

  test('R123: a long name or id matches nothing, and takes no time', () => {
    const startMs = performance.now();
    const pattern = Array.from({ length: 12 }, () => 'a*').join('');
    assert.equal(mayBe([{ name: undefined, ids: [pattern] }], [], `${'a'.repeat(1_000)}b`), true);
    assert.equal(mayBe([{ name: undefined, ids: [`${pattern}c`] }], [], 'a'.repeat(1_024)), false);
    assert.equal(mayBe([{ name: undefined, ids: ['*'] }], [], 'a'.repeat(1_025)), false);
    assert.equal(mayBe([{ name: '*', ids: ['*'] }], ['a'.repeat(1_025)], 'a'), false);
    assert.ok(performance.now() - startMs < 1_000);
  });

  test('R123: the refusal names the id, the listener, what was proven, and the setting', () => {
    const list = listOf('unix:/a', [{ name: undefined, ids: ['a'] }]);
    const refused = list.refusal({ listener: 'unix:/a', names: ['spiffe://x/y'] }, 'b');
    assert.equal(refused?.code, grpcCode.permissionDenied);
    assert.match(
      refused?.message ?? '',
      /node\.id 'b' may not be used on unix:\/a .*'spiffe:\/\/x\/y'.*\(setting listeners\)/,
    );
    assert.match(list.refusal({ listener: 'unix:/a', names: [] }, 'b')?.message ?? '', /has proven nothing/);
  });
});

describe('names of a certificate', () => {
  test('R123: each kind has its own form, and a quoted value is no other name', () => {
    const subjectaltname =
      'URI:spiffe://cluster.local/ns/a/sa/b, DNS:web, IP Address:10.0.0.1, email:x@y, DNS:"quoted, URI:spiffe://cluster.local/ns/root/sa/root"';
    assert.deepEqual(namesOfCertificate({ subjectaltname, subject: { CN: 'me' } }), [
      'spiffe://cluster.local/ns/a/sa/b',
      'dns:web',
      'ip:10.0.0.1',
      'email:x@y',
      'dns:quoted, URI:spiffe://cluster.local/ns/root/sa/root',
      'cn:me',
    ]);
  });

  test('R123: what has no scheme is no URI, and there is an end to names', () => {
    assert.deepEqual(
      namesOfCertificate({ subjectaltname: 'URI:dns:web, URI:pod:shop/cart, othername:<unsupported>' }),
      [],
    );
    assert.deepEqual(namesOfCertificate({}), []);
    assert.deepEqual(namesOfCertificate({ subject: { CN: ['a', 'b'] } }), ['cn:a', 'cn:b']);
    const many = Array.from({ length: 1_000 }, (_, at) => `DNS:d${at}`).join(', ');
    assert.ok(namesOfCertificate({ subjectaltname: many }).length <= 64);
  });
});

describe('listeners', () => {
  const error = (text: string): string => {
    const parsed = listeners(text);
    return 'error' in parsed ? parsed.error : '';
  };

  test('one object or a list, with all its parts', () => {
    const parsed = listeners(
      '{"address":"unix:/a","allow":[{"ids":["a"]}]},{"address":"127.0.0.1:0","tls":{"cert":"c","key":"k","clientCa":"ca"},"tokenReview":true}',
    );
    assert.ok('value' in parsed);
    assert.deepEqual(
      parsed.value.map(({ tls, tokenReview, allow }) => [tls, tokenReview, allow.map(({ name }) => name)]),
      [
        [undefined, false, [undefined]],
        [{ cert: 'c', key: 'k', ca: 'ca' }, true, []],
      ],
    );
  });

  test('what is wrong is said with the place, all of it', () => {
    assert.match(error('nonsense'), /no list of JSON objects/);
    assert.match(error('{"adress":"unix:/a"}'), /listener 1: adress is none of address, tls, tokenReview, allow/);
    assert.match(error('{"address":"unix:/a","allow":[]}'), /allow must be a list of 1 to/);
    assert.match(error('{"address":"unix:/a","allow":[{"name":"x"}]}'), /needs ids/);
    assert.match(
      error('{"address":"unix:/a"},{"address":"127.0.0.1:1","tls":{"cert":"c"}}'),
      /listener 2: key is missing/,
    );
    assert.match(error('{"address":"unix:/a","tokenReview":1}'), /true or false/);
    for (const odd of ['[1]', 'null', '[null]', '{"address":7}']) assert.notEqual(error(odd), '', odd);
  });

  test('R124: an address that others can reach needs TLS and proof of the client', () => {
    const tls = '"tls":{"cert":"c","key":"k"}';
    assert.match(problemsOf({ '--listeners': '{"address":"0.0.0.0:1"}' }), /can be reached from outside/);
    assert.match(problemsOf({ '--listeners': `{"address":"0.0.0.0:1",${tls}}` }), /can be reached from outside/);
    assert.equal(problemsOf({ '--listeners': `{"address":"0.0.0.0:1",${tls},"tokenReview":true}` }), '');
    const mutual = '"tls":{"cert":"c","key":"k","clientCa":"ca"}';
    assert.equal(problemsOf({ '--listeners': `{"address":"0.0.0.0:1",${mutual}}` }), '');
    assert.match(
      problemsOf({ '--listeners': '{"address":"127.0.0.1:1","tokenReview":true}' }),
      /could be read by others/,
    );
    assert.match(
      problemsOf({ '--listeners': '{"address":"127.0.0.1:1","allow":[{"name":"x","ids":["a"]}]}' }),
      /no client can prove/,
    );
    assert.match(problemsOf({ '--listeners': '{"address":"unix:/a"},{"address":"unix:/a"}' }), /listened on twice/);
    const scoped = (scopes: string) => problemsOf({ '--listen': 'unix:/a', '--scopes': scopes });
    assert.match(scoped('{"listeners":["unix:/b"]}'), /scope 1 is for unix:\/b, which is not listened on.*unix:\/a/);
    assert.match(
      scoped('{"clientNames":["spiffe://td/ns/*/sa/x"]}'),
      /scope 1 asks for a name that no client can prove/,
    );
    assert.match(problemsOf({ '--listen-tls-cert': 'c' }), /--listen-tls-cert needs --listen-tls-key/);
    assert.match(problemsOf({ '--node-sharing': 'stream-per-node', '--node-id': 'a' }), /set one of them/);
    assert.match(problemsOf({ '--node-share-by': 'cluster' }), /needs --node-sharing shared/);
    assert.deepEqual(checkAccess(settingsOf({}), new Set()), []);
  });

  test('R123 R124: what opens more than it seems is said at start', () => {
    assert.deepEqual(accessWarnings(settingsOf({})), []);
    const scoped = (scopes: string) => accessWarnings(settingsOf({ '--listen': 'unix:/a', '--scopes': scopes })).join();
    assert.match(scoped('{}'), /^scopes go by the namespace in node ids, and on unix:\/a a client may say any node id/);
    assert.equal(scoped('{"namespaces":["a"]}'), '');
    assert.match(
      accessWarnings(settingsOf({ '--node-sharing': 'shared' })).join(),
      /^all nodes share .*Secrets included/,
    );
    const byCluster = settingsOf({ '--node-sharing': 'shared', '--node-share-by': 'cluster' });
    assert.match(accessWarnings(byCluster).join(), /^nodes that are equal in nodeShareBy share/);
    const open = settingsOf({ '--node-sharing': 'stream-per-node' });
    assert.match(
      accessWarnings(open).join(),
      /on 127\.0\.0\.1:15910 a client may say any node id .*\(setting listeners\)/,
    );
    const bound = '{"address":"unix:/a","allow":[{"ids":["a"]}]}';
    const separate = { '--node-sharing': 'stream-per-node' };
    assert.deepEqual(accessWarnings(settingsOf({ ...separate, '--listeners': bound })), []);
    const half = settingsOf({ ...separate, '--listeners': `${bound},{"address":"unix:/b"}` });
    assert.match(accessWarnings(half).join(), /^on unix:\/b a client/);
  });
});

describe('limits of a peer', () => {
  const limits = { clientStreamsPerPeerMax: 3, requestsPerSecondMax: 10, requestBurstMax: 100, namesPerPeerMax: 1_000 };

  test('R123: so many streams at once, each peer for itself', () => {
    const peers = new PeerLimits(limits);
    for (const _ of [1, 2, 3]) assert.equal(peers.opened('a', 0), undefined);
    const refused = peers.opened('a', 0);
    assert.equal(refused?.code, grpcCode.resourceExhausted);
    assert.match(refused?.message ?? '', /3 streams open already \(setting clientStreamsPerPeerMax\)/);
    assert.equal(peers.opened('b', 0), undefined);
    peers.closed('a', 0, 0);
    assert.equal(peers.opened('a', 0), undefined);
  });

  test('R123: a burst, then so many requests a second, and a reconnect does not renew it', () => {
    const peers = new PeerLimits(limits);
    peers.opened('a', 0); // Counts as ten.
    for (let at = 0; at < 90; at++) assert.equal(peers.asked('a', 0, 0), undefined, `request ${at}`);
    const refused = peers.asked('a', 0, 0);
    assert.equal(refused?.code, grpcCode.resourceExhausted);
    assert.match(refused?.message ?? '', /10 requests a second \(settings requestsPerSecondMax, requestBurstMax\)/);
    peers.closed('a', 0, 0);
    assert.ok(peers.opened('a', 0), 'it has used up its allowance');
    assert.ok(peers.opened('a', 999), 'nine requests are no stream');
    assert.equal(peers.opened('a', 1_000), undefined);
    assert.ok(peers.asked('a', 0, 1_000));
    assert.equal(peers.asked('a', 0, 1_100), undefined);
    assert.equal(peers.opened('b', 0), undefined);
  });

  test('R123: accounts of peers that are gone do not grow without end, and a debt is not forgotten for it', () => {
    const peers = new PeerLimits(limits);
    peers.opened('debtor', 0);
    while (!peers.asked('debtor', 0, 0));
    peers.closed('debtor', 0, 0);
    for (let at = 0; at < 5_000; at++) {
      peers.opened(`peer-${at}`, 0);
      peers.closed(`peer-${at}`, 0, 0);
      if (at % 500 === 0) assert.ok(peers.opened('debtor', 0), `after ${at} others`);
    }
    assert.equal(peers.opened('debtor', 60_000), undefined);
  });

  test('R123: long lists count as several requests, and changes of many names as many', () => {
    const peers = new PeerLimits(limits);
    peers.opened('a', 0);
    assert.equal(peers.asked('a', 20_000, 0), undefined);
    assert.equal(peers.changed('a', 500, 3_900, 0), undefined);
    assert.ok(peers.asked('a', 2_000, 0), 'ten for the stream, eleven for the list, 78 for the change, one is left');
    assert.equal(peers.asked('a', 1_999, 0), undefined);
    assert.ok(peers.changed('a', 0, 50, 0));
  });

  test('R123: the names of all its streams are counted together, and given back with each', () => {
    const peers = new PeerLimits(limits);
    for (const names of [400, 300]) {
      peers.opened('a', 0);
      peers.changed('a', names, 0, 0);
    }
    assert.equal(peers.namesRoom('a'), 300);
    peers.changed('a', -100, 0, 0);
    peers.closed('a', 300, 0);
    assert.equal(peers.namesRoom('a'), 700);
    assert.equal(peers.namesRoom('b'), 1_000);
  });
});

describe('places of several listeners', () => {
  test('R123: one may have what the others do not need, and never what is their share', () => {
    const places = new FairShares(10, ['a', 'b']);
    let taken = 0;
    while (places.take('a')) taken++;
    assert.equal(taken, 5);
    for (let at = 0; at < 5; at++) assert.ok(places.take('b'), `place ${at}`);
    assert.equal(places.take('b'), false);
    for (let at = 0; at < 3; at++) places.giveBack('a');
    assert.equal(places.take('b'), false, 'it is a’s share');
    for (let at = 0; at < 3; at++) assert.ok(places.take('a'));
  });

  test('R123: one alone has all of it', () => {
    const places = new FairShares(3, ['a']);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => places.take('a')),
      [true, true, true, false],
    );
    places.giveBack('a');
    assert.ok(places.take('a'));
    assert.ok(new FairShares(1, []).take('anybody'));
  });

  test('R123: an uneven share leaves the rest to whoever comes', () => {
    const places = new FairShares(11, ['a', 'b']);
    for (let at = 0; at < 6; at++) assert.ok(places.take('a'), `place ${at}`);
    assert.equal(places.take('a'), false);
    places.giveBack('a');
    places.giveBack('a');
    for (let at = 0; at < 6; at++) assert.ok(places.take('b'), `place ${at}`);
    assert.equal(places.take('b'), false);
    assert.ok(places.take('a'));
  });
});
