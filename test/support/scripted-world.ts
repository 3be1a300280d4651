import { request } from 'node:http';
import { request as requestOverTls } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { type EnvoyOptions, type RunningEnvoy, startEnvoy } from '../../src/demo/envoy-process.ts';
import { type Backend, getJson, startBackend } from '../../src/demo/http-traffic.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import type { HostPort } from '../../src/demo/resources.ts';
import { type RunningWeir, startWeir } from '../../src/demo/weir-process.ts';
import type { Variant } from '../../src/xds/types.ts';
import { AdsTap } from './ads-tap.ts';
import { weirCommand } from './envoy.ts';
import { ScriptedPlane } from './scripted-plane.ts';

/** Longest wait for one thing to happen, in ms. */
export const waitMs = 10_000;

/** What Envoy's listener answered. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** SHA-256 of the certificate that the listener showed; empty without TLS. */
  readonly fingerprint: string;
}

/** How a {@link ScriptedWorld} differs from the usual one. */
export interface WorldOptions {
  readonly envoy: string;
  /** Variant of Envoy. */
  readonly variant: Variant;
  /** Variant towards the control plane. Default: the same. */
  readonly upstreamVariant?: Variant;
  /** Further flags of `weir run`. */
  readonly flags?: readonly string[];
  /** Without Weir: Envoy hears the control plane itself. Shows what Envoy does of its own accord. */
  readonly isDirect?: boolean;
}

/**
 * A scripted control plane, a Weir process, a tap on what Envoy and Weir say to each other, one backend, and a real Envoy with the
 * bootstrap that the test writes. Put resources first, then start Envoy. Dispose of it to end all it started.
 */
export class ScriptedWorld implements AsyncDisposable {
  readonly plane = new ScriptedPlane();
  readonly #options: WorldOptions;
  readonly #folder = makeFolder();
  #weir: RunningWeir | undefined;
  #tap: AdsTap | undefined;
  #tapPort = 0;
  #backend: Backend | undefined;
  #envoy: RunningEnvoy | undefined;

  constructor(options: WorldOptions) {
    this.#options = options;
  }

  /**
   * A world with Envoy in it. What was begun ends if the rest of it cannot.
   *
   * @param fill puts the resources that Envoy starts with
   */
  static async begin(options: WorldOptions, fill: (world: ScriptedWorld) => void): Promise<ScriptedWorld> {
    const world = new ScriptedWorld(options);
    try {
      await world.start();
      fill(world);
      await world.startEnvoy();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts everything but Envoy. @returns the address of the control plane */
  async start(): Promise<string> {
    this.#backend = await startBackend('backend');
    const { variant, upstreamVariant = variant, flags = [], isDirect = false } = this.#options;
    const upstream = await this.plane.start();
    if (!isDirect) {
      this.#weir = await startWeir({
        command: weirCommand,
        upstream,
        folder: this.#folder,
        upstreamVariant,
        flags: ['--reconnect-base', '50ms', '--reconnect-max', '100ms', ...flags],
      });
    }
    this.#tap = new AdsTap(this.#weir === undefined ? upstream : `127.0.0.1:${this.#weir.port}`);
    this.#tapPort = await this.#tap.start();
    return upstream;
  }

  get tap(): AdsTap {
    return there(this.#tap);
  }

  get weir(): RunningWeir {
    return there(this.#weir);
  }

  get envoy(): RunningEnvoy {
    return there(this.#envoy);
  }

  get backend(): HostPort {
    return there(this.#backend).address;
  }

  /** Starts Envoy and waits until it is LIVE. */
  async startEnvoy(more: Partial<EnvoyOptions> = {}): Promise<RunningEnvoy> {
    this.#envoy = await startEnvoy({
      binary: this.#options.envoy,
      nodeId: 'envoy-0',
      xds: { kind: 'tcp', host: '127.0.0.1', port: this.#tapPort },
      variant: this.#options.variant,
      ...more,
    });
    await this.#envoy.waitLive(waitMs).catch((error: unknown) => {
      throw new Error(`${String(error)}\nEnvoy said: ${this.tap.requests.map(describe).join('; ')}`);
    });
    return this.#envoy;
  }

  /** A page of Envoy's admin interface, as JSON. */
  async admin(path: string): Promise<unknown> {
    return (await getJson(this.envoy.adminPort, path)).json;
  }

  /** One GET through a listener of Envoy. A connection that failed is status 0. */
  async get(listener: string, headers: Readonly<Record<string, string>> = {}, { isTls = false } = {}): Promise<Answer> {
    const port = await waitFor(`the listener ${listener}`, waitMs, () => this.envoy.listenerPort(listener), [
      this.envoy.process,
    ]);
    return await new Promise<Answer>(resolve => {
      let fingerprint = '';
      const failed = (error: Error): void => resolve({ status: 0, body: error.message, headers: {}, fingerprint });
      const options = { host: '127.0.0.1', port, headers, agent: false, timeout: waitMs };
      const outgoing = isTls ? requestOverTls({ ...options, rejectUnauthorized: false }) : request(options);
      outgoing.on('response', response => {
        if (isTls) fingerprint = (response.socket as TLSSocket).getPeerCertificate().fingerprint256 ?? '';
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body, headers: response.headers, fingerprint }),
        );
        response.on('error', failed);
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
      outgoing.on('error', failed);
      outgoing.end();
    });
  }

  /** Waits until a condition holds. @param seen what to print when it never does */
  async until(what: string, holds: () => boolean | Promise<boolean>, seen?: () => unknown): Promise<void> {
    await waitFor(what, waitMs, async () => ((await holds()) ? true : undefined), [this.envoy.process]).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}\nseen: ${JSON.stringify(seen?.())}\n${this.transcript()}`);
      },
    );
  }

  /** What passed the tap, for error messages. */
  transcript(): string {
    const said = this.tap.requests.map(request => `Envoy: ${describe(request)}`);
    const told = this.tap.responses.map(response => {
      const { stream, typeUrl, resources, removed } = response;
      return `Weir: ${stream} ${short(typeUrl)} [${resources.map(one => one.name).join(' ')}] -[${removed.join(' ')}]`;
    });
    const asked = this.plane.heard.map(request => `upstream: ${describe(request)}`);
    return [...said, ...told, ...asked].join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#envoy?.stop();
    this.#tap?.stop();
    await this.#weir?.process.stop();
    this.plane.stop();
    this.#backend?.stop();
    removeFolder(this.#folder);
  }
}

const short = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('.') + 1);

function describe(request: AdsTap['requests'][number]): string {
  const { stream, typeUrl, names = [], unsubscribe = [], initialVersions, nonce, version, error } = request;
  const parts = [
    `${stream} ${short(typeUrl)} +[${names.join(' ')}]`,
    unsubscribe.length > 0 ? `-[${unsubscribe.join(' ')}]` : '',
    initialVersions && initialVersions.size > 0 ? `held[${[...initialVersions.keys()].join(' ')}]` : '',
    version ? `v=${version}` : '',
    nonce ? `nonce=${nonce}` : '',
    error === undefined ? '' : `NACK ${error.slice(0, 300)}`,
  ];
  return parts.filter(part => part !== '').join(' ');
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the world must be started before it is used');
  return value;
}
