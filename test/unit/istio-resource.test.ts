import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { istioKinds, kindOfObject, meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { meshConfigOf, meshResourceOf, readMeshResource } from '../../src/istio/mesh-resource.ts';
import { problemText } from '../../src/proto/json-reader.ts';
import { bytesField, textField } from '../../src/xds/tag-walk.ts';
import { istioManifests, meshConfigs } from '../support/istio-manifests.ts';

// Resources as MCP carries them: names, versions, metadata, and what is wrong with those of others.

const apiVersion = 'networking.istio.io/v1';
const kind = kindOfObject(apiVersion, 'Sidecar') ?? assert.fail();
const options = { defaultNamespace: 'default' };

interface Parts {
  readonly metadata?: unknown;
  readonly spec?: unknown;
}

const sidecar = ({ metadata = { name: 'a' }, spec = { egress: [{ hosts: ['*/*'] }] } }: Parts = {}) => ({
  apiVersion,
  kind: 'Sidecar',
  metadata,
  spec,
});

function made(object: unknown, more: { version?: string; defaultNamespace?: string } = {}) {
  const resource = meshResourceOf(kind, object, { ...options, ...more });
  assert.ok('any' in resource, JSON.stringify(resource));
  return resource;
}

function read(any: Buffer) {
  const resource = readMeshResource(kind.typeUrl, any);
  assert.ok('spec' in resource, JSON.stringify(resource));
  return resource;
}

function problems(object: unknown, defaultNamespace = 'default'): string[] {
  const resource = meshResourceOf(kind, object, { defaultNamespace });
  return 'problems' in resource ? resource.problems.map(problemText) : [];
}

describe('a resource', () => {
  test('carries name, labels, annotations and the time of creation, and not what kubectl notes for itself', () => {
    const { name, any } = made(
      sidecar({
        metadata: {
          name: 'a.b',
          namespace: 'shop',
          labels: { app: 'a', 'example.com/Tier_1.x': '' },
          annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', 'Example.com/x': 'any ☃ text' },
          creationTimestamp: '2026-01-02T03:04:05+01:00',
          resourceVersion: '7',
          uid: 'u',
          generation: 3,
          managedFields: [{}],
          somethingOfALaterKubernetes: true,
        },
      }),
    );
    assert.equal(name, 'shop/a.b');
    assert.deepEqual(read(any), {
      apiVersion,
      kind: 'Sidecar',
      metadata: {
        name: 'a.b',
        namespace: 'shop',
        labels: { app: 'a', 'example.com/Tier_1.x': '' },
        annotations: { 'Example.com/x': 'any ☃ text' },
        creationTimestamp: '2026-01-02T02:04:05Z',
        version: '7',
      },
      spec: { egress: [{ hosts: ['*/*'] }] },
    });
  });

  test('is of the given namespace when it names none', () => {
    assert.equal(made(sidecar(), { defaultNamespace: 'mesh' }).name, 'mesh/a');
    assert.equal(made(sidecar({ metadata: { name: 'a', namespace: '' } })).name, 'default/a');
  });

  test('has the version that is given, else its own, else one of its content', () => {
    const own = sidecar({ metadata: { name: 'a', resourceVersion: '7' } });
    assert.equal(made(own, { version: 'v3' }).version, 'v3');
    assert.equal(made(own).version, '7');
    assert.equal(read(made(own, { version: 'v3' }).any).metadata.version, 'v3');
    const { version, any } = made(sidecar());
    assert.match(version, /^[\w-]{24}$/);
    assert.equal(read(any).metadata.version, version);
    assert.equal(made(sidecar()).version, version);
    const others = [
      sidecar({ spec: { egress: [{ hosts: ['./*'] }] } }),
      sidecar({ metadata: { name: 'b' } }),
      sidecar({ metadata: { name: 'a', labels: { x: 'y' } } }),
    ].map(object => made(object).version);
    assert.equal(new Set([version, ...others]).size, 4, 'each content has its own');
  });

  test('may say nothing in its spec, and leave out what it is', () => {
    const { apiVersion: _, kind: __, spec: ___, ...bare } = sidecar();
    assert.deepEqual(read(made(bare).any).spec, {});
    assert.deepEqual(read(made({ ...bare, spec: null, status: { anything: 1 } }).any).spec, {});
  });

  test('is read by its older type URLs as well', () => {
    const resource = readMeshResource('networking.istio.io/v1alpha3/Sidecar', made(sidecar()).any);
    assert.equal('apiVersion' in resource && resource.apiVersion, 'networking.istio.io/v1alpha3');
  });

  for (const { title, object } of istioManifests) {
    test(`${title} is taken, and the same again when it is read and made anew`, () => {
      const given = object as { readonly apiVersion: string; readonly kind: string };
      const of = kindOfObject(given.apiVersion, given.kind) ?? assert.fail();
      const first = meshResourceOf(of, object, options);
      assert.ok('any' in first, JSON.stringify(first));
      const { metadata, spec, ...head } = readMeshResource(of.typeUrl, first.any) as {
        readonly metadata: { readonly version: string };
        readonly spec: unknown;
      };
      const { version, ...rest } = metadata;
      const again = meshResourceOf(of, { ...head, metadata: rest, spec }, { ...options, version });
      assert.deepEqual(again, first);
    });
  }
});

describe('an object is refused, with where and why', () => {
  const named = (metadata: object): unknown => sidecar({ metadata: { name: 'a', ...metadata } });
  const long = 'x'.repeat(64);
  const cases: readonly (readonly [object: unknown, problem: string])[] = [
    ['x', "it must be an object, not the text 'x'"],
    [{ apiVersion, kind: 'Sidecar' }, 'metadata is missing'],
    [sidecar({ metadata: 'a' }), "metadata must be an object, not the text 'a'"],
    [sidecar({ metadata: {} }), 'metadata.name is missing'],
    [
      sidecar({ metadata: { generateName: 'a-' } }),
      'metadata.name is missing; generateName is for the Kubernetes API, give it a name',
    ],
    ...['A', 'a_b', '-a', 'a-', 'a..b', '.a', 'a/b', '', 'x'.repeat(254)].map((name): [unknown, string] => [
      named({ name }),
      `metadata.name must be lower-case letters, digits, - and ., at most 253, not the text '${name.length > 60 ? `${name.slice(0, 60)}…` : name}'`,
    ]),
    [named({ name: 7 }), 'metadata.name must be lower-case letters, digits, - and ., at most 253, not the number 7'],
    [
      named({ namespace: 'a.b' }),
      "metadata.namespace must be lower-case letters, digits and -, at most 63, not the text 'a.b'",
    ],
    [
      named({ namespace: ['a'] }),
      'metadata.namespace must be lower-case letters, digits and -, at most 63, not a list',
    ],
    [named({ labels: { a: true } }), 'metadata.labels.a must be text, not true; put it in quotes'],
    [named({ labels: { a: null } }), 'metadata.labels.a must be text, not null'],
    [named({ labels: [] }), 'metadata.labels must be an object, not a list'],
    [
      named({ labels: { 'a b': 'c' } }),
      "metadata.labels['a b'] has a key that is none: [prefix.example/]name of at most 63 characters",
    ],
    [
      named({ annotations: { 'a/b/c': 'c' } }),
      "metadata.annotations['a/b/c'] has a key that is none: [prefix.example/]name of at most 63 characters",
    ],
    [
      named({ labels: { a: long } }),
      `metadata.labels.a must be at most 63 letters, digits, -, _ and ., with a letter or digit at both ends, not the text '${long.slice(0, 60)}…'`,
    ],
    [
      named({ annotations: { a: '\udc00' } }),
      'metadata.annotations.a must be text in Unicode; half of a character stands alone',
    ],
    [named({ annotations: { a: 'x'.repeat(262_144) } }), 'metadata.annotations have 262145 bytes, 262144 are allowed'],
    [
      named({ creationTimestamp: 'yesterday' }),
      "metadata.creationTimestamp must be a time such as '2026-01-31T08:00:00Z', not the text 'yesterday'",
    ],
    [named({ resourceVersion: 7 }), 'metadata.resourceVersion must be text, not the number 7'],
    [named({ lables: {} }), 'metadata.lables is no member of metadata; did you mean labels?'],
    [{ ...sidecar(), specs: {} }, 'specs is nothing that stands beside spec; did you mean spec?'],
    [
      { ...sidecar(), apiVersion: 'networking.istio.io/v2' },
      "apiVersion must be networking.istio.io/v1 or networking.istio.io/v1beta1 or networking.istio.io/v1alpha3 of a Sidecar, not the text 'networking.istio.io/v2' of kind the text 'Sidecar'",
    ],
    [sidecar({ spec: { egres: [] } }), 'spec.egres is no field of Sidecar; did you mean egress?'],
  ];
  for (const [object, problem] of cases) {
    test(problem.slice(0, 120), () => assert.deepEqual(problems(object), [problem]));
  }

  test('all of it at once', () => {
    const object = { ...sidecar({ metadata: { name: 'A', label: {} }, spec: { egress: {} } }), x: 1 };
    assert.deepEqual(
      problems(object, 'Not A Namespace').map(problem => problem.split(' ')[0]),
      ['x', 'metadata.name', 'metadata.namespace', 'metadata.label', 'spec.egress'],
    );
  });
});

describe('the configuration of the mesh', () => {
  for (const { title, spec } of meshConfigs) {
    test(`${title} is carried bare`, () => {
      const any = meshConfigOf(spec);
      assert.ok(Buffer.isBuffer(any), JSON.stringify(any));
      const resource = readMeshResource(meshConfigTypeUrl, any);
      assert.ok('spec' in resource, JSON.stringify(resource));
      assert.deepEqual(
        [resource.apiVersion, resource.kind, resource.metadata],
        ['core/v1alpha1', 'MeshConfig', { name: '', namespace: '', version: '' }],
      );
      assert.deepEqual(meshConfigOf(resource.spec), any);
    });
  }

  test('is refused like any other', () => {
    const read = meshConfigOf({ defaultConfig: { proxyAdminPorts: 1 } });
    assert.deepEqual('problems' in read && read.problems, [
      { path: ['defaultConfig', 'proxyAdminPorts'], text: 'is no field of ProxyConfig; did you mean proxyAdminPort?' },
    ]);
  });
});

describe('what is no resource says why', () => {
  const any = (type: string, value: Buffer): Buffer =>
    Buffer.concat([textField(0x0a, `type.googleapis.com/${type}`), bytesField(0x12, value)]);
  const resource = 'istio.mcp.v1alpha1.Resource';
  const withName = (name: string): Buffer => any(resource, bytesField(0x0a, textField(0x0a, name)));
  const cases: readonly (readonly [bytes: Buffer, error: string])[] = [
    [Buffer.alloc(0), 'the resource is of no type, not istio.mcp.v1alpha1.Resource'],
    [Buffer.from([0xff]), 'the resource is no Any: a varint is cut off'],
    [
      any('istio.networking.v1alpha3.Sidecar', Buffer.alloc(0)),
      'the resource is istio.networking.v1alpha3.Sidecar, not istio.mcp.v1alpha1.Resource',
    ],
    [
      any(resource, Buffer.from([0x0a, 9])),
      'the resource is no istio.mcp.v1alpha1.Resource: a field runs over the end of its message',
    ],
    [any(resource, Buffer.alloc(0)), "the resource is called the text '', which is not namespace/name"],
    ...['a', 'a/', '/a', 'a/b/c'].map((name): [Buffer, string] => [
      withName(name),
      `the resource is called the text '${name}', which is not namespace/name`,
    ]),
  ];
  for (const [bytes, error] of cases) {
    test(error, () => assert.deepEqual(readMeshResource(kind.typeUrl, bytes), { error }));
  }

  test('a type that is none of Istio’s', () => {
    assert.deepEqual(readMeshResource('a/b/C', made(sidecar()).any), {
      error: 'a/b/C is no type of Istio’s configuration',
    });
  });

  test('a body of another type, or of broken bytes, is shown as an Any', () => {
    const holding = (body: Buffer): Buffer =>
      any(resource, Buffer.concat([bytesField(0x0a, textField(0x0a, 'a/b')), bytesField(0x12, body)]));
    const cases: readonly (readonly [body: Buffer, spec: unknown])[] = [
      [any('some.Thing', Buffer.from([1, 2])), { '@type': 'type.googleapis.com/some.Thing', value: 'AQI=' }],
      [any(kind.message, Buffer.from([0xff])), { '@type': `type.googleapis.com/${kind.message}`, value: '/w==' }],
      [
        any('istio.type.v1beta1.PortSelector', Buffer.from([8, 80])),
        { '@type': 'type.googleapis.com/istio.type.v1beta1.PortSelector', number: 80 },
      ],
    ];
    for (const [body, spec] of cases) assert.deepEqual(read(holding(body)).spec, spec);
    assert.deepEqual(read(withName('a/b')).spec, {}, 'no body at all is an empty one');
  });
});

test('every kind has a manifest in the collection, so that none goes untested', () => {
  assert.equal(new Set(istioManifests.map(({ message }) => message)).size, istioKinds.length);
});
