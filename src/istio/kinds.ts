import type { TypeUrl } from '../xds/types.ts';

/** One kind of Istio's configuration: how it is called in Kubernetes, over MCP and in protobuf. */
export interface IstioKind {
  readonly kind: string;
  /** API group, such as `networking.istio.io`. */
  readonly group: string;
  /** Name of the collection in the Kubernetes API, such as `virtualservices`. */
  readonly plural: string;
  /** Versions in which manifests are written and the Kubernetes API may serve it, the newest first. */
  readonly versions: readonly string[];
  /** Type URL by which today's istiod asks for it. */
  readonly typeUrl: TypeUrl;
  /** Type URLs by which older ones ask for the same. */
  readonly olderTypeUrls: readonly TypeUrl[];
  /** Full name of the message that its `spec` is. */
  readonly message: string;
}

/** Type URL by which istiod asks for the configuration of the mesh, a bare `istio.mesh.v1alpha1.MeshConfig`. */
export const meshConfigTypeUrl = 'core/v1alpha1/MeshConfig' as TypeUrl;

interface Group {
  readonly group: string;
  readonly versions: readonly string[];
  /** Versions in the type URLs by which istiod asked before it asked for the newest. */
  readonly asked: readonly string[];
  readonly package: string;
  readonly kinds: readonly (readonly [kind: string, plural: string])[];
}

// istio.io/istio pkg/config/schema/metadata.yaml of 2026-08-27, and those of 1.18, 1.24 and 1.26 for what older ones ask for. All kinds
// are of namespaces.
const groups: readonly Group[] = [
  {
    group: 'networking.istio.io',
    versions: ['v1', 'v1beta1', 'v1alpha3'],
    asked: ['v1alpha3'],
    package: 'istio.networking.v1alpha3',
    kinds: [
      ['DestinationRule', 'destinationrules'],
      ['Gateway', 'gateways'],
      ['ServiceEntry', 'serviceentries'],
      ['Sidecar', 'sidecars'],
      ['VirtualService', 'virtualservices'],
      ['WorkloadEntry', 'workloadentries'],
      ['WorkloadGroup', 'workloadgroups'],
    ],
  },
  {
    group: 'networking.istio.io',
    versions: ['v1alpha3'],
    asked: [],
    package: 'istio.networking.v1alpha3',
    kinds: [['EnvoyFilter', 'envoyfilters']],
  },
  {
    group: 'networking.istio.io',
    versions: ['v1beta1'],
    asked: [],
    package: 'istio.networking.v1beta1',
    kinds: [['ProxyConfig', 'proxyconfigs']],
  },
  {
    group: 'security.istio.io',
    versions: ['v1', 'v1beta1'],
    asked: ['v1beta1'],
    package: 'istio.security.v1beta1',
    kinds: [
      ['AuthorizationPolicy', 'authorizationpolicies'],
      ['PeerAuthentication', 'peerauthentications'],
      ['RequestAuthentication', 'requestauthentications'],
    ],
  },
  {
    group: 'telemetry.istio.io',
    versions: ['v1', 'v1alpha1'],
    asked: ['v1alpha1'],
    package: 'istio.telemetry.v1alpha1',
    kinds: [['Telemetry', 'telemetries']],
  },
  {
    group: 'extensions.istio.io',
    versions: ['v1alpha1'],
    asked: [],
    package: 'istio.extensions.v1alpha1',
    kinds: [
      ['TrafficExtension', 'trafficextensions'],
      ['WasmPlugin', 'wasmplugins'],
    ],
  },
];

function kindsOf({ group, versions, asked, package: of, kinds }: Group): IstioKind[] {
  const url = (version: string, kind: string): TypeUrl => `${group}/${version}/${kind}` as TypeUrl;
  return kinds.map(([kind, plural]) => ({
    kind,
    group,
    plural,
    versions,
    typeUrl: url(versions[0] ?? '', kind),
    olderTypeUrls: asked.map(version => url(version, kind)),
    message: `${of}.${kind}`,
  }));
}

/** The kinds that istiod asks for besides the configuration of the mesh, by name. */
export const istioKinds: readonly IstioKind[] = groups.flatMap(kindsOf).toSorted((a, b) => (a.kind < b.kind ? -1 : 1));

const byObject = new Map<string, IstioKind>(
  istioKinds.flatMap(kind => kind.versions.map(version => [`${kind.group}/${version} ${kind.kind}`, kind] as const)),
);
const byTypeUrl = new Map<string, IstioKind>(
  istioKinds.flatMap(kind => [kind.typeUrl, ...kind.olderTypeUrls].map(typeUrl => [typeUrl, kind] as const)),
);

/** The kind of an object with this `apiVersion` and `kind`, in any version that its group knows. */
export function kindOfObject(apiVersion: string, kind: string): IstioKind | undefined {
  return byObject.get(`${apiVersion} ${kind}`);
}

/** How a type of mesh configuration is called, `MeshConfig` among them, whether its URL is today's or an older one; undefined for any other. */
export function kindNameOf(typeUrl: string): string | undefined {
  return typeUrl === meshConfigTypeUrl ? 'MeshConfig' : kindOfTypeUrl(typeUrl)?.kind;
}

/** The kind that a type URL asks for, whether today's or an older one. */
export function kindOfTypeUrl(typeUrl: string): IstioKind | undefined {
  return byTypeUrl.get(typeUrl);
}
