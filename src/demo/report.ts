/** Measured values of a step, by name; the name ends in its unit. */
export type Measured = Readonly<Record<string, number>>;

/** One step of the demo and whether what it claims held. */
export interface Step {
  readonly title: string;
  readonly ok: boolean;
  /** One or two lines for people. */
  readonly text: string;
  readonly measured: Measured;
}

/** A claim that a step makes, with the sentence for when it does not hold. */
export interface Claim {
  readonly holds: boolean;
  readonly otherwise: string;
}

/** How the report looks. */
export interface ReportOptions {
  readonly format: 'text' | 'json';
  readonly hasColours: boolean;
  readonly write: (text: string) => void;
}

const titleWidth = 15;

/** Collects the steps of a run and shows them: as lines while they happen, or as one JSON object at the end. */
export class Report {
  readonly #options: ReportOptions;
  readonly #steps: Step[] = [];
  readonly #notes: string[] = [];

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  /** A line that is no step. */
  note(text: string): void {
    this.#notes.push(text);
    this.#line(`  ${text}`);
  }

  /** Records a step; it held when all its claims do. */
  step(title: string, text: string, measured: Measured, claims: readonly Claim[]): void {
    const broken = claims.filter(claim => !claim.holds).map(claim => claim.otherwise);
    const ok = broken.length === 0;
    this.#steps.push({ title, ok, text: [text, ...broken].join('\n'), measured });
    const indent = `\n${' '.repeat(titleWidth + 3)}`;
    const mark = ok ? this.#coloured('✓', 32) : this.#coloured('✗', 31);
    const lines = [
      ...text.split('\n'),
      ...broken.flatMap(claim => claim.split('\n')).map(line => this.#coloured(line, 31)),
    ];
    this.#line(`${mark} ${title.padEnd(titleWidth)} ${lines.join(indent)}`);
  }

  /** Records that a step broke off. */
  failure(title: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.step(title, 'broke off', {}, [{ holds: false, otherwise: text }]);
  }

  /** Closes the report. @returns whether every step held */
  finish(totalMs: number): boolean {
    const ok = this.#steps.length > 0 && this.#steps.every(step => step.ok);
    const seconds = Math.round(totalMs / 100) / 10;
    if (this.#options.format === 'json') {
      const summary = { ok, seconds, notes: this.#notes, steps: this.#steps };
      this.#options.write(`${JSON.stringify(summary, null, 2)}\n`);
    } else {
      const held = this.#steps.filter(step => step.ok).length;
      this.#line(`${held} of ${this.#steps.length} steps held, ${seconds} s`);
    }
    return ok;
  }

  #line(text: string): void {
    if (this.#options.format === 'text') this.#options.write(`${text}\n`);
  }

  #coloured(text: string, code: number): string {
    return this.#options.hasColours ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}
