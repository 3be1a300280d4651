/** From everything to nothing. Weir itself says nothing at `trace` that it does not say at `debug`. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** How much is logged. */
export type LogLevel = (typeof logLevels)[number];
