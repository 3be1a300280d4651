import type { ResourceReport, TypeReport } from './reports.ts';
import type { AdminSource } from './source.ts';

/** How Envoy names a type's part of its dump, and the field that lists its resources. */
const envoyDumps: Readonly<Record<string, readonly [type: string, field: string]>> = {
  CDS: ['ClustersConfigDump', 'dynamic_active_clusters'],
  LDS: ['ListenersConfigDump', 'dynamic_listeners'],
  RDS: ['RoutesConfigDump', 'dynamic_route_configs'],
  EDS: ['EndpointsConfigDump', 'dynamic_endpoint_configs'],
  SDS: ['SecretsConfigDump', 'dynamic_active_secrets'],
  SRDS: ['ScopedRoutesConfigDump', 'dynamic_scoped_route_configs'],
  ECDS: ['EcdsConfigDump', 'ecds_filters'],
};

/**
 * What is served, in the shape of Envoy's `/config_dump`, a piece at a time: ten thousand resources never stand in memory as text. Bodies
 * are opaque to Weir, so in their place stand size and digest; of a secret only the name is shown.
 */
export function* renderConfigDump(source: AdminSource): Generator<string> {
  const { types } = source.report();
  yield '{"configs":[';
  for (const [index, type] of types.entries()) {
    if (index > 0) yield ',';
    yield* renderType(source, type);
  }
  yield '\n]}\n';
}

function* renderType(source: AdminSource, type: TypeReport): Generator<string> {
  const [message, field] = envoyDumps[type.shortName] ?? ['GenericXdsConfigs', 'resources'];
  const head = {
    '@type': `type.googleapis.com/envoy.admin.v3.${message}`,
    type_url: type.typeUrl,
    view: type.viewKey,
    version_info: type.versionInfo,
    state: type.state,
  };
  const lastUpdated = type.updatedWallMs === undefined ? undefined : new Date(type.updatedWallMs).toISOString();
  yield `\n${JSON.stringify(head).slice(0, -1)},"${field}":[`;
  let isFirst = true;
  // By the last word, so that a type of this kind that Weir has no name for is covered, too.
  const isSecret = /[./]Secret$/.test(type.typeUrl);
  for (const resource of source.resources(type.viewKey, type.typeUrl)) {
    const shown = isSecret ? { name: resource.name } : describe(resource);
    yield `${isFirst ? '' : ','}\n  ${JSON.stringify({ ...shown, last_updated: lastUpdated })}`;
    isFirst = false;
  }
  yield ']}';
}

function describe({ name, version, bytes, digest }: ResourceReport) {
  return { name, version_info: version, bytes, digest };
}
