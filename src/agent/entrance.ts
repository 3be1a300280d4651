/**
 * Where clients' events wait while what was stored is read. The addresses are there before: whoever connects meanwhile waits for the read instead of
 * trying again, and the core hears of nobody before it has what it was left.
 */
export class Entrance<Event> {
  readonly #post: (event: Event) => void;
  /** Until it is opened; few, for a read is one piece of work in which nobody else has a turn. */
  #waiting: Event[] | undefined = [];

  constructor(post: (event: Event) => void) {
    this.#post = post;
  }

  readonly post = (event: Event): void => {
    if (this.#waiting) this.#waiting.push(event);
    else this.#post(event);
  };

  /** Lets in who waits, in their order, and everybody from then on. */
  open(): void {
    // What comes in the course of it is at its end.
    for (const event of this.#waiting ?? []) this.#post(event);
    this.#waiting = undefined;
  }
}
