/** What is done about a list that shrinks suspiciously (R79). */
export interface GuardSettings {
  readonly guard: 'off' | 'warn' | 'hold';
  /** How long the old set is kept, in ms. */
  readonly guardGraceMs: number;
  /** How long after a stream was opened a shrinking list is suspicious, in ms (R110). */
  readonly guardWindowMs: number;
  /** Removals at once that are suspicious, in percent of what is held. */
  readonly guardPercent: number;
}

/** One change of a full-state type, as the guard sees it. */
export interface Shrinkage {
  /** Resources held before. */
  readonly held: number;
  /** Of these, how many would go. */
  readonly gone: number;
  /** Resources that come with the same response and were not held. */
  readonly fresh: number;
  /** Time since the stream was opened, in ms. */
  readonly sinceOpenMs: number;
}

/** Whether a list that shrinks is taken as it is, reported, or held back: an upstream that has just started may not know everything yet. */
export function judge(
  settings: GuardSettings,
  { held, gone, fresh, sinceOpenMs }: Shrinkage,
): 'pass' | 'warn' | 'hold' {
  if (settings.guard === 'off' || gone === 0 || sinceOpenMs > settings.guardWindowMs) return 'pass';
  const isEmptied = gone === held && fresh === 0;
  return isEmptied || isTooMuch(settings, gone, held) ? settings.guard : 'pass';
}

/** Whether a set is so much smaller than the one whose place it is to take that its server may not know everything yet (R79). */
export function isShrunken(settings: GuardSettings, held: number, size: number): boolean {
  return held > 0 && isTooMuch(settings, held - size, held);
}

function isTooMuch({ guardPercent }: GuardSettings, gone: number, held: number): boolean {
  return gone * 100 > held * guardPercent;
}

/** Removals of one type that are held back. */
export class HeldRemovals {
  #names = new Set<string>();
  #untilMs = Infinity;

  get size(): number {
    return this.#names.size;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** When they take effect, on the monotonic clock in ms; Infinity when there are none. */
  get untilMs(): number {
    return this.#names.size > 0 ? this.#untilMs : Infinity;
  }

  /** Holds these names. @param isWhole they replace what was held; the grace of a hold that goes on, over a lost stream too, is not made longer */
  hold(names: Iterable<string>, isWhole: boolean, nowMs: number, graceMs: number): void {
    if (isWhole) this.#names = new Set(names);
    else for (const name of names) this.#names.add(name);
    // That of a stream long ago is another matter.
    if (this.#untilMs < nowMs - graceMs) this.#untilMs = Infinity;
    this.#untilMs = this.#names.size === 0 ? Infinity : Math.min(this.#untilMs, nowMs + graceMs);
  }

  /** The stream is lost, and upstream says them again on the next one: the grace goes on meanwhile. */
  lost(): void {
    this.#names.clear();
  }

  /** Upstream has sent the name again. */
  seen(name: string): void {
    if (this.#names.delete(name) && this.#names.size === 0) this.#untilMs = Infinity;
  }

  /** Takes all of them: they are to take effect, or do not matter any more. */
  take(): string[] {
    const names = [...this.#names];
    this.#names.clear();
    this.#untilMs = Infinity;
    return names;
  }
}
