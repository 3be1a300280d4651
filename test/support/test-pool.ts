import { ConnectionPool, type ConnectionSettings, type Identification } from '../../src/upstream/connection-pool.ts';
import { UpstreamCredentials } from '../../src/upstream/credentials.ts';

const plain: Identification = new UpstreamCredentials(
  { tls: undefined, serverName: undefined, sans: [], tokenFile: undefined, headers: new Map() },
  () => undefined,
  () => undefined,
);

/** A pool with the settings of production, in plain text. */
export function testPool(settings: Partial<ConnectionSettings> = {}, identification = plain): ConnectionPool {
  return new ConnectionPool(
    {
      responseBytesMax: 1 << 20,
      upstreamKeepaliveMs: 30_000,
      upstreamKeepaliveTimeoutMs: 10_000,
      upstreamRecycleMs: 0,
      ...settings,
    },
    identification,
  );
}
