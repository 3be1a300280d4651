import assert from 'node:assert/strict';
import type { KubernetesObject } from '@kubernetes/client-node';
import type { IstioKind } from '../../src/istio/kinds.ts';
import { type MeshResource, readMeshResource } from '../../src/istio/mesh-resource.ts';
import { readKubernetes } from '../../src/source/kubernetes.ts';
import { type KubernetesSettings, kubernetesDefaults } from '../../src/source/kubernetes-settings.ts';
import type { SourceEvent, SourceReader } from '../../src/source/source-events.ts';
import { HeldProxy } from './held-proxy.ts';
import { gateway, istioKind, virtualService } from './kubernetes-objects.ts';
import { RealCluster } from './real-cluster.ts';
import { SourceLog } from './source-log.ts';

type Applied = KubernetesObject & Readonly<Record<string, unknown>>;

const group = 'networking.istio.io';
const versions = ['v1', 'v1beta1', 'v1alpha3'];
const crdVersion = 'apiextensions.k8s.io/v1';
const rbac = 'rbac.authorization.k8s.io';

/** A kind as a real API server has to know it, with any content. @param served versions that are served, the first one is stored */
function crd(kind: IstioKind, served: readonly string[] = versions): Applied {
  // As the client library spells `x-kubernetes-preserve-unknown-fields`; what it does not know it leaves out.
  const anything = { type: 'object', x_kubernetes_preserve_unknown_fields: true };
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: anything, status: anything } } };
  return {
    apiVersion: crdVersion,
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind: kind.kind, listKind: `${kind.kind}List`, plural: kind.plural, singular: kind.kind.toLowerCase() },
      versions: versions.map(name => ({ name, served: served.includes(name), storage: name === 'v1beta1', schema })),
    },
  };
}

function role(namespace: string, resources: readonly string[]): Applied {
  const rules = [{ apiGroups: [group], resources, verbs: ['get', 'list', 'watch'] }];
  return { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name: 'weir', namespace }, rules };
}

function binding(namespace: string, name: string): Applied {
  return {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name, namespace },
    roleRef: { apiGroup: rbac, kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name: 'weir', namespace }],
  };
}

/** As an object is applied: without what the API server writes. */
function applied(object: Readonly<Record<string, unknown>>): Applied {
  const { resourceVersion: _, ...metadata } = object['metadata'] as Record<string, unknown>;
  return { ...object, metadata } as Applied;
}

/** A namespace with the account and the Role of the documentation, and what a reader with its token tells. */
class Place {
  readonly cluster: RealCluster;
  readonly namespace: string;
  readonly log = new SourceLog();
  readonly resources = new Map<string, MeshResource>();
  token = '';
  readonly #closing: (() => Promise<void>)[] = [];

  constructor(cluster: RealCluster, namespace: string) {
    this.cluster = cluster;
    this.namespace = namespace;
  }

  async prepare(): Promise<void> {
    const { cluster, namespace } = this;
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await this.account();
    await cluster.apply(role(namespace, ['gateways', 'virtualservices']));
    await cluster.apply(binding(namespace, 'weir'));
    await this.gateway('a');
    await cluster.apply(applied(virtualService('v', 0, namespace)));
  }

  /** Makes the account, and a token of it. */
  async account(): Promise<void> {
    const { cluster, namespace } = this;
    await cluster.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'weir', namespace } });
    this.token = await cluster.token(namespace, 'weir');
  }

  /** @returns its version */
  gateway(name: string, more: { readonly port?: unknown; readonly apiVersion?: string } = {}): Promise<string> {
    return this.cluster.apply(applied(gateway(name, 0, { ...more, namespace: this.namespace })));
  }

  async removeGateway(name: string): Promise<void> {
    await this.cluster.delete(applied(gateway(name, 0, { namespace: this.namespace })));
  }

  kubeconfig(port = this.cluster.port): string {
    return this.cluster.file(`kubeconfig-${this.namespace}`, this.cluster.kubeconfig(this.token, port));
  }

  async read(settings: Partial<KubernetesSettings> = {}): Promise<SourceReader> {
    const tell = (event: SourceEvent): void => {
      if ('resources' in event)
        for (const resource of event.resources) this.resources.set(`${event.of.kind} ${resource.name}`, resource);
      this.log.tell(event);
    };
    const reader = await readKubernetes(
      {
        ...kubernetesDefaults,
        kinds: [istioKind('Gateway')],
        namespaces: [this.namespace],
        backoffMinMs: 100,
        backoffMaxMs: 1000,
        ...settings,
        kubeconfig: settings.kubeconfig ?? this.kubeconfig(),
      },
      tell,
    );
    this.#closing.push(() => reader.close());
    return reader;
  }

  async proxy(): Promise<HeldProxy> {
    const proxy = await HeldProxy.start(this.cluster.port);
    this.#closing.push(() => proxy.stop());
    return proxy;
  }

  /** The next events, with the namespace left out. */
  async take(count: number, timeoutMs = 30_000): Promise<string[]> {
    return (await this.log.take(count, timeoutMs)).map(text => text.replaceAll(`${this.namespace}/`, ''));
  }

  assertNoMore(): void {
    assert.deepEqual(this.log.rest, []);
    for (const text of this.log.all) assert.ok(!text.includes(this.token), 'a text has the token');
  }

  async close(): Promise<void> {
    for (const close of this.#closing.reverse()) await close();
  }
}

interface Check {
  readonly title: string;
  readonly run: (place: Place) => Promise<void>;
}

const bothKinds = [istioKind('Gateway'), istioKind('VirtualService')];

const checks: readonly Check[] = [
  {
    title: 'the account may read two kinds of one namespace and nothing else',
    run: async place => {
      const { cluster, namespace, token } = place;
      const in_ = `/apis/${group}/v1/namespaces/${namespace}`;
      const asked = [
        `${in_}/gateways`,
        `${in_}/virtualservices`,
        `${in_}/destinationrules`,
        `/apis/${group}/v1/gateways`,
        `/apis/${group}/v1/namespaces/default/gateways`,
        `/apis/${crdVersion}/customresourcedefinitions`,
        '/api/v1/namespaces',
        `/api/v1/namespaces/${namespace}/configmaps`,
      ];
      const statuses: number[] = [];
      for (const path of asked) statuses.push((await cluster.ask(path, token)).status);
      assert.deepEqual(statuses, [200, 200, 403, 403, 403, 403, 403, 403]);
    },
  },
  {
    title: 'both kinds are told whole, with their content, their version, and nothing of other namespaces',
    run: async place => {
      await place.read({ kinds: bothKinds });
      const told = (await place.take(2)).map(text => text.replace(/@\d+/g, '')).sort();
      assert.deepEqual(told, ['Gateway whole a', 'VirtualService whole v']);
      const resource = place.resources.get(`Gateway ${place.namespace}/a`);
      assert.ok(resource);
      const read = readMeshResource(istioKind('Gateway').typeUrl, resource.any);
      assert.ok('spec' in read, JSON.stringify(read));
      const stored = JSON.parse(
        await place.cluster.get(`/apis/${group}/v1/namespaces/${place.namespace}/gateways/a`, place.token),
      );
      assert.deepEqual(read.spec, stored.spec);
      assert.equal(resource.version, stored.metadata.resourceVersion);
      assert.equal(read.metadata.creationTimestamp, stored.metadata.creationTimestamp);
      place.assertNoMore();
    },
  },
  {
    title: 'what is created, changed and deleted arrives',
    run: async place => {
      await place.read({ kinds: bothKinds });
      await place.take(2);
      const made = await place.gateway('b');
      assert.deepEqual(await place.take(1), [`Gateway changed b@${made}`]);
      const changed = await place.gateway('b', { port: 8443 });
      assert.deepEqual(await place.take(1), [`Gateway changed b@${changed}`]);
      await place.removeGateway('b');
      assert.deepEqual(await place.take(1), ['Gateway changed -b']);
      const other = await place.cluster.apply(applied(virtualService('w', 0, place.namespace)));
      assert.deepEqual(await place.take(1), [`VirtualService changed w@${other}`]);
      place.assertNoMore();
    },
  },
  {
    title: 'forty objects come in pages of seven as one whole',
    run: async place => {
      for (let at = 0; at < 39; at++) await place.gateway(`g-${at}`);
      await place.read({ pageSize: 7 });
      const [told] = await place.take(1);
      assert.match(told ?? '', /^Gateway whole/);
      assert.equal(told?.match(/@/g)?.length, 40);
    },
  },
  {
    title: 'a kind that the Role does not have is trouble and stays unanswered until it has it',
    run: async place => {
      await place.read({ kinds: [istioKind('DestinationRule'), istioKind('Gateway')] });
      const told = (await place.take(2)).sort();
      assert.match(
        told[0] ?? '',
        /^DestinationRule trouble: .*403: destinationrules\.networking\.istio\.io is forbidden.*allow Weir's account get, list and watch on destinationrules\.networking\.istio\.io in namespace/,
      );
      assert.match(told[1] ?? '', /^Gateway whole a@/);
      await place.cluster.apply(role(place.namespace, ['gateways', 'virtualservices', 'destinationrules']));
      assert.deepEqual(await place.take(2), ['DestinationRule whole', 'DestinationRule recovered']);
      place.assertNoMore();
    },
  },
  {
    title: 'an object that is refused keeps what it was, the others go on',
    run: async place => {
      await place.read();
      const [first] = await place.take(1);
      await place.gateway('a', { port: 'eighty' });
      assert.match(
        (await place.take(1))[0] ?? '',
        /Gateway a is refused: spec\.servers\[0\]\.port\.number: .*; it is served as it was before$/,
      );
      const other = await place.gateway('b');
      assert.deepEqual(await place.take(1), [`Gateway changed b@${other}`]);
      const mended = await place.gateway('a', { port: 90 });
      assert.deepEqual((await place.take(2)).sort(), [`Gateway changed a@${mended}`, 'Gateway recovered']);
      assert.match(first ?? '', /^Gateway whole a@\d+$/);
      place.assertNoMore();
    },
  },
  {
    title: 'watches that the API server ends and lists that find no difference say nothing',
    run: async place => {
      await place.read({ resyncMs: 2_000 });
      await place.take(1);
      // Three rounds; what a round says would stand before what this one change says.
      await new Promise(resolve => setTimeout(resolve, 7_000));
      const made = await place.gateway('b');
      assert.deepEqual(await place.take(1), [`Gateway changed b@${made}`]);
      place.assertNoMore();
    },
  },
  {
    title: 'a watch goes on with the last version when its connection is cut',
    run: async place => {
      const proxy = await place.proxy();
      await place.read({ kubeconfig: place.kubeconfig(proxy.port) });
      await place.take(1);
      for (const name of ['b', 'c', 'd']) {
        const isHeld = proxy.hold();
        proxy.cut();
        await isHeld;
        const made = await place.gateway(name);
        proxy.release();
        assert.deepEqual(await place.take(1), [`Gateway changed ${name}@${made}`]);
      }
      place.assertNoMore();
    },
  },
  {
    title: 'an API server that is killed is one trouble, and what changed is told when it is back',
    run: async place => {
      await place.read({ kinds: bothKinds });
      await place.take(2);
      await place.cluster.killServer();
      assert.match(
        (await place.take(1))[0] ?? '',
        /^all trouble: the API server https:\/\/localhost:\d+ cannot be reached/,
      );
      await place.cluster.startServer();
      const made = await place.gateway('b');
      await until(place, `Gateway changed b@${made}`);
      assert.ok(place.log.all.includes('all recovered'), place.log.all.join('\n'));
      assert.equal(place.log.all.filter(text => text.includes('cannot be reached')).length, 1);
    },
  },
  {
    title: 'a version that the API server forgot by a restart is 410, and everything is told as a whole',
    run: async place => {
      const proxy = await place.proxy();
      await place.read({ kubeconfig: place.kubeconfig(proxy.port) });
      const [first] = await place.take(1);
      const isHeld = proxy.hold();
      proxy.cut();
      await isHeld;
      const made = await place.gateway('b');
      await place.removeGateway('b');
      const last = await place.gateway('c');
      await place.cluster.compact();
      await place.cluster.killServer();
      await place.cluster.startServer();
      proxy.release();
      await until(place, `${first} c@${last}`);
      assert.ok(Number(made) < Number(last));
    },
  },
  {
    title: 'a version that etcd compacted is 410, and everything is told as a whole',
    run: async place => {
      await withoutWatchCache(place.cluster, async () => {
        const proxy = await place.proxy();
        await place.read({ kubeconfig: place.kubeconfig(proxy.port) });
        const [first] = await place.take(1);
        const isHeld = proxy.hold();
        proxy.cut();
        await isHeld;
        const made = await place.gateway('b');
        const last = await place.gateway('c');
        await place.cluster.compact();
        proxy.release();
        assert.deepEqual(await place.take(1), [`${first} b@${made} c@${last}`]);
        const next = await place.gateway('d');
        assert.deepEqual(await place.take(1), [`Gateway changed d@${next}`]);
        place.assertNoMore();
      });
    },
  },
  {
    title: 'a page of a list that etcd compacted is 410, and the list begins anew',
    run: async place => {
      await withoutWatchCache(place.cluster, async () => {
        for (const name of ['b', 'c']) await place.gateway(name);
        const proxy = await place.proxy();
        // The first page passes, the next one waits until its state is gone.
        const isHeld = proxy.hold(1);
        await place.read({ kubeconfig: place.kubeconfig(proxy.port), pageSize: 2 });
        await isHeld;
        await place.gateway('d');
        await place.cluster.compact();
        proxy.release();
        const [told] = await place.take(1);
        assert.equal(told?.replace(/@\d+/g, ''), 'Gateway whole a b c d');
        place.assertNoMore();
      });
    },
  },
  {
    title: 'an account that is made anew has a new token, and the old one is told as trouble until it is there',
    run: async place => {
      const proxy = await place.proxy();
      await place.read({ kubeconfig: place.kubeconfig(proxy.port) });
      await place.take(1);
      await place.cluster.delete({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'weir', namespace: place.namespace },
      });
      // The API server remembers for ten seconds that it knew the token, and asks only who comes anew.
      await whileCutting(proxy, () =>
        until(place, /^all trouble: the API server does not know who asks \(401: Unauthorized\)/),
      );
      await place.account();
      const made = await place.gateway('b');
      place.kubeconfig(proxy.port);
      await until(place, `Gateway changed b@${made}`);
      assert.equal(place.log.all.at(-2), 'all recovered');
      place.assertNoMore();
    },
  },
  {
    title: 'a version that is no longer served is read from the older one, and nothing is lost',
    run: async place => {
      await place.read();
      const [first] = await place.take(1);
      const kind = istioKind('Gateway');
      await place.cluster.apply(crd(kind, ['v1beta1', 'v1alpha3']));
      try {
        await served(place, `/apis/${group}/v1/namespaces/${place.namespace}/gateways`, 404);
        const made = await place.gateway('b', { apiVersion: `${group}/v1beta1` });
        await until(place, `Gateway changed b@${made}`);
        assert.ok(!place.log.all.some(text => text.startsWith('Gateway changed -')), place.log.all.join('\n'));
        assert.match(first ?? '', /whole a@/);
      } finally {
        await place.cluster.apply(crd(kind));
        await served(place, `/apis/${group}/v1/namespaces/${place.namespace}/gateways`, 200);
      }
    },
  },
  {
    title: 'a kind without its CRD is trouble and unanswered, until it is installed',
    run: async place => {
      const kind = istioKind('Sidecar');
      await place.cluster.apply(role(place.namespace, ['sidecars']));
      await place.read({ kinds: [kind] });
      assert.match(
        (await place.take(1))[0] ?? '',
        /^Sidecar trouble: .*does not serve it \(404\); install Istio's CRDs \(sidecars\.networking\.istio\.io in v1 or v1beta1 or v1alpha3\)/,
      );
      await place.cluster.apply(crd(kind));
      assert.deepEqual(await place.take(2), ['Sidecar whole', 'Sidecar recovered']);
      place.assertNoMore();
    },
  },
  {
    title: 'the MeshConfig of one ConfigMap needs get, list and watch on this name only',
    run: async place => {
      const { cluster, namespace } = place;
      const configMap = (name: string, service: string): Applied => ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace },
        data: { mesh: `ingressService: ${service}\n` },
      });
      await cluster.apply(configMap('istio', 'one'));
      await cluster.apply(configMap('other', 'other'));
      await place.read({ kinds: [], meshConfigMap: `${namespace}/istio` });
      assert.match(
        (await place.take(1))[0] ?? '',
        /^all trouble: .*allow Weir's account get, list and watch on configmaps with resourceNames \[istio\] in namespace/,
      );
      const rules = [
        { apiGroups: [''], resources: ['configmaps'], resourceNames: ['istio'], verbs: ['get', 'list', 'watch'] },
      ];
      await cluster.apply({
        apiVersion: `${rbac}/v1`,
        kind: 'Role',
        metadata: { name: 'weir-mesh', namespace },
        rules,
      });
      await cluster.apply(binding(namespace, 'weir-mesh'));
      assert.equal((await cluster.ask(`/api/v1/namespaces/${namespace}/configmaps`, place.token)).status, 403);
      assert.deepEqual(
        (await place.take(2)).map(text => text.replace(/ of \d+ bytes/, '')),
        ['mesh config', 'all recovered'],
      );
      await cluster.apply(configMap('other', 'third'));
      await cluster.apply(configMap('istio', 'twofold'));
      assert.match((await place.take(1))[0] ?? '', /^mesh config of \d+ bytes/);
      await cluster.delete(configMap('istio', ''));
      assert.deepEqual(await place.take(1), ['mesh config none']);
      place.assertNoMore();
    },
  },
];

/** Takes events until one is as wanted. */
async function until(place: Place, wanted: string | RegExp): Promise<void> {
  for (;;) {
    const [told = ''] = await place.take(1);
    if (typeof wanted === 'string' ? told === wanted : wanted.test(told)) return;
  }
}

/** Cuts the connections again and again until something is done. */
async function whileCutting<T>(proxy: HeldProxy, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => proxy.cut(), 500);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Waits until a path is answered with a status. */
async function served(place: Place, path: string, status: number): Promise<void> {
  const endsMs = performance.now() + 30_000;
  while ((await place.cluster.ask(path, place.token)).status !== status) {
    assert.ok(performance.now() < endsMs, `${path} is not answered with ${status}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** With the API server's own memory of what happened switched off, etcd's is what counts. */
async function withoutWatchCache(cluster: RealCluster, run: () => Promise<void>): Promise<void> {
  await cluster.killServer();
  await cluster.startServer(['--watch-cache=false']);
  try {
    await run();
  } finally {
    await cluster.killServer();
    await cluster.startServer();
  }
}

/** Runs the checks, one after the other, each in a namespace of its own. */
export async function checkRealKubernetes(
  binaries: { readonly apiserver: string; readonly etcd: string },
  only: string,
): Promise<{ readonly passed: number; readonly failed: number }> {
  const cluster = await RealCluster.start(binaries);
  let [passed, failed] = [0, 0];
  try {
    for (const name of ['Gateway', 'VirtualService', 'DestinationRule']) await cluster.apply(crd(istioKind(name)));
    for (const [at, { title, run }] of checks.entries()) {
      if (!title.includes(only)) continue;
      const startMs = performance.now();
      const place = new Place(cluster, `shop-${at + 1}`);
      try {
        await place.prepare();
        await run(place);
        passed++;
        process.stdout.write(`ok    ${((performance.now() - startMs) / 1000).toFixed(1).padStart(5)} s  ${title}\n`);
      } catch (error) {
        failed++;
        process.stdout.write(
          `FAIL  ${title}\n${error instanceof Error ? error.stack?.slice(0, 2000) : String(error)}\n`,
        );
      } finally {
        await place.close();
      }
    }
  } finally {
    await cluster.stop();
  }
  return { passed, failed };
}
