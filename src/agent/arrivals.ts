/** Responses whose time is remembered; a client that is further behind has other worries than milliseconds. */
const arrivalsMax = 64;

/** When the newest of upstream's responses came that changed something, by the revisions that they led to. */
export class Arrivals {
  /** Oldest first; at most {@link arrivalsMax}. */
  readonly #arrivals: { readonly revision: number; readonly atMs: number }[] = [];

  /** A response was taken up. @param revision of the store after it @param atMs monotonic in ms */
  noted(revision: number, atMs: number): void {
    this.#arrivals.push({ revision, atMs });
    if (this.#arrivals.length > arrivalsMax) this.#arrivals.shift();
  }

  /**
   * When the oldest news came that somebody level at a revision has not been told.
   *
   * @param revision -1 for who was told nothing yet, to whom nothing is news
   * @returns undefined where there is none, or it is too long ago to be remembered
   */
  oldestAfter(revision: number): number | undefined {
    const last = this.#arrivals.at(-1);
    if (revision < 0 || !last || last.revision <= revision) return undefined;
    let found = last;
    for (let at = this.#arrivals.length - 2; at >= 0; at--) {
      const arrival = this.#arrivals[at];
      if (!arrival || arrival.revision <= revision) return found.atMs;
      found = arrival;
    }
    // The oldest that is remembered may not be the oldest that there was.
    return this.#arrivals.length < arrivalsMax ? found.atMs : undefined;
  }
}
