import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { startTestAgent } from '../support/agent.ts';
import { weirCommand } from '../support/envoy.ts';
import { OperatedAgent } from '../support/operated-agent.ts';
import { runWeir } from '../support/weir-process.ts';

// The commands that ask a running agent, as an operator runs them in its pod.

const words = 'Error adding/updating cluster(s) ratings: connect_timeout must be greater than 0s';

describe('an agent whose clients differ', { concurrency: 1 }, () => {
  test('is told about in one sentence, and each command leads to the next', async t => {
    const operated = new OperatedAgent(t);
    await operated.start();
    operated.client('sidecar-1');
    operated.client('sidecar-2', words);
    await operated.settled(2);
    const inPod = { WEIR_CACHE_DIR: operated.cacheDir };
    const run = (...args: string[]) => runWeir(args, inPod);

    const status = await run('status');
    assert.equal(status.status, 0, status.stderr);
    const [verdict, toDo, also, restart] = status.stdout.split('\n');
    assert.equal(verdict, `DEGRADED: client 'sidecar-2' rejects CDS 'ratings': ${words}`);
    assert.equal(toDo, '  to do: weir explain ratings CDS');
    assert.equal(also, '  also: 1 name of EDS that clients ask for does not exist: gone; to do: weir explain gone EDS');
    assert.match(restart ?? '', /^RESTART is safe: the control plane answers .* and it is on disk$/);
    assert.equal(status.stdout.includes('\u001b'), false, 'colours belong on a terminal only');
    const json = JSON.parse((await run('status', '-o', 'json')).stdout);
    assert.deepEqual([json.verdict.state, json.types.length, json.clients.length], ['degraded', 4, 2]);

    const explained = await run('explain', 'ratings', 'CDS');
    assert.equal(explained.status, 0, explained.stderr);
    assert.match(explained.stdout, /^CDS 'ratings' is served to 2 clients: 1 accepted, 1 REJECTED$/m);
    assert.ok(explained.stdout.includes(`rejected by sidecar-2: ${words}`));
    const web = await run('explain', 'web', 'CDS');
    assert.match(web.stdout, /rejected by sidecar-2, in one message with 'ratings', which the words are about/);
    assert.match(web.stdout, /referred to by: RDS 'web-routes' \(virtual_hosts\[0\]\.routes\[0\]\.route\.cluster\)/);

    const clients = await run('clients', '--status', 'rejected', '-o', 'json');
    const [rejecting, ...others] = JSON.parse(clients.stdout);
    assert.deepEqual(
      [rejecting.nodeId, rejecting.types[0].rejected, others],
      ['sidecar-2', { count: 1, names: ['ratings'] }, []],
    );
    const named = await run('clients', '--node', 'sidecar-1', '--type', 'EDS');
    assert.match(named.stdout, /^ *\d+ +sidecar-1 +EDS +SYNCED /m);
    assert.doesNotMatch(named.stdout, /sidecar-2|CDS/);

    const differing = await run('diff');
    assert.equal(differing.status, 1, differing.stderr);
    assert.match(differing.stdout, /^CDS +ratings +client sidecar-2 +has rejected it: /m);
    const equal = await run('diff', 'EDS');
    assert.deepEqual(
      [equal.status, equal.stdout],
      [0, 'No difference: compared 3 resources of 1 type with 2 clients, disk.\n'],
    );
  });

  test('over TCP contents stay where they are, and every command says what it cannot tell', async t => {
    const operated = new OperatedAgent(t);
    await operated.start();
    operated.client('sidecar-1');
    await operated.settled(1);
    const variables = { WEIR_ADMIN: operated.agent.adminUrl.replace('http://', '') };
    const explained = await runWeir(['explain', 'web', 'CDS'], variables);
    assert.match(explained.stdout, /referred to by: told on the admin socket only \(--cache-dir DIR\)/);
    const address = await runWeir(['explain', '10.1.2.3'], variables);
    assert.equal(address.status, 1);
    assert.match(address.stderr, /looked for in contents, which the agent gives out on its admin socket only/);
    const drained = await runWeir(['drain'], variables);
    assert.equal(drained.status, 1);
    assert.match(drained.stderr, /refuses over TCP what changes something.*go by its admin socket/);
  });
});

describe('weir explain', { concurrency: 1 }, () => {
  test('says why something is missing, where an address is, and what may have been meant', async t => {
    const operated = new OperatedAgent(t);
    await operated.start();
    operated.client('sidecar-1');
    await operated.settled(1);
    const run = (...args: string[]) => runWeir(['explain', ...args, '--cache-dir', operated.cacheDir]);

    const gone = await run('gone');
    assert.equal(gone.status, 1);
    assert.match(gone.stdout, /^EDS 'gone' IS NOT SERVED: the control plane says that it does not exist$/m);
    const near = await run('rewiews');
    assert.match(
      near.stdout,
      /^Nothing is known of 'rewiews'\.\n {2}CDS: the whole list .* \(3 resources\)[\s\S]*Did you mean:\n {2}weir explain reviews CDS$/m,
    );
    const there = await run('10.1.2.4:8080');
    assert.deepEqual(
      [there.status, there.stdout.split('\n')[0]],
      [0, "10.1.2.4:8080 is an endpoint in EDS 'reviews': the control plane says UNKNOWN"],
    );

    operated.clusters.delete('reviews');
    operated.publish();
    await operated.settled(1);
    const removed = await run('reviews', 'CDS');
    assert.match(removed.stdout, /IS NOT SERVED: the control plane removed it at \d\d:\d\d:\d\dZ/);
    const lost = await run('10.1.2.4');
    assert.equal(lost.status, 1);
    assert.match(
      lost.stdout,
      /^10\.1\.2\.4 is no endpoint of anything held: 4 resources with 2 endpoints were read[\s\S]*removed reviews/,
    );
    const wrong = await run('x', 'CSD');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /there is no type 'CSD' \(did you mean 'cds'\?\)/);
  });
});

describe('weir events', { concurrency: 1 }, () => {
  test('tells what changed and why, by time, type, name and kind', async t => {
    const operated = new OperatedAgent(t);
    await operated.start();
    operated.client('sidecar-1', words);
    await operated.settled(1);
    const run = (...args: string[]) => runWeir(['events', '--cache-dir', operated.cacheDir, ...args]);
    const all = await run();
    assert.match(
      all.stdout,
      /^\d\d:\d\d:\d\dZ {2}update {6}CDS {3}added web, reviews, ratings: the control plane said so$/m,
    );
    assert.match(all.stdout, /^\S+ {2}rejection {3}CDS {3}client rejected CDS: .*\(sidecar-1\)$/m);
    const updates = await run('--kind', 'update', '--type', 'CDS', '--name', 'ratings', '-o', 'json');
    const [event, ...others] = updates.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    assert.deepEqual([event.kind, event.shortName, event.why, others], ['update', 'CDS', 'response', []]);
    const none = await run('--name', 'nothing', '--since', '5m');
    assert.deepEqual(
      [none.status, none.stdout, none.stderr],
      [0, '', 'nothing of that kind happened in the last 5m\n'],
    );
    const wrong = await run('--since', 'yesterday');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /--since must be a time span like 90s, 5m or 2h \(given: 'yesterday'\)/);
    const unknown = await run('--kind', 'updates');
    assert.equal(unknown.status, 2);
    assert.match(unknown.stderr, /no kind of events 'updates' \(did you mean 'update'\?\); there is: update, /);
  });

  test('--follow goes on over a restart of the agent, and a signal ends it with 0', { timeout: 60_000 }, async t => {
    const operated = new OperatedAgent(t);
    await operated.start();
    const [node = '', ...script] = weirCommand;
    const args = ['events', '--follow', '--kind', 'update', '-o', 'json', '--cache-dir', operated.cacheDir];
    const child = spawn(node, [...script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    t.after(() => child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const names = async (): Promise<string[]> => {
      const { value = '' } = await lines.next();
      return JSON.parse(value).names.added.names;
    };
    const client = operated.client('sidecar-1');
    assert.deepEqual(await names(), ['web', 'reviews', 'ratings']);
    client.close();
    await operated.stop();
    const said = once(createInterface({ input: child.stderr }), 'line');
    operated.clusters.set('later', { endpoints: [] });
    await operated.start();
    operated.client('sidecar-1');
    assert.deepEqual(await said, ['the agent was started anew']);
    for (let told = await names(); !told.includes('later'); told = await names()) {
      // What it had before comes from the disk, and what is new comes with the first answer.
    }
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });
});

describe('weir wait and weir drain', { concurrency: 1 }, () => {
  test('wait waits for the agent to appear, and drain ends it', { timeout: 60_000 }, async t => {
    const operated = new OperatedAgent(t);
    const place = ['--cache-dir', operated.cacheDir];
    const early = await runWeir(['wait', '--timeout', '0s', ...place]);
    assert.equal(early.status, 1);
    assert.match(
      early.stderr,
      /^weir: not ready after 0s: there is no agent yet: no agent runs on this cache directory/,
    );
    const waiting = runWeir(['wait', '--timeout', '30s', ...place]);
    const listening = runWeir(['wait', '--started', ...place]);
    await operated.start({ 'ready-grace': '1s' });
    assert.match((await listening).stdout, /^started after \d+ ms: listening$/m);
    const ready = await waiting;
    assert.equal(ready.status, 0, ready.stderr);
    assert.match(ready.stdout, /^ready after \d+ ms: /);
    const drained = await runWeir(['drain', '--wait', ...place]);
    assert.deepEqual([drained.status, drained.stdout], [0, 'The agent has ended.\n'], drained.stderr);
    assert.equal(await operated.agent.agent.stopped, 0);
    assert.equal((await runWeir(['wait', '--timeout', '0s', '-o', 'json', ...place])).status, 1);
  });

  test('wait says once what it waits for, and what is no time span is wrong usage', async t => {
    // Nothing listens there, and no client makes the agent ready within the grace.
    const agent = await startTestAgent(t, '127.0.0.1:1', { 'ready-grace': '1h' });
    const place = ['--admin', agent.adminUrl.replace('http://', '')];
    const waited = await runWeir(['wait', '--timeout', '500ms', ...place]);
    assert.equal(waited.status, 1);
    const lines = waited.stderr.trim().split('\n');
    assert.equal(lines.length, 2, waited.stderr);
    assert.match(
      lines[0] ?? '',
      /^waiting: no client and no control plane yet \(grace ends in \d+ ms\); does the client wait for this command/,
    );
    assert.match(lines[1] ?? '', /^weir: not ready after 500ms: no client and no control plane yet/);
    assert.equal((await runWeir(['wait', '--timeout', 'long', ...place])).status, 2);
    const status = await runWeir(['status', ...place]);
    assert.equal(status.status, 1);
    assert.match(status.stdout, /^STARTING: no client has connected yet/);
  });
});

test('without an agent every command ends with 1 and says how one is found', async () => {
  const commands = [['status'], ['clients'], ['events'], ['events', '-f'], ['explain', 'x'], ['diff'], ['drain']];
  for (const command of commands) {
    const { status, stdout, stderr } = await runWeir(command, { WEIR_ADMIN: '127.0.0.1:1' });
    assert.deepEqual([status, stdout], [1, ''], command.join(' '));
    assert.match(
      stderr,
      /^weir: the agent does not answer; is weir running\? Point at it with --admin ADDR or --cache-dir DIR: .*ECONNREFUSED/,
    );
  }
  const form = await runWeir(['clients', '-o', 'xml'], { WEIR_ADMIN: '127.0.0.1:1' });
  assert.deepEqual([form.status, form.stderr], [2, "weir: --output must be text or json (given: 'xml')\n"]);
});

test('every command has a help page with examples and its exit codes', async () => {
  for (const command of ['status', 'clients', 'events', 'explain', 'diff', 'wait', 'drain']) {
    const { status, stdout } = await runWeir([command, '--help']);
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`^Examples:\\n  weir ${command}`, 'm'));
    assert.match(stdout, /^Exit codes: 0 /m);
    assert.match(stdout, /admin socket in WEIR_CACHE_DIR, else at WEIR_ADMIN, else at 127\.0\.0\.1:15920/);
  }
});

describe('weir completion', () => {
  test('bash completes commands, flags, formats and types', async t => {
    const script = await runWeir(['completion', 'bash']);
    assert.equal(script.status, 0);
    const complete = (...line: string[]): string[] => {
      const line_ = line.map(word => `'${word}'`).join(' ');
      const ask = `${script.stdout}\nCOMP_WORDS=(weir ${line_}); COMP_CWORD=${line.length}; _weir; echo "\${COMPREPLY[*]}"`;
      const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', ask], { encoding: 'utf8' });
      assert.deepEqual([status, stderr], [0, '']);
      return stdout.trim().split(/\s+/);
    };
    if (spawnSync('bash', ['--version']).status !== 0) return t.skip('there is no bash here');
    assert.deepEqual(complete('exp'), ['explain']);
    assert.deepEqual(complete('cache', 'ver'), ['verify']);
    assert.deepEqual(complete('events', '--fol'), ['--follow']);
    assert.deepEqual(complete('explain', 'web', 'C'), ['CDS']);
    assert.deepEqual(complete('status', '-o', 'j'), ['json']);
    assert.deepEqual(complete('events', '--type', 'EDS', '--sin'), ['--since']);
    assert.deepEqual(complete('clients', '--node', ''), ['']);
  });

  test('zsh and fish scripts are such, and another shell is wrong usage', async () => {
    const scripts = { zsh: ['-n'], fish: ['--no-execute'] };
    for (const [shell, check] of Object.entries(scripts)) {
      const { status, stdout } = await runWeir(['completion', shell]);
      assert.equal(status, 0);
      assert.match(stdout, /explain/);
      const checked = spawnSync(shell, [...check, '/dev/stdin'], { input: stdout, encoding: 'utf8' });
      if (!checked.error) assert.equal(checked.status, 0, checked.stderr);
    }
    const wrong = await runWeir(['completion', 'tcsh']);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /one of bash, zsh, fish \(given: 'tcsh'\)/);
  });
});
