/** Any message between the bench and its children. */
export interface Message {
  readonly kind: string;
}

const errorCharsMax = 4000;

/** What a child process has reported and nobody has waited for yet, and how it ended. */
export class Inbox<Report extends Message> {
  readonly #label: string;
  readonly #reports: Report[] = [];
  #wake: (() => void) | undefined;
  #ending: string | undefined;
  #errors = '';

  /** @param label what errors call the process */
  constructor(label: string) {
    this.#label = label;
  }

  put(report: Report): void {
    this.#reports.push(report);
    this.#wake?.();
  }

  /** Keeps the end of what the process says on stderr. */
  heard(text: string): void {
    this.#errors = (this.#errors + text).slice(-errorCharsMax);
  }

  /** The process is over; the first reason counts. */
  close(why: string): void {
    this.#ending ??= why;
    this.#wake?.();
  }

  /**
   * Waits for the next report of a kind.
   *
   * @param passesOver whether reports of other kinds are passed over, but for failures
   * @throws Error when the process reports a failure, ends, or reports something else
   */
  async next<Kind extends Report['kind']>(kind: Kind, passesOver = false): Promise<Extract<Report, { kind: Kind }>> {
    for (;;) {
      const report = this.#reports.shift();
      if (report?.kind === kind) return report as Extract<Report, { kind: Kind }>;
      if (report !== undefined && passesOver && report.kind !== 'failed') continue;
      if (report !== undefined) throw new Error(`${this.#label}: ${JSON.stringify(report).slice(0, 500)}`);
      if (this.#ending !== undefined) throw new Error(`${this.#label} ${this.#ending}: ${this.#errors.trim()}`);
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
