import type { LogLine } from './notes.ts';

/** Lines of one kind at once, and how many a second in the long run: whoever comes and is refused again and again must not fill the disk. */
const burst = 200;
const perSecond = 5;

interface Kind {
  credit: number;
  atMs: number;
  leftOut: number;
  /** The last line that was left out. */
  last: LogLine | undefined;
}

/** Bounds how often lines of one kind are logged; those left out are counted and told. */
export class LineLimit {
  readonly #kinds = new Map<string, Kind>();
  /** Lines left out so far, of all kinds. */
  leftOutTotal = 0;

  /** The line as it is to be logged, undefined if it is one too many. @param kind one of a few */
  pass(kind: string, line: LogLine, nowMs: number): LogLine | undefined {
    // Who asks for everything gets it.
    if (line.level === 'debug') return line;
    const known = this.#kinds.get(kind) ?? { credit: burst, atMs: nowMs, leftOut: 0, last: undefined };
    this.#kinds.set(kind, known);
    known.credit = Math.min(burst, known.credit + ((nowMs - known.atMs) * perSecond) / 1000);
    known.atMs = nowMs;
    if (known.credit < 1) {
      known.leftOut++;
      this.leftOutTotal++;
      known.last = line;
      return undefined;
    }
    known.credit--;
    return this.#told(known, line);
  }

  /** What has been left out since, a line for each kind; to be asked from time to time. */
  *takeLeftOut(): Generator<LogLine> {
    for (const known of this.#kinds.values()) if (known.last) yield this.#told(known, known.last);
  }

  #told(known: Kind, line: LogLine): LogLine {
    const { leftOut } = known;
    known.leftOut = 0;
    known.last = undefined;
    return leftOut === 0 ? line : { ...line, fields: { ...line.fields, leftOut } };
  }
}
