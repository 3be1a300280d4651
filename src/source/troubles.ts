import type { IstioKind } from '../istio/kinds.ts';
import type { SourceEvent } from './source-events.ts';

/** One thing that cannot be read. */
export interface Trouble {
  /** What it is about; one cause has one trouble at a time. */
  readonly cause: string;
  /** What kind of failure it is. As long as it stays the same, the trouble is not told again, however its text changes. */
  readonly mark: string;
  /** What failed, on what, and what to do. */
  readonly text: string;
}

/** New troubles that one update tells by themselves; the rest is a number. */
const toldMax = 10;

/** What is in trouble, told once when it begins and once when all of it is over. */
export class Troubles {
  readonly #of: IstioKind | undefined;
  readonly #tell: (event: SourceEvent) => void;
  readonly #current = new Map<string, Trouble>();

  /** @param of the kind that they are about, undefined where it is no single one */
  constructor(of: IstioKind | undefined, tell: (event: SourceEvent) => void) {
    this.#of = of;
    this.#tell = tell;
  }

  /** Something failed. */
  begin(trouble: Trouble): void {
    this.update([trouble], []);
  }

  /** It can be read again, or is no longer asked for. */
  end(cause: string): void {
    this.update([], [cause]);
  }

  /** Several at once. Where some end and others stay, one of those that stay is told again, so that the last word is always true. */
  update(begun: readonly Trouble[], ended: Iterable<string>): void {
    let isLess = false;
    for (const cause of ended) isLess = this.#current.delete(cause) || isLess;
    const news: Trouble[] = [];
    for (const trouble of begun) {
      if (this.#current.get(trouble.cause)?.mark !== trouble.mark) news.push(trouble);
      this.#current.set(trouble.cause, trouble);
    }
    for (const { text } of news.slice(0, toldMax)) this.#trouble(text);
    if (news.length > toldMax)
      this.#trouble(`${news.length - toldMax} more troubles of this sort began at the same time`);
    if (news.length > 0 || !isLess) return;
    const [stays] = this.#current.values();
    if (stays === undefined) this.#tell({ kind: 'recovered', of: this.#of });
    else
      this.#trouble(
        this.#current.size === 1 ? stays.text : `${stays.text} (and ${this.#current.size - 1} more troubles)`,
      );
  }

  #trouble(text: string): void {
    this.#tell({ kind: 'trouble', of: this.#of, text });
  }
}
