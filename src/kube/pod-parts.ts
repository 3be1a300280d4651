import type { Data, Draft } from './data.ts';
import { healthFlag, type InjectionSettings } from './injection-settings.ts';
import {
  containerNames,
  grpcBootstrapVariable,
  healthPortName,
  metricsLabel,
  paths,
  ports,
  volumeNames,
} from './names.ts';

/** Where the topology of a node stands on its pods, since Kubernetes 1.35; empty before. */
const topology = { POD_REGION: 'topology.kubernetes.io/region', POD_ZONE: 'topology.kubernetes.io/zone' } as const;
/** A first start with an empty cache takes a fraction of a second; a volume that is slow to come takes longer. */
const startedWithinSeconds = 60;
/** Envoy is ready when it has its configuration, however long the control plane is away. */
const envoyReadyWithinSeconds = 600;

/** How long a classic sidecar waits for its clients to go, at most, and what its own end may take then (setting drainTimeout). */
const clientsWaitedSeconds = 25;
const ownEndSeconds = 5;
/** Within which an injected Envoy tells its connections to go. */
const envoyDrainSeconds = 20;

/** What injection adds to a pod. */
export interface PodParts {
  /** In front of the pod’s own init containers. */
  readonly initContainers: readonly Data[];
  /** In front of the pod’s own containers. */
  readonly containers: readonly Data[];
  readonly volumes: readonly Data[];
  /** For each container that is a client. */
  readonly clientMount: Data;
  readonly clientEnv: readonly Data[];
  readonly labels: Readonly<Record<string, string>>;
}

/** What the pod itself says that parts depend on. */
export interface PodFacts {
  /** node.cluster, which may refer to variables of {@link PodParts}. */
  readonly nodeCluster: string;
  /** Seconds that its end may take. */
  readonly graceSeconds: number;
}

/** All that injection adds. The same settings and facts give the same parts. */
export function podParts(settings: InjectionSettings, facts: PodFacts): PodParts {
  const { mode, bootstrap, envoyImage, cache } = settings;
  const weir = weirContainer(settings, facts);
  const writesBootstraps = bootstrap.length > 0;
  const initContainers = [
    ...(cache.kind === 'hostPath' ? [ownerContainer(settings)] : []),
    ...(writesBootstraps ? [bootstrapContainer(settings, facts)] : []),
    ...(mode === 'native' ? [weir] : []),
    ...(envoyImage === undefined ? [] : [envoyContainer(settings, envoyImage)]),
  ];
  return {
    initContainers,
    containers: mode === 'classic' ? [weir] : [],
    volumes: volumesOf(settings, writesBootstraps),
    clientMount: { name: volumeNames.run, mountPath: paths.run, readOnly: true },
    clientEnv: bootstrap.includes('grpc') ? [{ name: grpcBootstrapVariable, value: paths.grpcBootstrap }] : [],
    labels: { [metricsLabel]: 'true' },
  };
}

function weirContainer(settings: InjectionSettings, facts: PodFacts): Draft {
  const { mode, config, cache, upstreamCa, upstreamTls } = settings;
  const isNative = mode === 'native';
  return {
    name: containerNames.weir,
    ...imageOf(settings),
    ...(isNative ? { restartPolicy: 'Always' } : {}),
    args: weirArguments(settings),
    env: [...podEnvironment(), ...adminEnvironment(settings)],
    ports: [{ name: healthPortName, containerPort: healthPort(settings), protocol: 'TCP' }],
    // It waits neither for the control plane nor for a client: those start after it.
    startupProbe: {
      httpGet: { path: '/healthz/started', port: healthPortName },
      periodSeconds: 1,
      failureThreshold: startedWithinSeconds,
    },
    livenessProbe: { httpGet: { path: '/healthz/live', port: healthPortName }, periodSeconds: 10, timeoutSeconds: 5 },
    ...lifecycleOf(settings, facts),
    resources: resourcesOf(settings),
    securityContext: securityContext(settings),
    volumeMounts: [
      { name: volumeNames.run, mountPath: paths.run },
      ...(cache.kind === 'none' ? [] : [{ name: volumeNames.cache, mountPath: paths.cache }]),
      ...(settings.tokenAudience === undefined ? [] : [mount(volumeNames.token, paths.token)]),
      ...(upstreamCa === undefined ? [] : [mount(volumeNames.ca, paths.ca)]),
      ...(upstreamTls === undefined ? [] : [mount(volumeNames.tls, paths.tls)]),
      ...(config === undefined ? [] : [mount(volumeNames.config, paths.config)]),
    ],
  };
}

/** In the order in which Kubernetes ends a pod: hooks of all containers at once; then, with native sidecars, these after all others. */
function lifecycleOf(settings: InjectionSettings, { graceSeconds }: PodFacts): Draft {
  const { mode, envoyImage, envoyAdmin } = settings;
  const admin = envoyAdmin ?? (envoyImage === undefined ? undefined : adminOfEnvoy(settings));
  // Many control planes say of no listener that it is inbound. None is closed by it: connections are told to go.
  const drainsEnvoy = admin === undefined ? [] : ['--envoy', admin, '--all-listeners'];
  if (mode === 'classic') {
    // What is left is for Weir's own end.
    const waitSeconds = Math.max(1, Math.min(clientsWaitedSeconds, graceSeconds - ownEndSeconds));
    return {
      lifecycle: {
        // Holds the containers that come after it back.
        postStart: { exec: { command: ['weir', 'wait', '--started', '--timeout', '60s'] } },
        // All containers are told to end at the same time, so Weir waits for its clients.
        preStop: {
          exec: { command: ['weir', 'drain', ...drainsEnvoy, '--after-clients', '--timeout', `${waitSeconds}s`] },
        },
      },
    };
  }
  if (admin === undefined) return {};
  return { lifecycle: { preStop: { exec: { command: ['weir', 'drain', ...drainsEnvoy, '--envoy-only'] } } } };
}

/** How commands in the container find the agent, with the rights that only a socket gives. */
function adminEnvironment({ cache, flags }: InjectionSettings): Draft[] {
  if (cache.kind !== 'none') return [{ name: 'WEIR_CACHE_DIR', value: paths.cache }];
  // Of Weir's user alone, although other containers see the directory.
  return flags.has('--admin') ? [] : [{ name: 'WEIR_ADMIN', value: `unix:${paths.adminSocket}` }];
}

/** Kubernetes makes a directory of the node as root's. */
function ownerContainer(settings: InjectionSettings): Draft {
  return {
    name: containerNames.cacheOwner,
    ...imageOf(settings),
    args: ['cache', 'own', `--cache-dir=${paths.cache}`, `--user=${settings.runAsUser}`],
    resources: resourcesOf(settings),
    securityContext: {
      ...securityContext(settings),
      capabilities: { drop: ['ALL'], add: ['CHOWN'] },
      runAsGroup: 0,
      runAsNonRoot: false,
      runAsUser: 0,
    },
    volumeMounts: [{ name: volumeNames.cache, mountPath: paths.cache }],
  };
}

function weirArguments(settings: InjectionSettings): string[] {
  const { upstream, upstreamCa, upstreamTls, tokenAudience, config, flags } = settings;
  const given = new Map<string, string>();
  if (config !== undefined) given.set('--config', `${paths.config}/weir.yaml`);
  if (upstream !== undefined) given.set('--upstream', upstream);
  // Envoy and the app have other users; who does not mount the volume does not see the socket.
  given.set('--listen', `unix:${paths.socket}`).set('--socket-mode', '0666');
  given.set('--health', `0.0.0.0:${ports.health}`);
  const ca = upstreamCa === undefined ? upstreamTls && paths.tls : paths.ca;
  if (ca !== undefined) given.set('--upstream-tls-ca', `${ca}/ca.crt`);
  if (upstreamTls !== undefined) {
    given.set('--upstream-tls-cert', `${paths.tls}/tls.crt`).set('--upstream-tls-key', `${paths.tls}/tls.key`);
  }
  if (tokenAudience !== undefined) given.set('--upstream-token-file', `${paths.token}/token`);
  for (const [flag, value] of flags) {
    const socket = given.get('--listen');
    // Others may be added to the socket, which the bootstraps point at.
    given.set(flag, flag === '--listen' && socket !== undefined ? `${socket},${value}` : value);
  }
  return ['run', ...[...given].map(([flag, value]) => `${flag}=${value}`)];
}

/** Where the bootstraps put Envoy's admin interface. */
function adminOfEnvoy({ envoyAdmin }: InjectionSettings): string {
  return envoyAdmin ?? `127.0.0.1:${ports.envoyAdmin}`;
}

/** All addresses of the pod, of the family that `set-health` has. */
function anyHost({ flags }: InjectionSettings): string {
  return healthFlag(flags).startsWith('[') ? '[::]' : '0.0.0.0';
}

/** The port of `/healthz`, which `set-health` may move. */
function healthPort({ flags }: InjectionSettings): number {
  return Number(/\d+$/.exec(healthFlag(flags))?.[0]);
}

function bootstrapContainer(settings: InjectionSettings, { nodeCluster }: PodFacts): Draft {
  const { bootstrap, envoyImage, envoyBootstrap } = settings;
  const metadata = {
    NAME: '$(POD_NAME)',
    NAMESPACE: '$(POD_NAMESPACE)',
    SERVICE_ACCOUNT: '$(POD_SERVICE_ACCOUNT)',
    NODE_NAME: '$(NODE_NAME)',
  };
  return {
    name: containerNames.bootstrap,
    ...imageOf(settings),
    args: [
      'bootstrap',
      'pod',
      `--directory=${paths.run}`,
      `--for=${bootstrap.join(',')}`,
      `--listen=unix:${paths.socket}`,
      '--node-id=$(POD_NAME).$(POD_NAMESPACE)',
      `--node-cluster=${nodeCluster}`,
      '--node-region=$(POD_REGION)',
      '--node-zone=$(POD_ZONE)',
      `--node-metadata=${JSON.stringify(metadata)}`,
      `--labels-file=${paths.podInfo}/labels`,
      `--admin=${adminOfEnvoy(settings)}`,
      ...(envoyImage === undefined ? [] : [`--ready-listen=${anyHost(settings)}:${ports.envoyReady}`]),
      ...(envoyBootstrap === undefined ? [] : [`--merge=${paths.userBootstrap}/${envoyBootstrap.key}`]),
    ],
    env: podEnvironment(),
    // It runs for a moment, before the others; a pod asks for the most that one of its phases needs.
    resources: resourcesOf(settings),
    securityContext: securityContext(settings),
    volumeMounts: [
      { name: volumeNames.run, mountPath: paths.run },
      mount(volumeNames.podInfo, paths.podInfo),
      ...(envoyBootstrap === undefined ? [] : [mount(volumeNames.envoyBootstrap, paths.userBootstrap)]),
    ],
  };
}

function envoyContainer(settings: InjectionSettings, image: string): Draft {
  return {
    name: containerNames.envoy,
    image,
    restartPolicy: 'Always',
    // A container has its own shared memory, so there is no hot restart that would need it.
    args: [
      ...['-c', paths.envoyBootstrap, '--disable-hot-restart'],
      // Envoy's own 600 s, at growing odds, are longer than a pod has.
      ...['--drain-time-s', `${envoyDrainSeconds}`, '--drain-strategy', 'immediate'],
    ],
    ports: [{ name: 'http-envoy-rdy', containerPort: ports.envoyReady, protocol: 'TCP' }],
    startupProbe: {
      httpGet: { path: '/ready', port: 'http-envoy-rdy' },
      periodSeconds: 1,
      failureThreshold: envoyReadyWithinSeconds,
    },
    readinessProbe: { httpGet: { path: '/ready', port: 'http-envoy-rdy' }, periodSeconds: 5 },
    resources: { requests: { cpu: '50m', memory: '64Mi' } },
    securityContext: securityContext(settings),
    volumeMounts: [mount(volumeNames.run, paths.run)],
  };
}

function imageOf({ image, imagePullPolicy }: InjectionSettings): Draft {
  return { image, ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }) };
}

function mount(name: string, mountPath: string): Draft {
  return { name, mountPath, readOnly: true };
}

function podEnvironment(): Draft[] {
  const field = (name: string, fieldPath: string): Draft => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return [
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('POD_IP', 'status.podIP'),
    field('POD_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('NODE_NAME', 'spec.nodeName'),
    ...Object.entries(topology).map(([name, label]) => field(name, `metadata.labels['${label}']`)),
  ];
}

function resourcesOf({ cpuRequest, memoryRequest, cpuLimit, memoryLimit }: InjectionSettings): Draft {
  const limits = {
    ...(cpuLimit === undefined ? {} : { cpu: cpuLimit }),
    ...(memoryLimit === undefined ? {} : { memory: memoryLimit }),
  };
  return {
    requests: { cpu: cpuRequest, memory: memoryRequest },
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

/** What Pod Security `restricted` asks for. */
function securityContext({ runAsUser }: InjectionSettings): Draft {
  return {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    readOnlyRootFilesystem: true,
    runAsGroup: runAsUser,
    runAsNonRoot: true,
    runAsUser,
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

function volumesOf(settings: InjectionSettings, writesBootstraps: boolean): Draft[] {
  const { cache, cacheSize, tokenAudience, tokenExpirationSeconds, upstreamCa, upstreamTls, config, envoyBootstrap } =
    settings;
  const volumes: Draft[] = [{ name: volumeNames.run, emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } }];
  if (cache.kind === 'hostPath') {
    volumes.push({ name: volumeNames.cache, hostPath: { path: cache.path, type: 'DirectoryOrCreate' } });
  } else if (cache.kind !== 'none') {
    const medium = cache.kind === 'memory' ? { medium: 'Memory' } : {};
    volumes.push({ name: volumeNames.cache, emptyDir: { ...medium, sizeLimit: cacheSize } });
  }
  if (writesBootstraps) {
    const items = [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }];
    volumes.push({ name: volumeNames.podInfo, downwardAPI: { items } });
  }
  if (writesBootstraps && envoyBootstrap !== undefined) {
    volumes.push({ name: volumeNames.envoyBootstrap, configMap: { name: envoyBootstrap.configMap } });
  }
  if (tokenAudience !== undefined) {
    const token = { path: 'token', audience: tokenAudience, expirationSeconds: tokenExpirationSeconds };
    volumes.push({ name: volumeNames.token, projected: { sources: [{ serviceAccountToken: token }] } });
  }
  if (upstreamCa !== undefined) volumes.push({ name: volumeNames.ca, configMap: { name: upstreamCa } });
  if (upstreamTls !== undefined) volumes.push({ name: volumeNames.tls, secret: { secretName: upstreamTls } });
  if (config !== undefined) volumes.push({ name: volumeNames.config, configMap: { name: config } });
  return volumes;
}
