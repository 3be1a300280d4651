/** Says on stderr what is being done: one line that is written over, or a line per run where nothing can be. */
export class Progress {
  readonly #total: number;
  readonly #startMs = performance.now();
  #done = 0;

  /** @param total how many runs there will be */
  constructor(total: number) {
    this.#total = total;
  }

  begin(what: string): void {
    this.#done += 1;
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${this.#position()} ${what} …`);
  }

  end(what: string, outcome: string): void {
    const line = `${this.#position()} ${what}: ${outcome}`;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
  }

  close(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }

  #position(): string {
    const seconds = Math.round((performance.now() - this.#startMs) / 1000);
    return `[${this.#done}/${this.#total}, ${seconds} s]`;
  }
}
