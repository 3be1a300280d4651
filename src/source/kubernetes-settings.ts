import type { IstioKind } from '../istio/kinds.ts';

/** How Kubernetes is read. */
export interface KubernetesSettings {
  /** Path of a kubeconfig file; undefined for the service account of the pod that Weir runs in. */
  readonly kubeconfig: string | undefined;
  /** Context of the kubeconfig; undefined for its current one. */
  readonly context?: string | undefined;
  /** Kinds that are read. Each needs get, list and watch on its plural. */
  readonly kinds: readonly IstioKind[];
  /** Namespaces that are read, each with a Role of its own; `all` needs a ClusterRole. */
  readonly namespaces: readonly string[] | 'all';
  /** ConfigMap `namespace/name` whose key `mesh` is the MeshConfig; undefined for none. Needs get, list and watch on this one ConfigMap. */
  readonly meshConfigMap?: string | undefined;
  /** Objects of one page of a list; 500. Less where objects are large: a page is in memory as a whole. */
  readonly pageSize: number;
  /** After how many ms everything is listed again, in case that a watch lost something; 30 minutes. */
  readonly resyncMs: number;
  /** Upper bound of the first delay after a failure, in ms; 500. */
  readonly backoffMinMs: number;
  /** Upper bound of every delay after failures, in ms; 60,000. */
  readonly backoffMaxMs: number;
  /** Objects of one kind over all namespaces; 20,000. With more, the kind stays as it was. */
  readonly objectsMax: number;
  /** Bytes of one object as the API server sends it; 2 MiB, more than etcd takes. A larger one is refused. */
  readonly objectBytesMax: number;
}

/** What `resyncMs` and the other bounds are where nobody says otherwise. */
export const kubernetesDefaults = {
  pageSize: 500,
  resyncMs: 30 * 60_000,
  backoffMinMs: 500,
  backoffMaxMs: 60_000,
  objectsMax: 20_000,
  objectBytesMax: 2 * 1024 * 1024,
} as const;
