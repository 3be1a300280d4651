import type { SchemaFile } from '../proto/schema-file.ts';
import { accessFilters } from './schema/access-filters.ts';
import { clusters } from './schema/clusters.ts';
import { core } from './schema/core.ts';
import { coreServices } from './schema/core-services.ts';
import { credentials } from './schema/credentials.ts';
import { httpConnectionManager } from './schema/http-connection-manager.ts';
import { httpExtensions } from './schema/http-extensions.ts';
import { httpFilters } from './schema/http-filters.ts';
import { listenerFilters } from './schema/listener-filters.ts';
import { listeners } from './schema/listeners.ts';
import { loginFilters } from './schema/login-filters.ts';
import { matchers } from './schema/matchers.ts';
import { networkFilters } from './schema/network-filters.ts';
import { plugins } from './schema/plugins.ts';
import { routeComponents } from './schema/route-components.ts';
import { routes } from './schema/routes.ts';
import { telemetry } from './schema/telemetry.ts';
import { trafficFilters } from './schema/traffic-filters.ts';
import { transportSockets } from './schema/transport-sockets.ts';
import { types } from './schema/types.ts';
import { upstreams } from './schema/upstreams.ts';

/** Envoy's messages as tables, as far as control planes send them. In the bundle they stand behind the program (ADR 0018). */
export const envoyTables: readonly SchemaFile[] = [
  ...accessFilters,
  ...clusters,
  ...core,
  ...coreServices,
  ...credentials,
  ...httpConnectionManager,
  ...httpExtensions,
  ...httpFilters,
  ...listenerFilters,
  ...listeners,
  ...loginFilters,
  ...matchers,
  ...networkFilters,
  ...plugins,
  ...routeComponents,
  ...routes,
  ...telemetry,
  ...trafficFilters,
  ...transportSockets,
  ...types,
  ...upstreams,
];
