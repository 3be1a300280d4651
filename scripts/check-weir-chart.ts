import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  at,
  compose,
  type Data,
  danglingReferences,
  find,
  parseDocuments,
  textAt,
} from '../test/support/deployment.ts';
import { chartFolder, kubernetesFolder, manifest } from '../test/support/kubernetes-manifests.ts';
import { byName, check, kubeVersion, run, seen, succeed, withoutDigests } from './deploy-tools.ts';

/** What is applied to any cluster: the webhook as kustomize makes it, and the manifests of one file each. */
export function kubernetes(kustomize: string): void {
  const built = parseDocuments(
    withoutDigests(succeed(kustomize, ['build', join(kubernetesFolder, 'webhook')])),
    'webhook',
  );
  seen.set('deploy/kubernetes/webhook', built);
  check(`kustomize build deploy/kubernetes/webhook: ${built.length} objects, as composed`, () => {
    assert.deepEqual(byName(built), byName(compose('../kubernetes/webhook')));
  });
  seen.set('deploy/kubernetes/daemonset.yaml', manifest('daemonset.yaml'));
}

const daemonsetToo = ['--set', 'daemonset.enabled=true,upstream=control-plane.mesh.svc:18000'];

/** @param namespace where it is installed */
function renderedWeir(helm: string, namespace: string, ...args: readonly string[]): Data[] {
  const text = succeed(helm, [
    'template',
    'weir',
    chartFolder,
    '-n',
    namespace,
    '--kube-version',
    kubeVersion,
    ...args,
  ]);
  return parseDocuments(text, `the chart weir with ${args.join(' ')}`);
}

/** What the chart and the manifests say alike: everything but labels, and the digest by which pods are made anew. */
function bare(object: Data): Data {
  const { labels: _, annotations: __, ...metadata } = at(object, 'metadata') as Data;
  const copy = structuredClone({ ...object, metadata }) as Record<string, unknown>;
  const template = at(copy, 'spec', 'template', 'metadata') as Record<string, unknown> | undefined;
  delete template?.['annotations'];
  return copy;
}

/** By kind and name, without what has a form of its own in the chart. */
function comparable(objects: readonly Data[]): Map<string, Data> {
  return byName(objects.filter(({ kind }) => kind !== 'Namespace' && kind !== 'ConfigMap').map(bare));
}

/** Renders deploy/chart as it is meant to be, and as it is not. */
export function weirCharted(helm: string): void {
  check('helm lint --strict deploy/chart', () => {
    const monitored = ['--set', 'podMonitor.enabled=true'];
    for (const args of [[], daemonsetToo, monitored, ['--set', 'tls.mode=certManager,tls.issuerRef.name=ca']]) {
      succeed(helm, ['lint', '--strict', '--kube-version', kubeVersion, chartFolder, ...args]);
    }
  });
  const objects = renderedWeir(helm, 'weir-system', '--set', 'upstream=control-plane.mesh.svc:18000');
  seen.set('deploy/chart', objects);
  check(`helm template deploy/chart: ${objects.length} objects, as in deploy/kubernetes/webhook`, () => {
    assert.deepEqual(danglingReferences(objects, []), []);
    assert.deepEqual(comparable(objects), comparable(compose('../kubernetes/webhook')));
    const [defaults] = parseDocuments(
      textAt(find(objects, 'ConfigMap', 'weir-defaults'), 'data', 'defaults.yaml'),
      'defaults',
    );
    assert.deepEqual(defaults, {
      image: 'weir:0.1.0',
      'image-pull-policy': 'IfNotPresent',
      upstream: 'control-plane.mesh.svc:18000',
    });
  });
  const node = [
    '--set',
    'webhook.enabled=false,daemonset.upstreamCa=control-plane-ca,daemonset.tokenAudience=control-plane',
  ];
  const onNodes = renderedWeir(helm, 'weir-node', ...daemonsetToo, ...node);
  seen.set('deploy/chart with the DaemonSet alone', onNodes);
  check(
    `helm template deploy/chart with the DaemonSet alone: ${onNodes.length} objects, as in deploy/kubernetes/daemonset.yaml`,
    () => {
      assert.deepEqual(danglingReferences(onNodes, ['ConfigMap control-plane-ca']), []);
      const settings = (list: readonly Data[]): unknown =>
        parseDocuments(textAt(find(list, 'ConfigMap', 'weir-node'), 'data', 'weir.yaml'), 'weir.yaml')[0];
      assert.deepEqual(comparable(onNodes), comparable(manifest('daemonset.yaml')));
      assert.deepEqual(settings(onNodes), settings(manifest('daemonset.yaml')));
    },
  );
  check('helm template deploy/chart with a certificate of cert-manager or of your own: no right is given', () => {
    for (const set of [
      'tls.mode=certManager,tls.issuerRef.name=ca',
      'tls.mode=secret,tls.secretName=mine,tls.caBundle=Y2E=',
    ]) {
      const made = renderedWeir(helm, 'weir-system', '--set', set);
      assert.deepEqual(danglingReferences(made, ['Secret mine', 'Secret weir-webhook-tls']), []);
      assert.deepEqual(
        made.filter(one => /Role/.test(String(one['kind']))),
        [],
      );
      const account = at(
        find(made, 'Deployment', 'weir-webhook'),
        'spec',
        'template',
        'spec',
        'automountServiceAccountToken',
      );
      assert.equal(account, false);
    }
  });
  check('helm template deploy/chart refuses what cannot be meant', () => {
    for (const [set, said] of [
      ['webhook.enabled=false', /there is nothing to install/],
      ['tls.mode=plain', /must be one of 'selfSigned', 'certManager', 'secret'/],
      ['tls.mode=certManager', /tls\.issuerRef: name the issuer/],
      ['tls.mode=secret', /needs tls\.secretName and tls\.caBundle/],
      ['tls.caBundle=Y2E=', /are for tls\.mode secret/],
      ['webhook.failurePolicy=Fail,webhook.replicas=1', /whenever that one moves, no pod is made/],
      ['webhook.replica=3', /additional properties 'replica' not allowed/],
      ['injection.defaults.upstraem=a:1', /additional properties 'upstraem' not allowed/],
      ['upstream=a:1,injection.defaults.upstream=b:1', /set one of them/],
      ['daemonset.enabled=true', /name the control plane that the DaemonSet goes to/],
      ['daemonset.enabled=true,upstream=a:1,daemonset.tokenAudience=b', /in the clear/],
    ] as const) {
      const { status, stderr } = run(helm, [
        'template',
        'weir',
        chartFolder,
        '--kube-version',
        kubeVersion,
        '--set',
        set,
      ]);
      assert.notEqual(status, 0, `${set} is let through`);
      assert.match(stderr, said);
    }
  });
}
