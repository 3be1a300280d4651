import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeFolder } from '../../src/demo/processes.ts';
import { clusterType } from '../../src/xds/type-urls.ts';
import { resources } from '../support/core-harness.ts';
import type { TestResource } from '../support/messages.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawControlPlane } from '../support/raw-control-plane.ts';
import { runWeir, WeirProcess } from '../support/weir-process.ts';

// `weir drift` against a control plane that forgets to tell its first stream what it tells the second.

describe('weir drift', { concurrency: 1 }, () => {
  test('finds what a control plane has changed without a word, and nothing where there is nothing', async t => {
    const controlPlane = new RawControlPlane(t);
    const upstream = await controlPlane.start();
    const cacheDir = join(makeFolder(), 'cache');
    const weir = new WeirProcess(t, { upstream, 'upstream-variant': 'delta', 'cache-dir': cacheDir });
    const started = await weir.line(/^listening$/);
    const [address = ''] = started['listen'] as string[];
    const client = new RawClient(t, address, 'delta');
    client.ask({ typeUrl: clusterType, nodeId: 'one' });
    const main = await controlPlane.answer(clusterType, resources(clusterType, ['a', 'b']));
    await client.next();

    /** Answers whoever asks on another stream than the one in use, where there are acknowledgements. */
    const answerOther = async (names: readonly string[], more: readonly TestResource[] = []) => {
      for (;;) {
        const { stream } = await controlPlane.request(clusterType);
        if (stream === main) continue;
        controlPlane.respond(stream, clusterType, { resources: [...resources(clusterType, names), ...more] });
        return stream;
      }
    };

    const none = await runWeir(['drift', '--last', '--cache-dir', cacheDir]);
    assert.equal(none.status, 1);
    assert.match(none.stderr, /no drift check was made since the agent started/);

    const same = runWeir(['drift', '--cache-dir', cacheDir]);
    const second = await answerOther(['a', 'b']);
    const { status, stdout } = await same;
    assert.match(stdout, /^what is held is what the control plane has \(127\.0\.0\.1:\d+\)\nTYPE +FETCHED/);
    assert.equal(status, 0);
    assert.ok(main.isOpen && !second.isOpen, 'the stream in use stays, the second one is closed');

    const differing = runWeir(['drift', '--cache-dir', cacheDir, '-o', 'json']);
    await answerOther(['c'], resources(clusterType, ['a'], 2));
    const found = await differing;
    assert.equal(found.status, 1);
    const [check] = (JSON.parse(found.stdout) as { checks: { outcome: string; types: object[] }[] }).checks;
    assert.equal(check?.outcome, 'differs');
    const { missing, extra, different } = check.types[0] as Record<string, { names: string[] }>;
    assert.deepEqual([missing?.names, extra?.names, different?.names], [['c'], ['b'], ['a']]);
    const line = await weir.line(
      /^DRIFT: what is held is not what the control plane has: CDS: 1 missing, 1 too many, 1 different$/,
    );
    assert.equal(line['level'], 'error');
    const shown = await runWeir(['drift', '--last', '--cache-dir', cacheDir]);
    assert.match(shown.stdout, /CDS missing here: c\nCDS not at the control plane: b\nCDS different: a\n/);

    const refused = await runWeir(['drift', '--admin', String(started['admin'])]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /go by its admin socket/);
  });
});
