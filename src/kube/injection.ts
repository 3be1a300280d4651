import { type Data, type Draft, isEqual, objectOf, objectsIn, textIn } from './data.ts';
import {
  annotationLayer,
  type InjectionSettings,
  problemsMax,
  resolveInjection,
  type SettingsLayer,
} from './injection-settings.ts';
import { containerNames, grpcBootstrapVariable, injectKey, paths, prefix, statusKey, volumeNames } from './names.ts';
import { type PodParts, podParts } from './pod-parts.ts';

/** Which pods get Weir: those that ask for it, or all that do not refuse it. */
export type InjectionPolicy = 'opt-in' | 'opt-out';

/** What is known beside the pod itself. */
export interface InjectionContext {
  readonly policy: InjectionPolicy;
  /** Settings that annotations beat, the weakest first. */
  readonly defaults: readonly SettingsLayer[];
  readonly version: string;
  /** Kind of the object that the template is in. */
  readonly kind: string;
  /** Annotations of the workload that the template is in; empty for a pod. */
  readonly ownAnnotations: Data;
  /**
   * A template that has Weir is left as it is, instead of being brought up to date: where pods are made, others have added to it by then (limits, defaults,
   * further injectors), and what a pipeline has put in with its own settings holds.
   */
  readonly leavesInjected: boolean;
}

/** What became of a pod template. */
export type Injection =
  | { readonly kind: 'injected'; readonly template: Data }
  /** It has Weir already, as it would get it now, or is left as it is ({@link InjectionContext.leavesInjected}). */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'skipped'; readonly reason: string }
  /** Sentences, each with the name of what is wrong. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/** A static pod's stand-in at the API server has this annotation. */
const mirrorKey = 'kubernetes.io/config.mirror';
/** Of a pod that does not say how long its end may take. */
const defaultGraceSeconds = 30;
/** Names that an error quotes. */
const namesMax = 10;

const ownContainers: ReadonlySet<string> = new Set(Object.values(containerNames));
const ownVolumes: ReadonlySet<string> = new Set(Object.values(volumeNames));

/**
 * Puts Weir into a pod template, or brings what an earlier injection put in up to date. Everything else stays as it is, in its order.
 *
 * @param template a pod, or `spec.template` of a workload: metadata and spec
 */
export function inject(template: Data, context: InjectionContext): Injection {
  const metadata = objectOf(template['metadata']);
  const spec = objectOf(template['spec']) ?? {};
  const wish = wishOf(metadata, context.ownAnnotations);
  if (wish !== undefined && wish !== 'true' && wish !== 'false') {
    return {
      kind: 'invalid',
      problems: [`annotation ${injectKey} must be "true" or "false" (given: '${wish.slice(0, 40)}')`],
    };
  }
  const isOurs = objectOf(metadata?.['annotations'])?.[statusKey] !== undefined;
  if (isOurs && context.leavesInjected && hasWeir(spec)) return { kind: 'unchanged' };
  const skipped = reasonToSkip(wish, metadata, spec, context.policy);
  if (skipped !== undefined) return { kind: 'skipped', reason: skipped };
  const annotations = { ...context.ownAnnotations, ...objectOf(metadata?.['annotations']) };
  const resolved = resolveInjection([...context.defaults, annotationLayer(annotations)]);
  if ('problems' in resolved) return { kind: 'invalid', problems: resolved.problems };
  const { settings } = resolved;
  const bare = isOurs ? withoutParts(spec) : spec;
  const problems = [...conflictsIn(bare), ...contradictionsIn(settings, bare, context.kind)];
  if (problems.length > 0) return { kind: 'invalid', problems: problems.slice(0, problemsMax) };
  const nodeCluster = settings.nodeCluster ?? clusterOf(metadata);
  const graceSeconds = Number(spec['terminationGracePeriodSeconds'] ?? defaultGraceSeconds);
  const parts = podParts(settings, { nodeCluster, graceSeconds });
  const injected: Draft = {
    ...template,
    metadata: metadataWith(metadata, parts, context.version),
    spec: specWith(bare, parts, settings),
  };
  return isEqual(injected, template) ? { kind: 'unchanged' } : { kind: 'injected', template: injected };
}

/** What the pod says about injection: its annotation, else its label, else what its workload says. */
function wishOf(metadata: Data | undefined, ownAnnotations: Data): string | undefined {
  for (const place of [objectOf(metadata?.['annotations']), objectOf(metadata?.['labels']), ownAnnotations]) {
    const value = place?.[injectKey];
    if (value !== undefined) return String(value);
  }
  return undefined;
}

/** All containers, those that start first in front. */
function containersOf(spec: Data): readonly Data[] {
  return [...objectsIn(spec['initContainers']), ...objectsIn(spec['containers'])];
}

function hasWeir(spec: Data): boolean {
  return containersOf(spec).some(one => textIn(one, 'name') === containerNames.weir);
}

function reasonToSkip(
  wish: string | undefined,
  metadata: Data | undefined,
  spec: Data,
  policy: InjectionPolicy,
): string | undefined {
  if (wish === 'false') return `it says ${injectKey}: "false"`;
  if (wish === undefined && policy === 'opt-in') return `it does not say ${injectKey}: "true"`;
  const system = textIn(objectOf(spec['os']), 'name') ?? textIn(objectOf(spec['nodeSelector']), 'kubernetes.io/os');
  if (system === 'windows') return 'it runs on Windows';
  // It shows a static pod, which runs whatever is written here.
  if (objectOf(metadata?.['annotations'])?.[mirrorKey] !== undefined) return 'it is the mirror of a static pod';
  if (spec['hostNetwork'] === true && wish === undefined) {
    return `it has the node's network, where ports of several pods would meet; ${injectKey}: "true" injects it all the same`;
  }
  return undefined;
}

/** What stands where Weir would, and was not put there by injection. */
function conflictsIn(spec: Data): string[] {
  const problems: string[] = [];
  for (const container of containersOf(spec)) {
    const name = textIn(container, 'name') ?? '';
    if (ownContainers.has(name)) {
      problems.push(`it has a container ${name} of its own; rename that, or set ${injectKey}: "false"`);
    }
    for (const mount of objectsIn(container['volumeMounts'])) {
      if (isRunDirectory(textIn(mount, 'mountPath') ?? ''))
        problems.push(`its container ${name} mounts something of its own at ${paths.run}`);
    }
  }
  for (const volume of objectsIn(spec['volumes'])) {
    const name = textIn(volume, 'name') ?? '';
    if (ownVolumes.has(name)) problems.push(`it has a volume ${name} of its own; rename that`);
  }
  return problems;
}

function isRunDirectory(path: string): boolean {
  return path.startsWith(paths.run) && /^\/*$/.test(path.slice(paths.run.length));
}

/** What cannot be meant together. */
function contradictionsIn(settings: InjectionSettings, spec: Data, kind: string): string[] {
  const { mode, upstream, config, envoyImage, envoyBootstrap, bootstrap, clients } = settings;
  const problems: string[] = [];
  if (upstream === undefined && config === undefined) {
    problems.push(`no control plane is named; set annotation ${prefix}upstream (weir inject: --upstream ADDR)`);
  }
  const endsByItself =
    kind === 'Job' || kind === 'CronJob' || /^(Never|OnFailure)$/.test(String(spec['restartPolicy']));
  if (mode === 'classic' && endsByItself) {
    problems.push('a classic sidecar would keep a pod that ends by itself from ending; use mode native');
  }
  if (mode === 'classic' && envoyImage !== undefined) {
    problems.push('envoy-image needs mode native, where Envoy starts after Weir and ends before it');
  }
  const needsFile =
    envoyImage === undefined ? (envoyBootstrap === undefined ? undefined : 'envoy-bootstrap') : 'envoy-image';
  if (needsFile !== undefined && !bootstrap.includes('envoy'))
    problems.push(`${needsFile} needs bootstrap to have envoy`);
  if (mode === 'classic' && settings.cache.kind === 'none' && settings.flags.has('--admin')) {
    problems.push('set-admin takes the socket that a classic sidecar without a cache is drained by; set a cache');
  }
  const known = new Set(containersOf(spec).map(one => textIn(one, 'name')));
  const some = [...known].slice(0, namesMax).join(', ');
  for (const name of clients ?? []) {
    if (!known.has(name)) problems.push(`clients names ${name}, which is no container of the pod: ${some}`);
  }
  return problems;
}

/** node.cluster of a pod that does not name it: app and namespace, as Istio has it. */
function clusterOf(metadata: Data | undefined): string {
  const labels = objectOf(metadata?.['labels']);
  const app = textIn(labels, 'app.kubernetes.io/name') ?? textIn(labels, 'app');
  return app ? `${app}.$(POD_NAMESPACE)` : '$(POD_SERVICE_ACCOUNT).$(POD_NAMESPACE)';
}

function metadataWith(metadata: Data | undefined, { labels }: PodParts, version: string): Draft {
  const status = JSON.stringify({ version });
  return {
    ...metadata,
    labels: { ...objectOf(metadata?.['labels']), ...labels },
    annotations: { ...objectOf(metadata?.['annotations']), [statusKey]: status },
  };
}

function specWith(spec: Data, parts: PodParts, { clients }: InjectionSettings): Draft {
  const isClient = (container: Data, isInit: boolean): boolean =>
    clients === undefined
      ? !isInit || container['restartPolicy'] === 'Always'
      : clients.includes(textIn(container, 'name') ?? '');
  const listed = (key: string, isInit: boolean): readonly Data[] =>
    objectsIn(spec[key]).map(one => (isClient(one, isInit) ? clientOf(one, parts) : one));
  const initContainers = [...parts.initContainers, ...listed('initContainers', true)];
  return {
    ...spec,
    ...(initContainers.length > 0 || spec['initContainers'] !== undefined ? { initContainers } : {}),
    containers: [...parts.containers, ...listed('containers', false)],
    volumes: [...objectsIn(spec['volumes']), ...parts.volumes],
  };
}

function clientOf(container: Data, { clientMount, clientEnv }: PodParts): Draft {
  const env = objectsIn(container['env']);
  const missing = clientEnv.filter(one => !env.some(other => other['name'] === one['name']));
  return {
    ...container,
    ...(missing.length > 0 ? { env: [...env, ...missing] } : {}),
    volumeMounts: [...objectsIn(container['volumeMounts']), clientMount],
  };
}

/** A spec without what an earlier injection put in, also by another version. */
function withoutParts(spec: Data): Data {
  const bare: Draft = { ...spec };
  for (const key of ['initContainers', 'containers']) {
    if (!Array.isArray(spec[key])) continue;
    const others = objectsIn(spec[key]).filter(one => !ownContainers.has(textIn(one, 'name') ?? ''));
    setList(bare, key, others.map(withoutClientParts));
  }
  if (Array.isArray(spec['volumes'])) setList(bare, 'volumes', objectsIn(spec['volumes']).filter(isForeign));
  return bare;
}

function withoutClientParts(container: Data): Data {
  const rest: Draft = { ...container };
  const env = objectsIn(container['env']);
  const foreign = env.filter(one => one['name'] !== grpcBootstrapVariable || one['value'] !== paths.grpcBootstrap);
  if (foreign.length < env.length) setList(rest, 'env', foreign);
  const mounts = objectsIn(container['volumeMounts']);
  const others = mounts.filter(isForeign);
  if (others.length < mounts.length) setList(rest, 'volumeMounts', others);
  return rest;
}

function isForeign(volumeOrMount: Data): boolean {
  return !ownVolumes.has(textIn(volumeOrMount, 'name') ?? '');
}

/** A list that is empty now was not there before. */
function setList(object: Draft, key: string, list: readonly unknown[]): void {
  if (list.length > 0) object[key] = list;
  else delete object[key];
}
