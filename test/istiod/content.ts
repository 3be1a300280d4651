import assert from 'node:assert/strict';
import { meshConfigTypeUrl } from '../../src/istio/kinds.ts';
import { IstiodClient } from '../support/istiod-client.ts';
import { ofEachKind, virtualService } from '../support/manifest-folder.ts';
import { assertSame, MeshLab, waitMs } from './lab.ts';
import type { Report } from './report.ts';

/** What comes over MCP is what was there, in both variants, and what did not change is not sent again. */
export async function checkContent(report: Report, binary: string): Promise<void> {
  for (const variant of ['delta', 'sotw'] as const)
    await report.part(`content, ${variant}`, () => checkVariant(report, binary, variant));
}

const changes = 5;

async function checkVariant(report: Report, binary: string, variant: 'delta' | 'sotw'): Promise<void> {
  await using lab = new MeshLab(binary);
  const { manifests } = lab;
  const objects = ofEachKind('shop');
  manifests.put(...[...objects, ...ofEachKind('istio-system')].map(({ before }) => before));
  const server = await lab.server({ meshConfig: { accessLogFile: '/dev/stdout' } });
  await server.ready();
  const direct = await lab.client(server.address, { label: 'direct' });
  const above = await lab.tap(server.address);
  // istiod tells its MCP clients only of changes that the proxy it takes them for would need. The rest comes with the next stream.
  const flags = ['--upstream-variant', variant, '--upstream-recycle', '3s', '--node-sharing', 'shared'];
  const weir = await lab.weir(above.address, flags);
  const below = await lab.tap(weir.address);

  const directMs = await direct.ready();
  const client = await lab.client(below.address);
  await report.check(`${variant}: every kind comes through Weir`, async () => {
    const ms = await client.ready();
    await assertSame(server, client);
    return `${(await client.held()).size} objects, ready in ${ms} ms, straight from istiod in ${directMs} ms`;
  });

  await report.check(`${variant}: MeshConfig comes byte for byte`, async () => {
    const bodies: string[] = [];
    for (const address of [server.address, weir.address]) {
      const raw = new IstiodClient(lab, address);
      await raw.ready();
      bodies.push(raw.held.get(meshConfigTypeUrl)?.get('')?.toString('latin1') ?? 'none');
      raw.raw.close();
    }
    const [body = '', throughWeir] = bodies;
    assert.ok(body.includes('/dev/stdout'));
    assert.equal(throughWeir, body);
    return `${body.length} bytes`;
  });

  await report.check(`${variant}: istiod is sent only what changed`, async () => {
    const [sent, taken] = [above.tap.responses.length, below.tap.responses.length];
    for (let index = 0; index < changes; index++) {
      const target = `v${index}.example`;
      manifests.put(virtualService('shop', 'busy', target));
      await client.holds(target, held => held.get('VirtualService shop/busy')?.includes(target) === true, waitMs);
    }
    const [up, down] = [above.tap.responses.length - sent, below.tap.responses.length - taken];
    assert.equal(down, changes, `${down} messages for ${changes} changes`);
    assert.ok(up > down, `the server sent ${up}`);
    return `${changes} changes, ${up} messages from the server, ${down} to the client`;
  });

  const keys = objects.map(({ before }) => `${before.kind} shop/one`);
  await report.check(`${variant}: a change of every kind arrives`, async () => {
    const was = await client.held();
    manifests.put(...objects.map(({ after }) => after));
    const isChanged = (key: string, held: ReadonlyMap<string, string>): boolean =>
      held.has(key) && held.get(key) !== was.get(key);
    const ms = await client.holds('all changes', held => keys.every(key => isChanged(key, held)), waitMs);
    await assertSame(server, client);
    return `all there after ${ms} ms`;
  });
  await report.check(`${variant}: a removal of every kind arrives`, async () => {
    for (const { after } of objects) manifests.remove(after);
    const ms = await client.holds('all removals', held => !keys.some(key => held.has(key)), waitMs);
    await assertSame(server, client);
    return `all gone after ${ms} ms`;
  });
}
