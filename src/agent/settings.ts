import { type Address, isLocalOnly, parseAddress } from '../xds/address.ts';
import { type AccessSettings, accessRows } from './access-settings.ts';
import type { AckMode } from './ack-ledger.ts';
import { type CacheSettings, cacheRows } from './cache-settings.ts';
import { type LimitSettings, limitRows } from './limit-settings.ts';
import { type LogLevel, logLevels } from './log-levels.ts';
import { type ScopesSettings, scopeRows } from './scope-settings.ts';
import { addresses, duration, nonEmpty, oneOf, type SettingGroup, type SettingRow } from './setting-values.ts';
import { type UpstreamSettings, upstreamRows } from './upstream-settings.ts';

/** Everything that can be set, resolved. */
export interface Settings extends UpstreamSettings, LimitSettings, CacheSettings, AccessSettings, ScopesSettings {
  readonly listen: readonly Address[];
  readonly socketMode: number;
  readonly admin: Address;
  readonly health: readonly Address[];
  readonly nodeId: string | undefined;
  readonly nodeCluster: string | undefined;
  readonly nodeRegion: string | undefined;
  readonly nodeZone: string | undefined;
  readonly nodeSubZone: string | undefined;
  readonly nodeMetadata: Readonly<Record<string, unknown>> | undefined;
  readonly nodeExtensions: 'keep' | 'drop';
  readonly ack: AckMode;
  readonly ackWaitMs: number;
  readonly lingerMs: number;
  readonly drainTimeoutMs: number;
  readonly readyGraceMs: number;
  readonly completeQuietMs: number;
  readonly absentQuietMs: number;
  readonly absentTimeoutMs: number;
  readonly removalHoldMs: number;
  readonly warmHoldMs: number;
  readonly grpcUnansweredTimeoutMs: number;
  readonly logLevel: LogLevel;
  readonly logFormat: 'auto' | 'json' | 'pretty';
}

/** One row of the settings table: help, documentation and validation are made of it. */
export interface SettingSpec<K extends keyof Settings = keyof Settings> extends SettingRow<Settings[K]> {
  readonly key: K;
  /** Heading in the help and the reference. */
  readonly group: SettingGroup;
}

type Rows = {
  readonly [K in Exclude<
    keyof Settings,
    keyof UpstreamSettings | keyof LimitSettings | keyof CacheSettings | keyof AccessSettings | keyof ScopesSettings
  >]: Omit<SettingSpec<K>, 'key'>;
};

const rows: Rows = {
  listen: {
    group: 'Addresses',
    placeholder: 'ADDR',
    isList: true,
    help: 'Where local clients connect: host:port or unix:/path; 127.0.0.1:15910 if nothing is set here or under listeners.',
    when: 'The clients can use a Unix socket, which file mode and directory protect. Others than loopback need mTLS.',
    fallback: '',
    parse: text => (text === '' ? { value: [] } : addresses(text)),
  },
  socketMode: {
    group: 'Addresses',
    placeholder: 'OCTAL',
    help: 'File mode of the Unix sockets that local clients use.',
    when: 'Envoy runs as another user than Weir: 0660 with a common group.',
    fallback: '0600',
    parse: text => {
      const digits = /^(?:0o)?([0-7]{3,4})$/.exec(text)?.[1];
      if (digits !== undefined) return { value: Number.parseInt(digits, 8) };
      return { error: 'is no file mode such as 0600' };
    },
  },
  admin: {
    group: 'Addresses',
    placeholder: 'ADDR',
    help: 'Admin pages: health, /metrics, /config_dump. Loopback or a socket only.',
    when: 'Something else listens there, or other containers of the pod should not reach it: unix:/path.',
    fallback: '127.0.0.1:15920',
    parse: text => {
      const parsed = parseAddress(text);
      if ('error' in parsed) return { error: parsed.error };
      if (isLocalOnly(parsed)) return { value: parsed };
      return {
        error: `must be loopback or a socket, not ${text}; --health serves probes and metrics on other addresses`,
      };
    },
  },
  health: {
    group: 'Addresses',
    placeholder: 'ADDR',
    isList: true,
    help: 'Further addresses for /healthz/* and /metrics only, such as the pod IP.',
    when: 'kubelet or Prometheus have to reach the agent.',
    fallback: '',
    parse: text => (text === '' ? { value: [] } : addresses(text)),
  },
  nodeId: {
    group: 'Identity',
    placeholder: 'ID',
    help: 'node.id for the control plane. Without it the first client’s Node is used.',
    when: 'The control plane must see one identity whatever connects.',
    fallback: undefined,
    parse: nonEmpty,
  },
  nodeCluster: identityRow(
    'NAME',
    'node.cluster for the control plane; needs a node id.',
    'The control plane groups its clients by it.',
  ),
  nodeRegion: identityRow(
    'NAME',
    'node.locality.region; needs a node id.',
    'The control plane prefers endpoints that are near.',
  ),
  nodeZone: identityRow('NAME', 'node.locality.zone; needs a node id.', 'As with the region.'),
  nodeSubZone: identityRow('NAME', 'node.locality.sub_zone; needs a node id.', 'As with the region.'),
  nodeMetadata: {
    group: 'Identity',
    placeholder: 'JSON',
    help: 'node.metadata as a JSON object; needs a node id.',
    when: 'The control plane answers by it, and the clients’ own must not count.',
    fallback: undefined,
    parse: text => {
      try {
        const value: unknown = JSON.parse(text);
        if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { value: { ...value } };
      } catch {
        // Said below: the parser's own words quote the text, which may hold anything.
      }
      return { error: 'is no JSON object such as {"region":"eu"}' };
    },
  },
  nodeExtensions: {
    group: 'Identity',
    placeholder: 'keep|drop',
    help: 'Whether Envoy’s list of its extensions, about 60 kB, is sent to the control plane.',
    when: 'The control plane does not look at it: drop.',
    fallback: 'keep',
    parse: oneOf('keep', 'drop'),
  },
  ack: {
    group: 'Behaviour',
    placeholder: 'MODE',
    help: 'clients: one rejection is passed on. first, quorum, all: the first word, most, or all that answer decide. receipt: at once.',
    when: 'One odd client must not speak for all: quorum. The control plane must not wait: receipt, which hides rejections from it.',
    fallback: 'clients',
    parse: oneOf('clients', 'first', 'quorum', 'all', 'receipt'),
  },
  ackWaitMs: millis(
    'Behaviour',
    'Longest wait for the clients’ answers.',
    '1s',
    10_000,
    0,
    'Clusters warm slowly, so that Envoy answers late, and the control plane should hear its word.',
  ),
  lingerMs: millis(
    'Behaviour',
    'How long names stay subscribed after their last client left.',
    '1m',
    86_400_000,
    0,
    'Envoy takes longer than this to restart.',
  ),
  drainTimeoutMs: millis(
    'Behaviour',
    'How long a stop may take before connections are cut.',
    '5s',
    600_000,
    0,
    'Clients need longer to go elsewhere. Keep it below the pod’s terminationGracePeriodSeconds.',
  ),
  readyGraceMs: millis(
    'Behaviour',
    'When an agent without client or upstream is ready all the same.',
    '30s',
    3_600_000,
    0,
    'A pod may wait longer for its control plane before it counts as ready without one: longer.',
  ),
  completeQuietMs: millis(
    'Protocol timing',
    'Least silence that ends a first Delta answer, which may come in parts.',
    '100ms',
    10_000,
    1,
    'The control plane pauses longer than this in the middle of its first answer, and clients start with a part.',
  ),
  absentQuietMs: millis(
    'Protocol timing',
    'Silence after which an unanswered name may be taken for missing.',
    '200ms',
    60_000,
    1,
    'The control plane answers names much later than others, and names are reported missing that then come: longer.',
  ),
  absentTimeoutMs: millis(
    'Protocol timing',
    'The resource timer of xDS.',
    '15s',
    600_000,
    1,
    'The control plane needs longer for its first answer under load: longer.',
  ),
  removalHoldMs: millis(
    'Protocol timing',
    'How long removals of clusters wait for listeners and routes.',
    '100ms',
    10_000,
    0,
    'Requests fail when clusters are removed, since routes arrive later than this: longer.',
  ),
  warmHoldMs: millis(
    'Protocol timing',
    'How long listeners and routes wait for endpoints of new clusters.',
    '1s',
    10_000,
    0,
    'Endpoints of new clusters come later than this, and requests fail until then: longer.',
  ),
  grpcUnansweredTimeoutMs: millis(
    'Protocol timing',
    'When a gRPC client that nothing can be told, with the control plane away, is sent off to try again.',
    '5s',
    14_000,
    100,
    'gRPC clients should wait longer before they try again. At 15 s they take what is unanswered for missing.',
  ),
  logLevel: {
    group: 'Logs',
    placeholder: 'LEVEL',
    help: 'trace, debug, info, warn, error or silent.',
    when: 'While something is looked for: debug.',
    fallback: 'info',
    parse: oneOf(...logLevels),
  },
  logFormat: {
    group: 'Logs',
    placeholder: 'auto|json|pretty',
    help: 'JSON lines, or readable ones (auto: readable on a terminal).',
    when: 'Lines are to be read by people in a container’s log: pretty.',
    fallback: 'auto',
    parse: oneOf('auto', 'json', 'pretty'),
  },
};

/** The settings table, in the order of the documentation. */
export const settingSpecs: readonly SettingSpec[] = [
  ...Object.entries(upstreamRows),
  ...Object.entries(rows),
  ...Object.entries(limitRows).map(([key, row]) => [key, { group: 'Limits', ...row }] as const),
  ...Object.entries(accessRows),
  ...Object.entries(scopeRows).map(([key, row]) => [key, { group: 'Isolation', ...row }] as const),
  ...Object.entries(cacheRows).map(([key, row]) => [key, { group: 'Cache', ...row }] as const),
].map(
  // The key and its row belong together by the type of the rows; entries() forgets it.
  ([key, row]) => ({ key, ...row }) as unknown as SettingSpec,
);

/** Name in kebab-case without unit: `lingerMs` is `linger`, since its value carries the unit. */
function plainName(key: string): string {
  return key.replace(/Ms$/, '').replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}

/** The flag of a setting, such as `--node-id`. */
export function flagOf(key: keyof Settings): string {
  return `--${plainName(key)}`;
}

/** The environment variable of a setting, such as `WEIR_NODE_ID`. */
export function environmentOf(key: keyof Settings): string {
  return `WEIR_${plainName(key).replaceAll('-', '_').toUpperCase()}`;
}

/** The key of a setting in the YAML file, such as `node.id` or `nodeSharing`. */
export function fileKeyOf(key: keyof Settings): string {
  const nested = /^node(Id|Cluster|Metadata)$/.exec(key)?.[1];
  if (nested !== undefined) return `node.${nested.toLowerCase()}`;
  const locality = /^node(Region|Zone|SubZone)$/.exec(key)?.[1];
  if (locality !== undefined) return `node.locality.${locality[0]?.toLowerCase()}${locality.slice(1)}`;
  const cache = /^cache(Match|LockWait|BytesMax)/.exec(key)?.[1];
  if (cache !== undefined) return `cache.${cache[0]?.toLowerCase()}${cache.slice(1)}`;
  return key.replace(/Ms$/, '');
}

function identityRow(placeholder: string, help: string, when: string): Omit<SettingSpec<'nodeCluster'>, 'key'> {
  return { group: 'Identity', placeholder, help, when, fallback: undefined, parse: nonEmpty };
}

function millis(
  group: SettingGroup,
  help: string,
  fallback: string,
  max: number,
  min: number,
  when: string,
): Omit<SettingSpec<'lingerMs'>, 'key'> {
  return { group, placeholder: 'TIME', help, when, fallback, parse: text => duration(text, min, max) };
}
