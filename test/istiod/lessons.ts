import assert from 'node:assert/strict';
import { waitFor } from '../../src/demo/processes.ts';
import type { Variant } from '../../src/xds/types.ts';
import { encodeNode } from '../../src/xds/wire-request.ts';
import type { AdsTap } from '../support/ads-tap.ts';
import type { Istiod } from '../support/istiod-process.ts';
import { ofEachKind } from '../support/manifest-folder.ts';
import { RawClient } from '../support/raw-client.ts';
import { type LabWeir, MeshLab, waitMs } from './lab.ts';
import type { Report } from './report.ts';

const services = 'networking.istio.io/v1/VirtualService';
const oldServices = 'networking.istio.io/v1alpha3/VirtualService';
const clusters = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const listeners = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const health = 'type.googleapis.com/istio.v1.HealthInformation';
const debug = 'istio.io/debug/syncz';

interface World {
  readonly lab: MeshLab;
  readonly server: Istiod;
  readonly weir: LabWeir;
  readonly above: AdsTap;
  readonly variant: Variant;
}

/** What istiod takes badly (docs/PROTOCOL.md, the rules I…), said to Weir by a client that is out to do it. */
export async function checkLessons(report: Report, binary: string): Promise<void> {
  for (const variant of ['delta', 'sotw'] as const)
    await report.part(`lessons, ${variant}`, () => checkVariant(report, binary, variant));
  await report.part('lessons, connection age', () => checkAge(report, binary));
}

async function checkVariant(report: Report, binary: string, variant: Variant): Promise<void> {
  await using lab = new MeshLab(binary);
  lab.manifests.put(...ofEachKind('shop').map(({ before }) => before));
  const server = await lab.server({ environment: { ENABLE_DEBUG_ENDPOINT_AUTH: 'false' } });
  await server.ready();
  const { tap: above, address } = await lab.tap(server.address);
  const weir = await lab.weir(address, ['--node-sharing', 'stream-per-node', '--upstream-variant', variant]);
  const world: World = { lab, server, weir, above, variant };
  const both = async (title: string, run: (own: Variant) => Promise<string>): Promise<void> => {
    for (const own of ['sotw', 'delta'] as const) {
      await report.check(`${title} (client ${own}, upstream ${variant})`, async () => {
        const measured = await run(own);
        assert.ok(await server.isReady(), 'istiod goes on');
        return measured;
      });
    }
  };
  await both('I1: a rejection as a stream’s first request, and one before a cut', own => rejects(world, own));
  await both('I8: a report of health before anything else', own => reportsHealth(world, own));
  await both('I3: what istiod tells of itself is not acknowledged', own => asksDebug(world, own));
  await both('I14: an older type URL is answered literally', async own => {
    const client = new RawClient(lab, weir.address, own);
    client.ask({ typeUrl: oldServices, node: controlPlane(`old-${own}`) });
    assert.deepEqual((await client.next()).resources, []);
    client.close();
    return 'empty, as istiod says';
  });
}

async function rejects({ lab, weir, above, variant }: World, own: Variant): Promise<string> {
  const client = new RawClient(lab, weir.address, own, { acks: false });
  const id = `rejects-${own}`;
  client.ask({ typeUrl: services, node: controlPlane(id), nonce: 'of another stream', error: 'first of all' });
  const answer = await client.next();
  assert.equal(answer.resources.length, 1);
  client.ask({ typeUrl: services, nonce: answer.nonce, error: 'no good' });
  await weir.until('the rejection', async () => (await weir.metric('weir_client_rejections_total')) > 0);
  const streams = (): number => new Set(above.requestsOf(services).map(one => one.stream)).size;
  const before = streams();
  above.cut();
  await waitFor('a new stream', waitMs, () => (streams() > before ? true : undefined));
  const firsts = [...new Set(above.requests.map(one => one.stream))].map(stream =>
    above.requestsOf(services).find(one => one.stream === stream),
  );
  assert.deepEqual(
    firsts.filter(one => one?.error !== undefined),
    [],
  );
  client.close();
  return `answered, and no ${variant} stream begins with it`;
}

async function reportsHealth({ lab, weir, above }: World, own: Variant): Promise<string> {
  const client = new RawClient(lab, weir.address, own);
  client.ask({ typeUrl: health, node: sidecar(`health-${own}`), error: 'unhealthy' });
  client.ask({ typeUrl: clusters });
  assert.ok((await client.next()).resources.length > 0);
  client.ask({ typeUrl: listeners });
  await client.next();
  // The stream whose first request bears this node: others of clients before may be opened anew meanwhile.
  const stream = above.requests.find(one => one.nodeId?.includes(`health-${own}.`))?.stream;
  assert.ok(stream !== undefined);
  const said = await waitFor('the report', waitMs, () => {
    const types = above.requests.filter(one => one.stream === stream).map(one => one.typeUrl);
    return types.includes(health) ? types : undefined;
  });
  assert.notEqual(said[0], health);
  assert.ok(said.indexOf(listeners) < said.indexOf(health), said.join());
  client.close();
  return 'told after the listeners, once the node is known';
}

async function asksDebug({ lab, weir, above }: World, own: Variant): Promise<string> {
  const from = above.requests.length;
  const client = new RawClient(lab, weir.address, own);
  client.ask({ typeUrl: debug, node: sidecar(`debug-${own}`) });
  await client.next();
  // Whatever an ACK would set off has begun when something asked for later is there.
  const other = new RawClient(lab, weir.address, own);
  other.ask({ typeUrl: clusters, node: sidecar(`debug-${own}`) });
  await other.next();
  const answers = above.requests.slice(from).filter(one => one.typeUrl === debug && one.nonce !== '');
  assert.deepEqual(answers, []);
  for (const one of [client, other]) one.close();
  return `one answer, ${above.responsesOf(debug).length} in all`;
}

async function checkAge(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  lab.manifests.put(...ofEachKind('shop').map(({ before }) => before));
  const server = await lab.server({ flags: ['--keepaliveMaxServerConnectionAge=2s'] });
  await server.ready();
  const weir = await lab.weir(server.address);
  const below = await lab.tap(weir.address);
  const client = await lab.client(below.address);
  await client.ready();
  await report.check(
    'I16: istiod ends connections by age and sends all of it again: no news for its client',
    async () => {
      const taken = below.tap.responses.length;
      const logged = weir.process.lastLines().at(-1);
      await weir.until('five streams', async () => (await weir.metric('weir_upstream_streams_opened_total')) >= 5);
      assert.equal(below.tap.responses.length - taken, 0);
      assert.equal(await weir.metric('weir_upstream_stream_failures_total'), 0);
      const lines = weir.process.lastLines();
      const since = lines.slice(lines.lastIndexOf(logged ?? '') + 1);
      assert.deepEqual(
        since.filter(line => !line.includes('"level":"info"')),
        [],
      );
      return `4 connections, no message to the client, ${since.length} log lines`;
    },
  );
}

function controlPlane(pod: string): Buffer {
  const id = `sidecar~10.0.0.9~${pod}.istio-system~istio-system.svc.cluster.local`;
  const metadata = { GENERATOR: 'api', ISTIO_VERSION: '65536.65536.65536' };
  return encodeNode({ id, cluster: '', region: '', zone: '', subZone: '', metadata });
}

function sidecar(pod: string): Buffer {
  const id = `sidecar~10.0.0.7~${pod}.shop~shop.svc.cluster.local`;
  const metadata = { NAMESPACE: 'shop', ISTIO_VERSION: '1.28.0', INSTANCE_IPS: '10.0.0.7' };
  return encodeNode({ id, cluster: '', region: '', zone: '', subZone: '', metadata });
}
