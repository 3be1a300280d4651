import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { message, text, uint } from '../../src/demo/proto.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import type { TestResource } from '../support/messages.ts';
import { holds, waitMs } from '../support/pod.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';
import { WeirProcess } from '../support/weir-process.ts';

// A real file system that is full under a running agent, or full or read-only when it starts (R104). It is a small one of the test's own, in a namespace of its own.

const namespace = ['unshare', '--map-root-user', '--mount'];
const canMount = spawnSync(namespace[0] ?? '', [...namespace.slice(1), 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
const skip = canMount.status === 0 ? false : `no file system can be mounted here: ${canMount.stderr ?? canMount.error}`;

/** A cluster of so many bytes. */
function cluster(name: string, bytes: number): TestResource {
  return { name, version: '1', body: message(text(1, name), text(60, 'x'.repeat(bytes)), uint(61, 1)) };
}

/** An agent on a file system of 2 MiB, with a control plane and a client. */
async function start(t: TestContext) {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  const mounted = join(folder, 'small');
  mkdirSync(mounted);
  const plane = new RawControlPlane(t);
  const upstream = await plane.start();
  const mount = 'mount -t tmpfs -o size=2m,mode=0700 tmpfs "$0" && exec "$@"';
  const wrapper = [...namespace, 'sh', '-c', mount, mounted];
  const agent = new WeirProcess(t, { upstream, 'cache-dir': mounted }, wrapper);
  const { listen, admin } = await agent.line(/^listening$/);
  const client = new RawClient(t, String((listen as string[])[0]), 'delta');
  client.ask({ typeUrl: clusterType, nodeId: 'n' });
  const { stream } = await plane.request(clusterType);
  const held = new Set<string>();
  const page = async (path: string): Promise<string> => (await fetch(`http://${admin}${path}`)).text();
  return {
    agent,
    page,
    /** The folder as the agent sees it. */
    inside: join(`/proc/${agent.child.pid}/root`, mounted),
    give: async (resource: TestResource): Promise<void> => {
      plane.respond(stream, clusterType, { resources: [resource] });
      await waitFor(resource.name, waitMs, async () => {
        await holds(client, held, [...held, resource.name].sort());
        return true;
      });
    },
    written: (count: number) => written(String(admin), count),
  };
}

/** Waits until the disk has so many clusters. */
function written(admin: string, count: number): Promise<true> {
  return waitFor(`${count} clusters on disk`, waitMs, async () => {
    const response = await fetch(`http://${admin}/cache`);
    const { views } = (await response.json()) as { views: { types: { resources: number }[] }[] };
    return views[0]?.types[0]?.resources === count ? true : undefined;
  });
}

/** Takes what room there is, to the last byte. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let size = 65_536; size > 0; ) {
      try {
        writeSync(file, Buffer.alloc(size));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        size >>= 1;
      }
    }
  } finally {
    closeSync(file);
  }
}

test('R104: a full disk: the agent goes on from memory and says so; when there is room it writes all of it', {
  skip,
}, async t => {
  const { agent, page, inside, give, written } = await start(t);
  await give(cluster('a', 1_000));
  await written(1);
  fill(join(inside, 'filler'));
  await give(cluster('b', 200_000));
  const { msg } = await agent.line(/^the cache cannot be written/);
  assert.match(String(msg), /full/);
  await give(cluster('c', 200_000));
  assert.match(await page('/healthz/ready'), /the cache cannot be written: .*full/);
  assert.match(await page('/metrics'), /^weir_disk_failing 1$/m);
  assert.match(await page('/metrics'), /^weir_disk_failures_total 1$/m);
  rmSync(join(inside, 'filler'));
  await agent.line(/^the cache is written again$/);
  await written(3);
  assert.match(await page('/metrics'), /^weir_disk_failing 0$/m);
  assert.doesNotMatch(await page('/healthz/ready'), /cache cannot/);
});

/** An agent on a file system that a command prepares, at the folder `$0`, with a cache of one cluster on it. */
async function startPrepared(t: TestContext, prepare: string) {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  const [filled, mounted] = [join(folder, 'filled'), join(folder, 'small')];
  mkdirSync(mounted);
  const plane = new RawControlPlane(t);
  const upstream = await plane.start();
  const before = new WeirProcess(t, { upstream, 'cache-dir': filled });
  const { listen, admin } = await before.line(/^listening$/);
  const client = new RawClient(t, String((listen as string[])[0]), 'delta');
  client.ask({ typeUrl: clusterType, nodeId: 'n' });
  const { stream } = await plane.request(clusterType);
  plane.respond(stream, clusterType, { resources: [cluster('a', 1_000)] });
  await written(String(admin), 1);
  client.close();
  await before.stop();
  plane.stop();
  const mount = `mount -t tmpfs -o size=2m,mode=0700 tmpfs "$0" && cp -a "${filled}/weir" "$0" && ${prepare} && exec "$@"`;
  const agent = new WeirProcess(t, { upstream, 'cache-dir': mounted }, [...namespace, 'sh', '-c', mount, mounted]);
  return { agent, inside: join(`/proc/${agent.child.pid}/root`, mounted) };
}

for (const [what, prepare] of [
  ['full', 'cat /dev/zero > "$0/filler" 2>&1 | true'],
  ['read-only', 'mount -o remount,ro "$0"'],
] as const) {
  test(`R104 T5: a disk that is ${what} at the start, the control plane away: what is on it is served all the same`, {
    skip,
  }, async t => {
    const { agent } = await startPrepared(t, prepare);
    await agent.line(/^the cache cannot be written/);
    const { listen, admin } = await agent.line(/^listening$/);
    const client = new RawClient(t, String((listen as string[])[0]), 'delta');
    client.ask({ typeUrl: clusterType, nodeId: 'n' });
    await holds(client, new Set(), ['a']);
    // Looking at the cache must not be taken for a write that went well.
    await written(String(admin), 1);
    const ready = await fetch(`http://${admin}/healthz/ready`);
    assert.equal(ready.status, 200);
    assert.match(await ready.text(), /the cache cannot be written/);
    await agent.stop();
  });
}
