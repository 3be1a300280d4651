import type { Entry } from '../cache/entry.ts';
import { clusterType, endpointType } from '../xds/type-urls.ts';
import type { TypeUrl } from '../xds/types.ts';
import type { TypeView } from './type-view.ts';

/** Which names the clusters of a view refer to, and what follows from that for names that upstream is silent about. */
export class References {
  readonly #types: ReadonlyMap<TypeUrl, TypeView>;
  /** Endpoints that the known clusters refer to, refused ones included, by the generation of the clusters. */
  #endpoints: { readonly generation: number; readonly names: ReadonlySet<string> } | undefined;

  constructor(types: ReadonlyMap<TypeUrl, TypeView>) {
    this.#types = types;
  }

  /** Whether a cluster takes its endpoints from this name. */
  has(endpointName: string): boolean {
    return this.#endpointNames().has(endpointName);
  }

  /** Whether what is held proves that upstream has no resource of this name. */
  readonly isKnownMissing = (typeUrl: TypeUrl, name: string): boolean => {
    const store = this.#types.get(typeUrl)?.store;
    // What was restored may lack what upstream has added since.
    if (store?.traits.isFullState) return store.isKnown && !store.isProvisional;
    const clusters = this.#types.get(clusterType)?.store;
    if (typeUrl !== endpointType || !clusters?.isKnown || clusters.isProvisional) return false;
    return !this.has(name);
  };

  #endpointNames(): ReadonlySet<string> {
    const clusters = this.#types.get(clusterType)?.store;
    const generation = clusters?.served.generation ?? -1;
    if (this.#endpoints?.generation === generation) return this.#endpoints.names;
    const names = new Set<string>();
    const refer = ({ endpointName }: Entry): void => {
      if (endpointName !== undefined) names.add(endpointName);
    };
    for (const entry of clusters?.entries() ?? []) refer(entry);
    for (const { entry } of clusters?.quarantined.values() ?? []) refer(entry);
    this.#endpoints = { generation, names };
    return names;
  }
}
