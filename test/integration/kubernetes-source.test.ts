import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { readKubernetes } from '../../src/source/kubernetes.ts';
import { type KubernetesSettings, kubernetesDefaults } from '../../src/source/kubernetes-settings.ts';
import type { SourceReader } from '../../src/source/source-events.ts';
import { clientCertificate, type Identity, selfSignedCertificate } from '../support/certificate.ts';
import { gateway, istioKind, virtualService } from '../support/kubernetes-objects.ts';
import { KubernetesServer } from '../support/kubernetes-server.ts';
import { SourceLog } from '../support/source-log.ts';

const gateways = '/apis/networking.istio.io/v1/namespaces/shop/gateways';
const virtualServices = '/apis/networking.istio.io/v1/namespaces/shop/virtualservices';
const configMaps = '/api/v1/namespaces/istio-system/configmaps';
const token = 'token-that-nobody-may-see';

type User = Readonly<Record<string, unknown>>;

/** An API server with a namespace, a kubeconfig for it, and what a reader tells. */
class World {
  readonly identity: Identity = selfSignedCertificate();
  readonly folder = makeFolder();
  readonly log = new SourceLog();
  readonly server: KubernetesServer;
  reader: SourceReader | undefined;
  readonly #user: User;

  private constructor(user: User, wantsCertificate: boolean) {
    this.#user = user;
    this.server = new KubernetesServer(this.identity, { wantsCertificate });
  }

  static async start(
    t: TestContext,
    { user = { token }, wantsCertificate = false }: { readonly user?: User; readonly wantsCertificate?: boolean } = {},
  ): Promise<World> {
    const world = new World(user, wantsCertificate);
    t.after(async () => {
      await world.reader?.close();
      await world.server.stop();
      removeFolder(world.folder);
    });
    await world.server.start();
    for (const [path, object] of [
      [gateways, gateway('a', 0)],
      [virtualServices, virtualService('v', 0)],
    ] as const) {
      world.server.put(path, object);
    }
    return world;
  }

  file(name: string, content: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  /** Writes the kubeconfig (JSON is YAML). */
  kubeconfig(cluster: Readonly<Record<string, unknown>> = {}): string {
    const content = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      clusters: [
        {
          name: 'local',
          cluster: {
            server: this.server.url,
            'certificate-authority-data': Buffer.from(this.identity.cert).toString('base64'),
            ...cluster,
          },
        },
      ],
      users: [{ name: 'weir', user: this.#user }],
      contexts: [{ name: 'here', context: { cluster: 'local', user: 'weir' } }],
    };
    return this.file('kubeconfig', JSON.stringify(content));
  }

  async read(settings: Partial<KubernetesSettings> = {}): Promise<void> {
    this.reader = await readKubernetes(
      {
        ...kubernetesDefaults,
        kubeconfig: settings.kubeconfig ?? this.kubeconfig(),
        kinds: [istioKind('Gateway')],
        namespaces: ['shop'],
        backoffMinMs: 20,
        backoffMaxMs: 100,
        ...settings,
      },
      this.log.tell,
    );
  }

  /** Reads Gateways until they are watched. */
  async watching(settings: Partial<KubernetesSettings> = {}): Promise<void> {
    await this.read(settings);
    await this.log.take(1);
    await this.server.untilWatched(gateways);
  }
}

/** Nothing that proves who asks may be in what is told. */
function assertNoSecret(log: SourceLog, ...secrets: readonly string[]): void {
  for (const text of log.all) for (const secret of [token, ...secrets]) assert.ok(!text.includes(secret), text);
}

describe('what is read of Kubernetes', () => {
  test('is a list in pages and a watch of each kind, with get on these paths and nothing more', async t => {
    const world = await World.start(t);
    for (const name of ['b', 'c', 'd']) world.server.put(gateways, gateway(name, 0));
    world.server.tokens = new Set([token]);
    await world.read({ kinds: [istioKind('Gateway'), istioKind('VirtualService')], pageSize: 3 });
    const told = (await world.log.take(2)).sort();
    assert.deepEqual(told, [
      'Gateway whole shop/a@101 shop/b@103 shop/c@104 shop/d@105',
      'VirtualService whole shop/v@102',
    ]);
    await world.server.untilWatched(gateways);
    await world.server.untilWatched(virtualServices);
    world.server.put(gateways, gateway('a', 0, { port: 81 }));
    assert.deepEqual(await world.log.take(1), ['Gateway changed shop/a@106']);
    world.server.delete(gateways, 'b');
    assert.deepEqual(await world.log.take(1), ['Gateway changed -shop/b']);
    world.server.put(virtualServices, virtualService('w', 0));
    assert.deepEqual(await world.log.take(1), ['VirtualService changed shop/w@108']);
    const asked = world.server.requests.map(({ path, query }) => `${path} ${query.get('watch') ? 'watch' : 'list'}`);
    assert.deepEqual(asked.sort(), [
      `${gateways} list`,
      `${gateways} list`,
      `${gateways} watch`,
      `${virtualServices} list`,
      `${virtualServices} watch`,
    ]);
    for (const { authorization } of world.server.requests) assert.equal(authorization, `Bearer ${token}`);
    const watch = world.server.requests.find(({ query }) => query.get('watch'))?.query;
    assert.equal(watch?.get('allowWatchBookmarks'), 'true');
    const seconds = Number(watch?.get('timeoutSeconds'));
    assert.ok(seconds >= 300 && seconds <= 600, `${seconds} s`);
    assert.deepEqual(world.log.rest, []);
  });

  test('goes on from the last bookmark when the connection is cut in the middle of a line', async t => {
    const world = await World.start(t);
    await world.watching();
    const event = { type: 'ADDED', object: gateway('b', 103) };
    world.server.putSilently(gateways, gateway('b', 0));
    const version = world.server.elsewhere();
    const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(version) } } };
    const half = '{"type":"MODIFIED","object":{"metadata":{"name":"a","na';
    world.server.say(gateways, `${JSON.stringify(event)}\n${JSON.stringify(bookmark)}\n${half}`);
    assert.deepEqual(await world.log.take(1), ['Gateway changed shop/b@103']);
    const before = world.server.requests.length;
    world.server.cut();
    await world.server.until('a new watch', () => world.server.requests.length > before);
    await world.server.untilWatched(gateways);
    const again = world.server.requests.at(-1);
    assert.deepEqual(
      [again?.path, again?.query.get('watch'), again?.query.get('resourceVersion')],
      [gateways, '1', String(version)],
    );
    world.server.put(gateways, gateway('c', 0));
    assert.deepEqual(await world.log.take(1), [`Gateway changed shop/c@${version + 1}`]);
    assert.deepEqual(world.log.rest, []);
  });

  test('goes on where a watch ended, and misses nothing that happened between', async t => {
    const world = await World.start(t);
    await world.watching();
    world.server.put(gateways, gateway('b', 0));
    await world.log.take(1);
    world.server.endWatches(gateways);
    await world.server.until('the end of the watch', () => world.server.watches(gateways) === 0);
    world.server.put(gateways, gateway('c', 0));
    assert.deepEqual(await world.log.take(1), ['Gateway changed shop/c@104']);
    assert.equal(world.server.requests.filter(({ query }) => !query.get('watch')).length, 1);
  });

  test('is listed again when a page is too old', async t => {
    const world = await World.start(t);
    for (const name of ['b', 'c']) world.server.put(gateways, gateway(name, 0));
    const pages = () => world.server.requests.filter(({ query }) => query.get('continue'));
    // What the first page stands for is forgotten before the next one is asked for.
    world.server.compactAfterPage = true;
    await world.read({ pageSize: 2 });
    const [told] = await world.log.take(1);
    assert.equal(told, 'Gateway whole shop/a@101 shop/b@103 shop/c@104');
    assert.equal(pages().length, 2);
    assert.notEqual(pages()[0]?.query.get('continue'), pages()[1]?.query.get('continue'));
  });

  for (const goneBy of ['status', 'event'] as const) {
    test(`is listed again, and told as a whole, when the version is gone by ${goneBy}`, async t => {
      const world = await World.start(t);
      world.server.goneBy = goneBy;
      await world.watching();
      world.server.putSilently(gateways, gateway('b', 0));
      world.server.compact();
      world.server.endWatches(gateways);
      assert.deepEqual(await world.log.take(1), ['Gateway whole shop/a@101 shop/b@103']);
      await world.server.untilWatched(gateways);
      assert.deepEqual(world.log.rest, []);
    });
  }

  test('is compared from time to time, so that a change that no watch told is found', async t => {
    const world = await World.start(t);
    await world.watching({ resyncMs: 200 });
    world.server.putSilently(gateways, gateway('b', 0));
    assert.deepEqual(await world.log.take(1), ['Gateway changed shop/b@103']);
    const lists = () => world.server.requests.filter(({ query }) => !query.get('watch')).length;
    const before = lists();
    await world.server.until('two more lists', () => lists() > before + 1);
    assert.deepEqual(world.log.rest, []);
  });

  test('is the same when events come twice, and survives a line that is none', async t => {
    const world = await World.start(t);
    await world.watching();
    const again = JSON.stringify({ type: 'ADDED', object: gateway('a', 101) });
    world.server.say(gateways, `${again}\n${again}\n`);
    world.server.say(gateways, '<html>a proxy had something to say</html>\n');
    const [trouble] = await world.log.take(1);
    assert.match(
      trouble ?? '',
      /^Gateway trouble: Gateway of namespace shop cannot be read: a line of the watch holds no object/,
    );
    assert.deepEqual(await world.log.take(1), ['Gateway recovered']);
    await world.server.untilWatched(gateways);
    world.server.put(gateways, gateway('b', 0));
    assert.deepEqual(await world.log.take(1), ['Gateway changed shop/b@103']);
  });

  test('is read from the next older version where the API server has no newer one', async t => {
    const world = await World.start(t);
    const older = gateways.replace('/v1/', '/v1beta1/');
    world.server.refused.set(gateways, 404);
    world.server.put(older, gateway('old', 0, { apiVersion: 'networking.istio.io/v1beta1' }));
    await world.read();
    assert.deepEqual(await world.log.take(1), ['Gateway whole shop/old@103']);
    await world.server.untilWatched(older);
  });

  test('is the MeshConfig of one ConfigMap as well', async t => {
    const world = await World.start(t);
    const configMap = (name: string, mesh: string) => ({
      metadata: { name, namespace: 'istio-system' },
      data: { mesh },
    });
    world.server.put(configMaps, configMap('istio', 'ingressService: one'));
    world.server.put(configMaps, configMap('other', 'ingressService: other'));
    await world.read({ kinds: [], meshConfigMap: 'istio-system/istio' });
    assert.match((await world.log.take(1))[0] ?? '', /^mesh config of \d+ bytes$/);
    for (const { query } of world.server.requests) assert.equal(query.get('fieldSelector'), 'metadata.name=istio');
    await world.server.untilWatched(configMaps);
    world.server.delete(configMaps, 'istio');
    assert.deepEqual(await world.log.take(1), ['mesh config none']);
  });
});

describe('who asks Kubernetes', () => {
  test('a token that was rotated is read again the moment the old one is refused', async t => {
    const world = await World.start(t, { user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile: '' } } } });
    const path = world.file('token', `${token}-1\n`);
    const kubeconfig = world.file(
      'kubeconfig',
      JSON.stringify({
        'current-context': 'here',
        clusters: [
          {
            name: 'local',
            cluster: { server: world.server.url, 'certificate-authority': world.file('ca.pem', world.identity.cert) },
          },
        ],
        users: [{ name: 'weir', user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile: path } } } }],
        contexts: [{ name: 'here', context: { cluster: 'local', user: 'weir' } }],
      }),
    );
    world.server.tokens = new Set([`${token}-1`]);
    await world.watching({ kubeconfig });
    world.file('token', `${token}-2\n`);
    world.server.tokens = new Set([`${token}-2`]);
    world.server.endWatches(gateways);
    await world.server.until(
      'a watch with the new token',
      () => world.server.requests.at(-1)?.authorization === `Bearer ${token}-2`,
    );
    await world.server.untilWatched(gateways);
    assert.deepEqual(world.log.rest, []);
    // And now the other way round: it is refused before the new one is there.
    world.server.tokens = new Set([`${token}-3`]);
    world.server.endWatches(gateways);
    assert.match(
      (await world.log.take(1))[0] ?? '',
      /^all trouble: the API server does not know who asks \(401: Unauthorized: \(withheld\)\)/,
    );
    world.server.putSilently(gateways, gateway('b', 0));
    world.file('token', `${token}-3\n`);
    assert.deepEqual(await world.log.take(2), ['all recovered', 'Gateway changed shop/b@103']);
    assertNoSecret(world.log);
  });

  test('a client certificate proves it as well', async t => {
    const world = await World.start(t, { wantsCertificate: true });
    const client = clientCertificate(world.identity, 'weir', []);
    const encode = (pem: string): string => Buffer.from(pem).toString('base64');
    const write = ({ cert, key }: Identity): string =>
      world.file(
        'kubeconfig',
        JSON.stringify({
          'current-context': 'here',
          clusters: [
            {
              name: 'local',
              cluster: { server: world.server.url, 'certificate-authority-data': encode(world.identity.cert) },
            },
          ],
          users: [{ name: 'weir', user: { 'client-certificate-data': encode(cert), 'client-key-data': encode(key) } }],
          contexts: [{ name: 'here', context: { cluster: 'local', user: 'weir' } }],
        }),
      );
    const stranger = clientCertificate(selfSignedCertificate(), 'stranger', []);
    await world.read({ kubeconfig: write(stranger) });
    assert.match((await world.log.take(1))[0] ?? '', /^all trouble: the API server does not know who asks/);
    write(client);
    assert.deepEqual((await world.log.take(2)).sort(), ['Gateway whole shop/a@101', 'all recovered']);
    assertNoSecret(
      world.log,
      ...[stranger, client].flatMap(({ key }) => key.split('\n').filter(line => line.length > 20)),
    );
  });

  test('a command gives the credentials, and what it prints when it fails is not passed on', async t => {
    const world = await World.start(t);
    const command = world.file(
      'credentials',
      `#!/bin/sh\nif test -e "${world.folder}/good"; then cat "${world.folder}/good"; else echo 'secret-of-${token}' >&2; exit 1; fi\n`,
    );
    chmodSync(command, 0o755);
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command, args: [] };
    const kubeconfig = world.file(
      'kubeconfig',
      JSON.stringify({
        'current-context': 'here',
        clusters: [
          {
            name: 'local',
            cluster: { server: world.server.url, 'certificate-authority': world.file('ca.pem', world.identity.cert) },
          },
        ],
        users: [{ name: 'weir', user: { exec } }],
        contexts: [{ name: 'here', context: { cluster: 'local', user: 'weir' } }],
      }),
    );
    world.server.tokens = new Set([token]);
    await world.read({ kubeconfig });
    assert.match(
      (await world.log.take(1))[0] ?? '',
      /^all trouble: the command \S+credentials of user weir gave no credentials/,
    );
    world.file(
      'good',
      JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } }),
    );
    assert.deepEqual((await world.log.take(2)).sort(), ['Gateway whole shop/a@101', 'all recovered']);
    assertNoSecret(world.log);
  });

  test('a kubeconfig that cannot be used is an error that quotes nothing of it', async t => {
    const world = await World.start(t);
    const failure = async (settings: Partial<KubernetesSettings>): Promise<string> => {
      let text = '';
      await assert.rejects(world.read(settings), (error: Error) => {
        text = error.message;
        return true;
      });
      assert.ok(!text.includes(token), text);
      return text;
    };
    assert.match(await failure({ kubeconfig: join(world.folder, 'none') }), /cannot be read: ENOENT.*none'$/);
    const broken = world.file('broken', `apiVersion: v1\nusers:\n- name: weir\n  user: {token: "${token}\n`);
    assert.match(
      await failure({ kubeconfig: broken }),
      /the kubeconfig \S+ cannot be read: it is no YAML, at line \d$/,
    );
    assert.match(
      await failure({ kubeconfig: world.file('empty', '') }),
      /cannot be read: it is no kubeconfig|has no context/,
    );
    assert.match(
      await failure({ kubeconfig: world.file('list', 'clusters:\n- name: x\n') }),
      /clusters\[0\]\.cluster is missing/,
    );
    assert.match(await failure({ context: 'there' }), /has no context there; it has here$/);
    assert.match(
      await failure({ kubeconfig: world.kubeconfig({ server: 'http://localhost:1' }) }),
      /plain http; use https/,
    );
    assert.match(
      await failure({ kubeconfig: world.kubeconfig({ server: 'here' }) }),
      /the server of cluster local is no URL/,
    );
    assert.match(await failure({ namespaces: ['a/../b'] }), /"a\/\.\.\/b" cannot be the name of a namespace/);
    assert.match(await failure({ namespaces: [] }), /no namespace to read/);
    assert.match(await failure({ meshConfigMap: 'istio' }), /"istio" is not namespace\/name of a ConfigMap/);
  });

  test('without a kubeconfig it has to be a pod', async () => {
    assert.equal(process.env['KUBERNETES_SERVICE_HOST'], undefined);
    const settings = { ...kubernetesDefaults, kubeconfig: undefined, kinds: [], namespaces: ['shop'] };
    const words = /^this is no pod of Kubernetes \(KUBERNETES_SERVICE_HOST is not set\); name a kubeconfig$/;
    await assert.rejects(
      readKubernetes(settings, () => {}),
      ({ message }: Error) => words.test(message),
    );
  });

  test('an API server with a certificate of another CA is not believed', async t => {
    const world = await World.start(t);
    const other = Buffer.from(selfSignedCertificate().cert).toString('base64');
    const kubeconfig = world.kubeconfig({ 'certificate-authority-data': other });
    await world.read({ kubeconfig });
    assert.match(
      (await world.log.take(1))[0] ?? '',
      /^all trouble: the API server https:\/\/localhost:\d+ cannot be reached: .*not of the CA that the kubeconfig names/,
    );
    assert.equal(world.server.requests.length, 0);
    // Mended in the file, it is taken without a restart.
    world.kubeconfig();
    assert.deepEqual((await world.log.take(2)).sort(), ['Gateway whole shop/a@101', 'all recovered']);
  });
});

describe('when Kubernetes cannot be read', () => {
  test('a kind that is forbidden stays unanswered, the others are told, and it is told as soon as it is allowed', async t => {
    const world = await World.start(t);
    world.server.refused.set(virtualServices, 403);
    await world.read({ kinds: [istioKind('VirtualService'), istioKind('Gateway')] });
    const told = (await world.log.take(2)).sort();
    assert.equal(told[0], 'Gateway whole shop/a@101');
    assert.match(
      told[1] ?? '',
      /^VirtualService trouble: .*allow Weir's account get, list and watch on virtualservices\.networking\.istio\.io in namespace shop/,
    );
    const asked = () => world.server.requests.filter(({ path }) => path === virtualServices).length;
    await world.server.until('more attempts', () => asked() >= 4);
    assert.deepEqual(world.log.rest, []);
    world.server.refused.delete(virtualServices);
    assert.deepEqual(await world.log.take(2), ['VirtualService whole shop/v@102', 'VirtualService recovered']);
  });

  test('an API server that goes away is told once, and what changed meanwhile when it is back', async t => {
    const world = await World.start(t);
    await world.watching({ kinds: [istioKind('Gateway'), istioKind('VirtualService')] });
    await world.log.take(1);
    await world.server.untilWatched(virtualServices);
    await world.server.stop();
    assert.match(
      (await world.log.take(1))[0] ?? '',
      /^all trouble: the API server https:\/\/localhost:\d+ cannot be reached: .*ECONNREFUSED/,
    );
    world.server.put(gateways, gateway('b', 0));
    world.server.delete(gateways, 'a');
    await world.server.start();
    assert.deepEqual(await world.log.take(2), ['all recovered', 'Gateway changed shop/b@103 -shop/a']);
    await world.server.untilWatched(virtualServices);
    assert.deepEqual(world.log.rest, []);
  });

  test('an API server that is away at the start is no error', async t => {
    const world = await World.start(t);
    const kubeconfig = world.kubeconfig();
    await world.server.stop();
    await world.read({ kubeconfig });
    await world.log.take(1);
    await world.server.start();
    assert.deepEqual(await world.log.take(2), ['all recovered', 'Gateway whole shop/a@101']);
  });

  test('a line without end costs no memory, ends the watch, and what it told of is listed', async t => {
    const world = await World.start(t);
    await world.watching({ objectBytesMax: 10_000 });
    world.server.putSilently(gateways, gateway('b', 0));
    const before = world.server.requests.length;
    world.server.say(gateways, `{"type":"ADDED","object":{"x":"${'y'.repeat(1_000_000)}`);
    assert.deepEqual(await world.log.take(1), ['Gateway changed shop/b@103']);
    assert.deepEqual(
      world.server.requests
        .slice(before)
        .map(({ query }) => query.get('watch'))
        .slice(0, 1),
      [null],
    );
    await world.server.until(
      'a new watch alone',
      () => world.server.watches(gateways) === 1 && world.server.requests.length > before + 1,
    );
    const large = { ...gateway('large', 0), status: 'y'.repeat(200_000) };
    world.server.put(gateways, large);
    assert.match(
      (await world.log.take(1))[0] ?? '',
      /Gateway shop\/large is refused: it has \d+ bytes, the most is 10000/,
    );
  });

  test('pages that are too large are asked for in smaller ones', async t => {
    const world = await World.start(t);
    for (let at = 0; at < 24; at++)
      world.server.put(gateways, { ...gateway(`g-${at}`, 0), status: 'y'.repeat(1_000_000) });
    await world.read({ pageSize: 20 });
    const [told] = await world.log.take(1, 30_000);
    assert.equal(told?.match(/@/g)?.length, 25);
    assert.deepEqual(world.server.requests.map(({ query }) => query.get('limit')).slice(0, 4), [
      '20',
      '10',
      '10',
      '10',
    ]);
  });

  for (const state of ['a list that is not answered', 'an open watch', 'a delay'] as const) {
    test(`close ends ${state} at once, with every connection, and nothing is told any more`, async t => {
      const world = await World.start(t);
      if (state === 'a list that is not answered') world.server.isMute = true;
      if (state === 'a delay') world.server.refused.set(gateways, 403);
      await world.read({ backoffMinMs: 60_000, backoffMaxMs: 60_000 });
      await world.server.until('a request', () => world.server.requests.length > 0);
      if (state === 'an open watch') await world.server.untilWatched(gateways);
      const startMs = performance.now();
      await world.reader?.close();
      assert.ok(performance.now() - startMs < 1_000);
      await world.server.until('no connection', () => world.server.openConnections === 0);
      const told = world.log.all.length;
      world.server.put(gateways, gateway('b', 0));
      world.server.cut();
      await world.reader?.close();
      assert.equal(world.log.all.length, told);
    });
  }
});
