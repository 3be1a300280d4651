import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentReport } from '../../src/admin/reports.ts';
import { waitFor } from '../../src/demo/processes.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { clusterType, endpointType } from '../../src/xds/type-urls.ts';
import { startTestAgent } from '../support/agent.ts';
import { Gate } from '../support/gate.ts';
import type { TestResponse } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

const waitMs = 20_000;
const updates = 40;
const bodyBytes = 1_000_000;

for (const variant of ['delta', 'sotw'] as const) {
  // Each side waits until the other has read what it writes: istio#39209. Weir reads what comes, whatever it cannot write.
  test(`R122: a control plane that reads nothing while it writes, and a client that reads nothing, stop nobody (${variant} upstream)`, async t => {
    const controlPlane = new RawControlPlane(t);
    const { address, adminUrl } = await startTestAgent(t, await controlPlane.start(), { 'upstream-variant': variant });
    const gate = await Gate.before(t, address);
    const [stalled, asking] = [new RawClient(t, gate.address, 'sotw'), new RawClient(t, address, 'delta')];
    const body = (fill: number) => message(text(1, 'a'), bytes(90, Buffer.alloc(bodyBytes, fill)));
    const cluster = (fill: number) => [{ name: 'a', version: String(fill), body: body(fill) }];
    const told: string[] = [];
    const nextOf = async (client: RawClient, typeUrl: string): Promise<TestResponse> => {
      for (;;) {
        const response = await client.next();
        if (response.typeUrl === typeUrl) return response;
        told.push(...response.removed);
      }
    };
    for (const client of [stalled, asking]) client.ask({ typeUrl: clusterType, nodeId: 'node' });
    const { stream } = await controlPlane.request(clusterType);
    controlPlane.respond(stream, clusterType, { resources: cluster(0) });
    for (const client of [stalled, asking]) await client.next();
    await controlPlane.request(clusterType);
    const load = async () => ((await (await fetch(`${adminUrl}/status`)).json()) as AgentReport).load;

    stream.call.pause();
    gate.shut();
    const ask = async (names: readonly string[]): Promise<number> => {
      const { upstreamRequests: before } = await load();
      asking.ask({ typeUrl: endpointType, names });
      return await waitFor('the request to be under way', waitMs, async () => {
        const { upstreamRequests: now } = await load();
        return now > before ? now : undefined;
      });
    };
    // A paused call of grpc-js still takes sixteen messages; then nothing is read any more.
    for (let at = 0; at < 20; at++) await ask([`e${at}`]);
    // 2 MB of names: more than any window takes.
    const names = Array.from({ length: 20_000 }, (_, at) => `${at}`.padStart(100, 'n'));
    const sent = await ask(names);
    let last = '';
    for (let update = 1; update <= updates; update++) {
      last = controlPlane.respond(stream, clusterType, { resources: cluster(update) });
      const heard = await nextOf(asking, clusterType);
      assert.ok(heard.resources[0]?.body.equals(body(update)), `update ${update}`);
    }
    assert.equal((await load()).upstreamRequests, sent, 'no ACK could be written');
    assert.ok(
      told.every(name => name.startsWith('e')),
      'nobody was told that there is nothing of what was not asked for yet',
    );

    stream.call.resume();
    const asked = new Set<string>();
    await waitFor('the names to be asked for', waitMs, async () => {
      for (const name of (await controlPlane.request(endpointType)).request.names) asked.add(name);
      return names.every(name => asked.has(name)) ? true : undefined;
    });
    await waitFor('the ACK of the newest', waitMs, async () => {
      const { request: ack } = await controlPlane.request(clusterType);
      assert.equal(ack.error, undefined);
      return ack.nonce === last || undefined;
    });
    gate.reopen();
    const newest = body(updates);
    await waitFor('the newest at the client that read nothing', waitMs, () =>
      stalled.inbox.some(one => one.resources[0]?.body.equals(newest)) ? true : undefined,
    );
    assert.deepEqual([stalled.status, asking.status, stream.isOpen], [undefined, undefined, true]);
  });
}
