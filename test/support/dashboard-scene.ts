import { BuiltinClient } from '../../src/demo/builtin-client.ts';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { routeAllTo, typeUrls } from '../../src/demo/resources.ts';
import { type RunningWeir, startWeir } from '../../src/demo/weir-process.ts';
import { encodeWorld, type WorldCluster } from '../../src/demo/world.ts';
import { weirCommand } from './envoy.ts';
import { RawClient } from './raw-client.ts';
import { certificateSecret, types } from './resource-bodies.ts';

const waitMs = 20_000;

/** What must be seen nowhere: it stands in the secret that is served. */
export const sceneKey = '-----BEGIN PRIVATE KEY-----\nMarker0fTheSecretKey\n-----END PRIVATE KEY-----\n';

/** What the picky client says of what it does not take. */
export const rejectionWords = "cluster 'checkout-v3': unknown transport socket <b>acme.quic</b>, not taken";

/** How large a {@link DashboardScene} is. */
export interface SceneOptions {
  /** Names of clusters; each has endpoints besides. */
  readonly clusters: readonly string[];
  /** Node ids of clients that take everything. */
  readonly clients: readonly string[];
}

/** A control plane, an agent and clients to look at. Dispose of it to end all it started. */
export class DashboardScene implements AsyncDisposable {
  readonly controlPlane = new ControlPlane({ identifier: 'mesh-control/1.4' });
  readonly clusters: Map<string, WorldCluster>;
  readonly #options: SceneOptions;
  readonly #folder = makeFolder();
  readonly #clients: BuiltinClient[] = [];
  readonly #stops: (() => unknown)[] = [];
  #port = 0;
  #weir: RunningWeir | undefined;

  constructor(options: SceneOptions) {
    this.#options = options;
    this.clusters = new Map(options.clusters.map((name, at) => [name, { endpoints: [endpointAt(at)] }]));
  }

  /** Base URL of the admin pages. */
  get url(): string {
    return `http://127.0.0.1:${this.#agent.adminPort}`;
  }

  /** Where the agent's admin socket is, and its cache. */
  get cacheFolder(): string {
    return `${this.#folder}/cache`;
  }

  /** Starts the control plane, the agent and the clients, and waits until all have everything. */
  async start(): Promise<void> {
    this.publish();
    this.#port = await this.controlPlane.start();
    await this.startWeir();
    for (const [index, nodeId] of this.#options.clients.entries()) this.#join(nodeId, index % 2 === 0);
    await this.settled();
  }

  /** Starts the agent, in place of the one before it. */
  async startWeir(): Promise<void> {
    const delays = ['--reconnect-base', '50ms', '--reconnect-max', '200ms'];
    this.#weir = await startWeir({
      command: weirCommand,
      upstream: `127.0.0.1:${this.#port},127.0.0.1:1`,
      folder: this.#folder,
      inPlaceOf: this.#weir,
      flags: ['--cache-dir', this.cacheFolder, ...delays],
    });
  }

  /** Ends the agent. */
  async stopWeir(): Promise<void> {
    await this.#agent.process.stop();
  }

  /** Starts the control plane again, after its stop. */
  async startControlPlane(): Promise<void> {
    await this.controlPlane.start(this.#port);
  }

  /** Waits until every client has every cluster and its endpoints. */
  async settled(): Promise<void> {
    const count = this.clusters.size;
    const hasAll = (client: BuiltinClient): boolean =>
      client.names(typeUrls.cluster).length === count && client.names(typeUrls.endpoints).length === count;
    await waitFor('every client to have everything', waitMs, () => (this.#clients.every(hasAll) ? true : undefined), [
      this.#agent.process,
    ]);
  }

  /** Serves what the public map holds now, and a secret. */
  publish(): void {
    const routes = routeAllTo(this.clusters.keys().next().value ?? '');
    const world = new Map(encodeWorld({ clusters: this.clusters, routes }));
    const cert = '-----BEGIN CERTIFICATE-----\nMarker0fTheCertificate\n-----END CERTIFICATE-----\n';
    world.set(
      types.secret,
      new Map([['edge-certificate', certificateSecret('edge-certificate', { cert, key: sceneKey })]]),
    );
    this.controlPlane.publish(world);
  }

  /** Gives a cluster other endpoints. */
  move(name: string, at: number): void {
    this.clusters.set(name, { endpoints: [endpointAt(at)] });
    this.publish();
  }

  /** Adds a client that takes clusters until one of this name comes. It also holds the secret. */
  addPickyClient(nodeId: string, disliked: string): void {
    const context = { after: (stop: () => unknown) => this.#stops.push(stop) };
    const client: RawClient = new RawClient(context, `unix:${this.#agent.socketPath}`, 'delta', {
      acks: false,
      heard: ({ typeUrl, nonce, resources }) => {
        const isDisliked = resources.some(one => one.name === disliked);
        client.ask({ typeUrl, nonce, ...(isDisliked && { error: rejectionWords }) });
      },
    });
    client.ask({ typeUrl: typeUrls.cluster, nodeId });
    client.ask({ typeUrl: types.secret, nodeId, names: ['edge-certificate'] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops) stop();
    for (const client of this.#clients) client.stop();
    await this.#weir?.process.stop();
    this.controlPlane.stop();
    removeFolder(this.#folder);
  }

  get #agent(): RunningWeir {
    if (!this.#weir) throw new Error('the scene must be started before it is looked at');
    return this.#weir;
  }

  #join(nodeId: string, isDelta: boolean): void {
    const { port, socketPath } = this.#agent;
    const xds = isDelta
      ? ({ kind: 'unix', path: socketPath } as const)
      : ({ kind: 'tcp', host: '127.0.0.1', port } as const);
    this.#clients.push(new BuiltinClient(nodeId, isDelta ? 'delta' : 'sotw', xds));
  }
}

function endpointAt(at: number): { host: string; port: number } {
  return { host: `10.0.${Math.floor(at / 250) % 250}.${(at % 250) + 1}`, port: 8080 };
}
