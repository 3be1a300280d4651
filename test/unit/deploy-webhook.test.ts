import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { annotationLayer, annotationSpecs, resolveInjection } from '../../src/kube/injection-settings.ts';
import {
  at,
  compose,
  containersOf,
  entriesAt,
  find,
  listAt,
  nameOf,
  parseDocuments,
  textAt,
} from '../support/deployment.ts';
import { argumentsOf, chartFolder } from '../support/kubernetes-manifests.ts';

const webhook = compose('../kubernetes/webhook');

describe('the webhook', () => {
  const [container = {}] = containersOf(find(webhook, 'Deployment', 'weir-webhook'));
  const flags = new Map(
    argumentsOf(container)
      .slice(1)
      .map(arg => [arg.split('=')[0], arg.split('=')[1]]),
  );
  const hooks = new Map(
    listAt(find(webhook, 'MutatingWebhookConfiguration', 'weir'), 'webhooks').map(one => [one['name'], one]),
  );

  test('has the rights that it needs, and no other', () => {
    const rules = (kind: string): unknown => at(find(webhook, kind, 'weir-webhook'), 'rules');
    assert.deepEqual(rules('ClusterRole'), [
      {
        apiGroups: ['admissionregistration.k8s.io'],
        resources: ['mutatingwebhookconfigurations'],
        resourceNames: [flags.get('--webhook-configuration')],
        verbs: ['get', 'patch'],
      },
    ]);
    const secrets = { apiGroups: [''], resources: ['secrets'] };
    assert.deepEqual(rules('Role'), [
      { ...secrets, verbs: ['create'] },
      { ...secrets, resourceNames: [flags.get('--tls-secret')], verbs: ['get', 'update'] },
    ]);
    const kinds = webhook.filter(one => at(one, 'rules') !== undefined || at(one, 'roleRef') !== undefined);
    assert.deepEqual(kinds.map(one => one['kind']).sort(), [
      'ClusterRole',
      'ClusterRoleBinding',
      'Role',
      'RoleBinding',
    ]);
  });

  test('is called by the name that its certificate is for', () => {
    const service = find(webhook, 'Service', flags.get('--service') ?? '');
    for (const hook of hooks.values()) {
      const called = at(hook, 'clientConfig', 'service');
      const [port] = listAt(service, 'spec', 'ports');
      assert.deepEqual(
        [at(called, 'name'), at(called, 'namespace'), at(called, 'port')],
        [nameOf(service), flags.get('--namespace'), port?.['port']],
      );
      assert.equal(at(hook, 'clientConfig', 'caBundle'), undefined);
    }
    assert.equal(flags.get('--listen'), `0.0.0.0:${String(at(listAt(container, 'ports')[0], 'containerPort'))}`);
    const defaults = textAt(find(webhook, 'ConfigMap', 'weir-defaults'), 'data', 'defaults.yaml');
    const [values] = parseDocuments(defaults, 'defaults.yaml');
    const layer = {
      title: 'defaults ',
      values: new Map(entriesAt(values).map(([name, value]) => [name, String(value)])),
    };
    assert.ok('settings' in resolveInjection([layer, annotationLayer({})]));
  });

  test('sees a pod once or not at all, never in kube-system or its own namespace, and stops nobody', () => {
    assert.deepEqual(
      [...hooks].map(([name, hook]) => [name, at(hook, 'clientConfig', 'service', 'path')]),
      [
        ['namespace.weir.dev', '/inject/namespace'],
        ['pod.weir.dev', '/inject'],
      ],
    );
    for (const hook of hooks.values()) {
      assert.deepEqual(
        [hook['failurePolicy'], hook['sideEffects'], hook['timeoutSeconds'], hook['reinvocationPolicy']],
        ['Ignore', 'None', 5, 'IfNeeded'],
      );
      assert.deepEqual(hook['rules'], [
        { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' },
      ]);
    }
    const reaches = (namespace: Record<string, string>, pod: Record<string, string>): string[] =>
      [...hooks.values()]
        .filter(hook => selects(hook['namespaceSelector'], namespace) && selects(hook['objectSelector'], pod))
        .map(hook => String(hook['name']));
    const shop = { 'kubernetes.io/metadata.name': 'shop' };
    const yes = { 'weir.dev/inject': 'true' };
    const no = { 'weir.dev/inject': 'false' };
    assert.deepEqual(reaches(shop, {}), []);
    assert.deepEqual(reaches(shop, yes), ['pod.weir.dev']);
    assert.deepEqual(reaches(shop, no), []);
    const enabled = { ...shop, 'weir.dev/injection': 'enabled' };
    for (const labels of [{}, yes]) assert.deepEqual(reaches(enabled, labels), ['namespace.weir.dev']);
    assert.deepEqual(reaches(enabled, no), []);
    assert.deepEqual(reaches({ ...shop, 'weir.dev/injection': 'disabled' }, yes), []);
    for (const name of ['kube-system', 'weir-system']) {
      for (const more of [{}, { 'weir.dev/injection': 'enabled' }]) {
        assert.deepEqual(reaches({ 'kubernetes.io/metadata.name': name, ...more }, yes), []);
      }
    }
  });
});

describe('the chart', () => {
  const [values] = parseDocuments(readFileSync(join(chartFolder, 'values.yaml'), 'utf8'), 'values.yaml');
  const schema: unknown = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8'));

  test('knows the annotations that there are as defaults', () => {
    const defaults = at(schema, 'properties', 'injection', 'properties', 'defaults');
    assert.deepEqual(
      entriesAt(defaults, 'properties')
        .map(([name]) => name)
        .sort(),
      [...annotationSpecs.keys()].sort(),
    );
    assert.deepEqual(at(values, 'injection', 'defaults'), {});
  });

  test('has a schema for each of its values, and is of one version with Weir', () => {
    const compare = (value: unknown, described: unknown, path: string): void => {
      const known = entriesAt(described, 'properties').map(([key]) => key);
      for (const [key, inner] of entriesAt(value)) {
        assert.ok(known.includes(key), `${path}.${key}`);
        const below = at(described, 'properties', key);
        if (at(below, 'properties') !== undefined) compare(inner, below, `${path}.${key}`);
      }
    };
    compare(values, schema, 'values');
    const [chart] = parseDocuments(readFileSync(join(chartFolder, 'Chart.yaml'), 'utf8'), 'Chart.yaml');
    const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    assert.deepEqual(
      [at(chart, 'version'), at(chart, 'appVersion')],
      [at(manifest, 'version'), at(manifest, 'version')],
    );
  });
});

function selects(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  const equal = entriesAt(selector, 'matchLabels').every(([key, value]) => labels[key] === value);
  return (
    equal &&
    listAt(selector, 'matchExpressions').every(({ key, operator, values }) => {
      assert.equal(operator, 'NotIn');
      return !(Array.isArray(values) && values.includes(labels[String(key)]));
    })
  );
}
