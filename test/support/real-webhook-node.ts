import assert from 'node:assert/strict';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import {
  makeFolder,
  pickFreePort,
  type RunningProcess,
  removeFolder,
  startProcess,
  waitFor,
} from '../../src/demo/processes.ts';
import { encodeCluster, encodeEndpoints, typeUrls } from '../../src/demo/resources.ts';
import { type Data, find, parseDocuments, textAt } from './deployment.ts';
import { testEnvoy, weirCommand } from './envoy.ts';
import { manifest } from './kubernetes-manifests.ts';
import { plainPod, type WebhookWorld } from './real-webhook.ts';

/** What is started, and ended by the last line of a check. */
class NodeWorld {
  readonly folder = makeFolder();
  readonly started: RunningProcess[] = [];
  readonly upstream = new ControlPlane();

  get socket(): string {
    return join(this.folder, 'xds.sock');
  }

  async start(label: string, command: string, args: readonly string[]): Promise<RunningProcess> {
    const one = await startProcess(label, command, args);
    this.started.push(one);
    return one;
  }

  async stop(): Promise<void> {
    for (const one of [...this.started].reverse()) await one.stop(10_000);
    this.upstream.stop();
    removeFolder(this.folder);
  }
}

/**
 * deploy/kubernetes/daemonset.yaml with nothing changed but addresses and folders, a real API server that reviews tokens, and the Envoy of
 * daemonset-client.yaml: with the token of its pod it is that pod's node, and as another it is refused.
 */
export async function checkNodeAgent({ world }: { readonly world: WebhookWorld }): Promise<undefined> {
  const here = new NodeWorld();
  try {
    const objects = manifest('daemonset.yaml');
    await world.done(
      ['apply', '--server-side', '--validate=strict', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
    const port = await here.upstream.start();
    here.upstream.publish(
      new Map([
        [typeUrls.cluster, new Map([['shop', encodeCluster('shop')]])],
        [typeUrls.endpoints, new Map([['shop', encodeEndpoints('shop', [{ host: '127.0.0.1', port: 9 }])]])],
      ]),
    );
    await startAgent(here, world, textAt(find(objects, 'ConfigMap', 'weir-node'), 'data', 'weir.yaml'), port);
    const tokens = await podTokens(world, ['web-1', 'web-2']);
    const envoyConfig = textAt(find(manifest('daemonset-client.yaml'), 'ConfigMap', 'web-envoy'), 'data', 'envoy.yaml');
    const [first = '', second = ''] = tokens.map(token => world.cluster.file(`token-${tokens.indexOf(token)}`, token));
    for (const [token, id] of [
      [first, 'web-1.clients'],
      [second, 'web-2.clients'],
    ] as const) {
      const { adminPort, process } = await startEnvoy(here, envoyConfig, token, id);
      await waitFor(`${id} to have its cluster`, 30_000, () => hasCluster(adminPort), [process]);
    }
    assert.deepEqual([...here.upstream.stats().nodeIds].sort(), ['web-1.clients', 'web-2.clients']);
    for (const [token, id] of [
      [first, 'web-3.clients'],
      [world.cluster.file('no-token', 'made up'), 'web-4.clients'],
    ] as const) {
      const { process } = await startEnvoy(here, envoyConfig, token, id);
      const said = await waitFor('a refusal', 30_000, () => refusalIn(process), [process]);
      assert.match(said, id === 'web-3.clients' ? /closed: 7/ : /closed: 16/);
    }
    assert.deepEqual([...here.upstream.stats().nodeIds].sort(), ['web-1.clients', 'web-2.clients']);
    return undefined;
  } finally {
    await here.stop();
  }
}

async function startAgent(here: NodeWorld, world: WebhookWorld, text: string, upstreamPort: number): Promise<void> {
  const { cluster } = world;
  const health = await pickFreePort();
  const [config = {}] = parseDocuments(text, 'weir.yaml');
  // The control plane of this check speaks plaintext on loopback.
  const { upstreamTlsCa: _, upstreamTokenFile: __, ...kept } = config;
  const settings = {
    ...kept,
    upstream: `127.0.0.1:${upstreamPort}`,
    listeners: (config['listeners'] as Data[]).map(one => ({ ...one, address: `unix:${here.socket}` })),
    admin: `127.0.0.1:${await pickFreePort()}`,
    health: `127.0.0.1:${health}`,
    cacheDir: here.folder,
    tokenReviewUrl: `https://localhost:${cluster.port}`,
    tokenReviewCa: cluster.file('api-ca.pem', cluster.identity.cert),
    tokenReviewTokenFile: cluster.file('weir-node.token', await cluster.token('weir-node', 'weir-node')),
  };
  const [node = '', ...script] = weirCommand;
  const agent = await here.start('weir run', node, [
    ...script,
    'run',
    `--config=${cluster.file('weir.yaml', stringify(settings))}`,
  ]);
  await waitFor('Weir', 20_000, () => answers(`http://127.0.0.1:${health}/healthz/started`), [agent]);
}

/** Tokens bound to pods, for the audience of the manifests, as kubelet would ask for them. */
async function podTokens(world: WebhookWorld, names: readonly string[]): Promise<string[]> {
  await world.namespace('clients');
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'web', namespace: 'clients' } };
  await world.done(['apply', '--server-side', '-f', '-'], JSON.stringify(account));
  const tokens: string[] = [];
  for (const name of names) {
    const pod = plainPod('clients', name);
    const spec = { ...(pod['spec'] as Data), serviceAccountName: 'web' };
    const { made, stderr } = await world.create({ ...pod, spec });
    assert.ok(made, stderr);
    const bound = ['--bound-object-kind=Pod', `--bound-object-name=${name}`, '--audience=weir'];
    tokens.push((await world.done(['-n', 'clients', 'create', 'token', 'web', ...bound])).trim());
  }
  return tokens;
}

async function startEnvoy(
  here: NodeWorld,
  config: string,
  token: string,
  id: string,
): Promise<{ readonly adminPort: number; readonly process: RunningProcess }> {
  const adminPort = await pickFreePort();
  const text = config
    .replace('unix:///run/weir/xds.sock', `unix://${here.socket}`)
    .replace('/var/run/secrets/weir/token', token)
    .replace('port_value: 15000', `port_value: ${adminPort}`);
  assert.ok(text.includes(here.socket) && text.includes(token) && text.includes(String(adminPort)));
  const args = ['--config-yaml', text, '--disable-hot-restart', '--service-node', id, '--service-cluster', 'web'];
  const envoy = testEnvoy();
  assert.ok(envoy, 'no Envoy here: `npm run get-envoy` installs one');
  return { adminPort, process: await here.start(`Envoy ${id}`, envoy, args) };
}

async function hasCluster(adminPort: number): Promise<true | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/clusters?format=json`);
    return (await answer.text()).includes('"shop"') || undefined;
  } catch {
    // Envoy does not listen yet; the wait has its own end.
    return undefined;
  }
}

/** Envoy says how a stream ended: 7 is PERMISSION_DENIED, 16 UNAUTHENTICATED. */
function refusalIn(process: RunningProcess): string | undefined {
  return process.lastLines().find(line => / closed: (since .*)?\d+/.test(line));
}

async function answers(url: string): Promise<true | undefined> {
  try {
    return (await fetch(url)).ok || undefined;
  } catch {
    // Nobody listens yet; the wait has its own end.
    return undefined;
  }
}
