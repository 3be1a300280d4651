import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { pickFreePort, type RunningProcess, startProcess, waitFor } from '../../src/demo/processes.ts';
import { at, type Data, listAt, podsOf, textAt } from './deployment.ts';
import { weirCommand } from './envoy.ts';
import { kubernetesFolder } from './kubernetes-manifests.ts';
import { RealCluster } from './real-cluster.ts';

const commandMsMax = 60_000;
const outputBytesMax = 64 * 1024 * 1024;

/** What a command said. */
export interface Said {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `weir webhook` with the addresses that it was told. */
export interface WebhookProcess extends RunningProcess {
  readonly port: number;
  readonly healthPort: number;
}

/** A real API server with deploy/kubernetes/webhook applied, and the webhook that it calls by its address on loopback. */
export class WebhookWorld {
  readonly cluster: RealCluster;
  readonly kubeconfig: string;
  readonly #started: RunningProcess[] = [];

  private constructor(cluster: RealCluster) {
    this.cluster = cluster;
    this.kubeconfig = cluster.file('admin.kubeconfig', cluster.adminKubeconfig());
  }

  static async start(binaries: { readonly apiserver: string; readonly etcd: string }): Promise<WebhookWorld> {
    return new WebhookWorld(await RealCluster.start(binaries));
  }

  /** Runs kubectl as who may do everything. */
  kubectl(args: readonly string[], input = ''): Promise<Said> {
    return runCommand('kubectl', ['--kubeconfig', this.kubeconfig, ...args], input);
  }

  /** What kubectl prints. @throws Error when it fails, with its words */
  async done(args: readonly string[], input = ''): Promise<string> {
    const { status, stdout, stderr } = await this.kubectl(args, input);
    if (status !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${status}: ${stderr.trim()}`);
    return stdout;
  }

  async object(...args: readonly string[]): Promise<Data> {
    return JSON.parse(await this.done(['get', ...args, '-o', 'json'])) as Data;
  }

  /** Creates what is given, once. @returns it as the API server has it, or its refusal, with its warnings */
  async create(object: Data, ...more: readonly string[]): Promise<Said & { readonly made: Data | undefined }> {
    const said = await this.kubectl(
      ['create', '-f', '-', '-o', 'json', '--validate=strict', ...more],
      JSON.stringify(object),
    );
    return { ...said, made: said.status === 0 ? (JSON.parse(said.stdout) as Data) : undefined };
  }

  async namespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
    await this.done(['apply', '--server-side', '-f', '-'], JSON.stringify(object));
  }

  /** Starts a webhook as the Deployment does, with its account's token, its Secret and its configuration, on a port of its own. */
  async startWebhook(port?: number, namespace = 'weir-system'): Promise<WebhookProcess> {
    const token = await this.cluster.token(namespace, 'weir-webhook');
    const kubeconfig = this.cluster.file('webhook.kubeconfig', this.cluster.kubeconfig(token, this.cluster.port));
    const [own, healthPort] = [port ?? (await pickFreePort()), await pickFreePort()];
    const [node = '', ...script] = weirCommand;
    const args = [
      ...script,
      ...['webhook', `--listen=127.0.0.1:${own}`, `--health=127.0.0.1:${healthPort}`],
      ...['--self-signed', '--service=weir-webhook', `--namespace=${namespace}`, '--tls-host=127.0.0.1'],
      ...['--webhook-configuration=weir', '--tls-secret=weir-webhook-tls', `--kubeconfig=${kubeconfig}`],
      ...[`--defaults=${join(kubernetesFolder, 'webhook', 'defaults.yaml')}`, '--log-format=json'],
    ];
    const started = await startProcess('weir webhook', node, args);
    this.#started.push(started);
    return { ...started, port: own, healthPort };
  }

  async ready(webhook: WebhookProcess): Promise<void> {
    await waitFor('the webhook', 30_000, () => isReady(webhook.healthPort), [webhook]);
  }

  /** The webhooks of the manifests, but called by their address: there is no network of a cluster here that Services are on. */
  async pointWebhooksAt(port: number): Promise<void> {
    const configuration = await this.object('mutatingwebhookconfiguration', 'weir');
    const webhooks = listAt(configuration, 'webhooks').map(hook => {
      const { service: _, ...client } = hook['clientConfig'] as Data;
      const path =
        textAt(hook, 'clientConfig', 'service', 'path') || new URL(textAt(hook, 'clientConfig', 'url')).pathname;
      return { ...hook, clientConfig: { ...client, url: `https://127.0.0.1:${port}${path}` } };
    });
    await this.done(['replace', '-f', '-'], JSON.stringify({ ...configuration, webhooks }));
  }

  /** The CA bundles of both webhooks, PEM, once each has one. */
  async bundles(): Promise<readonly string[]> {
    return waitFor('the CA bundles', 30_000, async () => {
      const configuration = await this.object('mutatingwebhookconfiguration', 'weir');
      const found = listAt(configuration, 'webhooks').map(hook => textAt(hook, 'clientConfig', 'caBundle'));
      const texts = found.map(one => Buffer.from(one, 'base64').toString('utf8'));
      return texts.every(text => text.includes('BEGIN CERTIFICATE')) ? texts : undefined;
    });
  }

  async stop(): Promise<void> {
    for (const one of this.#started) await one.stop(10_000);
    await this.cluster.stop();
  }
}

/** What checks share: each leaves the webhook running unless it says otherwise. */
export class State {
  readonly world: WebhookWorld;
  webhook: WebhookProcess | undefined;
  #count = 0;

  constructor(world: WebhookWorld) {
    this.world = world;
  }

  get running(): WebhookProcess {
    assert.ok(this.webhook, 'the webhook runs');
    return this.webhook;
  }

  /** Creates a pod of a name of its own. @returns as the API server has it */
  async pod(namespace: string, metadata: Data = {}, ...more: readonly string[]): Promise<Data> {
    this.#count += 1;
    const { made, stderr } = await this.world.create(plainPod(namespace, `pod-${this.#count}`, metadata), ...more);
    assert.ok(made, stderr);
    return made;
  }
}

/** One line of the run. */
export interface Check {
  readonly title: string;
  /** @returns a figure for the line, if there is one */
  readonly run: (state: State) => Promise<string | undefined>;
}

/** Fingerprint of the certificate that is shown at a port of loopback. */
export function certificateAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    // It is looked at, not trusted.
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      resolve(new X509Certificate(raw).fingerprint256);
    });
    socket.on('error', reject);
  });
}

/** A pod of one container, as somebody would write it. */
export function plainPod(namespace: string, name: string, metadata: Data = {}): Data {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, ...metadata },
    spec: {
      containers: [
        {
          name: 'app',
          image: 'registry.example/app:1.0.0',
          ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
        },
      ],
    },
  };
}

/** Names of all containers of a pod, those that start first in front. */
export function containerNamesOf(pod: unknown): readonly string[] {
  const lists = ['initContainers', 'containers'].flatMap(key => listAt(pod, 'spec', key));
  return lists.map(one => String(one['name']));
}

/** Whether Weir was put into a pod. */
export function isInjected(pod: unknown): boolean {
  return containerNamesOf(pod).includes('weir') && at(pod, 'metadata', 'annotations', 'weir.dev/status') !== undefined;
}

/** Pods that workloads would make, in a namespace unless they name one. */
export function podsIn(namespace: string, objects: readonly Data[]): Data[] {
  return podsOf(objects).map(pod => ({
    ...pod,
    metadata: { ...(pod['metadata'] as Data), namespace: at(pod, 'metadata', 'namespace') ?? namespace },
    // The account is what the admission plugin of that name fills in, which is off here.
    spec: { serviceAccountName: 'default', ...(pod['spec'] as Data) },
  }));
}

/** Runs a command to its end. @throws Error when it cannot be run */
export function runCommand(
  command: string,
  args: readonly string[],
  input = '',
  timeoutMs = commandMsMax,
): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        texts[name] = (texts[name] + chunk).slice(-outputBytesMax);
      });
    }
    child.once('error', error => reject(new Error(`${command} cannot be run: ${error.message}`)));
    child.once('close', status => resolve({ status: status ?? 1, ...texts }));
    child.stdin.on('error', () => {}); // It may end before it has read all.
    child.stdin.end(input);
  });
}

async function isReady(port: number): Promise<true | undefined> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/healthz/ready`)).ok || undefined;
  } catch {
    // Nobody listens yet; the wait has its own end.
    return undefined;
  }
}
