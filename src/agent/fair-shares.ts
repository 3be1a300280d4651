/**
 * Places that several parties share. Each has a share that is always there for it; beyond that it may have what the others do not need for theirs.
 */
export class FairShares {
  readonly #max: number;
  readonly #share: number;
  readonly #used = new Map<string, number>();
  #total = 0;
  /** Places that others may still claim as their share. */
  #owed: number;

  /** @param parties how they are called; whoever is none of them has no share, and what is left */
  constructor(max: number, parties: Iterable<string>) {
    this.#max = max;
    for (const party of parties) this.#used.set(party, 0);
    this.#share = this.#used.size === 0 ? 0 : Math.floor(max / this.#used.size);
    this.#owed = this.#share * this.#used.size;
  }

  /** Takes a place; returns whether there was one. */
  take(party: string): boolean {
    const used = this.#used.get(party);
    const isOwn = used !== undefined && used < this.#share;
    if (!isOwn && this.#total + this.#owed >= this.#max) return false;
    if (isOwn) this.#owed--;
    if (used !== undefined) this.#used.set(party, used + 1);
    this.#total++;
    return true;
  }

  giveBack(party: string): void {
    const used = this.#used.get(party);
    this.#total--;
    if (used === undefined) return;
    this.#used.set(party, used - 1);
    if (used <= this.#share) this.#owed++;
  }
}
