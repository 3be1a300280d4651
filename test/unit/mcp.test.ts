import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { message, nested, text } from '../../src/demo/proto.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { grpcCode, type TypeUrl, type Variant } from '../../src/xds/types.ts';
import { encodeNode } from '../../src/xds/wire-request.ts';
import { CoreHarness, type HarnessClient, namesOf, resources } from '../support/core-harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import type { TestResource, TestResponse } from '../support/messages.ts';
import { SeededRandom } from '../support/random.ts';

// Istio's mesh configuration between an MCP server and istiod as its client (istio-facts.md "MCP" and its lessons).

const kinds = [
  'security.istio.io/v1/AuthorizationPolicy',
  'networking.istio.io/v1/DestinationRule',
  'networking.istio.io/v1alpha3/EnvoyFilter',
  'networking.istio.io/v1/Gateway',
  'security.istio.io/v1/PeerAuthentication',
  'networking.istio.io/v1beta1/ProxyConfig',
  'security.istio.io/v1/RequestAuthentication',
  'networking.istio.io/v1/ServiceEntry',
  'networking.istio.io/v1/Sidecar',
  'telemetry.istio.io/v1/Telemetry',
  'extensions.istio.io/v1alpha1/TrafficExtension',
  'networking.istio.io/v1/VirtualService',
  'extensions.istio.io/v1alpha1/WasmPlugin',
  'networking.istio.io/v1/WorkloadEntry',
  'networking.istio.io/v1/WorkloadGroup',
] as readonly string[] as readonly TypeUrl[];
const meshConfig = 'core/v1alpha1/MeshConfig' as TypeUrl;
const services = 'networking.istio.io/v1/VirtualService' as TypeUrl;
const mcpResource = 'type.googleapis.com/istio.mcp.v1alpha1.Resource';
const all: readonly TypeUrl[] = [meshConfig, ...kinds];

/** A resource as istiod sends it: no version, the beginning of time as its creation, and a field that nobody here knows. */
function mesh(name: string, content = 'a.example'): TestResource {
  const year1 = nested(2, writer => void writer.uint32(0x08).int64(-62_135_596_800));
  const body = message(
    nested(1, text(1, name), year1),
    nested(2, text(1, 'type.googleapis.com/istio.x'), text(2, content)),
    text(77, 'unknown'),
  );
  return { name, version: '', body, anyType: mcpResource };
}

const settingsOfMesh: TestResource = {
  name: '',
  version: '',
  body: message(text(59, 'istio-system')),
  anyType: 'type.googleapis.com/istio.mesh.v1alpha1.MeshConfig',
};

/** istiod as a client: SotW, everything at once, a nonce on each first request, its node on every request. */
class Istiod {
  readonly client: HarnessClient;
  readonly #node: Buffer;
  /** What it holds of each type; undefined before an answer. */
  readonly held = new Map<string, TestResponse>();

  constructor(harness: CoreHarness, pod = 'istiod-1', address = '10.0.0.1') {
    this.#node = encodeNode({
      id: `sidecar~${address}~${pod}.istio-system~istio-system.svc.cluster.local`,
      cluster: '',
      region: '',
      zone: '',
      subZone: '',
      metadata: { GENERATOR: 'api', ISTIO_VERSION: '65536.65536.65536', INSTANCE_IPS: address },
    });
    this.client = harness.client('sotw');
    for (const typeUrl of all) {
      const nonce = `2026-11-23 05:16:59.84 +0000 UTC m=+0.13`;
      this.client.send({ typeUrl, nonce, node: this.#node });
    }
    this.read();
  }

  /** Takes in what came; everything is acknowledged but a MeshConfig that is not empty. Returns the types. */
  read(): string[] {
    const seen: string[] = [];
    for (let next = this.client.inbox.shift(); next; next = this.client.inbox.shift()) {
      const { typeUrl, version, nonce } = next;
      this.held.set(typeUrl, next);
      seen.push(typeUrl);
      if (typeUrl !== meshConfig || next.resources.length === 0)
        this.client.send({ typeUrl, version, nonce, node: this.#node });
    }
    return seen;
  }

  /** It becomes ready once each of its types was answered. */
  get isReady(): boolean {
    return all.every(typeUrl => this.held.has(typeUrl));
  }
}

/** The MCP server answers everything that it was asked for. */
function answerAll(harness: CoreHarness, istiod: Istiod, content: ReadonlyMap<TypeUrl, readonly TestResource[]>): void {
  for (const typeUrl of all) harness.respond(typeUrl, { resources: content.get(typeUrl) ?? [] });
  istiod.read();
}

const someContent = new Map<TypeUrl, readonly TestResource[]>([
  [services, [mesh('a/x'), mesh('b/y')]],
  [meshConfig, [settingsOfMesh]],
]);
const variants: readonly Variant[] = ['sotw', 'delta'];

describe('MCP over xDS', () => {
  for (const variant of variants) {
    const start = (disk?: MemoryDisk): CoreHarness => new CoreHarness({ nodeSharing: 'refuse', variant }, disk);

    test(`I13: every type is answered, also when it is empty, and a nonce on a first request is no ACK (${variant} upstream)`, () => {
      const harness = start();
      const istiod = new Istiod(harness);
      assert.deepEqual(istiod.read(), [], 'nothing is known, and nothing is made up');
      assert.deepEqual(new Set(harness.requests.map(one => one.typeUrl)), new Set(all));
      answerAll(harness, istiod, someContent);
      harness.advance(500);
      istiod.read();
      assert.ok(istiod.isReady, all.filter(one => !istiod.held.has(one)).join());
      assert.equal(istiod.client.closed, undefined);
    });

    test(`I14: bodies pass byte for byte, and MeshConfig is wrapped in nothing (${variant} upstream)`, () => {
      const harness = start();
      const istiod = new Istiod(harness);
      answerAll(harness, istiod, someContent);
      harness.advance(500);
      istiod.read();
      const got = istiod.held.get(services)?.resources ?? [];
      assert.deepEqual(
        got.map(one => one.body),
        someContent.get(services)?.map(one => one.body),
      );
      assert.deepEqual(new Set(got.map(one => one.anyType)), new Set([mcpResource]));
      const [config] = istiod.held.get(meshConfig)?.resources ?? [];
      assert.deepEqual([config?.anyType, config?.body], [settingsOfMesh.anyType, settingsOfMesh.body]);
    });

    test(`I14: current and older type URLs are two types, each asked for and answered literally (${variant} upstream)`, () => {
      const harness = start();
      const client = harness.client('sotw');
      const old = 'networking.istio.io/v1alpha3/VirtualService' as TypeUrl;
      for (const typeUrl of [services, old]) client.send({ typeUrl });
      assert.deepEqual(
        harness.requests.map(one => one.typeUrl),
        [services, old],
      );
      harness.respond(services, { resources: [mesh('a/x')] });
      harness.respond(old, { resources: [] });
      harness.advance(500);
      assert.equal(client.only(services).resources.length, 1);
      assert.equal(
        client.only(old).resources.length,
        0,
        'istiod of today has nothing under the old one, and that is its word',
      );
    });

    test(`I4: an empty version says nothing, contents are compared (${variant} upstream)`, () => {
      const harness = start();
      const istiod = new Istiod(harness);
      answerAll(harness, istiod, someContent);
      harness.advance(500);
      istiod.read();
      // Any change makes istiod send every type again, in full.
      for (const typeUrl of kinds) if (typeUrl !== services) harness.respond(typeUrl);
      harness.respond(services, { resources: [mesh('a/x', 'changed.example'), mesh('b/y')] });
      assert.deepEqual(istiod.read(), [services], 'what did not change is no news');
      assert.ok(istiod.held.get(services)?.resources.some(one => one.body.includes('changed.example')));
    });

    test(`I16: a new stream with everything sent again is no news (${variant} upstream)`, () => {
      const harness = start();
      const istiod = new Istiod(harness);
      answerAll(harness, istiod, someContent);
      harness.advance(500);
      istiod.read();
      harness.cut();
      harness.advance(5_000);
      answerAll(harness, istiod, someContent);
      harness.advance(5_000);
      assert.deepEqual(istiod.read(), []);
    });

    test(`I14: a MeshConfig that istiod does not acknowledge holds nothing up, and its next content comes (${variant} upstream)`, () => {
      const harness = start();
      const istiod = new Istiod(harness);
      answerAll(harness, istiod, someContent);
      harness.advance(2_000);
      istiod.read();
      const verdicts = harness.asked(meshConfig).filter(one => one.nonce !== '');
      assert.ok(verdicts.length > 0 && verdicts.every(one => one.error === undefined), 'upstream has its ACK');
      const next = { ...settingsOfMesh, body: message(text(59, 'other-root')) };
      harness.respond(meshConfig, { resources: [next] });
      harness.respond(services, { resources: [mesh('a/x')] });
      harness.advance(500);
      istiod.read();
      assert.deepEqual(istiod.held.get(meshConfig)?.resources[0]?.body, next.body);
    });

    test(`I15 R69 R106: istiod starts with its MCP server gone, as a new pod with another name and address (${variant} upstream)`, () => {
      const disk = new MemoryDisk();
      const before = start(disk);
      const first = new Istiod(before);
      answerAll(before, first, someContent);
      before.advance(3_000);
      first.read();
      before.advance(3_000);
      const harness = start(disk.copy());
      harness.isUpstreamUp = false;
      const istiod = new Istiod(harness, 'istiod-2', '10.0.0.2');
      assert.ok(istiod.isReady, all.filter(one => !istiod.held.has(one)).join());
      const bodies = istiod.held
        .get(services)
        ?.resources.map(one => one.body.toString('hex'))
        .sort();
      assert.deepEqual(
        bodies,
        someContent
          .get(services)
          ?.map(one => one.body.toString('hex'))
          .sort(),
      );
      assert.equal(istiod.held.get(meshConfig)?.resources.length, 1);
      assert.equal(istiod.held.get(kinds[0] ?? '')?.resources.length, 0, 'an empty set that was whole is whole');
    });

    test(`I15 R69: istiod is updated pod by pod while its MCP server is gone, each pod kept apart (${variant} upstream)`, () => {
      const separate = { nodeSharing: 'stream-per-node', variant } as const;
      const disk = new MemoryDisk();
      const harness = new CoreHarness(separate, disk);
      const old = new Istiod(harness, 'istiod-1', '10.0.0.1');
      answerAll(harness, old, someContent);
      harness.advance(3_000);
      old.read();
      harness.advance(3_000);
      harness.isUpstreamUp = false;
      harness.cut();
      const next = new Istiod(harness, 'istiod-2', '10.0.0.2');
      assert.ok(next.isReady, 'the new one starts beside the old one');
      assert.equal(next.held.get(services)?.resources.length, 2);
      const sidecar = harness.client('sotw', 'sidecar~10.0.0.3~istiod-3.istio-system~istio-system.svc.cluster.local');
      sidecar.send({ typeUrl: services });
      assert.deepEqual(sidecar.take(services), [], 'who does not ask as a control plane does is given nothing');
      harness.advance(3_000);
      // What the new one started with is a copy.
      for (const [pod, address] of [
        ['istiod-1', '10.0.0.1'],
        ['istiod-2', '10.0.0.2'],
        ['istiod-4', '10.0.0.4'],
      ] as const) {
        const after = new CoreHarness(separate, disk.copy());
        after.isUpstreamUp = false;
        assert.ok(new Istiod(after, pod, address).isReady, pod);
      }
    });

    test(`I1: no rejection is carried to a new stream, where it would be the first request of its type (${variant} upstream)`, () => {
      const harness = start();
      const client = harness.client('sotw');
      client.send({ typeUrl: services });
      harness.respond(services, { resources: [mesh('a/x')] });
      harness.advance(150);
      const { nonce } = client.only(services);
      harness.cut();
      client.send({ typeUrl: services, nonce, error: 'no' });
      harness.advance(5_000);
      const [first] = harness.asked(services);
      assert.deepEqual([first?.error, first?.nonce], [undefined, '']);
    });

    test(`I10: a nonce that is not the newest is no verdict (${variant} upstream)`, () => {
      const harness = start();
      const client = harness.client('sotw');
      client.send({ typeUrl: services });
      harness.respond(services, { resources: [mesh('a/x')] });
      harness.advance(150);
      const old = client.only(services);
      harness.respond(services, { resources: [mesh('a/x', '2')] });
      const newest = client.only(services);
      client.send({ typeUrl: services, nonce: old.nonce, error: 'late' });
      client.send({ typeUrl: services, nonce: newest.nonce, version: newest.version });
      harness.advance(2_000);
      const errors = harness.asked(services).flatMap(({ error }) => error ?? []);
      assert.deepEqual(
        errors.filter(one => !one.includes('late')),
        [],
      );
      assert.deepEqual(client.take(services), []);
    });

    test(`I3: a resource without a slash in its name, or without a wrapper, passes as it is (${variant} upstream)`, () => {
      const harness = start();
      const client = harness.client('sotw');
      client.send({ typeUrl: services });
      const bare = { ...mesh('x'), anyType: 'type.googleapis.com/istio.networking.v1alpha3.VirtualService' };
      harness.respond(services, { resources: [mesh('plain'), bare] });
      harness.advance(150);
      assert.deepEqual(
        client.only(services).resources.map(one => one.body),
        [mesh('plain').body, bare.body],
      );
    });
  }

  test('I15: a first answer that comes in parts is passed on when it is whole', () => {
    const harness = new CoreHarness({ nodeSharing: 'refuse', variant: 'delta' });
    const client = harness.client('sotw');
    client.send({ typeUrl: services });
    harness.respond(services, { resources: [mesh('a/x')] });
    harness.advance(50);
    harness.respond(services, { resources: [mesh('b/y')] });
    assert.deepEqual(client.take(services), []);
    harness.advance(500);
    assert.equal(client.only(services).resources.length, 2);
  });

  test('I15: what the disk lost a part of is not served as the whole', () => {
    const disk = new MemoryDisk();
    const before = new CoreHarness({ nodeSharing: 'refuse', variant: 'sotw' }, disk);
    const first = new Istiod(before);
    answerAll(before, first, someContent);
    before.advance(3_000);
    const harness = new CoreHarness({ nodeSharing: 'refuse', variant: 'sotw' }, disk.copy(new SeededRandom(1)));
    harness.isUpstreamUp = false;
    const istiod = new Istiod(harness);
    assert.ok(!istiod.held.has(services) && istiod.held.has(kinds[0] ?? ''));
  });

  test('I2: it has a stream of its own, and the end of that is nothing to Envoy’s types', () => {
    const harness = new CoreHarness({ nodeSharing: 'shared' });
    const envoy = harness.client('delta');
    envoy.send({ typeUrl: clusterType });
    new Istiod(harness);
    const [main = 0, mcp = 0, ...more] = harness.upstreamIds();
    assert.deepEqual(more, [], 'all of MCP is on one stream');
    harness.endUpstream(mcp, grpcCode.unauthenticated);
    harness.respond(
      clusterType,
      { resources: resources(clusterType, ['c']) },
      { streamId: main, variant: 'delta', address: 'test:1' },
    );
    assert.deepEqual(namesOf(envoy.only(clusterType)), ['c']);
    assert.ok(harness.upstreamIds().includes(main));
  });

  test('I7: its node is as istiod says it, on the first request of the stream', () => {
    const harness = new CoreHarness({ nodeSharing: 'refuse' });
    new Istiod(harness);
    assert.match(harness.requests[0]?.nodeId ?? '', /^sidecar~10\.0\.0\.1~istiod-1\.istio-system~/);
  });
});
