import type { Address } from '../xds/address.ts';
import {
  addresses,
  authorities,
  duration,
  headers,
  nonEmpty,
  oneOf,
  type SettingGroup,
  type SettingRow,
} from './setting-values.ts';

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
  readonly driftCheckMs: number;
  readonly upstreamKeepaliveMs: number;
  readonly upstreamKeepaliveTimeoutMs: number;
  readonly upstreamTlsCa: string | undefined;
  readonly upstreamTlsCert: string | undefined;
  readonly upstreamTlsKey: string | undefined;
  readonly upstreamTlsServerName: string | undefined;
  readonly upstreamTlsSan: readonly string[];
  readonly upstreamTlsMinVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly upstreamTokenFile: string | undefined;
  readonly upstreamHeaders: ReadonlyMap<string, string>;
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
    when: 'The control plane’s Delta has a fault: sotw.',
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
  failoverAfterMs: time(
    'How long the control plane in use may be away before the next one takes over.',
    '10s',
    3_600_000,
    100,
    'Its restarts take longer than this, and the next one has other content.',
  ),
  stagingTimeoutMs: time(
    'How long the set of another control plane is gathered, until it is whole, before it is served all the same.',
    '15s',
    600_000,
    100,
    'The next control plane needs longer to say everything.',
  ),
  reconnectBaseMs: time(
    'Upper bound of the first delay before connecting again.',
    '500ms',
    60_000,
    1,
    'Thousands of agents come back after short outages: longer.',
  ),
  reconnectMaxMs: time(
    'Upper bound of every delay before connecting again.',
    '30s',
    3_600_000,
    1,
    'The control plane bears more attempts and its return should be noticed sooner: shorter. Thousands of agents: longer.',
  ),
  startJitterMs: time(
    'Longest delay of the first connection of an agent that has a whole cache to serve.',
    '1s',
    600_000,
    0,
    'Thousands of agents start at one moment: longer.',
  ),
  upstreamRecycleMs: time(
    'How long a stream is kept before it is opened anew, give or take a fifth; 0 for as long as it lasts.',
    '0',
    dayMs,
    0,
    'Replicas of the control plane come and go, and nothing else spreads long-lived streams over them.',
  ),
  driftCheckMs: time(
    'How often what is held is compared with a fresh fetch of everything, give or take a fifth; 0 for when weir drift is run.',
    '0',
    7 * dayMs,
    0,
    'Somebody must be told of a cache that has drifted. Each check costs the control plane a full push on a second stream.',
  ),
  upstreamKeepaliveMs: time(
    'How often the connection is pinged, so that one that is dead is noticed; rarer where the server complains.',
    '30s',
    dayMs,
    10_000,
    'A proxy in between drops idle connections sooner, or the server allows pings more rarely and you want to spare it the complaint.',
  ),
  upstreamKeepaliveTimeoutMs: time(
    'How long the answer to a ping may take.',
    '10s',
    600_000,
    100,
    'The network is slow to answer: longer. A dead connection has to be found sooner: shorter.',
  ),
  upstreamTlsCa: {
    ...file(
      'CA bundle (PEM) that the control plane’s certificate is checked by, or system; turns TLS on for TCP addresses. Read at each dial.',
      'The control plane is reached over a network: always.',
    ),
    placeholder: 'FILE|system',
  },
  upstreamTlsCert: file(
    'Client certificate chain (PEM) for mTLS. Read at each dial, so a rotation needs no restart.',
    'The control plane asks for client certificates.',
  ),
  upstreamTlsKey: file('Its private key (PEM).', 'Along with the certificate.'),
  upstreamTlsServerName: {
    ...file(
      'Name that the control plane’s certificate is checked for, and that is asked for (SNI); else the host of the address.',
      'The address is an IP address, a tunnel or a load balancer that the certificate does not name.',
    ),
    placeholder: 'NAME',
  },
  upstreamTlsSan: {
    group: 'Control plane',
    placeholder: 'NAME',
    isList: true,
    help: 'Alternative names of the control plane’s certificate, one of which it must have in place of the host’s name.',
    when: 'It has a SPIFFE identity: spiffe://cluster.local/ns/istio-system/sa/istiod.',
    fallback: '',
    parse: text => ({ value: text === '' ? [] : text.split(',').map(one => one.trim()) }),
  },
  upstreamTlsMinVersion: {
    group: 'Control plane',
    placeholder: 'TLSv1.2|TLSv1.3',
    help: 'Oldest version of TLS that is spoken with the control plane.',
    when: 'Your rules ask for TLS 1.3.',
    fallback: 'TLSv1.2',
    parse: oneOf('TLSv1.2', 'TLSv1.3'),
  },
  upstreamTokenFile: file(
    'Bearer token for the control plane, such as a projected service account token. Read at each stream.',
    'The control plane knows its clients by tokens.',
  ),
  upstreamHeaders: {
    group: 'Control plane',
    placeholder: 'NAME=VALUE',
    isList: true,
    help: 'Headers that streams to the control plane carry.',
    when: 'It asks for some, as istiod does for clusterid.',
    fallback: '',
    parse: headers,
  },
};

function time(help: string, fallback: string, max: number, min: number, when: string): Row<number> {
  return {
    group: 'Control plane',
    placeholder: 'TIME',
    help,
    when,
    fallback,
    parse: text => duration(text, min, max),
  };
}

function file(help: string, when: string): Row<string | undefined> {
  return { group: 'Control plane', placeholder: 'FILE', help, when, fallback: undefined, parse: nonEmpty };
}
