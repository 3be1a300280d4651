import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accessWarnings } from '../../src/agent/access-check.ts';
import { allowListOf, localListeners } from '../../src/agent/core-settings.ts';
import { listenerName } from '../../src/agent/listener-settings.ts';
import { upstreamWarnings } from '../../src/agent/upstream-check.ts';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { containerNames, paths, ports, volumeNames } from '../../src/kube/names.ts';
import {
  at,
  compose,
  containersOf,
  type Data,
  danglingReferences,
  find,
  listAt,
  nameOf,
  parseDocuments,
  textAt,
} from '../support/deployment.ts';
import {
  argumentsOf,
  filesIn,
  injected,
  kubernetesFolder,
  manifest,
  problemsOf,
  settingsOf,
  single,
} from '../support/kubernetes-manifests.ts';

const webhook = compose('../kubernetes/webhook');
/** Everything that is applied together, with what it takes to be there already. */
const groups = new Map<string, { readonly objects: readonly Data[]; readonly given: readonly string[] }>([
  ...[...single].map(([name, given]) => [name, { objects: manifest(name), given }] as const),
  ['webhook', { objects: webhook, given: [] }],
]);
const workloads = [...groups].flatMap(([title, { objects }]) =>
  objects.filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet').map(object => ({ title, object })),
);
const podOf = (workload: Data): unknown => at(workload, 'spec', 'template', 'spec');
const isWeir = (container: Data): boolean => textAt(container, 'image').startsWith('weir:');
const named = (workload: Data, name: string): Data => {
  const found = containersOf(workload).find(one => one['name'] === name);
  assert.ok(found, `${nameOf(workload)} has a container ${name}`);
  return found;
};

function put(context: TestContext, name: string, text: string): string {
  const folder = makeFolder();
  context.after(() => removeFolder(folder));
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('the manifests', () => {
  test('are YAML, each either a group of its own, an input, or a part of the webhook', () => {
    const files = filesIn(kubernetesFolder);
    const kustomization = readFileSync(join(kubernetesFolder, 'webhook', 'kustomization.yaml'), 'utf8');
    const known = [
      ...single.keys(),
      ...injected.map(name => `inputs/${name}`),
      ...[...kustomization.matchAll(/^ +- ([a-z-]+\.yaml)$/gm)].map(([, name]) => `webhook/${name}`),
      'webhook/kustomization.yaml',
      'README.md',
    ];
    assert.deepEqual(files.sort(), known.sort());
    for (const path of files.filter(one => one.endsWith('.yaml'))) assert.ok(manifest(path).length > 0, path);
  });

  test('no reference leads nowhere, and nothing is there twice', () => {
    for (const [title, { objects, given }] of groups) {
      assert.deepEqual(danglingReferences(objects, given), [], title);
      const names = objects.map(object => `${object['kind']} ${nameOf(object)}`);
      assert.deepEqual(names, [...new Set(names)], title);
    }
  });

  test('with sidecars are what weir inject makes of the inputs', () => {
    const weir = fileURLToPath(new URL('../../weir', import.meta.url));
    for (const name of injected) {
      const made = spawnSync(weir, ['inject', '-f', join(kubernetesFolder, 'inputs', name)], {
        encoding: 'utf8',
        timeout: 30_000,
      });
      assert.equal(made.status, 0, made.stderr);
      assert.equal(readFileSync(join(kubernetesFolder, name), 'utf8'), made.stdout, name);
    }
  });

  test('arguments of Weir are such that it takes, and files that they name are mounted', async () => {
    let count = 0;
    for (const { title, object } of workloads) {
      for (const container of containersOf(object).filter(isWeir)) {
        const args = argumentsOf(container);
        const by = `${title} ${nameOf(object)} ${textAt(container, 'name')}`;
        // A file of settings is looked at with the DaemonSet, which has one.
        if (!args.some(arg => arg.startsWith('--config='))) assert.deepEqual(await problemsOf(args), [], by);
        const hooks = ['postStart', 'preStop'].map(hook => at(container, 'lifecycle', hook, 'exec', 'command'));
        for (const hook of hooks) {
          if (!Array.isArray(hook)) continue;
          assert.equal(hook[0], 'weir', by);
          assert.deepEqual(await problemsOf(hook.slice(1).map(String)), [], by);
        }
        const mounts = listAt(container, 'volumeMounts').map(mount => textAt(mount, 'mountPath'));
        for (const [path] of args.join('\n').matchAll(/(?<==(unix:)?)\/(etc|var|run)\/[^\n,]+/g)) {
          assert.ok(
            mounts.some(mount => path === mount || path.startsWith(`${mount}/`)),
            `${by}: ${path} is in no volume`,
          );
        }
        count += 1;
      }
    }
    assert.ok(count >= 11, `${count} containers`);
  });

  test('images are pinned, pods ask for memory and CPU, and have no limit of CPU', () => {
    for (const { title, object } of workloads) {
      for (const { name, image, resources } of containersOf(object)) {
        const by = `${title} ${String(name)}`;
        assert.match(String(image), /:[a-z-]*\d+\.\d+\.\d+$/, by);
        assert.ok(at(resources, 'requests', 'memory') && at(resources, 'requests', 'cpu'), by);
        assert.equal(at(resources, 'limits', 'cpu'), undefined, by);
      }
    }
  });

  test('Weir has the probes that wait for nobody, and the webhook one that tells which replica answers', () => {
    for (const { title, object } of workloads) {
      for (const container of containersOf(object).filter(isWeir)) {
        if (container['name'] === containerNames.bootstrap) continue;
        const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map(probe =>
          at(container, probe, 'httpGet', 'path'),
        );
        const ready = title === 'webhook' ? '/healthz/ready' : undefined;
        assert.deepEqual(probes, ['/healthz/started', '/healthz/live', ready], title);
        assert.deepEqual(
          [at(container, 'startupProbe', 'periodSeconds'), at(container, 'startupProbe', 'failureThreshold')],
          [1, 60],
          title,
        );
        const health = listAt(container, 'ports').find(port => port['name'] === 'http-weir');
        assert.equal(at(health, 'containerPort'), ports.health, title);
      }
    }
  });

  test('pods that need no volume of the node meet Pod Security restricted', () => {
    for (const { title, object } of workloads) {
      const pod = podOf(object);
      const hostPaths = listAt(pod, 'volumes').filter(volume => volume['hostPath'] !== undefined);
      if (title.startsWith('daemonset')) {
        assert.ok(hostPaths.length > 0, title);
        continue;
      }
      assert.deepEqual(hostPaths, [], title);
      for (const { name, securityContext } of containersOf(object)) {
        assert.deepEqual(
          [
            at(securityContext, 'allowPrivilegeEscalation'),
            at(securityContext, 'capabilities'),
            at(securityContext, 'readOnlyRootFilesystem'),
            at(securityContext, 'runAsNonRoot'),
            at(securityContext, 'seccompProfile', 'type'),
          ],
          [false, { drop: ['ALL'] }, true, true, 'RuntimeDefault'],
          `${title} ${String(name)}`,
        );
      }
    }
  });

  test('NetworkPolicies open the ports that the pods have, and no other', () => {
    for (const [title, { objects }] of groups) {
      for (const policy of objects.filter(({ kind }) => kind === 'NetworkPolicy')) {
        const open = listAt(policy, 'spec', 'ingress').flatMap(rule => listAt(rule, 'ports').map(({ port }) => port));
        const workload = objects.find(
          one => ['Deployment', 'DaemonSet'].includes(String(one['kind'])) && nameOf(one) === nameOf(policy),
        );
        const has = containersOf(workload).flatMap(one => listAt(one, 'ports').map(port => port['containerPort']));
        assert.deepEqual(open.sort(), has.sort(), title);
      }
    }
  });
});

describe('the life of a pod', () => {
  const isNative = (container: Data): boolean => container['restartPolicy'] === 'Always';

  test('native: Weir starts first of those that stay, and an injected Envoy after it', () => {
    const [web, cart] = manifest('native-sidecar.yaml');
    const stay = (workload: Data | undefined): unknown[] =>
      listAt(podOf(workload ?? {}), 'initContainers')
        .filter(isNative)
        .map(one => one['name']);
    assert.deepEqual([stay(web), stay(cart)], [['weir'], ['weir', 'weir-envoy']]);
  });

  test('classic: Weir is the first container, and its postStart hook holds the others back', () => {
    const [web] = manifest('classic-sidecar.yaml');
    const [first] = listAt(podOf(web ?? {}), 'containers');
    assert.equal(first?.['name'], 'weir');
    const hook = at(first, 'lifecycle', 'postStart', 'exec', 'command');
    assert.deepEqual(Array.isArray(hook) ? hook.slice(0, 3) : hook, ['weir', 'wait', '--started']);
  });

  test("gateway: Weir is what injection makes, but for Envoy's ready listener and the drain; all hooks fit into the pod's time", () => {
    const gateway = find(manifest('gateway.yaml'), 'Deployment', 'gateway');
    const [web] = manifest('native-sidecar.yaml');
    for (const name of [containerNames.bootstrap, containerNames.weir]) {
      const { resources: _, lifecycle, args, ...rest } = named(gateway, name);
      const { resources: __, args: expected, ...other } = named(web ?? {}, name);
      assert.deepEqual(rest, other, name);
      if (name === containerNames.weir) {
        assert.deepEqual(args, expected);
        assert.deepEqual(at(lifecycle, 'preStop', 'exec', 'command'), [
          'weir',
          'drain',
          '--envoy',
          `127.0.0.1:${ports.envoyAdmin}`,
          '--all-listeners',
          '--envoy-only',
        ]);
        continue;
      }
      const own = (value: unknown): string[] =>
        argumentsOf({ args: value }).filter(arg => !/^--(node-cluster|ready-listen)=/.test(arg));
      assert.deepEqual(own(args), own(expected));
      assert.ok(argumentsOf({ args }).includes(`--ready-listen=0.0.0.0:${ports.envoyReady}`));
    }
    const envoy = named(gateway, 'envoy');
    const held = Number(at(envoy, 'lifecycle', 'preStop', 'sleep', 'seconds'));
    const drain = argumentsOf(envoy);
    assert.equal(Number(drain[drain.indexOf('--drain-time-s') + 1]), held);
    const grace = Number(at(podOf(gateway), 'terminationGracePeriodSeconds'));
    assert.ok(grace >= held + 5 + 10, `${grace} s`);
    assert.ok(argumentsOf(envoy).includes(paths.envoyBootstrap));
    assert.equal(at(gateway, 'spec', 'template', 'metadata', 'labels', 'weir.dev/inject'), 'false');
  });
});

describe('the DaemonSet', () => {
  const objects = manifest('daemonset.yaml');
  const client = find(manifest('daemonset-client.yaml'), 'Deployment', 'web');
  const volume = (workload: Data, name: string): unknown =>
    listAt(podOf(workload), 'volumes').find(one => one['name'] === name);

  test('lets a pod be its own node and no other', async context => {
    const text = textAt(find(objects, 'ConfigMap', 'weir-node'), 'data', 'weir.yaml');
    const weir = named(find(objects, 'DaemonSet', 'weir-node'), 'weir');
    const path = put(context, 'weir.yaml', text);
    assert.deepEqual(await problemsOf(argumentsOf(weir), path), []);
    const resolved = await settingsOf(argumentsOf(weir), path);
    assert.ok('settings' in resolved);
    const { settings } = resolved;
    assert.deepEqual([...accessWarnings(settings), ...upstreamWarnings(settings)], []);
    const [listener] = localListeners(settings);
    assert.ok(listener?.tokenReview && settings.nodeSharing === 'stream-per-node');
    const peer = { listener: listenerName(listener), names: ['pod:shop/web-1', 'serviceaccount:shop/web'] };
    const allowed = allowListOf(settings);
    assert.equal(allowed.refusal(peer, 'web-1.shop'), undefined);
    for (const id of ['web-2.shop', 'web-1.pay', 'web-1', '']) assert.ok(allowed.refusal(peer, id), id);
    assert.ok(allowed.refusal({ ...peer, names: [] }, 'web-1.shop'));
    const args = argumentsOf(named(client, 'envoy'));
    assert.equal(args[args.indexOf('--service-node') + 1], '$(POD_NAME).$(POD_NAMESPACE)');
  });

  test('and its clients mean the same directory, socket and audience', () => {
    const daemonset = find(objects, 'DaemonSet', 'weir-node');
    const hostPath = (workload: Data): unknown => at(volume(workload, 'weir-run'), 'hostPath', 'path');
    assert.equal(hostPath(client), hostPath(daemonset));
    const text = textAt(find(objects, 'ConfigMap', 'weir-node'), 'data', 'weir.yaml');
    const [config] = parseDocuments(text, 'weir.yaml');
    const envoy = textAt(find(manifest('daemonset-client.yaml'), 'ConfigMap', 'web-envoy'), 'data', 'envoy.yaml');
    const [bootstrap] = parseDocuments(envoy, 'envoy.yaml');
    const grpc = at(bootstrap, 'dynamic_resources', 'ads_config', 'grpc_services', 0, 'google_grpc');
    assert.equal(textAt(grpc, 'target_uri').replace('unix://', 'unix:'), at(config, 'listeners', 0, 'address'));
    const token = at(volume(client, 'weir-token'), 'projected', 'sources', 0, 'serviceAccountToken');
    assert.equal(at(token, 'audience'), at(config, 'tokenReviewAudience'));
    const mount = listAt(named(client, 'envoy'), 'volumeMounts').find(one => one['name'] === 'weir-token');
    const file = at(grpc, 'call_credentials', 0, 'from_plugin', 'typed_config', 'secret_data', 'filename');
    assert.equal(file, `${String(mount?.['mountPath'])}/${String(at(token, 'path'))}`);
  });
});

test('names in the manifests are those of injection', () => {
  const mounts = new Map(
    workloads.flatMap(({ object }) =>
      containersOf(object).flatMap(one =>
        listAt(one, 'volumeMounts').map(mount => [mount['mountPath'], mount['name']]),
      ),
    ),
  );
  for (const [key, name] of Object.entries(volumeNames)) {
    const path = key === 'podInfo' ? paths.podInfo : (paths as Readonly<Record<string, string>>)[key];
    if (path !== undefined && mounts.has(path) && path !== paths.tls) assert.equal(mounts.get(path), name);
  }
});
