import { clusterType, endpointType, listenerType, routeType, secretType } from '../xds/type-urls.ts';
import type { TypeUrl, Variant } from '../xds/types.ts';

/** One discovery method of the local endpoint (rulebook 1.1). */
export interface DiscoveryMethod {
  readonly name: string;
  readonly variant: Variant;
}

/** A gRPC service of the local endpoint. */
export interface DiscoveryService {
  readonly name: string;
  readonly methods: readonly DiscoveryMethod[];
  /** The type that a per-type service serves (R2, R129); undefined for ADS. */
  readonly typeUrl: TypeUrl | undefined;
}

const v3 = (typeName: string): TypeUrl => `type.googleapis.com/envoy.${typeName}` as TypeUrl;

function service(name: string, typeUrl: TypeUrl, noun: string, isDeltaOnly = false): DiscoveryService {
  const delta: DiscoveryMethod = { name: `Delta${noun}`, variant: 'delta' };
  const methods: DiscoveryMethod[] = isDeltaOnly ? [delta] : [{ name: `Stream${noun}`, variant: 'sotw' }, delta];
  return { name: `envoy.service.${name}`, methods, typeUrl };
}

/** Every streaming discovery service that is served: the aggregated one, and one per type for clients without ADS. */
export const discoveryServices: readonly DiscoveryService[] = [
  {
    name: 'envoy.service.discovery.v3.AggregatedDiscoveryService',
    methods: [
      { name: 'StreamAggregatedResources', variant: 'sotw' },
      { name: 'DeltaAggregatedResources', variant: 'delta' },
    ],
    typeUrl: undefined,
  },
  service('cluster.v3.ClusterDiscoveryService', clusterType, 'Clusters'),
  service('endpoint.v3.EndpointDiscoveryService', endpointType, 'Endpoints'),
  service(
    'endpoint.v3.LocalityEndpointDiscoveryService',
    v3('config.endpoint.v3.LbEndpoint'),
    'LocalityEndpoints',
    true,
  ),
  service('listener.v3.ListenerDiscoveryService', listenerType, 'Listeners'),
  service('route.v3.RouteDiscoveryService', routeType, 'Routes'),
  service('route.v3.ScopedRoutesDiscoveryService', v3('config.route.v3.ScopedRouteConfiguration'), 'ScopedRoutes'),
  service('route.v3.VirtualHostDiscoveryService', v3('config.route.v3.VirtualHost'), 'VirtualHosts', true),
  service('secret.v3.SecretDiscoveryService', secretType, 'Secrets'),
  service('runtime.v3.RuntimeDiscoveryService', v3('service.runtime.v3.Runtime'), 'Runtime'),
  service(
    'extension.v3.ExtensionConfigDiscoveryService',
    v3('config.core.v3.TypedExtensionConfig'),
    'ExtensionConfigs',
  ),
];
