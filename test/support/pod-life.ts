import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { type RunningEnvoy, startEnvoy } from '../../src/demo/envoy-process.ts';
import { get, getJson } from '../../src/demo/http-traffic.ts';
import {
  makeFolder,
  pickFreePort,
  type RunningProcess,
  removeFolder,
  startProcess,
  waitFor,
} from '../../src/demo/processes.ts';
import { type Data, objectOf, objectsIn, textIn } from '../../src/kube/data.ts';
import { inject } from '../../src/kube/injection.ts';
import { containerNames, paths, ports } from '../../src/kube/names.ts';
import { weirCommand } from './envoy.ts';
import type { Cleanup } from './raw-client.ts';

const waitMs = 20_000;
const program = join(dirname(dirname(fileURLToPath(import.meta.url))), 'programs', 'web-app.ts');

/**
 * A pod out of what `weir inject` makes of a template, with real processes in the order and by the probes and hooks of its containers. Its paths are folders of this
 * test, its ports free ones of loopback; all else is as the containers have it.
 */
export class LivingPod {
  readonly #context: Cleanup;
  readonly #envoyBinary: string;
  readonly #spec: Data;
  readonly #words: ReadonlyMap<string, string>;
  readonly #folder: string;
  readonly #ports: { readonly health: number; readonly ready: number; readonly admin: number };
  #weir: RunningProcess | undefined;
  #envoy: RunningEnvoy | undefined;

  private constructor(
    context: Cleanup,
    envoyBinary: string,
    spec: Data,
    words: ReadonlyMap<string, string>,
    folder: string,
    ownPorts: { readonly health: number; readonly ready: number; readonly admin: number },
  ) {
    this.#context = context;
    this.#envoyBinary = envoyBinary;
    this.#spec = spec;
    this.#words = words;
    this.#folder = folder;
    this.#ports = ownPorts;
  }

  /** Injects a pod. @param annotations names behind the prefix, without `upstream` */
  static async inject(
    context: Cleanup,
    envoyBinary: string,
    upstream: string,
    annotations: Readonly<Record<string, string>>,
  ): Promise<LivingPod> {
    const entries = Object.entries({ ...annotations, upstream }).map(([name, value]) => [`weir.dev/${name}`, value]);
    const template = {
      metadata: { name: 'web', labels: { app: 'web' }, annotations: Object.fromEntries(entries) as Data },
      spec: { containers: [{ name: 'app' }] },
    };
    const outcome = inject(template, {
      policy: 'opt-out',
      defaults: [],
      version: '1',
      kind: 'Pod',
      ownAnnotations: {},
      leavesInjected: false,
    });
    assert.ok(outcome.kind === 'injected', JSON.stringify(outcome));
    const folder = makeFolder();
    context.after(() => removeFolder(folder));
    for (const name of ['run', 'cache', 'podinfo']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'podinfo', 'labels'), 'app="web"\n');
    const own = { health: await pickFreePort(), ready: await pickFreePort(), admin: await pickFreePort() };
    const words = new Map([
      [paths.run, join(folder, 'run')],
      [paths.cache, join(folder, 'cache')],
      [paths.podInfo, join(folder, 'podinfo')],
      [`0.0.0.0:${ports.health}`, `127.0.0.1:${own.health}`],
      [`0.0.0.0:${ports.envoyReady}`, `127.0.0.1:${own.ready}`],
      [`127.0.0.1:${ports.envoyAdmin}`, `127.0.0.1:${own.admin}`],
      ['$(POD_NAME)', 'web-1'],
      ['$(POD_NAMESPACE)', 'shop'],
      ['$(POD_SERVICE_ACCOUNT)', 'default'],
      ['$(NODE_NAME)', 'node-1'],
      ['$(POD_REGION)', ''],
      ['$(POD_ZONE)', 'a'],
    ]);
    return new LivingPod(context, envoyBinary, objectOf(outcome.template['spec']) ?? {}, words, folder, own);
  }

  get weir(): RunningProcess {
    if (!this.#weir) throw new Error('Weir was not started yet');
    return this.#weir;
  }

  get envoy(): RunningEnvoy {
    if (!this.#envoy) throw new Error('Envoy was not started yet');
    return this.#envoy;
  }

  #container(name: string): Data {
    const all = [...objectsIn(this.#spec['initContainers']), ...objectsIn(this.#spec['containers'])];
    const found = all.find(one => textIn(one, 'name') === name);
    if (!found) throw new Error(`the pod has no container ${name}`);
    return found;
  }

  /** A text of a container as it is in this pod. */
  #here(text: string): string {
    return [...this.#words].reduce((one, [from, to]) => one.replaceAll(from, to), text);
  }

  async #start(label: string, args: readonly string[]): Promise<RunningProcess> {
    const own = join(this.#folder, 'cache');
    const running = await startProcess(label, 'env', [`WEIR_CACHE_DIR=${own}`, ...weirCommand, ...args]);
    this.#context.after(() => running.stop());
    return running;
  }

  #args(container: Data): string[] {
    return (container['args'] as string[]).map(one => this.#here(one)); // Injection writes lists of texts.
  }

  /** Runs a hook of a container of Weir's, as the kubelet does. */
  async hook(name: 'postStart' | 'preStop'): Promise<RunningProcess> {
    const hook = objectOf(objectOf(this.#container(containerNames.weir)['lifecycle'])?.[name]);
    const [command = '', ...args] = (objectOf(hook?.['exec'])?.['command'] ?? []) as string[]; // Injection writes texts.
    assert.equal(command, 'weir');
    return await this.#start(
      name,
      args.map(one => this.#here(one)),
    );
  }

  /** `weir-bootstrap`, to its end. */
  async writeBootstraps(): Promise<void> {
    const running = await this.#start('weir-bootstrap', this.#args(this.#container(containerNames.bootstrap)));
    assert.equal(await running.exited, 0, running.lastLines().join('\n'));
  }

  /** `weir`, until its startup probe succeeds. */
  async startWeir(): Promise<void> {
    // The admin port is one of loopback, where other pods of this machine have theirs.
    const args = [...this.#args(this.#container(containerNames.weir)), '--admin=127.0.0.1:0'];
    const running = await this.#start('weir', args);
    this.#weir = running;
    await this.#probed(containerNames.weir, this.#ports.health, running);
  }

  /** Envoy with the bootstrap that was written, until it has its configuration. */
  async startEnvoy(hasProbe = true): Promise<void> {
    const bootstrap = parse(readFileSync(join(this.#folder, 'run', 'envoy.yaml'), 'utf8')) as Data;
    const xds = { kind: 'unix', path: join(this.#folder, 'run', 'xds.sock') } as const;
    const running = await startEnvoy({ binary: this.#envoyBinary, nodeId: 'web', xds, variant: 'delta', bootstrap });
    this.#context.after(() => running.stop());
    this.#envoy = running;
    if (hasProbe) await this.#probed(containerNames.envoy, this.#ports.ready, running.process);
    else await running.waitLive(waitMs);
  }

  async #probed(name: string, port: number, running: RunningProcess): Promise<void> {
    const probe = objectOf(objectOf(this.#container(name)['startupProbe'])?.['httpGet']);
    const path = textIn(probe, 'path') ?? '';
    const isUp = async () => (await get({ host: '127.0.0.1', port }, path)).statusCode === 200 || undefined;
    await waitFor(`the startup probe of ${name}`, waitMs, isUp, [running]);
  }

  /** Waits until the agent serves Envoy. */
  async served(): Promise<void> {
    await waitFor(
      'Envoy to be connected',
      waitMs,
      async () => {
        const { body } = await get({ host: '127.0.0.1', port: this.#ports.health }, '/metrics');
        return /^weir_client_subscriptions\{type="CDS",state="synced"\} [1-9]/m.test(body) || undefined;
      },
      [this.weir],
    );
  }

  /** What Envoy has done to its listeners and clusters since it started: nothing of it may change where nothing was to. */
  async changes(): Promise<ReadonlyMap<string, number>> {
    return await this.envoy.stats(
      '^(listener_manager.listener_(added|modified|removed|create_failure)|cluster_manager.cluster_(added|modified|removed|updated))$',
    );
  }

  /** Whether the agent is there. */
  async isWeirUp(): Promise<boolean> {
    return (await getJson(this.#ports.health, '/healthz/live')).statusCode === 200;
  }
}

/** An application of the pod, or of another one. It goes with the test. */
export async function startApp(context: Cleanup, name: string, port: number): Promise<RunningProcess> {
  const running = await startProcess(name, process.execPath, [program, `${port}`, name]);
  context.after(() => running.stop());
  await waitFor(`${name} to listen`, waitMs, () => running.lastLines().includes('listening') || undefined, [running]);
  return running;
}
