import type { Entry } from './entry.ts';
import type { IdleTier } from './idle-tier.ts';

/** What one type has in the idle tier, which all types and views share. */
export class Parking {
  readonly #idle: IdleTier;
  readonly #prefix: string;
  /** Names that the idle tier may hold. */
  readonly #names = new Set<string>();

  constructor(idle: IdleTier, prefix: string) {
    this.#idle = idle;
    this.#prefix = prefix;
  }

  get(name: string): Entry | undefined {
    return this.#idle.get(this.#prefix + name);
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
