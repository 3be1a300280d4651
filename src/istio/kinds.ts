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
