import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pickFreePort } from '../../src/demo/processes.ts';
import { type Manifest, ofEachKind, virtualService } from '../support/manifest-folder.ts';
import { assertSame, MeshLab, waitMs } from './lab.ts';
import type { Report } from './report.ts';

const namespaces = 50;
const services = 'networking.istio.io/v1/VirtualService';

function many(count: number): Manifest[] {
  return Array.from({ length: count }, (_, index) => virtualService(`ns-${index % namespaces}`, `vs-${index}`));
}

/** A server of a thousand objects that comes back with other ones or none, one that is asked while it still reads, and a second one that takes over. */
export async function checkReturns(report: Report, binary: string): Promise<void> {
  await report.part('returns, a thousand', () => checkThousand(report, binary));
  await report.part('returns, early', () => checkEarly(report, binary));
  await report.part('returns, another server', () => checkFailover(report, binary));
}

async function checkThousand(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  const objects = many(1_000);
  lab.manifests.putTogether('many', objects);
  const server = await lab.server();
  await server.ready();
  const direct = await lab.client(server.address, { label: 'direct' });
  const directMs = await direct.ready();
  await direct.stop();
  const cache = ['--cache-dir', join(lab.folder, 'cache')];
  const weir = await lab.weir(server.address, ['--guard', 'hold', ...cache]);
  const below = await lab.tap(weir.address);
  let client = await lab.client(below.address);
  await report.check('1,000 VirtualServices in 50 namespaces come through Weir', async () => {
    const coldMs = await client.ready();
    await assertSame(server, client);
    await client.stop();
    client = await lab.client(below.address);
    const warmMs = await client.ready();
    await assertSame(server, client);
    return `ready in ${coldMs} ms, a second one in ${warmMs} ms, straight from istiod in ${directMs} ms`;
  });

  let back = server;
  await report.check('a server that comes back with other content: what changed arrives, in one message', async () => {
    const taken = below.tap.responses.length;
    await back.process.kill();
    lab.manifests.putTogether('many', [virtualService('ns-0', 'new'), ...objects.slice(1)]);
    back = await lab.server({ inPlaceOf: back });
    await back.ready();
    const isThere = (held: ReadonlyMap<string, string>): boolean =>
      held.has('VirtualService ns-0/new') && !held.has('VirtualService ns-0/vs-0');
    const ms = await client.holds('the change', isThere, waitMs);
    await assertSame(back, client);
    assert.equal(below.tap.responses.length - taken, 1);
    return `${ms} ms after it is ready`;
  });
  await report.check(
    'a server that comes back empty: the guard keeps what istiod has until somebody lets it pass',
    async () => {
      await back.process.kill();
      const empty = join(lab.folder, 'empty');
      mkdirSync(empty);
      back = await lab.server({ inPlaceOf: back, source: `fs://${empty}` });
      await back.ready();
      await weir.until('the guard to hold', async () => {
        const { types } = await weir.page<{ types: readonly { heldRemovals: number }[] }>('/status');
        return types.some(type => type.heldRemovals === objects.length);
      });
      assert.equal((await client.held()).size, objects.length);
      assert.match(await weir.says('guard', 'pass', ...cache), /1000/);
      const ms = await client.holds('nothing', held => held.size === 0, waitMs);
      return `1,000 kept, and gone ${ms} ms after weir guard pass`;
    },
  );
}

async function checkEarly(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  const objects = many(6_000);
  for (let from = 0; from < objects.length; from += 10)
    lab.manifests.putTogether(`part-${from}`, objects.slice(from, from + 10));
  const port = await pickFreePort();
  // Dialled again at once, so that the server is asked in its first moment.
  const weir = await lab.weir(`127.0.0.1:${port}`, ['--reconnect-base', '10ms', '--reconnect-max', '20ms']);
  const below = await lab.tap(weir.address);
  const client = await lab.client(below.address);
  await report.check(
    'a server that is asked while it reads 6,000 objects: istiod never sees a part of them',
    async () => {
      await weir.hasClient();
      assert.equal(await client.isReady(), false);
      const server = await lab.server({ grpcPort: port });
      const [serverMs] = await Promise.all([server.ready(60_000), client.ready(60_000)]);
      await assertSame(server, client);
      const counts = below.tap.responsesOf(services).map(response => response.resources.length);
      assert.deepEqual(counts, [objects.length]);
      return `the server is ready after ${serverMs} ms, istiod with it, one message of 6,000`;
    },
  );
}

async function checkFailover(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  lab.manifests.put(...ofEachKind('shop').map(({ before }) => before));
  const first = await lab.server({ label: 'first' });
  const second = await lab.server({ label: 'second' });
  await first.ready();
  await second.ready();
  const weir = await lab.weir(`${first.address},${second.address}`, ['--failover-after', '1s']);
  const below = await lab.tap(weir.address);
  const client = await lab.client(below.address);
  await client.ready();
  const switched = async (times: number): Promise<void> =>
    await weir.until('a switch', async () => (await weir.metric('weir_upstream_switches_total')) === times);
  await report.check(
    'two istiods serve: the second takes over and the first is returned to, no news for a client',
    async () => {
      const taken = below.tap.responses.length;
      await first.process.kill();
      await switched(1);
      assert.equal(below.tap.responses.length - taken, 0);
      const back = await lab.server({ label: 'first', inPlaceOf: first });
      await back.ready();
      await switched(2);
      assert.equal(below.tap.responses.length - taken, 0);
      await assertSame(back, client);
      return 'two switches, no message to the client';
    },
  );
}
