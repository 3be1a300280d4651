import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A Kubernetes-shaped object of Istio's configuration. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** A VirtualService that sends everything for `host` to `to`. */
export function virtualService(namespace: string, name: string, to = 'b.example'): Manifest {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace },
    spec: { hosts: [`${name}.example`], http: [{ route: [{ destination: { host: to } }] }] },
  };
}

const selector = { matchLabels: { app: 'web' } };

const bodies: readonly (readonly [
  apiVersion: string,
  kind: string,
  spec: Manifest['spec'],
  changed: Manifest['spec'],
])[] = [
  [
    'security.istio.io/v1',
    'AuthorizationPolicy',
    { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/a'] } }] }] },
    { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/b'] } }] }] },
  ],
  [
    'networking.istio.io/v1',
    'DestinationRule',
    { host: 'a.example', trafficPolicy: { connectionPool: { tcp: { maxConnections: 7 } } } },
    { host: 'a.example', trafficPolicy: { connectionPool: { tcp: { maxConnections: 8 } } } },
  ],
  ['networking.istio.io/v1alpha3', 'EnvoyFilter', envoyFilter(5), envoyFilter(6)],
  ['networking.istio.io/v1', 'Gateway', gateway(8080), gateway(8081)],
  [
    'security.istio.io/v1',
    'PeerAuthentication',
    { selector, mtls: { mode: 'STRICT' } },
    { selector, mtls: { mode: 'PERMISSIVE' } },
  ],
  [
    'networking.istio.io/v1beta1',
    'ProxyConfig',
    { selector, concurrency: 2, environmentVariables: { A: 'b' } },
    { selector, concurrency: 3 },
  ],
  [
    'security.istio.io/v1',
    'RequestAuthentication',
    { selector, jwtRules: [{ issuer: 'a', jwks: '{"keys":[]}' }] },
    { selector, jwtRules: [{ issuer: 'b', jwks: '{"keys":[]}' }] },
  ],
  ['networking.istio.io/v1', 'ServiceEntry', serviceEntry('10.1.1.1'), serviceEntry('10.1.1.2')],
  [
    'networking.istio.io/v1',
    'Sidecar',
    { egress: [{ hosts: ['./*'] }] },
    { egress: [{ hosts: ['./*', 'istio-system/*'] }] },
  ],
  [
    'telemetry.istio.io/v1',
    'Telemetry',
    { selector, accessLogging: [{ disabled: true }] },
    { selector, accessLogging: [{ disabled: false }] },
  ],
  [
    'extensions.istio.io/v1alpha1',
    'TrafficExtension',
    { selector, wasm: { url: 'file:///a.wasm' } },
    { selector, wasm: { url: 'file:///b.wasm' } },
  ],
  ['networking.istio.io/v1', 'VirtualService', virtualService('', 'a').spec, virtualService('', 'a', 'c.example').spec],
  [
    'extensions.istio.io/v1alpha1',
    'WasmPlugin',
    { selector, url: 'file:///a.wasm', pluginConfig: { depth: { n: 1 } } },
    { selector, url: 'file:///b.wasm' },
  ],
  [
    'networking.istio.io/v1',
    'WorkloadEntry',
    { address: '10.1.2.1', labels: { app: 'web' } },
    { address: '10.1.2.2', labels: { app: 'web' } },
  ],
  [
    'networking.istio.io/v1',
    'WorkloadGroup',
    { template: { ports: { http: 80 }, serviceAccount: 'a' } },
    { template: { ports: { http: 80 }, serviceAccount: 'b' } },
  ],
];

function envoyFilter(seconds: number): Manifest['spec'] {
  const value = { name: `c${seconds}`, connect_timeout: `${seconds}s`, type: 'STATIC' };
  return {
    configPatches: [{ applyTo: 'CLUSTER', match: { context: 'SIDECAR_OUTBOUND' }, patch: { operation: 'ADD', value } }],
  };
}

function gateway(number: number): Manifest['spec'] {
  return {
    selector: { istio: 'ingress' },
    servers: [{ port: { number, name: 'http', protocol: 'HTTP' }, hosts: ['*.example'] }],
  };
}

function serviceEntry(address: string): Manifest['spec'] {
  return {
    hosts: ['a.example'],
    ports: [{ number: 8080, name: 'http', protocol: 'HTTP' }],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    endpoints: [{ address }],
  };
}

/** One object of each kind that istiod asks for, as it is and as it is after a change. */
export function ofEachKind(namespace: string): readonly { readonly before: Manifest; readonly after: Manifest }[] {
  return bodies.map(([apiVersion, kind, spec, changed]) => {
    const metadata = {
      name: 'one',
      namespace,
      labels: { team: namespace },
      annotations: { 'example.com/note': 'ä \u2713' },
    };
    const before = { apiVersion, kind, metadata, spec };
    return { before, after: { ...before, spec: changed } };
  });
}

/** A folder of manifests that istiod watches, a file for each object. */
export class ManifestFolder {
  readonly path: string;

  /** @param path of a folder that exists and is ours */
  constructor(path: string) {
    this.path = path;
  }

  put(...manifests: readonly Manifest[]): void {
    for (const manifest of manifests) writeFileSync(this.#fileOf(manifest), JSON.stringify(manifest));
  }

  /** Writes many objects into one file, so that istiod reads them at once. */
  putTogether(name: string, manifests: readonly Manifest[]): void {
    writeFileSync(join(this.path, `${name}.yaml`), manifests.map(one => JSON.stringify(one)).join('\n---\n'));
  }

  remove(manifest: Manifest): void {
    rmSync(this.#fileOf(manifest));
  }

  #fileOf({ kind, metadata }: Manifest): string {
    return join(this.path, `${kind}.${metadata.namespace}.${metadata.name}.yaml`);
  }
}
