import type { TypeUrl } from '../xds/types.ts';
import type { DiskNote } from './disk-notes.ts';

/** Resources whose being withheld is told one by one. */
const resourcesMax = 1_000;

/** Tells of each resource that is kept in memory only, once. */
export class WithheldNotes {
  readonly #note: (note: DiskNote) => void;
  readonly #told = new Set<string>();

  constructor(note: (note: DiskNote) => void) {
    this.#note = note;
  }

  add(typeUrl: TypeUrl, name: string, why: string): void {
    const key = `${typeUrl}\n${name}`;
    if (this.#told.has(key) || this.#told.size >= resourcesMax) return;
    this.#told.add(key);
    this.#note({ kind: 'disk_withheld', typeUrl, name, why });
  }
}
