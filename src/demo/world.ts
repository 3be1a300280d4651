import type { Bodies } from './control-plane.ts';
import {
  type ConfigOrigin,
  encodeCluster,
  encodeEndpoints,
  encodeListener,
  encodeRoutes,
  type HostPort,
  type ListenerOptions,
  type Route,
  typeUrls,
} from './resources.ts';

/** A cluster of a {@link World}. */
export interface WorldCluster {
  readonly endpoints: readonly HostPort[];
  readonly connectTimeoutMs?: number;
}

/** What the demo's control plane is to serve, in terms of traffic. One listener `web` with one route configuration `web-routes`. */
export interface World {
  readonly clusters: ReadonlyMap<string, WorldCluster>;
  readonly routes: readonly Route[];
  /** Further listeners, each with routes `NAME-routes` to the same places. */
  readonly moreListeners?: readonly string[];
  readonly listener?: ListenerOptions;
  /** Where Envoy gets endpoints and routes. Default: ADS. */
  readonly origin?: ConfigOrigin;
}

/** Name of the listener that traffic enters by. */
export const listenerName = 'web';

/** Encodes a world for {@link ControlPlane.publish}. Every listener gets a port of the system's choice in each Envoy. */
export function encodeWorld(world: World): Bodies {
  const { origin = 'ads' } = world;
  const anyPort = { host: '127.0.0.1', port: 0 };
  const listeners = [listenerName, ...(world.moreListeners ?? [])];
  const byName = <T>(names: Iterable<T>, nameOf: (item: T) => string, encode: (item: T) => Buffer) =>
    new Map([...names].map(item => [nameOf(item), encode(item)]));
  return new Map([
    [
      typeUrls.cluster,
      byName(
        world.clusters,
        ([name]) => name,
        ([name, { connectTimeoutMs = 1000 }]) => encodeCluster(name, { connectTimeoutMs, origin }),
      ),
    ],
    [
      typeUrls.endpoints,
      byName(
        world.clusters,
        ([name]) => name,
        ([name, { endpoints }]) => encodeEndpoints(name, endpoints),
      ),
    ],
    [
      typeUrls.listener,
      byName(
        listeners,
        name => name,
        name => encodeListener(name, anyPort, `${name}-routes`, { ...world.listener, origin }),
      ),
    ],
    [
      typeUrls.routes,
      byName(
        listeners,
        name => `${name}-routes`,
        name => encodeRoutes(`${name}-routes`, world.routes),
      ),
    ],
  ]);
}
