import { BuiltinClient } from './builtin-client.ts';
import type { Variant } from './envelopes.ts';
import { startEnvoy, type XdsAddress } from './envoy-process.ts';
import { get } from './http-traffic.ts';
import { waitFor } from './processes.ts';
import { encodeCluster, type HostPort, typeUrls } from './resources.ts';
import { listenerName } from './world.ts';

/** A client of the agent that carries HTTP requests by what it was told: Envoy, or the built-in client in its place. */
export interface DemoClient {
  /** What the report calls it. */
  readonly label: string;
  /** From its start until the first request through it was answered, in ms. */
  readonly firstAnswerMs: number;
  /** Name of the backend that gave the first answer. */
  readonly firstBackend: string;
  /** Where to send the next request. */
  target(): HostPort | undefined;
  /** Resolves when a cluster is in use with this connect timeout and nothing is warming. @throws Error after `timeoutMs` */
  waitClusterSettled(name: string, connectTimeoutMs: number, timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** How to start a client. */
export interface DemoClientOptions {
  /** Path of Envoy, or undefined for the built-in client. */
  readonly envoy: string | undefined;
  readonly nodeId: string;
  readonly variant: Variant;
  readonly xds: XdsAddress;
  readonly timeoutMs: number;
}

/** Starts a client and waits until a request through it is answered. @throws Error after `timeoutMs` */
export async function startDemoClient(options: DemoClientOptions): Promise<DemoClient> {
  return options.envoy === undefined ? await startBuiltin(options) : await startEnvoyClient(options, options.envoy);
}

const formNames: Readonly<Record<Variant, string>> = { sotw: 'SotW', delta: 'Delta' };

function labelOf(program: string, { nodeId, variant, xds }: DemoClientOptions): string {
  return `${program} '${nodeId}' (${formNames[variant]} over ${xds.kind === 'unix' ? 'Unix socket' : 'TCP'})`;
}

async function startEnvoyClient(options: DemoClientOptions, binary: string): Promise<DemoClient> {
  const { nodeId, variant, xds, timeoutMs } = options;
  const startMs = performance.now();
  const envoy = await startEnvoy({ binary, nodeId, xds, variant });
  try {
    await envoy.waitLive(timeoutMs);
    const port = await waitFor('the listener of Envoy', timeoutMs, () => envoy.listenerPort(listenerName), [
      envoy.process,
    ]);
    const target = { host: '127.0.0.1', port };
    const firstBackend = await firstAnswer(() => target, timeoutMs);
    return {
      label: labelOf(`Envoy ${await envoy.version()}`, options),
      firstAnswerMs: performance.now() - startMs,
      firstBackend,
      target: () => target,
      waitClusterSettled: async (name, connectTimeoutMs, withinMs) => {
        const isSettled = async () => {
          const { active, warming } = await envoy.clusters();
          const timeout = await envoy.connectTimeout(name);
          return active.includes(name) && warming.length === 0 && timeout === connectTimeoutMs ? true : undefined;
        };
        await waitFor(`cluster ${name} to finish warming in Envoy`, withinMs, isSettled, [envoy.process]);
      },
      stop: () => envoy.stop(),
    };
  } catch (error) {
    await envoy.stop();
    throw error;
  }
}

async function startBuiltin(options: DemoClientOptions): Promise<DemoClient> {
  const { nodeId, variant, xds, timeoutMs } = options;
  const startMs = performance.now();
  const client = new BuiltinClient(nodeId, variant, xds);
  const target = () => client.endpointFor(listenerName);
  try {
    const firstBackend = await firstAnswer(target, timeoutMs);
    return {
      label: labelOf('built-in client', options),
      firstAnswerMs: performance.now() - startMs,
      firstBackend,
      target,
      waitClusterSettled: async (name, connectTimeoutMs, withinMs) => {
        const expected = encodeCluster(name, { connectTimeoutMs });
        const hasIt = () => (client.body(typeUrls.cluster, name)?.equals(expected) ? true : undefined);
        await waitFor(`cluster ${name} in the built-in client`, withinMs, hasIt);
      },
      stop: async () => client.stop(),
    };
  } catch (error) {
    client.stop();
    throw error;
  }
}

async function firstAnswer(target: () => HostPort | undefined, timeoutMs: number): Promise<string> {
  return await waitFor('a first HTTP answer through the client', timeoutMs, async () => {
    const to = target();
    const answer = to && (await get(to, '/'));
    return answer?.statusCode === 200 ? answer.body : undefined;
  });
}
