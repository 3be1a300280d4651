import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { AdminClient } from '../../src/admin/client.ts';
import { makeFolder, pickFreePort, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { message, nested, text } from '../../src/demo/proto.ts';
import { readRecording } from '../../src/recording/read-recording.ts';
import { ReplayServer } from '../../src/recording/replay-server.ts';
import { streamsOf } from '../../src/recording/script.ts';
import { formatAddress } from '../../src/xds/address.ts';
import { clusterType, endpointType, secretType } from '../../src/xds/type-urls.ts';
import type { Variant } from '../../src/xds/types.ts';
import { startTestAgent } from '../support/agent.ts';
import { resources } from '../support/core-harness.ts';
import { decodeTestResponse } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane, type UpstreamStream } from '../support/raw-control-plane.ts';
import { type Outcome, runWeir } from '../support/weir-process.ts';

const waitMs = 10_000;
const key = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n';
const secret = { name: 'tls', version: '1', body: message(text(1, 'tls'), nested(2, text(1, key))) };

/** What a client holds by what it was sent: bodies in base64 by type and name. */
function holdings(client: RawClient, held = new Map<string, string>()) {
  return () => {
    for (let response = client.inbox.shift(); response; response = client.inbox.shift()) {
      const { typeUrl, resources: sent, removed } = response;
      for (const one of sent) held.set(`${typeUrl} ${one.name}`, one.body.toString('base64'));
      for (const name of removed) held.delete(`${typeUrl} ${name}`);
    }
    return held;
  };
}

const namesIn = (held: ReadonlyMap<string, string>): string =>
  [...held.keys()]
    .map(key => key.slice(key.indexOf(' ') + 1))
    .sort()
    .join();

/** Records an agent from outside, by its admin socket, into an array of lines. */
function recordFrom(context: TestContext, socket: string, isWhole: boolean) {
  const ending = new AbortController();
  context.after(() => ending.abort());
  const pieces: Buffer[] = [];
  const read = async (): Promise<void> => {
    const client = new AdminClient({ kind: 'unix', path: socket });
    for await (const piece of client.record(isWhole, ending.signal)) pieces.push(piece);
  };
  const over = read().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  const textSoFar = () => Buffer.concat(pieces).toString();
  return {
    textSoFar,
    /** Until it has begun: what happens then is in it. */
    begun: () => waitFor('the recording to begin', waitMs, () => (pieces.length > 0 ? true : undefined)),
    end: async () => {
      ending.abort();
      await over;
      return textSoFar();
    },
  };
}

async function* linesOf(recorded: string): AsyncGenerator<string> {
  yield* recorded.trimEnd().split('\n');
}

describe('record and replay', { concurrency: 1 }, () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`a conversation with updates, a NACK, an outage and keys is played to a new agent, which says the same (${variant})`, async t => {
      const { recorded, held } = await conversation(t, variant);
      assert.equal(recorded.includes(Buffer.from(key).toString('base64').slice(40, 80)), false);
      const recording = await readRecording(linesOf(recorded));
      assert.ok(!('error' in recording));
      const streams = streamsOf(recording.events);
      assert.equal(streams.length, 2);
      const redacted = recording.events.flatMap(event => (event.kind === 'response' ? (event.redacted ?? []) : []));
      assert.ok(redacted.length > 0);
      assert.deepEqual(new Set(redacted), new Set(['tls']));

      const server = new ReplayServer({ streams, isPaced: false });
      t.after(() => server.stop());
      const upstream = formatAddress(await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }));
      const { address } = await startTestAgent(t, upstream, { 'upstream-variant': variant });
      const client = new RawClient(t, address, 'delta');
      const holding = holdings(client);
      askAll(client);
      await waitFor('the replay to end', waitMs, () => (server.outcome.isOver ? true : undefined));
      assert.deepEqual(server.outcome.differences, []);
      await waitFor('the client to hold the same', waitMs, () => {
        return namesIn(holding()) === namesIn(held) ? true : undefined;
      });
      for (const [key, body] of held) if (!key.startsWith(secretType)) assert.equal(holding().get(key), body, key);
    });
  }

  // Made by `weir record` beside the referee lab (go-control-plane, `serve --ads=false`): some resources change, the stream is dropped, one
  // more changes.
  for (const variant of ['delta', 'sotw'] as const) {
    test(`what go-control-plane was recorded to say comes to a client as it said it (${variant})`, async t => {
      const file = new URL(`../recordings/go-control-plane-${variant}.ndjson`, import.meta.url);
      const recording = await readRecording(linesOf(readFileSync(file, 'utf8')));
      assert.ok(!('error' in recording));
      const streams = streamsOf(recording.events);
      const server = new ReplayServer({ streams, isPaced: false });
      t.after(() => server.stop());
      const upstream = formatAddress(await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }));
      const { address } = await startTestAgent(t, upstream);
      const client = new RawClient(t, address, 'delta');
      const holding = holdings(client);
      const expected = new Map<string, string>();
      for (const event of streams.flatMap(one => one.events)) {
        if (event.kind === 'request' && event.request.nonce === undefined && event.stream === 3) {
          const { typeUrl, names = [] } = event.request;
          assert.ok(names !== 'same');
          client.ask({ typeUrl, names, nodeId: 'lab-0' });
        }
        if (event.kind !== 'response') continue;
        const { typeUrl, resources: said } = decodeTestResponse(event.bytes, variant);
        for (const one of said) expected.set(`${typeUrl} ${one.name}`, one.body.toString('base64'));
      }
      await waitFor('the replay to end', waitMs, () => (server.outcome.isOver ? true : undefined));
      assert.deepEqual(server.outcome.differences, []);
      await waitFor('the client to hold what was said last', waitMs, () =>
        isDeepStrictEqual(holding(), expected) ? true : undefined,
      );
      assert.equal(client.status, undefined);
    });
  }

  test('weir record and weir replay: a file of the agent’s own user, and an exit code that says whether it was the same', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const controlPlane = new RawControlPlane(t);
    const upstream = await controlPlane.start();
    const cacheDir = join(folder, 'cache');
    const { address } = await startTestAgent(t, upstream, { 'cache-dir': cacheDir });
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId: 'node' });
    await controlPlane.answer(clusterType, resources(clusterType, ['a']));
    await client.next();

    const out = join(folder, 'bug.ndjson');
    const recording = runWeir(['record', '--cache-dir', cacheDir, '--out', out, '--for', '2s', '-o', 'json']);
    await waitFor('the stream of the recording', waitMs, () => (controlPlane.streams.length === 2 ? true : undefined));
    await controlPlane.answer(clusterType, resources(clusterType, ['a']));
    const { status, stdout, stderr } = await recording;
    assert.deepEqual([status, stderr], [0, '']);
    const { streams, responses, reason } = JSON.parse(stdout);
    assert.deepEqual([streams, responses, reason], [1, 1, 'as asked']);
    assert.deepEqual(client.inbox, [], 'the client has heard nothing of it');

    const [listen, second] = [`127.0.0.1:${await pickFreePort()}`, `127.0.0.1:${await pickFreePort()}`];
    const replaying = runWeir(['replay', out, '--listen', listen, '--check', '--for', '20s']);
    const other = await startTestAgent(t, listen);
    const again = new RawClient(t, other.address, 'delta');
    again.ask({ typeUrl: clusterType, nodeId: 'node' });
    assert.deepEqual(
      (await again.next()).resources.map(one => one.name),
      ['a'],
    );
    const played = await replaying;
    assert.deepEqual([played.status, played.stderr], [0, '']);
    assert.match(played.stdout, /1 of 1 streams and 1 of 1 responses played\. Everything was said as recorded\.\n$/);

    const differing = runWeir(['replay', out, '--listen', second, '--check', '--for', '20s', '-o', 'json']);
    const third = await startTestAgent(t, second);
    const odd = new RawClient(t, third.address, 'delta');
    odd.ask({ typeUrl: endpointType, nodeId: 'node', names: ['e'] });
    odd.ask({ typeUrl: clusterType });
    const found = await differing;
    assert.equal(found.status, 1);
    assert.deepEqual(
      JSON.parse(found.stdout).differences.map((one: { said: string }) => one.said),
      [`the first request for ${endpointType}`],
    );
  });

  test('weir record to a reader that has seen enough ends soon, and without a trace', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const controlPlane = new RawControlPlane(t);
    const cacheDir = join(folder, 'cache');
    const { address } = await startTestAgent(t, await controlPlane.start(), { 'cache-dir': cacheDir });
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId: 'node' });
    await controlPlane.answer(clusterType, resources(clusterType, ['a']));
    await client.next();
    let outcome: Outcome | undefined;
    const args = ['record', '--cache-dir', cacheDir, '--out', '-', '--for', '50s'];
    void runWeir(args, {}, text => text.includes('"kind":"request"')).then(ended => {
      outcome = ended;
    });
    let version = 1;
    const { status, stderr } = await waitFor('the end of the recording', waitMs, () => {
      const [stream] = controlPlane.openStreams;
      version++;
      if (stream) controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['a'], version) });
      return outcome;
    });
    assert.equal(status, 0);
    assert.match(stderr, /^Recorded to -: 1 streams, .* It ended: as asked\.\n$/);
  });

  test('what cannot be recorded or replayed is said in one line', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const bad = join(folder, 'bad.ndjson');
    writeFileSync(bad, '{"weir":"recording","version":9}\n');
    const empty = join(folder, 'empty.ndjson');
    writeFileSync(empty, '{"weir":"recording","version":1,"begun":"2026-01-02"}\n');
    const cases: readonly [args: string[], status: number, words: RegExp][] = [
      [['record'], 2, /^weir: --out FILE says where/],
      [['record', '--out', bad, '--for', 'x'], 2, /^weir: --for is no time/],
      [['record', '--out', bad, '--max-bytes', 'x'], 2, /^weir: --max-bytes is no size/],
      [['record', '--out', '-', '--admin', '127.0.0.1:1'], 1, /the agent does not answer; is weir running\?/],
      [['record', '--out', bad, '--admin', '127.0.0.1:1'], 1, /the agent does not answer; is weir running\?/],
      [['replay', join(folder, 'none')], 1, /cannot read the recording .*ENOENT/],
      [['replay', bad], 1, /it has version 9, and this Weir reads version 1/],
      [['replay', empty], 1, /there is no stream in/],
      [['replay', empty, '--listen', 'x'], 2, /^weir: --listen /],
    ];
    for (const [args, status, words] of cases) {
      const outcome = await runWeir(args);
      assert.deepEqual([outcome.status, outcome.stderr.trimEnd().split('\n').length], [status, 1], args.join(' '));
      assert.match(outcome.stderr, words);
    }
    assert.notEqual(readFileSync(bad, 'utf8'), '', 'what was there is overwritten by a recording only');
    const socket = `unix:${join(folder, 'admin.sock')}`;
    await startTestAgent(t, '127.0.0.1:1', { admin: socket });
    const unwritten = await runWeir(['record', '--admin', socket, '--out', join(folder, 'none', 'x'), '--for', '30s']);
    assert.match(unwritten.stderr, /^weir: cannot write the recording .*ENOENT.*\n$/);
    const { adminUrl } = await startTestAgent(t, '127.0.0.1:1');
    const refused = await runWeir(['record', '--out', '-', '--admin', adminUrl.replace('http://', '')]);
    assert.match(
      refused.stderr,
      /the agent refuses over TCP .*--cache-dir DIR, or --admin unix:.*403: only on the admin socket/,
    );
  });

  test('four are recorded at once, a fifth is told so, and none of them stays when it has gone', async t => {
    const folder = makeFolder();
    t.after(() => removeFolder(folder));
    const socket = join(folder, 'admin.sock');
    await startTestAgent(t, '127.0.0.1:1', { admin: `unix:${socket}` });
    const four = Array.from({ length: 4 }, () => recordFrom(t, socket, false));
    for (const one of four) await one.begun();
    const fifth = async (): Promise<string> => {
      const ending = new AbortController();
      try {
        for await (const piece of new AdminClient({ kind: 'unix', path: socket }).record(false, ending.signal)) {
          return piece.toString();
        }
        return '';
      } catch (error) {
        return String(error);
      }
    };
    assert.match(await fifth(), /answered 429: as many recordings as there may be/);
    await four[0]?.end();
    await waitFor('the place to be free', waitMs, async () =>
      /"weir":"recording"/.test(await fifth()) ? true : undefined,
    );
  });
});

function askAll(client: RawClient): void {
  client.ask({ typeUrl: clusterType, nodeId: 'node' });
  client.ask({ typeUrl: endpointType, names: ['e1', 'e2'] });
  client.ask({ typeUrl: secretType, names: ['tls'] });
}

/** An agent that is at work already is recorded: its stream anew, an update, a response to refuse, an outage, and what comes after it. */
async function conversation(t: TestContext, variant: Variant) {
  const folder = makeFolder();
  t.after(() => removeFolder(folder));
  const socket = join(folder, 'admin.sock');
  const controlPlane = new RawControlPlane(t);
  const upstream = await controlPlane.start();
  const flags = { admin: `unix:${socket}`, 'upstream-variant': variant, listen: `unix:${join(folder, 'xds.sock')}` };
  const { address } = await startTestAgent(t, upstream, flags);
  const client = new RawClient(t, address, 'delta');
  const holding = holdings(client);
  askAll(client);
  const answerAll = async (): Promise<UpstreamStream> => {
    const stream = await controlPlane.answer(clusterType, resources(clusterType, ['a', 'b']));
    await controlPlane.answer(endpointType, resources(endpointType, ['e1', 'e2']));
    await controlPlane.answer(secretType, [secret]);
    return stream;
  };
  const holds = (names: string) =>
    waitFor(`the client to hold ${names}`, waitMs, () => (namesIn(holding()) === names ? true : undefined));
  await answerAll();
  await holds('a,b,e1,e2,tls');

  const recording = recordFrom(t, socket, true);
  await recording.begun();
  await waitFor('the stream of the recording', waitMs, () => (controlPlane.streams.length === 2 ? true : undefined));
  await waitFor('the stream before it to end', waitMs, () =>
    controlPlane.openStreams.length === 1 ? true : undefined,
  );
  const stream = await answerAll();
  await settled(controlPlane, stream, 3);
  controlPlane.respond(stream, clusterType, { resources: resources(clusterType, ['a', 'b', 'c']) });
  await holds('a,b,c,e1,e2,tls');
  await settled(controlPlane, stream, 1);
  const twice = variant === 'delta' ? ['a', 'a'] : ['', 'a'];
  const nonce = controlPlane.respond(stream, clusterType, { resources: resources(clusterType, twice) });
  const { request } = await controlPlane.request(clusterType);
  assert.equal(request.nonce, nonce);
  assert.notEqual(request.error, undefined);
  stream.call.emit('error', { code: 14, details: 'the control plane restarts' });
  await waitFor('the stream after it', waitMs, () => (controlPlane.streams.length === 3 ? true : undefined));
  const { stream: last } = await controlPlane.request(clusterType);
  const removed = variant === 'delta' ? ['c'] : [];
  controlPlane.respond(last, clusterType, { resources: resources(clusterType, ['a', 'b'], 2), removed });
  await controlPlane.answer(endpointType, resources(endpointType, ['e1', 'e2'], 2));
  await controlPlane.answer(secretType, [secret]);
  await settled(controlPlane, last, 3);
  await holds('a,b,e1,e2,tls');
  return { recorded: await recording.end(), held: holding() };
}

/** Waits for so many ACKs. */
async function settled(controlPlane: RawControlPlane, stream: UpstreamStream, acks: number): Promise<void> {
  let seen = 0;
  await waitFor(`${acks} ACKs`, waitMs, () => {
    for (let at = 0; at < stream.requests.length; ) {
      const one = stream.requests[at];
      if (one?.nonce !== '' && one?.error === undefined) {
        stream.requests.splice(at, 1);
        seen++;
      } else at++;
    }
    return seen >= acks || !controlPlane.openStreams.includes(stream) ? true : undefined;
  });
}
