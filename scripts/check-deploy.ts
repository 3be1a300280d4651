import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  at,
  compose,
  containersOf,
  type Data,
  danglingReferences,
  find,
  istioFolder,
  listAt,
  nameOf,
  parseDocuments,
  podsOf,
  readDocuments,
  textAt,
} from '../test/support/deployment.ts';
import { manifest } from '../test/support/kubernetes-manifests.ts';
import { kubernetes, weirCharted } from './check-weir-chart.ts';
import { byName, check, failures, kubeVersion, run, seen, succeed, withoutDigests } from './deploy-tools.ts';

const help = `npm run check-deploy -- [--kustomize PATH] [--helm PATH] [--istio-charts DIR] [--kubeconfig FILE]
  --kustomize PATH    a kustomize; without it the one on the PATH, else one is built with Go into .peers
  --helm PATH         a helm (3), the same
  --istio-charts DIR  folder manifests/charts of an Istio release: its istiod chart is rendered with values-mcp.yaml
  --kubeconfig FILE   a cluster whose API server looks at everything (kubectl, server-side dry run, strict); it has
                      nothing of Istio's yet, and the namespaces istio-mcp, weir-system and weir-node are made in it
Renders deploy/istio, deploy/kubernetes and deploy/chart with the real tools and holds what comes out to what the unit tests compose.
`;

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const tools = { kustomize: 'sigs.k8s.io/kustomize/kustomize/v5@v5.8.1', helm: 'helm.sh/helm/v3/cmd/helm@v3.22.0' };
/** Building helm takes four minutes where nothing of it was built before. */
const buildTimeoutMs = 900_000;
const { values } = parseArgs({
  options: {
    kustomize: { type: 'string' },
    helm: { type: 'string' },
    'istio-charts': { type: 'string' },
    kubeconfig: { type: 'string' },
    help: { type: 'boolean' },
  },
});

/** Where a tool is: as given, on the PATH, or built. */
function toolOf(name: keyof typeof tools): string {
  const given = values[name];
  if (given !== undefined) return given;
  if (spawnSync(name, ['version']).status === 0) return name;
  const folder = join(repository, '.peers');
  const path = join(folder, name);
  if (existsSync(path)) return path;
  process.stdout.write(`building ${tools[name]} into ${folder} …\n`);
  const env = { ...process.env, GOBIN: folder };
  const built = spawnSync('go', ['install', tools[name]], { env, encoding: 'utf8', timeout: buildTimeoutMs });
  if (built.status !== 0) {
    throw new Error(
      `there is no ${name} here and it cannot be built (--${name} PATH): ${built.error?.message ?? built.stderr}`,
    );
  }
  return path;
}

const secrets = ['Secret mcp-source-tls', 'Secret weir-mcp-tls'];

function kustomized(kustomize: string): void {
  for (const overlay of ['namespace', 'cluster-wide']) {
    const built = parseDocuments(
      withoutDigests(succeed(kustomize, ['build', join(istioFolder, 'overlays', overlay)])),
      overlay,
    );
    seen.set(`overlays/${overlay}`, built);
    check(
      `kustomize build overlays/${overlay}: ${built.length} objects, as composed, every reference leads somewhere`,
      () => {
        assert.deepEqual(byName(built), byName(compose(`overlays/${overlay}`)));
        assert.deepEqual(danglingReferences(built, secrets), []);
      },
    );
  }
  check('kustomize build with the component cert-manager', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-deploy-'));
    try {
      const to = (path: string): string => relative(folder, join(istioFolder, path));
      const content = { resources: [to('overlays/namespace')], components: [to('components/cert-manager')] };
      writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(content));
      const built = parseDocuments(succeed(kustomize, ['build', folder]), 'with cert-manager');
      const made = built
        .filter(({ kind }) => kind === 'Certificate')
        .map(one => `Secret ${textAt(one, 'spec', 'secretName')}`);
      assert.deepEqual(danglingReferences(built, made), []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

function rendered(helm: string, ...args: readonly string[]): Data[] {
  const chart = join(istioFolder, 'chart');
  const text = succeed(helm, [
    'template',
    'weir-mcp',
    chart,
    '-n',
    'istio-mcp',
    '--kube-version',
    kubeVersion,
    ...args,
  ]);
  return parseDocuments(text, `the chart with ${args.join(' ')}`);
}

function refusal(helm: string, ...args: readonly string[]): string {
  const chart = join(istioFolder, 'chart');
  const { status, stderr } = run(helm, ['template', 'weir-mcp', chart, '--kube-version', kubeVersion, ...args]);
  assert.notEqual(status, 0, `${args.join(' ')} is let through`);
  return stderr;
}

function charted(helm: string): void {
  const chart = join(istioFolder, 'chart');
  const all = ['--set', 'source.allNamespaces=true,source.kinds=null'];
  check('helm lint --strict', () => {
    for (const args of [[], all, ['--set', 'global.mcpEnabled=false']]) {
      succeed(helm, ['lint', '--strict', '--kube-version', kubeVersion, chart, ...args]);
    }
  });
  const namespace = byName(compose('overlays/namespace'));
  const objects = rendered(helm);
  seen.set('chart', objects);
  check(`helm template: ${objects.length} objects, the source as in overlays/namespace`, () => {
    // The Deployment that is to mount Weir's configuration and certificate is in Istio's chart.
    assert.deepEqual(danglingReferences(objects, []), []);
    const ours = byName(objects);
    for (const name of ['Deployment mcp-source', 'Service mcp-source', 'PodDisruptionBudget mcp-source']) {
      assert.deepEqual(at(ours.get(name), 'spec'), at(namespace.get(name), 'spec'), name);
    }
    for (const name of ['Role istio-mcp', 'RoleBinding istio-mcp']) {
      for (const key of ['rules', 'roleRef', 'subjects']) {
        assert.deepEqual(at(ours.get(name), key), at(namespace.get(name), key), `${name} ${key}`);
      }
    }
    const [weir, composed] = [ours, namespace].map(map => {
      const text = textAt(map.get('ConfigMap weir-mcp'), 'data', 'weir.yaml');
      return parseDocuments(text.replace('$own', 'istio-mcp'), 'weir.yaml');
    });
    assert.deepEqual(weir, composed);
  });
  check('helm template: certificates of one CA, for the names that are called', () => {
    const pem = (secret: string, key: string): X509Certificate =>
      new X509Certificate(Buffer.from(textAt(find(objects, 'Secret', secret), 'data', key), 'base64'));
    const ca = pem('mcp-source-tls', 'ca.crt');
    for (const secret of ['mcp-source-tls', 'weir-mcp-tls'])
      assert.ok(pem(secret, 'tls.crt').verify(ca.publicKey), secret);
    assert.ok(pem('mcp-source-tls', 'tls.crt').checkHost('mcp-source.istio-mcp.svc'));
  });
  check('helm template for all kinds and namespaces, istiod in istio-system', () => {
    const wide = rendered(helm, ...all, '--set', 'global.istioNamespace=istio-system');
    seen.set('chart, cluster-wide', wide);
    assert.deepEqual(danglingReferences(wide, []), []);
    const [source] = containersOf(find(wide, 'Deployment', 'mcp-source'));
    assert.deepEqual((at(source, 'args') as string[]).slice(-2), ['--all-namespaces', '--kind=all']);
    const ruled = (role: Data): unknown[] => listAt(role, 'rules').flatMap(rule => at(rule, 'resources') as string[]);
    const expected = find(compose('overlays/cluster-wide'), 'ClusterRole', 'istio-mcp');
    assert.deepEqual(ruled(find(wide, 'ClusterRole', 'istio-mcp')).sort(), ruled(expected).sort());
    const weir = parseDocuments(textAt(find(wide, 'ConfigMap', 'weir-mcp'), 'data', 'weir.yaml'), 'weir.yaml')[0];
    assert.deepEqual(at(weir, 'scopes', 0, 'namespaces'), ['*']);
    assert.deepEqual(at(weir, 'listeners', 0, 'allow', 0, 'ids'), ['sidecar~*~*.istio-system~*']);
    assert.equal(at(find(wide, 'ConfigMap', 'weir-mcp'), 'metadata', 'namespace'), 'istio-system');
  });
  check('helm template with Secrets that are there, with cert-manager, with nothing', () => {
    assert.deepEqual(danglingReferences(rendered(helm, '--set', 'tls.mode=secret'), secrets), []);
    const managed = rendered(
      helm,
      '--set',
      'tls.mode=certManager,tls.issuerRef.name=mesh-ca,tls.issuerRef.kind=ClusterIssuer',
    );
    const made = managed
      .filter(({ kind }) => kind === 'Certificate')
      .map(one => `Secret ${textAt(one, 'spec', 'secretName')}`);
    assert.deepEqual(made.sort(), secrets);
    assert.deepEqual(danglingReferences(managed, made), []);
    assert.deepEqual(rendered(helm, '--set', 'global.mcpEnabled=false'), []);
  });
  check('helm template refuses what cannot be meant', () => {
    assert.match(refusal(helm, '--set', 'source.kinds={Gatway}'), /Gatway is no kind that istiod asks for/);
    assert.match(refusal(helm, '--set', 'tls.mode=certManager'), /tls\.issuerRef: name the issuer/);
    assert.match(refusal(helm, '--set', 'tls.mode=plain'), /none of generate, certManager, secret/);
    assert.match(refusal(helm, '--set', 'source.namespaces=null'), /source\.namespaces is empty/);
  });
}

function istiodCharted(helm: string, charts: string): void {
  check("Istio's istiod chart with values-mcp.yaml has Weir as a sidecar and looks at it only", () => {
    const chart = join(charts, 'istio-control', 'istio-discovery');
    const args = ['-n', 'istio-mcp', '-f', join(istioFolder, 'values-mcp.yaml'), '--kube-version', kubeVersion];
    const objects = parseDocuments(succeed(helm, ['template', 'istiod', chart, ...args]), 'istiod');
    seen.set('istiod chart', objects);
    const [values] = readDocuments('values-mcp.yaml');
    const istiod = find(objects, 'Deployment', 'istiod');
    assert.deepEqual(at(istiod, 'spec', 'template', 'spec', 'initContainers'), at(values, 'initContainers'));
    const [mesh] = parseDocuments(textAt(find(objects, 'ConfigMap', 'istio'), 'data', 'mesh'), 'mesh');
    assert.deepEqual(at(mesh, 'configSources'), [{ address: 'xds://127.0.0.1:15910' }]);
    assert.deepEqual(
      danglingReferences(
        [istiod, ...objects.filter(({ kind }) => kind === 'ServiceAccount')],
        ['ConfigMap weir-mcp', 'ConfigMap istio-ca-root-cert', ...secrets],
      ),
      [],
    );
  });
}

/** Has an API server look at everything, and at the pods that workloads would make, which Pod Security sees. */
function seenByServer(kubeconfig: string): void {
  const kubectl = (args: readonly string[], input: string): string =>
    succeed('kubectl', ['--kubeconfig', kubeconfig, ...args], input);
  const namespaces = [
    ...readDocuments('base/namespace.yaml'),
    ...compose('../kubernetes/webhook').filter(({ kind }) => kind === 'Namespace'),
    ...manifest('daemonset.yaml').filter(({ kind }) => kind === 'Namespace'),
  ];
  const list = (items: readonly Data[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  kubectl(['apply', '--server-side', '-f', '-'], list(namespaces));
  const known = [undefined, ...namespaces.map(nameOf)];
  for (const [title, objects] of seen) {
    check(`the API server takes ${title}`, () => {
      // Only these namespaces are there, and cluster-wide objects say what they are without one.
      const here = objects.filter(one => known.includes(at(one, 'metadata', 'namespace') as string | undefined));
      const pods = podsOf(here);
      const said = kubectl(
        ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-'],
        list([...here, ...pods]),
      );
      assert.equal(said.trim().split('\n').length, here.length + pods.length);
    });
  }
}

if (values.help) process.stdout.write(help);
else {
  const helm = toolOf('helm');
  const kustomize = toolOf('kustomize');
  kustomized(kustomize);
  kubernetes(kustomize);
  charted(helm);
  weirCharted(helm);
  const charts = values['istio-charts'];
  if (charts !== undefined) istiodCharted(helm, charts);
  if (values.kubeconfig !== undefined) seenByServer(values.kubeconfig);
  process.stdout.write(failures() === 0 ? 'all as it should be\n' : `${failures()} failed\n`);
  process.exitCode = failures() > 0 ? 1 : 0;
}
