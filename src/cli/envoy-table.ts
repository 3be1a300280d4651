import type { DecodedResource } from '../envoy/resource.ts';
import { textAt } from './envoy-json.ts';

/** A resource that rows are made of. */
export interface ShownResource {
  readonly typeUrl: string;
  readonly name: string;
  /** That the control plane gave it; may be empty. */
  readonly version: string;
  /** Undefined where its content is not known here: over TCP, or since it is withheld. */
  readonly content: DecodedResource | undefined;
}

/** What rows may be chosen by, in the words of istioctl. */
export type Facet = 'fqdn' | 'port' | 'subset' | 'direction' | 'address' | 'type' | 'name' | 'cluster' | 'status';

/** One row of a resource, which may have several. */
export interface EnvoyRow {
  readonly cells: readonly string[];
  /** Values by which the row is found. Where there is none, none is known. */
  readonly facets: Readonly<Partial<Record<Facet, readonly string[]>>>;
  /** Rows stand in this order, those of equal keys as they came. */
  readonly sortKey: string;
}

/** How one kind of resource is shown. */
export interface EnvoyTable {
  readonly heading: readonly string[];
  /** Whether rows say something when contents are not known; else the table of names is shown. */
  readonly isReadableByName: boolean;
  /** What one resource makes. Resources without rows have nothing to tell in this table. */
  readonly rowsOf: (resource: ShownResource) => readonly EnvoyRow[];
}

/** Facets by which rows are chosen. */
export type Filters = Readonly<Partial<Record<Facet, string | undefined>>>;

/** Whether a row is among those asked for; case does not matter. */
export function isChosen({ facets }: EnvoyRow, filters: Filters): boolean {
  return Object.entries(filters).every(([facet, wanted]) => {
    if (wanted === undefined) return true;
    const values = facets[facet as Facet] ?? []; // The keys of Filters.
    return values.some(value => value.toLowerCase() === wanted.toLowerCase());
  });
}

/** A cell that is never empty, and says nothing to a terminal. */
export function cell(text: string): string {
  return text === '' ? '-' : text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}

/** The first of some texts, and how many more there are. */
export function some(texts: readonly string[], max: number): string {
  const more = texts.length - max;
  return texts.slice(0, max).join(', ') + (more > 0 ? ` + ${more} more...` : '');
}

/**
 * What a resource was made of, by Istio's metadata: `reviews.shop` for the object `reviews` in the namespace `shop`; empty where it does not say.
 *
 * @param json with a `metadata`
 */
export function madeOf(json: unknown): string {
  const path = textAt(json, 'metadata', 'filter_metadata', 'istio', 'config');
  const [, namespace, , name] = /^\/apis\/[^/]+\/[^/]+\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
  return namespace === undefined || name === undefined ? '' : `${name}.${namespace}`;
}
