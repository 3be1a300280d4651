import { pino } from 'pino';
import type { LogLevel } from './log-levels.ts';

/** Fields of a log line. Never a resource body, a token or a key. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What the agent needs of a logger. */
export interface Logger {
  /** What is below it is not written. May be changed at any time. */
  level: LogLevel;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** How to log; `auto` is pretty on a terminal and JSON elsewhere. */
export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'auto' | 'json' | 'pretty';
  /** Whether somebody reads the output directly. */
  readonly isTty: boolean;
}

/**
 * Makes the logger: one JSON object a line on standard output, or readable lines with colours for a person at a terminal. It writes
 * synchronously, so that the last line before an end is not lost.
 */
export async function createLogger(options: LogOptions): Promise<Logger> {
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // The word, not pino's number: log collectors know `"level":"warn"`.
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && options.isTty);
  if (!isPretty) return adapt(pino(settings, pino.destination({ dest: 1, sync: true })));
  // In the process itself: a worker transport cannot be found from a bundle.
  const { default: pretty } = await import('pino-pretty');
  const stream = pretty({ destination: 1, sync: true, colorize: options.isTty, translateTime: 'SYS:HH:MM:ss.l' });
  return adapt(pino(settings, stream));
}

/** pino's own type is generic in its level names, which an async function cannot return. */
function adapt(logger: ReturnType<typeof pino>): Logger {
  return {
    get level() {
      return logger.level as LogLevel; // It was made with one of ours and is given no other.
    },
    set level(level) {
      logger.level = level;
    },
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}
