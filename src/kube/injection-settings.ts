import { addresses, duration, nonEmpty, oneOf, type Parsed } from '../agent/setting-values.ts';
import { flagOf, settingSpecs } from '../agent/settings.ts';
import { isLocalOnly, parseAddress } from '../xds/address.ts';
import { nearest } from '../xds/nearest.ts';
import {
  amountOf,
  bootstraps,
  type CacheVolume,
  cacheVolume,
  imageName,
  memory,
  names,
  objectName,
  quantity,
} from './annotation-values.ts';
import { type Data, textIn } from './data.ts';
import { injectKey, paths, ports, prefix, statusKey } from './names.ts';

/** A key of a ConfigMap. */
export interface ConfigMapKey {
  readonly configMap: string;
  readonly key: string;
}

/** How Weir is put into a pod. */
export interface InjectionSettings {
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never' | undefined;
  /** A native sidecar (Kubernetes 1.29 and later), or the first of the containers. */
  readonly mode: 'native' | 'classic';
  readonly upstream: string | undefined;
  readonly config: string | undefined;
  readonly cpuRequest: string;
  readonly memoryRequest: string;
  readonly cpuLimit: string | undefined;
  readonly memoryLimit: string | undefined;
  readonly runAsUser: number;
  readonly cache: CacheVolume;
  readonly cacheSize: string;
  /** Names of the containers that are clients; undefined: all. */
  readonly clients: readonly string[] | undefined;
  readonly bootstrap: readonly ('envoy' | 'grpc')[];
  readonly envoyImage: string | undefined;
  readonly envoyBootstrap: ConfigMapKey | undefined;
  /** Admin address of an Envoy of the pod's own, which is drained when the pod ends. */
  readonly envoyAdmin: string | undefined;
  readonly tokenAudience: string | undefined;
  readonly tokenExpirationSeconds: number;
  readonly upstreamCa: string | undefined;
  readonly upstreamTls: string | undefined;
  readonly nodeCluster: string | undefined;
  /** Flags of `weir run` such as `--log-level`, with their values. */
  readonly flags: ReadonlyMap<string, string>;
}

/** One annotation: reference and validation are made of the table. */
export interface AnnotationSpec<T = unknown> {
  readonly placeholder: string;
  readonly help: string;
  /** What holds without it; undefined for nothing. */
  readonly fallback: string | undefined;
  readonly parse: (text: string) => Parsed<T>;
}

type Rows = { readonly [K in Exclude<keyof InjectionSettings, 'flags'>]: AnnotationSpec<InjectionSettings[K]> };

/** Problems that are told of one pod; whoever has more has more to do than to read them. */
export const problemsMax = 10;
const problemLengthMax = 300;
const expirationMinSeconds = 600;
const dayMs = 86_400_000;
const uidMax = 2 ** 31 - 1;

const rows: Rows = {
  image: {
    placeholder: 'IMAGE',
    help: 'Image of Weir.',
    fallback: 'weir:0.1.0',
    parse: imageName,
  },
  imagePullPolicy: {
    placeholder: 'Always|IfNotPresent|Never',
    help: 'When the image is pulled; without it as Kubernetes does by the tag.',
    fallback: undefined,
    parse: oneOf('Always', 'IfNotPresent', 'Never'),
  },
  mode: {
    placeholder: 'native|classic',
    help: 'native: an init container that goes on running (Kubernetes 1.29 and later), which starts before and ends after all others. classic: the first of the containers, which holds the others back until it listens.',
    fallback: 'native',
    parse: oneOf('native', 'classic'),
  },
  upstream: {
    placeholder: 'ADDR,…',
    help: 'Control planes, the preferred one first. Needed, unless the ConfigMap of `config` names them.',
    fallback: undefined,
    parse: text => {
      const parsed = addresses(text);
      return 'error' in parsed ? parsed : { value: text };
    },
  },
  config: {
    placeholder: 'CONFIGMAP',
    help: 'ConfigMap of the pod’s namespace whose key `weir.yaml` has further settings.',
    fallback: undefined,
    parse: objectName,
  },
  cpuRequest: { placeholder: 'QUANTITY', help: 'CPU that the pod asks for.', fallback: '10m', parse: quantity },
  memoryRequest: {
    placeholder: 'QUANTITY',
    help: 'Memory that the pod asks for. An idle Weir has 75 MiB, with 10,000 resources 110 (docs/PERFORMANCE.md), most of it the runtime’s file pages, which all pods of a node share.',
    fallback: '96Mi',
    parse: memory,
  },
  cpuLimit: {
    placeholder: 'QUANTITY',
    help: 'Most CPU. None by default: throttling delays each update.',
    fallback: undefined,
    parse: quantity,
  },
  memoryLimit: {
    placeholder: 'QUANTITY',
    help: 'Most memory; a larger request raises it.',
    fallback: '512Mi',
    parse: memory,
  },
  runAsUser: {
    placeholder: 'UID',
    help: 'User and group that Weir runs as; not root.',
    fallback: '1337',
    parse: text => {
      const value = Number(text);
      if (/^\d{1,10}$/.test(text) && value >= 1 && value <= uidMax) return { value };
      return { error: `must be a user id from 1 to ${uidMax}` };
    },
  },
  cache: {
    placeholder: 'emptyDir|memory|none|hostPath:/PATH',
    help: 'Where the disk cache is. emptyDir: as long as the pod. memory: the same in memory, which counts for the pod. hostPath: outlives the pod; a container of root, which may do nothing else, gives the directory to Weir, and each pod of a node needs one of its own.',
    fallback: 'emptyDir',
    parse: cacheVolume,
  },
  cacheSize: { placeholder: 'QUANTITY', help: 'Largest emptyDir.', fallback: '512Mi', parse: memory },
  clients: {
    placeholder: 'NAME,…',
    help: 'Containers that use Weir; without it all that run with the pod. They get the socket’s directory and the variable `GRPC_XDS_BOOTSTRAP`.',
    fallback: undefined,
    parse: names,
  },
  bootstrap: {
    placeholder: 'envoy,grpc|none',
    help: 'Bootstraps that are written into `/var/run/weir` before anything starts: `envoy.yaml`, `grpc.json`.',
    fallback: 'envoy,grpc',
    parse: bootstraps,
  },
  envoyImage: {
    placeholder: 'IMAGE',
    help: 'Puts an Envoy of this image into the pod, which starts after Weir and ends before it.',
    fallback: undefined,
    parse: imageName,
  },
  envoyBootstrap: {
    placeholder: 'CONFIGMAP[/KEY]',
    help: 'ConfigMap of the pod’s namespace with an Envoy bootstrap of your own (key `envoy.yaml`), which Weir’s parts are merged into.',
    fallback: undefined,
    parse: text => {
      const [configMap = '', key = 'envoy.yaml', ...more] = text.split('/');
      const name = objectName(configMap);
      if ('error' in name) return name;
      if (more.length > 0 || !/^[-._a-zA-Z0-9]{1,253}$/.test(key))
        return { error: 'must be CONFIGMAP or CONFIGMAP/KEY' };
      return { value: { configMap, key } };
    },
  },
  envoyAdmin: {
    placeholder: 'ADDR',
    help: 'Admin address of an Envoy of your own in the pod, `127.0.0.1:15000` or `unix:/path`: it is told to have its connections go when the pod ends, within its `--drain-time-s`. One that `envoy-image` puts in is told so anyway.',
    fallback: undefined,
    parse: text => {
      const address = parseAddress(text);
      return 'error' in address ? address : { value: text };
    },
  },
  tokenAudience: {
    placeholder: 'NAME',
    help: 'Has the pod’s service account token, made for this audience, sent to the control plane.',
    fallback: undefined,
    parse: nonEmpty,
  },
  tokenExpirationSeconds: {
    placeholder: 'TIME',
    help: 'How long such a token is good for; Kubernetes renews it at four fifths of it.',
    fallback: '12h',
    parse: text => {
      const time = duration(text, expirationMinSeconds * 1_000, 365 * dayMs);
      return 'error' in time
        ? { error: 'must be a time from 10m on, such as 1h or 12h' }
        : { value: Math.round(time.value / 1_000) };
    },
  },
  upstreamCa: {
    placeholder: 'CONFIGMAP',
    help: 'ConfigMap of the pod’s namespace whose key `ca.crt` is what the control plane’s certificate is checked by.',
    fallback: undefined,
    parse: objectName,
  },
  upstreamTls: {
    placeholder: 'SECRET',
    help: 'Secret of the pod’s namespace with `tls.crt`, `tls.key` and, unless there is upstream-ca, `ca.crt`, for mTLS with the control plane.',
    fallback: undefined,
    parse: objectName,
  },
  nodeCluster: {
    placeholder: 'NAME',
    help: 'node.cluster in the bootstraps; without it the label app.kubernetes.io/name or app and the namespace, as in `web.shop`, or the service account’s name.',
    fallback: undefined,
    parse: nonEmpty,
  },
};

/** `cacheSize` is `cache-size`, and what carries its unit in the value has none in its name. */
function annotationOf(key: string): string {
  return key.replace(/Seconds$/, '').replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}

/** All annotations but `inject` and `set-…`, by the name behind the prefix. */
export const annotationSpecs: ReadonlyMap<string, AnnotationSpec> = new Map(
  Object.entries(rows).map(([key, row]) => [annotationOf(key), row]),
);

/** Flags that have an annotation of their own, or that injection decides. */
const takenFlags: ReadonlyMap<string, string> = new Map([
  ['--upstream', 'upstream'],
  ['--upstream-tls-ca', 'upstream-ca'],
  ['--upstream-tls-cert', 'upstream-tls'],
  ['--upstream-tls-key', 'upstream-tls'],
  ['--cache-dir', 'cache'],
]);

/** What an annotation `weir.dev/set-FLAG` begins with, behind the prefix. */
const flagPrefix = 'set-';

/** Where values come from: annotations of a pod, flags of a command, a file of defaults. */
export interface SettingsLayer {
  /** `annotation weir.dev/`, `--default `: what a name is called in an error. */
  readonly title: string;
  /** By the name behind the prefix. */
  readonly values: ReadonlyMap<string, string>;
}

/** The layer of annotations: those that have our prefix, without `inject` and `status`. */
export function annotationLayer(annotations: Data | undefined): SettingsLayer {
  const values = new Map<string, string>();
  for (const key of Object.keys(annotations ?? {})) {
    if (!key.startsWith(prefix) || key === injectKey || key === statusKey) continue;
    values.set(key.slice(prefix.length), textIn(annotations, key) ?? '');
  }
  return { title: `annotation ${prefix}`, values };
}

/**
 * Resolves how Weir is put into a pod.
 *
 * @param layers the weakest first
 * @returns the settings, or a sentence for each thing that is wrong, with the name it was given under
 */
export function resolveInjection(
  layers: readonly SettingsLayer[],
): { readonly settings: InjectionSettings } | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const values = new Map<string, { readonly text: string; readonly title: string }>();
  for (const { title, values: given } of layers) for (const [name, text] of given) values.set(name, { text, title });
  const flags = new Map<string, string>();
  for (const [name, { text, title }] of values) {
    if (problems.length >= problemsMax) break;
    if (name.startsWith(flagPrefix)) {
      const problem = checkFlag(`--${name.slice(flagPrefix.length)}`, text);
      if (problem === undefined) flags.set(`--${name.slice(flagPrefix.length)}`, text);
      else problems.push(`${title}${name} ${problem}`);
    } else if (!annotationSpecs.has(name)) problems.push(`${title}${name} is unknown${didYouMean(name)}`);
  }
  const resolved: Record<string, unknown> = { flags };
  const isGiven = (name: string): boolean => values.has(name);
  for (const [key, row] of Object.entries(rows)) {
    const name = annotationOf(key);
    const given = values.get(name);
    const text = given?.text ?? row.fallback;
    if (text === undefined) continue;
    const parsed = row.parse(text);
    if ('error' in parsed) problems.push(`${given?.title ?? ''}${name} ${parsed.error} (given: '${text}')`);
    else resolved[key] = parsed.value;
  }
  if (problems.length > 0) {
    return { problems: problems.slice(0, problemsMax).map(one => one.slice(0, problemLengthMax)) };
  }
  // Each row gives the type of its key; entries() forgets it.
  return levelled(resolved as unknown as InjectionSettings, isGiven);
}

/** No request is above its limit: a default follows what is given, and two that are given have to fit. */
function levelled(
  settings: InjectionSettings,
  isGiven: (name: string) => boolean,
): { readonly settings: InjectionSettings } | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const level = (
    name: string,
    request: string,
    limit: string | undefined,
  ): { request: string; limit: string | undefined } => {
    if (limit === undefined || amountOf(request) <= amountOf(limit)) return { request, limit };
    if (isGiven(`${name}-request`) && isGiven(`${name}-limit`)) {
      problems.push(`${name}-request ${request} is more than ${name}-limit ${limit}`);
    }
    return isGiven(`${name}-request`) ? { request, limit: request } : { request: limit, limit };
  };
  const cpu = level('cpu', settings.cpuRequest, settings.cpuLimit);
  const memory = level('memory', settings.memoryRequest, settings.memoryLimit);
  problems.push(...unreachable(settings.flags));
  if (problems.length > 0) return { problems };
  return {
    settings: {
      ...settings,
      cpuRequest: cpu.request,
      cpuLimit: cpu.limit,
      memoryRequest: memory.request,
      memoryLimit: memory.limit,
    },
  };
}

/** The first address of `--health`, which the probes go to. That it ends with a port is seen to here. */
export function healthFlag(flags: ReadonlyMap<string, string>): string {
  return (flags.get('--health') ?? `0.0.0.0:${ports.health}`).split(',')[0] ?? '';
}

/** Addresses under which nobody would find Weir. */
function unreachable(flags: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  const health = parseAddress(healthFlag(flags).replace(/^\$\([A-Z_]+\)/, '0.0.0.0'));
  if (!('kind' in health) || health.kind !== 'tcp' || health.port === 0 || isLocalOnly(health)) {
    problems.push(
      `${flagPrefix}health must begin with an address and port that the kubelet reaches, such as 0.0.0.0:15921`,
    );
  }
  if ((flags.get('--listen') ?? '').split(',').includes(`unix:${paths.socket}`)) {
    problems.push(`${flagPrefix}listen names unix:${paths.socket}, which is listened on anyway`);
  }
  return problems;
}

function checkFlag(flag: string, text: string): string | undefined {
  const own = takenFlags.get(flag);
  if (own !== undefined) return `is set by ${prefix}${own}`;
  const spec = settingSpecs.find(one => flagOf(one.key) === flag && !one.isEnvironmentOnly);
  if (!spec) {
    const near = nearest(
      flag,
      settingSpecs.map(one => flagOf(one.key)),
    );
    return `is no setting of weir run${near === undefined ? '' : `; did you mean ${prefix}${flagPrefix}${near.slice(2)}?`}`;
  }
  // A reference to a variable gets its value in the pod.
  if (/\$\([A-Za-z_][A-Za-z0-9_]*\)/.test(text)) return undefined;
  const parsed = spec.parse(text);
  return 'error' in parsed ? `${parsed.error} (given: '${text}')` : undefined;
}

function didYouMean(name: string): string {
  const flag = settingSpecs.find(one => flagOf(one.key) === `--${name}`);
  if (flag) return `; settings of weir run are ${prefix}${flagPrefix}${name}`;
  const near = nearest(name, [...annotationSpecs.keys(), 'inject']);
  return near === undefined ? '' : `; did you mean ${prefix}${near}?`;
}
