/** Deadlines by name, on the monotonic clock in ms. Few resources have one, so the nearest is looked for when it is not known. */
export class Deadlines {
  readonly #at = new Map<string, number>();
  #nextMs: number | undefined = Infinity;

  /** The nearest deadline; Infinity without one. */
  get nextMs(): number {
    if (this.#nextMs === undefined) {
      let next = Infinity;
      for (const at of this.#at.values()) next = Math.min(next, at);
      this.#nextMs = next;
    }
    return this.#nextMs;
  }

  get(name: string): number | undefined {
    return this.#at.get(name);
  }

  /** Sets the deadline of a name; undefined takes it away. */
  set(name: string, atMs: number | undefined): void {
    if (atMs === undefined) {
      if (this.#at.size > 0 && this.#at.delete(name)) this.#nextMs = undefined;
      return;
    }
    this.#at.set(name, atMs);
    this.#nextMs = undefined;
  }

  /** Takes the names whose time is over. */
  due(nowMs: number): string[] {
    if (this.nextMs > nowMs) return [];
    const names: string[] = [];
    for (const [name, at] of this.#at) if (at <= nowMs) names.push(name);
    for (const name of names) this.#at.delete(name);
    this.#nextMs = undefined;
    return names;
  }
}
