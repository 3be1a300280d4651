import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { makeFolder, startProcess, waitFor } from '../../src/demo/processes.ts';
import { weirCommand } from '../support/envoy.ts';
import { OperatedAgent } from '../support/operated-agent.ts';
import { runWeir } from '../support/weir-process.ts';

// `weir drain` as the preStop hook of a pod; the real Envoy is in test/e2e/pod-life.test.ts.

const waitMs = 10_000;

/** What Envoy's admin interface is to the command: it writes down what it was asked, and answers. */
async function adminInterface(t: TestContext, statusCode: number, place: number | string = 0) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(statusCode).end(statusCode === 200 ? 'OK\n' : 'there is no such page\n');
  });
  t.after(() => server.close());
  if (typeof place === 'string') server.listen(place);
  else server.listen(place, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address);
  return { asked, address: typeof address === 'string' ? `unix:${address}` : `127.0.0.1:${address.port}` };
}

async function operatedAgent(t: TestContext) {
  const operated = new OperatedAgent(t);
  await operated.start();
  const run = (...args: string[]) => runWeir(['drain', ...args], { WEIR_CACHE_DIR: operated.cacheDir });
  const isRunning = async () => (await fetch(`${operated.agent.adminUrl}/healthz/live`)).status === 200;
  return { operated, run, isRunning };
}

/** The command as a process that is looked at while it runs. */
async function startDrain(...args: string[]) {
  const [node = '', ...script] = weirCommand;
  const process = await startProcess('weir drain', node, [...script, 'drain', ...args]);
  const says = (words: RegExp) =>
    waitFor(`the words ${words}`, waitMs, () => process.lastLines().some(line => words.test(line)) || undefined, [
      process,
    ]);
  return { process, says };
}

const graceful = 'POST /drain_listeners?graceful&skip_exit';

describe('weir drain --envoy', { concurrency: 1 }, () => {
  test('alone, it leaves the agent as it is, over TCP and a Unix socket, and says so as JSON', async t => {
    const { run, isRunning } = await operatedAgent(t);
    const tcp = await adminInterface(t, 200);
    const inbound = await run('--envoy', tcp.address, '--envoy-only');
    assert.deepEqual(inbound, { status: 0, stdout: 'Envoy drains: its connections are told to go.\n', stderr: '' });
    assert.deepEqual(tcp.asked, [`${graceful}&inboundonly`]);
    const socket = await adminInterface(t, 200, join(makeFolder(), 'admin.sock'));
    const all = await run('--envoy', socket.address, '--envoy-only', '--all-listeners', '-o', 'json');
    assert.equal(all.status, 0, all.stderr);
    assert.deepEqual(JSON.parse(all.stdout), { isDraining: false, isEnded: false, envoy: { kind: 'draining' } });
    assert.deepEqual(socket.asked, [graceful]);
    assert.ok(await isRunning());
  });

  test('alone, it needs no agent, and an Envoy that is not there is no failure', async () => {
    const nowhere = { WEIR_ADMIN: '127.0.0.1:1' };
    const away = await runWeir(['drain', '--envoy', '127.0.0.1:1', '--envoy-only'], nowhere);
    assert.deepEqual([away.status, away.stdout], [0, '']);
    assert.match(away.stderr, /^no Envoy to drain \(--envoy\): 127\.0\.0\.1:1: connect ECONNREFUSED/);
    const socket = await runWeir(['drain', '--envoy', 'unix:/nowhere/admin', '--envoy-only', '-o', 'json'], nowhere);
    assert.equal(socket.status, 0);
    assert.match(JSON.parse(socket.stdout).envoy.reason, /^unix:\/nowhere\/admin: connect ENOENT/);
  });

  test('before the agent: Envoy first, and the agent also where there is no Envoy', async t => {
    const { operated, run } = await operatedAgent(t);
    const drained = await run('--envoy', '127.0.0.1:1', '--wait');
    assert.deepEqual([drained.status, drained.stdout], [0, 'The agent has ended.\n'], drained.stderr);
    assert.match(drained.stderr, /^no Envoy to drain/);
    assert.equal(await operated.agent.agent.stopped, 0);
    const envoy = await adminInterface(t, 200);
    const alone = await run('--envoy', envoy.address);
    assert.equal(alone.status, 1, 'there is no agent any more');
    assert.equal(envoy.asked.length, 1);
  });

  test('what answers and is no Envoy makes it fail, after the agent was told', async t => {
    const { operated, run } = await operatedAgent(t);
    const other = await adminInterface(t, 404);
    const drained = await run('--envoy', other.address);
    assert.equal(drained.status, 1);
    assert.match(
      drained.stderr,
      /no Envoy’s admin address \(--envoy\): \/drain_listeners\S+ answered 404: there is no/,
    );
    assert.equal(await operated.agent.agent.stopped, 0);
  });

  test('flags that do not go together are wrong usage, and nothing is done', async t => {
    const { run, isRunning } = await operatedAgent(t);
    const envoy = await adminInterface(t, 200);
    const place = ['--envoy', envoy.address];
    const wrong: [string[], RegExp][] = [
      [['--envoy-only'], /--envoy-only needs --envoy ADDR/],
      [['--all-listeners'], /--all-listeners needs --envoy ADDR/],
      [[...place, '--envoy-only', '--after-clients'], /there is nothing that --after-clients could wait for/],
      [[...place, '--envoy-only', '--wait'], /there is nothing that --wait could wait for/],
      [['--envoy', 'here'], /--envoy 'here' is neither host:port nor unix:\/path/],
      [[...place, '--timeout', 'long'], /--timeout must be a time/],
      [[...place, '-o', 'xml'], /--output must be text or json/],
    ];
    for (const [args, words] of wrong) {
      const { status, stdout, stderr } = await run(...args);
      assert.deepEqual([status, stdout], [2, ''], args.join(' '));
      assert.match(stderr, words);
    }
    assert.deepEqual(envoy.asked, []);
    assert.ok(await isRunning());
  });
});

describe('weir drain --after-clients', { concurrency: 1 }, () => {
  test('ends the agent when the last client has gone, and not before', async t => {
    const { operated, isRunning } = await operatedAgent(t);
    const clients = [operated.client('sidecar-1'), operated.client('sidecar-2')];
    await operated.settled(2);
    const place = ['--cache-dir', operated.cacheDir];
    const { process, says } = await startDrain('--after-clients', '--timeout', '60s', '-o', 'json', ...place);
    await says(/^waiting: 2 clients still connected: sidecar-[12], sidecar-[12]$/);
    clients[0]?.close();
    await says(/^waiting: 1 client still connected: sidecar-2$/);
    // Served as before.
    operated.clusters.set('late', { endpoints: [{ host: '10.1.2.9', port: 8080 }] });
    operated.publish();
    await waitFor('the client to have the late cluster', waitMs, async () => {
      const answer = await fetch(`${operated.agent.adminUrl}/explain?name=late`);
      return /"trust":\s*"accepted"/.test(await answer.text()) ? true : undefined;
    });
    assert.ok((await isRunning()) && !process.hasExited());
    clients[1]?.close();
    assert.equal(await process.exited, 0);
    const last = process.lastLines().at(-1) ?? '';
    assert.deepEqual(JSON.parse(last), { isDraining: true, isEnded: false, clientsLeft: 0 });
    assert.equal(await operated.agent.agent.stopped, 0);
  });

  test('clients that stay are said, and are no failure', async t => {
    const { operated, run } = await operatedAgent(t);
    operated.client('sidecar-1');
    await operated.settled(1);
    const drained = await run('--after-clients', '--timeout', '300ms', '-o', 'json');
    assert.equal(drained.status, 0, drained.stderr);
    assert.equal(JSON.parse(drained.stdout).clientsLeft, 1);
    assert.match(
      drained.stderr,
      /^waiting: 1 client still connected: sidecar-1\nnot waited for any longer \(--timeout 300ms\)/,
    );
    assert.equal(await operated.agent.agent.stopped, 0);
  });

  test('an agent that ends while its clients are waited for is what was wished for', async t => {
    const { operated } = await operatedAgent(t);
    operated.client('sidecar-1');
    await operated.settled(1);
    const { process, says } = await startDrain('--after-clients', '--cache-dir', operated.cacheDir);
    await says(/^waiting: 1 client/);
    await operated.stop();
    assert.equal(await process.exited, 0);
    assert.equal(process.lastLines().at(-1), 'The agent has ended.');
  });

  test('without an agent it ends at once with 1', async () => {
    const { status, stderr } = await runWeir(['drain', '--after-clients'], { WEIR_ADMIN: '127.0.0.1:1' });
    assert.equal(status, 1);
    assert.match(stderr, /^weir: the agent does not answer; is weir running\?/);
  });
});
