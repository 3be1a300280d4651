import { ControlPlane, type ControlPlaneOptions } from '../../src/demo/control-plane.ts';
import type { Variant } from '../../src/demo/envelopes.ts';
import { type EnvoyOptions, type RunningEnvoy, startEnvoy, type XdsAddress } from '../../src/demo/envoy-process.ts';
import { type Backend, startBackend, startTraffic, type Traffic } from '../../src/demo/http-traffic.ts';
import { makeFolder, pickFreePort, removeFolder, waitFor } from '../../src/demo/processes.ts';
import type { HostPort, ListenerOptions } from '../../src/demo/resources.ts';
import { routeAllTo } from '../../src/demo/resources.ts';
import { type RunningWeir, startWeir } from '../../src/demo/weir-process.ts';
import { encodeWorld, listenerName, type WorldCluster } from '../../src/demo/world.ts';
import { weirCommand } from './envoy.ts';

/** How Envoy reaches what it is told: straight from the control plane, or through an agent over TCP or a Unix socket. */
export type Path = 'direct' | 'tcp' | 'unix';

/** Longest wait for one thing to happen in an e2e test, in ms. */
export const waitMs = 10_000;

/** Settings of an {@link E2eRig}. */
export interface RigOptions {
  readonly envoy: string;
  readonly variant: Variant;
  readonly path: Path;
  readonly upstreamVariant?: 'auto' | 'delta' | 'sotw';
  readonly controlPlane?: ControlPlaneOptions;
  readonly listener?: ListenerOptions;
  /** Envoys without ADS: each type by its own service. */
  readonly isPerType?: boolean;
  /** The agent keeps what it has on disk. */
  readonly hasCache?: boolean;
}

/**
 * A control plane, backends, perhaps an agent, and Envoys for one test. Two backends `a` and `b`; the clusters, routes and
 * listeners are public maps that {@link publish} serves. Dispose of it to end all it started.
 */
export class E2eRig implements AsyncDisposable {
  readonly controlPlane: ControlPlane;
  readonly clusters = new Map<string, WorldCluster>();
  readonly moreListeners = new Set<string>();
  routedTo = '';
  port = 0;
  readonly #options: RigOptions;
  readonly #folder = makeFolder();
  readonly #backends: Backend[] = [];
  readonly #envoys: RunningEnvoy[] = [];
  readonly #traffics: Traffic[] = [];
  #weir: RunningWeir | undefined;

  constructor(options: RigOptions) {
    this.#options = options;
    this.controlPlane = new ControlPlane(options.controlPlane);
  }

  /** How Envoy reaches what it is told. */
  get path(): Path {
    return this.#options.path;
  }

  /** Starts backends, the control plane with one cluster `first`, and the agent if there is to be one. */
  async start(): Promise<void> {
    for (const name of ['a', 'b']) this.#backends.push(await startBackend(name));
    this.clusters.set('first', { endpoints: [this.backend(0)] });
    this.routedTo = 'first';
    this.publish();
    this.port = await this.controlPlane.start(await pickFreePort());
    if (this.#options.path !== 'direct') await this.startWeir();
  }

  /** Starts the agent, which may have run before, on other ports. */
  async startWeir(): Promise<void> {
    const { upstreamVariant, hasCache = false } = this.#options;
    this.#weir = await startWeir({
      command: weirCommand,
      upstream: `127.0.0.1:${this.port}`,
      folder: this.#folder,
      ...(upstreamVariant === undefined ? {} : { upstreamVariant }),
      ...(hasCache
        ? { flags: ['--cache-dir', this.cacheDir, '--reconnect-base', '100ms', '--reconnect-max', '200ms'] }
        : {}),
    });
  }

  /** Kills the agent, so that it writes nothing more. */
  async killWeir(): Promise<void> {
    await this.#weir?.process.kill();
  }

  /** The agent's process, as long as it runs. */
  get weir(): RunningWeir | undefined {
    return this.#weir;
  }

  /** Where the agent keeps what it has, if it does. */
  get cacheDir(): string {
    return `${this.#folder}/cache`;
  }

  /** Address of a backend, 0 or 1. */
  backend(index: number): HostPort {
    const backend = this.#backends[index % this.#backends.length];
    if (backend === undefined) throw new Error('the rig must be started before its backends are used');
    return backend.address;
  }

  /** Serves what the public maps hold now. */
  publish(): void {
    this.controlPlane.publish(this.world());
  }

  /** What {@link publish} serves, as a new map. */
  world(): Map<string, ReadonlyMap<string, Buffer>> {
    const { clusters, routedTo, moreListeners } = this;
    const { listener, isPerType, variant } = this.#options;
    return new Map(
      encodeWorld({
        clusters,
        routes: routeAllTo(routedTo),
        moreListeners: [...moreListeners],
        ...(listener ? { listener } : {}),
        ...(isPerType ? { origin: variant } : {}),
      }),
    );
  }

  /** Where clients connect: as the rig's path says, or another way. */
  xds(path: Path = this.path): XdsAddress {
    if (path === 'unix' && this.#weir) return { kind: 'unix', path: this.#weir.socketPath };
    return { kind: 'tcp', host: '127.0.0.1', port: this.#weir?.port ?? this.port };
  }

  /** Starts an Envoy; it need not be LIVE yet. */
  async envoy(more: Partial<EnvoyOptions> = {}): Promise<RunningEnvoy> {
    const { envoy: binary, variant, isPerType = false } = this.#options;
    const envoy = await startEnvoy({
      binary,
      nodeId: `envoy-${this.#envoys.length}`,
      xds: this.xds(),
      variant,
      isPerType,
      ...more,
    });
    this.#envoys.push(envoy);
    return envoy;
  }

  /** Starts traffic through the listener of an Envoy, and waits until some of it is answered. */
  async traffic(envoy: RunningEnvoy, ratePerSecond: number): Promise<Traffic> {
    const port = await waitFor('the listener', waitMs, () => envoy.listenerPort(listenerName), [envoy.process]);
    const traffic = startTraffic(() => ({ host: '127.0.0.1', port }), ratePerSecond);
    this.#traffics.push(traffic);
    await flow(traffic, 5);
    return traffic;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const traffic of this.#traffics) await traffic.stop();
    for (const envoy of this.#envoys) await envoy.stop();
    await this.#weir?.process.stop();
    this.controlPlane.stop();
    for (const backend of this.#backends) backend.stop();
    removeFolder(this.#folder);
  }
}

/** Waits until this many more requests have ended, well or badly. */
export async function flow(traffic: Traffic, requests: number): Promise<void> {
  const ended = (): number => traffic.counts().ok + traffic.counts().failed;
  const enough = ended() + requests;
  await waitFor(`${requests} more requests`, waitMs, () => (ended() >= enough ? true : undefined));
}
