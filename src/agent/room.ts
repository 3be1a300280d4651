import type { TypeStore } from '../cache/store.ts';
import type { WireResource } from '../xds/discovery.ts';
import type { TypeUrl } from '../xds/types.ts';

/** How much one view may hold (R123). */
export interface RoomSettings {
  /** Resources of one type. */
  readonly resourcesMax: number;
  /** Encoded bodies of all types together, in bytes. */
  readonly viewBytesMax: number;
}

/** The room that the types of one view share: a control plane that sends more and more is refused before the agent runs out of memory. */
export class Room {
  readonly #settings: RoomSettings;
  readonly #types: ReadonlyMap<TypeUrl, { readonly store: TypeStore }>;

  /** @param types of the view, live */
  constructor(settings: RoomSettings, types: ReadonlyMap<TypeUrl, { readonly store: TypeStore }>) {
    this.#settings = settings;
    this.#types = types;
  }

  /**
   * @param isWhole the resources replace all that is held of the type
   * @returns why these resources cannot be taken in, if so
   */
  refusal(store: TypeStore, resources: Iterable<WireResource>, isWhole: boolean): string | undefined {
    let size = isWhole ? 0 : store.size;
    let bytes = isWhole ? -store.served.bytes : 0;
    for (const { name, any } of resources) {
      const held = isWhole ? undefined : store.get(name);
      if (!held) size++;
      bytes += any.length - (held?.any.length ?? 0);
    }
    const { resourcesMax, viewBytesMax } = this.#settings;
    if (size > resourcesMax) {
      return `${size} resources of the type would be held, ${resourcesMax} are allowed (setting resourcesPerTypeMax)`;
    }
    // What makes no more of it is never refused for its size.
    if (bytes <= 0) return undefined;
    for (const { store: one } of this.#types.values()) bytes += one.served.bytes;
    if (bytes <= viewBytesMax) return undefined;
    return `${bytes} bytes would be held for the node, ${viewBytesMax} are allowed (setting viewBytesMax)`;
  }
}
