import type { SecretsMode } from '../cache/secrets.ts';
import type { MatchField } from '../xds/node.ts';
import { traitsOf } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { MaxAge } from './freshness.ts';
import { duration, nonEmpty, oneOf, type Parsed, type SettingRow, size, wholeNumber } from './setting-values.ts';

/** Everything that can be set about what is kept outside the process, and how it is trusted. */
export interface CacheSettings {
  readonly cacheDir: string | undefined;
  readonly cacheMatch: readonly MatchField[];
  readonly cacheLockWaitMs: number;
  readonly cacheBytesMax: number;
  readonly secrets: SecretsMode;
  readonly allowPlainSecrets: boolean;
  /** 32 bytes. */
  readonly secretsKey: Buffer | undefined;
  readonly secretsKeyFile: string | undefined;
  readonly secretsOldKeyFile: string | undefined;
  readonly startup: 'prefer-cache' | 'prefer-upstream';
  readonly startupGraceMs: number;
  readonly restoredLingerMs: number;
  readonly resume: boolean;
  readonly guard: 'off' | 'warn' | 'hold';
  readonly guardGraceMs: number;
  readonly guardWindowMs: number;
  readonly guardPercent: number;
  readonly maxAge: ReadonlyMap<string, MaxAge>;
  readonly seed: string | undefined;
  readonly seedVerifyKeyFile: string | undefined;
  readonly seedTlsCa: string | undefined;
  readonly seedTimeoutMs: number;
  readonly seedBytesMax: number;
  readonly seedResourcesMax: number;
}

type Rows = { readonly [K in keyof CacheSettings]: SettingRow<CacheSettings[K]> };

/** The rows of the settings table that belong to the cache. */
export const cacheRows: Rows = {
  cacheDir: {
    placeholder: 'DIR',
    help: 'Where the disk cache and the admin socket are kept, in a directory weir of its own. Without it nothing survives a restart.',
    when: 'Always, but where nothing may be written.',
    fallback: undefined,
    parse: nonEmpty,
  },
  cacheMatch: {
    placeholder: 'FIELD',
    isList: true,
    help: 'Parts of the node by which a cache is found again: id, cluster, locality, metadata (without IP addresses), metadata.KEY.',
    when: 'Pods get other ids at each start: name what they have in common, such as cluster.',
    fallback: 'id,cluster,metadata',
    parse: matchFields,
  },
  cacheLockWaitMs: time(
    'How long to wait for another process that still holds the cache, such as a pod that is ending.',
    '30s',
    0,
    3_600_000,
    'A pod that ends takes longer than this: longer. An agent that cannot have its cache should end at once: 0.',
  ),
  cacheBytesMax: {
    placeholder: 'SIZE',
    help: 'Largest cache file. Nodes not seen for longest make room; past it the disk is not written any more.',
    when: 'The volume is smaller than this: lower.',
    fallback: '1GiB',
    parse: size,
  },
  secrets: {
    placeholder: 'MODE',
    help: 'memory: secrets and private keys never reach the disk. encrypted: with --secrets-key-file or WEIR_SECRETS_KEY. plain: as they are.',
    when: 'TLS listeners have to come up during an outage: encrypted.',
    fallback: 'memory',
    parse: oneOf('memory', 'encrypted', 'plain'),
  },
  allowPlainSecrets: {
    placeholder: 'yes|no',
    help: 'Allow --secrets plain.',
    when: 'The disk itself is encrypted, and you answer for it.',
    fallback: 'no',
    parse: yesNo,
  },
  secretsKey: {
    placeholder: 'KEY',
    isEnvironmentOnly: true,
    help: 'Key for --secrets encrypted: 64 hex digits. Only as a variable, since command lines and files are seen by many.',
    when: 'Your platform hands out secrets as variables.',
    fallback: undefined,
    // No raw bytes: 32 letters that somebody made up are no key.
    parse: text =>
      /^[0-9a-fA-F]{64}$/.test(text) ? { value: Buffer.from(text, 'hex') } : { error: 'must be 64 hex digits' },
  },
  secretsKeyFile: {
    placeholder: 'FILE',
    help: 'Key for --secrets encrypted: 32 raw bytes or 64 hex digits. Not in the cache directory.',
    when: 'With --secrets encrypted.',
    fallback: undefined,
    parse: nonEmpty,
  },
  secretsOldKeyFile: {
    placeholder: 'FILE',
    help: 'The key used before, which still opens what it sealed; that is sealed anew.',
    when: 'While a key is changed.',
    fallback: undefined,
    parse: nonEmpty,
  },
  startup: {
    placeholder: 'MODE',
    help: 'prefer-cache: serve what is cached at once. prefer-upstream: wait for the control plane first, up to --startup-grace.',
    when: 'Old configuration for a moment is worse than a slower start: prefer-upstream.',
    fallback: 'prefer-cache',
    parse: oneOf('prefer-cache', 'prefer-upstream'),
  },
  startupGraceMs: time(
    'How long prefer-upstream waits.',
    '5s',
    0,
    600_000,
    'With prefer-upstream, when the control plane answers more slowly.',
  ),
  restoredLingerMs: time(
    'How long what was cached is kept current before a client asks for it.',
    '5m',
    0,
    86_400_000,
    'Clients start much later than Weir: longer.',
  ),
  resume: {
    placeholder: 'on|off',
    help: 'Tell the control plane what is held, so that it sends differences only (Delta).',
    when: 'The control plane counts versions from the beginning at each start: off.',
    fallback: 'on',
    parse: text => {
      const parsed = oneOf('on', 'off')(text);
      return 'error' in parsed ? parsed : { value: parsed.value === 'on' };
    },
  },
  guard: {
    placeholder: 'off|warn|hold',
    help: 'When listeners or clusters vanish right after a connect: say so, or keep the old ones for --guard-grace.',
    when: 'The control plane answers before it knows everything: hold.',
    fallback: 'warn',
    parse: oneOf('off', 'warn', 'hold'),
  },
  guardGraceMs: time(
    'How long the guard keeps the old set.',
    '30s',
    1,
    3_600_000,
    'A person should have time to look: longer.',
  ),
  guardWindowMs: time(
    'How long after a connect the guard watches.',
    '1m',
    0,
    86_400_000,
    'The control plane needs longer than this to know everything: longer.',
  ),
  guardPercent: {
    placeholder: 'N',
    help: 'The guard acts when more than so many percent vanish at once, or all.',
    when: 'Half of your clusters do go at once in normal life: higher.',
    fallback: '50',
    parse: text => wholeNumber(text, 100),
  },
  maxAge: {
    placeholder: 'AGE',
    isList: true,
    help: 'How old a type may become while the control plane is away: [TYPE=]TIME[:serve|warn|withhold], such as 24h or EDS=10m:withhold.',
    when: 'Old endpoints are worse than none: withhold gives clients that start nothing of the type.',
    fallback: '',
    parse: maxAges,
  },
  seed: {
    placeholder: 'FILE|URL',
    help: 'Bundle of weir cache export to start from when the disk has nothing for the node.',
    when: 'Pods have to start during an outage that have never run before.',
    fallback: undefined,
    parse: text => {
      const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
      // Not quoted: an address may hold a password.
      return scheme === undefined || /^https?$/i.test(scheme)
        ? nonEmpty(text)
        : { error: `is no file, https:// or http:// address, but ${scheme}://` };
    },
  },
  seedVerifyKeyFile: {
    placeholder: 'FILE',
    help: 'Ed25519 public key (PEM); a seed that it has not signed is refused.',
    when: 'The seed comes over a network.',
    fallback: undefined,
    parse: nonEmpty,
  },
  seedTlsCa: {
    placeholder: 'FILE',
    help: 'CA certificates (PEM) for a seed over https, in place of the system’s.',
    when: 'The server of the seed has a certificate of your own CA.',
    fallback: undefined,
    parse: nonEmpty,
  },
  seedTimeoutMs: time(
    'How long one attempt to fetch the seed may take.',
    '10s',
    100,
    600_000,
    'The seed is large and the network slow: longer.',
  ),
  seedBytesMax: {
    placeholder: 'SIZE',
    help: 'Largest seed.',
    when: 'The seed is larger: higher.',
    fallback: '256MiB',
    parse: size,
  },
  seedResourcesMax: {
    placeholder: 'N',
    help: 'Most resources in a seed.',
    when: 'The seed has more: higher.',
    fallback: '1000000',
    parse: text => wholeNumber(text, 100_000_000),
  },
};

function time(help: string, fallback: string, min: number, max: number, when: string): SettingRow<number> {
  return { placeholder: 'TIME', help, when, fallback, parse: text => duration(text, min, max) };
}

function yesNo(text: string): Parsed<boolean> {
  const parsed = oneOf('yes', 'no', 'true', 'false')(text);
  return 'error' in parsed
    ? { error: 'must be yes or no' }
    : { value: parsed.value === 'yes' || parsed.value === 'true' };
}

/** Reads a list of parts of the Node. */
export function matchFields(text: string): Parsed<readonly MatchField[]> {
  const value: MatchField[] = [];
  for (const part of text.split(',')) {
    const field = part.trim();
    const isWhole = field === 'id' || field === 'cluster' || field === 'locality' || field === 'metadata';
    if (!isWhole && !/^metadata\..+/.test(field)) {
      return { error: 'must name id, cluster, locality, metadata or metadata.KEY' };
    }
    value.push(field as MatchField); // One of its words, as was just seen.
  }
  return { value };
}

function maxAges(text: string): Parsed<ReadonlyMap<string, MaxAge>> {
  const value = new Map<string, MaxAge>();
  for (const part of text.split(',').filter(Boolean)) {
    const match = /^(?:(.+)=)?([^:=]+)(?::(serve|warn|withhold))?$/.exec(part.trim());
    if (!match) return { error: 'must be [TYPE=]TIME[:serve|warn|withhold], such as 24h or EDS=10m:withhold' };
    const parsed = duration(match[2] ?? '', 1_000, 365 * 86_400_000);
    if ('error' in parsed) return parsed;
    const type = match[1] ?? '*';
    // A short name as the field uses it, or a whole type URL, whose short name is itself if Weir has none for it.
    const name = type === '*' || /^[A-Z]{3,5}$/.test(type) ? type : traitsOf(type as TypeUrl).shortName;
    value.set(name, { ms: parsed.value, action: (match[3] as MaxAge['action'] | undefined) ?? 'warn' });
  }
  return { value };
}
