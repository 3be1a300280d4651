import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import { istioKinds, kindOfObject } from '../../src/istio/kinds.ts';
import { meshConfigOf, meshResourceOf, readMeshResource } from '../../src/istio/mesh-resource.ts';
import { istioMessages } from '../../src/istio/messages.ts';
import { decodeJson, encodeJson } from '../../src/proto/json-reader.ts';
import { type Given, GoTypes, goTypes, istioApiFolder, sameTypes } from '../support/go-types.ts';
import { istioManifests, meshConfigs } from '../support/istio-manifests.ts';
import { validJson } from '../support/proto-arbitrary.ts';

// Our tables and our JSON against Istio's own Go types: what istiod makes of a manifest, we make of it, to the byte.

const options = { skip: 'missing' in goTypes ? goTypes.missing : false };
const roots = [
  ...istioKinds.map(kind => kind.message),
  'istio.mesh.v1alpha1.MeshConfig',
  'istio.mcp.v1alpha1.Resource',
];
/** Where valid JSON is made from. */
const source = { catalog: istioMessages, inAny: 'istio.networking.v1alpha3.HTTPRetry' };
const corpus = [...istioManifests, ...meshConfigs];

/** Bytes that our encoder made, or the test fails with the problems. */
function encoded(message: string, value: unknown): Buffer {
  const bytes = encodeJson(istioMessages, message, value);
  assert.ok(Buffer.isBuffer(bytes), JSON.stringify(bytes));
  return bytes;
}

/** Compares, for each, our bytes and our JSON with what Go makes of the same JSON, and what Go makes of our JSON and our bytes. */
async function agree(t: TestContext, all: readonly { title: string; message: string; spec: unknown }[]): Promise<void> {
  const go = new GoTypes(t);
  const ours = all.map(({ message, spec }) => encoded(message, spec));
  const shown = all.map(({ message }, index) => decodeJson(istioMessages, message, ours[index] ?? Buffer.alloc(0)));
  const ask = (given: (index: number) => Given) => go.read(all.map((_, index) => given(index)));
  const ofInput = await ask(index => ({ message: all[index]?.message ?? '', json: all[index]?.spec }));
  const ofOurJson = await ask(index => ({ message: all[index]?.message ?? '', json: shown[index] }));
  const ofOurBytes = await ask(index => ({
    message: all[index]?.message ?? '',
    bytes: ours[index] ?? Buffer.alloc(0),
  }));
  assert.equal(ofInput.length, all.length);
  for (const [index, { title, message, spec }] of all.entries()) {
    const [bytes, json] = [ours[index]?.toString('hex'), shown[index]];
    const said = `${title} (${message}): ${JSON.stringify(spec)}`;
    for (const [what, read] of [
      ['Go of the manifest', ofInput[index]],
      ['Go of our JSON', ofOurJson[index]],
      ['Go of our bytes', ofOurBytes[index]],
    ] as const) {
      assert.equal(read?.error, undefined, `${what}: ${said}`);
      assert.equal(bytes, read?.bytes?.toString('hex'), `${what}: ${said}`);
      assert.deepEqual(json, read?.json, `${what}: ${said}`);
    }
  }
}

describe("Istio's own types", { concurrency: 1 }, () => {
  test('have the messages, fields and enum values of our tables, and no others', options, async t => {
    await sameTypes(t, istioMessages, roots);
  });

  test('are served by Kubernetes in the versions of our table, under its names', options, () => {
    const path = join(istioApiFolder(), 'kubernetes', 'customresourcedefinitions.gen.yaml');
    const served = new Map<string, unknown>();
    for (const document of parseAllDocuments(readFileSync(path, 'utf8'), { logLevel: 'silent' })) {
      const { spec } = (document.toJS() ?? {}) as {
        readonly spec?: {
          readonly group: string;
          readonly names: { readonly kind: string; readonly plural: string };
          readonly scope: string;
          readonly versions: readonly { readonly name: string; readonly served: boolean }[];
        };
      };
      if (!spec) continue;
      const versions = spec.versions.filter(version => version.served).map(version => version.name);
      served.set(`${spec.group} ${spec.names.kind}`, [spec.names.plural, spec.scope, versions.sort()]);
    }
    const ours = istioKinds.map(({ group, kind, plural, versions }) => [
      `${group} ${kind}`,
      [plural, 'Namespaced', versions.toSorted()],
    ]);
    assert.deepEqual(Object.fromEntries(ours), Object.fromEntries(served));
  });

  test('the collection of manifests has objects of every kind', () => {
    const kinds = new Set(istioManifests.map(manifest => manifest.message));
    assert.deepEqual([...kinds].sort(), istioKinds.map(kind => kind.message).sort());
  });

  test('make the same bytes and the same JSON of every manifest, in both directions', options, async t => {
    await agree(t, corpus);
  });

  test('make the same bytes and the same JSON of whatever is valid', options, async t => {
    const seed = Number(process.env['ISTIO_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    t.diagnostic(`ISTIO_SEED=${seed}`);
    const samples = istioMessages.names.flatMap((message, index) =>
      fc
        .sample(validJson(source, message), { seed: seed + index, numRuns: 25 })
        // What both read is text, in which there is no minus zero.
        .map(json => ({ title: `seed ${seed}`, message, spec: JSON.parse(JSON.stringify(json)) as unknown })),
    );
    await agree(t, samples);
  });

  test('read our resources as MCP carries them, and we read theirs', options, async t => {
    const go = new GoTypes(t);
    const made = istioManifests.map(({ object, title }) => {
      const { apiVersion, kind: name } = object as { readonly apiVersion: string; readonly kind: string };
      const kind = kindOfObject(apiVersion, name);
      assert.ok(kind);
      const resource = meshResourceOf(kind, object, { defaultNamespace: 'default' });
      assert.ok('any' in resource, `${title}: ${JSON.stringify(resource)}`);
      return { kind, resource, title };
    });
    const opened = await go.read(made.map(({ resource }) => ({ message: 'google.protobuf.Any', bytes: resource.any })));
    for (const [index, { kind, resource, title }] of made.entries()) {
      const { error, json, bytes } = opened[index] ?? {};
      assert.equal(error, undefined, title);
      const {
        metadata,
        body,
        '@type': type,
      } = json as {
        readonly '@type': string;
        readonly metadata: { readonly name: string; readonly version: string; readonly createTime?: string };
        readonly body: { readonly '@type': string };
      };
      assert.equal(type, 'type.googleapis.com/istio.mcp.v1alpha1.Resource');
      assert.deepEqual([metadata.name, metadata.version], [resource.name, resource.version]);
      assert.equal(body['@type'], `type.googleapis.com/${kind.message}`);
      assert.ok(bytes);
      const read = readMeshResource(kind.typeUrl, bytes);
      assert.ok('spec' in read, JSON.stringify(read));
      assert.deepEqual({ '@type': body['@type'], ...Object(read.spec) }, body, title);
      assert.equal(read.metadata.creationTimestamp, metadata.createTime);
    }
    assert.deepEqual(opened.filter(({ json }) => JSON.stringify(json).includes('2026-03-04T05:06:07Z')).length, 1);
  });

  test('open our configuration of the mesh', options, async t => {
    const anys = meshConfigs.map(({ spec }) => meshConfigOf(spec));
    const opened = await new GoTypes(t).read(
      anys.map(bytes => ({ message: 'google.protobuf.Any', bytes: Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0) })),
    );
    for (const [index, { message, spec }] of meshConfigs.entries()) {
      const json = decodeJson(istioMessages, message, encoded(message, spec));
      assert.deepEqual(opened[index]?.json, { '@type': `type.googleapis.com/${message}`, ...Object(json) });
    }
  });

  test('give a resource a time before all years, as istiod does for files', options, async t => {
    const json = {
      '@type': 'type.googleapis.com/istio.mcp.v1alpha1.Resource',
      metadata: { name: 'a/b', createTime: '0001-01-01T00:00:00Z', labels: { c: 'd' } },
      body: { '@type': 'type.googleapis.com/istio.networking.v1alpha3.Sidecar', egress: [{ hosts: ['*/*'] }] },
    };
    const [made] = await new GoTypes(t).read([{ message: 'google.protobuf.Any', json }]);
    assert.ok(made?.bytes);
    assert.deepEqual(readMeshResource('networking.istio.io/v1/Sidecar', made.bytes), {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Sidecar',
      metadata: {
        name: 'b',
        namespace: 'a',
        labels: { c: 'd' },
        creationTimestamp: '0001-01-01T00:00:00Z',
        version: '',
      },
      spec: { egress: [{ hosts: ['*/*'] }] },
    });
  });

  const route = (json: unknown): Given => ({ message: 'istio.networking.v1alpha3.HTTPRoute', json });
  const mesh = (json: unknown): Given => ({ message: 'istio.mesh.v1alpha1.MeshConfig', json });
  const refusedByBoth: readonly Given[] = [
    route({ timeout: '5' }),
    route({ timeout: '1 s' }),
    route({ timeout: 's' }),
    route({ timeout: '1d' }),
    route({ timeout: '.s' }),
    route({ timeout: '' }),
    route({ timeout: 5 }),
    route({ timeout: {} }),
    route({ name: 5 }),
    route({ match: {} }),
    route({ match: 'x' }),
    route({ nothing: 1 }),
    route({ Timeout: '1s' }),
    route({ retries: { attempts: 1.5 } }),
    route({ retries: { attempts: 2_147_483_648 } }),
    route({ retries: { attempts: '007' } }),
    route({ retries: { attempts: true } }),
    route({ retries: { retryRemoteLocalities: 'true' } }),
    route({ match: [{ port: -1 }] }),
    route({ match: [{ headers: [] }] }),
    route({ mirrorPercentage: { value: 'ten' } }),
    route({ directResponse: { body: { bytes: '$' } } }),
    route([]),
    route('x'),
    mesh({ h2UpgradePolicy: 'upgrade' }),
    mesh({ h2UpgradePolicy: 2 ** 31 }),
    mesh({ enableTracing: 1 }),
    mesh({ enableAutoMtls: 'yes' }),
    { message: 'istio.mcp.v1alpha1.Metadata', json: { createTime: '2026-02-30T00:00:00Z' } },
    { message: 'istio.mcp.v1alpha1.Metadata', json: { createTime: '2026-02-03' } },
    { message: 'istio.mcp.v1alpha1.Metadata', json: { createTime: '2026-02-03T04:05:60Z' } },
    { message: 'istio.security.v1beta1.PeerAuthentication', json: { portLevelMtls: { http: {} } } },
  ];

  test('refuse what we refuse', options, async t => {
    const answers = await new GoTypes(t).read(refusedByBoth);
    for (const [index, given] of refusedByBoth.entries()) {
      const json = 'json' in given ? given.json : undefined;
      assert.ok(answers[index]?.error, `Go takes ${JSON.stringify(json)}`);
      assert.ok('problems' in encodeJson(istioMessages, given.message, json), `we take ${JSON.stringify(json)}`);
    }
  });

  // What istiod guesses or leaves out, and we have said why we do not (`encodeJson`).
  const refusedByUs: readonly Given[] = [
    route({ match: [{ uri: { exact: '/', prefix: '/' } }] }),
    mesh({ enable_tracing: true, enableTracing: false }),
    route({ match: [null] }),
  ];

  test('take what we refuse as two meanings in one', options, async t => {
    const answers = await new GoTypes(t).read(refusedByUs);
    for (const [index, given] of refusedByUs.entries()) {
      const json = 'json' in given ? given.json : undefined;
      assert.equal(answers[index]?.error, undefined);
      assert.ok('problems' in encodeJson(istioMessages, given.message, json), `we take ${JSON.stringify(json)}`);
    }
  });
});
