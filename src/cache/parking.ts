import type { WireResource } from '../xds/discovery.ts';
import type { Bodies } from './body-pool.ts';
import { Entry } from './entry.ts';
import type { IdleTier } from './idle-tier.ts';

/** What one type has in the idle tier, which all types and views share. */
export class Parking {
  readonly #idle: IdleTier;
  readonly #bodies: Bodies;
  readonly #prefix: string;
  /** Names that the idle tier may hold. */
  readonly #names = new Set<string>();

  constructor(idle: IdleTier, bodies: Bodies, prefix: string) {
    this.#idle = idle;
    this.#bodies = bodies;
    this.#prefix = prefix;
  }

  get(name: string): Entry | undefined {
    return this.#idle.get(this.#prefix + name);
  }

  /** What is held. */
  *entries(): Generator<Entry> {
    for (const name of this.#names) {
      const entry = this.get(name);
      if (entry) yield entry;
    }
  }

  /** Takes in what upstream sends of a name meanwhile; what clients said of the content before stays known. */
  take(resource: WireResource, revision: number, wallMs: number | undefined): Entry {
    const before = this.get(resource.name);
    const isSame = before?.any.equals(resource.any) === true;
    const changedWallMs = isSame ? before.changedWallMs : wallMs;
    const entry = new Entry(resource, this.#bodies.home(resource.any), revision, revision, changedWallMs);
    entry.isAccepted = isSame && before.isAccepted;
    if (!entry.isAccepted) entry.good = before?.isAccepted ? before : before?.good;
    this.put(entry);
    return entry;
  }

  put(entry: Entry): void {
    if (this.#idle.put(this.#prefix + entry.name, entry)) this.#names.add(entry.name);
    else this.#names.delete(entry.name);
  }

  delete(name: string): void {
    if (this.#names.delete(name)) this.#idle.delete(this.#prefix + name);
  }

  /** Gives back everything. */
  clear(): void {
    for (const name of this.#names) this.#idle.delete(this.#prefix + name);
    this.#names.clear();
  }
}
