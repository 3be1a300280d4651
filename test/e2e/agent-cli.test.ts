import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '../../src/demo/processes.ts';
import { E2eRig, waitMs } from '../support/control-plane.ts';
import { skipWithout, testEnvoy } from '../support/envoy.ts';
import { runWeir } from '../support/weir-process.ts';

const envoyPath = testEnvoy();

for (const variant of ['sotw', 'delta'] as const) {
  test(`${variant}: diff finds that an Envoy runs what it was given, and what it does not`, {
    skip: skipWithout(envoyPath),
  }, async () => {
    await using rig = new E2eRig({ envoy: envoyPath ?? '', variant, path: 'tcp', hasCache: true });
    await rig.start();
    const envoy = await rig.envoy();
    await rig.traffic(envoy, 5);
    const diff = (...args: string[]) =>
      runWeir(['diff', ...args, '--envoy', `127.0.0.1:${envoy.adminPort}`, '--cache-dir', rig.cacheDir]);
    // The disk is written a moment after the clients have answered.
    const equal = await waitFor('no difference', waitMs, async () => {
      const outcome = await diff();
      return outcome.status === 0 ? outcome : undefined;
    });
    assert.match(
      equal.stdout,
      /^No difference: compared 4 resources of 4 types with 1 client, disk, Envoy envoy-0\.$/m,
    );

    // Envoy rejects it and runs the cluster that it had.
    rig.clusters.set('first', { endpoints: [rig.backend(0)], connectTimeoutMs: 0 });
    rig.publish();
    const differing = await waitFor('the rejection', waitMs, async () => {
      const outcome = await diff('CDS', '-o', 'json');
      return outcome.status === 1
        ? (JSON.parse(outcome.stdout) as { differences: { where: string; what: string }[] })
        : undefined;
    });
    const places = differing.differences.map(one => one.where);
    assert.ok(
      places.some(where => /^(client envoy-0|control plane|Envoy envoy-0)$/.test(where)),
      JSON.stringify(differing),
    );

    const wrong = await runWeir(['diff', '--envoy', `127.0.0.1:${rig.weir?.adminPort}`, '--cache-dir', rig.cacheDir]);
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /cannot read what Envoy runs from 127\.0\.0\.1:\d+ \(--envoy\)/);
  });
}
