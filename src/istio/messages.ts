import { makeCatalog } from '../proto/catalog.ts';
import { wellKnown } from '../proto/well-known.ts';
import { destinationRule } from './schema/destination-rule.ts';
import { envoyFilter } from './schema/envoy-filter.ts';
import { extensions } from './schema/extensions.ts';
import { gateway } from './schema/gateway.ts';
import { mcp } from './schema/mcp.ts';
import { meshConfig } from './schema/mesh-config.ts';
import { meshProviders } from './schema/mesh-providers.ts';
import { meshProxy } from './schema/mesh-proxy.ts';
import { proxyConfig } from './schema/proxy-config.ts';
import { security } from './schema/security.ts';
import { selectors } from './schema/selectors.ts';
import { serviceEntry } from './schema/service-entry.ts';
import { sidecar } from './schema/sidecar.ts';
import { telemetry } from './schema/telemetry.ts';
import { virtualService } from './schema/virtual-service.ts';
import { workloads } from './schema/workloads.ts';

/** Istio's messages. */
export const istioMessages = makeCatalog([
  wellKnown,
  mcp,
  selectors,
  virtualService,
  destinationRule,
  gateway,
  serviceEntry,
  sidecar,
  envoyFilter,
  workloads,
  proxyConfig,
  security,
  telemetry,
  extensions,
  meshConfig,
  meshProviders,
  meshProxy,
]);
