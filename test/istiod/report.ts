/** Prints one line for each check, and counts them. */
export class Report {
  #passed = 0;
  #failed = 0;

  /** Whether nothing failed, and anything was checked. */
  get isGood(): boolean {
    return this.#failed === 0 && this.#passed > 0;
  }

  get summary(): string {
    return `${this.#passed} passed, ${this.#failed} failed`;
  }

  /** Runs one check. @param run resolves to what was measured, rejects when it is not as it should be */
  async check(title: string, run: () => Promise<string>): Promise<void> {
    const startMs = performance.now();
    try {
      const measured = await run();
      this.#passed++;
      this.#print(`ok    ${title}: ${measured}`, startMs);
    } catch (error) {
      this.#failed++;
      this.#print(`FAIL  ${title}: ${wordsOf(error)}`, startMs);
    }
  }

  /** Runs a part with checks of its own. That it cannot begin, or breaks, is a failure. */
  async part(title: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#failed++;
      process.stdout.write(`FAIL  ${title}: the part broke off: ${wordsOf(error)}\n`);
    }
  }

  #print(line: string, startMs: number): void {
    process.stdout.write(`${line} (${((performance.now() - startMs) / 1000).toFixed(1)} s)\n`);
  }
}

const wordsMax = 2_000;

function wordsOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, wordsMax);
}
