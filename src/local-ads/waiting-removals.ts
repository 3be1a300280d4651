import type { Entry } from '../cache/entry.ts';

/**
 * Removals of clusters and endpoints that one client has not been told yet: they go out after the listeners and routes of the same batch,
 * which stop using them (R28, R86).
 */
export class WaitingRemovals {
  readonly #waiting = new Map<string, { readonly releaseAtMs: number; readonly entry: Entry | undefined }>();

  /**
   * @param releaseAtMs on the monotonic clock
   * @param entry what is removed, which SotW lists hold until then; undefined when it is not known any more
   */
  wait(name: string, releaseAtMs: number, entry: Entry | undefined): void {
    this.#waiting.set(name, { releaseAtMs, entry });
  }

  /** The removal is void: the name is back, or not subscribed any more. */
  cancel(name: string): void {
    this.#waiting.delete(name);
  }

  /** When the next removal may go out, in ms; Infinity without one. */
  nextReleaseMs(): number {
    let deadline = Infinity;
    for (const { releaseAtMs } of this.#waiting.values()) deadline = Math.min(deadline, releaseAtMs);
    return deadline;
  }

  /** Takes the names whose wait is over. */
  release(nowMs: number): string[] {
    const names: string[] = [];
    for (const [name, { releaseAtMs }] of this.#waiting) if (releaseAtMs <= nowMs) names.push(name);
    for (const name of names) this.#waiting.delete(name);
    return names;
  }

  /** What still waits, for lists that go on holding it. */
  kept(): Entry[] {
    const entries: Entry[] = [];
    for (const { entry } of this.#waiting.values()) if (entry) entries.push(entry);
    return entries;
  }
}
