import assert from 'node:assert/strict';
import { join } from 'node:path';
import { istioKinds } from '../../src/istio/kinds.ts';
import { IstiodClient } from '../support/istiod-client.ts';
import type { Istiod } from '../support/istiod-process.ts';
import { ofEachKind } from '../support/manifest-folder.ts';
import { differences, MeshLab, waitMs } from './lab.ts';
import type { Report } from './report.ts';

type Held = ReadonlyMap<string, string>;
/** The kinds, and the configuration of the mesh. */
const types = istioKinds.length + 1;

type Mode = 'refuse' | 'shared' | 'stream-per-node';

/** The MCP server is gone, and istiods, their pods and Weir come and go. */
export async function checkOutages(report: Report, binary: string): Promise<void> {
  for (const mode of ['refuse', 'shared', 'stream-per-node'] as const)
    await report.part(`outages, ${mode}`, () => checkMode(report, binary, mode));
}

async function checkMode(report: Report, binary: string, mode: Mode): Promise<void> {
  await using lab = new MeshLab(binary);
  const { manifests } = lab;
  const objects = ofEachKind('shop').map(({ before }) => before);
  manifests.put(...objects);
  const server = await lab.server();
  await server.ready();
  const flags = ['--node-sharing', mode, '--cache-dir', join(lab.folder, 'cache')];
  let weir = await lab.weir(server.address, flags);
  const pod = (name: string): Promise<Istiod> => lab.client(weir.address, { label: name, podName: `istiod-${name}` });

  let old = await pod('a');
  await old.ready();
  const all = await old.held();
  assert.equal(all.size, objects.length);
  await weir.hasStored(types);
  await server.process.kill();

  await report.check(`${mode}, server gone: istiod keeps what it has, and a restarted one has it again`, async () => {
    await weir.cutOff();
    assert.deepEqual(differences(all, await old.held()), []);
    await old.stop();
    old = await pod('a');
    return await readyWith(old, all);
  });
  await report.check(
    `${mode}, server gone: a new pod ${mode === 'refuse' ? 'waits for' : 'starts beside'} the old one`,
    async () => {
      const next = await pod('b');
      if (mode === 'refuse') await weir.hasRefused();
      const before = mode === 'refuse' ? '' : await readyWith(next, all);
      assert.equal(await next.isReady(), mode !== 'refuse');
      await old.stop();
      old = next;
      return `${before}${mode === 'refuse' ? 'refused, then ' : ', and when the old one is gone '}${await readyWith(next, all)}`;
    },
  );
  await report.check(
    `${mode}, server gone: Weir is killed, istiod keeps what it has and comes back to it`,
    async () => {
      await weir.process.kill();
      assert.deepEqual(differences(all, await old.held()), []);
      weir = await lab.weir(server.address, flags, weir);
      await weir.hasClient();
      assert.deepEqual(differences(all, await old.held()), []);
      return 'nothing was lost';
    },
  );
  await report.check(`${mode}, server gone: a new pod with another address starts from Weir’s disk`, async () => {
    await old.stop();
    await weir.process.stop();
    weir = await lab.weir(server.address, flags, weir);
    // A real istiod takes the address of this machine; this one asks as it does, from another.
    const elsewhere = new IstiodClient(lab, weir.address, { pod: 'istiod-elsewhere' });
    await elsewhere.ready();
    assert.deepEqual(elsewhere.names('networking.istio.io/v1/VirtualService'), ['shop/one']);
    elsewhere.raw.close();
    old = await pod('c');
    return await readyWith(old, all);
  });
  await report.check(`${mode}: what went while the server was gone goes when it is back`, async () => {
    const [gone] = objects;
    assert.ok(gone);
    manifests.remove(gone);
    const back = await lab.server({ inPlaceOf: server });
    await back.ready();
    const ms = await old.holds('one object less', held => held.size === all.size - 1, waitMs);
    assert.deepEqual(differences(await back.held(), await old.held()), []);
    return `${ms} ms after the server is ready`;
  });
}

/** Waits until it is ready, and holds what it should. */
async function readyWith(istiod: Istiod, all: Held): Promise<string> {
  const ms = await istiod.ready();
  assert.deepEqual(differences(all, await istiod.held()), []);
  return `ready ${ms} ms after its start`;
}
