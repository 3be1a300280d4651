import { ControlPlane } from './control-plane.ts';
import { type DemoClient, startDemoClient } from './demo-client.ts';
import type { Variant } from './envelopes.ts';
import type { XdsAddress } from './envoy-process.ts';
import { type Backend, startBackend, startTraffic, type Traffic, type TrafficCounts } from './http-traffic.ts';
import { makeFolder, pickFreePort, removeFolder, waitFor } from './processes.ts';
import type { Claim, Report } from './report.ts';
import { routeAllTo } from './resources.ts';
import { type RunningWeir, startWeir } from './weir-process.ts';
import { encodeWorld, type WorldCluster } from './world.ts';

/** How to run the demo. */
export interface DemoOptions {
  /** Program and arguments that start Weir, before `run`. */
  readonly weirCommand: readonly string[];
  /** Path of Envoy, or undefined for the built-in client. */
  readonly envoy: string | undefined;
  /** Passed to the agent; undefined leaves it its default. */
  readonly upstreamVariant: 'auto' | 'delta' | 'sotw' | undefined;
}

/** Longest wait for one thing to happen. A demo that works needs a fraction of it. */
const waitMs = 8000;
/** Requests per second through the first client; the later ones get a quarter. */
const requestsPerSecond = 100;
/** Requests that must end after each change before the step is judged. */
const requestsPerStep = 50;
/** What one more client may cost upstream: a tenth of what the first one did. */
const extraBytesShare = 0.1;

type BackendName = 'blue' | 'green' | 'violet';

/** The running parts and what is to be served at the moment. */
class Stage {
  readonly folder = makeFolder();
  readonly controlPlane = new ControlPlane({ identifier: 'weir-demo-control-plane' });
  readonly options: DemoOptions;
  readonly backends = new Map<BackendName, Backend>();
  readonly clusters = new Map<string, WorldCluster>();
  readonly clients: DemoClient[] = [];
  readonly traffics: Traffic[] = [];
  weir: RunningWeir | undefined;
  port = 0;

  constructor(options: DemoOptions) {
    this.options = options;
  }

  /** Serves one cluster named after its backend, and routes everything to it. */
  publishOnly(name: BackendName, connectTimeoutMs = 1000): void {
    const backend = this.backends.get(name);
    this.clusters.clear();
    this.clusters.set(name, { endpoints: backend ? [backend.address] : [], connectTimeoutMs });
    this.controlPlane.publish(encodeWorld({ clusters: this.clusters, routes: routeAllTo(name) }));
  }

  /** Starts the agent, in the place of the one before if there was one. */
  async startWeir(): Promise<RunningWeir> {
    const { weirCommand: command, upstreamVariant } = this.options;
    this.weir = await startWeir({
      command,
      upstream: `127.0.0.1:${this.port}`,
      folder: this.folder,
      inPlaceOf: this.weir,
      flags: ['--cache-dir', `${this.folder}/cache`],
      ...(upstreamVariant === undefined ? {} : { upstreamVariant }),
    });
    return this.weir;
  }

  /** Starts a client of the agent, and traffic through it. */
  async addClient(nodeId: string, variant: Variant, overSocket: boolean): Promise<DemoClient> {
    const { weir } = this;
    if (weir === undefined) throw new Error('the agent must be started before its clients');
    const xds: XdsAddress = overSocket
      ? { kind: 'unix', path: weir.socketPath }
      : { kind: 'tcp', host: '127.0.0.1', port: weir.port };
    const starting = startDemoClient({ envoy: this.options.envoy, nodeId, variant, xds, timeoutMs: waitMs });
    const client = await starting.catch((error: unknown) => {
      const output = weir.process.lastLines().slice(-8);
      throw new Error([String(error instanceof Error ? error.message : error), '--- weir run:', ...output].join('\n'), {
        cause: error,
      });
    });
    this.traffics.push(
      startTraffic(client.target, this.clients.length === 0 ? requestsPerSecond : requestsPerSecond / 4),
    );
    this.clients.push(client);
    return client;
  }

  /** Resolves with the ms until requests through every client are answered by `name`. */
  async arrival(name: BackendName, sinceMs: number): Promise<number> {
    const hasArrived = () =>
      this.traffics.every(traffic => (traffic.counts().byBackend.get(name) ?? 0) > 0) ? true : undefined;
    await waitFor(`answers of ${name} through every client`, waitMs, hasArrived, this.weir ? [this.weir.process] : []);
    return performance.now() - sinceMs;
  }

  /** Lets this many more requests end, well or badly, so that "0 failed" says something. */
  async flow(requests: number): Promise<void> {
    const ended = (): number => this.counts().ok + this.counts().failed;
    const enough = ended() + requests;
    await waitFor(`${requests} more requests`, waitMs, () => (ended() >= enough ? true : undefined));
  }

  /** Sum over all traffic so far. */
  counts(): {
    readonly ok: number;
    readonly failed: number;
    readonly worstMs: number;
    readonly failures: readonly string[];
  } {
    return sumOf(this.traffics.map(traffic => traffic.counts()));
  }

  async close(): Promise<void> {
    for (const traffic of this.traffics) await traffic.stop();
    for (const client of this.clients) await client.stop();
    await this.weir?.process.stop();
    this.controlPlane.stop();
    for (const backend of this.backends.values()) backend.stop();
    removeFolder(this.folder);
  }
}

function sumOf(counts: readonly TrafficCounts[]) {
  return {
    ok: counts.reduce((sum, count) => sum + count.ok, 0),
    failed: counts.reduce((sum, count) => sum + count.failed, 0),
    worstMs: Math.max(0, ...counts.map(count => count.worstMs)),
    failures: counts.flatMap(count => count.failures).slice(0, 3),
  };
}

const round = (milliseconds: number): number => Math.round(milliseconds * 10) / 10;

/** The claim that every request so far was answered, and the sentence part with the numbers. */
function noneFailed(stage: Stage): {
  readonly text: string;
  readonly claim: Claim;
  readonly ok: number;
  readonly failed: number;
} {
  const { ok, failed, failures } = stage.counts();
  const claim = {
    holds: failed === 0 && ok > 0,
    otherwise: `${failed} of ${ok + failed} requests failed: ${failures.join('; ')}`,
  };
  return { text: `${ok} requests so far, ${failed} failed`, claim, ok, failed };
}

/**
 * Runs the demo: an embedded control plane, the agent as a process of its own, and clients that carry real HTTP requests.
 * Each step measures what it claims and reports it. Everything that was started is ended before it returns; a step that
 * breaks off ends the demo.
 */
export async function playDemo(options: DemoOptions, report: Report): Promise<void> {
  const stage = new Stage(options);
  let title = 'start';
  try {
    for (const [name, act] of acts) {
      title = name;
      await act(stage, report);
    }
  } catch (error) {
    report.failure(title, error);
  } finally {
    await stage.close();
  }
}

const acts: readonly (readonly [string, (stage: Stage, report: Report) => Promise<void>])[] = [
  ['control plane', startControlPlane],
  ['agent', startAgent],
  ['first client', startFirstClient],
  ['change', changeRoute],
  ['warming', changeCluster],
  ['second client', startSecondClient],
  ['outage', stopControlPlane],
  ['restart', restartAgent],
  ['return', returnControlPlane],
  ['in all', showTotals],
];

async function startControlPlane(stage: Stage, report: Report): Promise<void> {
  for (const name of ['blue', 'green', 'violet'] as const) stage.backends.set(name, await startBackend(name));
  stage.publishOnly('blue');
  // It will come back on this port, so nothing else may take it while it is away.
  stage.port = await stage.controlPlane.start(await pickFreePort());
  report.step('control plane', `listens on 127.0.0.1:${stage.port}; everything is routed to backend blue`, {}, []);
}

async function startAgent(stage: Stage, report: Report): Promise<void> {
  const { port, startMs } = await stage.startWeir();
  report.step(
    'agent',
    `Weir listens on 127.0.0.1:${port} and a Unix socket, ${round(startMs)} ms after its start`,
    { startMs: round(startMs) },
    [],
  );
}

async function startFirstClient(stage: Stage, report: Report): Promise<void> {
  const client = await stage.addClient('one', 'sotw', false);
  const { openStreams, responseBytes } = stage.controlPlane.stats();
  const ms = round(client.firstAnswerMs);
  await stage.flow(requestsPerStep);
  report.step(
    'first client',
    `${client.label}: first request answered by ${client.firstBackend} ${ms} ms after its start;\nthe control plane sees ${openStreams} stream and has sent ${responseBytes} bytes`,
    { firstAnswerMs: ms, streams: openStreams, bytes: responseBytes },
    [
      {
        holds: client.firstBackend === 'blue',
        otherwise: `the answer came from ${client.firstBackend}, not from blue`,
      },
      { holds: openStreams === 1, otherwise: `the control plane sees ${openStreams} streams, not 1` },
    ],
  );
}

async function changeRoute(stage: Stage, report: Report): Promise<void> {
  const startMs = performance.now();
  stage.publishOnly('green');
  const arrivedMs = round(await stage.arrival('green', startMs));
  await stage.flow(requestsPerStep);
  const { text, claim, ok, failed } = noneFailed(stage);
  report.step(
    'change',
    `new cluster green, route moved to it, cluster blue removed: first answer of green after ${arrivedMs} ms;\n${text}`,
    { arrivedMs, requestsOk: ok, requestsFailed: failed },
    [claim],
  );
}

async function changeCluster(stage: Stage, report: Report): Promise<void> {
  const startMs = performance.now();
  stage.publishOnly('green', 1500);
  for (const client of stage.clients) await client.waitClusterSettled('green', 1500, waitMs);
  const settledMs = round(performance.now() - startMs);
  await stage.flow(requestsPerStep);
  const { text, claim } = noneFailed(stage);
  report.step(
    'warming',
    `a setting of cluster green changed, its endpoints not: in use after ${settledMs} ms, nothing left warming;\n${text}`,
    { settledMs },
    [claim, { holds: settledMs < 2000, otherwise: `the cluster took ${settledMs} ms; 2000 are allowed` }],
  );
}

async function startSecondClient(stage: Stage, report: Report): Promise<void> {
  const before = stage.controlPlane.stats();
  const client = await stage.addClient('two', 'delta', true);
  const after = stage.controlPlane.stats();
  const extraBytes = after.responseBytes - before.responseBytes;
  const ms = round(client.firstAnswerMs);
  report.step(
    'second client',
    `${client.label}: first request answered by ${client.firstBackend} after ${ms} ms;\nthe control plane still sees ${after.openStreams} stream and sent ${extraBytes} bytes more (${before.responseBytes} before)`,
    { firstAnswerMs: ms, streams: after.openStreams, streamsOpened: after.streamsOpened, extraBytes },
    [
      {
        holds: after.openStreams === 1 && after.streamsOpened === 1,
        otherwise: `${after.streamsOpened} streams were opened, not 1`,
      },
      {
        holds: extraBytes <= before.responseBytes * extraBytesShare,
        otherwise: 'the second client cost more than a tenth of the first',
      },
      {
        holds: client.firstBackend === 'green',
        otherwise: `the answer came from ${client.firstBackend}, not from green`,
      },
    ],
  );
}

async function stopControlPlane(stage: Stage, report: Report): Promise<void> {
  stage.controlPlane.stop();
  const client = await stage.addClient('three', 'sotw', true);
  const ms = round(client.firstAnswerMs);
  const { openStreams } = stage.controlPlane.stats();
  await stage.flow(requestsPerStep);
  const { text, claim, ok, failed } = noneFailed(stage);
  report.step(
    'outage',
    `control plane stopped; a new client all the same, ${client.label}:\nfirst request answered by ${client.firstBackend} after ${ms} ms; ${text}`,
    { firstAnswerMs: ms, requestsOk: ok, requestsFailed: failed },
    [
      claim,
      {
        holds: client.firstBackend === 'green',
        otherwise: `the answer came from ${client.firstBackend}, not from green`,
      },
      { holds: openStreams === 0, otherwise: `the control plane still has ${openStreams} streams` },
    ],
  );
}

async function restartAgent(stage: Stage, report: Report): Promise<void> {
  await stage.weir?.process.kill();
  const { startMs } = await stage.startWeir();
  const client = await stage.addClient('four', 'delta', false);
  const ms = round(client.firstAnswerMs);
  const { openStreams } = stage.controlPlane.stats();
  await stage.flow(requestsPerStep);
  const { text, claim } = noneFailed(stage);
  report.step(
    'restart',
    `Weir killed and started again, ${round(startMs)} ms, the control plane still away; a new client all the same,\n${client.label}: first request answered by ${client.firstBackend} after ${ms} ms;\n${text}`,
    { startMs: round(startMs), firstAnswerMs: ms },
    [
      claim,
      {
        holds: client.firstBackend === 'green',
        otherwise: `the answer came from ${client.firstBackend}, not from green`,
      },
      { holds: openStreams === 0, otherwise: `the control plane still has ${openStreams} streams` },
    ],
  );
}

async function returnControlPlane(stage: Stage, report: Report): Promise<void> {
  stage.publishOnly('violet');
  const startMs = performance.now();
  await stage.controlPlane.start(stage.port);
  const arrivedMs = round(await stage.arrival('violet', startMs));
  const { openStreams } = stage.controlPlane.stats();
  await stage.flow(requestsPerStep);
  const { text, claim } = noneFailed(stage);
  report.step(
    'return',
    `control plane back with a change: all ${stage.clients.length} clients send to violet after ${arrivedMs} ms, over ${openStreams} stream;\n${text}`,
    { arrivedMs, streams: openStreams },
    [claim, { holds: openStreams === 1, otherwise: `the control plane sees ${openStreams} streams, not 1` }],
  );
}

async function showTotals(stage: Stage, report: Report): Promise<void> {
  const finals: TrafficCounts[] = [];
  for (const traffic of stage.traffics) finals.push(await traffic.stop());
  const { ok, failed, worstMs, failures } = sumOf(finals);
  const { streamsOpened, responseBytes, rejections } = stage.controlPlane.stats();
  report.step(
    'in all',
    `${ok} requests answered, ${failed} failed, slowest ${round(worstMs)} ms; ${streamsOpened} streams and ${responseBytes} bytes from the control plane`,
    { requestsOk: ok, requestsFailed: failed, worstMs: round(worstMs), streamsOpened, responseBytes },
    [
      { holds: failed === 0, otherwise: `failed requests: ${failures.join('; ')}` },
      {
        holds: rejections.length === 0,
        otherwise: `rejected configuration: ${rejections.map(rejection => rejection.text).join('; ')}`,
      },
    ],
  );
}
