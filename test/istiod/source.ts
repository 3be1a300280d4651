import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ofEachKind } from '../support/manifest-folder.ts';
import { differences, MeshLab, waitMs } from './lab.ts';
import type { Report } from './report.ts';

/** `weir source` in place of an istiod that serves: what a real istiod takes from it is what it would have read itself. */
export async function checkSource(report: Report, binary: string): Promise<void> {
  await using lab = new MeshLab(binary);
  const { manifests } = lab;
  const objects = ofEachKind('shop');
  manifests.put(...objects.map(({ before }) => before));
  // It reads the same folder, and says what is right.
  const reader = await lab.server({ label: 'reader' });
  await reader.ready();
  const above = await lab.tap(await lab.source(manifests.path));
  const weir = await lab.weir(above.address, ['--cache-dir', join(lab.folder, 'cache')]);
  const below = await lab.tap(weir.address);
  const client = await lab.client(below.address);

  await report.check('weir source: every kind comes through Weir as istiod reads it', async () => {
    const ms = await client.ready();
    assert.deepEqual(differences(await reader.held(), await client.held()), []);
    return `${(await client.held()).size} objects, ready in ${ms} ms`;
  });
  await report.check('weir source: each change of each kind arrives, with one message', async () => {
    const taken = below.tap.responses.length;
    let longestMs = 0;
    for (const { before, after } of objects) {
      const key = `${before.kind} shop/one`;
      const was = (await client.held()).get(key);
      manifests.put(after);
      const isThere = (held: ReadonlyMap<string, string>): boolean => held.has(key) && held.get(key) !== was;
      longestMs = Math.max(longestMs, await client.holds(`the new ${before.kind}`, isThere, waitMs));
    }
    assert.equal(below.tap.responses.length - taken, objects.length);
    return `${objects.length} kinds, each within ${longestMs} ms`;
  });
  await report.check('weir source: each removal of each kind arrives', async () => {
    let longestMs = 0;
    for (const { after } of objects) {
      const key = `${after.kind} shop/one`;
      manifests.remove(after);
      longestMs = Math.max(longestMs, await client.holds(`no ${after.kind}`, held => !held.has(key), waitMs));
    }
    assert.equal((await client.held()).size, 0);
    return `each within ${longestMs} ms`;
  });
}
