/** Thrown when the program itself is wrong, never for bad input. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * States what must hold. A failure is a bug of Weir, so it throws.
 *
 * @param mustHold the sentence that was true until now
 */
export function invariant(condition: unknown, mustHold: string): asserts condition {
  if (!condition) throw new InvariantError(`invariant broken: ${mustHold}`);
}

/** Makes a switch over a closed union exhaustive: the compiler refuses a forgotten case. */
export function unreachable(value: never): never {
  throw new InvariantError(`invariant broken: no case for ${JSON.stringify(value)}`);
}
