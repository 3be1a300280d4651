import { startEnvoy } from '../../src/demo/envoy-process.ts';
import { payloadsAt } from '../../src/demo/proto.ts';
import { endpointsNameOf, routeNamesOf, typeUrls } from '../../src/demo/resources.ts';
import type { TestResource } from './messages.ts';
import { type Cleanup, RawClient } from './raw-client.ts';

/** What Envoy 1.40 says of a cluster whose connect timeout is zero: it quotes the cluster before it comes to the reason. */
const envoyWords = (name: string): string =>
  `goo.gle/debugonly name: "${name}" type: EDS connect_timeout { } : Proto constraint validation failed (ClusterValidationError.ConnectTimeout: value must be greater than 0s)`;

/**
 * Starts a client of everything: an Envoy, or where there is none a client that asks, takes and rejects as Envoy does.
 *
 * @param envoy path of Envoy
 * @param port of the agent on loopback
 */
export async function startTutorialClient(
  context: Cleanup,
  envoy: string | undefined,
  nodeId: string,
  port: number,
): Promise<void> {
  if (envoy === undefined) likeEnvoy(context, nodeId, `127.0.0.1:${port}`);
  else {
    const xds = { kind: 'tcp', host: '127.0.0.1', port } as const;
    const running = await startEnvoy({ binary: envoy, nodeId, xds, variant: 'delta' });
    context.after(() => running.stop());
  }
}

/** How soon a lost stream is opened again, in ms. */
const reconnectMs = 50;

/** Connects, and again whenever the stream ends. */
function likeEnvoy(context: Cleanup, nodeId: string, address: string): void {
  const asked = new Set<string>();
  const client: RawClient = new RawClient(context, address, 'delta', {
    acks: false,
    heard: ({ typeUrl, nonce, resources }) => {
      const bad = typeUrl === typeUrls.cluster ? resources.filter(isTimeoutZero).map(one => one.name) : [];
      // Names that follow from a response are asked for before it is acknowledged (R41).
      for (const { name, body } of resources) if (!bad.includes(name)) follow(typeUrl, body);
      client.ask({ typeUrl, nonce, ...(bad.length > 0 && { error: envoyWords(bad.join(', ')) }) });
    },
  });
  const follow = (typeUrl: string, body: Buffer): void => {
    const [child, found] =
      typeUrl === typeUrls.cluster
        ? [typeUrls.endpoints, [endpointsNameOf(body)]]
        : [typeUrls.routes, typeUrl === typeUrls.listener ? routeNamesOf(body) : []];
    const names = found.filter(name => !asked.has(`${child} ${name}`));
    for (const name of names) asked.add(`${child} ${name}`);
    if (names.length > 0) client.ask({ typeUrl: child, names });
  };
  client.ask({ typeUrl: typeUrls.cluster, nodeId, names: ['*'] });
  client.ask({ typeUrl: typeUrls.listener, names: ['*'] });
  const timer = setInterval(() => {
    if (!client.status) return;
    clearInterval(timer);
    likeEnvoy(context, nodeId, address);
  }, reconnectMs);
  context.after(() => clearInterval(timer));
}

/** Whether `connect_timeout` is there and says nothing. */
function isTimeoutZero({ body }: TestResource): boolean {
  return payloadsAt(body, 4).some(timeout => timeout.length === 0 || timeout.every(byte => byte === 0 || byte === 8));
}
