import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { istioKinds, meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { readMeshResource } from '../../src/istio/mesh-resource.ts';
import { isManifestName, type Manifest, readManifest } from '../../src/source/manifest.ts';
import {
  destinationRule,
  documents,
  manifest,
  manifestLimits,
  misspelt,
  problemsIn,
  unparsable,
  virtualService,
} from '../support/manifests.ts';

// What a file of manifests is taken for: what it holds, and what is wrong in it, with the line.

/** Labels of what a file holds, after a look that it is in order. */
function labels(read: Manifest): string[] {
  assert.deepEqual(problemsIn(read), []);
  return read.resources.map(({ label }) => label);
}

function specOf(read: Manifest, at = 0): unknown {
  const found = read.resources[at];
  assert.ok(found, problemsIn(read).join());
  const decoded = readMeshResource(found.typeUrl, found.resource.any);
  assert.ok(!('error' in decoded));
  return decoded.spec;
}

/** Short names of what a file may hold beside what was read. */
function wrong({ wrong }: Manifest): string[] | 'any' {
  return wrong === 'any' ? wrong : [...wrong].map(typeUrl => typeUrl.slice(typeUrl.lastIndexOf('/') + 1)).toSorted();
}

const list = (items: string, head = 'apiVersion: v1\nkind: List'): string => `${head}\nitems:\n${items}`;
const item = (text: string): string => `- ${text.trimEnd().replaceAll('\n', '\n  ')}\n`;

describe('what a file holds', () => {
  test('every kind of Istio is read, in each of its versions', () => {
    const specs: Record<string, string> = { EnvoyFilter: '{}', DestinationRule: '{ host: a }' };
    const texts = istioKinds.flatMap(({ group, versions, kind }) =>
      versions.map(
        version =>
          `apiVersion: ${group}/${version}\nkind: ${kind}\nmetadata: { name: ${version} }\nspec: ${specs[kind] ?? '{}'}\n`,
      ),
    );
    const read = manifest(documents(...texts));
    assert.deepEqual(
      labels(read),
      istioKinds.flatMap(({ kind, versions }) => versions.map(version => `${kind} default/${version}`)),
    );
    assert.equal(new Set(read.resources.map(({ typeUrl }) => typeUrl)).size, 15);
  });

  test('documents, comments, empty documents and a namespace that is given or not', () => {
    const text = `# a comment\n---\n---\n# nothing here\n---\n${virtualService('shop/cart')}---\n${virtualService('plain')}...\n---\nnull\n`;
    const read = manifest(text, { defaultNamespace: 'mesh' });
    assert.deepEqual(labels(read), ['VirtualService shop/cart', 'VirtualService mesh/plain']);
    assert.deepEqual(
      read.resources.map(({ line }) => line),
      [6, 17],
    );
    assert.deepEqual(specOf(read), { hosts: ['cart'], http: [{ route: [{ destination: { host: 'cart' } }] }] });
  });

  test('nothing at all, and the difference between no byte and no object', () => {
    for (const text of ['', '\n', '# later\n', '---\n---\n']) {
      const read = manifest(text);
      assert.deepEqual([labels(read), read.isBlank], [[], text === '']);
    }
  });

  test('lists, nested ones too, and the lists of the Kubernetes API, whose items do not say their kind', () => {
    const inner = list(item(virtualService('b')) + item(destinationRule('c')));
    const outer = manifest(list(item(virtualService('a')) + item(inner)));
    assert.deepEqual(labels(outer), [
      'VirtualService default/a',
      'VirtualService default/b',
      'DestinationRule default/c',
    ]);
    const ofApi = manifest(
      list(
        '- metadata: { name: d }\n  spec: { host: d }\n',
        'apiVersion: networking.istio.io/v1\nkind: DestinationRuleList',
      ),
    );
    assert.deepEqual(labels(ofApi), ['DestinationRule default/d']);
    assert.deepEqual(labels(manifest('apiVersion: v1\nkind: List\n')), []);
  });

  test('JSON, with whatever space JSON allows', () => {
    const object = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'a' },
      spec: { hosts: ['\u{1f600} /', 'b'] },
    };
    for (const text of [
      JSON.stringify(object),
      JSON.stringify(object, undefined, '\t'),
      `\ufeff${JSON.stringify(object)}`,
    ]) {
      const read = manifest(text.replaceAll('\u{1f600} /', '\\ud83d\\ude00 \\/'), {}, 'a.json');
      assert.deepEqual(labels(read), ['VirtualService default/a']);
      assert.deepEqual(specOf(read), object.spec);
    }
  });

  test('anchors, aliases and merge keys', () => {
    const text = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: a }
spec:
  hosts: &hosts [a, b]
  gateways: *hosts
  http:
  - route: [{ destination: &to { host: a, subset: one } }]
  - route: [{ destination: { <<: *to, subset: two } }]
`;
    assert.deepEqual(specOf(manifest(text)), {
      hosts: ['a', 'b'],
      gateways: ['a', 'b'],
      http: [
        { route: [{ destination: { host: 'a', subset: 'one' } }] },
        { route: [{ destination: { host: 'a', subset: 'two' } }] },
      ],
    });
  });

  test('what is not Istio’s is passed over and counted, even where it could not be used', () => {
    const foreign = [
      'apiVersion: v1\nkind: Service\n',
      'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n',
      'apiVersion: networking.x-k8s.io/v1alpha1\nkind: Gateway\n',
      'apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n',
      'resources: [a.yaml]\n',
      'kind: Kustomization\n',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio-ca-root-cert }\ndata: { root-cert.pem: x }\n',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\ndata: { mesh: "a: 1" }\n',
      'apiVersion: apps/v1\nkind: Deployment\nspec: 1\nspec: 2\n',
      'apiVersion: apps/v1\nkind: Deployment\nspec: !vault secret\n',
      list(item('apiVersion: v1\nkind: Secret')),
    ];
    const read = manifest(documents(...foreign, virtualService('a')));
    assert.deepEqual(labels(read), ['VirtualService default/a']);
    assert.equal(read.passedOver, foreign.length);
  });

  test('a version is made of the content alone', () => {
    const text = virtualService('a');
    const version = (text: string): string | undefined => manifest(text).resources[0]?.resource.version;
    const stamped = (spec: string) =>
      text.replace('  # none', '  resourceVersion: "42"\n  uid: x').replace('cart', spec);
    assert.ok(version(text));
    assert.equal(version(text), version(`# other words\n${text}`));
    assert.notEqual(version(text), version(virtualService('a', 'other')));
    assert.notEqual(version(stamped('cart')), version(stamped('other')), 'it was edited after it had been exported');
    assert.notEqual(version(stamped('cart')), '42');
  });

  test('names that are read', () => {
    const names = [
      'a.yaml',
      'b.YML',
      'c.json',
      'mesh',
      '.a.yaml',
      '..data',
      'a.yaml~',
      'meshNetworks',
      'a.txt',
      'yaml',
    ];
    assert.deepEqual(names.filter(isManifestName), ['a.yaml', 'b.YML', 'c.json', 'mesh']);
  });
});

describe('the configuration of the mesh', () => {
  const configMap = (mesh: string, name = 'istio'): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata:\n  mesh: |-\n${mesh.replaceAll(/^/gm, '    ')}\n`;

  test('is read from a ConfigMap and from a file with its bare fields', () => {
    const text = 'rootNamespace: mesh\ndefaultConfig: { concurrency: 2 }';
    const spec = { rootNamespace: 'mesh', defaultConfig: { concurrency: 2 } };
    const sources = [
      manifest(configMap(text)),
      manifest(configMap(text, 'istio-1-27')),
      manifest(
        JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio' }, data: { mesh: text } }),
      ),
      ...['mesh.yaml', 'mesh.yml', 'mesh', 'some/folder/mesh'].map(file => manifest(text, {}, file)),
      manifest(JSON.stringify(spec), {}, 'mesh.json'),
    ];
    for (const read of sources) {
      assert.deepEqual(labels(read), ['MeshConfig']);
      assert.equal(read.resources[0]?.typeUrl, meshConfigTypeUrl);
      assert.deepEqual(specOf(read), spec);
    }
    assert.deepEqual(specOf(manifest(configMap(''))), {});
    assert.deepEqual(labels(manifest(virtualService('a'), {}, 'mesh.yaml')), ['VirtualService default/a']);
    assert.deepEqual(labels(manifest(text, {}, 'not-mesh.yaml')), []);
  });

  test('what is wrong in it has the line of the file', () => {
    const cases: [string, string, string?][] = [
      [
        configMap('# c\n\nrootNamespace: 3'),
        'a.yaml:8: MeshConfig: rootNamespace must be text, not the number 3; put it in quotes',
      ],
      [
        configMap('a: [1'),
        'a.yaml:6: MeshConfig: data.mesh is no valid YAML: unexpected end of the stream within a flow collection',
      ],
      [configMap('a: 1\n---\nb: 1'), 'a.yaml:6: MeshConfig: data.mesh has 2 documents, the most is 1; split it'],
      [
        'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio }\ndata:\n  mesh: "rootNamespac: x"\n',
        'a.yaml:5: MeshConfig: rootNamespac is no field of MeshConfig; did you mean rootNamespace?',
      ],
      [
        'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio }\ndata:\n  mesh: {}\n',
        'a.yaml:5: MeshConfig: data.mesh must be a text',
      ],
      [
        'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio }\ndata: 1\ndata: 2\n',
        'a.yaml:5: is no valid YAML: duplicated mapping key',
      ],
      [
        'apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n',
        'a.yaml:2: mesh.istio.io/v1alpha1 MeshConfig is no object of Kubernetes; put its fields into a file mesh.yaml, or under data.mesh of a ConfigMap istio',
      ],
      ['\ntrustDomain: {}\n', 'mesh.yaml:2: MeshConfig: trustDomain must be text, not an object', 'mesh.yaml'],
    ];
    for (const [text, expected, file] of cases) {
      const read = manifest(text, {}, file);
      const [problem, ...more] = problemsIn(read);
      assert.deepEqual([problem, more], [expected, []]);
      assert.deepEqual(wrong(read), ['MeshConfig']);
      assert.deepEqual(read.resources, []);
    }
  });
});

describe('what is wrong', () => {
  const vs = virtualService('a');
  const networking = istioKinds.filter(({ group }) => group === 'networking.istio.io').map(({ kind }) => kind);
  const cases: [title: string, text: string, problems: string[], wrong: string[] | 'any'][] = [
    [
      'a field',
      misspelt,
      ['5: VirtualService default/misspelt: spec.htp is no field of VirtualService; did you mean http?'],
      ['VirtualService'],
    ],
    [
      'a value deep inside of the second document',
      documents(destinationRule('b'), vs.replace('host: cart', 'host: 7')),
      [
        '15: VirtualService default/a: spec.http[0].route[0].destination.host must be text, not the number 7; put it in quotes',
      ],
      ['VirtualService'],
    ],
    [
      'an item of a list',
      list(item(destinationRule('b')) + item(misspelt)),
      ['12: VirtualService default/misspelt: spec.htp is no field of VirtualService; did you mean http?'],
      ['VirtualService'],
    ],
    [
      'a value behind an alias',
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec:\n  hosts:\n  - &x {}\n  - *x\n`,
      [
        '6: VirtualService default/a: spec.hosts[0] must be text, not an object',
        '7: VirtualService default/a: spec.hosts[1] must be text, not an object',
      ],
      ['VirtualService'],
    ],
    ['a text that cannot be taken apart', `${vs}${unparsable}`, ['12: is no valid YAML: deficient indentation'], 'any'],
    ['a text that ends too early', unparsable, ['2: is no valid YAML: deficient indentation'], 'any'],
    ['a tab', 'a:\n\tb: 1\n', ['2: is no valid YAML: tab characters must not be used in indentation'], 'any'],
    [
      'a key that is there twice',
      `---\n${vs}  hosts: [b]\n`,
      ['12: is no valid YAML: duplicated mapping key'],
      ['VirtualService'],
    ],
    [
      'a kind that is there twice',
      'apiVersion: v1\nkind: A\nkind: B\n',
      ['3: is no valid YAML: duplicated mapping key'],
      'any',
    ],
    [
      'a list with a key that is there twice',
      'apiVersion: v1\nkind: List\nitems: []\nitems: []\n',
      ['4: is no valid YAML: duplicated mapping key'],
      'any',
    ],
    [
      'an alias to nothing',
      vs.replace('[cart]', '*nowhere'),
      ['7: is no valid YAML: unidentified alias "nowhere"'],
      ['VirtualService'],
    ],
    [
      'a tag that nobody knows',
      vs.replace('[cart]', '!env HOSTS'),
      ['7: is no valid YAML: unknown scalar tag !<!env>'],
      ['VirtualService'],
    ],
    [
      'a misspelt kind',
      vs.replace('VirtualService', 'VirtualServce'),
      ['2: networking.istio.io/v1 VirtualServce is not known; did you mean VirtualService?'],
      networking,
    ],
    [
      'a kind that is near to none',
      vs.replace('VirtualService', 'X'),
      [`2: networking.istio.io/v1 X is not known; networking.istio.io has ${networking.join(', ')}`],
      networking,
    ],
    [
      'a kind of another group of Istio',
      'apiVersion: security.istio.io/v1\nkind: Telemetry\n',
      ['2: security.istio.io/v1 Telemetry is not known; did you mean telemetry.istio.io/v1 Telemetry?'],
      ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication', 'Telemetry'],
    ],
    [
      'a version that Istio never had',
      vs.replace('/v1', '/v2'),
      [
        '2: networking.istio.io/v2 VirtualService is not known; VirtualService is read as networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3',
      ],
      ['VirtualService'],
    ],
    [
      'a misspelt group',
      vs.replace('networking.', 'network.'),
      ['2: network.istio.io/v1 VirtualService is not known; did you mean networking.istio.io?'],
      ['VirtualService'],
    ],
    [
      'no kind',
      'apiVersion: security.istio.io/v1\n',
      ['1: has no kind that is a text'],
      ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication'],
    ],
    ['no apiVersion', 'kind: Telemetry\n', ['1: has no apiVersion that is a text'], ['Telemetry']],
    [
      'a text instead of an object',
      'just words\n',
      ['1: is no object: a manifest begins with apiVersion and kind'],
      'any',
    ],
    ['a list instead of an object', '[]\n', ['1: is no object: a manifest begins with apiVersion and kind'], 'any'],
    ['items that are no list', 'apiVersion: v1\nkind: List\nitems: {}\n', ['3: List: items must be a list'], 'any'],
    [
      'a name that Kubernetes does not allow',
      vs.replace('name: a', 'name: A_b'),
      ['4: VirtualService default/A_b: metadata.name must'],
      ['VirtualService'],
    ],
  ];
  for (const [title, text, problems, expected] of cases) {
    test(title, () => {
      const read = manifest(text);
      const found = problemsIn(read);
      assert.equal(found.length, problems.length, found.join('\n'));
      for (const [index, problem] of problems.entries()) {
        assert.ok(found[index]?.startsWith(`a.yaml:${problem}`), `${found[index]} is not ${problem}`);
      }
      assert.deepEqual(wrong(read), expected === 'any' ? 'any' : expected.toSorted());
    });
  }

  test('in one document, or one object, leaves the others', () => {
    const read = manifest(documents(destinationRule('a'), misspelt, virtualService('b'), destinationRule('c')));
    assert.deepEqual(
      read.resources.map(({ label }) => label),
      ['DestinationRule default/a', 'VirtualService default/b', 'DestinationRule default/c'],
    );
    assert.deepEqual(wrong(read), ['VirtualService']);
  });

  test('of much that is wrong the first part is told, and all of it counts', () => {
    const many = Array.from({ length: 80 }, () => misspelt);
    const read = manifest(documents(...many, 'apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nspec: 3\n'));
    assert.equal(read.problems.length, 50);
    assert.deepEqual(wrong(read), ['Telemetry', 'VirtualService']);
  });

  test('bytes that are no text', () => {
    const read = readManifest('a.yaml', Buffer.from([0x61, 0xff, 0xfe]), manifestLimits);
    assert.deepEqual(problemsIn(read), ['a.yaml: is no UTF-8 text']);
    assert.deepEqual(problemsIn(manifest('a: "\0"\n')), [
      'a.yaml:1: is no valid YAML: null byte is not allowed in input',
    ]);
  });
});

describe('limits', () => {
  const laughs = (levels: number): string =>
    Array.from({ length: levels }, (_, level) =>
      level === 0
        ? 'l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n'
        : `l${level}: &l${level} [${Array(9)
            .fill(`*l${level - 1}`)
            .join(', ')}]\n`,
    ).join('');
  const cases: [title: string, text: string, expected: RegExp][] = [
    [
      'bytes',
      `# ${'x'.repeat(100_000)}\n`,
      /^a\.yaml: has 100003 bytes, the most is 100000; split it, or raise --file-bytes-max$/,
    ],
    ['documents', '---\n'.repeat(1_001), /^a\.yaml: has 1001 documents, the most is 1000; split it$/],
    [
      'collections in each other',
      '['.repeat(50_000),
      /^a\.yaml:1: is no valid YAML: nesting exceeded maxDepth \(100\)$/,
    ],
    [
      'aliases',
      `- &a x\n${'- *a\n'.repeat(1_001)}`,
      /^a\.yaml:1002: is no valid YAML: aliases exceeded maxAliases \(1000\)$/,
    ],
    ['what aliases make of a text', laughs(7), /^a\.yaml:1: becomes larger than 100000 characters by its aliases/],
    [
      'what merge keys make of a text',
      `a: &a {${Array.from({ length: 200 }, (_, i) => `k${i}: 1`).join(', ')}}\nb:\n${'- { <<: *a }\n'.repeat(60)}`,
      /maxTotalMergeKeys/,
    ],
    [
      'an object that holds itself',
      'a: &a\n  b: *a\n',
      /^a\.yaml:1: becomes larger than 100000 characters by its aliases, or holds itself/,
    ],
  ];
  for (const [title, text, expected] of cases) {
    test(title, () => {
      const read = manifest(text, { fileBytesMax: 100_000, objectsMax: 1_000 });
      assert.match(problemsIn(read).join('\n'), expected);
      assert.equal(read.wrong, 'any');
    });
  }

  test('up to them all is well', () => {
    const read = manifest(`${'- &a x\n'.repeat(1)}${'- *a\n'.repeat(1_000)}`, { fileBytesMax: 100_000 });
    assert.deepEqual(problemsIn(read), ['a.yaml:1: is no object: a manifest begins with apiVersion and kind']);
    assert.deepEqual(problemsIn(manifest('---\n'.repeat(1_000), { objectsMax: 1_000 })), []);
    assert.deepEqual(problemsIn(manifest(`${laughs(3)}`)), []);
  });

  test('no megabyte of anything keeps the reader busy for long', () => {
    const times = (text: string, count: number): string => text.repeat(count);
    const numbered = (of: (index: number) => string, count: number): string =>
      Array.from({ length: count }, (_, i) => of(i)).join('');
    const texts = {
      open: times('[', 1 << 20),
      maps: times('{a: ', 1 << 18),
      keys: numbered(i => `k${i}: v\n`, 100_000),
      flow: `{${numbered(i => `k${i}: v,`, 100_000)}}`,
      quotes: times('"', 1 << 20),
      unclosed: `a: "${times('x\n', 1 << 19)}`,
      tags: times('!a ', 1 << 18),
      anchors: numbered(i => `- &a${i} x\n`, 80_000),
      documents: times('---\n', 19_000),
      colons: times(': ', 1 << 19),
      questions: times('? ', 1 << 19),
      spaces: `a:${times(' ', 1 << 20)}b`,
      dashes: times('- ', 1 << 19),
      folded: `a: >\n${times(' \n', 1 << 18)}  x\n`,
      objects: times('apiVersion: networking.istio.io/v1\nkind: X\n---\n', 19_000),
      wrong: `apiVersion: networking.istio.io/v1\nkind: VirtualService\nspec:\n${numbered(i => `  k${i}: v\n`, 80_000)}`,
    };
    for (const [name, text] of Object.entries(texts)) {
      const startMs = performance.now();
      manifest(text);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs < 5_000, `${name}: ${tookMs} ms`);
    }
  });
});
