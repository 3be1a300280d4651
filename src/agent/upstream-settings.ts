import type { Address } from '../xds/address.ts';
import { addresses, authorities, duration, oneOf, type SettingGroup, type SettingRow } from './setting-values.ts';

/** Everything that can be set about the control plane and the streams towards it. */
export interface UpstreamSettings {
  readonly upstream: readonly Address[];
  readonly authorities: ReadonlyMap<string, readonly Address[]>;
  readonly upstreamVariant: 'auto' | 'delta' | 'sotw';
  readonly upstreamStreams: 'groups' | 'single';
  readonly failoverAfterMs: number;
  readonly stagingTimeoutMs: number;
  readonly reconnectBaseMs: number;
  readonly reconnectMaxMs: number;
  readonly startJitterMs: number;
  readonly upstreamRecycleMs: number;
}

type Row<T> = SettingRow<T> & { readonly group: SettingGroup };
type Rows = { readonly [K in keyof UpstreamSettings]: Row<UpstreamSettings[K]> };

const dayMs = 86_400_000;

/** The rows of the settings table about the control plane. */
export const upstreamRows: Rows = {
  upstream: {
    group: 'Control plane',
    placeholder: 'ADDR',
    isList: true,
    help: 'Control planes, host:port or unix:/path, the preferred one first.',
    when: 'Another one is to take over when the first is away. Several addresses of one DNS name are replicas, and need no list.',
    fallback: undefined,
    parse: addresses,
  },
  authorities: {
    group: 'Control plane',
    placeholder: 'NAME=ADDR',
    isList: true,
    help: 'Control plane for xdstp://NAME/… names, host:port or unix:/path. Several of one name are in order of preference.',
    when: 'Names with an authority come from another control plane than the rest (gRFC A47).',
    fallback: '',
    parse: authorities,
  },
  upstreamVariant: {
    group: 'Control plane',
    placeholder: 'auto|delta|sotw',
    help: 'Variant spoken upstream. auto: Delta, or SotW if the server does not know Delta.',
    when: '',
    fallback: 'auto',
    parse: oneOf('auto', 'delta', 'sotw'),
  },
  upstreamStreams: {
    group: 'Control plane',
    placeholder: 'groups|single',
    help: 'groups: what could end the stream of the rest, as MCP does, gets one of its own. single: never more than one, and no load reports.',
    when: 'The upstream allows one stream only, as the socket of Istio’s pilot-agent does: single.',
    fallback: 'groups',
    parse: oneOf('groups', 'single'),
  },
  failoverAfterMs: {
    ...time('How long the control plane in use may be away before the next one takes over.', '10s', 3_600_000, 100),
    when: 'Its restarts take longer than this, and the next one has other content.',
  },
  stagingTimeoutMs: time(
    'How long the set of another control plane is gathered, until it is whole, before it is served all the same.',
    '15s',
    600_000,
    100,
  ),
  reconnectBaseMs: time('Upper bound of the first delay before connecting again.', '500ms', 60_000, 1),
  reconnectMaxMs: time('Upper bound of every delay before connecting again.', '30s', 3_600_000, 1),
  startJitterMs: {
    ...time('Longest delay of the first connection of an agent that has a whole cache to serve.', '1s', 600_000, 0),
    when: 'Thousands of agents start at one moment: longer.',
  },
  upstreamRecycleMs: {
    ...time(
      'How long a stream is kept before it is opened anew, give or take a fifth; 0 for as long as it lasts.',
      '0',
      dayMs,
      0,
    ),
    when: 'Replicas of the control plane come and go, and nothing else spreads long-lived streams over them.',
  },
};

function time(help: string, fallback: string, max: number, min: number): Row<number> {
  return {
    group: 'Control plane',
    placeholder: 'TIME',
    help,
    when: '',
    fallback,
    parse: text => duration(text, min, max),
  };
}
