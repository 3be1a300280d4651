import type { StoredView } from '../cache/stored.ts';
import type { Clock, ViewKey } from '../xds/types.ts';
import type { CoreEffect } from './events.ts';
import { rewriteOnDisk } from './type-view.ts';
import type { View } from './view.ts';

/** Makes a view whose upstream streams carry this encoded Node. */
export type MakeView = (viewKey: ViewKey, node: Buffer) => View;

/** The views that are alive: how they come, from what was stored or from nothing, and how they go. */
export class ViewTable {
  readonly #views = new Map<ViewKey, View>();
  readonly #matchKeys = new Map<ViewKey, string>();
  readonly #make: MakeView;
  readonly #isStoring: boolean;
  readonly #perform: (effect: CoreEffect) => void;

  /** @param isStoring whether changes are told to a disk */
  constructor(make: MakeView, isStoring: boolean, perform: (effect: CoreEffect) => void) {
    this.#make = make;
    this.#isStoring = isStoring;
    this.#perform = perform;
  }

  get size(): number {
    return this.#views.size;
  }

  get(viewKey: ViewKey): View | undefined {
    return this.#views.get(viewKey);
  }

  values(): IterableIterator<View> {
    return this.#views.values();
  }

  /** Makes a view. @param stored what is kept of it outside the process, under the same key or, for a node that matches, another one */
  make(viewKey: ViewKey, node: Buffer, matchKey: string, stored: StoredView | undefined, clock: Clock): View {
    const view = this.#make(viewKey, node);
    this.#views.set(viewKey, view);
    this.#matchKeys.set(viewKey, matchKey);
    // The rows of a view that is alive are its own: what another one starts with is a copy.
    const isCopy = stored !== undefined && (stored.isCopy === true || this.#isOther(stored, viewKey));
    const isTakenOver = stored?.provenance === 'disk' && !isCopy && stored.viewKey !== viewKey;
    this.#write(view, isTakenOver ? stored.viewKey : undefined, clock);
    if (stored) {
      const { provenance, types } = stored;
      this.#perform({ kind: 'note', note: { kind: 'view_restored', viewKey, provenance, types: types.length } });
      view.restore({ ...stored, isCopy }, clock);
    }
    return view;
  }

  #isOther({ viewKey }: StoredView, key: ViewKey): boolean {
    return viewKey !== key && this.#views.has(viewKey);
  }

  /** The disk has lost everything: it is told all of it once more. */
  rewrite(clock: Clock): void {
    for (const view of this.#views.values()) {
      this.#write(view, undefined, clock);
      for (const type of view.types.values()) rewriteOnDisk(type);
      this.#perform({ kind: 'write_disk', changes: view.takeDiskChanges(clock) });
    }
  }

  /**
   * Ends the views that nobody uses: a new one takes their place, since an adopted identity is a hint, never a lock.
   *
   * @returns the key of the last one that went
   */
  retireIdle(used: ReadonlySet<View>, clock: Clock): ViewKey | undefined {
    let retired: ViewKey | undefined;
    for (const view of this.#views.values()) {
      if (used.has(view)) continue;
      this.#finish(view, clock);
      this.#views.delete(view.key);
      this.#matchKeys.delete(view.key);
      retired = view.key;
    }
    return retired;
  }
  /** Nobody is served any more. The views stay, for the case that the disk has to be told everything once more. */
  end(clock: Clock): void {
    for (const view of this.#views.values()) this.#finish(view, clock);
  }

  #finish(view: View, clock: Clock): void {
    const changes = view.dispose(clock);
    for (const { streamId } of view.sessions()) {
      if (streamId !== undefined) this.#perform({ kind: 'close_upstream', streamId });
    }
    if (changes.length > 0) this.#perform({ kind: 'write_disk', changes });
  }

  /** Tells the disk of a view. @param replaces the view whose rows are its own now */
  #write({ key: viewKey, node }: View, replaces: ViewKey | undefined, clock: Clock): void {
    const matchKey = this.#matchKeys.get(viewKey) ?? '';
    const change = { kind: 'view', viewKey, matchKey, node, wallMs: clock.wallMs, replaces } as const;
    if (this.#isStoring) this.#perform({ kind: 'write_disk', changes: [change] });
  }
}
