import type { TypeUrl } from './types.ts';

/** What the protocol says of a resource type (rulebook 1.2). */
export interface TypeTraits {
  /** The field's short word, such as `CDS`, or the URL where there is none. */
  readonly shortName: string;
  /** SotW: a response is the complete list, and absence means deletion (R20, R21). */
  readonly isFullState: boolean;
  /** An initial empty name list means `*` (R12, R14). For the others it means nothing (R47). */
  readonly hasLegacyWildcard: boolean;
  /** One of Envoy's own types: its `Any` carries this very URL and its name is field 1 of the body (R77). */
  readonly isEnvoyType: boolean;
  /** Place in the make-before-break order, lower first (R86). */
  readonly sendOrder: number;
  /**
   * Whether Weir may tell a Delta client on its own conclusion that a name does not exist (R95). A removed route keeps Envoy
   * waiting for ever (R54), a removed filter config answers 500.
   */
  readonly mayInferRemoval: boolean;
  /** Its responses are no configuration but answers to questions, and are never acknowledged: istiod takes every ACK for the next question. */
  readonly isNeverAcked: boolean;
}

const prefix = 'type.googleapis.com/';

function envoyType(
  message: string,
  shortName: string,
  sendOrder: number,
  flags: { fullState?: boolean; legacyWildcard?: boolean; mayInferRemoval?: boolean } = {},
): [string, TypeTraits] {
  return [
    prefix + message,
    {
      shortName,
      sendOrder,
      isFullState: flags.fullState ?? false,
      hasLegacyWildcard: flags.legacyWildcard ?? flags.fullState ?? false,
      isEnvoyType: true,
      mayInferRemoval: flags.mayInferRemoval ?? false,
      isNeverAcked: false,
    },
  ];
}

const traitsByUrl: ReadonlyMap<string, TypeTraits> = new Map([
  envoyType('envoy.service.runtime.v3.Runtime', 'RTDS', 0),
  envoyType('envoy.config.cluster.v3.Cluster', 'CDS', 1, { fullState: true, mayInferRemoval: true }),
  envoyType('envoy.config.endpoint.v3.ClusterLoadAssignment', 'EDS', 2, { mayInferRemoval: true }),
  envoyType('envoy.config.endpoint.v3.LbEndpoint', 'LEDS', 3),
  envoyType('envoy.extensions.transport_sockets.tls.v3.Secret', 'SDS', 4),
  envoyType('envoy.config.listener.v3.Listener', 'LDS', 5, { fullState: true }),
  envoyType('envoy.config.route.v3.ScopedRouteConfiguration', 'SRDS', 6, { fullState: true }),
  envoyType('envoy.config.route.v3.RouteConfiguration', 'RDS', 7),
  envoyType('envoy.config.route.v3.VirtualHost', 'VHDS', 8, { legacyWildcard: true, mayInferRemoval: true }),
  envoyType('envoy.config.core.v3.TypedExtensionConfig', 'ECDS', 9),
]);

/** Envoy's types, with what people call them. */
export const envoyTypes: readonly { readonly typeUrl: string; readonly shortName: string }[] = [...traitsByUrl].map(
  ([typeUrl, { shortName }]) => ({ typeUrl, shortName }),
);

/** Short words of Envoy's types. */
export const shortNames: readonly string[] = [...traitsByUrl.values()].map(({ shortName }) => shortName);

/** URL of `envoy.config.cluster.v3.Cluster`. */
export const clusterType = `${prefix}envoy.config.cluster.v3.Cluster` as TypeUrl;
/** URL of `envoy.config.endpoint.v3.ClusterLoadAssignment`. */
export const endpointType = `${prefix}envoy.config.endpoint.v3.ClusterLoadAssignment` as TypeUrl;
/** URL of `envoy.config.endpoint.v3.LbEndpoint`, the members of a collection of endpoints (LEDS). */
export const memberType = `${prefix}envoy.config.endpoint.v3.LbEndpoint` as TypeUrl;
/** URL of `envoy.config.listener.v3.Listener`. */
export const listenerType = `${prefix}envoy.config.listener.v3.Listener` as TypeUrl;
/** URL of `envoy.config.route.v3.RouteConfiguration`. */
export const routeType = `${prefix}envoy.config.route.v3.RouteConfiguration` as TypeUrl;
/** URL of `envoy.extensions.transport_sockets.tls.v3.Secret`. */
export const secretType = `${prefix}envoy.extensions.transport_sockets.tls.v3.Secret` as TypeUrl;

/** What istiod tells of itself on request, such as `istio.io/debug/syncz`. */
const debugType = /^istio\.io\/debug(?:\/|$)/;

/** Traits of any type; one that Weir has no entry for is opaque, full-state and wildcard by default (rulebook 1.2, "other"). */
export function traitsOf(typeUrl: TypeUrl): TypeTraits {
  return (
    traitsByUrl.get(typeUrl) ?? {
      shortName: typeUrl,
      sendOrder: 10,
      isFullState: true,
      hasLegacyWildcard: true,
      isEnvoyType: false,
      mayInferRemoval: false,
      isNeverAcked: debugType.test(typeUrl),
    }
  );
}

/**
 * Which upstream stream of a view carries a type (design "Identity, sharing, stream groups"): `own …` are streams of types over which a server
 * ended the main one.
 */
export type StreamGroup = 'main' | 'mcp' | `own ${string}` | AuthorityGroup;

/** The stream to the control plane of other authorities (R34). */
export type AuthorityGroup = `authorities at ${string}`;

/**
 * Istio's mesh configuration rides on a stream of its own: istiod ends the whole stream over one such type that it does not
 * authorise (istio-facts.md, lesson 2). Its type URLs are `group/version/Kind` without the usual prefix.
 */
export function groupOf(typeUrl: TypeUrl): StreamGroup {
  if (debugType.test(typeUrl)) return 'own istio.io/debug';
  return /^[^/]+\/v[^/]+\/[^/]+$/.test(typeUrl) ? 'mcp' : 'main';
}

/**
 * Whether clients take a type without a word: istiod never acknowledges a MeshConfig that holds one (istio-facts.md, "MCP"). That it has been
 * sent is then all that there is to know.
 */
export function isTakenInSilence(typeUrl: TypeUrl): boolean {
  return typeUrl === 'core/v1alpha1/MeshConfig';
}

/**
 * Whether requests of a type are reports of the client, which ask for nothing and are never answered: Istio's HealthInformation. Taken for a
 * subscription it would tell istiod that the workload is healthy, whatever it says (istio-facts.md).
 */
export function isReport(typeUrl: TypeUrl): boolean {
  return typeUrl === 'type.googleapis.com/istio.v1.HealthInformation';
}
