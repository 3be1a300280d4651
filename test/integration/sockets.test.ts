import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeFolder, removeFolder } from '../../src/demo/processes.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

/** Nobody listens there: for agents whose control plane does not matter. */
const nowhere = '127.0.0.1:1';

describe('sockets', () => {
  test('R112: TCP and a Unix socket are served at once, from one upstream stream over a Unix socket', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const controlPlane = new RawControlPlane(t);
    const upstream = await controlPlane.start(`unix:${join(folder, 'control-plane.sock')}`);
    const socket = `unix:${join(folder, 'xds.sock')}`;
    const { agent } = await startTestAgent(t, upstream, { listen: `127.0.0.1:0,${socket}` });
    const [tcp] = agent.listenAddresses;
    assert.ok(tcp?.kind === 'tcp' && tcp.port > 0);
    const clients = [new RawClient(t, `127.0.0.1:${tcp.port}`, 'sotw'), new RawClient(t, socket, 'delta')];
    for (const client of clients) client.ask({ typeUrl: clusterType, nodeId: 'node' });
    await controlPlane.answer(clusterType, resources(clusterType, ['one']));
    for (const client of clients)
      assert.deepEqual(
        (await client.next()).resources.map(one => one.name),
        ['one'],
      );
    assert.equal(controlPlane.streams.length, 1);
  });

  test('R112: a socket is private unless set otherwise, and goes when the agent ends', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const mode = (path: string) => statSync(path).mode & 0o777;
    const [first, second] = [join(folder, 'first.sock'), join(folder, 'second.sock')];
    const { agent } = await startTestAgent(t, nowhere, { listen: `unix:${first}` });
    assert.equal(mode(first), 0o600);
    await startTestAgent(t, nowhere, { listen: `unix:${second}`, 'socket-mode': '0660' });
    assert.equal(mode(second), 0o660);
    await agent.drain('test');
    assert.equal(existsSync(first), false);
  });

  test('R112: the socket of a dead process gives way', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const path = join(folder, 'stale.sock');
    // A process that is killed leaves its socket behind.
    const program = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', program, path]);
    assert.ok(statSync(path).isSocket());
    await startTestAgent(t, nowhere, { listen: `unix:${path}` });
    const client = new RawClient(t, `unix:${path}`, 'delta');
    client.ask({ typeUrl: clusterType });
    assert.match((await client.ended()).details, /carries no node/);
  });

  test('R112: a socket that is served, and a file that is none, stay what they are', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const [live, file] = [join(folder, 'live.sock'), join(folder, 'file')];
    const other = createServer();
    t.after(() => other.close());
    await new Promise<void>(resolve => {
      other.listen(live, resolve);
    });
    writeFileSync(file, 'precious');
    const refusal = async (path: string) =>
      await startTestAgent(t, nowhere, { listen: `unix:${path}` }).then(
        () => assert.fail('the agent started'),
        error => `${error.message}: ${error.cause?.message}`,
      );
    assert.match(await refusal(live), new RegExp(`cannot listen on unix:${live}.*another process serves it`));
    assert.match(await refusal(file), new RegExp(`cannot listen on unix:${file}.*is no socket`));
    assert.ok(other.listening && existsSync(live));
    assert.equal(statSync(file).size, 'precious'.length);
  });

  test('R112: a path that the system cannot hold is a wrong setting', async t => {
    const path = `/${'x'.repeat(107)}`;
    await assert.rejects(startTestAgent(t, nowhere, { listen: `unix:${path}` }), /--listen .*108 bytes.*allows 107/);
  });
});
