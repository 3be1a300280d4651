import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { message, nested, text } from '../../src/demo/proto.ts';
import { clusterType, secretType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { resources } from '../support/core-harness.ts';
import type { TestResource } from '../support/messages.ts';
import { holds, Pod, waitMs } from '../support/pod.ts';
import { RawClient } from '../support/raw-client.ts';

// What an agent with a disk does when the control plane goes away and comes back (issue 5): agents on real sockets and real files.

describe('deleted during an outage', { concurrency: 1 }, () => {
  const cases: readonly [what: string, variant: Variant, flags: Readonly<Record<string, string>>, version: string][] = [
    ['upstream SotW', 'sotw', {}, '1'],
    ['upstream Delta with versions', 'delta', {}, '1'],
    ['upstream Delta with empty versions', 'delta', {}, ''],
    ['resume off', 'delta', { resume: 'off' }, '1'],
  ];
  for (const [what, variant, flags, version] of cases) {
    for (const isRestarted of [false, true]) {
      test(`R107 R108: ${what}, agent ${isRestarted ? 'restarted meanwhile' : 'up all the time'}: gone afterwards, and from the disk`, async t => {
        const pod = new Pod(t, { 'upstream-variant': variant, ...flags });
        const all = resources(clusterType, ['a', 'b', 'c']).map(one => ({ ...one, version }));
        const left = all.filter(one => one.name !== 'b');
        await pod.plane();
        await pod.start();
        let client = pod.client('delta');
        let held = new Set<string>();
        client.ask({ typeUrl: clusterType, nodeId: 'node' });
        await pod.answer(clusterType, all);
        await holds(client, held, ['a', 'b', 'c']);
        await pod.written(clusterType, 3);
        pod.controlPlane.stop();
        if (isRestarted) {
          await pod.stop();
          await pod.start();
          client = pod.client('delta');
          held = new Set();
          client.ask({ typeUrl: clusterType, nodeId: 'node' });
          await holds(client, held, ['a', 'b', 'c']);
        }
        await pod.plane();
        await pod.answer(clusterType, left);
        await holds(client, held, ['a', 'c']);
        await pod.written(clusterType, 2);

        pod.controlPlane.stop();
        await pod.stop();
        await pod.start();
        for (const form of ['delta', 'sotw'] as const) {
          const late = pod.client(form);
          late.ask({ typeUrl: clusterType, nodeId: 'node' });
          await holds(late, new Set(), ['a', 'c']);
        }
      });
    }
  }
});

describe('rejected at the first sync', () => {
  test('R102: one bad cluster of ten thousand, everything restarts offline: the others are served', async t => {
    const pod = new Pod(t);
    const names = Array.from({ length: 10_000 }, (_, index) => `c${String(index).padStart(4, '0')}`);
    await pod.plane();
    await pod.start();
    const client = new RawClient(t, pod.agent.address, 'delta', { acks: false });
    client.ask({ typeUrl: clusterType, nodeId: 'node' });
    await pod.answer(clusterType, resources(clusterType, names));
    const first = await client.next();
    assert.equal(first.resources.length, names.length);
    const error = 'Error adding/updating cluster(s) c0500: malformed';
    client.ask({ typeUrl: clusterType, nonce: first.nonce, error });
    await pod.written(clusterType, names.length);
    pod.controlPlane.stop();
    await pod.stop();
    await pod.start();
    for (const form of ['delta', 'sotw'] as const) {
      const late = pod.client(form);
      late.ask({ typeUrl: clusterType, nodeId: 'node' });
      const { resources: served } = await late.next();
      assert.deepEqual(
        served.map(one => one.name).sort(),
        names.filter(name => name !== 'c0500'),
      );
    }
  });
});

/** A Secret with a private key as Envoy takes it. */
function secret(name: string, key: string): TestResource {
  const certificate = nested(2, nested(2, text(3, key)));
  return { name, version: '1', body: message(text(1, name), certificate) };
}

/** Every file below a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile());
}

describe('secrets', { concurrency: 1 }, () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const needle = pem.split('\n')[1] ?? '';

  /** Runs a pod that gets a secret and a cluster with a key in it, and looks for the key in all that is left. */
  async function run(t: TestContext, flags: Readonly<Record<string, string>>): Promise<Pod> {
    const pod = new Pod(t, { 'log-level': 'debug', ...flags });
    await pod.plane();
    await pod.start();
    const client = pod.client('delta');
    client.ask({ typeUrl: clusterType, nodeId: 'node' });
    client.ask({ typeUrl: secretType, names: ['s'] });
    const inlined = { name: 'inlined', version: '1', body: message(text(1, 'inlined'), text(60, pem)) };
    await pod.answer(clusterType, [...resources(clusterType, ['plain']), inlined]);
    await pod.answer(secretType, [secret('s', pem)]);
    await holds(client, new Set(), ['inlined', 'plain', 's']);
    await pod.written(clusterType, 2);
    await pod.written(secretType, 1);
    const dump = await (await fetch(`${pod.agent.adminUrl}/config_dump`)).text();
    const status = await (await fetch(`${pod.agent.adminUrl}/status`)).text();
    pod.controlPlane.stop();
    await pod.stop();
    for (const said of [dump, status, ...pod.log]) assert.ok(!said.includes(needle), 'no key in a page or a log line');
    const files = filesIn(pod.cacheDir);
    assert.ok(files.some(path => path.endsWith('cache.db')));
    for (const path of files) {
      assert.ok(!readFileSync(path).includes(needle), `no key in ${path}`);
      assert.equal(statSync(path).mode & 0o077, 0, path);
    }
    assert.equal(statSync(join(pod.cacheDir, 'weir')).mode & 0o777, 0o700);
    return pod;
  }

  test('T19 R104: by default no key bytes are left anywhere, and the log names what is kept in memory', async t => {
    const pod = await run(t, {});
    const lines = pod.log.filter(line => line.includes('kept in memory only'));
    assert.equal(lines.length, 2);
    assert.ok(lines.some(line => line.startsWith('warn') && line.includes('"inlined"')));
    await pod.start();
    const late = pod.client('delta');
    late.ask({ typeUrl: clusterType, nodeId: 'node' });
    await waitFor('the word on what is missing', waitMs, () =>
      pod.agent.log.some(line => line.includes('CDS is not restored')) ? true : undefined,
    );
    assert.deepEqual(late.inbox, [], 'a set without its part is none');
  });

  test('T19 R104: encrypted: the bytes are nowhere, and an offline restart serves them', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const [key, other] = [join(folder, 'key'), join(folder, 'other')];
    writeFileSync(key, randomBytes(32));
    writeFileSync(other, randomBytes(32).toString('hex'));
    const pod = await run(t, { secrets: 'encrypted', 'secrets-key-file': key });
    await pod.start();
    const client = pod.client('delta');
    client.ask({ typeUrl: clusterType, nodeId: 'node' });
    client.ask({ typeUrl: secretType, names: ['s'] });
    await holds(client, new Set(), ['inlined', 'plain', 's']);
    await pod.stop();

    await pod.start({ 'secrets-key-file': other });
    const missing = pod.agent.log.filter(line => line.startsWith('error') && line.includes('sealed with another key'));
    assert.equal(missing.length, 2, pod.agent.log.join('\n'));
    await pod.stop();

    // The key is changed: the old one still opens, and what it sealed is sealed anew.
    await pod.start({ 'secrets-key-file': other, 'secrets-old-key-file': key });
    const late = pod.client('delta');
    late.ask({ typeUrl: clusterType, nodeId: 'node' });
    late.ask({ typeUrl: secretType, names: ['s'] });
    await holds(late, new Set(), ['inlined', 'plain', 's']);
    await pod.stop();
    await pod.start({ 'secrets-key-file': other });
    assert.ok(!pod.agent.log.some(line => line.includes('another key')), pod.agent.log.join('\n'));
  });

  test('R69: of another node, found by a wider match, no secret is taken over, and its own are left to it', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const key = join(folder, 'key');
    writeFileSync(key, randomBytes(32));
    const pod = await run(t, { secrets: 'encrypted', 'secrets-key-file': key, 'cache-match': 'cluster' });
    await pod.start();
    const stranger = pod.client('delta');
    stranger.ask({ typeUrl: secretType, names: ['s'], nodeId: 'stranger' });
    stranger.ask({ typeUrl: clusterType, names: ['plain', 'inlined'] });
    await holds(stranger, new Set(), ['plain']);
    await pod.stop();
    await pod.start();
    const owner = pod.client('delta');
    owner.ask({ typeUrl: clusterType, nodeId: 'node' });
    owner.ask({ typeUrl: secretType, names: ['s'] });
    await holds(owner, new Set(), ['inlined', 'plain', 's']);
    await pod.stop();
  });
});
