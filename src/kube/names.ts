/** What is called how in a pod with Weir. Charts, manifests and documents rely on these names. */

/** Prefix of labels and annotations. */
export const prefix = 'weir.dev/';
/** Label and annotation that ask for Weir, or refuse it: `true` or `false`. */
export const injectKey = `${prefix}inject`;
/** Annotation that says what injection has put in. */
export const statusKey = `${prefix}status`;
/** Label of a pod that has Weir's metrics, for deploy/observability/podmonitor.yaml. */
export const metricsLabel = 'weir-metrics';

/** Containers that injection adds. */
export const containerNames = {
  cacheOwner: 'weir-cache-owner',
  bootstrap: 'weir-bootstrap',
  weir: 'weir',
  envoy: 'weir-envoy',
} as const;
/** Volumes that it adds. */
export const volumeNames = {
  run: 'weir-run',
  cache: 'weir-cache',
  token: 'weir-token',
  podInfo: 'weir-podinfo',
  ca: 'weir-ca',
  tls: 'weir-tls',
  config: 'weir-config',
  envoyBootstrap: 'weir-envoy-bootstrap',
} as const;

/** Where things are in the containers. */
export const paths = {
  run: '/var/run/weir',
  socket: '/var/run/weir/xds.sock',
  adminSocket: '/var/run/weir/admin.sock',
  envoyBootstrap: '/var/run/weir/envoy.yaml',
  grpcBootstrap: '/var/run/weir/grpc.json',
  cache: '/var/lib/weir',
  token: '/var/run/secrets/weir',
  podInfo: '/etc/weir/podinfo',
  ca: '/etc/weir/ca',
  tls: '/etc/weir/tls',
  config: '/etc/weir/config',
  userBootstrap: '/etc/weir/envoy',
} as const;

/** Name of the port of `--health`. */
export const healthPortName = 'http-weir';
/** Ports that it opens in a pod; Envoy's admin port on loopback only. */
export const ports = { health: 15_921, envoyReady: 15_922, envoyAdmin: 15_000 } as const;
/** Environment variable by which gRPC finds its bootstrap (gRFC A27). */
export const grpcBootstrapVariable = 'GRPC_XDS_BOOTSTRAP';
