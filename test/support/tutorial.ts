import { join } from 'node:path';
import { ControlPlane } from '../../src/demo/control-plane.ts';
import { getJson } from '../../src/demo/http-traffic.ts';
import { makeFolder, removeFolder, waitFor } from '../../src/demo/processes.ts';
import { routeAllTo, typeUrls } from '../../src/demo/resources.ts';
import { type RunningWeir, startWeir } from '../../src/demo/weir-process.ts';
import { encodeWorld, type WorldCluster } from '../../src/demo/world.ts';
import { weirCommand } from './envoy.ts';
import type { Cleanup } from './raw-client.ts';
import { startTutorialClient } from './tutorial-client.ts';
import { type Outcome, runWeir } from './weir-process.ts';

/** Longest wait for one thing to happen, in ms. */
const waitMs = 15_000;

/** The transcript, and how long each question took, in ms. */
export interface Tutorial {
  readonly text: string;
  readonly questionsMs: readonly number[];
}

/**
 * Runs the scenario of docs/tutorial.md and writes down what an operator sees.
 *
 * @param envoy path of Envoy; without one a client takes its place that says what Envoy would
 * @throws Error when something does not come about, or a command ends otherwise than it should
 */
export async function runTutorial(envoy: string | undefined): Promise<Tutorial> {
  const stops: (() => unknown)[] = [];
  const scene = new Scene({ after: stop => stops.push(stop) }, envoy);
  try {
    return await tell(scene);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** A pod at night: a control plane, an agent with a disk cache, and clients. */
class Scene {
  readonly clusters = new Map<string, WorldCluster>();
  readonly #context: Cleanup;
  readonly #envoy: string | undefined;
  readonly #plane = new ControlPlane({ identifier: 'istiod' });
  readonly #folder = makeFolder();
  #planePort = 0;
  #weir: RunningWeir | undefined;

  constructor(context: Cleanup, envoy: string | undefined) {
    this.#context = context;
    this.#envoy = envoy;
    context.after(() => removeFolder(this.#folder));
    context.after(() => this.#plane.stop());
    for (const [index, name] of ['web', 'reviews', 'ratings'].entries()) this.clusters.set(name, endpoints(index + 1));
  }

  get weir(): RunningWeir {
    if (!this.#weir) throw new Error('the agent was not started yet');
    return this.#weir;
  }

  /** Serves what the map of clusters says. @param withoutEndpoints names a cluster whose endpoints the control plane does not have */
  publish(withoutEndpoints?: string): void {
    const bodies = new Map(encodeWorld({ clusters: this.clusters, routes: routeAllTo('web') }));
    const assignments = new Map(bodies.get(typeUrls.endpoints));
    if (withoutEndpoints !== undefined) assignments.delete(withoutEndpoints);
    this.#plane.publish(bodies.set(typeUrls.endpoints, assignments));
  }

  async startPlane(): Promise<void> {
    this.publish();
    this.#planePort = await this.#plane.start();
  }

  stopPlane(): void {
    this.#plane.stop();
  }

  async startAgent(): Promise<void> {
    this.#weir = await startWeir({
      command: weirCommand,
      upstream: `127.0.0.1:${this.#planePort}`,
      folder: this.#folder,
      inPlaceOf: this.#weir,
      flags: ['--cache-dir', join(this.#folder, 'cache'), '--reconnect-base', '100ms', '--reconnect-max', '200ms'],
    });
    const started = this.#weir;
    this.#context.after(() => started.process.stop());
  }

  async stopAgent(): Promise<void> {
    await this.weir.process.stop();
  }

  async client(nodeId: string): Promise<void> {
    await startTutorialClient(this.#context, this.#envoy, nodeId, this.weir.port);
  }

  /** Waits until the agent's status is as it is to be. */
  async until(what: string, isSo: (status: Status) => boolean): Promise<void> {
    await waitFor(what, waitMs, async () => {
      const { json } = await getJson(this.weir.adminPort, '/status');
      return (json !== undefined && isSo(json as Status)) || undefined; // Written by the agent of the same sources.
    });
  }

  /** Waits until the agent has told that a resource of a type changed: clients are level before that, too. */
  async happened(shortName: string, name: string): Promise<void> {
    await waitFor(`a change of ${shortName} '${name}'`, waitMs, async () => {
      const outcome = await this.run(`weir events --kind update --type ${shortName} --name ${name} -o json`);
      return outcome.stdout.includes(`"${name}"`) || undefined;
    });
  }

  async written(resources: number): Promise<void> {
    await waitFor(`${resources} resources on disk`, waitMs, async () => {
      const { json } = await getJson(this.weir.adminPort, '/cache');
      const { views = [] } = (json ?? {}) as { views?: { types: { resources: number }[] }[] }; // As above.
      return views[0]?.types.reduce((sum, type) => sum + type.resources, 0) === resources || undefined;
    });
  }

  /** Runs a command as the operator does in the pod. */
  async run(command: string): Promise<Outcome> {
    const args = command
      .split(' ')
      .slice(1)
      .map(word => word.replace(/^'(.*)'$/, '$1'));
    return await runWeir(args, { WEIR_CACHE_DIR: join(this.#folder, 'cache') });
  }

  /** What a command has printed, without what differs from run to run. */
  normalised(text: string): string {
    return text
      .replaceAll(`127.0.0.1:${this.#planePort}`, 'istiod.istio-system:15012')
      .replaceAll(/(\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\dZ/g, '03:12:45Z')
      .replaceAll(/\b\d+ (ms|s|m)\b/g, '5 s')
      .replaceAll(/(?<=digest )\S+(?=,)/g, 'q1w2e3r4');
  }
}

function endpoints(...hosts: readonly number[]): WorldCluster {
  return { endpoints: hosts.map(host => ({ host: `10.1.2.${host}`, port: 8080 })) };
}

/** The part of the status that the scenario waits for. */
interface Status {
  readonly upstreams: readonly { readonly phase: string; readonly isInUse: boolean; readonly lastError?: string }[];
  readonly types: readonly {
    readonly shortName: string;
    readonly isCurrent: boolean;
    readonly resources: number;
    readonly quarantined: readonly unknown[];
  }[];
  readonly clients: readonly { readonly types: readonly { readonly status: string; readonly isComplete: boolean }[] }[];
}

/** So many clients are connected and have answered everything that they were sent. */
function areLevel({ clients }: Status, count: number): boolean {
  const isLevel = clients.every(
    ({ types }) => types.length === 4 && types.every(one => one.isComplete && /SYNCED|REJECTED/.test(one.status)),
  );
  return clients.length === count && isLevel;
}

/** The control plane was tried in vain. */
function isAway({ upstreams }: Status): boolean {
  return upstreams.every(one => !one.isInUse || (one.phase === 'backoff' && one.lastError !== undefined));
}

/** The number of resources of a type. */
function countOf({ types }: Status, shortName: string): number {
  return types.find(type => type.shortName === shortName)?.resources ?? 0;
}

async function tell(scene: Scene): Promise<Tutorial> {
  await scene.startPlane();
  await scene.startAgent();
  await scene.client('shop-1');
  await scene.until('the first client to have everything', status => areLevel(status, 1));
  await scene.written(8);
  // An agent that has been there for long remembers other things than its start.
  await scene.stopAgent();
  await scene.startAgent();
  await scene.until(
    'the client to be back and the control plane to confirm what it has',
    status => areLevel(status, 1) && status.types.every(type => type.isCurrent),
  );

  scene.clusters.set('ratings', { ...endpoints(3), connectTimeoutMs: 0 });
  scene.publish();
  await scene.until('the quarantine', ({ types }) => types.some(type => type.quarantined.length > 0));
  await scene.client('shop-2');
  await scene.until('the second client', status => areLevel(status, 2));
  scene.clusters.set('reviews', endpoints());
  scene.publish();
  await scene.happened('EDS', 'reviews');
  await scene.until('the clients to take the endpoints', status => areLevel(status, 2));
  scene.clusters.set('payments', endpoints(9));
  scene.publish('payments');
  await scene.until('the cluster without endpoints', status => countOf(status, 'CDS') === 4 && areLevel(status, 2));

  const pages: string[] = [intro];
  const questionsMs: number[] = [];
  const question = async (title: string, before: string, commands: readonly Step[], after: string): Promise<void> => {
    const startMs = performance.now();
    const parts: string[] = [];
    for (const step of commands) parts.push(await transcript(scene, step));
    questionsMs.push(performance.now() - startMs);
    pages.push(`## ${title}\n\n${before}\n\n\`\`\`console\n${parts.join('\n')}\`\`\`\n\n${after}\n`);
  };

  await question(
    'Which cluster was rejected, and why?',
    'She has never used Weir. `weir --help` says that `weir status` tells what works, since when something does not, and what to do. So that is first.',
    [
      { command: 'weir status', code: 0, isHead: true },
      { command: 'weir explain ratings CDS', code: 0 },
    ],
    'The first line is the answer, the second the next command. The control plane has sent a cluster `ratings` whose connect timeout is zero. `shop-1`, which was there, rejected it and runs the one before; `shop-2`, which started since, was given that one and took it. Nobody is without configuration. What has to be mended is the cluster, where it is written.',
  );
  await question(
    'Why is an endpoint missing?',
    'Requests to `reviews` fail, and its pod has the address 10.1.2.2. `weir explain` takes an address, too.',
    [
      { command: 'weir explain 10.1.2.2', code: 1 },
      { command: 'weir explain payments EDS', code: 1 },
    ],
    'The control plane does not give this endpoint any more, and the last change to `reviews` is when it took it away: the place to look is the control plane, or the readiness of that pod. By the way it turns out that the cluster `payments` has no endpoints at all, and why: it was asked for them and says that there are none.',
  );
  scene.clusters.delete('payments');
  scene.publish();
  await scene.until('the cluster to be gone', status => countOf(status, 'CDS') === 3 && areLevel(status, 2));
  await question(
    'What changed in the last five minutes?',
    'Whoever brought `payments` has taken it back. What else has happened?',
    [{ command: 'weir events --since 5m --kind update', code: 0 }],
    'Every change of what is served is there with its names and its reason. Without `--kind update` there is also who connected, who rejected what, and every outage; `--follow` goes on with what happens.',
  );
  scene.stopPlane();
  await scene.until('the control plane to be away', isAway);
  await question(
    'Is a restart safe now?',
    'Now the control plane goes as well. May the pod be restarted?',
    [{ command: 'weir status', code: 0, isHead: true }],
    '`RESTART is safe`: the disk cache has what is held. She tries it.',
  );
  await scene.stopAgent();
  await scene.startAgent();
  await scene.until('the clients to be back', status => isAway(status) && areLevel(status, 2));
  await question(
    'After the restart',
    'The agent was ended and started, and the control plane is still away.',
    [{ command: 'weir status', code: 0, isHead: true }],
    'Both clients are served from disk. When the control plane comes back, the agent asks it for what has changed meanwhile, and `weir events` tells what that was.',
  );
  return { text: `${pages.join('\n')}`, questionsMs };
}

interface Step {
  readonly command: string;
  /** Exit code that it is to end with. */
  readonly code: number;
  /** Of the status the verdict only. */
  readonly isHead?: boolean;
}

async function transcript(scene: Scene, { command, code, isHead = false }: Step): Promise<string> {
  const { status, stdout, stderr } = await scene.run(command);
  if (status !== code) throw new Error(`${command} ended with ${status}, not ${code}: ${stdout}${stderr}`);
  const shown = isHead ? `${stdout.slice(0, stdout.indexOf('\n\n') + 1)}[… streams, types and clients …]\n` : stdout;
  return `$ ${command}\n${scene.normalised(shown)}`;
}

const intro = `# Tutorial: three in the morning

Made by \`npm run tutorial\`, which runs all of this with a control plane, an agent and clients, and writes down what they say; a test fails when that
is not what stands here. Do not edit. Times, ages, digests and the address of the control plane are replaced by fixed ones.

Something is wrong in the shop, and whoever is on call has a shell in one of its pods (\`kubectl exec\`), where Weir runs beside the Envoy \`shop-1\`. Four
questions, each answered in less than a minute with one or two commands. None needs a flag: in the pod the agent is found by \`WEIR_CACHE_DIR\`.
`;
