import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { bytes, message, text } from '../../src/demo/proto.ts';
import { startWeir } from '../../src/demo/weir-process.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { memoryOf } from '../bench/process-figures.ts';
import { weirCommand } from '../support/envoy.ts';
import { encodeTestResponse } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';

const responses = 3_000;
const responseBytes = 200_000;
const ownMax = 300;
const waitMs = 30_000;

function body(at: number): Buffer {
  return message(
    text(1, 'flooded'),
    bytes(90, Buffer.alloc(responseBytes, at & 0xff)),
    bytes(91, Buffer.from(`${at}`)),
  );
}

describe('a control plane that floods', () => {
  for (const variant of ['delta', 'sotw'] as const) {
    test(`R103 R122: ${variant}: 600 MB as fast as they go: the client gets the newest, the agent stays small`, async t => {
      const folder = makeFolder();
      t.after(() => removeFolder(folder));
      const controlPlane = new RawControlPlane(t);
      const upstream = await controlPlane.start();
      const weir = await startWeir({ command: weirCommand, upstream, folder, upstreamVariant: variant });
      t.after(() => weir.process.stop());
      const client = new RawClient(t, `127.0.0.1:${weir.port}`, 'delta');
      client.ask({ typeUrl: clusterType, nodeId: 'node' });
      const { stream } = await controlPlane.request(clusterType);
      let most = 0;
      for (let at = 1; at <= responses; at += 1) {
        const resources = [{ name: 'flooded', version: `${at}`, body: body(at) }];
        const parts = { typeUrl: clusterType, version: `${at}`, nonce: `n${at}`, resources, removed: [] };
        // Never waits for an ACK, only for the socket.
        await new Promise(resolve => stream.call.write(encodeTestResponse(parts, variant), resolve));
        if (at % 100 === 0) most = Math.max(most, memoryOf(weir.process.pid)?.ownMiB ?? Number.NaN);
      }
      const isNewest = () => client.inbox.at(-1)?.resources[0]?.body.equals(body(responses)) || undefined;
      await waitFor('the newest', waitMs, isNewest, [weir.process]);
      assert.equal(client.status, undefined);
      t.diagnostic(
        `${client.inbox.length} messages to the client, the agent's own memory at most ${most.toFixed(0)} MiB`,
      );
      assert.ok(most < ownMax, `the agent grew to ${most.toFixed(0)} MiB of its own`);
    });
  }
});
