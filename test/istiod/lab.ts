import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { get, getJson } from '../../src/demo/http-traffic.ts';
import {
  makeFolder,
  pickFreePort,
  type RunningProcess,
  removeFolder,
  startProcess,
  waitFor,
} from '../../src/demo/processes.ts';
import { AdsTap } from '../support/ads-tap.ts';
import { EmptyKubernetes } from '../support/empty-kubernetes.ts';
import { weirCommand } from '../support/envoy.ts';
import { Istiod, type IstiodOptions } from '../support/istiod-process.ts';
import { ManifestFolder } from '../support/manifest-folder.ts';
import type { Cleanup } from '../support/raw-client.ts';
import { runWeir } from '../support/weir-process.ts';

/** Longest wait for one thing to happen, in ms. */
export const waitMs = 30_000;

/** What a lab's istiods may be given. */
export type IstiodParts = Partial<Omit<IstiodOptions, 'binary' | 'folder' | 'kubeconfig'>>;

/** A tap that listens. */
export interface LaidTap {
  readonly tap: AdsTap;
  /** Where to connect in place of what lies behind it. */
  readonly address: string;
}

/** A Weir in a process of its own. */
export class LabWeir {
  readonly process: RunningProcess;
  readonly port: number;
  readonly adminPort: number;

  constructor(process: RunningProcess, port: number, adminPort: number) {
    this.process = process;
    this.port = port;
    this.adminPort = adminPort;
  }

  /** Where clients connect. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Sum of all series of a metric; 0 when there is none. */
  async metric(name: string): Promise<number> {
    const { body } = await get({ host: '127.0.0.1', port: this.adminPort }, '/metrics');
    const values = body.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** A page of its admin address, as JSON. The caller knows the shape of what the agent writes. */
  async page<T>(path: string): Promise<T> {
    return (await getJson(this.adminPort, path)).json as T;
  }

  /** Waits until something about it is so. */
  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const ask = async () => ((await isSo()) ? (true as const) : undefined);
    await waitFor(what, waitMs, ask, [this.process]);
  }

  /** Waits until it has noticed that the server is gone. */
  async cutOff(): Promise<void> {
    await this.until('Weir to be cut off', async () => (await this.metric('weir_control_plane_connected_state')) === 0);
  }

  /** Waits until a client is connected. */
  async hasClient(): Promise<void> {
    await this.until('a client of Weir', async () => (await this.page<readonly unknown[]>('/clients')).length > 0);
  }

  /** Waits until it has refused a client. */
  async hasRefused(): Promise<void> {
    const refusals = 'weir_client_streams_refused_total';
    await this.until('Weir to refuse a client', async () => (await this.metric(refusals)) > 0);
  }

  /** Waits until so many types are on its disk, each as a whole. */
  async hasStored(count: number): Promise<void> {
    await this.until(`${count} types on disk`, async () => {
      const { views } = await this.page<{ views: readonly { types: readonly { isKnown: boolean }[] }[] }>('/cache');
      return views.some(({ types }) => types.filter(type => type.isKnown).length >= count);
    });
  }

  /** What a command says of it, such as `status`. One that changes something needs `--cache-dir`. */
  async says(...command: readonly string[]): Promise<string> {
    const where = command.includes('--cache-dir') ? [] : ['--admin', `127.0.0.1:${this.adminPort}`];
    const { stdout, stderr } = await runWeir([...command, ...where]);
    return stdout + stderr;
  }
}

/** Real istiods and Weirs on loopback, for one part. Dispose of it to end all that it started. */
export class MeshLab implements AsyncDisposable, Cleanup {
  readonly folder = makeFolder();
  /** What istiod serves as an MCP server. */
  readonly manifests = new ManifestFolder(join(this.folder, 'manifests'));
  readonly #binary: string;
  readonly #kubernetes = new EmptyKubernetes();
  readonly #stops: (() => unknown)[] = [];
  #kubeconfig = '';

  constructor(binary: string) {
    this.#binary = binary;
    mkdirSync(this.manifests.path);
    this.#stops.push(() => removeFolder(this.folder));
  }

  after(stop: () => unknown): void {
    this.#stops.push(stop);
  }

  /** An istiod that serves what is in {@link manifests}, or another source. */
  async server(parts: IstiodParts = {}): Promise<Istiod> {
    return await this.#istiod({ label: 'server', source: `fs://${this.manifests.path}`, ...parts });
  }

  /** An istiod whose configuration comes over MCP. */
  async client(address: string, parts: IstiodParts = {}): Promise<Istiod> {
    return await this.#istiod({ label: 'client', source: `xds://${address}`, ...parts });
  }

  async weir(upstream: string, flags: readonly string[] = [], inPlaceOf?: LabWeir): Promise<LabWeir> {
    const port = inPlaceOf?.port ?? (await pickFreePort());
    const adminPort = inPlaceOf?.adminPort ?? (await pickFreePort());
    const addresses = ['--upstream', upstream, '--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${adminPort}`];
    const process = await this.#command('weir run', ['run', ...addresses, '--log-format', 'json', ...flags]);
    await this.#healthy(process, adminPort, 'started');
    return new LabWeir(process, port, adminPort);
  }

  /** `weir source` on a folder. @returns where it serves */
  async source(folder: string): Promise<string> {
    const [port, healthPort] = [await pickFreePort(), await pickFreePort()];
    const addresses = ['--listen', `127.0.0.1:${port}`, '--health', `127.0.0.1:${healthPort}`];
    const process = await this.#command('weir source', ['source', '--from', folder, ...addresses]);
    await this.#healthy(process, healthPort, 'ready');
    return `127.0.0.1:${port}`;
  }

  /** A tap in front of a server. */
  async tap(address: string): Promise<LaidTap> {
    const tap = new AdsTap(address);
    this.after(() => tap.stop());
    return { tap, address: `127.0.0.1:${await tap.start()}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop();
  }

  async #istiod(parts: IstiodParts & Pick<IstiodOptions, 'label' | 'source'>): Promise<Istiod> {
    if (this.#kubeconfig === '') {
      this.#kubeconfig = await this.#kubernetes.start(this.folder);
      this.after(() => this.#kubernetes.stop());
    }
    const { folder } = this;
    const istiod = await Istiod.start({ binary: this.#binary, folder, kubeconfig: this.#kubeconfig, ...parts });
    this.after(() => istiod.process.kill());
    return istiod;
  }

  async #command(label: string, args: readonly string[]): Promise<RunningProcess> {
    // What the caller has set for Weir must not reach the processes under test.
    const unset = Object.keys(process.env).flatMap(name => (name.startsWith('WEIR_') ? ['-u', name] : []));
    const started = await startProcess(label, 'env', [...unset, ...weirCommand, ...args]);
    this.after(() => started.kill());
    return started;
  }

  async #healthy(process: RunningProcess, port: number, page: 'started' | 'ready'): Promise<void> {
    const isHealthy = async () =>
      (await getJson(port, `/healthz/${page}`)).statusCode === 200 ? (true as const) : undefined;
    await waitFor(`${process.label} to be ${page}`, waitMs, isHealthy, [process]);
  }
}

/** Fails unless both hold the same objects with the same specs. */
export async function assertSame(one: Istiod, other: Istiod): Promise<void> {
  assert.deepEqual(differences(await one.held(), await other.held()), []);
}

/** What is in one and not the same in the other. */
export function differences(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].filter(key => one.get(key) !== other.get(key));
}
