const lengthMin = 4096;

/** Which name each revision changed, for as long as somebody may ask. Revisions are whole numbers from 1, one for each change. */
export class ChangeLog {
  /** Name changed by revision `#base + index + 1`. */
  #names: string[] = [];
  #base = 0;

  get revision(): number {
    return this.#base + this.#names.length;
  }

  /** Gives the next revision to a name. @param held resources of the type: a log that is much longer forgets its older half */
  stamp(name: string, held: number): void {
    this.#names.push(name);
    // Names that come and go without a response change the log, too, and nobody trims it then.
    if (this.#names.length > 2 * (lengthMin + 4 * held)) this.trim(0, held);
  }

  /** Names changed after a revision, each once; undefined when that lies before the beginning of the log. */
  since(revision: number): readonly string[] | undefined {
    if (revision < this.#base) return undefined;
    const start = revision - this.#base;
    const names = this.#names.slice(start);
    return names.length > 1 ? [...new Set(names)] : names;
  }

  /** Forgets what everybody has passed. @param revision the lowest that anybody is level at, Infinity for nobody */
  trim(revision: number, held: number): void {
    const level = Math.min(revision, this.revision) - this.#base;
    const isTooLong = this.#names.length > lengthMin + 4 * held;
    const drop = isTooLong ? Math.max(level, this.#names.length >> 1) : level;
    // Cutting a long array at every change would cost its length each time.
    if (drop <= 0 || (drop < this.#names.length && drop * 2 < this.#names.length)) return;
    this.#names = this.#names.slice(drop);
    this.#base += drop;
  }
}
