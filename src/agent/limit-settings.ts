import { duration, type SettingRow, size, wholeNumber } from './setting-values.ts';

/** How much is held and waited for at most, whoever asks: sizes in bytes, times in ms. */
export interface LimitSettings {
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
  readonly responseBytesInFlightMax: number;
  readonly clientStreamsMax: number;
  readonly clientStreamsPerConnectionMax: number;
  readonly namesPerTypeMax: number;
  readonly nameBytesMax: number;
  readonly nodeBytesMax: number;
  readonly typesPerStreamMax: number;
  readonly typesPerViewMax: number;
  readonly resourcesPerTypeMax: number;
  readonly viewBytesMax: number;
  readonly idleResourcesMax: number;
  readonly clientProgressTimeoutMs: number;
  readonly firstRequestTimeoutMs: number;
}

type Rows = { readonly [K in keyof LimitSettings]: SettingRow<LimitSettings[K]> };

/** The rows of the settings table about limits. */
export const limitRows: Rows = {
  requestBytesMax: bytes(
    'Largest request from a client.',
    '16MiB',
    'Clients with very many names are refused as too large: higher.',
  ),
  responseBytesMax: bytes('Largest response from the control plane.', '256MiB', 'The log names this setting: higher.'),
  responseBytesInFlightMax: bytes(
    'Bytes on their way to all clients together.',
    '64MiB',
    'Memory is short and lists are large: lower. Many clients are to be filled at once: higher.',
  ),
  clientStreamsMax: count(
    'Client streams open at once. Of several listeners each has its share.',
    '4096',
    1_000_000,
    'An agent serves thousands of clients: higher. Envoys with services per type open several each.',
  ),
  clientStreamsPerConnectionMax: count(
    'Streams on one client connection.',
    '2048',
    1_000_000,
    'A proxy in between puts many clients on one connection: higher.',
  ),
  namesPerTypeMax: count(
    'Names that one stream may ask for of one type.',
    '100000',
    10_000_000,
    'A client has more clusters than this: higher. Clients are not trusted: lower.',
  ),
  nameBytesMax: bytes(
    'Longest resource name, version or nonce in a request.',
    '4KiB',
    'Names are longer, as xdstp:// names with many parameters can be.',
  ),
  nodeBytesMax: bytes('Largest node in a request. Envoy’s has 61 kB.', '1MiB', 'Nodes carry more metadata than this.'),
  typesPerStreamMax: count('Types on one client stream.', '64', 10_000, 'Clients are not trusted: lower.'),
  typesPerViewMax: count(
    'Types that all clients together may ask for.',
    '256',
    10_000,
    'Clients are not trusted: lower.',
  ),
  resourcesPerTypeMax: count(
    'Resources of one type, in one response and held for one node.',
    '1000000',
    100_000_000,
    'The control plane has more: higher. Memory is short: lower, so that the answer is refused and not the process ended.',
  ),
  viewBytesMax: bytes(
    'Resource bodies held for one node.',
    '1GiB',
    'The container’s memory limit is lower than this: lower.',
  ),
  idleResourcesMax: count(
    'Resources kept that nobody subscribes at the moment.',
    '10000',
    10_000_000,
    'Envoys restart often and have more resources than this: higher.',
  ),
  clientProgressTimeoutMs: time(
    'A client that takes nothing for so long is cut off.',
    '30s',
    3_600_000,
    100,
    'Clients stand still for longer, as while they are debugged: longer.',
  ),
  firstRequestTimeoutMs: time(
    'A client that says nothing for so long is cut off.',
    '10s',
    3_600_000,
    100,
    'Clients connect long before they ask.',
  ),
};

function bytes(help: string, fallback: string, when: string): SettingRow<number> {
  return { placeholder: 'SIZE', help, when, fallback, parse: size };
}

function count(help: string, fallback: string, max: number, when: string): SettingRow<number> {
  return { placeholder: 'N', help, when, fallback, parse: text => wholeNumber(text, max) };
}

function time(help: string, fallback: string, max: number, min: number, when: string): SettingRow<number> {
  return { placeholder: 'TIME', help, when, fallback, parse: text => duration(text, min, max) };
}
