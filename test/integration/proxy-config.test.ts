import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { makeFolder, waitFor } from '../../src/demo/processes.ts';
import { meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { askedByIstiod, IstiodClient } from '../support/istiod-client.ts';
import { meshConfigResource, meshResource } from '../support/mesh-resources.ts';
import type { TestResource } from '../support/messages.ts';
import { RawControlPlane, type UpstreamStream } from '../support/raw-control-plane.ts';
import { runWeir, WeirProcess } from '../support/weir-process.ts';

// What came over MCP, as an operator sees it: a real agent, a real command line, and a client that speaks as istiod does.

const waitMs = 20_000;
const vs = 'networking.istio.io/v1/VirtualService';
const dr = 'networking.istio.io/v1/DestinationRule';
const gw = 'networking.istio.io/v1/Gateway';

const route = (host: string) => ({ hosts: ['reviews'], http: [{ route: [{ destination: { host } }] }] });

/** What the control plane has, unless a test says otherwise; every type is answered, as istiod needs it. */
function world(): Map<string, readonly TestResource[]> {
  const virtualServices = [
    meshResource(vs, 'shop/reviews', route('reviews-v2'), '41'),
    meshResource(vs, 'bank/accounts', route('accounts'), '7'),
  ];
  return new Map<string, readonly TestResource[]>([
    [vs, virtualServices],
    [
      dr,
      [meshResource(dr, 'shop/reviews', { host: 'reviews', trafficPolicy: { loadBalancer: { simple: 'RANDOM' } } })],
    ],
    [meshConfigTypeUrl, [meshConfigResource({ accessLogFile: '/dev/stdout' })]],
  ]);
}

interface Mesh {
  readonly weir: WeirProcess;
  readonly cacheDir: string;
  readonly admin: string;
  readonly address: string;
  readonly controlPlane: RawControlPlane;
  readonly stream: UpstreamStream;
}

/** A control plane, `weir run`, and an istiod that holds everything. */
async function meshOf(
  t: TestContext,
  held = world(),
  more: { readonly flags?: Readonly<Record<string, string>>; readonly silent?: readonly string[] } = {},
): Promise<Mesh & { readonly istiod: IstiodClient }> {
  const controlPlane = new RawControlPlane(t);
  const upstream = await controlPlane.start();
  const cacheDir = join(makeFolder(), 'cache');
  const flags = { upstream, 'upstream-variant': 'sotw', 'cache-dir': cacheDir, ...more.flags };
  const weir = new WeirProcess(t, flags);
  const started = await weir.line(/^listening$/);
  const [address] = started['listen'] as string[];
  assert.ok(address);
  const istiod = new IstiodClient(t, address, { pod: 'istiod-1' });
  let stream: UpstreamStream | undefined;
  for (const typeUrl of askedByIstiod) {
    if (more.silent?.includes(typeUrl)) continue;
    stream = await controlPlane.answer(typeUrl, held.get(typeUrl) ?? []);
  }
  assert.ok(stream);
  const wanted = askedByIstiod.length - (more.silent?.length ?? 0);
  await waitFor('what istiod asked for', waitMs, () => istiod.held.size === wanted || undefined);
  return { weir, cacheDir, admin: String(started['admin']), address, controlPlane, stream, istiod };
}

/** Waits until the agent has heard all that istiod says. */
async function acked(mesh: Mesh, isSo: (types: readonly { shortName: string; status: string }[]) => boolean) {
  return waitFor('the words of the clients', waitMs, async () => {
    const clients = (await (await fetch(`http://${mesh.admin}/clients`)).json()) as {
      types: { shortName: string; status: string }[];
    }[];
    return isSo(clients.flatMap(client => client.types)) || undefined;
  });
}

const allSaid = (types: readonly { status: string }[]): boolean =>
  types.every(({ status }) => status === 'SYNCED' || status === 'SENT');

describe('weir proxy-config mcp', { concurrency: 1 }, () => {
  test('shows what is held, since when, from where, and who took it; over TCP, too', async t => {
    const mesh = await meshOf(t);
    await acked(mesh, allSaid);
    const { status, stdout, stderr } = await runWeir(['proxy-config', 'mcp', '--admin', mesh.admin]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^TYPE +NAMESPACE\/NAME +VERSION +AGE +SOURCE +ACKED +LAST CHANGE$/m);
    const rows = stdout
      .split('\n')
      .slice(1, 5)
      .map(line => line.split(/ {2,}/));
    assert.deepEqual(
      rows.map(([type, name, version, , source, acked]) => [type, name, version?.trim(), source, acked]),
      [
        ['DestinationRule', 'shop/reviews', '1', 'upstream', '1/1'],
        ['MeshConfig', '-', '-', 'upstream', 'sent 1/1'],
        ['VirtualService', 'bank/accounts', '7', 'upstream', '1/1'],
        ['VirtualService', 'shop/reviews', '41', 'upstream', '1/1'],
      ],
    );
    assert.match(stdout, /^EMPTY: AuthorizationPolicy, EnvoyFilter, Gateway, /m);
    assert.doesNotMatch(stdout, /NOT ANSWERED/);
    const json = await runWeir(['pc', 'mcp', '-o', 'json', '--admin', mesh.admin]);
    const all = JSON.parse(json.stdout) as {
      type: string;
      name: string;
      clients: { nodeId: string; word: string }[];
      changedWallMs: number;
    }[];
    assert.equal(all.length, 4);
    const one = all.find(({ type, name }) => type === 'VirtualService' && name === 'shop/reviews');
    const [client] = one?.clients ?? [];
    assert.match(client?.nodeId ?? '', /istiod-1\.istio-system/);
    assert.equal(client?.word, 'acked');
    assert.ok(Math.abs(Date.now() - (one?.changedWallMs ?? 0)) < 60_000);
    assert.equal('body' in (one ?? {}), false);
  });

  test('finds a type by kind, plural, short form and URL, in any case, and resources by namespace', async t => {
    const mesh = await meshOf(t);
    for (const type of ['VirtualService', 'virtualservices', 'VS', 'virtualservices.networking.istio.io', vs]) {
      const { status, stdout, stderr } = await runWeir(['pc', 'mcp', type, '--admin', mesh.admin]);
      assert.equal(status, 0, stderr);
      assert.deepEqual(stdout.match(/^\w+ +\S+\/\S+/gm)?.length, 3, 'a heading and two rows');
    }
    const shop = await runWeir(['pc', 'mcp', '-n', 'shop', '--admin', mesh.admin]);
    assert.deepEqual(shop.stdout.match(/\S+\/\S*[a-z]\S*/g), ['shop/reviews', 'shop/reviews']);
  });

  test('shows a resource as kubectl takes it, on the admin socket only', async t => {
    const mesh = await meshOf(t);
    await acked(mesh, allSaid);
    const socket = ['--cache-dir', mesh.cacheDir];
    const text = await runWeir(['pc', 'mcp', 'vs', 'shop/reviews', ...socket]);
    assert.equal(text.status, 0, text.stderr);
    assert.match(text.stdout, /^# version 41, from upstream 127\.0\.0\.1:\d+, (current|as of)/);
    assert.match(text.stdout, /^# acked by sidecar~10\.0\.0\.7~istiod-1\.istio-system~\S+ \(stream \d+\)$/m);
    const object = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'reviews', namespace: 'shop', labels: { app: 'shop' } },
      spec: route('reviews-v2'),
    };
    assert.deepEqual(parse(text.stdout), object);
    for (const name of [['shop/reviews'], ['reviews', '-n', 'shop'], ['reviews']]) {
      const yaml = await runWeir(['pc', 'mcp', 'vs', ...name, '-o', 'yaml', ...socket]);
      assert.doesNotMatch(yaml.stdout, /#/);
      assert.deepEqual(parse(yaml.stdout), object, yaml.stderr);
      const json = await runWeir(['pc', 'mcp', 'vs', ...name, '-o', 'json', ...socket]);
      assert.deepEqual(JSON.parse(json.stdout), object);
    }
    const list = JSON.parse((await runWeir(['pc', 'mcp', 'vs', '-o', 'json', ...socket])).stdout);
    assert.equal(list.kind, 'List');
    assert.deepEqual(
      list.items.map((item: typeof object) => item.metadata.namespace),
      ['bank', 'shop'],
    );
    const everything = await runWeir(['pc', 'mcp', '-o', 'yaml', ...socket]);
    const documents = parseAllDocuments(everything.stdout).map(one => one.toJS() as typeof object);
    assert.deepEqual(
      documents.map(one => one.kind),
      ['DestinationRule', 'MeshConfig', 'VirtualService', 'VirtualService'],
    );
    assert.deepEqual(documents[1]?.spec, { accessLogFile: '/dev/stdout' });
    for (const args of [
      ['vs', 'shop/reviews'],
      ['vs', '-o', 'json'],
      ['-o', 'yaml'],
    ]) {
      const refused = await runWeir(['pc', 'mcp', ...args, '--admin', mesh.admin]);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, /refuses over TCP .* contents; go by its admin socket: --cache-dir DIR/);
      assert.doesNotMatch(refused.stdout, /reviews-v2/);
    }
  });

  test('says what there is and the nearest name where nothing is found, and ends with 1', async t => {
    const mesh = await meshOf(t, world(), { silent: [gw] });
    const wrong: [args: string[], status: number, why: RegExp][] = [
      [
        ['virtualservic'],
        1,
        /there is no type 'virtualservic' \(did you mean 'virtualservices?'\?\); there is: .*VirtualService/,
      ],
      [['vs', 'shop/review'], 1, /there is no VirtualService 'shop\/review'; did you mean 'shop\/reviews'\?/],
      [['vs', 'acounts'], 1, /there is no VirtualService 'acounts'; did you mean 'bank\/accounts'\?/],
      [['vs', 'x/y/z'], 1, /there is no VirtualService 'x\/y\/z'; there are: /],
      [['vs', '-n', 'shops'], 1, /in the namespace 'shops'; there are: .*shop\/reviews/],
      [['sidecars'], 1, /there is no Sidecar$/m],
      [['gw'], 1, /there is no Gateway: the control plane has not answered for it yet/],
      [['vs', 'shop/reviews', '-n', 'bank'], 2, /is of another namespace/],
      [['-o', 'xml'], 2, /--output must be text, json or yaml \(given: 'xml'\)/],
    ];
    for (const [args, status, why] of wrong) {
      const outcome = await runWeir(['pc', 'mcp', ...args, '--cache-dir', mesh.cacheDir]);
      assert.match(outcome.stderr, why);
      assert.deepEqual([outcome.status, outcome.stdout], [status, ''], args.join(' '));
    }
    const table = await runWeir(['pc', 'mcp', '--cache-dir', mesh.cacheDir]);
    assert.match(table.stdout, /^NOT ANSWERED by the control plane yet: Gateway$/m);
  });

  test('counts the clients that took it, names the NACKs, and tells what is refused', async t => {
    const mesh = await meshOf(t);
    const second = new IstiodClient(t, mesh.address, { pod: 'istiod-1' });
    await waitFor('a second client', waitMs, () => second.names(vs).length === 2 || undefined);
    for (const one of [mesh.istiod, second]) one.rejects.set(vs, 'no such host in shop/reviews');
    const resources = [
      meshResource(vs, 'shop/reviews', route('nowhere'), '42'),
      meshResource(vs, 'bank/accounts', route('accounts'), '7'),
    ];
    mesh.controlPlane.respond(mesh.stream, vs, { resources });
    await acked(mesh, types => types.filter(one => one.status === 'REJECTED').length === 2);
    const { stdout, stderr } = await runWeir(['pc', 'mcp', 'vs', '--cache-dir', mesh.cacheDir]);
    assert.match(stdout, /bank\/accounts .* 2\/2 /, stderr);
    assert.match(stdout, /shop\/reviews .* 0\/2, 2 NACK /);
    assert.match(stdout, /^VirtualService +shop\/reviews +last accepted +node .*no such host/m);
    const json = await runWeir(['pc', 'mcp', '-o', 'json', '--cache-dir', mesh.cacheDir]);
    const rows = JSON.parse(json.stdout) as { name: string; typeUrl: string; clients: { error?: string }[] }[];
    const refused = rows.find(one => one.name === 'shop/reviews' && one.typeUrl === vs);
    assert.deepEqual(
      refused?.clients.map(one => one.error),
      Array(2).fill('no such host in shop/reviews'),
    );
  });

  test('after a restart without a control plane it tells the age, the disk as source and when it last changed', async t => {
    const first = await meshOf(t);
    await acked(first, allSaid);
    await waitFor('everything on disk', waitMs, async () => {
      const { views } = (await (await fetch(`http://${first.admin}/cache`)).json()) as {
        views: { types: { typeUrl: string; resources: number }[] }[];
      };
      return views[0]?.types.some(type => type.typeUrl === vs && type.resources === 2) || undefined;
    });
    const before = await runWeir(['pc', 'mcp', '-o', 'json', '--cache-dir', first.cacheDir]);
    first.controlPlane.stop();
    await first.weir.stop();
    const weir = new WeirProcess(t, { upstream: '127.0.0.1:1', 'cache-dir': first.cacheDir });
    const started = await weir.line(/^listening$/);
    const { stdout, stderr } = await runWeir(['pc', 'mcp', 'vs', '--admin', String(started['admin'])]);
    assert.match(stdout, /shop\/reviews +41 +\d+ m?s +disk +no client +\d+ m?s$/m, stderr);
    const after = await runWeir(['pc', 'mcp', '-o', 'json', '--admin', String(started['admin'])]);
    const times = (text: string) =>
      (JSON.parse(text) as { name: string; type: string; changedWallMs: number }[])
        .map(one => `${one.type} ${one.name} ${one.changedWallMs}`)
        .sort();
    assert.deepEqual(times(after.stdout), times(before.stdout));
  });

  test('ten thousand resources come in order and whole, in a table and one by one', async t => {
    const names = Array.from({ length: 10_000 }, (_, at) => `ns-${at % 100}/service-${at}`);
    const resources = names.map((name, at) => meshResource(vs, name, route(`host-${at}`), String(at)));
    const mesh = await meshOf(t, new Map([[vs, resources]]));
    const sorted = names.toSorted();
    const table = await runWeir(['pc', 'mcp', 'vs', '--cache-dir', mesh.cacheDir]);
    assert.deepEqual(
      table.stdout.match(/^VirtualService +\S+/gm)?.map(row => row.split(/ +/)[1]),
      sorted,
      table.stderr,
    );
    const whole = await runWeir(['pc', 'mcp', 'vs', '-o', 'json', '--cache-dir', mesh.cacheDir]);
    const { items } = JSON.parse(whole.stdout) as {
      items: { metadata: { name: string; namespace: string }; spec: ReturnType<typeof route> }[];
    };
    assert.deepEqual(
      items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
      sorted,
    );
    assert.ok(
      items.every(
        ({ metadata, spec }) => spec.http[0]?.route[0]?.destination.host === metadata.name.replace('service', 'host'),
      ),
    );
  });

  test('without a client that asks for it says so', async t => {
    const weir = new WeirProcess(t, { upstream: '127.0.0.1:1' });
    const started = await weir.line(/^listening$/);
    const { status, stderr } = await runWeir(['pc', 'mcp', '--admin', String(started['admin'])]);
    assert.equal(status, 1);
    assert.match(stderr, /no client asks this agent for mesh configuration \(MCP\)/);
  });
});

describe('weir status with MCP clients', { concurrency: 1 }, () => {
  test('names types by their kind, and a MeshConfig that is never acknowledged as sent', async t => {
    const mesh = await meshOf(t);
    await acked(mesh, allSaid);
    const { status, stdout, stderr } = await runWeir(['status', '--admin', mesh.admin]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^VirtualService +whole set +upstream /m);
    assert.match(stdout, /^ *\d+ +sidecar~\S+ +sotw +\d+ m?s +SENT MeshConfig; SYNCED \d+ types$/m);
    assert.doesNotMatch(stdout, /STALE/);
    const json = JSON.parse((await runWeir(['status', '--admin', mesh.admin, '-o', 'json'])).stdout) as {
      types: { shortName: string }[];
    };
    assert.ok(
      json.types.some(type => type.shortName === vs),
      'the JSON stays as it was',
    );
  });
});
