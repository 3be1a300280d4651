import type { LogLevelReport } from '../admin/source.ts';
import type { Logger } from './log.ts';
import { type LogLevel, logLevels } from './log-levels.ts';

/** Longest time for which a level may be set, in ms. */
const longestMs = 24 * 3_600_000;

/** How much is logged: as configured, until an operator says otherwise, maybe for a time. */
export class LogLevelSwitch {
  readonly #log: Logger;
  readonly #configured: LogLevel;
  readonly #changed: (message: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #untilWallMs: number | undefined;

  /** @param changed told of each change in a sentence; what it logs at `info` is written whatever the level */
  constructor(log: Logger, changed: (message: string) => void) {
    this.#log = log;
    this.#configured = log.level;
    this.#changed = changed;
  }

  report(): LogLevelReport {
    return { level: this.#log.level, configured: this.#configured, untilWallMs: this.#untilWallMs };
  }

  /**
   * Logs at this level from now on.
   *
   * @param forMs the configured level is back after so many ms; undefined for as long as the process lives
   * @returns how it is now, or what is wrong with what was asked for
   */
  set(wanted: string, forMs: number | undefined): LogLevelReport | { readonly error: string } {
    const level = logLevels.find(one => one === wanted);
    if (!level) return { error: `level must be ${logLevels.slice(0, -1).join(', ')} or ${logLevels.at(-1)}` };
    if (forMs !== undefined && (forMs <= 0 || forMs > longestMs))
      return { error: 'for must be at most 24h, such as 10m' };
    clearTimeout(this.#timer);
    this.#untilWallMs = forMs === undefined ? undefined : Date.now() + forMs;
    const end = this.#untilWallMs === undefined ? '' : `, until ${new Date(this.#untilWallMs).toISOString()}`;
    if (forMs !== undefined) this.#timer = setTimeout(() => this.#back(), forMs).unref();
    this.#change(level, `log level is ${level} now and was ${this.#log.level}${end}`);
    return this.report();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #back(): void {
    this.#untilWallMs = undefined;
    this.#change(this.#configured, `log level is ${this.#configured} again, as configured: its time is over`);
  }

  /** Whoever reads the log later has to know why there is more or less in it. */
  #change(level: LogLevel, message: string): void {
    this.#log.level = 'info';
    this.#changed(message);
    this.#log.level = level;
  }
}
