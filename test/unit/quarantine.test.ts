import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { givenNow, notesOf, payloadsOf, restartedOffline, starting, upstreamReturns } from '../support/answers.ts';
import { CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

// What every client rejects, and what is served in its place (R102).

const variants: readonly Variant[] = ['sotw', 'delta'];

/** A client of all clusters, which upstream sends with payload 1; it has accepted them unless told otherwise. */
function holding(
  harness: CoreHarness,
  names: readonly string[] = ['a', 'b'],
  kinds: readonly Variant[] = ['delta'],
): HarnessClient[] {
  const clients = kinds.map((variant, at) => harness.client(variant, `n${at}`));
  for (const client of clients) client.send({ typeUrl: clusterType });
  harness.respond(clusterType, { resources: resources(clusterType, names) });
  harness.advance(1_000);
  for (const client of clients) client.ack(client.only(clusterType));
  harness.advance(1_000);
  harness.requests.length = 0;
  return clients;
}

/** Upstream changes these names to a payload; in SotW the whole list is given. */
function push(harness: CoreHarness, names: readonly string[], payload = 2, rest: readonly string[] = []): string {
  const others = harness.upstream?.variant === 'sotw' ? resources(clusterType, rest) : [];
  return harness.respond(clusterType, { resources: [...resources(clusterType, names, payload), ...others] });
}

function reject(client: HarnessClient, words: string): void {
  client.send({ typeUrl: clusterType, nonce: client.only(clusterType).nonce, error: words });
}

describe('quarantine', () => {
  for (const upstream of variants) {
    for (const variant of variants) {
      test(`R102: ${upstream} upstream, ${variant} clients: who starts gets the last good content of what all rejected`, () => {
        const harness = new CoreHarness({ variant: upstream });
        const [client] = holding(harness, ['a', 'b'], [variant]);
        assert.ok(client);
        push(harness, ['b'], 2, ['a']);
        reject(client, 'b: bad');
        harness.advance(5_000);
        assert.deepEqual(client.inbox, [], 'R97: who rejected it is left alone');
        for (const kind of variants) assert.deepEqual(givenNow(harness, kind), { a: 1, b: 1 });
        assert.deepEqual(
          notesOf(harness, 'quarantined').map(({ names, isNamed, words }) => ({ names, isNamed, words })),
          [{ names: ['b'], isNamed: true, words: 'node n0: b: bad' }],
        );
      });
    }

    test(`R102: ${upstream} upstream: other content releases it, also the good one again`, () => {
      for (const payload of [1, 3]) {
        const harness = new CoreHarness({ variant: upstream });
        const [client] = holding(harness);
        assert.ok(client);
        push(harness, ['b'], 2, ['a']);
        reject(client, 'b: bad');
        push(harness, ['b'], payload, ['a']);
        // The good one again is sent, too: some client may hold the content in between.
        const told = client.take(clusterType).map(payloadsOf);
        assert.deepEqual(told, [{ b: payload }], 'the repair reaches who rejected');
        assert.deepEqual(givenNow(harness), { a: 1, b: payload });
        const [view] = harness.core.views();
        assert.equal(view?.types.get(clusterType)?.store.quarantined.size, 0);
      }
    });

    test(`R102: ${upstream} upstream: a removal ends it, and the name does not come back`, () => {
      const harness = new CoreHarness({ variant: upstream });
      const [client] = holding(harness);
      assert.ok(client);
      push(harness, ['b'], 2, ['a']);
      reject(client, 'b: bad');
      if (upstream === 'delta') harness.respond(clusterType, { removed: ['b'] });
      else harness.respond(clusterType, { resources: resources(clusterType, ['a']) });
      harness.advance(1_000);
      assert.deepEqual(client.only(clusterType).removed, ['b']);
      assert.deepEqual(givenNow(harness), { a: 1 });
    });
  }

  for (const order of ['the one that rejects answers first', 'the one that accepts answers first']) {
    test(`T7 R102: of two clients one rejects: nothing is rolled back (${order})`, () => {
      const harness = new CoreHarness();
      const [bad, good] = holding(harness, ['a', 'b'], ['delta', 'delta']);
      assert.ok(bad && good);
      push(harness, ['b']);
      if (order.includes('rejects')) {
        reject(bad, 'b: bad');
        good.ack(good.only(clusterType));
      } else {
        good.ack(good.only(clusterType));
        reject(bad, 'b: bad');
      }
      harness.advance(60_000);
      assert.deepEqual([bad.inbox, good.inbox], [[], []], 'nobody is sent anything again');
      for (const kind of variants) assert.deepEqual(givenNow(harness, kind), { a: 1, b: 2 }, 'a third client');
      assert.deepEqual(notesOf(harness, 'quarantined'), []);
    });
  }

  test('T7 R102: while the other has not answered nothing is judged, at most for the wait', () => {
    const harness = new CoreHarness();
    const [bad, slow] = holding(harness, ['a', 'b'], ['delta', 'delta']);
    assert.ok(bad && slow);
    push(harness, ['b']);
    const unanswered = slow.only(clusterType);
    reject(bad, 'b: bad');
    harness.advance(999);
    assert.deepEqual(givenNow(harness), { a: 1, b: 2 });
    harness.advance(1);
    assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
    slow.ack(unanswered);
    assert.deepEqual(givenNow(harness), { a: 1, b: 2 }, 'released by the ACK of another client');
    harness.advance(60_000);
    assert.ok(slow.inbox.every(one => one.removed.length === 0));
  });

  test('R102: upstream takes back what one rejected while another was still at it: that one, too, ends with what upstream has', () => {
    const harness = new CoreHarness();
    const [bad, slow] = holding(harness, ['a', 'b'], ['delta', 'delta']);
    assert.ok(bad && slow);
    push(harness, ['b']);
    const unanswered = slow.only(clusterType);
    reject(bad, 'b: bad');
    harness.advance(1_000);
    push(harness, ['b'], 1);
    slow.ack(unanswered);
    harness.advance(5_000);
    assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
    const [repair] = slow.take(clusterType);
    assert.ok(repair, 'it holds payload 2, and upstream has payload 1');
    assert.deepEqual(payloadsOf(repair), { b: 1 });
  });

  test('R102: a third client that starts meanwhile may accept what another rejected, and so release it', () => {
    const harness = new CoreHarness();
    const [bad] = holding(harness);
    assert.ok(bad);
    const third = harness.client('delta', 'third');
    third.isReading = false;
    third.send({ typeUrl: clusterType });
    third.ack(third.only(clusterType));
    push(harness, ['b']);
    third.read();
    const sent = third.only(clusterType);
    reject(bad, 'b: bad');
    harness.advance(2_000);
    assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
    third.ack(sent);
    assert.deepEqual(givenNow(harness), { a: 1, b: 2 });
  });

  test('R102: an ACK of the good content that was given in its place releases nothing', () => {
    const harness = new CoreHarness();
    const [bad] = holding(harness);
    assert.ok(bad);
    push(harness, ['b']);
    reject(bad, 'b: bad');
    for (const kind of variants) {
      const cold = starting(harness, kind);
      const sent = cold.only(clusterType);
      assert.deepEqual(payloadsOf(sent), { a: 1, b: 1 });
      cold.ack(sent);
      harness.advance(2_000);
      assert.deepEqual(cold.inbox, []);
      assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
    }
  });

  test('R102: the words narrow it: what they do not name is taken at its word', () => {
    const harness = new CoreHarness();
    const [client] = holding(harness, ['a', 'b', 'c']);
    assert.ok(client);
    push(harness, ['a', 'b']);
    reject(client, "cluster 'b' is bad");
    assert.deepEqual(givenNow(harness), { a: 2, b: 1, c: 1 });
  });

  test('R102: without a name all that was news in the message is suspect, and nothing else', () => {
    const harness = new CoreHarness();
    const [client] = holding(harness, ['a', 'b', 'c']);
    assert.ok(client);
    push(harness, ['a', 'b']);
    reject(client, 'something is wrong');
    assert.deepEqual(givenNow(harness), { a: 1, b: 1, c: 1 });
    assert.equal(notesOf(harness, 'quarantined')[0]?.isNamed, false);
  });

  test('R102: a client that lists in SotW accuses what changed, not what it accepted before', () => {
    const harness = new CoreHarness();
    const [client] = holding(harness, ['a', 'b'], ['sotw']);
    assert.ok(client);
    push(harness, ['b']);
    reject(client, 'a: bad, b: bad');
    assert.deepEqual(notesOf(harness, 'quarantined')[0]?.names, ['b']);
    assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
  });

  test('R102: a list that is rejected again over what was rejected before accuses nothing new in it', () => {
    const harness = new CoreHarness();
    const [list, other] = holding(harness, ['a', 'b'], ['sotw', 'sotw']);
    assert.ok(list && other);
    const words = "cluster 'b' is bad";
    push(harness, ['b']);
    push(harness, ['a']);
    for (const { nonce } of list.take(clusterType)) list.send({ typeUrl: clusterType, nonce, error: words });
    other.send({ typeUrl: clusterType, nonce: other.take(clusterType).at(-1)?.nonce ?? '', error: words });
    assert.deepEqual(
      notesOf(harness, 'quarantined').flatMap(note => note.names),
      ['b'],
    );
    assert.deepEqual(givenNow(harness), { a: 2, b: 1 });
  });

  test('R102: without a good content and unnamed it is served all the same: a refusal of everything would empty the set', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta', 'n0');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(500);
    reject(client, 'something is wrong');
    harness.advance(5_000);
    for (const kind of variants) assert.deepEqual(givenNow(harness, kind), { a: 1, b: 1 });
  });

  test('R102: without a good content and named it is left out; a first sync of thousands with one bad one serves the others', () => {
    const harness = new CoreHarness();
    const names = Array.from({ length: 2_000 }, (_, at) => `c${at}`);
    const client = harness.client('delta', 'n0');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, names) });
    harness.advance(500);
    reject(client, 'Error adding/updating cluster(s) c77: bad');
    for (const kind of variants) {
      const cold = starting(harness, kind);
      assert.deepEqual(namesOf(cold.only(clusterType)), names.filter(name => name !== 'c77').sort());
      cold.leave();
    }
  });

  test('R102: the last one is never left out: a quarantine empties no set', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta', 'n0');
    client.send({ typeUrl: clusterType });
    harness.respond(clusterType, { resources: resources(clusterType, ['a', 'b']) });
    harness.advance(500);
    reject(client, 'a: bad, b: bad');
    harness.advance(5_000);
    for (const kind of variants) assert.equal(Object.keys(givenNow(harness, kind) ?? {}).length, 1);
  });

  test('R102: for a name that was asked for the good content is given, too', () => {
    const harness = new CoreHarness();
    const client = harness.client('delta', 'n0');
    client.send({ typeUrl: endpointType, names: ['e'] });
    harness.respond(endpointType, { resources: resources(endpointType, ['e']) });
    client.ack(client.only(endpointType));
    harness.respond(endpointType, { resources: resources(endpointType, ['e'], 2) });
    client.send({ typeUrl: endpointType, nonce: client.only(endpointType).nonce, error: 'bad' });
    for (const kind of variants) {
      const cold = harness.client(kind, 'cold');
      cold.send({ typeUrl: endpointType, names: ['e'] });
      assert.deepEqual(payloadsOf(cold.only(endpointType)), { e: 1 });
    }
  });

  test('R102: in Delta a new version of the same content is another push: it is tried again', () => {
    const harness = new CoreHarness();
    const [client] = holding(harness);
    assert.ok(client);
    push(harness, ['b']);
    reject(client, 'b: bad');
    const [again] = resources(clusterType, ['b'], 2);
    assert.ok(again);
    harness.respond(clusterType, { resources: [{ ...again, version: '' }] });
    assert.deepEqual(givenNow(harness), { a: 1, b: 1 }, 'no version says nothing');
    harness.respond(clusterType, { resources: [{ ...again, version: 'pushed again' }] });
    assert.deepEqual(givenNow(harness), { a: 1, b: 2 });
  });

  for (const variant of variants) {
    test(`R102 R130: a ${variant} upstream that sends it again is told again, later each time`, () => {
      const harness = new CoreHarness({ variant });
      const [client] = holding(harness, ['a', 'b'], ['sotw']);
      assert.ok(client);
      push(harness, ['b'], 2, ['a']);
      reject(client, 'b: bad');
      const toldAtMs: number[] = [];
      const endMs = harness.nowMs + 120_000;
      while (harness.nowMs < endMs) {
        for (const { nonce, error } of harness.asked(clusterType)) {
          if (nonce === '' || error === undefined) continue;
          assert.match(error, /^node n0: b: bad$/);
          toldAtMs.push(harness.nowMs);
          push(harness, ['b'], 2, ['a']);
        }
        harness.advance(100);
      }
      const gaps = toldAtMs.slice(1).map((at, index) => at - (toldAtMs[index] ?? 0));
      assert.ok(gaps.length >= 3, `${toldAtMs}`);
      for (const [at, gap] of gaps.entries()) assert.ok(gap >= (gaps[at - 1] ?? 0) * 0.9, `${gaps}`);
      assert.ok((gaps.at(-1) ?? 0) >= 4 * Math.max(gaps[0] ?? 0, 100), `${gaps}`);
      assert.deepEqual(client.inbox, [], 'R97');
      assert.deepEqual(givenNow(harness), { a: 1, b: 1 });
    });

    test(`R102: a ${variant} upstream that sends it beside something new is refused, too, and the new is served`, () => {
      const harness = new CoreHarness({ variant });
      const [client] = holding(harness);
      assert.ok(client);
      push(harness, ['b'], 2, ['a']);
      reject(client, 'b: bad');
      harness.requests.length = 0;
      const nonce = harness.respond(clusterType, {
        resources: [...resources(clusterType, ['a'], 3), ...resources(clusterType, ['b'], 2)],
      });
      client.ack(client.only(clusterType));
      harness.advance(60_000);
      const answers = harness.asked(clusterType).filter(one => one.nonce === nonce);
      assert.match(answers.map(one => one.error ?? '').join(), /b: bad/);
      assert.deepEqual(givenNow(harness), { a: 3, b: 1 });
    });
  }

  for (const variant of variants) {
    test(`R102 R106: ${variant} upstream: it survives a restart: good content offline, and upstream hears of it again`, () => {
      const disk = new MemoryDisk();
      const before = new CoreHarness({ variant }, disk);
      const [client] = holding(before);
      assert.ok(client);
      push(before, ['b'], 2, ['a']);
      reject(client, 'b: bad');
      const after = restartedOffline(disk, { variant });
      for (const kind of variants) assert.deepEqual(givenNow(after, kind), { a: 1, b: 1 });
      upstreamReturns(after);
      const [asked] = after.asked(clusterType);
      if (variant === 'delta') assert.equal(asked?.initialVersions.get('b'), '2', 'R107: what upstream sent last');
      const nonce = push(after, ['b'], 2, ['a']);
      after.advance(2_000);
      const [answer] = after.asked(clusterType).filter(one => one.nonce === nonce);
      assert.match(answer?.error ?? '', /b: bad/);
      for (const kind of variants) assert.deepEqual(givenNow(after, kind), { a: 1, b: 1 });
      push(after, ['b'], 3, ['a']);
      assert.deepEqual(givenNow(after), { a: 1, b: 3 }, 'what repairs it is served');
    });
  }

  test('R102: left out survives a restart, and a repair after it is served', () => {
    const disk = new MemoryDisk();
    const before = new CoreHarness({}, disk);
    const client = before.client('delta', 'n0');
    client.send({ typeUrl: clusterType });
    before.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
    before.advance(500);
    reject(client, 'b: bad');
    before.advance(1_000);
    const after = restartedOffline(disk);
    for (const kind of variants) assert.deepEqual(givenNow(after, kind), { a: 1, c: 1 });
    upstreamReturns(after);
    push(after, ['b'], 4);
    assert.deepEqual(givenNow(after), { a: 1, b: 4, c: 1 });
  });

  test('R102: what nobody had judged at a crash is served afterwards, and its good content is not forgotten', () => {
    const disk = new MemoryDisk();
    const before = new CoreHarness({}, disk);
    const [client] = holding(before);
    assert.ok(client);
    push(before, ['b']);
    before.advance(2_000);
    const after = restartedOffline(disk);
    const cold = starting(after);
    assert.deepEqual(payloadsOf(cold.only(clusterType)), { a: 1, b: 2 });
    cold.leave();
    const second = starting(after);
    reject(second, 'b: bad');
    after.advance(2_000);
    second.leave();
    assert.deepEqual(givenNow(after), { a: 1, b: 1 });
  });

  test('R102 R90: a returning SotW client keeps what it has of a name that is left out for those that start', () => {
    const disk = new MemoryDisk();
    const before = new CoreHarness({}, disk);
    const client = before.client('sotw', 'n0');
    client.send({ typeUrl: clusterType });
    before.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
    before.advance(500);
    reject(client, 'b: bad');
    before.advance(1_000);
    for (const harness of [before, restartedOffline(disk)]) {
      const back = harness.client('sotw', 'back');
      back.send({ typeUrl: clusterType, version: 'of another life' });
      assert.ok(namesOf(back.only(clusterType)).includes('b'), 'a list without it would take it away');
      assert.deepEqual(givenNow(harness, 'sotw'), { a: 1, c: 1 });
    }
  });

  test('R102 R93: a returning Delta client is not told that a name is gone that is left out for those that start', () => {
    const disk = new MemoryDisk();
    const before = new CoreHarness({}, disk);
    const client = before.client('delta', 'n0');
    client.send({ typeUrl: clusterType });
    before.respond(clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
    before.advance(500);
    reject(client, 'b: bad');
    before.advance(1_000);
    const after = restartedOffline(disk);
    upstreamReturns(after);
    for (const harness of [before, after]) {
      const back = harness.client('delta', 'back');
      const initialVersions = new Map(['a', 'b', 'c'].map(name => [name, '0']));
      back.send({ typeUrl: clusterType, initialVersions });
      harness.advance(20_000);
      assert.deepEqual(
        back.take(clusterType).flatMap(one => one.removed),
        [],
      );
    }
  });
});
