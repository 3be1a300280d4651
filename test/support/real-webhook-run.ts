import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../src/demo/processes.ts';
import { at, type Data, listAt, nameOf, parseDocuments } from './deployment.ts';
import { kubernetesFolder, manifest } from './kubernetes-manifests.ts';
import {
  type Check,
  certificateAt,
  containerNamesOf,
  isInjected,
  plainPod,
  podsIn,
  State,
  WebhookWorld,
} from './real-webhook.ts';
import { checkChart } from './real-webhook-chart.ts';
import { review } from './real-webhook-load.ts';
import { dryRun, list, manifestChecks } from './real-webhook-manifests.ts';
import { checkNodeAgent } from './real-webhook-node.ts';

const account = 'system:serviceaccount:weir-system:weir-webhook';
/** Where the token of a pod's account is, for the API server. */
const tokenFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
const yes = { labels: { 'weir.dev/inject': 'true' } };
const no = { labels: { 'weir.dev/inject': 'false' } };
const checks: readonly Check[] = [
  ...manifestChecks,
  {
    title: 'kubectl apply -k deploy/kubernetes/webhook, strictly validated; its pod meets Pod Security restricted',
    run: async ({ world }) => {
      const folder = join(kubernetesFolder, 'webhook');
      const said = await world.done(['apply', '--server-side', '--validate=strict', '-k', folder]);
      const deployment = await world.object('-n', 'weir-system', 'deployment', 'weir-webhook');
      await world.done(dryRun, list(podsIn('weir-system', [deployment])));
      return `${said.trim().split('\n').length} objects`;
    },
  },
  {
    title: 'while no webhook is there pods are created without Weir',
    run: async state => {
      for (const [name, labels] of [
        ['shop', { 'weir.dev/injection': 'enabled' }],
        ['plain', {}],
        ['off', { 'weir.dev/injection': 'disabled' }],
      ] as const) {
        await state.world.namespace(name, labels);
      }
      assert.equal(isInjected(await state.pod('shop')), false);
      return undefined;
    },
  },
  {
    title: 'with exactly the rights of the manifests the webhook makes its Secret and has the API server trust it',
    run: async state => {
      const { world } = state;
      const webhook = await world.startWebhook();
      state.webhook = webhook;
      await world.pointWebhooksAt(webhook.port);
      await world.ready(webhook);
      const [first, second] = await world.bundles();
      assert.equal(first, second);
      const secret = await world.object('-n', 'weir-system', 'secret', 'weir-webhook-tls');
      assert.equal(secret['type'], 'kubernetes.io/tls');
      return undefined;
    },
  },
  {
    title: 'a second replica, started beside it, shows the same certificate',
    run: async ({ world, running }) => {
      const other = await world.startWebhook();
      await world.ready(other);
      assert.equal(await certificateAt(other.port), await certificateAt(running.port));
      await other.stop(20_000);
      return undefined;
    },
  },
  {
    title: 'a pod with the label comes back injected, and what the API server and its author said is as it was',
    run: async state => {
      await waitFor('the API server to trust the webhook', 20_000, async () =>
        isInjected(await state.pod('plain', yes)) ? true : undefined,
      );
      const bare = await state.pod('plain');
      const pod = await state.pod('plain', yes);
      assert.deepEqual(containerNamesOf(pod), ['weir-bootstrap', 'weir', 'app']);
      const spec = (one: Data): Data => at(one, 'spec') as Data;
      const app = (one: Data): Data => listAt(one, 'spec', 'containers').at(-1) ?? {};
      const { containers: _, initContainers: __, volumes: ___, ...rest } = spec(pod);
      const { containers: ____, volumes: _____, ...other } = spec(bare);
      assert.deepEqual(rest, other);
      const { volumeMounts, env, ...kept } = app(pod);
      assert.deepEqual(kept, app(bare));
      assert.deepEqual(volumeMounts, [{ name: 'weir-run', mountPath: '/var/run/weir', readOnly: true }]);
      assert.deepEqual(env, [{ name: 'GRPC_XDS_BOOTSTRAP', value: '/var/run/weir/grpc.json' }]);
      const weir = listAt(pod, 'spec', 'initContainers').find(one => one['name'] === 'weir');
      assert.equal(weir?.['restartPolicy'], 'Always');
      return undefined;
    },
  },
  {
    title:
      'who is injected: all of an enabled namespace but those that refuse, elsewhere those that ask, nobody where it is off',
    run: async state => {
      const expected: readonly (readonly [string, Data, boolean])[] = [
        ['shop', {}, true],
        ['shop', yes, true],
        ['shop', no, false],
        ['shop', { annotations: { 'weir.dev/inject': 'false' } }, false],
        ['plain', {}, false],
        ['plain', yes, true],
        ['plain', no, false],
        ['off', yes, false],
        ['kube-system', yes, false],
      ];
      for (const [namespace, metadata, is] of expected) {
        const pod = await state.pod(namespace, metadata);
        assert.equal(isInjected(pod), is, `${namespace} ${JSON.stringify(metadata)}`);
      }
      return `${expected.length} pods`;
    },
  },
  {
    title: 'an annotation that is wrong: the pod is created without Weir, and whoever created it is told why',
    run: async ({ world }) => {
      const metadata = { ...yes, annotations: { 'weir.dev/cache': 'disk' } };
      const { made, stderr } = await world.create(plainPod('plain', 'wrong', metadata));
      assert.equal(isInjected(made), false);
      assert.match(stderr, /Warning: weir was not injected: .*weir\.dev\/cache must be emptyDir, memory, none/);
      return undefined;
    },
  },
  {
    title: 'a dry run is injected, too, and leaves nothing behind',
    run: async state => {
      const before = await state.world.object('-n', 'plain', 'pods');
      const pod = await state.pod('plain', yes, '--dry-run=server');
      assert.equal(isInjected(pod), true);
      const after = await state.world.object('-n', 'plain', 'pods');
      assert.equal(listAt(after, 'items').length, listAt(before, 'items').length);
      return undefined;
    },
  },
  {
    title: 'Pod Security restricted: a pod that meets it does so with Weir and an Envoy in it',
    run: async ({ world }) => {
      for (const annotations of [{}, { 'weir.dev/envoy-image': 'envoyproxy/envoy:distroless-v1.38.0' }]) {
        const security = { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } };
        const container = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
        const pod = plainPod('strict', `strict-${Object.keys(annotations).length}`, { ...yes, annotations });
        const [app = {}] = listAt(pod, 'spec', 'containers');
        const spec = { containers: [{ ...app, securityContext: container }], securityContext: security };
        const { made, stderr } = await world.create({ ...pod, spec });
        assert.ok(isInjected(made), stderr);
      }
      return undefined;
    },
  },
  {
    title:
      'with the account and its token that a cluster gives every pod: they stay, and Weir sends a token of its own audience',
    run: async state => {
      const { world } = state;
      await world.cluster.killServer();
      await world.cluster.startServer([], true);
      try {
        const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'plain' } };
        await world.done(['apply', '--server-side', '-f', '-'], JSON.stringify(account));
        const metadata = { ...yes, annotations: { 'weir.dev/token-audience': 'control-plane' } };
        const pod = await state.pod('plain', metadata);
        assert.ok(isInjected(pod));
        const mounted = [...listAt(pod, 'spec', 'initContainers'), ...listAt(pod, 'spec', 'containers')].map(one =>
          listAt(one, 'volumeMounts').some(({ mountPath }) => mountPath === tokenFolder),
        );
        assert.equal(mounted.at(-1), true, "the app's own token");
        const volumes = listAt(pod, 'spec', 'volumes').map(one => String(one['name']));
        assert.ok(volumes.includes('weir-token') && volumes.some(name => name.startsWith('kube-api-access-')));
        return `the API server's token is in ${mounted.filter(is => is).length} of ${mounted.length} containers`;
      } finally {
        await world.cluster.killServer();
        await world.cluster.startServer();
      }
    },
  },
  {
    title: "a Deployment's template is not touched: only pods are",
    run: async ({ world }) => {
      const [input = {}] = parseDocuments(
        readFileSync(join(kubernetesFolder, 'inputs', 'grpc-app.yaml'), 'utf8'),
        'grpc-app.yaml',
      );
      const { made } = await world.create({ ...input, metadata: { name: 'checkout', namespace: 'shop' } });
      const containers = listAt(made, 'spec', 'template', 'spec', 'containers').map(one => one['name']);
      assert.deepEqual([containers, at(made, 'spec', 'template', 'spec', 'initContainers')], [['app'], undefined]);
      return undefined;
    },
  },
  {
    title: 'what weir inject made comes back from the webhook as it was',
    run: async ({ world }) => {
      for (const name of ['native-sidecar.yaml', 'classic-sidecar.yaml', 'grpc-app.yaml']) {
        for (const pod of podsIn('strict', manifest(name))) {
          const template = manifest(name).find(one => `check-${nameOf(one)}` === nameOf(pod));
          const annotations = at(template, 'spec', 'template', 'metadata', 'annotations');
          const labels = { ...(at(pod, 'metadata', 'labels') as Data), ...yes.labels };
          const metadata = {
            ...(at(pod, 'metadata') as Data),
            name: `same-${nameOf(pod)}-${name.slice(0, 4)}`,
            annotations,
            labels,
          };
          const { made, stderr } = await world.create({ ...pod, metadata });
          assert.ok(made, stderr);
          assert.deepEqual(containerNamesOf(made), containerNamesOf(pod), name);
        }
      }
      return undefined;
    },
  },
  {
    title: "the webhook's account may do what the manifests say, and nothing else",
    run: async ({ world }) => {
      const may = ['get', 'patch'].map(verb => [verb, 'mutatingwebhookconfigurations/weir']);
      may.push(...['get', 'update'].map(verb => [verb, 'secrets/weir-webhook-tls', '-n', 'weir-system']));
      may.push(['create', 'secrets', '-n', 'weir-system']);
      const mayNot: string[][] = [
        ...['list', 'watch', 'create', 'delete', 'get'].map(verb => [verb, 'mutatingwebhookconfigurations']),
        ...['update', 'delete'].map(verb => [verb, 'mutatingwebhookconfigurations/weir']),
        ...['get', 'patch'].map(verb => [verb, 'mutatingwebhookconfigurations/other']),
        ...['get', 'patch'].map(verb => [verb, 'validatingwebhookconfigurations/weir']),
        ...['get', 'list', 'watch'].map(verb => [verb, 'secrets', '-n', 'weir-system']),
        ...['delete', 'patch'].map(verb => [verb, 'secrets/weir-webhook-tls', '-n', 'weir-system']),
        ...['get', 'update'].map(verb => [verb, 'secrets/weir-webhook-tls', '-n', 'shop']),
        ...['create', 'list'].map(verb => [verb, 'secrets', '-n', 'shop']),
        ...['get', 'list', 'create', 'update', 'delete'].map(verb => [verb, 'pods', '-n', 'shop']),
        ['get', 'configmaps', '-n', 'weir-system'],
        ['create', 'serviceaccounts/token', '-n', 'weir-system'],
      ];
      for (const [rules, expected] of [
        [may, 'yes'],
        [mayNot, 'no'],
      ] as const) {
        for (const rule of rules) {
          const { stdout } = await world.kubectl(['auth', 'can-i', ...rule, `--as=${account}`]);
          assert.equal(stdout.trim().split(' ')[0], expected, rule.join(' '));
        }
      }
      return `${may.length} allowed, ${mayNot.length} not`;
    },
  },
  {
    title: '200 reviews a second for ten seconds, each answered with a patch',
    run: async ({ world, running }) => {
      const [ca = ''] = await world.bundles();
      const { count, p50Ms, p99Ms, maxMs } = await review(running.port, ca, 200, 10_000);
      assert.ok(p99Ms < 1_000, `p99 ${p99Ms} ms`);
      const shown = [p50Ms, p99Ms, maxMs].map(one => one.toFixed(1));
      return `${count} reviews, p50 ${shown[0]}, p99 ${shown[1]}, longest ${shown[2]} ms`;
    },
  },
  {
    title: 'the Secret deleted while it runs: a new certificate is shown and trusted, and no pod is refused meanwhile',
    run: async state => {
      const { world, running } = state;
      const before = await certificateAt(running.port);
      await world.done(['-n', 'weir-system', 'delete', 'secret', 'weir-webhook-tls']);
      let [created, missed] = [0, 0];
      await waitFor('a new certificate', 60_000, async () => {
        created += 1;
        if (!isInjected(await state.pod('shop'))) missed += 1;
        return (await certificateAt(running.port)) === before ? undefined : true;
      });
      await waitFor('the API server to trust it', 20_000, async () =>
        isInjected(await state.pod('shop')) ? true : undefined,
      );
      assert.equal(running.hasExited(), false);
      return `${created} pods created meanwhile, ${missed} without Weir`;
    },
  },
  {
    title: 'a CA bundle that somebody empties is written again',
    run: async ({ world }) => {
      const [before] = await world.bundles();
      const operations = [0, 1].map(index => ({ op: 'remove', path: `/webhooks/${index}/clientConfig/caBundle` }));
      await world.done([
        'patch',
        'mutatingwebhookconfiguration',
        'weir',
        '--type=json',
        '-p',
        JSON.stringify(operations),
      ]);
      await waitFor('the CA bundles', 60_000, async () => ((await world.bundles())[0] === before ? true : undefined));
      return undefined;
    },
  },
  {
    title: 'the webhook killed: pods are created without Weir at once; started again on its Secret, they get it',
    run: async state => {
      const { world, running } = state;
      const certificate = await certificateAt(running.port);
      await running.kill();
      const startMs = performance.now();
      assert.equal(isInjected(await state.pod('shop')), false);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs < 5_000, `${tookMs} ms`);
      state.webhook = await world.startWebhook(running.port);
      await world.ready(state.webhook);
      assert.equal(await certificateAt(state.webhook.port), certificate);
      await waitFor('an injected pod', 20_000, async () => (isInjected(await state.pod('shop')) ? true : undefined));
      return `${Math.round(tookMs)} ms for kubectl create while it is away`;
    },
  },
  {
    title: 'the DaemonSet: tokens of pods, reviewed by the API server, make each pod its own node and no other',
    run: checkNodeAgent,
  },
  {
    title: 'helm install, upgrade and uninstall of the chart: the CA bundle that the webhook wrote outlives an upgrade',
    run: checkChart,
  },
];

/** Runs the checks, one after the other, at one API server. */
export async function checkRealWebhook(binaries: {
  readonly apiserver: string;
  readonly etcd: string;
}): Promise<{ readonly passed: number; readonly failed: number }> {
  const world = await WebhookWorld.start(binaries);
  const state = new State(world);
  let [passed, failed] = [0, 0];
  try {
    for (const { title, run } of checks) {
      const startMs = performance.now();
      try {
        const figure = await run(state);
        passed++;
        const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(5);
        process.stdout.write(`ok    ${seconds} s  ${title}${figure === undefined ? '' : ` (${figure})`}\n`);
      } catch (error) {
        failed++;
        process.stdout.write(
          `FAIL  ${title}\n${error instanceof Error ? error.stack?.slice(0, 3000) : String(error)}\n`,
        );
      }
    }
  } finally {
    await world.stop();
  }
  return { passed, failed };
}
