import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { makeFolder, waitFor } from '../../src/demo/processes.ts';
import { envoyResource, listeners, reviewsRoutes, serviceCluster, sidecarWorld } from '../support/envoy-resources.ts';
import type { TestResource } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane, type UpstreamStream } from '../support/raw-control-plane.ts';
import { types } from '../support/resource-bodies.ts';
import { runWeir, WeirProcess } from '../support/weir-process.ts';

// What the agent holds for Envoy, as an operator sees it: a real agent, a real command line, and resources as istiod sends them.

const waitMs = 20_000;
const reviews = 'reviews.shop.svc.cluster.local';
const v1 = `outbound|80|v1|${reviews}`;
const v2 = `outbound|80|v2|${reviews}`;
const acme = 'type.googleapis.com/acme.Thing';
const key = 'hunter2, nobody shall see';

/** The names that a sidecar asks for, type by type. */
const subscriptions: readonly (readonly [typeUrl: string, names: readonly string[]])[] = [
  [types.cluster, ['*']],
  [types.listener, ['*']],
  [types.endpoints, [v1, v2]],
  [types.routes, ['80']],
  [types.secret, ['kubernetes://shop-cert']],
  [acme, ['a-thing']],
];

function world(): Map<string, readonly TestResource[]> {
  const secret = { name: 'kubernetes://shop-cert', generic_secret: { secret: { inline_string: key } } };
  return new Map([
    ...sidecarWorld(),
    [types.secret, [envoyResource(types.secret, secret.name, secret)]],
    [acme, [{ name: 'a-thing', version: '3', body: Buffer.from([8, 150, 1]) }]],
  ]);
}

interface Sidecar {
  /** Arguments that lead to the admin socket, and over TCP. */
  readonly socket: readonly string[];
  readonly tcp: readonly string[];
  readonly admin: string;
  readonly address: string;
  readonly controlPlane: RawControlPlane;
  readonly stream: UpstreamStream;
}

/** A control plane, `weir run`, and a client that takes everything, or rejects the types that it is told to. */
async function sidecarOf(
  t: TestContext,
  rejects: ReadonlySet<string> = new Set(),
  flags: Readonly<Record<string, string>> = {},
): Promise<Sidecar> {
  const controlPlane = new RawControlPlane(t);
  const upstream = await controlPlane.start();
  const cacheDir = join(makeFolder(), 'cache');
  const weir = new WeirProcess(t, { upstream, 'cache-dir': cacheDir, ...flags });
  const held = world();
  const started = await weir.line(/^listening$/);
  const [address = ''] = started['listen'] as string[];
  const client = connect(t, address, 'sidecar-1', rejects);
  let stream: UpstreamStream | undefined;
  for (const [typeUrl, names] of subscriptions) {
    client.ask({ typeUrl, names, nodeId: 'sidecar-1' });
    stream = await controlPlane.answer(typeUrl, held.get(typeUrl) ?? []);
  }
  assert.ok(stream);
  const admin = String(started['admin']);
  await said(admin, all => all.length === subscriptions.length && all.every(one => one.status === 'SYNCED'));
  return { socket: ['--cache-dir', cacheDir], tcp: ['--admin', admin], admin, address, controlPlane, stream };
}

/** A client that answers each response. @param rejects types that it rejects from now on; the caller changes it */
function connect(t: TestContext, address: string, nodeId: string, rejects: ReadonlySet<string>): RawClient {
  const client: RawClient = new RawClient(t, address, 'delta', {
    acks: false,
    heard: ({ typeUrl, nonce }) =>
      client.ask({ typeUrl, nonce, nodeId, error: rejects.has(typeUrl) ? 'no such\nfilter' : undefined }),
  });
  return client;
}

/** Waits until the agent has heard what its clients say. */
async function said(
  admin: string,
  isSo: (types: readonly { shortName: string; status: string }[]) => boolean,
): Promise<void> {
  await waitFor('the words of the clients', waitMs, async () => {
    const clients = (await (await fetch(`http://${admin}/clients`)).json()) as {
      types: { shortName: string; status: string }[];
    }[];
    return isSo(clients.flatMap(client => client.types)) || undefined;
  });
}

/** A table taken apart, without what changes with time: AGE and LAST CHANGE. No cell is empty, and none has two spaces in it. */
function table(stdout: string): string[][] {
  const lines = stdout.split('\n\n')[0]?.trimEnd().split('\n') ?? [];
  const [heading = [], ...rows] = lines.map(line => line.trim().split(/ {2,}/));
  const fixed = heading.flatMap((name, column) => (['AGE', 'LAST CHANGE'].includes(name) ? [] : [column]));
  return [heading, ...rows].map(cells => fixed.map(column => cells[column] ?? ''));
}

describe('weir proxy-config', { concurrency: 1 }, () => {
  test('shows clusters, listeners, routes and endpoints as istioctl does, and who took them', async t => {
    const { socket } = await sidecarOf(t);
    const shown = async (...args: string[]) => {
      const { status, stdout, stderr } = await runWeir(['pc', ...args, ...socket]);
      assert.deepEqual([status, stderr], [0, ''], args.join(' '));
      return table(stdout);
    };
    const own = ['upstream', '1/1'];
    assert.deepEqual(await shown('clusters'), [
      ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE', 'SOURCE', 'ACKED'],
      ['-', '9080', '-', 'inbound', 'ORIGINAL_DST', '-', ...own],
      ['PassthroughCluster', '-', '-', '-', 'ORIGINAL_DST', '-', ...own],
      ['db.shop.svc.cluster.local', '5432', '-', 'outbound', 'EDS', 'reviews.shop', ...own],
      [reviews, '80', 'v1', 'outbound', 'EDS', 'reviews.shop', ...own],
      [reviews, '80', 'v2', 'outbound', 'EDS', 'reviews.shop', ...own],
    ]);
    assert.deepEqual(await shown('listeners'), [
      ['ADDRESSES', 'PORT', 'MATCH', 'DESTINATION', 'NAME', 'SOURCE', 'ACKED'],
      ['0.0.0.0', '80', 'Trans: raw_buffer; App: http/1.1, h2c', 'Route: 80', '0.0.0.0_80', ...own],
      ['0.0.0.0', '80', 'ALL', 'Cluster: PassthroughCluster', '0.0.0.0_80', ...own],
      ['10.96.0.9', '5432', 'ALL', 'Cluster: outbound|5432||db.shop.svc.cluster.local', '10.96.0.9_5432', ...own],
      ['0.0.0.0', '15006', 'Trans: tls; Addr: *:9080', 'Inline Route: /*', 'virtualInbound', ...own],
    ]);
    assert.deepEqual(await shown('routes'), [
      ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE', 'SOURCE', 'ACKED'],
      ['80', `${reviews}:80`, `${reviews}, reviews + 2 more...`, '/*; headers: end-user', 'reviews.shop', ...own],
      ['80', `${reviews}:80`, `${reviews}, reviews + 2 more...`, '/healthz', '-', ...own],
      ['80', 'old.shop.svc.cluster.local:80', 'old.shop.svc.cluster.local', 'regex /v[0-9]+/.*', '-', ...own],
      ['80', 'allow_any', '*', '/*', '-', ...own],
    ]);
    assert.deepEqual(await shown('endpoints'), [
      ['ENDPOINT', 'STATUS', 'CLUSTER', 'SOURCE', 'ACKED'],
      ['10.0.0.1:9080', 'HEALTHY', v1, ...own],
      ['10.0.0.2:9080', 'UNHEALTHY', v1, ...own],
      ['10.0.0.3:9080', 'DRAINING', v2, ...own],
    ]);
    for (const words of [['cluster'], ['CDS'], [types.cluster], ['type', 'clusters']]) {
      assert.deepEqual((await shown(...words)).length, 6, words.join(' '));
    }
    assert.deepEqual(await shown(acme), [
      ['NAME', 'VERSION', 'SOURCE', 'ACKED'],
      ['a-thing', '3', ...own],
    ]);
  });

  test('has the filters of istioctl, for tables and for contents', async t => {
    const { socket } = await sidecarOf(t);
    const filtered: readonly (readonly [args: readonly string[], rows: number])[] = [
      [['clusters', '--fqdn', reviews, '--subset', 'v2'], 1],
      [['clusters', '--port', '5432'], 1],
      [['listeners', '--port', '80'], 2],
      [['listeners', '--address', '10.96.0.9'], 1],
      [['listeners', '--type', 'http'], 1],
      [['routes', '--name', '80'], 4],
      [['endpoints', '--cluster', v1], 2],
      [['endpoints', '--address', '10.0.0.3', '--port', '9080'], 1],
      [['endpoints', '--status', 'unhealthy'], 1],
      [['clusters', '--node', 'sidecar-1'], 5],
    ];
    for (const [args, rows] of filtered) {
      const { stdout, stderr } = await runWeir(['pc', ...args, ...socket]);
      assert.equal(table(stdout).length - 1, rows, `${args.join(' ')}: ${stdout}${stderr}`);
    }
    const json = await runWeir(['pc', 'cluster', '--subset', 'v2', '-o', 'json', ...socket]);
    assert.deepEqual(
      (JSON.parse(json.stdout) as { name: string }[]).map(one => one.name),
      [v2],
    );
  });

  test('shows resources as /config_dump does: one, all of a type, in JSON and YAML', async t => {
    const { socket } = await sidecarOf(t);
    const cluster = { '@type': types.cluster, ...serviceCluster(80, 'v1', reviews) };
    const json = await runWeir(['pc', 'clusters', v1, '-o', 'json', ...socket]);
    assert.deepEqual(JSON.parse(json.stdout), cluster);
    const yaml = await runWeir(['pc', 'clusters', v1, '-o', 'yaml', ...socket]);
    assert.deepEqual(parse(yaml.stdout), cluster);
    assert.doesNotMatch(yaml.stdout, /^#/m);
    const text = await runWeir(['pc', 'clusters', v1, ...socket]);
    assert.match(text.stdout, /^# version 1, from upstream 127\.0\.0\.1:\d+, current/);
    assert.match(text.stdout, /^# acked by sidecar-1 \(stream \d+\)$/m);
    assert.match(text.stdout, /^# refers to EDS outbound\|80\|v1\|\S+ \(eds_cluster_config\.service_name\)$/m);
    assert.match(text.stdout, /^# refers to SDS ROOTCA \(transport_socket_matches\[0\]\S+, fetched from elsewhere\)$/m);
    assert.deepEqual(parse(text.stdout), cluster);
    const all = await runWeir(['pc', 'listeners', '-o', 'json', ...socket]);
    const byName = (one: { readonly name: string }, two: { readonly name: string }) => (one.name < two.name ? -1 : 1);
    assert.deepEqual(
      JSON.parse(all.stdout),
      Object.values(listeners)
        .toSorted(byName)
        .map(one => ({ '@type': types.listener, ...one })),
    );
    const documents = await runWeir(['pc', 'routes', '-o', 'yaml', ...socket]);
    assert.deepEqual(
      parseAllDocuments(documents.stdout).map(one => one.toJS()),
      [{ '@type': types.routes, ...reviewsRoutes }],
    );
    const unknown = await runWeir(['pc', acme, 'a-thing', '-o', 'json', ...socket]);
    assert.deepEqual(JSON.parse(unknown.stdout), { '@type': acme, value: 'CJYB' });
    const everything = JSON.parse((await runWeir(['pc', 'all', '-o', 'json', ...socket])).stdout) as object[];
    assert.equal(everything.length, 5 + 3 + 1 + 2 + 1 + 1);
  });

  test('shows of secrets that they are there, and nothing of what is in them', async t => {
    const { socket, tcp } = await sidecarOf(t);
    for (const place of [socket, tcp]) {
      const { stdout } = await runWeir(['pc', 'secrets', ...place]);
      assert.deepEqual(table(stdout), [
        ['RESOURCE NAME', 'SOURCE', 'ACKED'],
        ['kubernetes://shop-cert', 'upstream', '1/1'],
      ]);
    }
    const json = await runWeir(['pc', 'secret', '-o', 'json', ...socket]);
    assert.deepEqual(JSON.parse(json.stdout), [
      { '@type': types.secret, name: 'kubernetes://shop-cert', '@withheld': 'it is a secret' },
    ]);
    for (const args of [['all'], ['all', '-o', 'json'], ['all', '-o', 'yaml'], ['secret', 'kubernetes://shop-cert']]) {
      const { stdout, stderr } = await runWeir(['pc', ...args, ...socket]);
      assert.match(stdout, /kubernetes:\/\/shop-cert/, stderr);
      for (const form of [key, Buffer.from(key).toString('base64')]) assert.ok(!(stdout + stderr).includes(form));
    }
  });

  test('a cluster with a private key in it is there, and its content is not', async t => {
    const { socket, controlPlane, stream } = await sidecarOf(t);
    const pem = '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n';
    const cluster = { name: 'keyed', type: 'EDS', metadata: { filter_metadata: { a: { pem } } } };
    controlPlane.respond(stream, types.cluster, { resources: [envoyResource(types.cluster, 'keyed', cluster)] });
    const shown = await waitFor('the cluster', waitMs, async () => {
      const { stdout } = await runWeir(['pc', 'clusters', ...socket]);
      return stdout.includes('keyed') ? stdout : undefined;
    });
    assert.match(shown, /^keyed +- +- +- +- +- /m);
    assert.match(shown, /^NOT SHOWN: keyed \(it holds a private key\)$/m);
    const json = await runWeir(['pc', 'clusters', 'keyed', '-o', 'json', ...socket]);
    assert.deepEqual(JSON.parse(json.stdout), {
      '@type': types.cluster,
      name: 'keyed',
      '@withheld': 'it holds a private key',
    });
  });

  test('over TCP it has what names say, tells on stderr what is missing, and shows no contents', async t => {
    const { tcp } = await sidecarOf(t);
    const clusters = await runWeir(['pc', 'clusters', ...tcp]);
    assert.equal(clusters.status, 0);
    assert.match(clusters.stderr, /^weir: contents are shown on the agent’s admin socket only, .*--cache-dir DIR.*\n$/);
    assert.deepEqual(table(clusters.stdout)[4], [reviews, '80', 'v1', 'outbound', '-', '-', 'upstream', '1/1']);
    const names = await runWeir(['pc', 'listeners', ...tcp]);
    assert.deepEqual(
      table(names.stdout).map(([name]) => name),
      ['NAME', '0.0.0.0_80', '10.96.0.9_5432', 'virtualInbound'],
    );
    for (const args of [
      ['clusters', v1],
      ['routes', '-o', 'json'],
    ]) {
      const { status, stdout, stderr } = await runWeir(['pc', ...args, ...tcp]);
      assert.deepEqual([status, stdout.replace(/[[\]\n]/g, '')], [1, '']);
      assert.match(stderr, /refuses over TCP .* contents; go by its admin socket/);
    }
  });

  test('a refused resource is marked in its row, and under the table with the words of the clients', async t => {
    const rejects = new Set<string>();
    const { socket, admin, controlPlane, stream } = await sidecarOf(t, rejects);
    rejects.add(types.listener);
    const bad = envoyResource(types.listener, 'virtualInbound', { ...listeners.inbound, stat_prefix: 'bad' }, '2');
    controlPlane.respond(stream, types.listener, { resources: [bad] });
    await said(admin, all => all.some(({ shortName, status }) => shortName === 'LDS' && status === 'REJECTED'));
    const refused = await waitFor('the quarantine', waitMs, async () => {
      const { stdout } = await runWeir(['pc', 'listeners', ...socket]);
      return stdout.includes('QUARANTINE') ? stdout : undefined;
    });
    assert.match(refused, /virtualInbound .*0\/1, 1 NACK, REFUSED /);
    assert.match(
      refused,
      /^QUARANTINE +RESOURCE +SERVED INSTEAD +WORDS\nLDS +virtualInbound +last accepted +.*no such filter/m,
    );
    assert.match(refused, /0\.0\.0\.0_80 .* 1\/1 /);
    const text = await runWeir(['pc', 'listeners', 'virtualInbound', ...socket]);
    assert.match(text.stdout, /^# its newest content is refused, served is: last accepted; /m);
    assert.equal(parse(text.stdout).stat_prefix, undefined, 'what is shown is what is served');
  });

  test('tells several nodes apart', async t => {
    const { socket, address, controlPlane } = await sidecarOf(t, new Set(), { 'node-sharing': 'stream-per-node' });
    const second = connect(t, address, 'sidecar-2', new Set());
    second.ask({ typeUrl: types.cluster, names: ['*'], nodeId: 'sidecar-2' });
    const own = {
      name: 'own',
      type: 'STATIC',
      load_assignment: { cluster_name: 'own', endpoints: [{ lb_endpoints: [{}] }] },
    };
    const stream = await waitFor('the stream of the second', waitMs, () =>
      controlPlane.openStreams[1]?.requests.some(one => one.typeUrl === types.cluster)
        ? controlPlane.openStreams[1]
        : undefined,
    );
    controlPlane.respond(stream, types.cluster, { resources: [envoyResource(types.cluster, 'own', own)] });
    const rows = await waitFor('both nodes', waitMs, async () => {
      const { stdout } = await runWeir(['pc', 'clusters', ...socket]);
      const all = table(stdout);
      return all.length === 7 && all.at(-1)?.at(-1) === '1/1' ? all : undefined;
    });
    assert.deepEqual(rows[0]?.slice(0, 2), ['NODE', 'SERVICE FQDN']);
    assert.deepEqual(
      rows.slice(5).map(([node, fqdn]) => [node, fqdn]),
      [
        ['sidecar-1', reviews],
        ['sidecar-2', 'own'],
      ],
    );
    const one = await runWeir(['pc', 'clusters', '--node', 'sidecar-2', '-o', 'json', ...socket]);
    assert.deepEqual(
      (JSON.parse(one.stdout) as { name: string }[]).map(({ name }) => name),
      ['own'],
    );
    const endpoints = await runWeir(['pc', 'endpoints', '--node', 'sidecar-2', ...socket]);
    assert.deepEqual(table(endpoints.stdout)[1]?.slice(0, 3), ['-', 'UNKNOWN', 'own'], 'an endpoint in a cluster');
    const all = await runWeir(['pc', 'all', '--node', 'sidecar-2', '-o', 'json', ...socket]);
    assert.equal((JSON.parse(all.stdout) as unknown[]).length, 1, 'each resource once');
    const wrong = await runWeir(['pc', 'clusters', '--node', 'sidecar-3', ...socket]);
    assert.match(wrong.stderr, /there is no node 'sidecar-3' \(--node\); there is: sidecar-1, sidecar-2/);
  });

  test('says what there is and the nearest name where nothing is found, and ends with 1', async t => {
    const { socket } = await sidecarOf(t);
    const wrong: readonly (readonly [args: readonly string[], status: number, why: RegExp])[] = [
      [
        ['clusters', v1.replace('reviews', 'review')],
        1,
        /there is no 'outbound\|80\|v1\|review\..*' among the 5 clusters; did you mean 'outbound\|80\|v1\|reviews/,
      ],
      [
        ['clusters', '--fqdn', reviews.replace('r', 'R').replace('ws', 'w')],
        1,
        /none of the 5 clusters is of --fqdn .*; did you mean 'reviews\.shop/,
      ],
      [
        ['endpoints', '--status', 'degraded'],
        1,
        /none of the 2 endpoints is of --status degraded; there is: DRAINING, HEALTHY, UNHEALTHY/,
      ],
      [['extensions'], 1, /there is no type 'extensions'/],
      [['clustr'], 1, /did you mean 'clusters?'\?/],
      [['clusters', '-o', 'xml'], 2, /--output must be text, json or yaml \(given: 'xml'\)/],
      [['routes', '--fqdn', 'x'], 2, /unknown option '--fqdn'/],
      [[], 2, /say of what: clusters, listeners, routes, endpoints, secrets, /],
    ];
    for (const [args, status, why] of wrong) {
      const outcome = await runWeir(['pc', ...args, ...socket]);
      assert.match(outcome.stderr, why);
      assert.deepEqual([outcome.status, outcome.stdout], [status, ''], args.join(' '));
    }
  });
});
