import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readMeshResource } from '../../src/istio/mesh-resource.ts';
import { type CollectionLimits, CollectionReader, type Step } from '../../src/source/kubernetes-collection.ts';
import { configMapCollection, kindCollections, kindTable, meshConfigTable } from '../../src/source/kubernetes-kinds.ts';
import { kubernetesDefaults } from '../../src/source/kubernetes-settings.ts';
import type { SourceEvent } from '../../src/source/source-events.ts';
import { Troubles } from '../../src/source/troubles.ts';
import { gateway, istioKind } from '../support/kubernetes-objects.ts';
import { describeEvent } from '../support/source-log.ts';

const kind = istioKind('Gateway');
const limits: CollectionLimits = {
  ...kubernetesDefaults,
  pageSize: 2,
  resyncMs: 1_800_000,
  backoffMinMs: 1000,
  backoffMaxMs: 8000,
};

interface Setup {
  readonly namespaces?: readonly string[];
  readonly limits?: Partial<CollectionLimits>;
  /** Always the same draw: 0.5 makes a delay half of its bound. */
  readonly random?: number;
}

/** Readers of Gateways, one for each namespace, on a clock that the test moves. */
class World {
  nowMs = 1_000_000;
  readonly #events: SourceEvent[] = [];
  readonly readers: readonly CollectionReader[];

  constructor({ namespaces = ['shop'], limits: other = {}, random = 0.5 }: Setup = {}) {
    const tell = (event: SourceEvent): void => void this.#events.push(event);
    const general = new Troubles(undefined, tell);
    const troubles = new Troubles(kind, tell);
    const all = { ...limits, ...other };
    const table = kindTable(kind, namespaces, all.objectsMax, troubles, tell);
    this.readers = kindCollections(kind, namespaces).map(
      collection => new CollectionReader(collection, table, troubles, general, all, () => random),
    );
  }

  reader(at = 0): CollectionReader {
    const reader = this.readers[at];
    assert.ok(reader);
    return reader;
  }

  /** What was told since the last call, in words. */
  told(): string[] {
    return this.#events.splice(0).map(words);
  }

  step(at = 0): Step {
    return this.reader(at).next(this.nowMs);
  }

  /** Answers the list that is asked for. */
  list(page: { objects?: readonly unknown[]; version?: string; next?: string; at?: number }): void {
    const { objects = [], version = '10', next, at = 0 } = page;
    assert.equal(this.step(at).kind, 'list');
    this.reader(at).listAnswered(this.nowMs, answer(200, listOf(objects, version, next)));
  }

  /** Refuses what is asked for. */
  refuse(
    status: number,
    { message = 'no', retryAfterMs, at = 0 }: { message?: string; retryAfterMs?: number; at?: number } = {},
  ): void {
    const step = this.step(at);
    const refusal = { ...answer(status, { kind: 'Status', message }), retryAfterMs };
    if (step.kind === 'list') this.reader(at).listAnswered(this.nowMs, refusal);
    else {
      assert.equal(step.kind, 'watch');
      assert.equal(this.reader(at).watchAnswered(this.nowMs, refusal), false);
    }
  }

  open(at = 0): void {
    assert.equal(this.step(at).kind, 'watch');
    assert.equal(this.reader(at).watchAnswered(this.nowMs, answer(200, '')), true);
  }

  /** Lines of the watch, as they would come in one piece. */
  lines(...events: readonly (readonly [type: string, object: unknown])[]): boolean {
    return this.reader().watchLines(this.nowMs, events.map(line));
  }

  /** Passes the delay that a failure brought. @returns it */
  pass(at = 0): number {
    const step = this.step(at);
    assert.equal(step.kind, 'wait');
    if (step.kind !== 'wait') return 0;
    this.nowMs += step.ms;
    return step.ms;
  }

  /** A namespace that is listed and watched. */
  watching(objects: readonly unknown[] = [gateway('a', 1)]): this {
    this.list({ objects });
    this.open();
    this.told();
    return this;
  }
}

function answer(status: number, body: unknown) {
  return { status, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), retryAfterMs: undefined };
}

function listOf(items: readonly unknown[], resourceVersion: string, next?: string): unknown {
  return { kind: 'GatewayList', metadata: { resourceVersion, ...(next && { continue: next }) }, items };
}

function line([type, object]: readonly [string, unknown]): Buffer {
  return Buffer.from(JSON.stringify({ type, object }));
}

function bookmark(version: string): [string, unknown] {
  return ['BOOKMARK', { kind: 'Gateway', metadata: { resourceVersion: version } }];
}

function words(event: SourceEvent): string {
  if (event.kind !== 'mesh_config' || event.any === undefined) return describeEvent(event);
  return `mesh config ${JSON.stringify(readMeshResource('core/v1alpha1/MeshConfig', event.any))}`;
}

/** A single text that was told, which must be trouble. */
function onlyTrouble(told: readonly string[]): string {
  assert.equal(told.length, 1, told.join('\n'));
  assert.match(told[0] ?? '', / trouble: /);
  return told[0] ?? '';
}

describe('a collection of Kubernetes', () => {
  test('a list is told when its last page is there, and asked for page by page', () => {
    const world = new World();
    assert.deepEqual(world.step(), {
      kind: 'list',
      path: '/apis/networking.istio.io/v1/namespaces/shop/gateways?limit=2',
    });
    world.list({ objects: [gateway('a', 1), gateway('b', 2)], next: 'to/ken=' });
    assert.deepEqual(world.told(), []);
    assert.deepEqual(world.step(), {
      kind: 'list',
      path: '/apis/networking.istio.io/v1/namespaces/shop/gateways?limit=2&continue=to%2Fken%3D',
    });
    world.list({ objects: [gateway('c', 3)] });
    assert.deepEqual(world.told(), ['Gateway whole shop/a@1 shop/b@2 shop/c@3']);
  });

  test('an empty list is an answer as well, also where Go writes null', () => {
    const world = new World();
    world.reader().listAnswered(world.nowMs, answer(200, { metadata: { resourceVersion: '1' }, items: null }));
    assert.deepEqual(world.told(), ['Gateway whole']);
  });

  test('a kind in several namespaces is told when each of them was listed', () => {
    const world = new World({ namespaces: ['shop', 'bank'] });
    world.list({ objects: [gateway('a', 1)] });
    world.open();
    assert.equal(world.lines(['ADDED', gateway('b', 11)]), true);
    world.refuse(403, { at: 1 });
    assert.match(onlyTrouble(world.told()), /Gateway of namespace bank cannot be read/);
    world.pass(1);
    world.list({ objects: [gateway('a', 4, { namespace: 'bank' })], at: 1 });
    assert.deepEqual(world.told(), ['Gateway whole shop/a@1 shop/b@11 bank/a@4']);
    world.lines(['MODIFIED', gateway('a', 12, { port: 81 })]);
    assert.deepEqual(world.told(), ['Gateway changed shop/a@12']);
  });

  test('all namespaces are one list over the cluster', () => {
    const world = new World({ namespaces: [''] });
    assert.deepEqual(world.step(), { kind: 'list', path: '/apis/networking.istio.io/v1/gateways?limit=2' });
    world.list({ objects: [gateway('a', 1), gateway('a', 2, { namespace: 'bank' })] });
    assert.deepEqual(world.told(), ['Gateway whole shop/a@1 bank/a@2']);
  });

  test('a watch begins where the list was, and goes on from the last event or bookmark', () => {
    const world = new World().watching();
    const first = world.step();
    assert.ok(first.kind === 'watch');
    assert.match(first.path, /gateways\?watch=1&allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds=450$/);
    world.lines(['ADDED', gateway('b', 11)]);
    world.reader().watchEnded(world.nowMs);
    assert.match(path(world.step()), /resourceVersion=11&/);
    world.open();
    world.lines(bookmark('15'));
    world.reader().watchEnded(world.nowMs);
    assert.match(path(world.step()), /resourceVersion=15&/);
    assert.deepEqual(world.told(), ['Gateway changed shop/b@11']);
  });

  test('what is told twice is no change, and what came in one piece is one change', () => {
    const world = new World().watching();
    world.lines(['ADDED', gateway('a', 1)]);
    assert.deepEqual(world.told(), []);
    world.lines(
      ['MODIFIED', gateway('a', 11, { port: 81 })],
      ['ADDED', gateway('b', 12)],
      ['MODIFIED', gateway('a', 13, { port: 82 })],
      ['DELETED', gateway('b', 14)],
    );
    assert.deepEqual(world.told(), ['Gateway changed shop/a@13']);
    world.lines(['DELETED', gateway('a', 15)], ['DELETED', gateway('c', 16)]);
    assert.deepEqual(world.told(), ['Gateway changed -shop/a']);
  });

  test('a new status is no change, a new label is one', () => {
    const world = new World().watching();
    world.lines(['MODIFIED', gateway('a', 11, { status: { observedGeneration: 1 } })]);
    assert.deepEqual(world.told(), []);
    const labelled = gateway('a', 12);
    labelled['metadata'] = { name: 'a', namespace: 'shop', resourceVersion: '12', labels: { of: 'mine' } };
    world.lines(['MODIFIED', labelled]);
    assert.deepEqual(world.told(), ['Gateway changed shop/a@12']);
  });

  test('410 on a page begins the list anew: once at once, then after a delay', () => {
    const world = new World();
    world.list({ objects: [gateway('a', 1), gateway('b', 2)], next: 'old' });
    world.refuse(410);
    assert.match(path(world.step()), /gateways\?limit=2$/);
    world.list({ objects: [gateway('a', 1), gateway('b', 2)], next: 'old' });
    world.refuse(410);
    assert.equal(world.pass(), 500);
    world.list({ objects: [gateway('c', 3)] });
    assert.deepEqual(world.told(), ['Gateway whole shop/c@3']);
  });

  for (const how of ['an event', 'a status']) {
    test(`410 on a watch by ${how} lists again, told as a whole`, () => {
      const world = new World().watching([gateway('a', 1), gateway('b', 2)]);
      if (how === 'an event')
        assert.equal(world.lines(['ADDED', gateway('c', 11)], ['ERROR', { code: 410, message: 'too old' }]), false);
      else {
        world.reader().watchEnded(world.nowMs);
        world.pass();
        world.refuse(410);
      }
      world.told();
      world.list({ objects: [gateway('b', 2), gateway('d', 20)], version: '30' });
      assert.deepEqual(world.told(), ['Gateway whole shop/b@2 shop/d@20']);
      assert.match(path(world.step()), /resourceVersion=30&/);
    });
  }

  test('a version that is always too old is asked for with delays', () => {
    const world = new World().watching();
    const delays: number[] = [];
    for (let round = 0; round < 6; round++) {
      world.lines(['ERROR', { code: 410 }]);
      if (world.step().kind === 'wait') delays.push(world.pass());
      world.list({ objects: [gateway('a', 1)] });
      world.open();
    }
    assert.deepEqual(delays, [500, 1000, 2000, 4000, 4000]);
  });

  test('after 410 everything is told as a whole, also when the list fails at first', () => {
    const world = new World().watching();
    world.lines(['ERROR', { code: 410 }]);
    world.refuse(403);
    onlyTrouble(world.told());
    world.pass();
    world.list({ objects: [gateway('a', 1)] });
    assert.deepEqual(world.told(), ['Gateway whole shop/a@1']);
  });

  test('from time to time it lists again and tells the differences only', () => {
    const world = new World({ limits: { resyncMs: 60_000 } }).watching([gateway('a', 1), gateway('b', 2)]);
    world.nowMs += 59_000;
    const step = world.step();
    assert.ok(step.kind === 'watch' && step.ms === 1000 && /timeoutSeconds=1$/.test(step.path), JSON.stringify(step));
    world.nowMs += 1_000;
    world.list({ objects: [gateway('a', 1), gateway('c', 3)] });
    assert.deepEqual(world.told(), ['Gateway changed shop/c@3 -shop/b']);
    world.nowMs += 60_000;
    world.list({ objects: [gateway('a', 1), gateway('c', 3)] });
    assert.deepEqual(world.told(), []);
  });

  test('watches that end at once and bring nothing are opened with delays, without trouble', () => {
    const world = new World().watching();
    const delays = [1, 2, 3].map(() => {
      world.reader().watchEnded(world.nowMs);
      const ms = world.pass();
      world.open();
      return ms;
    });
    assert.deepEqual(delays, [500, 1000, 2000]);
    world.nowMs += 5_000;
    world.reader().watchEnded(world.nowMs);
    world.open();
    world.reader().watchEnded(world.nowMs);
    assert.equal(world.pass(), 500);
    assert.deepEqual(world.told(), []);
  });
});

describe('an object of Kubernetes that is refused', () => {
  test('stays as it was when it was good, and is told once with its path', () => {
    const world = new World().watching();
    world.lines(['MODIFIED', gateway('a', 11, { port: 'eighty' })], ['ADDED', gateway('b', 12)]);
    const told = world.told();
    assert.equal(told[1], 'Gateway changed shop/b@12');
    assert.match(
      told[0] ?? '',
      /^Gateway trouble: Gateway shop\/a is refused: spec\.servers\[0\]\.port\.number: .*; it is served as it was before$/,
    );
    world.lines(['MODIFIED', gateway('a', 13, { port: 'eighty' })]);
    assert.deepEqual(world.told(), []);
    world.lines(['ERROR', { code: 410 }]);
    world.list({ objects: [gateway('a', 13, { port: 'eighty' }), gateway('b', 12)] });
    assert.deepEqual(world.told(), ['Gateway whole shop/a@1 shop/b@12']);
    world.open();
    world.lines(['MODIFIED', gateway('a', 14, { port: 90 })]);
    assert.deepEqual(world.told(), ['Gateway recovered', 'Gateway changed shop/a@14']);
  });

  test('is left out when it never was good, and the others are told', () => {
    const world = new World();
    world.list({ objects: [gateway('a', 1), gateway('bad', 2, { port: [] })] });
    const told = world.told();
    assert.match(told[0] ?? '', /Gateway shop\/bad is refused: .*; it is left out until it is mended$/);
    assert.equal(told[1], 'Gateway whole shop/a@1');
    world.open();
    world.lines(['DELETED', gateway('bad', 11, { port: [] })]);
    assert.deepEqual(world.told(), ['Gateway recovered']);
  });

  test('goes when it is deleted, and is not inherited by one of its name', () => {
    const world = new World().watching();
    world.lines(['DELETED', gateway('a', 11)], ['ADDED', gateway('a', 12, { port: {} })]);
    const told = world.told();
    assert.equal(told[0], 'Gateway changed -shop/a');
    assert.match(told[1] ?? '', /it is left out/);
    assert.equal(told.length, 2);
  });

  test('is the last word when another one is mended at the same moment', () => {
    const world = new World();
    world.list({ objects: [gateway('a', 1, { port: 'no' }), gateway('b', 2, { port: 'no' }), gateway('c', 3)] });
    world.open();
    world.told();
    world.lines(['MODIFIED', gateway('c', 11, { port: 'no' })], ['MODIFIED', gateway('a', 12)]);
    const told = world.told();
    assert.match(told[0] ?? '', /Gateway shop\/c is refused/);
    assert.deepEqual(told.slice(1), ['Gateway changed shop/a@12']);
    world.lines(['MODIFIED', gateway('c', 13)]);
    assert.match(world.told()[0] ?? '', /Gateway shop\/b is refused/);
  });

  test('does not fill the log when there are many of them', () => {
    const world = new World();
    world.list({ objects: Array.from({ length: 50 }, (_, at) => gateway(`g-${at}`, at + 1, { port: 'no' })) });
    const told = world.told();
    assert.equal(told.length, 12);
    assert.match(told[10] ?? '', /40 more troubles/);
    world.open();
    world.lines(
      ...Array.from({ length: 49 }, (_, at): [string, unknown] => ['MODIFIED', gateway(`g-${at}`, at + 100)]),
    );
    assert.match(world.told()[0] ?? '', /trouble: Gateway shop\/g-49 is refused/);
  });

  test('names what is too large for it, in lists and in watches', () => {
    const large = (version: number) => gateway('large', version, { spec: { servers: [{ name: 'x'.repeat(3000) }] } });
    const world = new World({ limits: { objectBytesMax: 2000 } });
    world.list({ objects: [gateway('a', 1), large(2)] });
    assert.match(
      world.told()[0] ?? '',
      /Gateway shop\/large is refused: it has \d+ bytes, the most is 2000 \(--object-bytes-max\)/,
    );
    world.open();
    world.lines(['MODIFIED', { ...large(3), metadata: { name: 'a', namespace: 'shop', resourceVersion: '3' } }]);
    assert.match(onlyTrouble(world.told()), /Gateway shop\/a is refused: it has .*; it is served as it was before$/);
    world.lines(['MODIFIED', gateway('a', 4)]);
    world.told();
    world.lines(['DELETED', large(5)], ['ADDED', large(6)]);
    const told = world.told();
    assert.equal(told[0], 'Gateway recovered');
    assert.match(told[1] ?? '', /the most is 2000/);
  });
});

describe('what cannot be read of Kubernetes', () => {
  test('a version that is not served is looked for among the older ones, then told, then looked for again', () => {
    const world = new World();
    const versions: (string | undefined)[] = [];
    for (let round = 0; round < 3; round++) {
      versions.push(/networking\.istio\.io\/(\w+)\//.exec(path(world.step()))?.[1]);
      world.refuse(404);
    }
    assert.deepEqual(versions, ['v1', 'v1beta1', 'v1alpha3']);
    assert.match(
      onlyTrouble(world.told()),
      /does not serve it \(404: no\); install Istio's CRDs \(gateways\.networking\.istio\.io in v1 or v1beta1 or v1alpha3\)/,
    );
    world.pass();
    world.refuse(404);
    assert.match(path(world.step()), /\/v1beta1\//);
    world.list({ objects: [gateway('a', 1, { apiVersion: 'networking.istio.io/v1beta1' })] });
    world.open();
    assert.deepEqual(world.told(), ['Gateway whole shop/a@1', 'Gateway recovered']);
    assert.match(path(world.step()), /\/v1beta1\//);
  });

  test('403 is told once with the rule that is missing, retried with growing delays, and over with the watch', () => {
    const world = new World();
    const delays: number[] = [];
    for (let round = 0; round < 6; round++) {
      world.refuse(403, { message: 'gateways is forbidden' });
      delays.push(world.pass());
    }
    assert.deepEqual(delays, [500, 1000, 2000, 4000, 4000, 4000]);
    assert.match(
      onlyTrouble(world.told()),
      /refuses list \(403: gateways is forbidden\); allow Weir's account get, list and watch on gateways\.networking\.istio\.io in namespace shop; until then/,
    );
    world.list({ objects: [gateway('a', 1)] });
    assert.deepEqual(world.told(), ['Gateway whole shop/a@1']);
    world.refuse(403);
    assert.match(onlyTrouble(world.told()), /refuses watch/);
    world.pass();
    world.list({ objects: [gateway('a', 1)] });
    assert.deepEqual(world.told(), []);
    world.open();
    assert.deepEqual(world.told(), ['Gateway recovered']);
  });

  test('a kind that is refused later keeps what it had', () => {
    const world = new World().watching();
    world.reader().watchEnded(world.nowMs + 2_000);
    world.refuse(403);
    onlyTrouble(world.told());
    world.pass();
    world.refuse(403);
    assert.match(onlyTrouble(world.told()), /refuses list/);
    world.pass();
    world.list({ objects: [gateway('a', 1), gateway('b', 2)] });
    assert.deepEqual(world.told(), ['Gateway changed shop/b@2']);
  });

  test('an API server that is away is one trouble for all that is read, and everything is listed when it is back', () => {
    const world = new World({ namespaces: ['shop', 'bank'] });
    world.list({ objects: [gateway('a', 1)] });
    world.list({ at: 1 });
    world.open();
    world.open(1);
    world.told();
    for (const at of [0, 1, 0, 1]) {
      world.reader(at).failed(world.nowMs, { kind: 'unreachable', text: `away ${at}` });
      world.pass(at);
    }
    assert.deepEqual(world.told(), ['all trouble: away 0']);
    world.list({ objects: [gateway('a', 20, { port: 81 })], version: '30' });
    assert.deepEqual(world.told(), ['all recovered', 'Gateway changed shop/a@20']);
    world.list({ at: 1 });
    assert.deepEqual(world.told(), []);
  });

  test('401 is one trouble that any other answer ends, but not an answer 401', () => {
    const world = new World({ namespaces: ['shop', 'bank'] });
    world.refuse(401, { message: 'Unauthorized' });
    assert.match(
      onlyTrouble(world.told()),
      /^all trouble: the API server does not know who asks \(401: Unauthorized\)/,
    );
    world.refuse(401, { at: 1 });
    world.pass(1);
    assert.deepEqual(world.told(), []);
    world.refuse(403, { at: 1 });
    const told = world.told();
    assert.equal(told[0], 'all recovered');
    assert.match(told[1] ?? '', /403/);
  });

  test('an answer that broke off is told of the kind when it does so again and again', () => {
    const world = new World();
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(world.told(), []);
      world.reader().failed(world.nowMs, { kind: 'broken', text: 'the answer broke off' });
      world.pass();
    }
    assert.match(
      onlyTrouble(world.told()),
      /^Gateway trouble: Gateway of namespace shop cannot be read: the answer broke off/,
    );
  });

  for (const status of [429, 500, 503]) {
    test(`${status} is passed over twice, and a watch stays where it is`, () => {
      const world = new World().watching();
      world.lines(bookmark('17'));
      world.reader().watchEnded(world.nowMs);
      for (let round = 0; round < 2; round++) {
        assert.match(path(world.step()), /watch=1.*resourceVersion=17&/);
        world.refuse(status, { message: 'storage is (re)initializing' });
        world.pass();
      }
      assert.deepEqual(world.told(), []);
      world.refuse(status, { message: 'storage is (re)initializing' });
      assert.match(onlyTrouble(world.told()), new RegExp(`answered watch with ${status}: storage is`));
      world.pass();
      world.list({ objects: [gateway('a', 1)] });
      world.open();
      assert.deepEqual(world.told(), ['Gateway recovered']);
    });
  }

  test('the API server says when to come back, within bounds', () => {
    const world = new World();
    world.refuse(429, { retryAfterMs: 3_000 });
    assert.equal(world.pass(), 3_000);
    world.refuse(503, { retryAfterMs: 3_600_000 });
    assert.equal(world.pass(), limits.backoffMaxMs);
  });

  test('more objects than allowed leave the kind as it was, whether a list or a watch brings them', () => {
    const world = new World({ limits: { objectsMax: 2 } }).watching([gateway('a', 1), gateway('b', 2)]);
    assert.equal(world.lines(['ADDED', gateway('c', 11)], ['MODIFIED', gateway('a', 12, { port: 81 })]), false);
    assert.match(onlyTrouble(world.told()), /there are more than 2 \(--objects-max\)/);
    world.pass();
    world.list({ objects: [gateway('a', 12, { port: 81 }), gateway('b', 2)], next: 'more' });
    world.list({ objects: [gateway('c', 11)] });
    assert.deepEqual(world.told(), []);
    world.pass();
    world.list({ objects: [gateway('a', 12, { port: 81 }), gateway('c', 11)] });
    world.open();
    assert.deepEqual(world.told(), ['Gateway changed shop/a@12 shop/c@11 -shop/b', 'Gateway recovered']);
    assert.equal(world.lines(['DELETED', gateway('a', 13)], ['ADDED', gateway('d', 14)]), true);
  });

  test('the objects of all namespaces count', () => {
    const world = new World({ namespaces: ['shop', 'bank'], limits: { objectsMax: 2 } });
    world.list({ objects: [gateway('a', 1), gateway('b', 2)] });
    world.list({ objects: [gateway('a', 1, { namespace: 'bank' })], at: 1 });
    assert.match(onlyTrouble(world.told()), /namespace bank cannot be read: there are more than 2/);
  });

  test('a page that is too large is asked for in smaller ones, down to one object', () => {
    const world = new World({ limits: { pageSize: 5 } });
    const sizes: (string | undefined)[] = [];
    while (world.step().kind === 'list') {
      sizes.push(/limit=(\d+)/.exec(path(world.step()))?.[1]);
      world.reader().listTooLarge(world.nowMs, 100);
    }
    assert.deepEqual(sizes, ['5', '3', '2', '1']);
    assert.match(onlyTrouble(world.told()), /a single object has more than 100 bytes/);
  });

  test('a line of a watch that is too long has the objects listed', () => {
    const world = new World().watching();
    assert.equal(
      world
        .reader()
        .watchLines(world.nowMs, [line(['ADDED', gateway('b', 11)]), 'too long', line(['ADDED', gateway('c', 12)])]),
      false,
    );
    assert.deepEqual(world.told(), ['Gateway changed shop/b@11']);
    world.list({ objects: [gateway('a', 1), gateway('b', 11), gateway('c', 12)] });
    assert.deepEqual(world.told(), ['Gateway changed shop/c@12']);
  });

  for (const [what, text] of [
    ['no JSON', '{"type":"ADDED","object":{'],
    ['no event', '[]'],
    ['no object', '{"type":"ADDED"}'],
    ['a type that is not known', JSON.stringify({ type: 'RENAMED', object: gateway('b', 12) })],
    [
      'an object without a name',
      JSON.stringify({ type: 'ADDED', object: { metadata: { resourceVersion: '12', namespace: 'shop' } } }),
    ],
    [
      'an object without a version',
      JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'b', namespace: 'shop' } } }),
    ],
    [
      'an object of another namespace',
      JSON.stringify({ type: 'ADDED', object: gateway('b', 12, { namespace: 'bank' }) }),
    ],
    ['an error of the server', JSON.stringify({ type: 'ERROR', object: { code: 500, message: 'etcd is away' } })],
    [
      'a prototype',
      '{"type":"ADDED","object":{"__proto__":{"metadata":{"name":"b","namespace":"shop","resourceVersion":"12"}}}}',
    ],
  ] as const) {
    test(`a line with ${what} ends the watch, keeps what came before it and is told, and everything is listed after a delay`, () => {
      const world = new World().watching();
      assert.equal(
        world.reader().watchLines(world.nowMs, [line(['ADDED', gateway('c', 11)]), Buffer.from(text)]),
        false,
      );
      const told = world.told();
      assert.equal(told[0], 'Gateway changed shop/c@11');
      assert.match(told[1] ?? '', /^Gateway trouble: Gateway of namespace shop cannot be read/);
      world.pass();
      world.list({ objects: [gateway('a', 1), gateway('c', 11)] });
      world.open();
      assert.deepEqual(world.told(), ['Gateway recovered']);
    });
  }

  for (const [what, body] of [
    ['no JSON', '<html>'],
    ['no list', '{"metadata":{"resourceVersion":"1"}}'],
    ['a list without a version', '{"metadata":{},"items":[]}'],
    ['an object without a name', JSON.stringify(listOf([{ metadata: { namespace: 'shop' } }], '1'))],
    ['an object of another namespace', JSON.stringify(listOf([gateway('a', 1, { namespace: 'bank' })], '1'))],
  ] as const) {
    test(`an answer with ${what} is no list, and nothing is told of the kind`, () => {
      const world = new World();
      world.reader().listAnswered(world.nowMs, answer(200, body));
      onlyTrouble(world.told());
      assert.equal(world.step().kind, 'wait');
    });
  }

  test('what the API server says stands on one line of bounded length', () => {
    const world = new World();
    world.refuse(403, { message: `a\nb\u2028c\u001b[31m${'d'.repeat(5000)}` });
    const text = onlyTrouble(world.told());
    assert.match(text, /403: a b c \[31md+…\)/);
    assert.ok(text.length < 700, `${text.length} characters`);
  });
});

describe('the MeshConfig of a ConfigMap', () => {
  const configMap = (version: number, mesh?: string): unknown => ({
    metadata: { name: 'istio', namespace: 'istio-system', resourceVersion: String(version) },
    ...(mesh !== undefined && { data: { mesh } }),
  });

  function start(): {
    reader: CollectionReader;
    told: () => string[];
    list: (...items: unknown[]) => void;
    lines: (...events: [string, unknown][]) => boolean;
  } {
    const events: SourceEvent[] = [];
    const tell = (event: SourceEvent): void => void events.push(event);
    const collection = configMapCollection('istio-system/istio');
    assert.ok(collection);
    const general = new Troubles(undefined, tell);
    const reader = new CollectionReader(
      collection,
      meshConfigTable(collection, general, tell),
      general,
      general,
      limits,
      () => 0.5,
    );
    return {
      reader,
      told: () => events.splice(0).map(words),
      list: (...items) => reader.listAnswered(0, answer(200, listOf(items, '10'))),
      lines: (...lines) => reader.watchLines(0, lines.map(line)),
    };
  }

  test('is asked for by its name only, and told with each change', () => {
    const { reader, told, list, lines } = start();
    assert.equal(
      path(reader.next(0)),
      '/api/v1/namespaces/istio-system/configmaps?limit=2&fieldSelector=metadata.name%3Distio',
    );
    list(configMap(1, 'ingressService: one\n'));
    assert.match(told()[0] ?? '', /mesh config .*"ingressService":"one"/);
    lines(['MODIFIED', configMap(11, '# the same\ningressService: one\n')]);
    assert.deepEqual(told(), []);
    lines(['MODIFIED', configMap(12, 'ingressService: two\n')]);
    assert.match(told()[0] ?? '', /mesh config .*"ingressService":"two"/);
    lines(['DELETED', configMap(13, 'ingressService: two\n')]);
    assert.deepEqual(told(), ['mesh config none']);
  });

  test('is none where there is no such ConfigMap', () => {
    const { told, list } = start();
    list();
    assert.deepEqual(told(), ['mesh config none']);
  });

  test('stays as it was while it is bad, and is not told as long as it never was good', () => {
    const { told, list, lines } = start();
    list(configMap(1, 'ingressService: [\n'));
    assert.match(onlyTrouble(told()), /the MeshConfig in ConfigMap istio-system\/istio is refused: data\.mesh: /);
    lines(['MODIFIED', configMap(2)]);
    assert.match(onlyTrouble(told()), /it has no key mesh/);
    lines(['MODIFIED', configMap(3, 'ingressService: one')]);
    assert.match(told().join(), /^all recovered,mesh config .*one/);
    lines(['MODIFIED', configMap(4, 'ingressServise: two')]);
    assert.match(onlyTrouble(told()), /data\.mesh\.ingressServise: .*it is served as it was before/);
    lines(['DELETED', configMap(5)]);
    assert.deepEqual(told(), ['all recovered', 'mesh config none']);
  });

  test('that never was good and is deleted is none', () => {
    const { told, list, lines } = start();
    list(configMap(1, '- no'));
    told();
    lines(['DELETED', configMap(2)]);
    assert.deepEqual(told(), ['all recovered', 'mesh config none']);
  });

  for (const name of ['istio', '/istio', 'istio-system/', 'a/b/c', 'Istio/x', 'a/../b', 'a/b?c'])
    test(`is not read from ${name}`, () => assert.equal(configMapCollection(name), undefined));
});

function path(step: Step): string {
  assert.ok(step.kind !== 'wait', JSON.stringify(step));
  return step.path;
}
