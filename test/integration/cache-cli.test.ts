import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { message, text } from '../../src/demo/proto.ts';
import { clusterType, endpointType, secretType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { selfSignedCertificate } from '../support/certificate.ts';
import { resources } from '../support/core-harness.ts';
import { holds, Pod, waitMs } from '../support/pod.ts';
import { RawClient } from '../support/raw-client.ts';
import { runWeir, WeirProcess } from '../support/weir-process.ts';

// The disk cache as its users meet it: commands, exit codes, and seeds that travel.

const nowhere = '127.0.0.1:1';

/** An encoded Node. */
function node(id: string, cluster: string): Buffer {
  return message(text(1, id), text(2, cluster));
}

/** An agent with three clusters and two endpoints on its disk; it runs. */
async function filledPod(t: TestContext): Promise<Pod> {
  const pod = new Pod(t);
  await pod.plane();
  await pod.start();
  const client = pod.client('delta');
  client.ask({ typeUrl: clusterType, node: node('pod-1', 'shop') });
  client.ask({ typeUrl: endpointType, names: ['a', 'b'] });
  await pod.answer(clusterType, resources(clusterType, ['a', 'b', 'c']));
  await pod.answer(endpointType, resources(endpointType, ['a', 'b']));
  await holds(client, new Set(), ['a', 'b', 'c']);
  await pod.written(clusterType, 3);
  await pod.written(endpointType, 2);
  return pod;
}

/** Changes one byte of a stored body. */
function damage(cacheDir: string): void {
  const db = new DatabaseSync(join(cacheDir, 'weir', 'cache.db'));
  db.exec(
    `update resource set content = cast(substr(content, 1, 20) || x'ff' || substr(content, 22) as blob) where name = 'b'`,
  );
  db.close();
}

describe('weir cache', { concurrency: 1 }, () => {
  test('asks a running agent, and opens the file of one that does not run', async t => {
    const pod = await filledPod(t);
    const place = ['--cache-dir', pod.cacheDir];
    for (const isRunning of [true, false]) {
      if (!isRunning) await pod.stop();
      const listed = await runWeir(['cache', 'ls', ...place]);
      assert.equal(listed.status, 0, listed.stderr);
      assert.match(listed.stdout, /^VIEW +NODE +TYPE +STATE +RESOURCES/);
      assert.match(listed.stdout, /pod-1 +CDS +whole set +3 /);
      assert.match(listed.stdout, /pod-1 +EDS +by name +2 /);
      const json = await runWeir(['cache', 'ls', ...place, '-o', 'json']);
      const [view] = JSON.parse(json.stdout) as {
        nodeId: string;
        nodeCluster: string;
        types: { shortName: string }[];
      }[];
      assert.deepEqual([view?.nodeId, view?.nodeCluster], ['pod-1', 'shop']);
      assert.deepEqual(view?.types.map(type => type.shortName).sort(), ['CDS', 'EDS']);
    }
  });

  test('lists resources with age, TTL, size and trust, of an agent that runs and of one that does not', async t => {
    const pod = new Pod(t);
    await pod.plane();
    await pod.start();
    const client = pod.client('delta');
    client.ask({ typeUrl: clusterType, node: node('pod-1', 'shop') });
    client.ask({ typeUrl: endpointType, names: ['e'] });
    client.ask({ typeUrl: secretType, names: ['tls'] });
    const [a, b] = resources(clusterType, ['a', 'b'], 7);
    assert.ok(a && b);
    await pod.answer(clusterType, [a, { ...b, ttlMs: 3_600_000 }]);
    await pod.answer(endpointType, resources(endpointType, ['e']));
    await pod.answer(secretType, resources(secretType, ['tls']));
    await holds(client, new Set(), ['a', 'b', 'e', 'tls']);
    for (const typeUrl of [clusterType, endpointType, secretType]) {
      await pod.written(typeUrl, typeUrl === clusterType ? 2 : 1);
    }
    client.ask({ typeUrl: endpointType, unsubscribe: ['e'] });
    const place = ['--cache-dir', pod.cacheDir];
    const idle = await waitFor('the idle tier', waitMs, async () => {
      const { stdout } = await runWeir(['cache', 'ls', ...place]);
      return /^In memory though nobody subscribes them: 1 EDS; kept for (\d+ s|1 m) at most\.$/m.exec(stdout)?.input;
    });
    assert.match(idle, /^\S+ +pod-1 +CDS +whole set +2 +\d+ B +\d+ m?s +5\d m +0 +0 +0$/m);
    for (const isRunning of [true, false]) {
      if (!isRunning) await pod.stop();
      const clusters = await runWeir(['cache', 'ls', 'clusters', ...place]);
      assert.equal(clusters.status, 0, clusters.stderr);
      const rows = clusters.stdout
        .trimEnd()
        .split('\n')
        .map(line => line.split(/ {2,}/));
      assert.deepEqual(rows[0], ['TYPE', 'NAME', 'VERSION', 'AGE', 'LAST CHANGE', 'TTL LEFT', 'BYTES', 'TRUST']);
      const shown = rows
        .slice(1)
        .map(([type, name, version, , , left, , trust]) => [
          type,
          name,
          version?.trim(),
          left?.trim().replace(/^5\d m$/, '5x m'),
          trust,
        ]);
      assert.deepEqual(shown, [
        ['CDS', 'a', '7', '-', 'accepted'],
        ['CDS', 'b', '7', '5x m', 'accepted'],
      ]);
      const secret = await runWeir(['cache', 'ls', 'SDS', 'tls', ...place]);
      assert.match(secret.stdout, /^SDS +tls +- +\d+ m?s +- +- +0 +withheld$/m);
      const json = await runWeir(['cache', 'ls', '--resources', '-o', 'json', ...place]);
      const all = JSON.parse(json.stdout) as { type: string; name: string; changedWallMs?: number }[];
      assert.deepEqual(all.map(one => `${one.type} ${one.name}`).sort(), ['CDS a', 'CDS b', 'EDS e', 'SDS tls']);
      assert.ok(all.every(one => one.type === 'SDS' || Math.abs(Date.now() - (one.changedWallMs ?? 0)) < 60_000));
      const types = await runWeir(['cache', 'ls', ...place]);
      assert.match(types.stdout, /CDS +whole set +2 .* 5\d m +0 +0 +0$/m);
      for (const [args, why] of [
        [['CDS', 'c'], /there is no CDS 'c' on disk; did you mean '[ab]'\?/],
        [['vs'], /there is nothing of VirtualService; there is: CDS, EDS, SDS/],
        [['CDX'], /there is no type 'CDX' \(did you mean 'cds'\?\); there is: CDS, EDS, SDS/],
      ] as const) {
        const missing = await runWeir(['cache', 'ls', ...args, ...place]);
        assert.deepEqual([missing.status, missing.stdout], [1, ''], args.join(' '));
        assert.match(missing.stderr, why);
      }
    }
  });

  test('status says where everything comes from and how old it is', async t => {
    const pod = await filledPod(t);
    pod.controlPlane.stop();
    await pod.stop();
    await pod.start();
    const { status, stdout, stderr } = await runWeir(['status', '--cache-dir', pod.cacheDir]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^READY: configuration is cached; serving CDS, EDS as of \d+ s ago$/m);
    assert.match(stdout, /^CDS +whole set +disk +\d+ m?s +3 /m);
    assert.match(stdout, /^CACHE ok, /m);
    const json = await runWeir(['status', '--cache-dir', pod.cacheDir, '-o', 'json']);
    const report = JSON.parse(json.stdout) as { ready: { isOk: boolean }; types: { source: string }[] };
    assert.ok(report.ready.isOk);
    assert.deepEqual(
      report.types.map(type => type.source),
      ['disk', 'disk'],
    );
    const passed = await runWeir(['guard', 'pass', '--cache-dir', pod.cacheDir]);
    assert.deepEqual([passed.status, passed.stdout], [0, 'The guard holds nothing back.\n'], passed.stderr);
  });

  test('verify finds a damaged row, names it, and ends with 1', async t => {
    const pod = await filledPod(t);
    const place = ['--cache-dir', pod.cacheDir];
    const held = await runWeir(['cache', 'verify', ...place]);
    assert.equal(held.status, 3);
    assert.match(held.stderr, /a running agent holds the cache in .*; stop it to verify/);
    await pod.stop();
    const sound = await runWeir(['cache', 'verify', ...place]);
    assert.equal(sound.status, 0, sound.stderr);
    assert.match(sound.stdout, /^ok {3}pod-1 CDS: 3 resources, a whole set$/m);
    damage(pod.cacheDir);
    const damaged = await runWeir(['cache', 'verify', ...place]);
    assert.equal(damaged.status, 1);
    assert.match(damaged.stdout, /^BAD {2}pod-1 CDS/m);
    assert.match(damaged.stdout, /1 damaged, so the set is lost: b/);
    const json = await runWeir(['cache', 'verify', ...place, '-o', 'json']);
    assert.equal((JSON.parse(json.stdout) as { isSound: boolean }).isSound, false);
    assert.equal(json.status, 1);
  });

  test('purge drops what is not in use, and offline everything', async t => {
    const pod = await filledPod(t);
    const place = ['--cache-dir', pod.cacheDir];
    const kept = await runWeir(['cache', 'purge', ...place, '-o', 'json']);
    assert.deepEqual(JSON.parse(kept.stdout), { dropped: 0 }, kept.stderr);
    await pod.stop();
    const dropped = await runWeir(['cache', 'purge', ...place]);
    assert.equal(dropped.stdout, 'Nodes dropped from the cache: 1.\n', dropped.stderr);
    assert.equal((await runWeir(['cache', 'ls', ...place])).stdout, 'The cache is empty.\n');
  });

  test('says what is wrong with a place, and ends with 1 or 2', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const without = await runWeir(['cache', 'ls']);
    assert.equal(without.status, 2);
    assert.match(without.stderr, /set --cache-dir DIR \(WEIR_CACHE_DIR\)/);
    const form = await runWeir(['cache', 'ls', '--cache-dir', folder, '-o', 'yaml']);
    assert.deepEqual([form.status, form.stderr], [2, "weir: --output must be text or json (given: 'yaml')\n"]);
    const empty = await runWeir(['cache', 'ls'], { WEIR_CACHE_DIR: folder });
    assert.equal(empty.status, 1);
    assert.match(empty.stderr, /there is no cache in /);
    const status = await runWeir(['status', '--cache-dir', folder]);
    assert.equal(status.status, 1);
    assert.match(status.stderr, /no agent runs on this cache directory/);
  });
});

test('weir cache own gives the directory to a user, and follows no link', async t => {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  const [cacheDir, link] = [join(folder, 'cache'), join(folder, 'link')];
  mkdirSync(cacheDir);
  symlinkSync(cacheDir, link);
  const own = (...args: string[]) => runWeir(['cache', 'own', ...args]);
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? 1337 : (process.getuid?.() ?? 0);
  const done = await own('--cache-dir', cacheDir, '--user', `${user}`, '-o', 'json');
  // Who is not root may give it to himself, in his own group.
  if (isRoot) assert.deepEqual([done.status, statSync(cacheDir).uid, statSync(cacheDir).gid], [0, user, user]);
  else if (done.status !== 0) assert.match(done.stderr, /this needs root/);
  const linked = await own('--cache-dir', link, '--user', `${user}`);
  assert.deepEqual([linked.status, linked.stderr], [1, `weir: ${link} is no directory\n`]);
  assert.equal((await own('--cache-dir', cacheDir, '--user', 'weir')).status, 2);
  assert.equal((await own('--cache-dir', join(folder, 'none'), '--user', '1')).status, 1);
});

describe('a cache that cannot be used', { concurrency: 1 }, () => {
  const flags = (cacheDir: string) => ({ upstream: nowhere, 'cache-dir': cacheDir });
  const run = (cacheDir: string, ...more: string[]) =>
    runWeir([
      'run',
      '--upstream',
      nowhere,
      '--listen',
      '127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
      '--cache-dir',
      cacheDir,
      ...more,
    ]);

  test('one that another process holds ends the start with 3, and is waited for as long as it is set', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const first = new WeirProcess(t, flags(folder));
    await first.line(/^listening$/);
    const refused = await run(folder, '--cache-lock-wait', '0');
    assert.equal(refused.status, 3);
    assert.match(refused.stderr, /another process holds .*cache\.db; give each agent a cache directory of its own/);
    const second = new WeirProcess(t, flags(folder));
    await second.line(/another process holds the cache; waiting for it/);
    await first.stop();
    await second.line(/^listening$/);
    await second.stop();
  });

  test('a newer format and the database of another program end it with 3, and are left as they are', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    mkdirSync(join(folder, 'weir'), { mode: 0o700 });
    const path = join(folder, 'weir', 'cache.db');
    const foreign = new DatabaseSync(path);
    foreign.exec('create table theirs (x)');
    foreign.close();
    const before = readFileSync(path);
    const refused = await run(folder);
    assert.equal(refused.status, 3);
    assert.match(refused.stderr, /is the database of another program/);
    assert.ok(readFileSync(path).equals(before));
    const other = makeFolder();
    t.after(() => removeFolder(other));
    const agent = new WeirProcess(t, flags(other));
    await agent.line(/^listening$/);
    await agent.stop();
    const ours = new DatabaseSync(join(other, 'weir', 'cache.db'));
    ours.exec('pragma user_version = 99');
    ours.close();
    const newer = await run(other);
    assert.equal(newer.status, 3);
    assert.match(newer.stderr, /has cache format 99, and this version of weir knows 4 at most/);
  });

  test('a directory that others may enter ends it with 1 and the command that mends it', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    mkdirSync(join(folder, 'weir'));
    chmodSync(join(folder, 'weir'), 0o755);
    const refused = await run(folder);
    assert.equal(refused.status, 1);
    const mend = /mend it: chmod 0700 (\S+)/.exec(refused.stderr)?.[1];
    assert.equal(mend, join(folder, 'weir'), refused.stderr);
  });
});

describe('a seed', { concurrency: 1 }, () => {
  const certificate = selfSignedCertificate();
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');

  /** Exports a bundle, with all that is needed to make and to trust it. */
  async function makeFiles(t: TestContext) {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const path = (name: string) => join(folder, name);
    const files = { ca: path('ca'), verify: path('verify'), key: path('key'), bundle: path('bundle') };
    const sign = path('sign');
    writeFileSync(files.ca, certificate.cert);
    writeFileSync(sign, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(files.verify, publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(files.key, randomBytes(32));
    const pod = await filledPod(t);
    const place = ['--cache-dir', pod.cacheDir, '--out', files.bundle];
    const keys = ['--sign-key', sign, '--encrypt-key', files.key];
    const { status, stdout, stderr } = await runWeir(['cache', 'export', ...place, ...keys]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Wrote .*, bound to node\.cluster\. Secrets are not in it\.$/m);
    assert.equal(statSync(files.bundle).mode & 0o777, 0o600);
    await pod.stop();
    const trust = { 'seed-tls-ca': files.ca, 'seed-verify-key-file': files.verify, 'secrets-key-file': files.key };
    return { ...files, trust };
  }

  /** Serves the bundle over TLS; returns its URL. */
  async function site(
    t: TestContext,
    bundle: string,
  ): Promise<{ url: string; seen: (string | undefined)[]; close: () => void }> {
    const seen: (string | undefined)[] = [];
    const server = createServer(certificate, (request, response) => {
      const etag = '"v1"';
      seen.push(request.headers['if-none-match']);
      if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
      else response.writeHead(200, { etag }).end(readFileSync(bundle));
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const close = (): void => {
      server.closeAllConnections();
      server.close();
    };
    t.after(close);
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    return { url: `https://127.0.0.1:${address.port}/seed`, seen, close };
  }

  test('over https, sealed and signed, starts a pod that has never run, of another id and the same cluster', async t => {
    const files = await makeFiles(t);
    const { url } = await site(t, files.bundle);
    const { address, log } = await startTestAgent(t, nowhere, { seed: url, ...files.trust });
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, node: node('born-in-an-outage', 'shop') });
    await holds(client, new Set(), ['a', 'b', 'c']);
    assert.ok(log.some(line => line.startsWith('info seed loaded from its source')));
    const stranger = await startTestAgent(t, nowhere, { seed: url, ...files.trust });
    const other = new RawClient(t, stranger.address, 'delta');
    other.ask({ typeUrl: clusterType, node: node('x', 'bank') });
    await waitFor('the word on the other node', waitMs, () =>
      stranger.log.some(line => /seed is bound to another node: node\.cluster differs/.test(line)) ? true : undefined,
    );
    assert.deepEqual(other.inbox, []);
  });

  test('one that nobody signed, or signed by another key, is refused, and the agent starts without', async t => {
    const files = await makeFiles(t);
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const path = join(folder, 'other.pem');
    writeFileSync(path, other);
    const { log } = await startTestAgent(t, nowhere, {
      seed: files.bundle,
      ...files.trust,
      'seed-verify-key-file': path,
    });
    assert.ok(
      log.some(line => line.startsWith('error no seed: ') && /sign/.test(line)),
      log.join('\n'),
    );
  });

  test('is kept beside the disk cache: the source is asked by ETag, and may be away the next time', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const files = await makeFiles(t);
    const { url, seen, close } = await site(t, files.bundle);
    const start = async (): Promise<readonly string[]> => {
      const { agent, address, log } = await startTestAgent(t, nowhere, {
        seed: url,
        'cache-dir': folder,
        'seed-timeout': '200ms',
        ...files.trust,
      });
      const client = new RawClient(t, address, 'delta');
      client.ask({ typeUrl: clusterType, node: node('n', 'shop') });
      await holds(client, new Set(), ['a', 'b', 'c']);
      await agent.drain('the test says so');
      // The cache would do: what is tried here is the copy of the seed.
      await runWeir(['cache', 'purge', '--cache-dir', folder]);
      return log;
    };
    await start();
    assert.ok(existsSync(join(folder, 'weir', 'seed.bundle')));
    await start();
    assert.deepEqual(seen, [undefined, '"v1"']);
    close();
    const log = await start();
    assert.ok(
      log.some(line => line.startsWith('info seed loaded from its saved copy')),
      log.join('\n'),
    );
  });

  test('is taken into a cache by import, and refused when it was changed on the way', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const files = await makeFiles(t);
    const place = ['--cache-dir', folder, '--secrets-key-file', files.key];
    const imported = await runWeir(['cache', 'import', files.bundle, ...place, '--verify-key', files.verify]);
    assert.deepEqual([imported.status, imported.stdout], [0, 'Resources imported: 5.\n'], imported.stderr);
    const verified = await runWeir(['cache', 'verify', ...place]);
    assert.equal(verified.status, 0, verified.stdout + verified.stderr);
    const bytes = readFileSync(files.bundle);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    const changed = join(folder, 'changed');
    writeFileSync(changed, bytes);
    const refused = await runWeir(['cache', 'import', changed, ...place]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^weir: /);
  });
});
