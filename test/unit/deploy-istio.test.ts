import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { accessWarnings } from '../../src/agent/access-check.ts';
import { resolveSettings } from '../../src/agent/config.ts';
import { allowListOf, localListeners, scopesOf } from '../../src/agent/core-settings.ts';
import { listenerName } from '../../src/agent/listener-settings.ts';
import type { Settings } from '../../src/agent/settings.ts';
import { upstreamWarnings } from '../../src/agent/upstream-check.ts';
import { readConfigFile } from '../../src/cli/config-file.ts';
import { istioKinds } from '../../src/istio/kinds.ts';
import { formatAddress, isLocalOnly } from '../../src/xds/address.ts';
import { readNode } from '../../src/xds/node.ts';
import type { TypeUrl } from '../../src/xds/types.ts';
import { encodeNode } from '../../src/xds/wire-request.ts';
import {
  at,
  compose,
  containersOf,
  type Data,
  danglingReferences,
  deploymentFiles,
  entriesAt,
  find,
  istioFolder,
  listAt,
  nameOf,
  parseDocuments,
  readDocuments,
  textAt,
} from '../support/deployment.ts';

const overlays = ['namespace', 'cluster-wide'] as const;
const composed = new Map(overlays.map(overlay => [overlay, compose(`overlays/${overlay}`)]));
const objectsOf = (overlay: (typeof overlays)[number]): Data[] => composed.get(overlay) ?? [];
/** Secrets that certificates.sh or cert-manager makes. */
const secrets = ['Secret mcp-source-tls', 'Secret weir-mcp-tls'];
const chartText = (path: string): string => readFileSync(join(istioFolder, 'chart', path), 'utf8');

const istiodOf = (overlay: (typeof overlays)[number]): Data => find(objectsOf(overlay), 'Deployment', 'istiod');
const container = (deployment: Data, name: string): Data => {
  const found = containersOf(deployment).find(one => one['name'] === name);
  assert.ok(found, `there is a container ${name}`);
  return found;
};

async function weirSettings(overlay: string): Promise<Settings> {
  const file = await readConfigFile(join(istioFolder, 'overlays', overlay, 'weir.yaml'));
  const resolved = resolveSettings({ flags: new Map(), environment: new Map(), file });
  assert.ok('settings' in resolved, 'problems' in resolved ? resolved.problems.join('\n') : '');
  return resolved.settings;
}

describe('the files of the deployment', () => {
  test('are YAML, but for the templates of the chart', () => {
    const files = deploymentFiles().filter(path => path.endsWith('.yaml') && !path.includes('/templates/'));
    assert.ok(files.length > 20, `${files.length} files`);
    for (const path of files) assert.ok(readDocuments(path).length > 0, path);
  });

  test('are each named by a kustomization, or are one of the other ways to install', () => {
    const named = new Set(['values-mcp.yaml', 'profiles/mcp.yaml', 'certificates.sh']);
    for (const path of deploymentFiles().filter(one => one.endsWith('kustomization.yaml'))) {
      const folder = path.replace(/kustomization\.yaml$/, '');
      named.add(path);
      for (const [, file = ''] of readFileSync(join(istioFolder, path), 'utf8').matchAll(/([a-z-]+\.yaml)$/gm)) {
        named.add(`${folder}${file}`);
      }
    }
    const lost = deploymentFiles().filter(path => !named.has(path) && !path.startsWith('chart/'));
    assert.deepEqual(lost, []);
  });

  test('a composition holds nothing twice', () => {
    for (const overlay of overlays) {
      const names = objectsOf(overlay).map(object => `${object['kind']} ${nameOf(object)}`);
      assert.deepEqual(names, [...new Set(names)]);
    }
  });

  test('no reference leads nowhere', () => {
    for (const overlay of overlays) assert.deepEqual(danglingReferences(objectsOf(overlay), secrets), [], overlay);
    const broken = objectsOf('namespace').filter(
      object => object['kind'] !== 'ServiceAccount' && nameOf(object) !== 'weir-mcp',
    );
    assert.deepEqual(danglingReferences(broken, secrets.slice(0, 1)), [
      'Deployment mcp-source names ServiceAccount istio-mcp-sa',
      'Deployment istiod names ServiceAccount istiod-service-account',
      'Deployment istiod names ConfigMap weir-mcp',
      'Deployment istiod names Secret weir-mcp-tls',
      ...['istio-mcp', 'istiod-istio-mcp', 'istiod-istio-mcp'].flatMap((binding, index) => {
        const by = `${index === 2 ? 'Cluster' : ''}RoleBinding ${binding}`;
        return [
          ...(index === 0 ? [`${by} names ServiceAccount istio-mcp-sa`] : []),
          `${by} names ServiceAccount istiod-service-account`,
        ];
      }),
    ]);
    const other = objectsOf('namespace').map(one => (nameOf(one) === 'weir-mcp' ? { ...one, data: {} } : one));
    assert.deepEqual(danglingReferences(other, secrets), [
      'Deployment istiod mounts weir.yaml, which is no key of ConfigMap weir-mcp',
    ]);
  });
});

describe("the article's names", () => {
  test('the namespace and the labels', () => {
    for (const overlay of overlays) {
      const namespace = find(objectsOf(overlay), 'Namespace', 'istio-mcp');
      assert.equal(at(namespace, 'metadata', 'labels', 'istio-injection'), 'disabled');
      for (const object of objectsOf(overlay)) {
        const cluster = ['Namespace', 'ClusterRole', 'ClusterRoleBinding'].includes(String(object['kind']));
        if (!cluster)
          assert.equal(at(object, 'metadata', 'namespace'), 'istio-mcp', `${object['kind']} ${nameOf(object)}`);
        if (object['kind'] !== 'Deployment') continue;
        assert.equal(at(object, 'metadata', 'labels', 'version'), 'mcp-1.0');
        assert.equal(at(object, 'spec', 'template', 'metadata', 'labels', 'version'), 'mcp-1.0');
      }
    }
  });

  test('the accounts, and the rights of both', () => {
    const objects = objectsOf('namespace');
    const accounts = objects.filter(({ kind }) => kind === 'ServiceAccount').map(nameOf);
    assert.deepEqual(accounts.sort(), ['istio-mcp-sa', 'istiod-service-account']);
    const rights = { apiGroups: ['networking.istio.io'], resources: ['gateways', 'virtualservices'] };
    assert.deepEqual(listAt(find(objects, 'Role', 'istio-mcp'), 'rules'), [
      { ...rights, verbs: ['get', 'list', 'watch'] },
    ]);
    for (const [overlay, kind] of [
      ['namespace', 'RoleBinding'],
      ['cluster-wide', 'ClusterRoleBinding'],
    ] as const) {
      const binding = find(objectsOf(overlay), kind, 'istio-mcp');
      assert.deepEqual(at(binding, 'subjects'), [
        { kind: 'ServiceAccount', name: 'istio-mcp-sa', namespace: 'istio-mcp' },
        { kind: 'ServiceAccount', name: 'istiod-service-account', namespace: 'istio-mcp' },
      ]);
    }
    const accountOf = (name: string): unknown =>
      at(find(objects, 'Deployment', name), 'spec', 'template', 'spec', 'serviceAccountName');
    assert.deepEqual([accountOf('mcp-source'), accountOf('istiod')], ['istio-mcp-sa', 'istiod-service-account']);
  });

  test("istiod's ports, arguments and mounts", () => {
    for (const overlay of overlays) {
      const discovery = container(istiodOf(overlay), 'discovery');
      assert.deepEqual(discovery['args'], ['discovery', '--meshConfig', '/etc/istio/config/mesh']);
      const ports = (list: readonly Data[], ...keys: readonly string[]): unknown[] =>
        list.map(port => keys.map(key => port[key]));
      const service = find(objectsOf(overlay), 'Service', 'istiod');
      assert.deepEqual(ports(listAt(service, 'spec', 'ports'), 'name', 'port', 'targetPort'), [
        ['grpc-xds', 15010, undefined],
        ['https-dns', 15012, undefined],
        ['http-dns', 8060, undefined],
        ['https-webhook', 443, 15017],
        ['http-monitoring', 15014, undefined],
      ]);
      assert.deepEqual(ports(listAt(discovery, 'ports'), 'name', 'containerPort').slice(0, 5), [
        ['grpc-xds', 15010],
        ['tls-xds', 15012],
        ['http-dns', 8060],
        ['https-webhook', 15017],
        ['http-monitoring', 15014],
      ]);
      const mounts = new Map(listAt(discovery, 'volumeMounts').map(({ name, mountPath }) => [name, mountPath]));
      assert.equal(mounts.get('config-volume'), '/etc/istio/config');
      assert.equal(mounts.get('cacerts'), '/etc/cacerts');
      assert.equal(mounts.get('local-certs'), '/var/run/secrets/istio-dns');
      assert.ok(textAt(find(objectsOf(overlay), 'ConfigMap', 'istio'), 'data', 'mesh').includes('configSources'));
    }
  });

  test('global.mcpEnabled is on for Helm and in the profile mcp', () => {
    const [values] = readDocuments('values-mcp.yaml');
    const [ours] = readDocuments('chart/values.yaml');
    const [profile] = readDocuments('profiles/mcp.yaml');
    for (const where of [values, ours, at(profile, 'spec', 'unvalidatedValues')]) {
      assert.equal(at(where, 'global', 'mcpEnabled'), true);
    }
    for (const path of deploymentFiles().filter(one => /^chart\/templates\/.*\.yaml$/.test(one))) {
      assert.match(
        readFileSync(join(istioFolder, path), 'utf8'),
        /^\{\{- if (and )?\.Values\.global\.mcpEnabled /,
        path,
      );
    }
  });
});

describe('what the source reads', () => {
  const flagsOf = (overlay: (typeof overlays)[number], name: string): string[] => {
    const args = container(find(objectsOf(overlay), 'Deployment', 'mcp-source'), 'source')['args'];
    assert.ok(Array.isArray(args) && args[0] === 'source');
    return args.flatMap(
      arg =>
        String(arg)
          .match(new RegExp(`^--${name}(?:=(.*))?$`))
          ?.slice(1) ?? [],
    );
  };

  test('is what its role allows: two kinds of one namespace, or all that istiod asks for', () => {
    assert.deepEqual(flagsOf('namespace', 'namespace'), ['istio-mcp']);
    const plurals = flagsOf('namespace', 'kind').map(kind => istioKinds.find(one => one.kind === kind)?.plural);
    assert.deepEqual(plurals, at(find(objectsOf('namespace'), 'Role', 'istio-mcp'), 'rules', 0, 'resources'));
    assert.deepEqual([flagsOf('cluster-wide', 'kind'), flagsOf('cluster-wide', 'all-namespaces').length], [['all'], 1]);
    const rules = listAt(find(objectsOf('cluster-wide'), 'ClusterRole', 'istio-mcp'), 'rules');
    const allowed = rules.flatMap(rule =>
      listed(rule, 'resources').map(plural => `${listed(rule, 'apiGroups')} ${plural}`),
    );
    assert.deepEqual(allowed.sort(), istioKinds.map(({ group, plural }) => `${group} ${plural}`).sort());
    for (const rule of rules) assert.deepEqual(rule['verbs'], ['get', 'list', 'watch']);
  });

  test('in the chart, too', () => {
    const [, table = ''] = /define "weir-mcp\.kinds" -\}\}([^{]*)\{\{/.exec(chartText('templates/_helpers.tpl')) ?? [];
    const [groups] = parseDocuments(table, 'the table of kinds');
    const known = entriesAt(groups).flatMap(([group, kinds]) =>
      entriesAt(kinds).map(([kind, plural]) => `${group} ${kind} ${String(plural)}`),
    );
    const expected = istioKinds.map(({ group, kind, plural }) => `${group} ${kind} ${plural}`);
    assert.deepEqual(known.sort(), expected.sort());
    const [values] = readDocuments('chart/values.yaml');
    assert.deepEqual(at(values, 'source', 'kinds'), flagsOf('namespace', 'kind'));
    assert.deepEqual(at(values, 'source', 'namespaces'), flagsOf('namespace', 'namespace'));
  });
});

describe('Weir beside istiod', () => {
  const services = 'networking.istio.io/v1/VirtualService' as TypeUrl;
  const idOf = (namespace: string): string =>
    `sidecar~10.1.2.3~istiod-7d-x.${namespace}~${namespace}.svc.cluster.local`;

  test('has settings without a warning, and leaves its endpoint to the pod', async () => {
    for (const overlay of overlays) {
      const settings = await weirSettings(overlay);
      assert.deepEqual([...accessWarnings(settings), ...upstreamWarnings(settings)], []);
      assert.ok(localListeners(settings).every(({ address }) => isLocalOnly(address)) && isLocalOnly(settings.admin));
    }
  });

  test('is where istiod looks, and looks where the source is', async () => {
    for (const overlay of overlays) {
      const settings = await weirSettings(overlay);
      const [mesh] = readDocuments(`overlays/${overlay}/mesh.yaml`);
      const sources = localListeners(settings).map(({ address }) => ({ address: `xds://${formatAddress(address)}` }));
      assert.deepEqual(at(mesh, 'configSources'), sources);
      assert.equal(at(mesh, 'rootNamespace'), settings.rootNamespace);
      const [port] = listAt(find(objectsOf(overlay), 'Service', 'mcp-source'), 'spec', 'ports');
      assert.deepEqual(settings.upstream.map(formatAddress), [`mcp-source.istio-mcp.svc:${String(port?.['port'])}`]);
      const health = listAt(container(istiodOf(overlay), 'weir'), 'ports').map(
        one => `0.0.0.0:${String(one['containerPort'])}`,
      );
      assert.deepEqual(settings.health.map(formatAddress), health);
      const mounts = listAt(container(istiodOf(overlay), 'weir'), 'volumeMounts').map(one => one['mountPath']);
      assert.deepEqual(mounts, ['/etc/weir/weir.yaml', '/etc/weir/tls', settings.cacheDir]);
    }
  });

  test('gives istiod its namespace or all of them, and nobody else anything', async () => {
    for (const overlay of overlays) {
      const settings = await weirSettings(overlay);
      const [listener] = localListeners(settings).map(listenerName);
      assert.ok(listener);
      const peer = { listener, names: [] };
      const none = { cluster: '', region: '', zone: '', subZone: '', metadata: {} };
      const identity = readNode(encodeNode({ id: idOf('istio-mcp'), ...none }));
      assert.ok(!('error' in identity));
      const scope = scopesOf(settings).ofClient(peer, identity, services);
      assert.deepEqual([scope.sees('istio-mcp/a'), scope.sees('shop/a')], [true, overlay === 'cluster-wide']);
      const allowed = allowListOf(settings);
      assert.equal(allowed.refusal(peer, idOf('istio-mcp')), undefined);
      for (const id of [idOf('shop'), 'envoy', '']) assert.ok(allowed.refusal(peer, id), id);
    }
  });

  test('is the same however it is installed', () => {
    const [values] = readDocuments('values-mcp.yaml');
    const [profile] = readDocuments('profiles/mcp.yaml');
    const pod = at(istiodOf('namespace'), 'spec', 'template', 'spec');
    assert.deepEqual(at(values, 'initContainers'), at(pod, 'initContainers'));
    assert.deepEqual(at(profile, 'spec', 'unvalidatedValues', 'pilot', 'initContainers'), at(pod, 'initContainers'));
    const volumes = listAt(pod, 'volumes').filter(volume => textAt(volume, 'name').startsWith('weir-'));
    assert.deepEqual(at(values, 'volumes'), volumes);
    assert.deepEqual(at(profile, 'spec', 'values', 'pilot', 'volumes'), volumes);
    assert.deepEqual(at(profile, 'spec', 'values', 'pilot', 'env'), at(values, 'env'));
    assert.deepEqual(at(profile, 'spec', 'meshConfig'), at(values, 'meshConfig'));
    const env = new Map(
      listAt(container(istiodOf('namespace'), 'discovery'), 'env').map(one => [one['name'], one['value']]),
    );
    for (const [name, value] of entriesAt(values, 'env')) assert.equal(env.get(name), value, name);
    for (const overlay of overlays) {
      const [mesh] = readDocuments(`overlays/${overlay}/mesh.yaml`);
      for (const [key, value] of entriesAt(values, 'meshConfig')) assert.deepEqual(at(mesh, key), value, key);
    }
  });

  test('starts before istiod, and no probe of its waits for the source', () => {
    const weir = container(istiodOf('namespace'), 'weir');
    assert.deepEqual([weir['restartPolicy'], weir['readinessProbe']], ['Always', undefined]);
    assert.equal(at(weir, 'startupProbe', 'httpGet', 'path'), '/healthz/started');
    assert.equal(at(weir, 'livenessProbe', 'httpGet', 'path'), '/healthz/live');
  });
});

describe('the pods', () => {
  test('run as nobody in particular, with nothing that they do not need', () => {
    for (const overlay of overlays) {
      for (const deployment of objectsOf(overlay).filter(({ kind }) => kind === 'Deployment')) {
        for (const { name, securityContext, resources, image } of containersOf(deployment)) {
          assert.deepEqual(
            [
              at(securityContext, 'allowPrivilegeEscalation'),
              at(securityContext, 'capabilities', 'drop'),
              at(securityContext, 'readOnlyRootFilesystem'),
              at(securityContext, 'runAsNonRoot'),
              at(securityContext, 'seccompProfile', 'type'),
            ],
            [false, ['ALL'], true, true, 'RuntimeDefault'],
            String(name),
          );
          if (String(image).startsWith('weir:')) assert.equal(at(securityContext, 'runAsUser'), 1337);
          assert.ok(at(resources, 'requests', 'memory') && at(resources, 'requests', 'cpu'), String(name));
          assert.match(String(image), /:\d+\.\d+\.\d+$/);
        }
        const pod = at(deployment, 'spec', 'template', 'spec');
        assert.deepEqual([at(pod, 'securityContext', 'runAsUser'), at(pod, 'enableServiceLinks')], [1337, false]);
      }
    }
  });

  test('can be reached on the ports that they have, the source by istiod alone', () => {
    for (const overlay of overlays) {
      const rulesOf = (name: string): readonly Data[] =>
        listAt(find(objectsOf(overlay), 'NetworkPolicy', name), 'spec', 'ingress');
      const numbers = (rule: Data | undefined): unknown[] => listAt(rule, 'ports').map(({ port }) => port);
      const [fromIstiod, fromAnywhere, ...more] = rulesOf('mcp-source');
      assert.deepEqual(fromIstiod?.['from'], [{ podSelector: { matchLabels: { app: 'istiod' } } }]);
      assert.deepEqual([numbers(fromIstiod), numbers(fromAnywhere), more], [[15930], [15921], []]);
      const open = rulesOf('istiod').flatMap(numbers);
      const has = containersOf(istiodOf(overlay)).flatMap(one =>
        listAt(one, 'ports').map(port => port['containerPort']),
      );
      // Nobody listens on 8060.
      assert.deepEqual(open.sort(), has.filter(port => port !== 8060).sort());
    }
  });

  test('have certificates for the names that they are called by', async () => {
    const certificates = readDocuments('components/cert-manager/certificates.yaml');
    const { upstream } = await weirSettings('namespace');
    const host = upstream.map(address => (address.kind === 'tcp' ? address.host : ''));
    const made = certificates.filter(one => secrets.includes(`Secret ${textAt(one, 'spec', 'secretName')}`));
    assert.deepEqual(
      made.map(one => [nameOf(one), listed(one['spec'], 'dnsNames')[0], listed(one['spec'], 'usages').at(-1)]),
      [
        ['mcp-source', host[0], 'server auth'],
        ['weir-mcp', 'weir.istio-mcp.svc', 'client auth'],
      ],
    );
  });
});

function listed(value: unknown, key: string): readonly string[] {
  const list = at(value, key);
  return Array.isArray(list) ? list.map(String) : [];
}
