import { clusterTable, endpointTable } from './envoy-clusters.ts';
import { textAt } from './envoy-json.ts';
import { listenerTable } from './envoy-listeners.ts';
import { routeTable } from './envoy-routes.ts';
import { cell, type EnvoyTable } from './envoy-table.ts';

/** A kind of resource that `weir proxy-config` has a word for. */
export interface EnvoyKind {
  /** `clusters` … */
  readonly title: string;
  /** Short names of the types that it is made of, the main one first. */
  readonly shortNames: readonly string[];
  readonly table: EnvoyTable;
}

/** Content is never shown, and nobody but Envoy can say whether a certificate is valid. */
const secretTable: EnvoyTable = {
  heading: ['RESOURCE NAME'],
  isReadableByName: true,
  rowsOf: ({ name }) => [{ cells: [cell(name)], facets: { name: [name] }, sortKey: name }],
};

const extensionTable: EnvoyTable = {
  heading: ['ECDS NAME', 'TYPE'],
  isReadableByName: true,
  rowsOf: ({ name, content }) => {
    const type = textAt(content, 'typed_config', '@type').replace(/^.*\//, '');
    return [{ cells: [name, type].map(cell), facets: { name: [name], type: [type] }, sortKey: name }];
  },
};

/** Any resource, by its name. */
export const nameTable: EnvoyTable = {
  heading: ['NAME', 'VERSION'],
  isReadableByName: true,
  rowsOf: ({ name, version }) => [{ cells: [name, version].map(cell), facets: { name: [name] }, sortKey: name }],
};

/** The kinds that have a table of their own, in the order in which `all` tells them. */
export const envoyKinds: readonly EnvoyKind[] = [
  { title: 'clusters', shortNames: ['CDS'], table: clusterTable },
  { title: 'listeners', shortNames: ['LDS'], table: listenerTable },
  { title: 'routes', shortNames: ['RDS', 'VHDS'], table: routeTable },
  // A cluster may hold its endpoints itself.
  { title: 'endpoints', shortNames: ['EDS', 'LEDS', 'CDS'], table: endpointTable },
  { title: 'secrets', shortNames: ['SDS'], table: secretTable },
  { title: 'extensions', shortNames: ['ECDS'], table: extensionTable },
];
