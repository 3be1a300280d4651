import type { DiskChange, StoredResource, StoredTypeState, StoredView } from '../../src/cache/stored.ts';
import type { TypeUrl, ViewKey } from '../../src/xds/types.ts';
import type { SeededRandom } from './random.ts';

interface ViewRows {
  matchKey: string;
  node: Buffer;
  usedWallMs: number;
  readonly types: Map<TypeUrl, { state: StoredTypeState; readonly resources: Map<string, StoredResource> }>;
}

/** A disk cache as the core sees it, in memory: what was written is what is found. For tests that crash and restart a core. */
export class MemoryDisk {
  readonly #views = new Map<ViewKey, ViewRows>();
  /** Transactions so far. */
  writes = 0;
  #isWiped = false;

  write(changes: readonly DiskChange[]): void {
    this.writes++;
    for (const change of changes) this.#apply(change);
  }

  /**
   * A disk with the same content that goes its own way, as after a crash.
   *
   * @param damage one row of each type is damaged: it is gone, and with it a set that was complete
   */
  copy(damage?: SeededRandom): MemoryDisk {
    const copy = new MemoryDisk();
    for (const [key, { types, ...rows }] of this.#views) {
      const copied: ViewRows['types'] = new Map();
      for (const [url, { state, resources }] of types) {
        const kept = new Map(resources);
        const lost = damage?.pick([...kept.keys()]);
        if (lost !== undefined) kept.delete(lost);
        // A set that lacks something is no set.
        if (state.isKnown && lost !== undefined)
          copied.set(url, { state: { ...state, isKnown: false }, resources: new Map() });
        else copied.set(url, { state, resources: kept });
      }
      copy.#views.set(key, { ...rows, types: copied });
    }
    return copy;
  }

  /** Everything is lost while the disk is in use: what comes for views that are not there any more is passed over. */
  wipe(): void {
    this.#views.clear();
    this.#isWiped = true;
  }

  newest(): StoredView | undefined {
    return this.#best(() => true);
  }

  find(matchKey: string): StoredView | undefined {
    // As the disk does: what never got anything is found only where there is nothing else.
    const holdsAnything = ({ types }: ViewRows): boolean =>
      [...types.values()].some(({ state, resources }) => state.isKnown || resources.size > 0);
    const matches = (rows: ViewRows): boolean => rows.matchKey === matchKey;
    return this.#best(rows => matches(rows) && holdsAnything(rows)) ?? this.#best(matches);
  }

  /** Names of a type that a view would be restored with; by default the newest one. */
  names(typeUrl: TypeUrl, view = this.newest()): string[] {
    const type = view?.types.find(one => one.typeUrl === typeUrl);
    return (type?.resources ?? []).map(resource => resource.name).sort();
  }

  #best(accepts: (rows: ViewRows) => boolean): StoredView | undefined {
    let best: [ViewKey, ViewRows] | undefined;
    for (const [key, rows] of this.#views) {
      if (accepts(rows) && (!best || rows.usedWallMs >= best[1].usedWallMs)) best = [key, rows];
    }
    if (!best) return undefined;
    const [viewKey, { matchKey, node, usedWallMs, types }] = best;
    return {
      viewKey,
      matchKey,
      node,
      usedWallMs,
      provenance: 'disk',
      types: [...types].map(([typeUrl, { state, resources }]) => ({
        typeUrl,
        ...state,
        resources: [...resources.values()],
      })),
    };
  }

  #apply(change: DiskChange): void {
    if (change.kind === 'view') {
      const { viewKey, matchKey, node, wallMs, replaces } = change;
      const replaced = replaces === undefined ? undefined : this.#views.get(replaces);
      if (replaces !== undefined) this.#views.delete(replaces);
      const types = (replaced ?? this.#views.get(viewKey))?.types ?? new Map();
      this.#views.set(viewKey, { matchKey, node, usedWallMs: wallMs, types });
      return;
    }
    const view = this.#views.get(change.viewKey);
    if (!view && this.#isWiped) return;
    if (!view) throw new Error(`a change of ${change.typeUrl} comes before its view`);
    const state: StoredTypeState = { isKnown: false, confirmedWallMs: 0, upstreamVersion: '', server: '', scope: '' };
    const type = view.types.get(change.typeUrl) ?? { state, resources: new Map<string, StoredResource>() };
    view.types.set(change.typeUrl, type);
    if (change.kind === 'type') type.state = change.state;
    else if (change.kind === 'clear') type.resources.clear();
    else if (change.kind === 'put') type.resources.set(change.resource.name, change.resource);
    else type.resources.delete(change.name);
  }
}
