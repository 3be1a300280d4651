import { AgentError, exitCodes } from '../../agent/errors.ts';
import { createLogger, type LogOptions } from '../../agent/log.ts';
import { addresses, duration, oneOf, type Parsed, size, wholeNumber } from '../../agent/setting-values.ts';
import { preferSmallHeap } from '../../agent/small-heap.ts';
import { describeTls } from '../../agent/tls-notes.ts';
import { type IstioKind, istioKinds } from '../../istio/kinds.ts';
import type { TlsPaths } from '../../net/tls-files.ts';
import { checkFolder, type FolderSettings, folderDefaults, readFolder } from '../../source/folder.ts';
import { describeFolder } from '../../source/folder-notes.ts';
import { readKubernetes } from '../../source/kubernetes.ts';
import { type KubernetesSettings, kubernetesDefaults } from '../../source/kubernetes-settings.ts';
import { formatProblem } from '../../source/manifest.ts';
import type { SourceLine } from '../../source/notes.ts';
import { type RunSourceOptions, runSource } from '../../source/run.ts';
import { sourceLimits } from '../../source/settings.ts';
import { type Address, formatAddress, isLocalOnly } from '../../xds/address.ts';
import { nearest } from '../../xds/nearest.ts';
import { namespaceFile, podNamespace } from '../pod-namespace.ts';
import { stopOnSignals } from './run.ts';

/** Options of `weir source`. */
export interface SourceOptions {
  readonly from?: string;
  readonly listen?: readonly string[];
  readonly health?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly kind?: readonly string[];
  readonly namespace?: readonly string[];
  readonly allNamespaces?: boolean;
  readonly defaultNamespace: string;
  readonly meshConfigMap?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly resync: string;
  readonly rescan: string;
  readonly objectsMax: string;
  readonly filesMax: string;
  readonly fileBytesMax: string;
  readonly objectBytesMax: string;
  readonly check?: boolean;
  readonly output: string;
  readonly logLevel: string;
  readonly logFormat: string;
}

/** Where clients connect when nothing else is said. */
const defaultListener = '127.0.0.1:15930';
const dayMs = 86_400_000;
const countMax = 10_000_000;
/** What the Role that comes with Weir allows. */
const kindsOfRole = ['Gateway', 'VirtualService'];

/** `weir source`: an MCP server of mesh configuration from a folder or from Kubernetes; runs until a signal ends it. */
export async function source(options: SourceOptions): Promise<number> {
  preferSmallHeap();
  const problems: string[] = [];
  const { from } = options;
  if (from === undefined) problems.push('--from says what is read: a folder, or kubernetes');
  const listen = addressesOf('--listen', options.listen ?? [defaultListener], problems);
  const health = options.health ? addressesOf('--health', options.health, problems) : [];
  const tls = tlsOf(options, problems);
  checkExposure(listen, tls, problems);
  const log = logOptionsOf(options, problems);
  const folder = from !== undefined && from !== 'kubernetes' ? folderOf(from, options, problems) : undefined;
  const kubernetes = from === 'kubernetes' ? kubernetesOf(options, problems) : undefined;
  if (options.check && !folder) problems.push('--check needs --from DIR');
  if (problems.length > 0) {
    for (const problem of problems) console.error(`weir: ${problem}`);
    return exitCodes.usage;
  }
  if (options.check && folder) return check(folder, options.output);
  const logger = await createLogger(log);
  const write = ({ level, fields, message }: SourceLine): void => logger[level](fields, message);
  const read: RunSourceOptions['read'] = tell => {
    if (folder) return readFolder(folder, tell, note => write(describeFolder(note)));
    if (kubernetes) return readKubernetes(kubernetes, tell);
    throw new AgentError('nothing is read (--from)');
  };
  const starting = runSource({
    settings: {
      ...sourceLimits,
      kinds: kubernetes?.kinds ?? istioKinds,
      readsMeshConfig: folder !== undefined || kubernetes?.meshConfigMap !== undefined,
    },
    listen,
    tls,
    health,
    read,
    log: write,
    tlsNote: note => {
      const { level, fields, message } = describeTls(note);
      logger[level](fields, message);
    },
  }).catch((cause: unknown) => {
    throw new AgentError('the source cannot start', { cause, exitCode: exitCodes.failed });
  });
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  stopOnSignals({
    signals: process,
    drain: async reason => {
      await (await starting).stop(reason);
      stop();
    },
    exit: code => process.exit(code),
    log: logger,
  });
  await starting;
  await stopped;
  // A half-closed connection of a client must not keep the process.
  process.exit(exitCodes.ok);
}

/** Says what is wrong in a folder, with file and line. */
async function check(folder: FolderSettings, output: string): Promise<number> {
  const { problems, counts } = await checkFolder(folder);
  if (output === 'json') console.log(JSON.stringify({ problems, counts }, undefined, 2));
  else {
    for (const problem of problems) console.error(formatProblem(problem));
    const { resources, files, passedOver } = counts;
    const found = `resources ${resources}, files ${files}, other objects passed over ${passedOver}`;
    console.log(`${found}, problems ${problems.length}`);
  }
  return problems.length === 0 ? exitCodes.ok : exitCodes.usage;
}

function folderOf(directory: string, options: SourceOptions, problems: string[]): FolderSettings {
  const { defaultNamespace } = options;
  for (const [flag, value] of [
    ['--namespace', options.namespace],
    ['--all-namespaces', options.allNamespaces],
    ['--kind', options.kind],
    ['--kubeconfig', options.kubeconfig],
    ['--context', options.context],
    ['--mesh-config-map', options.meshConfigMap],
  ] as const) {
    if (value) problems.push(`${flag} needs --from kubernetes; a folder is read as a whole`);
  }
  const rescanMs = timeOf('--rescan', options.rescan, problems);
  return {
    ...folderDefaults,
    directory,
    defaultNamespace,
    rescanMs,
    objectsMax: countOf('--objects-max', options.objectsMax, problems),
    filesMax: countOf('--files-max', options.filesMax, problems),
    fileBytesMax: sizeOf('--file-bytes-max', options.fileBytesMax, problems),
  };
}

function kubernetesOf(options: SourceOptions, problems: string[]): KubernetesSettings {
  const { kubeconfig, context, meshConfigMap, namespace, allNamespaces = false } = options;
  if (allNamespaces && namespace) problems.push('--all-namespaces and --namespace: set one of them');
  if (context !== undefined && kubeconfig === undefined) problems.push('--context needs --kubeconfig');
  return {
    ...kubernetesDefaults,
    kubeconfig,
    context,
    meshConfigMap,
    kinds: kindsOf(options.kind, problems),
    namespaces: allNamespaces ? 'all' : (namespace ?? [ownNamespace(problems)]),
    resyncMs: timeOf('--resync', options.resync, problems),
    objectsMax: countOf('--objects-max', options.objectsMax, problems),
    objectBytesMax: sizeOf('--object-bytes-max', options.objectBytesMax, problems),
  };
}

function kindsOf(names: readonly string[] = kindsOfRole, problems: string[]): readonly IstioKind[] {
  if (names.includes('all')) return istioKinds;
  return [...new Set(names)].flatMap(name => {
    const lower = name.toLowerCase();
    const found = istioKinds.find(({ kind, plural }) => kind.toLowerCase() === lower || plural === lower);
    if (found) return [found];
    const near = nearest(
      name,
      istioKinds.map(({ kind }) => kind),
    );
    problems.push(`--kind ${name} is no kind of Istio’s${near === undefined ? '' : `; did you mean ${near}?`}`);
    return [];
  });
}

/** As the Role is in it. */
function ownNamespace(problems: string[]): string {
  const own = podNamespace();
  if (own !== undefined) return own;
  problems.push(
    `--namespace or --all-namespaces says what is read: this is no pod with a namespace of its own (${namespaceFile})`,
  );
  return '';
}

function tlsOf(
  { tlsCert: cert, tlsKey: key, tlsClientCa: ca }: SourceOptions,
  problems: string[],
): TlsPaths | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key, ca };
  if (cert !== undefined || key !== undefined || ca !== undefined) {
    problems.push('--tls-cert and --tls-key belong together, and --tls-client-ca needs both');
  }
  return undefined;
}

/** Mesh configuration would go to whoever asks, in the clear. */
function checkExposure(listen: readonly Address[], tls: TlsPaths | undefined, problems: string[]): void {
  for (const address of listen) {
    if (isLocalOnly(address) || tls?.ca !== undefined) continue;
    problems.push(
      `--listen ${formatAddress(address)} can be reached from outside: it must be loopback or a socket, or have --tls-cert, --tls-key and --tls-client-ca`,
    );
  }
}

function logOptionsOf({ logLevel, logFormat, output }: SourceOptions, problems: string[]): LogOptions {
  if (output !== 'text' && output !== 'json') problems.push(`--output must be text or json (given: '${output}')`);
  const levels = oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent');
  const formats = oneOf('auto', 'json', 'pretty');
  return {
    level: given('--log-level', levels(logLevel), 'info', problems),
    format: given('--log-format', formats(logFormat), 'auto', problems),
    isTty: process.stdout.isTTY === true,
  };
}

/** The value of an option; what is wrong with it joins the problems, and `instead` stands for it until they are told. */
function given<T>(flag: string, parsed: Parsed<T>, instead: T, problems: string[]): T {
  if ('value' in parsed) return parsed.value;
  problems.push(`${flag} ${parsed.error}`);
  return instead;
}

function addressesOf(flag: string, texts: readonly string[], problems: string[]): readonly Address[] {
  return given(flag, addresses(texts.join(',')), [], problems);
}

function timeOf(flag: string, text: string, problems: string[]): number {
  return given(flag, duration(text, 100, dayMs), 0, problems);
}

function countOf(flag: string, text: string, problems: string[]): number {
  return given(flag, wholeNumber(text, countMax), 0, problems);
}

function sizeOf(flag: string, text: string, problems: string[]): number {
  return given(flag, size(text), 0, problems);
}
