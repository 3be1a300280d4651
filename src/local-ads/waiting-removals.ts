import type { Entry } from '../cache/entry.ts';

/**
 * Removals of clusters and endpoints that one client has not been told yet: they go out after the listeners and routes of the same batch,
 * which stop using them (R28, R86).
 */
export class WaitingRemovals {
  readonly #waiting = new Map<
    string,
    { readonly releaseAtMs: number; readonly entry: Entry | undefined; readonly fromRevision: number }
  >();

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /**
   * @param releaseAtMs on the monotonic clock
   * @param entry what is removed, which SotW lists hold until then; undefined when it is not known any more
   * @param fromRevision that the client was level at before: its word on the removal speaks of what came since
   */
  wait(name: string, releaseAtMs: number, entry: Entry | undefined, fromRevision: number): void {
    this.#waiting.set(name, { releaseAtMs, entry, fromRevision });
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

  /** Takes the names whose wait is over, and the revision before the first of these removals. */
  release(nowMs: number): { readonly names: readonly string[]; readonly fromRevision: number } {
    const names: string[] = [];
    let first = Infinity;
    for (const [name, { releaseAtMs, fromRevision }] of this.#waiting) {
      if (releaseAtMs > nowMs) continue;
      names.push(name);
      first = Math.min(first, fromRevision);
      this.#waiting.delete(name);
    }
    return { names, fromRevision: first };
  }

  /** What still waits, for lists that go on holding it. */
  kept(): Entry[] {
    const entries: Entry[] = [];
    for (const { entry } of this.#waiting.values()) if (entry) entries.push(entry);
    return entries;
  }
}
