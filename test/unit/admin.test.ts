import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { test } from 'node:test';
import type { EventQuery } from '../../src/admin/agent-event.ts';
import { renderConfigDump } from '../../src/admin/config-dump.ts';
import { EventStreams } from '../../src/admin/event-stream.ts';
import type { MetricSample } from '../../src/admin/metric-sample.ts';
import { renderMetrics } from '../../src/admin/metrics.ts';
import type {
  AgentReport,
  CachedResource,
  CachedView,
  HeldResource,
  ResourceReport,
  TypeReport,
} from '../../src/admin/reports.ts';
import { answer, type HealthSource, type Page, type PageRequest } from '../../src/admin/routes.ts';
import { type AdminServer, type AdminServerOptions, createAdminServer } from '../../src/admin/server.ts';
import type { AdminControl, AdminSource, HeldQuery } from '../../src/admin/source.ts';
import { Journal } from '../../src/agent/journal.ts';
import type { Address } from '../../src/xds/address.ts';
import { clustersReport, reportWith } from '../support/reports.ts';

const clusterType = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const secretType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
const meshType = 'networking.istio.io/v1/VirtualService';

function typeWith(shortName: string, typeUrl: string): TypeReport {
  const updatedWallMs = Date.UTC(2026, 0, 2);
  return clustersReport({
    viewKey: 'view',
    typeUrl,
    shortName,
    versionInfo: 'v7',
    resources: 1,
    bytes: 3,
    updatedWallMs,
  });
}

/** A source with the types given; each holds the resources given for its URL. */
function sourceWith(types: readonly TypeReport[], resources: Readonly<Record<string, readonly ResourceReport[]>>) {
  const report: AgentReport = reportWith({ types });
  const samples: MetricSample[] = [{ name: 'up', kind: 'gauge', help: 'Is up.', labels: [], value: 1 }];
  const source: AdminSource = {
    report: () => report,
    resources: (viewKey, typeUrl) => (viewKey === 'view' ? (resources[typeUrl] ?? []) : []),
    held: () => [],
    metrics: () => samples,
    events: () => [],
    explain: ({ name }) => ({ name, nowWallMs: 0, found: [], isKnown: false, near: [] }),
    trend: () => [],
    drift: () => ({ running: undefined, last: undefined }),
  };
  return source;
}

const emptySource = sourceWith([], {});
const health: HealthSource = {
  live: () => ({ isOk: true, reason: 'alive' }),
  started: () => ({ isOk: false, reason: 'not yet' }),
  ready: isStrict => ({ isOk: !isStrict, reason: isStrict ? 'no upstream' : 'fine' }),
};

const control: AdminControl = {
  passGuard: type => (type === undefined ? 3 : 1),
  listCache: () => [],
  listCached: () => [],
  exportCache: () => new Uint8Array([1, 2]),
  purgeCache: () => 2,
  record: () => undefined,
  followEvents: () => undefined,
  checkDrift: () => {},
  drain: () => {},
  logLevel: () => ({ level: 'info', configured: 'info', untilWallMs: undefined }),
  setLogLevel: (level, forMs) =>
    level === 'loud' ? { error: 'level must be another' } : { level, configured: 'info', untilWallMs: forMs },
};

function get(url: string, change: Partial<PageRequest> = {}) {
  const request = { method: 'GET', url, accept: '', isHealthOnly: false, isPrivileged: false, ...change };
  const page = answer(request, emptySource, health, control);
  return {
    status: page.status,
    contentType: page.contentType,
    headers: page.headers,
    text: [...(page.body as Iterable<string>)].join(''),
  };
}

test('the log level is shown to everybody and changed on the admin socket, for a time if one is given', () => {
  const info = { level: 'info', configured: 'info' };
  assert.deepEqual(JSON.parse(get('/log_level').text), info);
  assert.deepEqual(JSON.parse(get('/log_level', { isPrivileged: true }).text), info);
  const change = (query: string) => get(`/log_level${query}`, { method: 'POST', isPrivileged: true });
  assert.deepEqual(JSON.parse(change('?level=warn').text), { ...info, level: 'warn' });
  assert.equal(JSON.parse(change('?level=warn&for=10m').text).untilWallMs, 600_000);
  assert.deepEqual([change('?level=warn&for=long').status, change('?level=loud').status], [400, 400]);
  assert.equal(get('/log_level', { isHealthOnly: true }).status, 404);
  assert.equal(get('/log_level', { method: 'DELETE', isPrivileged: true }).status, 405);
});

test('a health page is 200 or 503 with the reason, as text or as JSON', () => {
  assert.deepEqual([get('/healthz/live').status, get('/healthz/live').text], [200, 'ok: alive\n']);
  assert.deepEqual([get('/healthz/started').status, get('/healthz/started').text], [503, 'not ok: not yet\n']);
  const asked = [get('/healthz/started?format=json'), get('/healthz/started', { accept: 'application/json' })];
  for (const { status, contentType, text } of asked) {
    assert.equal(status, 503);
    assert.equal(contentType, 'application/json');
    assert.deepEqual(JSON.parse(text), { isOk: false, reason: 'not yet' });
  }
});

test('ready is strict only when asked to be', () => {
  assert.equal(get('/healthz/ready').status, 200);
  for (const query of ['?strict', '?strict=true', '?format=json&strict=1']) {
    assert.equal(get(`/healthz/ready${query}`).status, 503, query);
  }
  assert.equal(get('/healthz/ready?strict=false').status, 200);
});

test('what changes something or shows contents is for the admin socket only', () => {
  const isPrivileged = true;
  assert.equal(get('/guard/pass', { method: 'POST' }).status, 403);
  assert.equal(get('/log_level?level=debug', { method: 'POST' }).status, 403);
  assert.equal(get('/cache/export').status, 403);
  assert.equal(get('/guard/pass', { isPrivileged }).status, 405);
  assert.deepEqual(JSON.parse(get('/guard/pass', { method: 'POST', isPrivileged }).text), { released: 3 });
  assert.deepEqual(JSON.parse(get('/guard/pass?type=CDS', { method: 'POST', isPrivileged }).text), { released: 1 });
  assert.deepEqual(JSON.parse(get('/cache/purge', { method: 'POST', isPrivileged }).text), { dropped: 2 });
  assert.equal(get('/cache/export', { isPrivileged }).contentType, 'application/octet-stream');
  assert.equal(get('/cache/purge', { method: 'POST', isPrivileged, isHealthOnly: true }).status, 404);
});

test('explain names what it wants, and hands over the name as it was written', () => {
  assert.deepEqual([get('/explain').status, get('/explain').text], [400, 'say which resource: ?name=\n']);
  const { status, text } = get(`/explain?name=${encodeURIComponent('outbound|80||a & b')}&type=CDS`);
  assert.equal(status, 200);
  assert.equal(JSON.parse(text).name, 'outbound|80||a & b');
  assert.equal(get('/explain?name=a', { isHealthOnly: true }).status, 404);
});

test('an unknown page is 404 with the list of those that are there', () => {
  for (const url of ['/nothing', '/healthz', '/healthz/', '//', '//evil/healthz/live', '/metrics/']) {
    const { status, text } = get(url);
    assert.equal(status, 404, url);
    assert.match(text, /^\/config_dump /m);
  }
  assert.equal(get('/').status, 200);
  for (const path of get('/').text.matchAll(/^(\/\S*) /gm)) assert.notEqual(get(path[1] ?? '').status, 404, path[1]);
});

test('only GET and HEAD are answered, and what is no URL is refused', () => {
  const posted = get('/status', { method: 'POST' });
  assert.equal(posted.status, 405);
  assert.deepEqual(posted.headers, { allow: 'GET, HEAD' });
  assert.equal(get('/status', { method: 'HEAD' }).status, 200);
  assert.equal(get('*', { method: 'OPTIONS' }).status, 400);
});

test('an address for health shows health and metrics, and nothing of the configuration', () => {
  const seen = (url: string) => get(url, { isHealthOnly: true });
  for (const url of ['/healthz/live', '/healthz/ready', '/metrics']) assert.notEqual(seen(url).status, 404, url);
  for (const url of ['/', '/status', '/clients', '/config_dump', '/healthz/../config_dump']) {
    assert.equal(seen(url).status, 404, url);
    assert.doesNotMatch(seen(url).text, /config_dump/);
  }
});

test('metrics have HELP and TYPE once a name, and labels cannot break out', () => {
  const text = renderMetrics([
    { name: 'a_total', kind: 'counter', help: 'Back\\slash\nline.', labels: [['type', 'CDS']], value: 1 },
    { name: 'b', kind: 'gauge', help: 'B.', labels: [], value: 0.5 },
    {
      name: 'a_total',
      kind: 'counter',
      help: 'Other.',
      labels: [
        ['type', 'x"\\\n'],
        ['k', 'v'],
      ],
      value: 2,
    },
  ]);
  assert.equal(
    text,
    '# HELP weir_a_total Back\\\\slash\\nline.\n# TYPE weir_a_total counter\n' +
      'weir_a_total{type="CDS"} 1\nweir_a_total{type="x\\"\\\\\\n",k="v"} 2\n' +
      '# HELP weir_b B.\n# TYPE weir_b gauge\nweir_b 0.5\n',
  );
});

test('the dump has Envoy’s shape, without bodies', () => {
  const cluster = { name: 'a"b', version: '1', bytes: 3, digest: 'abc' };
  const types = [typeWith('CDS', clusterType), typeWith(meshType, meshType)];
  const source = sourceWith(types, { [clusterType]: [cluster, { ...cluster, name: 'c' }] });
  const { configs } = JSON.parse([...renderConfigDump(source)].join(''));
  assert.equal(configs.length, 2);
  assert.equal(configs[0]['@type'], 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump');
  assert.equal(configs[0].version_info, 'v7');
  const shown = { version_info: '1', bytes: 3, digest: 'abc', last_updated: '2026-01-02T00:00:00.000Z' };
  assert.deepEqual(configs[0].dynamic_active_clusters, [
    { name: 'a"b', ...shown },
    { name: 'c', ...shown },
  ]);
  assert.equal(configs[1].type_url, meshType);
  assert.deepEqual(configs[1].resources, []);
  assert.deepEqual(JSON.parse([...renderConfigDump(emptySource)].join('')), { configs: [] });
});

test('of a secret the dump shows the name only, also of a kind that has no short name', () => {
  const otherType = 'type.googleapis.com/envoy.api.v2.auth.Secret';
  const secret = { name: 'tls', version: 'version-of-key', bytes: 1_704, digest: 'digest-of-key' };
  const source = sourceWith([typeWith('SDS', secretType), typeWith(otherType, otherType)], {
    [secretType]: [secret],
    [otherType]: [secret],
  });
  const text = [...renderConfigDump(source)].join('');
  assert.equal(text.match(/"name":"tls"/g)?.length, 2);
  assert.doesNotMatch(text, /-of-key|1704/);
});

test('the dump is made a piece at a time', () => {
  const taken: string[] = [];
  const source: AdminSource = {
    ...sourceWith([typeWith('CDS', clusterType)], {}),
    *resources() {
      for (const name of ['a', 'b', 'c']) {
        taken.push(name);
        yield { name, version: '', bytes: 0, digest: '' };
      }
    },
  };
  const pieces = renderConfigDump(source);
  while (taken.length === 0) pieces.next();
  assert.deepEqual(taken, ['a']);
});

/** A source that holds so many resources of Istio's, each with this body, and notes what it was asked for. */
function holding(count: number, body: string) {
  const asked: HeldQuery[] = [];
  const taken: string[] = [];
  const source: AdminSource = {
    ...sourceWith([typeWith('CDS', clusterType), typeWith(meshType, meshType)], {}),
    *held(query) {
      asked.push(query);
      for (let at = 0; at < count; at++) {
        taken.push(`shop/r-${at}`);
        yield heldWith(`shop/r-${at}`, query.hasBodies ? Buffer.from(body) : undefined);
      }
    },
  };
  const page = (query: string, isPrivileged = false) => {
    const request = { method: 'GET', url: `/resources${query}`, accept: '', isHealthOnly: false, isPrivileged };
    return answer(request, source, health, control);
  };
  return { asked, taken, page };
}

function heldWith(name: string, body: Buffer | undefined): HeldResource {
  return {
    viewKey: 'view',
    typeUrl: meshType,
    name,
    version: '',
    metadataVersion: '41',
    bytes: 3,
    digest: 'd',
    changedWallMs: 1,
    endsWallMs: undefined,
    source: 'upstream',
    server: undefined,
    isCurrent: true,
    confirmedWallMs: 1,
    trust: 'accepted',
    isIdle: false,
    words: { subscribed: 0, acked: 0, nacked: 0, sent: 0 },
    clients: undefined,
    quarantine: undefined,
    body,
    withheld: undefined,
  };
}

const linesOf = (page: Page): unknown[] =>
  [...(page.body as Iterable<string>)]
    .join('')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));

test('resources are a line each, without bodies for whoever asks, with bodies on the admin socket only', () => {
  const { page, asked } = holding(2, 'body');
  const open = page(`?type=${meshType}`);
  assert.deepEqual([open.status, open.contentType], [200, 'application/x-ndjson']);
  assert.deepEqual(
    linesOf(open).map(one => [(one as { name: string }).name, (one as { body?: string }).body]),
    [
      ['shop/r-0', undefined],
      ['shop/r-1', undefined],
    ],
  );
  assert.equal(page(`?type=${meshType}&bodies`).status, 403);
  assert.equal(asked.length, 1, 'what is refused is not even looked at');
  const [first] = linesOf(page(`?type=${meshType}&bodies`, true)) as { body: string }[];
  assert.equal(first?.body, Buffer.from('body').toString('base64'));
});

test('resources can be asked for by view, namespace and names, and of a type that is there only', () => {
  const { page, asked } = holding(1, '');
  linesOf(page('?type=CDS'));
  linesOf(page(`?type=${meshType}&view=v&namespace=shop&name=shop/a&name=shop%2Fb&clients=true&bodies=false`));
  linesOf(page('?contains=Shop&limit=3'));
  const none = { viewKey: undefined, namespace: undefined, names: undefined, contains: undefined };
  const rest = { ...none, hasClients: false, hasBodies: false };
  assert.deepEqual(asked, [
    { ...rest, typeUrl: clusterType },
    { ...rest, typeUrl: meshType, viewKey: 'v', namespace: 'shop', names: ['shop/a', 'shop/b'], hasClients: true },
    { ...rest, typeUrl: clusterType, contains: 'Shop' },
    { ...rest, typeUrl: meshType, contains: 'Shop' },
  ]);
  for (const [query, why] of [
    ['', `say which type: ?type=; there is: CDS, ${meshType}`],
    ['?contains=a&limit=0', "limit is no number above 0: '0'"],
    [`?contains=${'a'.repeat(3000)}`, 'contains has more than 2048 characters'],
    ['?type=EDS', `there is nothing of the type 'EDS'; there is: CDS, ${meshType}`],
  ] as const) {
    const refused = page(query);
    assert.deepEqual([refused.status, [...(refused.body as Iterable<string>)].join('')], [400, `${why}\n`]);
  }
});

test('no more resources are looked at than are asked for', () => {
  const { page, taken } = holding(10_000, '');
  assert.equal(linesOf(page('?contains=r-&limit=20')).length, 20);
  assert.equal(taken.length, 20);
});

test('ten thousand resources are made one by one, when they are taken', () => {
  const { page, taken } = holding(10_000, 'x'.repeat(300));
  const pieces = (page(`?type=${meshType}&bodies`, true).body as Iterable<string>)[Symbol.iterator]();
  const first = pieces.next();
  assert.ok(!first.done && first.value.endsWith('\n'));
  assert.equal(taken.length, 1);
  let count = 1;
  while (!pieces.next().done) count++;
  assert.equal(taken.length, 10_000);
  assert.equal(count, 10_000);
});

test('rows on disk are a line each; a type is found by its short name, too', () => {
  const asked: unknown[] = [];
  const cached: AdminControl = {
    ...control,
    listCache: () => [
      { viewKey: 'v', nodeId: 'n', nodeCluster: '', usedWallMs: 1, types: [cachedType('CDS', clusterType)] },
    ],
    listCached(...query) {
      asked.push(query);
      return [cachedRow];
    },
  };
  const page = (url: string) =>
    answer({ method: 'GET', url, accept: '', isHealthOnly: false, isPrivileged: false }, emptySource, health, cached);
  assert.deepEqual(linesOf(page('/cache/resources?type=CDS')), [JSON.parse(JSON.stringify(cachedRow))]);
  linesOf(page(`/cache/resources?type=${meshType}&view=v`));
  assert.deepEqual(asked, [
    [clusterType, undefined],
    [meshType, 'v'],
  ]);
  assert.equal(page('/cache/resources?type=EDS').status, 400);
  assert.equal(page('/cache/resources').status, 400);
});

const cachedRow: CachedResource = {
  viewKey: 'v',
  typeUrl: clusterType,
  name: 'a',
  state: 'kept',
  version: '1',
  metadataVersion: undefined,
  bytes: 3,
  trust: 'accepted',
  changedWallMs: 1,
  confirmedWallMs: 2,
  endsWallMs: undefined,
};

function cachedType(shortName: string, typeUrl: string): CachedView['types'][number] {
  const counts = { resources: 1, bytes: 3, quarantined: 0, withheld: 0, sealed: 0 };
  return { typeUrl, shortName, isKnown: true, confirmedWallMs: 1, ...counts };
}

interface Reply {
  readonly response: IncomingMessage;
  readonly text: string;
}

async function fetchFrom(address: Address, options: RequestOptions): Promise<Reply> {
  const where = address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({ ...where, agent: false, ...options }, resolve)
    .on('error', reject)
    .end();
  const response = await promise;
  return { response, text: await textOf(response) };
}

const free: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 };

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-admin-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Serves for the time of a test; errors of pages are collected. */
async function withServer(
  change: Partial<AdminServerOptions>,
  use: (server: AdminServer, first: Address, errors: unknown[]) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const server = await createAdminServer({
    control,
    source: emptySource,
    addresses: [free],
    healthAddresses: [],
    health,
    onError: error => errors.push(error),
    socketPath: undefined,
    onNoSocket: (_path, error) => errors.push(error),
    ...change,
  });
  try {
    const [first] = server.addresses;
    assert.ok(first);
    await use(server, first, errors);
  } finally {
    await server.close();
  }
}

test('pages are served over HTTP, HEAD without a body, a great dump whole', async () => {
  const names = Array.from({ length: 5_000 }, (_, index) => ({
    name: `cluster-${index}`,
    version: '1',
    bytes: 400,
    digest: 'd',
  }));
  const source = sourceWith([typeWith('CDS', clusterType)], { [clusterType]: names });
  await withServer({ source }, async (_server, address, errors) => {
    const dump = await fetchFrom(address, { path: '/config_dump' });
    assert.equal(dump.response.statusCode, 200);
    assert.equal(JSON.parse(dump.text).configs[0].dynamic_active_clusters.length, 5_000);
    const head = await fetchFrom(address, { path: '/config_dump', method: 'HEAD' });
    assert.deepEqual([head.response.statusCode, head.text], [200, '']);
    const json = await fetchFrom(address, { path: '/healthz/live', headers: { accept: 'application/json' } });
    assert.equal(json.response.headers['content-type'], 'application/json');
    assert.equal(json.response.headers['cache-control'], 'no-store');
    assert.deepEqual(errors, []);
  });
});

test('HEAD of the event stream leaves none open', async () => {
  const journal = new Journal();
  const streams = new EventStreams(journal, '1');
  const following = { ...control, followEvents: (query: EventQuery) => streams.open(query) };
  await withServer({ control: following }, async (_server, address) => {
    for (let count = 0; count < 20; count++) {
      const { response } = await fetchFrom(address, { path: '/events', method: 'HEAD' });
      assert.equal(response.statusCode, 200);
      assert.equal(journal.watchers, 0);
    }
  });
});

test('a page that fails is reported, and the next one works', async () => {
  let isBroken = true;
  const source: AdminSource = {
    ...emptySource,
    report() {
      if (isBroken) throw new Error('broken report');
      return emptySource.report();
    },
  };
  await withServer({ source }, async (_server, address, errors) => {
    await assert.rejects(fetchFrom(address, { path: '/status' }), /socket hang up|ECONNRESET/);
    assert.match(String(errors[0]), /broken report/);
    isBroken = false;
    assert.equal((await fetchFrom(address, { path: '/status' })).response.statusCode, 200);
  });
});

test('an admin socket is for its owner only, and a live one is never taken away', async () => {
  await withFolder(async folder => {
    const path = join(folder, 'admin.sock');
    const addresses: Address[] = [{ kind: 'unix', path }];
    const maskBefore = process.umask(0);
    try {
      await withServer({ addresses }, async (_server, address) => {
        assert.equal(statSync(path).mode & 0o777, 0o600);
        assert.equal(process.umask(), 0);
        const second = withServer({ addresses }, async () => assert.fail('two agents serve one socket'));
        await assert.rejects(second, /cannot serve unix:.*another process serves it/);
        assert.equal((await fetchFrom(address, { path: '/healthz/live' })).text, 'ok: alive\n');
      });
    } finally {
      process.umask(maskBefore);
    }
    assert.equal(existsSync(path), false);
  });
});

test('the socket of a dead process gives way, another file does not', async () => {
  await withFolder(async folder => {
    const path = join(folder, 'admin.sock');
    const addresses: Address[] = [{ kind: 'unix', path }];
    // A process that is killed leaves its socket behind.
    const program = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
    assert.equal(spawnSync(process.execPath, ['-e', program, path]).signal, 'SIGKILL');
    assert.ok(existsSync(path));
    await withServer({ addresses }, async (_server, address) => {
      assert.equal((await fetchFrom(address, { path: '/healthz/live' })).response.statusCode, 200);
    });
    writeFileSync(path, 'precious');
    await assert.rejects(
      withServer({ addresses }, async () => {}),
      /is no socket/,
    );
    assert.equal(readFileSync(path, 'utf8'), 'precious');
  });
});

test('the socket for privileged requests is served where it can be, and else done without', async () => {
  await withFolder(async folder => {
    const path = join(folder, 'admin.sock');
    await withServer({ socketPath: path }, async (_server, _first, errors) => {
      assert.deepEqual(errors, []);
      assert.equal(statSync(path).mode & 0o777, 0o600);
    });
    for (const impossible of [join(folder, 'gone', 'admin.sock'), join(folder, 'x'.repeat(120))]) {
      await withServer({ socketPath: impossible }, async (_server, first, errors) => {
        assert.equal(errors.length, 1);
        assert.match(String(errors[0]), /cannot serve unix:/);
        assert.equal((await fetchFrom(first, { path: '/healthz/live' })).response.statusCode, 200);
      });
    }
  });
});

test('an address that is taken is named, and nothing stays open', async () => {
  await withServer({}, async (_server, taken) => {
    assert.ok(taken.kind === 'tcp');
    const attempt = createAdminServer({
      control,
      source: emptySource,
      addresses: [free],
      healthAddresses: [taken],
      health,
      onError: () => {},
      socketPath: undefined,
      onNoSocket: () => {},
    });
    await assert.rejects(attempt, (error: unknown) => {
      assert.ok(error instanceof Error);
      assert.equal(error.message, `cannot serve 127.0.0.1:${taken.port}`);
      assert.match(String(error.cause), /EADDRINUSE/);
      return true;
    });
  });
});

test('a browser gets the dashboard, and a page from elsewhere nothing; a socket is asked by any name', async () => {
  await withFolder(async folder => {
    const socketPath = join(folder, 'admin.sock');
    await withServer({ socketPath }, async (_server, address) => {
      const html = { accept: 'text/html' };
      const page = await fetchFrom(address, { path: '/', headers: html });
      assert.match(page.text, /^<!doctype html>/);
      assert.match(String(page.response.headers['content-security-policy']), /frame-ancestors 'none'/);
      const script = await fetchFrom(address, { path: '/dashboard/main.js' });
      assert.deepEqual(
        [script.response.statusCode, script.response.headers['content-type']],
        [200, 'text/javascript; charset=utf-8'],
      );
      assert.match((await fetchFrom(address, { path: '/' })).text, /^weir admin\n/);
      for (const headers of [{ host: 'rebound.example' }, { 'sec-fetch-site': 'cross-site' }]) {
        for (const path of ['/', '/status', '/healthz/ready', '/nowhere']) {
          assert.equal((await fetchFrom(address, { path, headers: { ...html, ...headers } })).response.statusCode, 403);
        }
      }
      const local = await fetchFrom({ kind: 'unix', path: socketPath }, { path: '/status', headers: { host: 'weir' } });
      assert.equal(local.response.statusCode, 200);
      assert.equal(local.response.headers['cross-origin-resource-policy'], 'same-origin');
      assert.equal(local.response.headers['access-control-allow-origin'], undefined);
    });
  });
});

test('close does not wait for a client that keeps its connection', { timeout: 10_000 }, async () => {
  await withServer({}, async (server, address) => {
    assert.ok(address.kind === 'tcp');
    const socket = connect(address.port, address.host);
    const ended = once(socket, 'close');
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const [reply] = await once(socket, 'data');
    assert.match(String(reply), /^HTTP\/1.1 200 OK/);
    await server.close();
    await ended;
    await assert.rejects(fetchFrom(address, { path: '/' }), /ECONNREFUSED/);
  });
});
