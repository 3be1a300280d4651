import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import { startEnvoy } from '../../src/demo/envoy-process.ts';
import { get } from '../../src/demo/http-traffic.ts';
import { pickFreePort, waitFor } from '../../src/demo/processes.ts';
import { routeAllTo } from '../../src/demo/resources.ts';
import { encodeWorld } from '../../src/demo/world.ts';
import { skipWithout, testEnvoy, weirCommand } from '../support/envoy.ts';

const envoy = testEnvoy();

/** What `weir bootstrap envoy` prints. */
function bootstrap(flags: readonly string[]): string {
  const [node = '', ...script] = weirCommand;
  return spawnSync(node, [...script, 'bootstrap', 'envoy', ...flags], { encoding: 'utf8', timeout: 30_000 }).stdout;
}

test('R56 R60: the real Envoy accepts every form of the bootstrap', { skip: skipWithout(envoy) }, () => {
  const forms = [
    ['--format', 'yaml', '--fetch-timeout', '15'],
    ['--format', 'json', '--listen', 'unix:/run/weir.sock', '--variant', 'sotw'],
    ['--format', 'yaml', '--listen', 'localhost:15910', '--admin', 'unix:/run/envoy.sock'],
    ['--format', 'json', '--listen', '[::1]:15910', '--admin', '[::1]:15000'],
  ];
  const folder = mkdtempSync(join(tmpdir(), 'weir-cli-'));
  try {
    for (const form of forms) {
      const path = join(folder, `bootstrap.${form[1]}`);
      writeFileSync(path, bootstrap(form));
      const args = ['--mode', 'validate', '-c', path, '--use-dynamic-base-id', '--log-level', 'warn'];
      const { status, stdout, stderr } = spawnSync(envoy ?? '', args, { encoding: 'utf8', timeout: 60_000 });
      assert.equal(status, 0, `${form.join(' ')}: ${stdout}${stderr}`);
      assert.match(stdout, /OK/);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A bootstrap of one's own, in a spelling of its own. */
const ownBootstrap = `# of the shop
node: {id: web}
staticResources:
  clusters:
  # where traces go
  - name: zipkin
    type: STATIC   # an address
dynamic_resources:
  ads_config:
    api_type: GRPC
    grpc_services:
    - envoy_grpc: {cluster_name: zipkin}
layered_runtime:
  layers:
  - {name: static, static_layer: {envoy.restart_features.x: "no"}}
`;

test('the real Envoy accepts a bootstrap of one’s own with Weir in it, and what is written for a pod', {
  skip: skipWithout(envoy),
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-cli-'));
  const run = (...args: string[]): string => {
    const [node = '', ...script] = weirCommand;
    const { status, stdout, stderr } = spawnSync(node, [...script, 'bootstrap', ...args], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  try {
    const own = join(folder, 'own.yaml');
    writeFileSync(own, ownBootstrap);
    writeFileSync(join(folder, 'labels'), 'app="web"\n');
    const pod = [
      'pod',
      '--directory',
      folder,
      '--listen',
      'unix:/run/xds.sock',
      '--ready-listen',
      '127.0.0.1:15922',
      '--labels-file',
      join(folder, 'labels'),
    ];
    run('envoy', '--merge', own, '--out', join(folder, 'merged.yaml'));
    run('envoy', '--merge', own, '--format', 'json', '--out', join(folder, 'merged.json'));
    run(...pod, '--merge', own, '--node-metadata', '{"NAMESPACE":"shop"}');
    for (const name of ['merged.yaml', 'merged.json', 'envoy.yaml']) {
      const args = ['--mode', 'validate', '-c', join(folder, name), '--use-dynamic-base-id', '--log-level', 'warn'];
      const { status, stdout, stderr } = spawnSync(envoy ?? '', args, { encoding: 'utf8', timeout: 60_000 });
      assert.equal(status, 0, `${name}: ${stdout}${stderr}`);
    }
    const merged = readFileSync(join(folder, 'merged.yaml'), 'utf8');
    for (const line of ['# of the shop', '  # where traces go', '    type: STATIC   # an address']) {
      assert.ok(merged.split('\n').includes(line), line);
    }
    // Both bootstraps of a pod are one client: the node that one has written down.
    const grpc = JSON.parse(readFileSync(join(folder, 'grpc.json'), 'utf8')) as { node: Record<string, unknown> };
    assert.deepEqual(grpc.node, {
      id: 'web',
      cluster: 'pod',
      metadata: { NAMESPACE: 'shop', LABELS: { app: 'web' } },
      locality: {},
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('R60: --ready-listen answers once Envoy has its configuration, and not before', {
  skip: skipWithout(envoy),
}, async t => {
  const [planePort, readyPort] = [await pickFreePort(), await pickFreePort()];
  const text = bootstrap([
    '--format',
    'json',
    '--listen',
    `127.0.0.1:${planePort}`,
    '--ready-listen',
    `127.0.0.1:${readyPort}`,
  ]);
  const running = await startEnvoy({
    binary: envoy ?? '',
    nodeId: 'ready',
    xds: { kind: 'tcp', host: '127.0.0.1', port: planePort },
    variant: 'delta',
    bootstrap: {
      ...(JSON.parse(text) as Record<string, unknown>),
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    },
  });
  t.after(() => running.stop());
  // Nothing takes the connection, or takes it and says nothing: status 0.
  const ready = async (): Promise<number> => (await get({ host: '127.0.0.1', port: readyPort }, '/ready')).statusCode;
  assert.equal(await running.isLive(), false);
  assert.equal(await ready(), 0);
  const plane = new ControlPlane({ identifier: 'cp' });
  t.after(() => plane.stop());
  plane.publish(
    encodeWorld({
      clusters: new Map([['web', { endpoints: [{ host: '127.0.0.1', port: 9 }] }]]),
      routes: routeAllTo('web'),
    }),
  );
  await plane.start(planePort);
  await waitFor('the listener of the probe', 20_000, async () => (await ready()) === 200 || undefined, [
    running.process,
  ]);
  assert.equal(await running.isLive(), true);
});
