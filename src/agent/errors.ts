/** Exit codes of the process (stable: tools rely on them). */
export const exitCodes = {
  ok: 0,
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** The cache directory is in use or not ours. */
  cacheUnusable: 3,
} as const;

/** An error of the command line or the configuration, which ends the process with {@link exitCodes.usage}. */
export function usageError(message: string, cause?: unknown): AgentError {
  return new AgentError(message, { cause, exitCode: exitCodes.usage });
}

/** Something outside the program went wrong: what failed, on what, and what to do stand in the message. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly exitCode: number;

  constructor(message: string, options: { readonly cause?: unknown; readonly exitCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? exitCodes.failed;
  }

  /** Makes an AgentError of anything that was thrown. */
  static from(thrown: unknown): AgentError {
    if (thrown instanceof AgentError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new AgentError(message, { cause: thrown });
  }

  /** The message with those of its causes. */
  describe(): string {
    const parts = [this.message];
    for (let cause = this.cause; cause instanceof Error; cause = cause.cause) {
      if (cause.message !== parts.at(-1)) parts.push(cause.message);
    }
    return parts.join(': ');
  }
}
