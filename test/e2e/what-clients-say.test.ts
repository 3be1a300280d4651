import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { startWeir } from '../../src/demo/weir-process.ts';
import { traitsOf } from '../../src/xds/type-urls.ts';
import type { TypeUrl, Variant } from '../../src/xds/types.ts';
import { AdsTap } from '../support/ads-tap.ts';
import { skipWithout, testEnvoy, weirCommand } from '../support/envoy.ts';
import { grpcKinds, reaches, startGrpcClient } from '../support/grpc-clients.ts';
import { grpcWorld, startGrpcBackend } from '../support/grpc-world.ts';
import { edsCluster, endpointsOf, httpListener, routes, types } from '../support/resource-bodies.ts';
import type { HeardRequest } from '../support/scripted-plane.ts';
import { ScriptedWorld } from '../support/scripted-world.ts';

// What real clients say to Weir, as the table in docs/PROTOCOL.md tells it: a client that begins to speak otherwise is noticed here.

const envoy = testEnvoy() ?? '';
const skip = skipWithout(envoy === '' ? undefined : envoy);
const waitMs = 20_000;
const document = readFileSync(new URL('../../docs/PROTOCOL.md', import.meta.url), 'utf8');
/** Base types, which every client here asks for. */
const base = [types.cluster, types.endpoints, types.listener, types.routes];

const shortName = (typeUrl: string): string => traitsOf(typeUrl as TypeUrl).shortName;

/** First requests of each type on a stream, in order. */
function firsts(requests: readonly HeardRequest[], stream: number): HeardRequest[] {
  const seen = new Set<string>();
  return requests.filter(request => {
    if (request.stream !== stream || seen.has(request.typeUrl)) return false;
    seen.add(request.typeUrl);
    return true;
  });
}

const listOf = (requests: readonly HeardRequest[]): string =>
  requests.map(({ typeUrl }) => shortName(typeUrl)).join(', ') || '–';

/** How the types of a stream are asked for: which without names, which by name. */
function asked(requests: readonly HeardRequest[]): string {
  const wildcard = requests.filter(({ names = [] }) => names.length === 0);
  const named = requests.filter(({ names = [] }) => names.length > 0);
  assert.ok(!named.some(({ names = [] }) => names.includes('*')), 'nobody begins with an explicit `*`');
  return `${listOf(wildcard)} | ${listOf(named)}`;
}

/** How often the node comes. */
function nodeIn(requests: readonly HeardRequest[]): string {
  const withNode = requests.filter(({ nodeId }) => nodeId !== undefined);
  if (withNode.length === requests.length) return 'every request';
  const isFirstOnly = withNode.length === new Set(requests.map(({ stream }) => stream)).size;
  return isFirstOnly ? 'first request of a stream' : `${withNode.length} of ${requests.length} requests`;
}

/** What a client brings to its second stream. */
function brought(requests: readonly HeardRequest[]): string {
  const again = firsts(requests, 2);
  assert.ok(
    again.every(({ nonce }) => nonce === ''),
    'nobody brings a nonce to another stream',
  );
  const withVersions = again.filter(
    ({ version, initialVersions }) => version !== '' || (initialVersions?.size ?? 0) > 0,
  );
  // In an order of its own: gRPC-Go's is another one each time.
  const inOrder = (some: readonly HeardRequest[]): HeardRequest[] =>
    some.toSorted((a, b) => shortName(a.typeUrl).localeCompare(shortName(b.typeUrl)));
  assert.equal(listOf(inOrder(again)), listOf(inOrder(firsts(requests, 1))), 'all of it is asked for again');
  return listOf(inOrder(withVersions));
}

/** The client's row of the table. */
function rowOf(client: string, requests: readonly HeardRequest[]): string {
  const cells = [client, requests[0]?.variant, asked(firsts(requests, 1)), nodeIn(requests), brought(requests)];
  return `| ${cells.join(' | ')} |`;
}

/** Cuts the client off and waits until it has asked for all types again, and has had a while to say all. */
async function comeBack(tap: AdsTap): Promise<void> {
  tap.cut();
  const isBack = (): true | undefined => {
    const again = new Set(firsts(tap.requests, 2).map(({ typeUrl }) => typeUrl));
    return base.every(typeUrl => again.has(typeUrl)) || undefined;
  };
  await waitFor('the client to ask for everything again', waitMs, isBack);
}

function assertRow(client: string, requests: readonly HeardRequest[]): void {
  const row = rowOf(client, requests);
  assert.ok(document.includes(`\n${row}\n`), `docs/PROTOCOL.md does not have the row that was seen:\n${row}`);
  assert.deepEqual(
    requests.flatMap(({ error }) => error ?? []),
    [],
    'nothing was rejected',
  );
}

async function sayOfEnvoy(variant: Variant): Promise<void> {
  await using world = new ScriptedWorld({ envoy, variant });
  await world.start();
  world.plane.put(types.cluster, { one: edsCluster('one', 1000) });
  world.plane.put(types.endpoints, { one: endpointsOf('one', world.backend) });
  world.plane.put(types.listener, { web: httpListener('web', { routes: { by: 'rds', name: 'all' } }) });
  world.plane.put(types.routes, { all: routes('all', { cluster: 'one' }) });
  const running = await world.startEnvoy();
  await world.until('the backend', async () => (await world.get('web')).body === 'backend');
  await comeBack(world.tap);
  assertRow(`Envoy ${(await running.version()).split('.').slice(0, 2).join('.')}`, world.tap.requests);
}

async function sayOfGrpc(t: TestContext, kind: (typeof grpcKinds)[number]): Promise<void> {
  const backend = await startGrpcBackend(t);
  const controlPlane = new ControlPlane();
  controlPlane.publish(grpcWorld(backend));
  const folder = makeFolder();
  const weir = await startWeir({ command: weirCommand, upstream: `127.0.0.1:${await controlPlane.start()}`, folder });
  const tap = new AdsTap(`127.0.0.1:${weir.port}`);
  t.after(async () => {
    tap.stop();
    await weir.process.stop();
    controlPlane.stop();
    removeFolder(folder);
  });
  const client = startGrpcClient(t, kind, await tap.start());
  await reaches(client, backend);
  await comeBack(tap);
  assertRow(kind.name, tap.requests);
}

describe('what clients say', { concurrency: 1 }, () => {
  for (const variant of ['sotw', 'delta'] as const) {
    test(`Envoy in ${variant}`, { skip }, () => sayOfEnvoy(variant));
  }
  for (const kind of grpcKinds) test(kind.name, { skip: kind.skip }, t => sayOfGrpc(t, kind));
});
