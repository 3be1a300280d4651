import type { MatchField } from '../xds/node.ts';
import { matchFields } from './cache-settings.ts';
import { type ListenerSettings, listeners } from './listener-settings.ts';
import { duration, nonEmpty, oneOf, type SettingGroup, type SettingRow, size, wholeNumber } from './setting-values.ts';
import type { TokenReviewSettings } from './token-review.ts';

/** Everything that can be set about who may come, as which node, and how much of it. */
export interface AccessSettings extends TokenReviewSettings {
  readonly nodeSharing: 'refuse' | 'shared' | 'stream-per-node';
  readonly nodeShareBy: readonly MatchField[] | undefined;
  readonly nodesMax: number;
  readonly nodeLingerMs: number;
  readonly nodeKeepMs: number;
  readonly listeners: readonly ListenerSettings[];
  readonly listenTlsCert: string | undefined;
  readonly listenTlsKey: string | undefined;
  readonly listenTlsClientCa: string | undefined;
  readonly sdsOverTcp: 'allow' | 'refuse';
  readonly viewsPerNodeMax: number;
  /** Undefined for what fits the mode. */
  readonly namesPerPeerMax: number | undefined;
  readonly clientStreamsPerPeerMax: number;
  readonly requestsPerSecondMax: number;
  readonly requestBurstMax: number;
  readonly sideStreamsMax: number;
  readonly statusBytesMax: number;
}

type Row<T> = SettingRow<T> & { readonly group: SettingGroup };
type Rows = { readonly [K in keyof AccessSettings]: Row<AccessSettings[K]> };

/** The rows of the settings table about access to the local endpoint. */
export const accessRows: Rows = {
  nodeSharing: {
    group: 'Identity',
    placeholder: 'MODE',
    help: 'refuse: one node only. stream-per-node: each node has its own upstream stream and sees its own. shared: all see the same.',
    when: 'Several nodes use one agent, as on a Kubernetes node: stream-per-node. They may all see the same, secrets included, by your choice: shared.',
    fallback: 'refuse',
    parse: oneOf('refuse', 'shared', 'stream-per-node'),
  },
  nodeShareBy: {
    group: 'Identity',
    placeholder: 'FIELD',
    isList: true,
    help: 'With node-sharing shared: only nodes equal in these parts share: id, cluster, locality, metadata, metadata.KEY.',
    when: 'The control plane tailors its answers by these parts and by nothing else.',
    fallback: undefined,
    parse: matchFields,
  },
  nodeLingerMs: time(
    'Identity',
    'How long a node without clients keeps its upstream stream, where there are several.',
    '5m',
    'Nodes come back later than this: longer. The control plane counts streams: shorter.',
  ),
  nodeKeepMs: time(
    'Identity',
    'How long after that its configuration stays in memory; on disk it stays longer.',
    '30m',
    'Memory is short: shorter.',
  ),
  listeners: {
    group: 'Addresses',
    placeholder: 'JSON',
    help: 'Addresses with TLS and rules of their own: {"address", "tls": {"cert", "key", "clientCa"}, "allow": [{"name", "ids"}]}, … Easier in the file.',
    when: 'Several nodes live on one machine: one socket, or one certificate, for each node.',
    fallback: '',
    parse: listeners,
  },
  listenTlsCert: file(
    'Certificate chain (PEM) for the TCP addresses of --listen. Read again when the file changes.',
    'Clients connect over a network.',
  ),
  listenTlsKey: file('Its private key (PEM).', 'Along with the certificate.'),
  listenTlsClientCa: file(
    'CA bundle (PEM) that client certificates are checked by; clients without one are refused.',
    'An address can be reached from outside: always.',
  ),
  tokenReviewUrl: {
    group: 'Identity',
    placeholder: 'URL',
    help: 'Kubernetes API server that reviews clients’ tokens, for listeners with tokenReview.',
    when: 'The API server has another name than in a pod.',
    fallback: 'https://kubernetes.default.svc',
    parse: text =>
      /^https:\/\/[^/]+\/?$/.test(text) ? { value: text } : { error: 'is no address such as https://host:port' },
  },
  tokenReviewCa: path(
    'CA bundle (PEM) of that API server.',
    '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
    'Weir runs outside a pod, or another API server is asked.',
  ),
  tokenReviewTokenFile: path(
    'Token that Weir uses there; its account needs system:auth-delegator.',
    '/var/run/secrets/kubernetes.io/serviceaccount/token',
    'Weir runs outside a pod, or another account asks.',
  ),
  tokenReviewAudience: {
    group: 'Identity',
    placeholder: 'NAME',
    help: 'Audience that clients’ tokens have to be for.',
    when: 'Pods use projected tokens made for Weir, which nobody else accepts.',
    fallback: undefined,
    parse: nonEmpty,
  },
  sdsOverTcp: {
    group: 'Addresses',
    placeholder: 'allow|refuse',
    help: 'Whether secrets are served on loopback TCP without TLS, where every process of the machine may ask.',
    when: 'Others share the network namespace: refuse, and use a socket or mTLS.',
    fallback: 'allow',
    parse: oneOf('allow', 'refuse'),
  },
  nodesMax: count(
    'Nodes served at once, with stream-per-node.',
    '512',
    100_000,
    'A machine has more pods: higher. Memory is short: lower.',
  ),
  viewsPerNodeMax: count(
    'Nodes with one id and other metadata or locality that are served at once at one address, with stream-per-node.',
    '4',
    100_000,
    'A node’s metadata changes at each restart, and old ones are in the way: lower.',
  ),
  namesPerPeerMax: {
    group: 'Limits',
    placeholder: 'N|auto',
    help: 'Names that all streams of one client may ask for together. auto: 500000 with stream-per-node, where a client is one Envoy, else 4000000.',
    when: 'A name costs up to a kilobyte, and clients may ask for whatever they like: lower.',
    fallback: 'auto',
    parse: text => (text === 'auto' ? { value: undefined } : wholeNumber(text, 1_000_000_000)),
  },
  clientStreamsPerPeerMax: count(
    'Streams of one client: of one node id at one address.',
    '2048',
    1_000_000,
    'Clients are not trusted: lower.',
  ),
  requestsPerSecondMax: count(
    'Requests a second from one client, in the long run.',
    '500',
    1_000_000,
    'Clients with reason to are cut off: higher. They are not trusted: lower.',
  ),
  requestBurstMax: count(
    'Requests that one client may send at once beyond that; a new stream counts as ten, long lists of names as several.',
    '50000',
    10_000_000,
    'Clients with reason to are cut off at their start: higher.',
  ),
  sideStreamsMax: count(
    'Calls of health, reflection, load reports and client status that are open at one listener.',
    '256',
    100_000,
    'Many clients report load: higher.',
  ),
  statusBytesMax: {
    group: 'Limits',
    placeholder: 'SIZE',
    help: 'Largest answer of the client status service (CSDS), and of all that nobody has read yet.',
    when: 'CSDS is refused as too large: higher.',
    fallback: '64MiB',
    parse: size,
  },
};

function time(group: SettingGroup, help: string, fallback: string, when: string): Row<number> {
  return { group, placeholder: 'TIME', help, when, fallback, parse: text => duration(text, 0, 86_400_000) };
}

function file(help: string, when: string): Row<string | undefined> {
  return { group: 'Addresses', placeholder: 'FILE', help, when, fallback: undefined, parse: nonEmpty };
}

function path(help: string, fallback: string, when: string): Row<string> {
  return { group: 'Identity', placeholder: 'FILE', help, when, fallback, parse: nonEmpty };
}

function count(help: string, fallback: string, max: number, when: string): Row<number> {
  return { group: 'Limits', placeholder: 'N', help, when, fallback, parse: text => wholeNumber(text, max) };
}
