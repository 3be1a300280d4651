import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { get, getJson } from '../../src/demo/http-traffic.ts';
import { pickFreePort, type RunningProcess, startProcess, waitFor } from '../../src/demo/processes.ts';

/** How to start an istiod. */
export interface IstiodOptions {
  /** Path of the binary, `pilot-discovery`. */
  readonly binary: string;
  /** What messages call it, and the prefix of its files. */
  readonly label: string;
  /** Folder that exists and is ours. */
  readonly folder: string;
  /** Of a Kubernetes API that has nothing. */
  readonly kubeconfig: string;
  /** Where its configuration comes from: `fs:///folder` or `xds://host:port`. */
  readonly source: string;
  /** How it speaks to the source; plain text without. */
  readonly sourceTls?: Readonly<Record<string, unknown>>;
  readonly podName?: string;
  readonly namespace?: string;
  /** One that has ended, whose ports this one takes over. */
  readonly inPlaceOf?: Istiod | undefined;
  /** Members of its MeshConfig besides the source. */
  /** Where it serves xDS, if that was promised to somebody. */
  readonly grpcPort?: number;
  readonly meshConfig?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
}

/** An object of Istio's configuration as istiod shows it. */
export interface ShownConfig {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: unknown;
}

/** A real istiod on loopback, in plain text, without a cluster. */
export class Istiod {
  readonly process: RunningProcess;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly #startedMs: number;

  private constructor(process: RunningProcess, grpcPort: number, httpPort: number, startedMs: number) {
    this.process = process;
    this.grpcPort = grpcPort;
    this.httpPort = httpPort;
    this.#startedMs = startedMs;
  }

  /** Starts it; whether it becomes ready is {@link ready}'s matter. */
  static async start(options: IstiodOptions): Promise<Istiod> {
    const { label, folder, inPlaceOf, namespace = 'istio-system' } = options;
    const grpcPort = options.grpcPort ?? inPlaceOf?.grpcPort ?? (await pickFreePort());
    const httpPort = inPlaceOf?.httpPort ?? (await pickFreePort());
    const meshFile = join(folder, `${label}.mesh.json`);
    const source = { address: options.source, ...(options.sourceTls && { tlsSettings: options.sourceTls }) };
    writeFileSync(meshFile, JSON.stringify({ ...options.meshConfig, configSources: [source] }));
    const environment = {
      POD_NAME: options.podName ?? label,
      POD_NAMESPACE: namespace,
      // Plain text proves no identity, and by default istiod serves configuration to none but itself.
      ENABLE_XDS_API_GENERATOR_AUTH: 'false',
      // Without a store in Kubernetes a report of health crashes it.
      PILOT_ENABLE_WORKLOAD_ENTRY_HEALTHCHECKS: 'false',
      ENABLE_CA_SERVER: 'false',
      ...options.environment,
    };
    const flags = [
      `--kubeconfig=${options.kubeconfig}`,
      `--meshConfig=${meshFile}`,
      `--networksConfig=${join(folder, 'no-networks')}`,
      `--grpcAddr=127.0.0.1:${grpcPort}`,
      '--secureGRPCAddr=',
      `--httpAddr=127.0.0.1:${httpPort}`,
      '--httpsAddr=',
      `--monitoringAddr=127.0.0.1:${await pickFreePort()}`,
      '--ctrlz_port=0',
      '--shutdownDuration=1s',
      ...(options.flags ?? []),
    ];
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const startedMs = performance.now();
    const process = await startProcess(label, 'env', [...variables, options.binary, 'discovery', ...flags]);
    return new Istiod(process, grpcPort, httpPort, startedMs);
  }

  /** Where it serves xDS. */
  get address(): string {
    return `127.0.0.1:${this.grpcPort}`;
  }

  async isReady(): Promise<boolean> {
    return (await get({ host: '127.0.0.1', port: this.httpPort }, '/ready')).statusCode === 200;
  }

  /** Waits until it is. @returns the ms since its start @throws Error with its last lines */
  async ready(timeoutMs = 30_000): Promise<number> {
    const isReady = async (): Promise<true | undefined> => ((await this.isReady()) ? true : undefined);
    await waitFor(`${this.process.label} to be ready`, timeoutMs, isReady, [this.process]);
    return Math.round(performance.now() - this.#startedMs);
  }

  /** Everything that it holds, sorted. */
  async configs(): Promise<readonly ShownConfig[]> {
    const { json } = await getJson(this.httpPort, '/debug/configz');
    if (!Array.isArray(json)) throw new Error(`${this.process.label} shows no configuration`);
    const configs = json as ShownConfig[]; // The shape of kubernetesConfig in istiod's debug.go.
    return configs.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  /** What it holds by `kind namespace/name`, the spec as JSON. */
  async held(): Promise<Map<string, string>> {
    return new Map((await this.configs()).map(config => [keyOf(config), JSON.stringify(config.spec)]));
  }

  /** Waits until what it holds is as `isRight` says. @returns the ms that took @throws Error with its last lines */
  async holds(
    what: string,
    isRight: (held: ReadonlyMap<string, string>) => boolean,
    timeoutMs = 15_000,
  ): Promise<number> {
    const startMs = performance.now();
    const look = async (): Promise<true | undefined> => (isRight(await this.held()) ? true : undefined);
    await waitFor(`${this.process.label} to hold ${what}`, timeoutMs, look, [this.process]);
    return Math.round(performance.now() - startMs);
  }

  /** Ids of the xDS clients that are connected to it. */
  async clients(): Promise<readonly string[]> {
    const { json } = await getJson(this.httpPort, '/debug/connections');
    // AdsClients of istiod's debug.go.
    const { clients } = json as { clients?: readonly { connectionId: string }[] };
    return (clients ?? []).map(client => client.connectionId);
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }

  async kill(): Promise<void> {
    await this.process.kill();
  }
}

function keyOf({ kind, metadata }: ShownConfig): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}
